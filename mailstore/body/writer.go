package body

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"
)

const (
	// commitOctets is how much one commit takes at most, so that none keeps
	// the others waiting for long.
	commitOctets = 4 << 20
	// maxFreeSynced is the number of free pages up to which the list of them
	// is written with every commit (8 octets each). Above, after a large
	// sweep, it is written when the file is closed; after a crash it is then
	// found by a scan, 0.5 s for 400,000 bodies.
	maxFreeSynced = 32 << 10
)

// op is a change to a body file. apply may run in a transaction that fails.
type op interface {
	apply(tx *bbolt.Tx) error
	// weight is what the op costs a commit, in octets written.
	weight() int
}

type request struct {
	op   op
	done chan error // has room for the answer
}

// send hands op to the writer and returns where the answer will come.
func (f *file) send(op op) (<-chan error, error) {
	r := request{op: op, done: make(chan error, 1)}
	select {
	case f.requests <- r:
		return r.done, nil
	case <-f.quit:
		return nil, ErrClosed
	}
}

// do commits op, together with what others want, and returns when it is
// durable.
func (f *file) do(op op) error {
	done, err := f.send(op)
	if err != nil {
		return err
	}
	return <-done
}

// run is the writer: it commits all that waits, then looks again. The length
// of a commit is what gathers the next group; nobody is delayed for company.
func (f *file) run() {
	defer close(f.stopped)
	for {
		select {
		case r := <-f.requests:
			f.commit(f.gather(r))
		case <-f.quit:
			return
		}
	}
}

// gather collects what waits, up to commitOctets.
func (f *file) gather(first request) []request {
	group := []request{first}
	for octets := first.op.weight(); octets < commitOctets; {
		select {
		case r := <-f.requests:
			group = append(group, r)
			octets += r.op.weight()
		default:
			return group
		}
	}
	return group
}

func (f *file) commit(group []request) {
	err := f.broken
	if err == nil {
		err = f.update(group)
	}
	for _, r := range group {
		r.done <- err
	}
}

func (f *file) update(group []request) error {
	f.db.NoFreelistSync = f.db.Stats().FreePageN > maxFreeSynced
	octets := 0
	for _, r := range group {
		octets += r.op.weight()
	}
	inFn := true
	err := guard(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			if hook := f.bolt.opts.BeforeCommit; hook != nil {
				if err := hook(octets); err != nil {
					return err
				}
			}
			for _, r := range group {
				if err := r.op.apply(tx); err != nil {
					return err
				}
			}
			inFn = false
			return nil
		})
	})
	if err == nil {
		return nil
	}
	full := asFull(err)
	if !inFn && !errors.Is(full, ErrFull) {
		full = fmt.Errorf("%w: %w", ErrDisk, err)
	}
	if !inFn && !retryable(err) {
		// After a failed sync the kernel forgets what it could not write: the
		// next sync would succeed and lie. Only opening anew helps.
		f.broken = fmt.Errorf("body file %s no longer writable, restart after the disk is mended: %w", f.path, full)
		f.bolt.opts.Logger.Error("body file failed", slog.String("file", f.path), slog.Any("err", err))
	}
	return full
}

// retryable reports whether a failed commit has certainly left no trace: a
// write or a growth of the file was refused, before anything was synced.
func retryable(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "write" ||
		strings.HasPrefix(err.Error(), "file resize error")
}

// asFull adds ErrFull to the errors by which a disk says that it is full.
func asFull(err error) error {
	if err == nil {
		return nil
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		// bbolt passes some causes on as text only.
		if errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error()) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return err
}

// close stops the writer after the running commit and closes the file.
func (f *file) close() error {
	if !f.closing.CompareAndSwap(false, true) {
		return nil
	}
	close(f.quit)
	<-f.stopped
	if f.db.NoFreelistSync && f.broken == nil {
		// An empty commit writes the free list that was left out so far.
		f.db.NoFreelistSync = false
		if err := f.db.Update(func(*bbolt.Tx) error { return nil }); err != nil {
			f.bolt.opts.Logger.Warn("list of free pages not written", slog.String("file", f.path), slog.Any("err", err))
		}
	}
	if err := f.db.Close(); err != nil {
		return fmt.Errorf("close body file %s: %w", f.path, err)
	}
	return nil
}

