package body

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// fetch hands the sealed segment n to use, which must not keep it.
type fetch func(n int64, use func(sealed []byte) error) error

// clearBuffers are reused by readers and writers; each holds one segment of
// clear text and the octet that tells whether another follows.
var clearBuffers = sync.Pool{New: func() any { return new([SegmentSize + 1]byte) }}

// reader yields the clear text of a body and holds one segment of it.
type reader struct {
	ctx    context.Context // of Open: ends the reads too
	sealer *sealer
	size   int64
	next   int64 // segment to fetch next
	skip   int   // octets of that segment before the offset asked for
	fetch  fetch
	buf    *[SegmentSize + 1]byte
	clear  []byte // what is left of the segment in buf
	err    error
}

func newReader(ctx context.Context, ref Ref, offset int64, fetch fetch) (*reader, error) {
	s, err := newSealer(ref)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, sealer: s, size: ref.Size, fetch: fetch, next: offset / SegmentSize, skip: int(offset % SegmentSize)}
	if offset == ref.Size && offset > 0 {
		// Nothing is asked for, so nothing is opened. The empty body has one
		// segment, which is opened: its absence would be damage.
		r.next, r.skip = segments(ref.Size), 0
	}
	return r, nil
}

var errReaderClosed = errors.New("read from closed body")

// fill opens the next segment; io.EOF after the last.
func (r *reader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.next == segments(r.size) {
		r.err = io.EOF
		r.release()
		return r.err
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.buf == nil {
		r.buf = clearBuffers.Get().(*[SegmentSize + 1]byte)
	}
	n := r.next
	err := r.fetch(n, func(sealed []byte) error {
		want := clearSize(r.size, n)
		if len(sealed) != want+Overhead {
			return fmt.Errorf("body %s segment %d: %d octets, want %d: %w", r.sealer.name, n, len(sealed), want+Overhead, ErrDamaged)
		}
		clear, err := r.sealer.open(r.buf[:0], n, n == segments(r.size)-1, sealed)
		if err != nil {
			return err
		}
		r.clear = clear[r.skip:]
		return nil
	})
	if err != nil {
		r.err = err
		r.release()
		return err
	}
	r.next, r.skip = n+1, 0
	return nil
}

func (r *reader) release() {
	if r.buf != nil {
		clearBuffers.Put(r.buf)
		r.buf, r.clear = nil, nil
	}
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.clear) == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.clear)
	r.clear = r.clear[n:]
	return n, nil
}

// WriteTo spares io.Copy its own buffer.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(r.clear) == 0 {
			if err := r.fill(); errors.Is(err, io.EOF) {
				return total, nil
			} else if err != nil {
				return total, err
			}
			continue
		}
		n, err := w.Write(r.clear)
		total += int64(n)
		r.clear = r.clear[n:]
		if err != nil {
			return total, err
		}
	}
}

func (r *reader) Close() error {
	r.err = errReaderClosed
	r.release()
	return nil
}
