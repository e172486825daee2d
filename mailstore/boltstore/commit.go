package boltstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
)

const (
	// batchRequests and batchOctets bound one commit, so that no caller waits
	// for long and the transaction stays small.
	batchRequests = 512
	batchOctets   = 8 << 20
)

// request is one caller's share of a commit.
type request struct {
	ctx context.Context
	run func(*work) error

	mu        sync.Mutex // held while run runs
	started   bool
	abandoned bool // the caller has gone: do not run again

	done    chan error // buffered: the writer never waits for a caller
	err     error
	w       *work
	spoiled bool // failed after it wrote: not to be run again
}

// submit hands run to the writer and waits for its commit.
func (s *Store) submit(ctx context.Context, run func(*work) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, run: run, done: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return mailstore.ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-s.stopped:
		// The writer may have answered with its last act.
		select {
		case err := <-r.done:
			return err
		default:
			return mailstore.ErrClosed
		}
	case <-ctx.Done():
	}
	r.mu.Lock() // waits while run runs: it never runs after we return
	defer r.mu.Unlock()
	r.abandoned = true
	if !r.started {
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	default:
		return fmt.Errorf("%w: %w", mailstore.ErrMaybeCommitted, ctx.Err())
	}
}

// write is the one goroutine that writes.
func (s *Store) write() {
	defer close(s.stopped)
	for {
		select {
		case r := <-s.requests:
			s.commitBatch(r)
		case fn := <-s.between:
			fn()
		case <-s.closing:
			for { // those that were let in before are still served
				select {
				case r := <-s.requests:
					s.commitBatch(r)
				default:
					return
				}
			}
		}
	}
}

// commitBatch runs first and whatever waits behind it in one transaction.
func (s *Store) commitBatch(first *request) {
	if s.failed != nil {
		first.answer(s.failed)
		return
	}
	b, err := s.beginBatch()
	if err != nil {
		first.answer(fmt.Errorf("begin: %w", err))
		return
	}
	for r := first; r != nil; r = s.nextRequest(b) {
		if !b.add(r) {
			if b, err = s.rebuild(b); err != nil {
				return
			}
		}
	}
	s.finish(b)
}

// nextRequest returns what waits, nil when nothing does or the batch is full.
func (s *Store) nextRequest(b *batch) *request {
	if len(b.requests) >= batchRequests || b.weight > batchOctets {
		return nil
	}
	select {
	case r := <-s.requests:
		return r
	default:
	}
	// Callers that the last commit has answered get the processor once to come
	// back with their next request; this is not a delay when nobody is there.
	runtime.Gosched()
	select {
	case r := <-s.requests:
		return r
	default:
		return nil
	}
}

// batch is one transaction with the requests that share it.
type batch struct {
	txn      *txn
	requests []*request
	weight   int
	created  bool // an account was created in this transaction
}

func (s *Store) beginBatch() (*batch, error) {
	tx, err := s.beginGuarded(true)
	if err != nil {
		return nil, err
	}
	return &batch{txn: &txn{s: s, tx: tx}}, nil
}

// add runs a request in the batch. It reports false when the request failed
// after it wrote: then the transaction is spoiled and must be built anew.
func (b *batch) add(r *request) (clean bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.abandoned {
		return true
	}
	if !r.started {
		if err := r.ctx.Err(); err != nil {
			r.answer(err)
			return true
		}
		r.started = true
	}
	b.requests = append(b.requests, r)
	r.w = &work{txn: b.txn, created: b.created}
	r.err = protect(r.run, r.w)
	if r.err == nil {
		r.err = r.w.broken
	}
	b.weight += r.w.weight
	b.created = r.w.created
	r.spoiled = r.err != nil && r.w.writes > 0
	return !r.spoiled
}

// protect turns a panic of run into an error: ErrDamaged where it is the file's.
func protect(run func(*work) error, w *work) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in update: %v", p)
		}
	}()
	return boltfile.Guard(mailstore.ErrDamaged, func() error { return run(w) })
}

// rebuild rolls a spoiled transaction back and runs the others again. The
// failed ones stay in the batch with their errors, to be answered with it.
func (s *Store) rebuild(b *batch) (*batch, error) {
	for {
		if err := b.txn.tx.Rollback(); err != nil {
			return nil, b.answerAll(fmt.Errorf("roll back: %w", err))
		}
		next, err := s.beginBatch()
		if err != nil {
			return nil, b.answerAll(fmt.Errorf("begin: %w", err))
		}
		clean := true
		for i, r := range b.requests {
			if r.spoiled {
				next.requests = append(next.requests, r)
				continue
			}
			if clean = next.add(r); !clean {
				next.requests = append(next.requests, b.requests[i+1:]...)
				break
			}
		}
		if b = next; clean {
			return b, nil
		}
	}
}

