package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/mailfolder"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// Imported is what an import did.
type Imported struct {
	Counts        // of what is new
	Already int64 `json:"already"` // messages that an earlier import brought
	// Gone are messages that an earlier import brought and that were expunged
	// within the last day: they do not come again.
	Gone int64 `json:"gone,omitempty"`
	// NoName are mailboxes whose names no mailbox can have; they were left out.
	NoName []string `json:"left_out,omitempty"`
}

// Import is what to import.
type Import struct {
	Path      string // folder, or one file of mbox
	Format    Format
	OverQuota bool // also where the account's quota leaves no room
	Details   journal.Details
}

// Import adds the messages of a folder to an account. Mailboxes that are missing
// are made. It is interrupted and repeated without harm: a message has an ID made
// of account, folder, octets and its number among equals there. On an error the
// answer tells what has been done.
func (m *Mover) Import(ctx context.Context, account mailstore.ID, in Import, progress Progress) (Imported, error) {
	tree, end, err := open(in)
	if err != nil {
		return Imported{}, err
	}
	defer end()
	i := importer{m: m, account: account, in: in, told: progress}
	for _, f := range tree.Folders {
		name, err := mailstore.NormalName(f.Name)
		if err != nil {
			i.out.NoName = append(i.out.NoName, f.Name)
			continue
		}
		if err := i.folder(ctx, tree, f, name); err != nil {
			i.discard(ctx, i.batch)
			return i.out, located(name, err)
		}
		i.out.Mailboxes++
	}
	return i.out, nil
}

// open finds the mailboxes of what is to be imported.
func open(in Import) (tree *mailfolder.Tree, end func(), err error) {
	if !in.Format.Valid() {
		return nil, nil, ErrFormat
	}
	info, err := os.Stat(in.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	dir := in.Path
	if !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	root, err := os.OpenRoot(dir) // so that no link leads out of it
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	switch {
	case in.Format == Maildir && info.IsDir():
		tree, err = mailfolder.OpenMaildir(root.FS())
	case in.Format == Maildir:
		err = fmt.Errorf("%s is no folder", in.Path)
	case info.IsDir():
		tree, err = mailfolder.OpenMbox(root.FS())
	case info.Mode().IsRegular():
		tree = mailfolder.OpenMboxFile(root.FS(), filepath.Base(in.Path))
	default:
		err = fmt.Errorf("%s is neither a folder nor a file", in.Path)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w: %w", ErrFolder, err), root.Close())
	}
	return tree, func() { _ = root.Close() }, nil // it was only read
}

// One Update of an import has at most so many messages, and so many octets of
// small bodies and summaries.
const (
	batchMessages = 200
	batchHeld     = 4 << 20
)

// importer is one import on its way.
type importer struct {
	m       *Mover
	account mailstore.ID
	in      Import
	told    Progress
	out     Imported

	box   mailstore.MailboxID // 0 before it was found
	batch []mailstore.NewMessage
	held  int
	read  int64 // messages of all folders
}

// roles are names that other programs give to mailboxes with a special use.
// Where the account has none of the name, its own mailbox of that use is meant.
var roles = map[mailstore.Role][]string{
	mailstore.RoleSent:    {"sent", "sent messages", "sent items", "sent mail", "отправленные"},
	mailstore.RoleDrafts:  {"drafts", "draft", "черновики"},
	mailstore.RoleTrash:   {"trash", "deleted messages", "deleted items", "корзина", "удаленные", "удалённые"},
	mailstore.RoleJunk:    {"junk", "junk e-mail", "junk email", "spam", "спам", "нежелательная почта"},
	mailstore.RoleArchive: {"archive", "archives", "архив"},
}

// target finds the mailbox of a name, or makes it.
func target(tx mailstore.UpdateTx, name string, subscribed bool) (mailstore.Mailbox, error) {
	box, err := tx.MailboxByName(name)
	if err == nil && !box.NoSelect {
		return box, nil
	}
	if err != nil && !errors.Is(err, mailstore.ErrNoMailbox) {
		return box, err
	}
	for role, words := range roles {
		if slices.Contains(words, strings.ToLower(name)) {
			box, err := tx.MailboxByRole(role)
			if !errors.Is(err, mailstore.ErrNoMailbox) {
				return box, err
			}
		}
	}
	if box, err = tx.CreateMailbox(name, ""); err != nil || !subscribed {
		return box, err
	}
	return box, tx.Subscribe(box.ID, true)
}

// folder imports one mailbox.
func (i *importer) folder(ctx context.Context, tree *mailfolder.Tree, f mailfolder.Folder, name string) error {
	i.box = 0
	equal := map[[16]byte]uint32{} // how many were seen, by their digest
	for e, err := range tree.Messages(f) {
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFolder, err)
		}
		if err := i.begin(ctx, f, name); err != nil {
			return err
		}
		n, digest, err := i.takeIn(ctx, e)
		if err != nil {
			return err
		}
		key := [16]byte(digest[:])
		n.EmailID = emailID(i.account, name, digest, equal[key])
		equal[key]++
		i.batch = append(i.batch, n)
		i.held += len(n.Content.Body.Inline) + len(n.Summary)
		i.read++
		if len(i.batch) >= batchMessages || i.held >= batchHeld {
			if err := i.commit(ctx, name); err != nil {
				return err
			}
		}
		i.told(i.read, 0)
	}
	if err := i.begin(ctx, f, name); err != nil {
		return err
	}
	return i.commit(ctx, name)
}

// begin finds or makes the mailbox of a folder, once something of the folder
// could be read.
func (i *importer) begin(ctx context.Context, f mailfolder.Folder, name string) error {
	if i.box != 0 {
		return nil
	}
	return i.m.o.Store.Update(ctx, i.account, func(tx mailstore.UpdateTx) error {
		box, err := target(tx, name, f.Subscribed)
		i.box = box.ID
		return err
	})
}

