package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Literal is the announcement of a literal (RFC 3501 §4.3).
type Literal struct {
	Size int64
	// Sync: the client waits to be asked for it. Otherwise the octets follow
	// whatever the answer is (RFC 7888).
	Sync bool
}

// literalAt reads the announcement that ends the line from pos on.
func literalAt(line []byte, pos int) (Literal, bool) {
	n := len(line)
	if pos < 0 || n-pos < 3 || line[pos] != '{' || line[n-1] != '}' {
		return Literal{}, false
	}
	digits := line[pos+1 : n-1]
	lit := Literal{Sync: true}
	if k := len(digits); k > 0 && digits[k-1] == '+' {
		lit.Sync = false
		digits = digits[:k-1]
	}
	size, err := strconv.ParseUint(string(digits), 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange):
		lit.Size = math.MaxInt64 // announced all the same: above every limit
	case err != nil:
		return Literal{}, false
	default:
		lit.Size = int64(size)
	}
	return lit, true
}

// trailing finds the announcement at the end of the line, whatever stands
// before it: a client that meant one sends its octets even if the rest of the
// line made no sense.
func (r *Reader) trailing() (Literal, bool) {
	for i := len(r.line) - 1; i >= 0; i-- {
		if r.line[i] == '{' {
			return literalAt(r.line, i)
		}
	}
	return Literal{}, false
}

// Literal takes the announcement of a literal that the caller reads with
// Message or refuses.
func (r *Reader) Literal() Literal {
	if r.err != nil {
		return Literal{}
	}
	lit, ok := literalAt(r.line, r.pos)
	if !ok {
		r.want("literal")
		return Literal{}
	}
	r.pos = len(r.line)
	return lit
}

// AheadLiteral reports whether a command of that name was read ahead as a
// whole, the literal at the end of its first line included. What follows the
// literal must be the end of the command.
func (r *Reader) AheadLiteral(name string) bool {
	line := r.Ahead()
	_, rest, tagged := bytes.Cut(line, []byte(" "))
	if n := len(name); !tagged || len(rest) <= n || rest[n] != ' ' || !bytes.EqualFold(rest[:n], []byte(name)) {
		return false
	}
	lit, ok := literalAt(line, bytes.LastIndexByte(line, '{'))
	if !ok || lit.Sync {
		return false
	}
	buf, err := r.br.Peek(r.br.Buffered())
	if err != nil {
		return false
	}
	buf = buf[bytes.IndexByte(buf, '\n')+1:]
	if int64(len(buf)) <= lit.Size {
		return false
	}
	buf = buf[lit.Size:]
	return bytes.HasPrefix(buf, []byte("\r\n")) || buf[0] == '\n'
}

// Message accepts the literal just taken and streams it. After the last octet
// (or Skip) the command goes on with Continue.
func (r *Reader) Message(lit Literal) (io.Reader, error) {
	if lit.Sync {
		if err := r.more(); err != nil {
			r.fatal(err)
			return nil, err
		}
	}
	r.end = true
	r.message = &io.LimitedReader{R: r.br, N: lit.Size}
	return messageReader{r.message}, nil
}

// Continue takes up the command behind a message that was read to its end.
func (r *Reader) Continue() error {
	if r.message != nil && r.message.N > 0 {
		return fmt.Errorf("continue before the end of a literal: %w", io.ErrUnexpectedEOF)
	}
	r.message = nil
	return r.readLine()
}

// messageReader says that a client went away before the end of its message.
type messageReader struct{ l *io.LimitedReader }

func (m messageReader) Read(p []byte) (int, error) {
	n, err := m.l.Read(p)
	if errors.Is(err, io.EOF) && m.l.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// literal reads a literal into memory, and the line that follows it.
func (r *Reader) literal() string {
	lit := r.Literal()
	if r.err != nil {
		return ""
	}
	if lit.Size > r.limits.Literal || lit.Size > int64(r.limits.Command-r.used) {
		r.fail(ErrTooBig)
		return ""
	}
	if lit.Sync {
		if err := r.more(); err != nil {
			r.fatal(err)
			return ""
		}
	}
	buf := make([]byte, lit.Size)
	if _, err := io.ReadFull(r.br, buf); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		r.fatal(err)
		return ""
	}
	r.used += len(buf)
	if err := r.readLine(); err != nil {
		return ""
	}
	return string(buf)
}

// Skip drops what is left of the command, so that no octet of a literal is
// ever read as a command: the rest of a message, and literals that the client
// sends without waiting. The error is of the connection, or ErrOverlong.
func (r *Reader) Skip() error {
	if r.broken != nil {
		return r.broken
	}
	if r.message != nil {
		left := r.message
		r.message = nil
		if err := r.discard(left); err != nil {
			return err
		}
	}
	for !r.end {
		lit, ok := r.trailing()
		r.end = true
		if !ok || lit.Sync {
			return nil
		}
		if err := r.discard(&io.LimitedReader{R: r.br, N: lit.Size}); err != nil {
			return err
		}
	}
	return nil
}

// discard drops the octets of a literal and reads the line that follows.
func (r *Reader) discard(l *io.LimitedReader) error {
	if l.N > r.limits.Discard-r.dropped {
		r.fatal(ErrOverlong)
		return ErrOverlong
	}
	r.dropped += l.N
	_, err := io.Copy(io.Discard, l)
	if err == nil && l.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		r.fatal(err)
		return err
	}
	r.used = 0 // nothing of it is kept
	return r.readLine()
}
