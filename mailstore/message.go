package mailstore

import (
	"context"
	"io"
	"time"

	"gosbridge/mailstore/body"
)

// Content is the octets of a message: a prefix, a range of a sealed body, and
// a tail. So the gateway's header, an edited header or a signature around a
// body never cost a second copy of the body.
type Content struct {
	Prefix []byte
	Body   body.Ref // zero when Prefix and Suffix are all
	Offset int64    // first octet of the body that belongs to the message
	Length int64    // octets of the body that belong to the message
	Suffix []byte
}

// Size is the number of octets of the message: RFC822.SIZE.
func (c Content) Size() int64 {
	return int64(len(c.Prefix)) + c.Length + int64(len(c.Suffix))
}

// Open reads the message's octets from offset on. It streams, holds no
// transaction, and must be closed. Errors are those of body.Store.
func (c Content) Open(ctx context.Context, bodies body.Store, offset int64) (io.ReadCloser, error) {
	return openContent(ctx, c, bodies, offset)
}

// Flags are the system flags of a message (RFC 9051 §2.3.2) as a set of bits.
type Flags uint8

// The system flags. \Recent is not kept.
const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
)

// Message is one row of a mailbox. Immutable but for Flags, Keywords and
// ModSeq. Which fields are filled depends on Fields.
type Message struct {
	UID      UID
	ModSeq   ModSeq
	Flags    Flags
	Keywords []string

	// FieldMeta
	EmailID   ID
	LetterID  ID        // zero when the message is no letter
	Received  time.Time // INTERNALDATE, with zone
	Saved     time.Time // when this row came into the mailbox (RFC 8514)
	Size      int64     // octets
	CreateMod ModSeq    // modseq of the Update that made the row

	// FieldSummary: what lists and searches need, ready for the wire, made
	// and read by the gateway; opaque here.
	Summary []byte

	// FieldContent
	Content Content
}

// FlagRow is what changes about a message.
type FlagRow struct {
	UID      UID
	ModSeq   ModSeq
	Flags    Flags
	Keywords []string
}

// Fields says what Messages loads beside UID, ModSeq, Flags and Keywords.
type Fields uint8

// The groups of fields.
const (
	FieldMeta Fields = 1 << iota
	FieldSummary
	FieldContent
)

// NewMessage is a message to append.
type NewMessage struct {
	EmailID  ID // also the idempotency key
	LetterID ID
	Received time.Time
	Flags    Flags
	Keywords []string
	Summary  []byte
	Content  Content
	// Keys are what the message can be found by, besides its IDs: ByKey. Kept
	// as keyed MACs, so never read back; every row of the message has them.
	Keys []string
	// OverQuota appends also where the account's quota leaves no room: for
	// what the account must get, such as evidence. It counts all the same.
	OverQuota bool

	// For Import only.
	UID    UID
	ModSeq ModSeq
}

// Appended is the answer to Append.
type Appended struct {
	UID    UID
	ModSeq ModSeq
	Repeat bool // the ID was appended before: nothing was written
}

// Location is where a message stands.
type Location struct {
	Mailbox MailboxID
	UID     UID
}

// FlagOp says how SetFlags combines.
type FlagOp uint8

// The operations of STORE.
const (
	FlagsSet FlagOp = iota // replace all
	FlagsAdd
	FlagsRemove
)

// FlagChange is what SetFlags does.
type FlagChange struct {
	Op       FlagOp
	Flags    Flags
	Keywords []string
	// Protect are keywords that the change neither sets nor clears.
	Protect func(keyword string) bool
	// UnchangedSince, when not nil, leaves out messages whose modseq is
	// greater (RFC 7162 §3.1.3); 0 is a value like any other.
	UnchangedSince *ModSeq
}

// FlagResult is the answer to SetFlags.
type FlagResult struct {
	Changed  UIDSet // whose flags differ now; they carry ModSeq
	Modified UIDSet // left out because of UnchangedSince
	NewSeen  UIDSet // where \Seen went from unset to set
	ModSeq   ModSeq // 0 when nothing changed
}

// Copied is the answer to Copy and Move; the two slices run in parallel.
type Copied struct {
	UIDValidity uint32
	Source      []UID
	Dest        []UID
}

// Changes is what happened in a mailbox since a modseq.
type Changes struct {
	HighestMod ModSeq
	Changed    UIDSet // new or with changed flags, and still there
	Vanished   UIDSet // expunged, but for those that also came after since
	// Complete is false when since is below the floor of the log: Changed and
	// Vanished then tell what is still known, and the reader must compare.
	Complete bool
}

// MessageWriter changes messages. Sets name UIDs; those that do not exist are
// skipped. ErrTooLarge above the limits.
type MessageWriter interface {
	// Append adds a message. An EmailID that this account appended within
	// RepeatWindow is answered with its first UID, even when it has been
	// moved or expunged since. ErrNoMailbox, ErrQuota, ErrLimit.
	Append(box MailboxID, m NewMessage) (Appended, error)
	// SetFlags changes flags and keywords. A message whose flags stay the
	// same keeps its modseq.
	SetFlags(box MailboxID, set UIDSet, change FlagChange) (FlagResult, error)
	// Expunge removes the messages of set (only those flagged \Deleted when
	// onlyDeleted), and returns the UIDs that went.
	Expunge(box MailboxID, set UIDSet, onlyDeleted bool) (UIDSet, error)
	// Copy gives the messages new rows in dst with the same EmailID, body,
	// flags and dates; Move removes the old rows in the same commit.
	Copy(src MailboxID, set UIDSet, dst MailboxID) (Copied, error)
	Move(src MailboxID, set UIDSet, dst MailboxID) (Copied, error)
}
