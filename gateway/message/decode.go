package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
)

// decoder undoes a Content-Transfer-Encoding, in pieces of any size. What it
// gives does not depend on the pieces.
type decoder interface {
	write(b []byte)
	close() // after the last octet
	damaged() bool
}

// newDecoder returns the decoder of an encoding and whether it is known;
// decoded octets go to out, valid during the call.
func newDecoder(encoding string, out func([]byte)) (d decoder, known bool) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return &base64Decoder{out: out}, true
	case "quoted-printable":
		return &qpDecoder{out: out}, true
	case "", "7bit", "8bit", "binary":
		return identity(out), true
	}
	return identity(out), false
}

// KnownEncoding reports whether Decode undoes the encoding or rightly passes
// it through (RFC 2045 §6.1). Others are answered with UNKNOWN-CTE in IMAP.
func KnownEncoding(encoding string) bool {
	_, known := newDecoder(encoding, func([]byte) {})
	return known
}

// Decode undoes a Content-Transfer-Encoding. Damage is passed over; an unknown
// encoding is passed through. Errors are r's.
func Decode(r io.Reader, encoding string) io.Reader {
	d := &decodeReader{r: r}
	d.dec, _ = newDecoder(encoding, func(b []byte) { d.out.Write(b) })
	return d
}

type decodeReader struct {
	r   io.Reader
	dec decoder
	out bytes.Buffer
	buf []byte
	err error
}

// Read implements io.Reader.
func (d *decodeReader) Read(p []byte) (int, error) {
	if d.buf == nil {
		d.buf = make([]byte, 8<<10)
	}
	for d.out.Len() == 0 && d.err == nil {
		var n int
		n, d.err = d.r.Read(d.buf)
		d.dec.write(d.buf[:n])
		if d.err != nil {
			d.dec.close()
		}
	}
	if d.out.Len() > 0 {
		return d.out.Read(p)
	}
	return 0, d.err
}

type identity func([]byte)

func (i identity) write(b []byte) { i(b) }
func (i identity) close()         {}
func (i identity) damaged() bool  { return false }

// base64Decoder collects characters of the alphabet and decodes whole quanta
// (RFC 2045 §6.8).
type base64Decoder struct {
	out  func([]byte)
	in   []byte // characters not decoded yet
	dst  []byte
	bad  bool
	pads int // "=" seen at the end of a quantum
}

const base64Chunk = 4096 // characters decoded at once; a multiple of 4

func (d *base64Decoder) write(b []byte) {
	if d.in == nil {
		d.in = make([]byte, 0, base64Chunk)
		d.dst = make([]byte, base64Chunk/4*3)
	}
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		line := b
		if end >= 0 {
			line, b = b[:end], b[end+1:]
		} else {
			b = nil
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		d.line(line)
	}
}

func (d *base64Decoder) line(line []byte) {
	for len(line) > 0 {
		n := min(len(line), base64Chunk-len(d.in))
		d.in = append(d.in, line[:n]...)
		line = line[n:]
		if len(d.in) == base64Chunk {
			d.flush(false)
		}
	}
}

// flush decodes the whole quanta that are there, all at the end.
func (d *base64Decoder) flush(end bool) {
	whole := len(d.in) &^ 3
	if d.pads == 0 {
		if n, err := base64.StdEncoding.Decode(d.dst, d.in[:whole]); err == nil && bytes.IndexByte(d.in[:whole], '=') < 0 {
			d.emit(d.dst[:n])
			d.in = d.in[:copy(d.in, d.in[whole:])]
			if !end || len(d.in) == 0 {
				return
			}
		}
	}
	d.slow(end)
}

// slow passes over what is not of the alphabet, and goes on after padding as
// programs do that put encoded pieces one after the other.
func (d *base64Decoder) slow(end bool) {
	out := d.dst[:0]
	var quantum [4]byte
	n, keep := 0, 0
	for _, c := range d.in {
		switch v := base64Value[c]; {
		case v < 64:
			if d.pads > 0 {
				d.bad = d.bad || d.pads > 2
				d.pads = 0
			}
			quantum[n] = v
			keep++
			if n++; n == 4 {
				out = append(out, quantum[0]<<2|quantum[1]>>4, quantum[1]<<4|quantum[2]>>2, quantum[2]<<6|quantum[3])
				n, keep = 0, 0
			}
		case c == '=':
			out = d.partial(out, quantum, n)
			n, keep = 0, 0
			d.pads++
		case c != ' ' && c != '\t' && c != '\r':
			d.bad = true
		}
	}
	if end {
		d.bad = d.bad || n > 0
		out = d.partial(out, quantum, n)
		keep = 0
	}
	d.in = d.in[:0]
	for _, v := range quantum[:keep] {
		d.in = append(d.in, base64Alphabet[v])
	}
	d.emit(out)
}

