// Package wire is the syntax of IMAP: a reader that turns the octets of a
// client into tokens, with a limit on everything a client can make long, and a
// buffered writer that turns values into responses.
//
// It knows tokens, not commands: what a SELECT is, who may send one and what
// it does is package imapd's. It never keeps a message in memory: the literal
// of an APPEND is handed out as a stream.
package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits bounds one command.
type Limits struct {
	Command int   // octets of a command, its literals in memory included
	Literal int64 // octets of one literal in memory
	Discard int64 // octets of a refused command's literals that are read and dropped; more ends the connection
	Ranges  int   // elements of one sequence set
}

// readBuffer is what a connection keeps while it waits.
const readBuffer = 4096

// SyntaxError says what was expected where a command could not be read. The
// answer is BAD.
type SyntaxError struct{ Want string }

// Error names what was expected.
func (e *SyntaxError) Error() string { return "expected " + e.Want }

// ErrTooBig says that a literal exceeds a limit. It was not read, and the
// client was not asked for it. The answer is NO [TOOBIG].
var ErrTooBig = errors.New("literal too big")

// ErrOverlong says that a client sent more than can be skipped: the
// connection cannot go on, since what follows might be taken for commands.
var ErrOverlong = errors.New("command too long")

// ErrRanges says that a sequence set has too many elements.
var ErrRanges = errors.New("too many elements in sequence set")

// Reader reads commands. The first error of a command is kept: after it every
// method returns a zero value, so that a command is read first and Err asked
// once. It is not safe for concurrent use.
type Reader struct {
	br     *bufio.Reader
	limits Limits
	more   func() error // asks the client to send a literal
	utf8   bool         // see UTF8

	line    []byte // of the command, without line end; gone with the next line
	pos     int
	used    int   // octets of the command so far
	dropped int64 // octets of its literals that were read for nothing
	end     bool  // what line ends with was dealt with: no literal is pending
	message *io.LimitedReader
	err     error // of the command
	broken  error // of the connection
}

// NewReader returns a reader. more writes the continuation request and flushes;
// it is called before a synchronising literal is read.
func NewReader(r io.Reader, limits Limits, more func() error) *Reader {
	return &Reader{br: bufio.NewReaderSize(r, readBuffer), limits: limits, more: more}
}

// SetLimits changes the limits from the next token on.
func (r *Reader) SetLimits(limits Limits) { r.limits = limits }

// UTF8 makes the reader that of a client which enabled UTF-8 (RFC 9051, RFC
// 6855 §3): names of mailboxes are in it and not in modified UTF-7, and quoted
// strings must be.
func (r *Reader) UTF8() { r.utf8 = true }

// Reset drops everything read ahead and goes on with src: what a client sent
// in the clear behind STARTTLS must not be taken for commands (RFC 3501 §6.2.1).
func (r *Reader) Reset(src io.Reader) {
	r.br.Reset(src)
	r.line, r.pos, r.used, r.end, r.message, r.err, r.broken = nil, 0, 0, true, nil, nil, nil
}

// Buffered reports whether octets are read ahead.
func (r *Reader) Buffered() bool { return r.br.Buffered() > 0 }

// Ahead is the next line, without its end, if all of it was read ahead; else
// nil. It is valid until the next read.
func (r *Reader) Ahead() []byte {
	buf, err := r.br.Peek(r.br.Buffered())
	i := bytes.IndexByte(buf, '\n')
	if err != nil || i < 0 {
		return nil
	}
	return bytes.TrimSuffix(buf[:i], []byte("\r"))
}

// Wait blocks until there is an octet to read.
func (r *Reader) Wait() error {
	_, err := r.br.Peek(1)
	return err
}

// Next reads the first line of a command. The error is of the connection, or
// ErrOverlong.
func (r *Reader) Next() error {
	r.used, r.dropped, r.err, r.message = 0, 0, nil, nil
	return r.readLine()
}

// Broken is the error after which no command can be read any more: the
// connection's, or ErrOverlong.
func (r *Reader) Broken() error { return r.broken }

// Err is the first error since Next: a *SyntaxError, ErrTooBig, ErrRanges,
// ErrOverlong or the connection's.
func (r *Reader) Err() error { return r.err }

// readLine takes the next line into r.line. A line that fits the read buffer
// costs no copy.
func (r *Reader) readLine() error {
	r.line, r.pos, r.end = nil, 0, false
	line, err := r.nextLine()
	if err != nil {
		r.fatal(err)
		return err
	}
	r.line = line
	return nil
}

