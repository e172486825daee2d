package mailstore

import (
	"iter"
	"time"
)

// Kept says that the account has to keep a message, whatever mail programs do
// to its rows. It belongs to the message, that is to the EmailID: all rows that
// COPY and MOVE make of it are one. While it is there, the last row that goes,
// by whichever way, leaves the message in the vault, in the same commit. It may
// be there before the message comes, and stays when that moves or comes back.
//
// What ends it, and when, is the gateway's: an engine looks at no clock.
type Kept struct {
	EmailID  ID
	LetterID ID
	Until    time.Time // end of the term; zero when it has none
	Warned   time.Time // when the owner was told of the end; zero: not yet
	Held     bool      // must not be destroyed, whatever the term says
}

// Vaulted is a message that no mailbox shows and that is kept for the account.
// It does not count as usage: its owner cannot remove it.
type Vaulted struct {
	EmailID  ID
	LetterID ID
	At       time.Time // when the last row went

	// Of the last row.
	Flags    Flags
	Keywords []string
	Mailbox  string // name; "" when it is not known
	Role     Role   // of that mailbox
	Received time.Time
	Size     int64 // octets

	Summary []byte  // with FieldSummary
	Content Content // with FieldContent
}

// KeptReader reads what an account keeps; it is part of Tx.
type KeptReader interface {
	// Kept returns what Keep wrote, ErrNotKept when there is nothing.
	Kept(email ID) (Kept, error)
	// KeptUntil yields those not held whose term ends at limit or before, the
	// earliest first.
	KeptUntil(limit time.Time) iter.Seq2[Kept, error]
	// Vault yields the messages in the vault, ordered by EmailID.
	Vault(fields Fields) iter.Seq2[Vaulted, error]
	// Vaulted returns one of them, ErrNoMessage when it is not there.
	Vaulted(email ID, fields Fields) (Vaulted, error)
}

// Keeper changes what an account keeps; it is part of UpdateTx.
type Keeper interface {
	// Keep adds a Kept or replaces the one of its EmailID.
	Keep(Kept) error
	// Unkeep ends it: rows become ordinary ones, and what is in the vault is
	// destroyed. Nothing to end is no error. ErrHeld, before anything is
	// written, while the message or the account is held.
	Unkeep(email ID) error
	// Restore gives a message of the vault a row again, without \Deleted, and
	// takes it out of the vault. It needs no room in the quota, but counts.
	// ErrNoMessage when it is not in the vault; ErrHeld, before anything is
	// written, while the message or the account is held: it is to stay as it
	// is; ErrNoMailbox, ErrLimit as Append.
	Restore(email ID, box MailboxID) (Appended, error)
}
