package wire

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// writeBuffer is how many octets are gathered before they are written.
const writeBuffer = 32 << 10

// Buffers lends write buffers, so that a connection that waits holds none. It
// may be shared by any number of writers.
type Buffers struct{ pool sync.Pool }

func (b *Buffers) get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return (*p)[:0]
	}
	return make([]byte, 0, writeBuffer)
}

func (b *Buffers) put(buf []byte) {
	if cap(buf) == writeBuffer {
		b.pool.Put(&buf)
	}
}

// Writer gathers responses and writes them when its buffer is full or at
// Flush. The first error is kept: after it nothing is written. It is not safe
// for concurrent use.
type Writer struct {
	w       io.Writer
	buffers *Buffers
	buf     []byte // nil while there is nothing to write
	err     error
	utf8    bool // see UTF8
}

// NewWriter returns a writer to w.
func NewWriter(w io.Writer, buffers *Buffers) *Writer {
	return &Writer{w: w, buffers: buffers}
}

// Reset goes on with another connection. Nothing may be pending.
func (w *Writer) Reset(dst io.Writer) { w.w = dst }

// UTF8 makes the writer that of a client which enabled UTF-8 (RFC 9051, RFC
// 6855 §3): strings are quoted in it, and names of mailboxes stand as they are.
// No other client may get that.
func (w *Writer) UTF8() { w.utf8 = true }

// Pending reports whether something waits for Flush.
func (w *Writer) Pending() bool { return len(w.buf) > 0 }

// Err is the first error.
func (w *Writer) Err() error { return w.err }

// Flush writes what was gathered and gives the buffer back.
func (w *Writer) Flush() error {
	w.drain()
	if w.buf != nil {
		w.buffers.put(w.buf)
		w.buf = nil
	}
	return w.err
}

func (w *Writer) drain() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// room makes sure that n small octets fit without growing, where possible.
func (w *Writer) room(n int) {
	if w.buf == nil {
		w.buf = w.buffers.get()
	}
	if len(w.buf)+n > cap(w.buf) {
		w.drain()
	}
}

// Raw writes s as it is.
func (w *Writer) Raw(s string) *Writer {
	w.room(len(s))
	if len(s) > cap(w.buf) {
		return w.large([]byte(s))
	}
	w.buf = append(w.buf, s...)
	return w
}

// Bytes writes b as it is.
func (w *Writer) Bytes(b []byte) *Writer {
	w.room(len(b))
	if len(b) > cap(w.buf) {
		return w.large(b)
	}
	w.buf = append(w.buf, b...)
	return w
}

// large writes what no buffer holds; room has emptied it.
func (w *Writer) large(b []byte) *Writer {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
	return w
}

// Number writes n.
func (w *Writer) Number(n uint64) *Writer {
	w.room(20)
	w.buf = strconv.AppendUint(w.buf, n, 10)
	return w
}

// CRLF ends a response.
func (w *Writer) CRLF() *Writer { return w.Raw("\r\n") }

// String writes s quoted, or as a literal where it cannot be quoted.
func (w *Writer) String(s string) *Writer {
	if !w.quotable(s) {
		return w.Literal([]byte(s))
	}
	w.room(2*len(s) + 2)
	w.buf = append(w.buf, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			w.buf = append(w.buf, '\\')
		}
		w.buf = append(w.buf, s[i])
	}
	w.buf = append(w.buf, '"')
	return w
}

func (w *Writer) quotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == 0 || c == '\r' || c == '\n' || c >= 0x80 && !w.utf8 {
			return false
		}
	}
	return len(s) <= 1024 && utf8.ValidString(s)
}

// Literal writes b as a literal.
func (w *Writer) Literal(b []byte) *Writer {
	return w.Raw("{").Number(uint64(len(b))).Raw("}\r\n").Bytes(b)
}

// errShort says that a stream ended before the size that was announced.
var errShort = errors.New("stream shorter than its literal")

// Stream writes size octets of r as a literal, without holding them. An error
// of r breaks the connection: the client was promised more.
func (w *Writer) Stream(r io.Reader, size int64) error {
	w.Raw("{").Number(uint64(size)).Raw("}\r\n")
	for size > 0 && w.err == nil {
		if len(w.buf) == cap(w.buf) {
			w.drain()
		}
		free := w.buf[len(w.buf):cap(w.buf)]
		if int64(len(free)) > size {
			free = free[:size]
		}
		n, err := r.Read(free)
		w.buf = w.buf[:len(w.buf)+n]
		size -= int64(n)
		if size > 0 && err != nil {
			if errors.Is(err, io.EOF) {
				err = errShort
			}
			w.err = fmt.Errorf("stream literal: %w", err)
		}
	}
	return w.err
}

// Mailbox writes a mailbox name.
func (w *Writer) Mailbox(name string) *Writer {
	if w.utf8 {
		return w.String(name)
	}
	return w.String(EncodeMailbox(name))
}

// Date writes INTERNALDATE.
func (w *Writer) Date(t time.Time) *Writer {
	w.room(len(dateTime) + 8)
	w.buf = append(w.buf, '"')
	w.buf = t.AppendFormat(w.buf, dateTime)
	w.buf = append(w.buf, '"')
	return w
}

// Flags writes a list of flags in parentheses.
func (w *Writer) Flags(flags []imap.Flag) *Writer {
	w.Raw("(")
	for i, f := range flags {
		if i > 0 {
			w.Raw(" ")
		}
		w.Raw(string(f))
	}
	return w.Raw(")")
}