func (r *Reader) nextLine() ([]byte, error) {
	line, err := r.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			if r.used+len(long) > r.limits.Command {
				return nil, ErrOverlong
			}
			line, err = r.br.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	r.used += len(line)
	if r.used > r.limits.Command {
		return nil, ErrOverlong
	}
	line = line[:len(line)-1]
	// RFC 3501 §2.2 wants CRLF; a bare LF is taken too, it hides nothing.
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// fail keeps the first error.
func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// fatal keeps an error after which nothing can be read.
func (r *Reader) fatal(err error) {
	r.fail(err)
	if r.broken == nil {
		r.broken = err
	}
}

func (r *Reader) want(what string) { r.fail(&SyntaxError{Want: what}) }

// Fail makes the command a syntax error: want says what was expected.
func (r *Reader) Fail(want string) { r.want(want) }

// Refuse makes err the command's error, unless it has one.
func (r *Reader) Refuse(err error) { r.fail(err) }

// Peek is the next octet of the line, 0 at its end or after an error.
func (r *Reader) Peek() byte {
	if r.err != nil || r.pos >= len(r.line) {
		return 0
	}
	return r.line[r.pos]
}

// Try takes the octet c if it is next.
func (r *Reader) Try(c byte) bool {
	if r.err != nil || r.pos >= len(r.line) || r.line[r.pos] != c {
		return false
	}
	r.pos++
	return true
}

// Byte takes the octet c.
func (r *Reader) Byte(c byte) {
	if !r.Try(c) {
		r.want(fmt.Sprintf("%q", c))
	}
}

// SP takes one space.
func (r *Reader) SP() {
	if !r.Try(' ') {
		r.want("space")
	}
}

// EOL wants the command to end here.
func (r *Reader) EOL() {
	if r.err == nil && r.pos < len(r.line) {
		r.want("end of command")
	}
}

// Rest takes what is left of the line as it is.
func (r *Reader) Rest() string {
	if r.err != nil {
		return ""
	}
	rest := string(r.line[r.pos:])
	r.pos = len(r.line)
	return rest
}

// word takes octets of class, at least one.
func (r *Reader) word(class byte, what string) []byte {
	if r.err != nil {
		return nil
	}
	start := r.pos
	for r.pos < len(r.line) && classes[r.line[r.pos]]&class != 0 {
		r.pos++
	}
	if r.pos == start {
		r.want(what)
		return nil
	}
	return r.line[start:r.pos]
}

// Tag takes the tag of a command (RFC 3501 §9, tag).
func (r *Reader) Tag() string { return string(r.word(classTag, "tag")) }

// Atom takes an atom.
func (r *Reader) Atom() string { return string(r.word(classAtom, "atom")) }

// Keyword takes an atom in upper case: names of commands and arguments.
func (r *Reader) Keyword() string { return strings.ToUpper(string(r.word(classAtom, "word"))) }

// Label takes the letters, digits, dots and hyphens of an item's name, in
// upper case. It ends before "[" and "<".
func (r *Reader) Label() string { return strings.ToUpper(string(r.word(classLabel, "item"))) }

// List reads "(" item *(SP item) ")" and calls item for each. An empty list
// is allowed.
func (r *Reader) List(item func()) {
	r.Byte('(')
	if r.Try(')') {
		return
	}
	for r.err == nil {
		item()
		if r.Try(')') {
			return
		}
		r.SP()
	}
}

// Classes of octets (RFC 3501 §9).
const (
	classAtom   = 1 << iota // ATOM-CHAR
	classAstr               // ASTRING-CHAR: ATOM-CHAR and "]"
	classTag                // ASTRING-CHAR without "+"
	classList               // list-char: ATOM-CHAR, wildcards and "]"
	classLabel              // name of a fetch or status item
	classDigit              // DIGIT
	classBase64             // base64 with padding
)

var classes = makeClasses()

func makeClasses() (t [256]byte) {
	for c := 0x21; c < 0x7f; c++ {
		if !strings.ContainsRune(`(){%*"\]`, rune(c)) {
			t[c] |= classAtom | classAstr | classTag | classList
		}
		switch {
		case c >= '0' && c <= '9':
			t[c] |= classDigit | classLabel | classBase64
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			t[c] |= classLabel | classBase64
		case c == '.' || c == '-':
			t[c] |= classLabel
		case c == '/' || c == '=':
			t[c] |= classBase64
		}
	}
	t['+'] &^= classTag
	t['+'] |= classBase64
	t[']'] |= classAstr | classTag | classList
	t['%'] |= classList
	t['*'] |= classList
	return t
}
