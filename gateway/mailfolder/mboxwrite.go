package mailfolder

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gosbridge/mailstore"
)

// An mbox has each message behind a line "From sender date". What looks like
// such a line in a message gets a ">" before it, and so does what has one
// already (mboxrd), so that it can be taken off again. Lines of messages keep
// their CRLF.
//
// Behind that line come the fields of the folder, before those of the message.
// There they can be told from fields of the same names that the message brought
// itself, without the whole header in memory, and readers that take the first
// field of a name take the folder's. The last of them is the size, which says
// that the message stands there octet for octet, and where it ends.

// The fields of an mbox.
const (
	fieldStatus   = "Status"
	fieldXStatus  = "X-Status"
	fieldKeywords = "X-Keywords"
	fieldOctets   = "X-Mbox-Octets"
)

// mboxBuffer is what is read ahead of an mbox, in octets. The fields of the
// folder fit in it, for keywords have no more than half of it.
const (
	mboxBuffer  = 64 << 10
	maxKeywords = mboxBuffer / 2
)

// mboxEnding is that of the files' names.
const mboxEnding = ".mbox"

// fromDate is how a From_ line has its date, in UTC.
const fromDate = time.ANSIC

var fromStart = []byte("From ")

// mboxFlags are the letters of flags in Status and X-Status.
var mboxFlags = []struct {
	letter byte
	flag   mailstore.Flags
	field  string
}{
	{'R', mailstore.Seen, fieldStatus},
	{'A', mailstore.Answered, fieldXStatus}, {'F', mailstore.Flagged, fieldXStatus},
	{'T', mailstore.Draft, fieldXStatus}, {'D', mailstore.Deleted, fieldXStatus},
}

// mboxWriter writes a file for each mailbox.
type mboxWriter struct {
	root       *os.Root
	box        int
	file       *os.File
	w          *bufio.Writer
	subscribed strings.Builder
}

// NewMboxWriter writes files of mbox into an empty folder.
func NewMboxWriter(root *os.Root) Writer { return &mboxWriter{root: root} }

func (w *mboxWriter) Begin(name string, subscribed bool) (renamed bool, err error) {
	if err := w.end(); err != nil {
		return false, err
	}
	w.box++
	file := fileName(name)
	if renamed = len(file) > maxFileName; renamed {
		file = fmt.Sprintf(numbered, w.box)
	}
	if subscribed {
		w.subscribed.WriteString(file + "\n")
	}
	if w.file, err = create(w.root, file+mboxEnding); err == nil {
		w.w = bufio.NewWriterSize(w.file, mboxBuffer)
	}
	return renamed, err
}

func (w *mboxWriter) Add(m Message, size int64, octets io.Reader) (dropped int, err error) {
	room := maxKeywords
	for i, k := range m.Keywords {
		if room -= len(k) + 1; room < 0 {
			dropped, m.Keywords = len(m.Keywords)-i, m.Keywords[:i]
			break
		}
	}
	return dropped, writeMbox(w.w, m, size, octets)
}

// end closes the file of a mailbox.
func (w *mboxWriter) end() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.w.Flush(), w.file.Sync(), w.file.Close())
	w.file = nil
	return err
}

func (w *mboxWriter) Close() error {
	if err := w.end(); err != nil {
		return err
	}
	return writeFile(w.root, subscriptions, w.subscribed.String())
}

// writeMbox writes one message. Errors of w last, and show when it is flushed.
func writeMbox(w *bufio.Writer, m Message, size int64, octets io.Reader) error {
	fmt.Fprintf(w, "From MAILER-DAEMON %s\n", m.Received.UTC().Format(fromDate))
	status := map[string]string{}
	for _, f := range mboxFlags {
		if m.Flags&f.flag != 0 {
			status[f.field] += string(f.letter)
		}
	}
	fmt.Fprintf(w, "%s: %sO\r\n%s: %s\r\n%s: %s\r\n%s: %d\r\n", fieldStatus, status[fieldStatus], fieldXStatus,
		status[fieldXStatus], fieldKeywords, strings.Join(m.Keywords, " "), fieldOctets, size)
	n, ended, err := quoteInto(w, bufio.NewReaderSize(octets, mboxBuffer))
	switch {
	case err != nil:
		return err
	case n != size:
		return errSize(n, size)
	case !ended:
		w.WriteString("\r\n") // a header without an end would go on in the next message
	}
	return w.WriteByte('\n')
}

// quoteInto copies a message with its quoting. ended reports whether it has an
// empty line, and the last line its end.
func quoteInto(w *bufio.Writer, r *bufio.Reader) (n int64, ended bool, err error) {
	begins, header := true, true
	for {
		if begins {
			quotes := quoteLine(w, r)
			n, begins = n+quotes, quotes == 0
		}
		line, err := r.ReadSlice('\n')
		w.Write(line)
		n += int64(len(line))
		if begins && len(bytes.TrimRight(line, "\r\n")) == 0 && len(line) > 0 {
			header = false
		}
		if len(line) > 0 {
			begins = line[len(line)-1] == '\n'
		}
		if errors.Is(err, io.EOF) {
			if !begins {
				w.WriteString("\r\n")
			}
			return n, !header, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return n, false, err
		}
	}
}

// quoteLine copies the ">" that a line begins with, and adds one before "From ".
func quoteLine(w *bufio.Writer, r *bufio.Reader) (n int64) {
	for {
		next, _ := r.Peek(len(fromStart)) // an error comes again when the line is read
		if bytes.Equal(next, fromStart) {
			w.WriteByte('>')
		}
		if len(next) == 0 || next[0] != '>' {
			return n
		}
		w.WriteByte('>')
		_, _ = r.Discard(1) // it was seen
		n++
	}
}
