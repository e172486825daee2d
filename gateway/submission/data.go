package submission

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errTooLarge says that a message went beyond the largest size.
var errTooLarge = errors.New("message too large")

// dataReader gives the octets of a message (RFC 5321 §4.5.2): without the dots
// that the client doubled, ended by CRLF.CRLF and by nothing like it, and
// otherwise exactly as they came.
//
// go-smtp's own reader is not used. It drops the CR of a line ".CR" that does
// not end there, and does not see the end after CRCRLF: octets that have to
// be refused would be mended, and a client and we could disagree where a
// message ends.
type dataReader struct {
	in    *bufio.Reader
	left  int64  // octets that may still come; negative without limit
	rest  []byte // of the line being given
	bol   bool   // the next octet begins a line
	cr    bool   // the last octet was CR
	ended bool   // the end was read
	err   error  // what Read gives when rest is empty
}

// newDataReader begins a message of at most limit octets; 0 for any.
func newDataReader(in *bufio.Reader, limit int64) *dataReader {
	if limit <= 0 {
		limit = -1
	}
	return &dataReader{in: in, left: limit, bol: true}
}

// Read implements io.Reader. io.EOF means the end that the client set; a
// connection that ends before is io.ErrUnexpectedEOF.
func (r *dataReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.rest) == 0 {
			// Do not wait for more while there is something to give.
			if n > 0 && r.in.Buffered() == 0 {
				return n, nil
			}
			if r.err == nil {
				r.next()
			}
			if len(r.rest) == 0 {
				if n > 0 {
					return n, nil
				}
				if r.err == nil {
					continue
				}
				return 0, r.err
			}
		}
		m := copy(p[n:], r.rest)
		n += m
		r.rest = r.rest[m:]
	}
	return n, nil
}

// next reads a line, or as much of one as the buffer holds.
func (r *dataReader) next() {
	line, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
	case errors.Is(err, io.EOF):
		r.err = io.ErrUnexpectedEOF
	case err != nil:
		r.err = err
	}
	if len(line) == 0 {
		return
	}
	whole := line
	if r.bol && line[0] == '.' {
		if string(line) == ".\r\n" {
			r.ended, r.err = true, io.EOF
			return
		}
		line = line[1:]
	}
	r.bol = bytes.HasSuffix(whole, []byte("\r\n")) || r.cr && len(whole) == 1 && whole[0] == '\n'
	r.cr = whole[len(whole)-1] == '\r'
	r.take(line)
}

// take counts the octets against the limit.
func (r *dataReader) take(line []byte) {
	if r.left >= 0 {
		if int64(len(line)) > r.left {
			r.left = 0
			if r.err == nil {
				r.err = errTooLarge
			}
			return
		}
		r.left -= int64(len(line))
	}
	r.rest = line
}

// maxDrain is how many octets of a message that is refused already are read,
// so that the client hears why; more of them cost it the connection.
const maxDrain = 256 << 20

// drain reads the rest of a message that nobody wants, and reports whether it
// came to the end.
func (r *dataReader) drain() bool {
	if r.ended || r.err != nil && r.err != errTooLarge {
		return r.ended
	}
	r.err, r.rest, r.left = nil, nil, maxDrain
	io.Copy(io.Discard, r) // its error is in r
	return r.ended
}

// failure implements content.
func (r *dataReader) failure() error { return r.err }