// appendOp adds a chunk to a body, and the row when it is the last.
type appendOp struct {
	place    uint64
	first    uint32
	segments []*[sealedSegment]byte
	tail     int  // octets of the last segment
	row      *row // nil while more is to come
}

func (a *appendOp) weight() int { return (len(a.segments)-1)*sealedSegment + a.tail }

func (a *appendOp) apply(tx *bbolt.Tx) error {
	index := tx.Bucket(indexBucket)
	chunks := tx.Bucket(chunkBucket)
	chunks.FillPercent = fillPercent
	chunk, err := chunks.CreateBucket(chunkKey(a.place, a.first))
	if err != nil {
		return fmt.Errorf("add chunk: %w", err)
	}
	for i, segment := range a.segments {
		sealed := segment[:]
		if i == len(a.segments)-1 {
			sealed = sealed[:a.tail]
		}
		if err := chunk.Put(segmentKey(a.first+uint32(i)), sealed); err != nil {
			return fmt.Errorf("add segment: %w", err)
		}
	}
	// A place that any file has seen is never given out again, so that an old
	// Ref finds nothing rather than somebody else's body.
	if number := a.place & (1<<placeBits - 1); index.Sequence() < number {
		if err := index.SetSequence(number); err != nil {
			return fmt.Errorf("keep last place: %w", err)
		}
	}
	if a.row == nil {
		return nil
	}
	index.FillPercent = fillPercent
	if err := index.Put(placeKey(a.place), a.row.encode()); err != nil {
		return fmt.Errorf("finish body: %w", err)
	}
	return nil
}

// doomed is a body to be removed.
type doomed struct {
	place    uint64
	name     Name
	finished bool // has a row, with this name; else has none
	aborted  bool // by its own Put, which still counts as flying
	size     int64
}

// removeOp removes bodies that are still what they were when it was made.
type removeOp struct {
	bolt   *Bolt
	doomed []doomed

	removed int   // of the transaction that ran last
	octets  int64 // sealed
}

func (r *removeOp) weight() int {
	var octets int64
	for _, d := range r.doomed {
		octets += SealedSize(d.size)
	}
	// Pages are freed, not written: an eighth for what that takes.
	return int(min(octets/8, commitOctets))
}

func (r *removeOp) apply(tx *bbolt.Tx) error {
	r.removed, r.octets = 0, 0
	for _, d := range r.doomed {
		ok, err := r.same(tx, d)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := tx.Bucket(indexBucket).Delete(placeKey(d.place)); err != nil {
			return fmt.Errorf("remove row: %w", err)
		}
		octets, err := removeChunks(tx, d.place)
		if err != nil {
			return err
		}
		if octets > 0 {
			r.removed++
			r.octets += octets
		}
	}
	return nil
}

// same reports whether the body is still as doomed.
func (r *removeOp) same(tx *bbolt.Tx, d doomed) (bool, error) {
	data := tx.Bucket(indexBucket).Get(placeKey(d.place))
	if !d.finished {
		// Finishing and this run in one writer, so no row means that the Put
		// has not finished: it is flying, or it is no more.
		return data == nil && (d.aborted || !r.bolt.isFlying(d.place)), nil
	}
	if data == nil {
		return false, nil
	}
	row, err := decodeRow(data)
	return row.name == d.name, err
}

func removeChunks(tx *bbolt.Tx, place uint64) (octets int64, err error) {
	chunks := tx.Bucket(chunkBucket)
	var keys [][]byte
	c := chunks.Cursor()
	for key, _ := c.Seek(chunkKey(place, 0)); key != nil; key, _ = c.Next() {
		if p, _, ok := splitChunkKey(key); !ok || p != place {
			break
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		if chunk := chunks.Bucket(key); chunk != nil {
			sc := chunk.Cursor()
			for k, v := sc.First(); k != nil; k, v = sc.Next() {
				octets += int64(len(v))
			}
		}
		if err := chunks.DeleteBucket(key); err != nil {
			return 0, fmt.Errorf("remove chunk: %w", err)
		}
	}
	return octets, nil
}
