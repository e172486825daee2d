// Package mailfolder reads and writes folders of mail as other programs keep
// them: Maildir with the subfolders of Maildir++, and mbox with the quoting
// called mboxrd.
//
// It owns the two formats: where a flag, a keyword, a date and the name of a
// mailbox stand in them, and how a message's octets come back as they were. It
// streams, holds no message in memory, writes only below the folder that it was
// given, and knows no store.
package mailfolder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"

	"gosbridge/gateway/imapd/wire"
	"gosbridge/mailstore"
)

// Message is what a folder knows of a message beside its octets.
type Message struct {
	Flags    mailstore.Flags
	Keywords []string
	Received time.Time // without its zone, and to the second in an mbox
}

// Entry is one message of a folder, valid until the next one is asked for.
type Entry struct {
	Message
	Octets io.Reader
}

// Folder is one mailbox of a tree.
type Folder struct {
	Name string // UTF-8, levels separated by mailstore.Delimiter
	// Subscribed is what the list of subscriptions says; true where there is
	// no such list.
	Subscribed bool
	path       string
}

// Tree is the mailboxes that a folder of the disk holds.
type Tree struct {
	Folders []Folder
	fsys    fs.FS
	read    func(fsys fs.FS, path string) iter.Seq2[Entry, error]
}

// Messages yields the messages of a folder in the order of their names, which
// is that of an export, or as they stand in the file. An error ends it.
func (t *Tree) Messages(f Folder) iter.Seq2[Entry, error] { return t.read(t.fsys, f.path) }

// Writer writes a tree.
type Writer interface {
	// Begin begins a mailbox. renamed is true where no file can have its name:
	// then it has a number for a name.
	Begin(name string, subscribed bool) (renamed bool, err error)
	// Add writes a message of size octets to the mailbox begun last. dropped is
	// how many of its keywords the format has no room for.
	Add(m Message, size int64, octets io.Reader) (dropped int, err error)
	// Close ends the last mailbox and the tree.
	Close() error
}

// errSize says that a message has not the size that Add was told.
func errSize(n, size int64) error {
	return fmt.Errorf("message of %d octets, %d were announced", n, size)
}

// What files and folders are made with: for their owner only.
const (
	fileMode   = 0o600
	folderMode = 0o700
)

// subscriptions is the name of the list of subscribed mailboxes, a line each,
// as Dovecot keeps it beside Maildir and mbox.
const subscriptions = "subscriptions"

// maxFileName is how long the name of a file may be, in octets (NAME_MAX of
// Linux), with room for an ending.
const maxFileName = 240

// numbered is the name of a mailbox whose own is too long. No name is written
// like that, for a backslash in one becomes an escape.
const numbered = `Mailbox\#%d`

const inbox = "INBOX"

// escaped are the characters that a level of a name cannot hold in the name of
// a file, as Dovecot's plugin listescape writes them: a backslash and two
// hexadecimal digits.
var escaped = strings.NewReplacer(`\`, `\5c`, ".", `\2e`)

// fileName is the name of a mailbox in the name of a file: levels separated by
// dots.
func fileName(name string) string {
	levels := strings.Split(name, string(mailstore.Delimiter))
	for i, level := range levels {
		levels[i] = escaped.Replace(level)
	}
	return strings.Join(levels, ".")
}

// mailboxName reads what fileName wrote.
func mailboxName(file string) string {
	levels := strings.Split(file, ".")
	for i, level := range levels {
		levels[i] = unescape(level)
	}
	return strings.Join(levels, string(mailstore.Delimiter))
}

// unescape reads the escapes of one level. A slash stays escaped: it would
// make two levels of one.
func unescape(level string) string {
	var out strings.Builder
	for i := 0; i < len(level); i++ {
		if level[i] == '\\' && i+2 < len(level) {
			hi, lo := hexDigit(level[i+1]), hexDigit(level[i+2])
			if c := hi<<4 | lo; hi >= 0 && lo >= 0 && c != mailstore.Delimiter {
				out.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		out.WriteByte(level[i])
	}
	return out.String()
}

// hexDigit is the value of a hexadecimal digit, -1 for anything else.
func hexDigit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// decoded reads a name in modified UTF-7 (RFC 3501 §5.1.3); one that is none
// is taken as it stands.
func decoded(name string) string {
	if utf, ok := wire.DecodeMailbox(name); ok {
		return utf
	}
	return name
}

// create makes a file that is not there.
func create(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
}

// writeFile makes a small file.
func writeFile(root *os.Root, name, text string) error {
	f, err := create(root, name)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// lines are the lines of a small file, nil when it is not there.
func lines(fsys fs.FS, name string) ([]string, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxList))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), nil
}

// maxList is how much of a list of names is read, in octets.
const maxList = 4 << 20

// subscribe notes which folders a list names, as file names. Without a list
// all of them are subscribed: a mail program would not show the others.
func (t *Tree) subscribe(path func(line string) string) error {
	list, err := lines(t.fsys, subscriptions)
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, line := range list {
		named[path(line)] = true
	}
	for i := range t.Folders {
		t.Folders[i].Subscribed = list == nil || named[t.Folders[i].Name]
	}
	return nil
}

// crlf gives every LF a CR before it that has none: mail has lines that end
// with CRLF (RFC 5322 §2.1), files of unix have not.
type crlf struct {
	r    io.Reader
	last byte
	buf  []byte // read and not given out
	in   [16 << 10]byte
}

func (c *crlf) Read(p []byte) (int, error) {
	for len(c.buf) == 0 {
		n, err := c.r.Read(c.in[:])
		c.buf = c.buf[:0]
		for _, b := range c.in[:n] {
			if b == '\n' && c.last != '\r' {
				c.buf = append(c.buf, '\r')
			}
			c.buf = append(c.buf, b)
			c.last = b
		}
		if err != nil && len(c.buf) == 0 {
			return 0, err // an error beside octets comes again at the next read
		}
	}
	n := copy(p, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}
