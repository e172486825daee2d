package cms

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"gosbridge/certs"
)

// Limits of the reader. What signs real mail stays far below all of them.
const (
	maxDepth    = 32      // nested values
	maxKept     = 2 << 20 // octets of everything but content and CRLs
	maxElements = 50_000  // values kept
)

// Identifier octets (X.690 §8.1.2) that the reader tells apart.
const (
	idInteger           = 0x02
	idOctetString       = 0x04
	idOID               = 0x06
	idSequence          = 0x30
	idSet               = 0x31
	idExternal          = 0x28
	idOctetStringPieces = 0x24 // a constructed OCTET STRING
	idContext0          = 0xa0 // [0], constructed
	idContext1          = 0xa1
)

const indefinite = -1

// header begins a value: its identifier octet and its length in octets, or
// indefinite.
type header struct {
	id     byte
	length int64
}

func (h header) constructed() bool { return h.id&0x20 != 0 }

// frame is a value that the reader is inside of.
type frame struct {
	end   int64 // offset, or indefinite
	limit int64 // end of the nearest definite value; indefinite when none
}

// reader reads BER (X.690 §8), of which DER is a part, from a stream. What it
// keeps it returns as DER as far as lengths and string pieces go: definite,
// shortest lengths, strings in one piece. Real DER comes back unchanged.
type reader struct {
	src      *bufio.Reader
	at       int64 // octets read
	frames   []frame
	kept     int64
	elements int
}

// newReader makes a reader that holds so many octets of the stream at a time.
func newReader(src io.Reader, buffer int) *reader {
	return &reader{src: bufio.NewReaderSize(src, buffer)}
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", certs.ErrMalformed, fmt.Sprintf(format, args...))
}

// failed tells an end of the stream, which is the signature's fault, from a
// failing source, which is not.
func failed(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("it is cut short")
	}
	return fmt.Errorf("read signature: %w", err)
}

func (r *reader) limit() int64 {
	if len(r.frames) == 0 {
		return indefinite
	}
	return r.frames[len(r.frames)-1].limit
}

func (r *reader) octet() (byte, error) {
	if limit := r.limit(); limit != indefinite && r.at >= limit {
		return 0, malformed("a value reaches beyond the one around it, at octet %d", r.at)
	}
	b, err := r.src.ReadByte()
	if err != nil {
		return 0, failed(err)
	}
	r.at++
	return b, nil
}

// header reads identifier and length. Tags above 30 do not occur in CMS.
func (r *reader) header() (header, error) {
	start := r.at
	id, err := r.octet()
	if err != nil {
		return header{}, err
	}
	if id&0x1f == 0x1f || id == 0 {
		return header{}, malformed("unexpected tag at octet %d", start)
	}
	h := header{id: id}
	first, err := r.octet()
	switch {
	case err != nil:
		return header{}, err
	case first < 0x80:
		h.length = int64(first)
	case first == 0x80:
		if !h.constructed() {
			return header{}, malformed("a primitive value without length at octet %d", start)
		}
		h.length = indefinite
		return h, nil
	case first > 0x88:
		return header{}, malformed("a length of %d octets at octet %d", first&0x7f, start)
	default:
		for range first & 0x7f {
			b, err := r.octet()
			if err != nil {
				return header{}, err
			}
			if h.length >= 1<<47 {
				return header{}, malformed("an absurd length at octet %d", start)
			}
			h.length = h.length<<8 | int64(b)
		}
	}
	if limit := r.limit(); limit != indefinite && r.at+h.length > limit {
		return header{}, malformed("a value reaches beyond the one around it, at octet %d", start)
	}
	return h, nil
}

// enter goes inside a constructed value.
func (r *reader) enter(h header) error {
	if !h.constructed() {
		return malformed("a primitive value at octet %d", r.at)
	}
	if len(r.frames) == maxDepth {
		return malformed("nested more than %d deep", maxDepth)
	}
	f := frame{end: indefinite, limit: r.limit()}
	if h.length != indefinite {
		f.end = r.at + h.length
		f.limit = f.end
	}
	r.frames = append(r.frames, f)
	return nil
}

// next reads the header of the next value inside the entered one. At its end it
// leaves it and reports false.
func (r *reader) next() (h header, more bool, err error) {
	top := r.frames[len(r.frames)-1]
	if top.end != indefinite {
		if r.at == top.end {
			r.frames = r.frames[:len(r.frames)-1]
			return header{}, false, nil
		}
	} else if ahead, err := r.src.Peek(2); err == nil && ahead[0] == 0 && ahead[1] == 0 {
		// End-of-contents octets (X.690 §8.1.5).
		for range 2 {
			if _, err := r.octet(); err != nil {
				return header{}, false, err
			}
		}
		r.frames = r.frames[:len(r.frames)-1]
		return header{}, false, nil
	}
	h, err = r.header()
	return h, err == nil, err
}

