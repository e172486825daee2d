package boltstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
)

var _ mailstore.Compacter = (*Store)(nil)

// Compact implements mailstore.Compacter. Each file in turn is copied beside
// itself and replaced; the metadata file comes first.
func (s *Store) Compact(ctx context.Context, o mailstore.CompactOptions) ([]mailstore.Compacted, error) {
	release, err := s.maintain(ctx)
	if err != nil {
		return nil, fmt.Errorf("compact: %w", err)
	}
	defer release()
	s.compacting.Lock()
	defer s.compacting.Unlock()
	select {
	case <-s.closing:
		return nil, mailstore.ErrClosed
	default:
	}
	// The bodies' own files would end it only when their turn to be closed comes.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-s.closing:
			cancel(mailstore.ErrClosed)
		case <-ctx.Done():
		}
	}()
	c := boltfile.Compaction{
		Path: filepath.Join(s.opts.Dir, metaFile), Options: s.fileOptions(),
		View: s.snapshot, Between: s.betweenCommits, Swap: s.takeOver,
		Record: func(ch *boltfile.Changes) { s.changes = ch },
		Hook:   s.opts.Hook, Rate: o.Rate,
	}
	progress := func(file string) func(done, total int64) {
		return func(done, total int64) {
			if o.Progress != nil {
				o.Progress(file, done, total)
			}
		}
	}
	c.Progress = progress(metaFile)
	report, err := c.Run(ctx)
	if err != nil {
		return nil, compactError(err)
	}
	done := []mailstore.Compacted{mailstore.Compacted(report)}
	large, err := s.large.Compact(ctx, o.Rate, progress)
	for _, r := range large {
		done = append(done, mailstore.Compacted(r))
	}
	return done, compactError(err)
}

// compactError says in the words of the contract what went wrong.
func compactError(err error) error {
	if errors.Is(err, boltfile.ErrNoRoom) {
		return fmt.Errorf("%w: %w", mailstore.ErrFull, err)
	}
	return asFull(err)
}

// snapshot runs fn on a snapshot of the file.
func (s *Store) snapshot(fn func(*bolt.Tx) error) error {
	return s.read(context.Background(), func(t *txn) error { return fn(t.tx) })
}

// betweenCommits lets the writer run fn between two commits.
func (s *Store) betweenCommits(ctx context.Context, fn func() error) error {
	done := make(chan error, 1)
	run := func() {
		if s.failed != nil {
			done <- s.failed
			return
		}
		done <- fn()
	}
	select {
	case s.between <- run:
		return <-done
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.stopped:
		return mailstore.ErrClosed
	}
}

// takeOver puts another file in the place of the one in use, in the writer.
// Who reads the old one ends there; then it is closed, and the disk has its
// room back.
func (s *Store) takeOver(db *bolt.DB, err error) {
	old := s.db
	fresh := &durable{}
	// It was synced before it got its name.
	if failed := fresh.take(db); failed != nil {
		err = errors.Join(err, failed)
	}
	s.swap.Lock()
	s.db, s.durable = db, fresh
	s.swap.Unlock()
	if err != nil {
		s.fail(err)
	}
	s.background.Go(func() {
		if err := old.Close(); err != nil { // waits for open transactions
			s.log.Error("old metadata file not closed", "err", err)
		}
	})
}

// changed is a row that a request has written or deleted.
type changed struct {
	n   bucket
	key string
}

// noteChange notes a row while a compaction wants to know.
func (w *work) noteChange(n bucket, key []byte) {
	if w.s.changes != nil {
		w.changed = append(w.changed, changed{n, string(key)})
	}
}

// noteChanges tells the compaction what a commit has changed.
func (s *Store) noteChanges(b *batch) {
	if s.changes == nil {
		return
	}
	for _, r := range b.requests {
		if r.err != nil {
			continue // it has written nothing, or was rolled back
		}
		for _, ch := range r.w.changed {
			s.changes.Note(bucketNames[ch.n], ch.key)
		}
	}
}