// emailID is the ID of a message that is imported, each time the same.
func emailID(account mailstore.ID, folder string, digest [32]byte, ordinal uint32) mailstore.ID {
	data := append([]byte("import\x00"+folder+"\x00"), digest[:]...)
	data = binary.BigEndian.AppendUint32(data, ordinal)
	return uuid.NewHash(sha256.New(), account, data, 8) // RFC 9562 §5.8
}

// takeIn puts the octets of a message into the store of bodies.
func (i *importer) takeIn(ctx context.Context, e mailfolder.Entry) (n mailstore.NewMessage, digest [32]byte, err error) {
	h := sha256.New()
	ref, summary, err := i.put(ctx, io.TeeReader(e.Octets, h))
	if err != nil {
		return n, digest, err
	}
	n = mailstore.NewMessage{
		Received: e.Received.Truncate(time.Second), Flags: e.Flags, Summary: summary,
		Content: mailstore.Content{Body: ref, Length: ref.Size}, OverQuota: i.in.OverQuota,
	}
	n.Keywords = i.keywords(e.Keywords)
	i.out.Keywords += int64(len(e.Keywords) - len(n.Keywords))
	return n, [32]byte(h.Sum(nil)), nil
}

// put keeps octets and makes their summary, as APPEND does.
func (i *importer) put(ctx context.Context, octets io.Reader) (ref body.Ref, summary []byte, err error) {
	bodies := i.m.o.Store.Bodies()
	small, err := io.ReadAll(io.LimitReader(octets, body.InlineLimit+1))
	if err != nil {
		return ref, nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if len(small) <= body.InlineLimit {
		if summary, err = message.Index(bytes.NewReader(small), message.Limits{}); err == nil && len(small) > 0 {
			ref, err = bodies.Put(ctx, bytes.NewReader(small))
		}
		return ref, summary, err
	}
	ref, err = body.PutRead(ctx, bodies, io.MultiReader(bytes.NewReader(small), octets), func(r io.Reader) (err error) {
		summary, err = message.Index(r, message.Limits{})
		return err
	})
	return ref, summary, err
}

// Limits of keywords: how long one may be, in octets, and how many a message has.
const (
	maxKeyword  = 200
	maxKeywords = 64
)

// keywords leaves out what no client could set: keywords of letters, and what
// is no atom (RFC 3501 §9, flag-keyword).
func (i *importer) keywords(all []string) (left []string) {
	for _, k := range all {
		if len(left) < maxKeywords && len(k) <= maxKeyword && atom(k) && !i.m.o.Owns(k) {
			left = append(left, k)
		}
	}
	return left
}

// atom reports whether a keyword can be written in IMAP as it is.
func atom(k string) bool {
	return k != "" && !strings.ContainsFunc(k, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r)
	})
}

// commit adds what has been gathered, in one Update with its entry in the
// journal.
func (i *importer) commit(ctx context.Context, name string) error {
	batch := i.batch
	if len(batch) == 0 {
		return nil
	}
	at := i.m.o.Now()
	var done Imported
	var spare []mailstore.NewMessage // that were there
	err := i.m.o.Store.Update(ctx, i.account, func(tx mailstore.UpdateTx) error {
		done, spare = Imported{}, nil
		for _, n := range batch {
			repeat, err := done.add(tx, i.box, n)
			if err != nil {
				return err
			}
			if repeat {
				spare = append(spare, n)
			}
		}
		if done.Messages == 0 {
			return nil
		}
		d := with(i.in.Details, map[string]string{
			"format": string(i.in.Format), "mailbox": name,
			"messages": strconv.FormatInt(done.Messages, 10), "octets": strconv.FormatInt(done.Octets, 10),
		})
		_, err := journal.Append(tx, journal.NewEntry(at, journal.Imported, d))
		return err
	})
	if errors.Is(err, mailstore.ErrMaybeCommitted) {
		i.batch = nil // a body that was named must stay; else the sweep removes it
	}
	if err != nil {
		return err
	}
	i.discard(ctx, spare)
	i.batch, i.held = nil, 0
	i.out.Messages += done.Messages
	i.out.Octets += done.Octets
	i.out.Already += done.Already
	i.out.Gone += done.Gone
	i.out.Keywords += done.Keywords
	return nil
}

// add adds one message. Where the mailbox takes no more keywords it comes
// without them.
func (out *Imported) add(tx mailstore.UpdateTx, box mailstore.MailboxID, n mailstore.NewMessage) (repeat bool, err error) {
	row, err := tx.Append(box, n)
	if errors.Is(err, mailstore.ErrLimit) && len(n.Keywords) > 0 {
		out.Keywords += int64(len(n.Keywords))
		n.Keywords = nil
		row, err = tx.Append(box, n)
	}
	if err != nil {
		return false, err
	}
	if !row.Repeat {
		out.Messages++
		out.Octets += n.Content.Size()
		return false, nil
	}
	at, err := tx.ByEmailID(n.EmailID)
	if len(at) > 0 {
		out.Already++
	} else {
		out.Gone++
	}
	return true, err
}

// discard removes bodies that no Update named.
func (i *importer) discard(ctx context.Context, messages []mailstore.NewMessage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, n := range messages {
		_ = i.m.o.Store.Bodies().Discard(ctx, n.Content.Body) // else the sweep does
	}
}

// with are details and more of them.
func with(details journal.Details, more map[string]string) journal.Details {
	all := journal.Details{}
	maps.Copy(all, details)
	maps.Copy(all, more)
	return all
}
