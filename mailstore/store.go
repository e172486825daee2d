// Package mailstore is the storage contract: accounts, mailboxes, messages,
// letters, queue and journal, and the rules that every engine keeps.
//
// It owns the vocabulary and nothing else: no engine, no encryption, no
// protocol. Engines (boltstore; later PostgreSQL) implement Store and pass
// package storetest unchanged. What a letter means is not known here: the
// records of letters, evidence, journal and queue carry opaque details.
//
// An account is the unit of serialisation. The Updates of one account happen
// one after the other; a View is a snapshot. Work that crosses accounts
// travels as queue items.
//
// At rest, ids, UIDs, modseqs, system flags, sizes, times and references are
// in the clear; lookup keys are keyed MACs; all the rest (addresses, names,
// keywords, summaries, prefixes, details) is encrypted.
package mailstore

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"gosbridge/mailstore/body"
)

// ID names accounts, messages, letters, evidence and queue items: a UUIDv7,
// chosen by the caller so that a repetition is recognised.
type ID = uuid.UUID

// NewID returns a fresh UUIDv7 (RFC 9562 §5.7).
func NewID() ID { return uuid.Must(uuid.NewV7()) }

const (
	// MaxMessagesPerUpdate is how many messages one Update may touch. Larger
	// work goes in slices, so that no account waits long for another.
	MaxMessagesPerUpdate = 1000
	// MaxCopyPerUpdate is the same for Copy and Move, which IMAP wants whole.
	MaxCopyPerUpdate = 10000
	// RepeatWindow is how long an engine remembers the IDs of appended
	// messages and enqueued items that are gone, at least.
	RepeatWindow = 24 * time.Hour
)

// Store is one open data store. All methods are safe for concurrent use.
type Store interface {
	// View runs fn on a snapshot of the account. The Tx is valid only inside
	// fn, which must not block on a client or the network. ErrNoAccount when
	// there is no such account, ErrDamaged when what is read makes no sense;
	// else fn's error unchanged. A panic of fn's own goes on to the caller.
	View(ctx context.Context, account ID, fn func(Tx) error) error

	// Update runs fn and commits what it wrote, durably, before it returns
	// nil. Updates of many callers share one commit. fn may run more than
	// once and must have no effect but on tx: it checks before it writes. If
	// fn returns an error nothing of it is kept and the error is returned
	// unchanged; an error before the first write costs the others nothing. A
	// panic in fn becomes an error. A ctx that ends before fn was started
	// returns its error; one that ends later returns ErrMaybeCommitted.
	// ErrFull and ErrDisk: nothing was committed, unless ErrMaybeCommitted is
	// in the chain.
	Update(ctx context.Context, account ID, fn func(UpdateTx) error) error

	// Watch returns hints about commits that touched one of the mailboxes of
	// the account, or any when none is named. The caller closes it.
	Watch(account ID, mailboxes ...MailboxID) Watcher

	// Import appends messages in bulk to a mailbox, keeping the UID and
	// ModSeq of each. UIDs must ascend and not be below the mailbox's
	// UIDNext. It commits in slices; repeated after an error it skips what is
	// there (same EmailID at the same UID).
	Import(ctx context.Context, account ID, box MailboxID, messages iter.Seq2[NewMessage, error]) error

	// Reserve sets octets of the account's quota aside for a message that is
	// still on its way. ErrQuota when they do not fit. The caller releases;
	// a reservation does not outlive the process.
	Reserve(ctx context.Context, account ID, octets int64) (release func(), err error)

	Queue() Queue
	Directory() Directory
	// Bodies is where messages' bodies are kept, the inline ones included.
	Bodies() body.Store
	// Texts is what searches look through.
	Texts() Texts

	// Sweep removes bodies and remembered IDs that nothing needs any more.
	Sweep(ctx context.Context, grace time.Duration) (body.SweepReport, error)

	// Close waits for the running transactions and releases the data folder.
	Close() error
}

