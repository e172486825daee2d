package mailstore

import "errors"

// What callers test for. Engines wrap these with operation and place.
var (
	ErrNoAccount = errors.New("no such account")
	ErrNoMailbox = errors.New("no such mailbox")
	ErrNoMessage = errors.New("no such message")
	ErrNoLetter  = errors.New("no such letter")
	ErrNoItem    = errors.New("no such queue item")

	ErrNoCredential = errors.New("no such credential")

	// ErrNotKept says that no retention is noted for a message.
	ErrNotKept = errors.New("message not kept")
	// ErrHeld says that a message, or its account, is held: it must neither be
	// destroyed nor leave the vault.
	ErrHeld = errors.New("held")

	// ErrExists says that a name, an address or an ID is taken.
	ErrExists = errors.New("already exists")
	// ErrQuota says that the account's quota would be exceeded.
	ErrQuota = errors.New("over quota")
	// ErrTooLarge says that one Update would touch more messages than
	// MaxMessagesPerUpdate (MaxCopyPerUpdate for Copy and Move).
	ErrTooLarge = errors.New("too many messages for one update")
	// ErrLimit says that a count has reached its limit: mailboxes per
	// account, keywords per mailbox.
	ErrLimit = errors.New("limit reached")
	// ErrConflict says that a record changed since it was read.
	ErrConflict = errors.New("record changed meanwhile")
	// ErrLeased says that a queue item is leased to somebody else, or that
	// the caller's lease is over.
	ErrLeased = errors.New("queue item leased")
	// ErrMaybeCommitted says that the outcome of an Update is unknown: its
	// context ended, or the disk failed, after the work was handed over.
	// Repeating it with the same IDs is harmless.
	ErrMaybeCommitted = errors.New("outcome of update unknown")
	// ErrFull says that the disk took no more. Nothing was written.
	ErrFull = errors.New("no space in store")
	// ErrDisk says that the disk failed. Nothing was committed, unless
	// ErrMaybeCommitted is in the chain. It may last until the store is opened
	// anew.
	ErrDisk = errors.New("disk failed")
	// ErrLocked says that another process has the data folder open.
	ErrLocked = errors.New("data folder in use by another process")
	// ErrKey says that the master key does not fit the data folder.
	ErrKey = errors.New("wrong master key")
	// ErrVersion says that the data folder was written by a newer release.
	ErrVersion = errors.New("unknown format version")
	// ErrDamaged says that a record failed its authentication tag or has no
	// sense.
	ErrDamaged = errors.New("record damaged")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("store closed")
	// ErrReadOnly says that the name is reserved or the mailbox may not be
	// changed in that way (INBOX cannot be deleted).
	ErrReadOnly = errors.New("not permitted")
)
