package mailfolder

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OpenMbox finds the mailboxes of a folder of mbox files: those whose names
// end with ".mbox".
func OpenMbox(fsys fs.FS) (*Tree, error) {
	list, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	t := &Tree{fsys: fsys, read: readMbox}
	for _, e := range list {
		if name, ok := strings.CutSuffix(e.Name(), mboxEnding); ok && e.Type().IsRegular() {
			t.Folders = append(t.Folders, Folder{Name: mailboxName(name), path: e.Name()})
		}
	}
	if len(t.Folders) == 0 {
		return nil, fmt.Errorf("no mbox: no file in it has a name that ends with %s", mboxEnding)
	}
	return t, t.subscribe(mailboxName)
}

// OpenMboxFile is the tree of one file, which may have any name.
func OpenMboxFile(fsys fs.FS, file string) *Tree {
	name := mailboxName(strings.TrimSuffix(path.Base(file), mboxEnding))
	return &Tree{fsys: fsys, read: readMbox, Folders: []Folder{{Name: name, Subscribed: true, path: file}}}
}

// readMbox yields the messages of a file.
func readMbox(fsys fs.FS, name string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := fsys.Open(name)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.Close() // it was only read
		for e, err := range parseMbox(f) {
			if !yield(e, err) {
				return
			}
		}
	}
}

// errNoMbox says that a file does not begin as an mbox does.
var errNoMbox = errors.New(`no mbox: it does not begin with a line "From sender date"`)

// parseMbox yields the messages of an mbox.
func parseMbox(file io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := &mboxScanner{r: bufio.NewReaderSize(file, mboxBuffer)}
		for {
			e, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, s); err != nil {
				yield(Entry{}, err)
				return
			}
		}
	}
}

// mboxScanner reads the octets of one message after the other, without
// quoting.
type mboxScanner struct {
	r      *bufio.Reader
	begins bool   // the next octet begins a line
	held   []byte // an empty line: the last one before a From_ line is the folder's
	first  bool   // nothing of the message was read
	ended  bool
	out    []byte // read and not given out
}

// next begins the next message; io.EOF when there is none.
func (s *mboxScanner) next() (Entry, error) {
	for {
		c, err := s.r.Peek(1)
		if err != nil {
			return Entry{}, err
		}
		if c[0] != '\n' && c[0] != '\r' {
			break
		}
		_, _ = s.r.Discard(1) // it was seen
	}
	at, size, err := s.fromLine()
	if err != nil {
		return Entry{}, err
	}
	if size == 0 {
		return Entry{}, errNoMbox
	}
	_, _ = s.r.Discard(size) // it was seen
	*s = mboxScanner{r: s.r, begins: true, first: true}
	e, err := s.entry()
	e.Received = at
	return e, err
}

// entry reads the fields of the folder.
func (s *mboxScanner) entry() (e Entry, err error) {
	window, err := s.r.Peek(mboxBuffer)
	if err != nil && !errors.Is(err, io.EOF) {
		return e, err
	}
	if m := ownFields.FindSubmatch(window); m != nil {
		size, err := strconv.ParseInt(string(m[4]), 10, 64)
		if err == nil {
			e.status(string(m[1]) + string(m[2]))
			e.Keywords = keywordsOf(string(m[3]))
			_, _ = s.r.Discard(len(m[0])) // it was seen
			e.Octets = &exact{r: s, left: size}
			return e, nil
		}
	}
	r := bufio.NewReaderSize(&crlf{r: s}, mboxBuffer)
	head, err := e.foreign(r)
	e.Octets = io.MultiReader(bytes.NewReader(head), r)
	return e, err
}

// ownFields are the fields that this package writes.
var ownFields = regexp.MustCompile(`^` + fieldStatus + `: ([A-Z]*)\r\n` + fieldXStatus + `: ([A-Z]*)\r\n` +
	fieldKeywords + `: ([^\r\n]*)\r\n` + fieldOctets + `: (\d+)\r\n`)

// folderFields are fields by which programs keep flags, UIDs and the like in an
// mbox. In a message that is taken out they say nothing.
var folderFields = []string{fieldStatus, fieldXStatus, fieldKeywords, fieldOctets, "X-UID", "X-IMAP", "X-IMAPbase"}

// maxHeader is how much of a header is searched for flags, in octets.
const maxHeader = 256 << 10

// foreign reads a header that somebody else wrote, without the fields of the
// folder, which it takes the flags from.
func (e *Entry) foreign(r *bufio.Reader) (head []byte, err error) {
	begins, taken := true, false
	for len(head) < maxHeader {
		line, err := r.ReadSlice('\n')
		if begins {
			// A line that begins with a space goes on with the field (RFC 5322 §2.2.3).
			name, value, _ := strings.Cut(string(line[:min(len(line), 1000)]), ":")
			if line = line[:len(line):len(line)]; len(line) == 0 || line[0] != ' ' && line[0] != '\t' {
				taken = e.take(name, value)
			}
		}
		if !taken {
			head = append(head, line...)
		}
		empty := begins && len(bytes.TrimRight(line, "\r\n")) == 0
		begins = len(line) > 0 && line[len(line)-1] == '\n'
		if errors.Is(err, io.EOF) || err == nil && empty {
			return head, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return head, err
		}
	}
	return head, nil
}