// Watcher delivers hints. A hint carries no data, may be spurious and is
// coalesced: after one, look at the store.
type Watcher interface {
	// C yields a value after commits since the last receive. It has a buffer
	// of one and is never closed.
	C() <-chan struct{}
	// Set replaces the set of watched mailboxes; none means all.
	Set(mailboxes ...MailboxID)
	Close()
}

// Tx reads a snapshot of one account. It is not safe for concurrent use and
// not valid after fn returns; what it returns by value stays valid.
type Tx interface {
	// Account returns the account as of this snapshot.
	Account() (Account, error)
	// Credential returns a credential of the account, a revoked one too;
	// ErrNoCredential when absent.
	Credential(id ID) (Credential, error)
	// Usage returns the quota's state.
	Usage() (Usage, error)

	// Mailboxes returns all mailboxes ordered by name, INBOX first.
	Mailboxes() ([]Mailbox, error)
	// Mailbox returns one by ID, ErrNoMailbox if there is none.
	Mailbox(id MailboxID) (Mailbox, error)
	// MailboxByName finds by UTF-8 name; INBOX in any case.
	MailboxByName(name string) (Mailbox, error)
	// MailboxByRole finds the mailbox with a special use, ErrNoMailbox if none.
	MailboxByRole(role Role) (Mailbox, error)

	// UIDs returns the mailbox's UIDs in ascending order. The slice may be
	// shared between callers and must not be changed.
	UIDs(box MailboxID) ([]UID, error)
	// Messages yields the messages of set that exist, ascending by UID, with
	// the fields asked for. The yielded Message is the caller's own.
	Messages(box MailboxID, set UIDSet, fields Fields) iter.Seq2[*Message, error]
	// FlagRows is Messages for who needs nothing but flags, of very many.
	FlagRows(box MailboxID, set UIDSet) iter.Seq2[FlagRow, error]
	// Changes tells what happened in the mailbox after modseq since.
	Changes(box MailboxID, since ModSeq) (Changes, error)
	// ByEmailID returns where the message with that EmailID stands now.
	ByEmailID(id ID) ([]Location, error)
	// ByLetter returns every row of the account that shows the letter.
	ByLetter(letter ID) ([]Location, error)
	// ByKey returns every row of the account whose message has the key, in
	// the order of mailbox and UID.
	ByKey(key string) ([]Location, error)

	// Letter returns one letter record. A letter that an account sent to
	// itself has two, told apart by role. ErrNoLetter when absent.
	Letter(id ID, role LetterRole) (Letter, error)
	// Letters yields the account's letters that match, newest first.
	Letters(filter LetterFilter) iter.Seq2[Letter, error]
	// Evidence yields the letter's evidence in the order it was put.
	Evidence(letter ID) iter.Seq2[Evidence, error]

	// JournalSize is the number of records in the account's journal.
	JournalSize() (int64, error)
	// Journal yields records from index from on, limit at most (0: all).
	Journal(from int64, limit int) iter.Seq2[JournalRecord, error]
	// JournalHashes returns the stored tree hashes at those indexes.
	JournalHashes(indexes []int64) ([]Hash, error)

	// Item returns a queue item of this account, ErrNoItem when absent.
	Item(id ID) (Item, error)

	KeptReader
}

// UpdateTx changes one account. A method that fails after it wrote something
// makes the whole Update fail, even if fn ignores the error.
type UpdateTx interface {
	Tx
	MailboxWriter
	MessageWriter
	LetterWriter
	Outbox
	JournalWriter
	Keeper
	// PutAccount changes the account's own record (settings, quota,
	// disabled, held). ID, Holder and Addresses are the Directory's and ignored.
	PutAccount(Account) error
}

// Usage is how much an account holds.
type Usage struct {
	Octets   int64 // RFC822.SIZE of all messages, those in the vault aside
	Messages int64
	Quota    int64 // octets; 0 means without limit
}
