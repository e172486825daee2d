package body

import (
	"context"

	"go.etcd.io/bbolt"

	"gosbridge/mailstore/boltfile"
)

// Compact makes the files as small as the bodies in them, one after the other,
// at a rate of so many octets a second (0: without limit), while they serve.
// On an error the file it was at is as it was; those before it are told of.
func (b *Bolt) Compact(ctx context.Context, rate int64, progress func(file string) func(done, total int64)) (done []boltfile.Report, err error) {
	for n, f := range b.files {
		if f == nil {
			continue
		}
		r, err := f.compact(ctx, rate, progress(fileName(n)))
		if err != nil {
			return done, asFull(err)
		}
		done = append(done, r)
	}
	return done, nil
}

func (f *file) compact(ctx context.Context, rate int64, progress func(done, total int64)) (boltfile.Report, error) {
	f.compacting.Lock()
	defer f.compacting.Unlock()
	if f.closing.Load() {
		return boltfile.Report{}, ErrClosed
	}
	c := boltfile.Compaction{
		Path: f.path, Options: fileOptions(),
		View: f.view, Between: f.betweenCommits, Swap: f.takeOver,
		Record:  func(ch *boltfile.Changes) { f.changes = ch },
		Closing: f.quit, ErrClosed: ErrClosed,
		Hook: f.bolt.opts.Hook, Rate: rate, Progress: progress,
	}
	return c.Run(ctx)
}

// betweenCommits lets the writer run fn between two commits.
func (f *file) betweenCommits(ctx context.Context, fn func() error) error {
	done := make(chan error, 1)
	run := func() {
		if f.broken != nil {
			done <- f.broken
			return
		}
		done <- fn()
	}
	select {
	case f.between <- run:
		return <-done
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.stopped:
		return ErrClosed
	}
}

// takeOver puts another file in the place of the one in use, in the writer.
// Who reads the old one ends there; then it is closed, and the disk has its
// room back.
func (f *file) takeOver(db *bbolt.DB, err error) {
	old := f.db
	db.AllocSize = growStep
	f.swap.Lock()
	f.db = db
	f.swap.Unlock()
	if err != nil {
		f.fail(err)
	}
	f.retired.Go(func() {
		if err := old.Close(); err != nil { // waits for open transactions
			f.bolt.opts.Logger.Error("old body file not closed", "file", f.path, "err", err)
		}
	})
}

// noteChanges tells the compaction what a commit has changed.
func (f *file) noteChanges(group []request) {
	if f.changes == nil {
		return
	}
	for _, r := range group {
		r.op.changed(func(bucket, key []byte) { f.changes.Note(string(bucket), string(key)) })
	}
}