// finish commits and answers. Even refusals wait for the commit, for they may
// rest on what another request of the batch wrote.
func (s *Store) finish(b *batch) {
	dirty := false
	for _, r := range b.requests {
		dirty = dirty || (r.err == nil && r.w.writes > 0)
	}
	if !dirty {
		if err := b.txn.tx.Rollback(); err != nil {
			_ = b.answerAll(fmt.Errorf("roll back: %w", err))
			return
		}
		b.answerEach()
		return
	}
	if err := s.hook("commit"); err != nil {
		_ = b.txn.tx.Rollback()
		_ = b.answerAll(err)
		return
	}
	if err := s.commit(b.txn.tx); err != nil {
		_ = b.answerAll(err)
		return
	}
	_ = s.hook("committed")
	s.noteChanges(b)
	s.publish(b)
	b.answerEach()
}

// publish tells watchers and workers what was committed.
func (s *Store) publish(b *batch) {
	for _, r := range b.requests {
		if r.err != nil {
			continue
		}
		s.watchers.signal(r.w.touched)
		s.texts.touched(r.w.touched)
		for class := range maps.Keys(r.w.wakes) {
			s.wakes.signal(class)
		}
		s.doomed.Add(int64(r.w.doomed))
		if r.w.purge || r.w.doomed > 0 {
			s.startPurge()
		}
	}
}

func (b *batch) answerEach() {
	for _, r := range b.requests {
		r.answer(r.err)
	}
}

func (b *batch) answerAll(err error) error {
	for _, r := range b.requests {
		r.answer(err)
	}
	return err
}

// answer may find that the caller has gone.
func (r *request) answer(err error) {
	select {
	case r.done <- err:
	default:
	}
}

// commit commits tx and says what a failure means. bbolt rolls its own state
// back and reads the list of free pages anew, so that a full disk leaves a
// store that works when there is room again. After a failed sync nobody knows
// what the disk holds: then the store takes no more until it is opened anew.
func (s *Store) commit(tx *bolt.Tx) (err error) {
	id := tx.ID()
	s.durable.begin()
	defer func() { s.durable.end(id, err) }()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // it reads pages too
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("commit: %w: panic: %v", mailstore.ErrMaybeCommitted, p)
			s.fail(err)
			s.wedged = true
		}
	}()
	if err = tx.Commit(); err == nil {
		return nil
	}
	if s.visible(id) {
		err = fmt.Errorf("commit: %w: %w", mailstore.ErrMaybeCommitted, err)
		s.fail(err)
		return err
	}
	if isFull(err) {
		return fmt.Errorf("commit: %w: %w", mailstore.ErrFull, err)
	}
	var path *os.PathError
	if !errors.As(err, &path) {
		s.fail(err)
	}
	return fmt.Errorf("commit: %w: %w", mailstore.ErrDisk, err)
}

// fail ends the writing. What comes later is certainly not committed, so the
// cause is told and not wrapped: ErrMaybeCommitted is only for those it hit.
func (s *Store) fail(cause error) {
	s.failed = fmt.Errorf("%w: store must be opened anew after: %v", mailstore.ErrDisk, cause) //nolint:errorlint // see above
	s.log.Error("store takes no more writes until it is opened anew", "err", cause)
}

// visible reports whether readers see transaction id.
func (s *Store) visible(id int) bool {
	tx, err := s.db.Begin(false)
	if err != nil {
		return true // nothing is known
	}
	defer func() { _ = tx.Rollback() }()
	return tx.ID() >= id
}

// asFull adds ErrFull to an error by which a disk says that it is full.
func asFull(err error) error {
	if err != nil && isFull(err) {
		return fmt.Errorf("%w: %w", mailstore.ErrFull, err)
	}
	return err
}

// isFull reports whether err says that the disk, the quota on it or the
// allowed size of the file is used up. A sync never says so reliably.
func isFull(err error) bool {
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return true
	}
	var path *os.PathError
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.As(err, &path) && errors.Is(err, no) {
			return true
		}
		// bbolt drops the chain when it cannot make the file longer.
		if strings.HasPrefix(err.Error(), "file resize error") && strings.Contains(err.Error(), no.Error()) {
			return true
		}
	}
	return false
}
