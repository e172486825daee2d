package body

import (
	"context"
	"fmt"
	"io"
	"sync"
)

const (
	// chunkMin is how many segments a Put gathers before it hands them to the
	// writer while nothing of it is being committed: 256 KiB.
	chunkMin = 4
	// chunkMax is how many it gathers while the writer is busy with what it
	// handed over before: 1 MiB.
	chunkMax = 16
)

// sealedBuffers are reused by Puts; each holds one sealed segment.
var sealedBuffers = sync.Pool{New: func() any { return new([sealedSegment]byte) }}

// inlineBuffers are for the beginning of a body, so that the many small ones,
// and clients that are slow to send them, take no whole segment.
var inlineBuffers = sync.Pool{New: func() any { return new([InlineLimit + 1]byte) }}

// Put implements Store. A Put holds one segment of clear text and up to two
// megabytes of sealed ones, less when many run at once (Options.Memory); a
// small body takes InlineLimit.
func (b *Bolt) Put(ctx context.Context, r io.Reader) (Ref, error) {
	ref, err := b.put(ctx, r)
	if err != nil {
		return Ref{}, fmt.Errorf("put body: %w", err)
	}
	return ref, nil
}

func (b *Bolt) put(ctx context.Context, r io.Reader) (Ref, error) {
	ref := NewRef()
	small := inlineBuffers.Get().(*[InlineLimit + 1]byte)
	defer inlineBuffers.Put(small)
	n, err := readFull(ctx, r, small[:])
	if err != nil {
		return Ref{}, err
	}
	if n <= InlineLimit {
		ref.Size = int64(n)
		ref.Inline, err = Seal(ref, small[:n])
		return ref, err
	}
	clear := clearBuffers.Get().(*[SegmentSize + 1]byte)
	defer clearBuffers.Put(clear)
	copy(clear[:], small[:])
	more, err := readFull(ctx, r, clear[n:])
	if err != nil {
		return Ref{}, err
	}
	n += more
	u, err := b.begin(ref)
	if err != nil {
		return Ref{}, err
	}
	defer u.end()
	// The octet beyond the segment tells whether another follows: the last
	// segment is sealed as the last.
	for n > SegmentSize {
		if err := u.add(clear[:SegmentSize], false); err != nil {
			return Ref{}, err
		}
		clear[0] = clear[SegmentSize]
		if n, err = readFull(ctx, r, clear[1:]); err != nil {
			return Ref{}, err
		}
		n++
	}
	if err := u.add(clear[:n], true); err != nil {
		return Ref{}, err
	}
	return u.finish()
}

// readFull fills p as far as r goes; less than p means that r has ended.
func readFull(ctx context.Context, r io.Reader, p []byte) (int, error) {
	n, idle := 0, 0
	for n < len(p) {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := r.Read(p[n:])
		if k < 0 || k > len(p)-n {
			return n, fmt.Errorf("reader returned %d of %d octets", k, len(p)-n)
		}
		n += k
		switch {
		case err == io.EOF: // a wrapped one is a failure, as for io.Copy
			return n, nil
		case err != nil:
			return n, err
		case k > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return n, io.ErrNoProgress
			}
		}
	}
	return n, nil
}

// upload is a body on its way into a file.
type upload struct {
	bolt   *Bolt
	file   *file
	sealer *sealer
	ref    Ref
	count  int64 // segments sealed so far

	filling appendOp // what is gathered
	tokens  int      // of Bolt.spare, held for filling

	flying       *appendOp // what the writer has; nil when it has nothing
	flyingTokens int
	answer       <-chan error

	stored   bool // something of it is, or may be, on the disk
	finished bool
}

func (b *Bolt) begin(ref Ref) (*upload, error) {
	s, err := newSealer(ref)
	if err != nil {
		return nil, err
	}
	f, place := b.take()
	ref.Place = place
	return &upload{bolt: b, file: f, sealer: s, ref: ref, filling: appendOp{place: place}}, nil
}

// add seals one segment and hands over what is gathered when it is time.
func (u *upload) add(clear []byte, last bool) error {
	if u.ref.Size += int64(len(clear)); u.ref.Size > maxSize {
		return fmt.Errorf("body above %d octets: %w", maxSize, ErrFull)
	}
	if len(u.filling.segments) > 0 && !u.reserve() {
		// No memory to gather more: pass on what is there, and wait.
		if err := u.flush(); err != nil {
			return err
		}
	}
	buf := sealedBuffers.Get().(*[sealedSegment]byte)
	sealed := u.sealer.seal(buf[:0], u.count, last, clear)
	u.count++
	u.filling.segments = append(u.filling.segments, buf)
	u.filling.tail = len(sealed)
	if last {
		return nil
	}
	n := len(u.filling.segments)
	if n >= chunkMax || n >= chunkMin && u.idle() {
		if err := u.wait(); err != nil {
			return err
		}
		return u.hand()
	}
	return nil
}

// reserve takes a token for one more segment, if there is one.
func (u *upload) reserve() bool {
	select {
	case u.bolt.spare <- struct{}{}:
		u.tokens++
		return true
	default:
		return false
	}
}

// idle reports whether the writer has nothing of this body, or has answered.
func (u *upload) idle() bool { return u.flying == nil || len(u.answer) > 0 }

// hand gives what is gathered to the writer. Nothing may be with it.
func (u *upload) hand() error {
	if len(u.filling.segments) == 0 {
		return nil
	}
	op := u.filling
	answer, err := u.file.send(&op)
	if err != nil {
		return err
	}
	u.stored = true
	u.flying, u.flyingTokens, u.answer = &op, u.tokens, answer
	u.filling, u.tokens = appendOp{place: u.ref.Place, first: uint32(u.count)}, 0
	return nil
}

// wait waits until the writer has nothing of this body.
func (u *upload) wait() error {
	if u.flying == nil {
		return nil
	}
	err := <-u.answer
	u.release(u.flying, u.flyingTokens)
	u.flying, u.flyingTokens = nil, 0
	return err
}

// flush has all that is gathered committed.
func (u *upload) flush() error {
	if err := u.wait(); err != nil {
		return err
	}
	if err := u.hand(); err != nil {
		return err
	}
	return u.wait()
}

func (u *upload) release(op *appendOp, tokens int) {
	for _, buf := range op.segments {
		sealedBuffers.Put(buf)
	}
	op.segments = nil
	for range tokens {
		<-u.bolt.spare
	}
}

// finish commits the last chunk with the row that makes the body count.
func (u *upload) finish() (Ref, error) {
	u.filling.row = &row{name: u.ref.Name, size: u.ref.Size, at: u.bolt.opts.Now()}
	if err := u.flush(); err != nil {
		return Ref{}, err
	}
	u.finished = true
	return u.ref, nil
}

// end releases what the upload holds and removes what a failed one stored.
func (u *upload) end() {
	// The error, if any, was reported, or is that of an upload that failed
	// anyway.
	_ = u.wait()
	u.release(&u.filling, u.tokens)
	if !u.finished && u.stored {
		op := &removeOp{bolt: u.bolt, doomed: []doomed{{place: u.ref.Place, aborted: true, size: u.ref.Size}}}
		if err := u.file.do(op); err != nil {
			u.bolt.opts.Logger.Warn("rest of a body left to the sweep", "body", u.ref.Name.String(), "err", err)
		}
	}
	u.bolt.landed(u.ref.Place)
}