// take takes what a field of the folder says; ok is false for any other.
func (e *Entry) take(name, value string) (ok bool) {
	value = strings.TrimSpace(value)
	if !slices.ContainsFunc(folderFields, func(f string) bool { return strings.EqualFold(f, name) }) {
		return false
	}
	switch {
	case strings.EqualFold(name, fieldStatus), strings.EqualFold(name, fieldXStatus):
		e.status(value)
	case strings.EqualFold(name, fieldKeywords):
		e.Keywords = keywordsOf(strings.Join(e.Keywords, " ") + " " + value)
	}
	return true
}

// keywordsOf are the keywords of a field, each once.
func keywordsOf(value string) (list []string) {
	for _, k := range strings.Fields(value) {
		if !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}

// status adds the flags that letters stand for.
func (m *Message) status(letters string) {
	for _, f := range mboxFlags {
		if strings.IndexByte(letters, f.letter) >= 0 {
			m.Flags |= f.flag
		}
	}
}

// Read gives out the message that next began, up to its end.
func (s *mboxScanner) Read(p []byte) (int, error) {
	for len(s.out) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		if err := s.scan(); errors.Is(err, io.EOF) {
			s.ended = true
		} else if err != nil {
			return 0, err
		}
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// scan reads a piece of a line. io.EOF at the end of the message.
func (s *mboxScanner) scan() error {
	s.out = s.out[:0]
	if s.begins {
		end, err := s.lineStart()
		if end || err != nil {
			return err
		}
	}
	line, err := s.r.ReadSlice('\n')
	s.out = append(s.out, line...)
	if len(line) > 0 {
		s.begins, s.first = line[len(line)-1] == '\n', false
	}
	if errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) && len(line) > 0 {
		return nil
	}
	return err
}

// lineStart decides what a line is by its start. done is true where nothing of
// it is left to read.
func (s *mboxScanner) lineStart() (done bool, err error) {
	next, err := s.r.Peek(len(fromStart))
	if len(next) == 0 {
		return true, err // an empty line at the end is the folder's
	}
	if s.first || s.held != nil {
		if _, size, err := s.fromLine(); size > 0 || err != nil {
			return true, errors.Join(err, errEnd(size))
		}
	}
	s.out = append(s.out, s.held...)
	s.held = nil
	for _, empty := range []string{"\n", "\r\n"} {
		if bytes.HasPrefix(next, []byte(empty)) {
			s.held = []byte(empty)
			s.first = false
			_, err := s.r.Discard(len(empty))
			return true, err
		}
	}
	return false, s.unquote()
}

// errEnd is io.EOF for a From_ line, which ends the message before it.
func errEnd(size int) error {
	if size > 0 {
		return io.EOF
	}
	return nil
}

// unquote reads the ">" that a line begins with, and leaves the last one out
// before "From ".
func (s *mboxScanner) unquote() error {
	quoted := false // one is held back
	for {
		next, err := s.r.Peek(len(fromStart))
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		more := len(next) > 0 && next[0] == '>'
		if quoted && !bytes.Equal(next, fromStart) {
			s.out = append(s.out, '>')
		}
		if !more {
			return nil
		}
		quoted = true
		_, _ = s.r.Discard(1) // it was seen
	}
}

// maxFromLine is how long a From_ line may be, in octets.
const maxFromLine = 1024

// fromDates is the date in a From_ line, with a zone before or behind the year
// where there is one.
var fromDates = regexp.MustCompile(`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? ((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d{2}:\d{2}(?::\d{2})?)` +
	`(?: [A-Z]{1,5}| [+-]\d{4})? (\d{4})(?: ([+-]\d{4}))?\s*$`)

// fromLine is the date of the From_ line that comes next, and its octets; 0
// when what comes is none.
func (s *mboxScanner) fromLine() (at time.Time, size int, err error) {
	if next, err := s.r.Peek(len(fromStart)); !bytes.Equal(next, fromStart) {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return at, 0, err
	}
	window, err := s.r.Peek(maxFromLine)
	if err != nil && !errors.Is(err, io.EOF) {
		return at, 0, err
	}
	size = bytes.IndexByte(window, '\n') + 1
	m := fromDates.FindSubmatch(window[:size])
	if m == nil {
		return at, 0, nil
	}
	zone := "+0000" // by custom in UTC, where it does not say
	if len(m[3]) > 0 {
		zone = string(m[3])
	}
	text := strings.Join(strings.Fields(string(m[1])+" "+string(m[2])+" "+zone), " ")
	for _, form := range []string{"Jan 2 15:04:05 2006 -0700", "Jan 2 15:04 2006 -0700"} {
		if at, err = time.Parse(form, text); err == nil {
			return at.UTC(), size, nil
		}
	}
	return time.Time{}, 0, nil // the 31st of June
}

// exact ends a message where its size says. What comes behind that is line
// ends of the folder; anything else shows that somebody changed the message,
// and is given out.
type exact struct {
	r    io.Reader
	left int64
	rest []byte
	seen bool // what is behind the size
}

// maxPadding is what writeMbox adds to a message at most: the end of its last
// line, and an empty one.
const maxPadding = 4

func (e *exact) Read(p []byte) (int, error) {
	if e.left > 0 {
		n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
		e.left -= int64(n)
		return n, err
	}
	if !e.seen {
		e.seen = true
		rest, err := io.ReadAll(io.LimitReader(e.r, maxPadding+1))
		if err != nil {
			return 0, err
		}
		if len(rest) > maxPadding || len(bytes.Trim(rest, "\r\n")) > 0 {
			e.rest = rest
		}
		if len(e.rest) == 0 {
			e.r = bytes.NewReader(nil)
		}
	}
	if n := copy(p, e.rest); n > 0 {
		e.rest = e.rest[n:]
		return n, nil
	}
	return e.r.Read(p)
}