func (d *base64Decoder) partial(out []byte, q [4]byte, n int) []byte {
	switch n {
	case 1:
		d.bad = true
	case 2:
		out = append(out, q[0]<<2|q[1]>>4)
	case 3:
		out = append(out, q[0]<<2|q[1]>>4, q[1]<<4|q[2]>>2)
	}
	return out
}

func (d *base64Decoder) emit(b []byte) {
	if len(b) > 0 {
		d.out(b)
	}
}

func (d *base64Decoder) close()        { d.flush(true) }
func (d *base64Decoder) damaged() bool { return d.bad }

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte(base64Alphabet) {
		t[c] = byte(i)
	}
	return t
}()

// qpDecoder undoes quoted-printable (RFC 2045 §6.7).
type qpDecoder struct {
	out  func([]byte)
	tail []byte // begins with "=" or space whose meaning the next octets decide
	dst  []byte
	bad  bool
}

// maxQPSpace bounds how long a run of space may be and still be dropped at the
// end of a line.
const maxQPSpace = 1024

func (d *qpDecoder) write(b []byte) {
	if len(d.tail) > 0 {
		d.tail = append(d.tail, b...)
		b = d.tail
	}
	n := d.decode(b, false)
	d.tail = append(d.tail[:0], b[n:]...)
}

func (d *qpDecoder) close() {
	d.decode(d.tail, true)
	d.tail = nil
}

func (d *qpDecoder) damaged() bool { return d.bad }

// decode returns how much of b is decided.
func (d *qpDecoder) decode(b []byte, end bool) int {
	d.dst = d.dst[:0]
	i := 0
	for i < len(b) {
		var n int
		switch b[i] {
		case '=':
			n = d.escape(b[i:], end)
		case ' ', '\t':
			n = d.space(b[i:], end)
		default:
			n = 1
			for i+n < len(b) && b[i+n] != '=' && b[i+n] != ' ' && b[i+n] != '\t' {
				n++
			}
			d.dst = append(d.dst, b[i:i+n]...)
		}
		if n == 0 {
			break
		}
		i += n
	}
	if len(d.dst) > 0 {
		d.out(d.dst)
	}
	return i
}

// escape decides on what begins with "=": a coded octet, a soft line break, or
// neither. 0 means that more octets are needed.
func (d *qpDecoder) escape(b []byte, end bool) int {
	if len(b) > 2 && isHex(b[1]) && isHex(b[2]) {
		d.dst = append(d.dst, unhex(b[1])<<4|unhex(b[2]))
		return 3
	}
	if len(b) < 3 && !end && (len(b) < 2 || isHex(b[1])) {
		return 0
	}
	j := 1
	for j < len(b) && j <= maxQPSpace && (b[j] == ' ' || b[j] == '\t') {
		j++
	}
	switch {
	case j == len(b) && end:
		return j // a soft break at the very end
	case j == len(b) && j <= maxQPSpace:
		return 0
	case j < len(b) && b[j] == '\n':
		return j + 1
	case j < len(b) && b[j] == '\r':
		if j+1 < len(b) && b[j+1] == '\n' {
			return j + 2
		}
		if j+1 == len(b) && !end {
			return 0
		}
	}
	d.bad = true
	d.dst = append(d.dst, '=')
	return 1
}

// space drops a run of space at the end of a line (RFC 2045 §6.7 rule 3).
func (d *qpDecoder) space(b []byte, end bool) int {
	j := 1
	for j < len(b) && j <= maxQPSpace && (b[j] == ' ' || b[j] == '\t') {
		j++
	}
	switch {
	case j == len(b) && j <= maxQPSpace:
		if !end {
			return 0
		}
		return j
	case j < len(b) && b[j] == '\n':
		return j
	case j < len(b) && b[j] == '\r':
		if j+1 == len(b) && !end {
			return 0
		}
		if j+1 < len(b) && b[j+1] == '\n' {
			return j
		}
	}
	d.dst = append(d.dst, b[:j]...)
	return j
}
