package mailstore

import "github.com/emersion/go-imap/v2"

// The vocabulary of IMAP, from go-imap.
type (
	UID      = imap.UID
	UIDSet   = imap.UIDSet
	UIDRange = imap.UIDRange
)

// ModSeq is a modification sequence (RFC 7162 §3.1). It belongs to the
// account: every Update that changes a mailbox takes the next one, for all it
// changes. 0 is before everything.
type ModSeq uint64

// MailboxID numbers the mailboxes of an account from 1 and is never used
// again. A renamed mailbox keeps it.
type MailboxID uint32

// Role is the special use of a mailbox (RFC 6154), or one of our own.
type Role string

// The roles of the mailboxes that every account has.
const (
	RoleInbox    Role = "\\Inbox"
	RoleDrafts   Role = "\\Drafts"
	RoleSent     Role = "\\Sent"
	RoleArchive  Role = "\\Archive"
	RoleJunk     Role = "\\Junk"
	RoleTrash    Role = "\\Trash"
	RoleReceipts Role = "\\Receipts" // ours; not announced over IMAP
)

// Lasting reports whether a mailbox of the role cannot be deleted, because the
// gateway files into it or mail programs lose mail without it. The others,
// \Archive and \Junk, a mail program may want under a name of its own (RFC 6154
// §3 gives a special use to a new mailbox only).
func (r Role) Lasting() bool { return r != "" && r != RoleArchive && r != RoleJunk }

// Delimiter separates the levels of mailbox names.
const Delimiter = '/'

// Mailbox is the record of one mailbox; the counts are of the same commit.
type Mailbox struct {
	ID          MailboxID
	Name        string // UTF-8, NFC, levels separated by Delimiter; "INBOX" in this case
	Role        Role   // "" without special use
	UIDValidity uint32 // carries the store's generation, also one raised since; never seen before for this name
	UIDNext     UID
	HighestMod  ModSeq // of the last change to this mailbox; at least 1
	Messages    uint32
	Unseen      uint32
	Deleted     uint32 // messages flagged \Deleted
	Octets      int64
	Subscribed  bool
	NoSelect    bool     // a deleted parent that still has children
	Keywords    []string // all keywords in use or used once, in order of first use
	Full        bool     // there is no room for more keywords
}

// MailboxWriter creates, renames and removes mailboxes.
type MailboxWriter interface {
	// CreateMailbox makes a mailbox, and the missing levels above it.
	// ErrExists, ErrLimit.
	CreateMailbox(name string, role Role) (Mailbox, error)
	// RenameMailbox moves a mailbox with all below it. Renaming INBOX moves
	// its messages into a new mailbox and leaves INBOX empty (RFC 9051
	// §6.3.6). ErrExists, ErrNoMailbox.
	RenameMailbox(id MailboxID, name string) error
	// DeleteMailbox removes a mailbox and its messages; with children it
	// stays as NoSelect. INBOX and mailboxes with a lasting role: ErrReadOnly. The
	// rows are removed behind the commit, in slices.
	DeleteMailbox(id MailboxID) error
	// Subscribe sets or clears the subscription of a mailbox.
	Subscribe(id MailboxID, on bool) error
}