// expect is next for a value that must be there.
func (r *reader) expect(id byte, what string) (header, error) {
	h, more, err := r.next()
	if err != nil {
		return header{}, err
	}
	if !more || h.id != id {
		return header{}, malformed("no %s where it belongs, at octet %d", what, r.at)
	}
	return h, nil
}

// leave is next for a value that must be at its end.
func (r *reader) leave(what string) error {
	_, more, err := r.next()
	if err == nil && more {
		err = malformed("more than expected in %s, at octet %d", what, r.at)
	}
	return err
}

// finish wants the end of the stream.
func (r *reader) finish() error {
	_, err := r.src.ReadByte()
	switch err {
	case io.EOF:
		return nil
	case nil:
		return malformed("octets after its end")
	}
	return failed(err)
}

// keep returns a whole value, whose header was read, re-encoded as the type says.
func (r *reader) keep(h header) ([]byte, error) {
	body, err := r.body(h)
	if err != nil {
		return nil, err
	}
	id := h.id
	if id == idOctetStringPieces {
		id = idOctetString
	}
	return append(appendHeader(make([]byte, 0, len(body)+6), id, len(body)), body...), nil
}

// body is the contents of a value, for keep.
func (r *reader) body(h header) ([]byte, error) {
	if r.elements++; r.elements > maxElements {
		return nil, malformed("more than %d values", maxElements)
	}
	if !h.constructed() {
		if r.kept += h.length + 2; r.kept > maxKept {
			return nil, malformed("more than %d octets", maxKept)
		}
		body := make([]byte, h.length)
		if _, err := io.ReadFull(r.src, body); err != nil {
			return nil, failed(err)
		}
		r.at += h.length
		return body, nil
	}
	if universal := h.id < 0x40; universal && h.id != idSequence && h.id != idSet && h.id != idExternal && h.id != idOctetStringPieces {
		return nil, malformed("a value in pieces at octet %d", r.at)
	}
	if err := r.enter(h); err != nil {
		return nil, err
	}
	var body []byte
	for {
		child, more, err := r.next()
		if err != nil || !more {
			return body, err
		}
		if h.id == idOctetStringPieces {
			if child.id != idOctetString && child.id != idOctetStringPieces {
				return nil, malformed("a string with pieces of another type at octet %d", r.at)
			}
			piece, err := r.body(child)
			if err != nil {
				return nil, err
			}
			body = append(body, piece...)
			continue
		}
		value, err := r.keep(child)
		if err != nil {
			return nil, err
		}
		body = append(body, value...)
	}
}

// appendHeader writes identifier and shortest length.
func appendHeader(to []byte, id byte, length int) []byte {
	switch {
	case length < 0x80:
		return append(to, id, byte(length))
	case length < 1<<8:
		return append(to, id, 0x81, byte(length))
	case length < 1<<16:
		return append(to, id, 0x82, byte(length>>8), byte(length))
	case length < 1<<24:
		return append(to, id, 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
	return append(to, id, 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}

// skip passes over a whole value, whose header was read, keeping nothing.
func (r *reader) skip(h header) error {
	if h.length != indefinite {
		return r.copy(io.Discard, h.length)
	}
	if err := r.enter(h); err != nil {
		return err
	}
	for {
		child, more, err := r.next()
		if err != nil || !more {
			return err
		}
		if err := r.skip(child); err != nil {
			return err
		}
	}
}

// copy streams the contents of a primitive value.
func (r *reader) copy(to io.Writer, length int64) error {
	for length > 0 {
		ahead, err := r.src.Peek(int(min(length, int64(r.src.Size()))))
		if err != nil {
			return failed(err)
		}
		if _, err := to.Write(ahead); err != nil {
			return err
		}
		n, _ := r.src.Discard(len(ahead)) // all of it: it was peeked
		r.at += int64(n)
		length -= int64(n)
	}
	return nil
}

// stream copies an OCTET STRING, whole or in pieces.
func (r *reader) stream(ctx context.Context, h header, to io.Writer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch h.id {
	case idOctetString:
		return r.copy(to, h.length)
	case idOctetStringPieces:
	default:
		return malformed("content is no OCTET STRING")
	}
	if err := r.enter(h); err != nil {
		return err
	}
	for {
		piece, more, err := r.next()
		if err != nil || !more {
			return err
		}
		if err := r.stream(ctx, piece, to); err != nil {
			return err
		}
	}
}
