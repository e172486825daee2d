package boltfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Suffix is added to a file's name while its copy grows.
const Suffix = ".compact"

const (
	// reserve is how much room on the disk a copy leaves to the service.
	reserve = 64 << 20
	// shortRound is how long the last round of copying again may have taken
	// for the next one to be done while the writer waits.
	shortRound = 20 * time.Millisecond
	// longestRound is the same where rounds get no shorter, as on a disk that
	// takes its time for every sync.
	longestRound = time.Second
	// gatherKeys is how many changes are let gather while the file is copied.
	gatherKeys = 1 << 16
	// maxRounds is after how many rounds nothing more is to be hoped for.
	maxRounds = 100
)

var (
	// ErrBusy says that the file changes faster than it can be copied.
	ErrBusy = errors.New("the file changes faster than it can be copied; try again when there is less to do")
	// ErrNoRoom says that the disk has no room for the copy.
	ErrNoRoom = errors.New("not enough room on the disk for a copy of the file")
)

// Compaction is a file to be copied into one without free pages, which then
// takes its place. Readers and the writer go on meanwhile, but for a moment.
type Compaction struct {
	// Path is the file's, Options how it was opened.
	Path    string
	Options bolt.Options
	// View runs a function on a snapshot of the file.
	View func(func(*bolt.Tx) error) error
	// Between lets the writer run a function between two commits, and waits
	// for it once it has begun. A writer that takes no more is an error.
	Between func(context.Context, func() error) error
	// Record, in Between: what the writer commits from now on is noted; nil
	// ends that.
	Record func(*Changes)
	// Swap, in Between: db is the file from now on. Its owner closes the one
	// before when its readers are done. An error says that it is not certain
	// under which file the name is on the disk: nothing more may be written
	// until it is opened anew.
	Swap func(db *bolt.DB, err error)
	// Closing ends the compaction, with ErrClosed as its error; may be nil.
	Closing   <-chan struct{}
	ErrClosed error
	// Hook, for tests, is called before each step: "compact-copy" of a slice,
	// "compact-replay" of changes, "compact-last" in the writer,
	// "compact-rename", "compact-renamed" and "compact-swapped". An error
	// makes the step fail, but for the last, which is over.
	Hook func(step string) error
	// Rate is how many octets a second are copied at most; 0 without limit.
	Rate int64
	// Progress is told the octets copied and an upper bound of all; may be nil.
	Progress func(done, total int64)

	// Set smaller by tests: keys in a slice, and changes that may gather.
	slice, gather int
}

// Report tells what became of a file.
type Report struct {
	File          string
	Before, After int64         // octets
	Pause         time.Duration // in which the writer waited
}

func (c *Compaction) hook(step string) error {
	if c.Hook == nil {
		return nil
	}
	return c.Hook(step)
}

func (c *Compaction) progress(done, total int64) {
	if c.Progress != nil {
		c.Progress(done, total)
	}
}

// Run copies the file and swaps it. On any error, and when ctx ends, the old
// file stays in service and the copy is removed. One at a time for a file.
func (c *Compaction) Run(ctx context.Context) (r Report, err error) {
	r.File = filepath.Base(c.Path)
	defer func() {
		if err != nil {
			err = fmt.Errorf("compact %s: %w", r.File, err)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-c.Closing:
			cancel(c.ErrClosed)
		case <-ctx.Done():
		}
	}()
	if c.slice == 0 {
		c.slice, c.gather = sliceKeys, gatherKeys
	}
	// A link to a file elsewhere stays one: the file it names is replaced.
	if c.Path, err = filepath.EvalSymlinks(c.Path); err != nil {
		return r, err
	}
	old, err := os.Stat(c.Path)
	if err != nil {
		return r, err
	}
	r.Before = old.Size()
	if err := c.room(old.Size()); err != nil {
		return r, err
	}
	k := &copier{c: c, total: old.Size()}
	if k.db, err = c.target(old); err != nil {
		return r, err
	}
	if err = k.run(ctx, &r); err != nil && !k.given {
		err = errors.Join(err, c.abandon(k.db))
	}
	return r, err
}

// target makes the new file. It has the lock by which others know that the
// file is in use, before it has the name.
func (c *Compaction) target(old os.FileInfo) (*bolt.DB, error) {
	path := c.Path + Suffix
	// A name that is there is of a compaction that could not remove it.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	db, _, err := mapped(path, c.Options)
	if err != nil {
		return nil, err
	}
	// Nothing of it counts before it is synced as a whole.
	db.NoSync, db.NoGrowSync = true, true
	if err := own(path, old); err != nil {
		return nil, errors.Join(fmt.Errorf("keep owner and mode: %w", err), c.abandon(db))
	}
	return db, nil
}

// abandon removes the new file.
func (c *Compaction) abandon(db *bolt.DB) error {
	// First the name: who has the lock after us must find none, or its own.
	return errors.Join(os.Remove(c.Path+Suffix), db.Close())
}

// run fills the new file and puts it in the place of the old.
func (k *copier) run(ctx context.Context, r *Report) error {
	if err := k.c.Between(ctx, func() error { k.c.Record(&k.changes); return nil }); err != nil {
		return err
	}
	err := guard(func() error {
		if err := k.all(ctx); err != nil {
			return err
		}
		return k.rounds(ctx)
	})
	if err == nil {
		err = k.c.Between(ctx, func() error { return k.last(ctx, r) })
	}
	if err != nil {
		// A writer that has ended records nothing.
		_ = k.c.Between(context.WithoutCancel(ctx), func() error { k.c.Record(nil); return nil })
	}
	return err
}

// rounds copies again what has changed, until so little is left that the
// writer can wait for it.
func (k *copier) rounds(ctx context.Context) error {
	before := time.Duration(1 << 62)
	for range maxRounds {
		start := time.Now()
		if err := k.drain(ctx, true); err != nil {
			return err
		}
		if err := k.sync(); err != nil {
			return err
		}
		took := time.Since(start)
		if took < shortRound || took >= before && took < longestRound {
			return nil
		}
		before = took
	}
	return ErrBusy
}

// last is the moment in which the writer waits: what has changed since the last
// round is copied, and the new file takes the name.
func (k *copier) last(ctx context.Context, r *Report) error {
	start := time.Now()
	defer func() { r.Pause = time.Since(start) }()
	if err := k.c.hook("compact-last"); err != nil {
		return err
	}
	err := guard(func() error {
		if err := k.drain(ctx, false); err != nil {
			return err
		}
		return k.sync()
	})
	if err != nil {
		return err
	}
	k.db.NoSync, k.db.NoGrowSync = false, false
	if err := k.c.hook("compact-rename"); err != nil {
		return err
	}
	now, err := os.Stat(k.c.Path + Suffix)
	if err != nil {
		return err
	}
	r.After = now.Size() // the next commit may make it grow by a large step
	if err := os.Rename(k.c.Path+Suffix, k.c.Path); err != nil {
		return err
	}
	k.given = true
	err = k.c.hook("compact-renamed")
	if err == nil {
		err = SyncDir(filepath.Dir(k.c.Path))
	}
	k.c.Record(nil)
	k.c.Swap(k.db, err)
	if err != nil {
		return fmt.Errorf("make the new file's name durable: %w", err)
	}
	_ = k.c.hook("compact-swapped") // there is no way back
	return nil
}

// room says before anything is written whether the copy will fit.
func (c *Compaction) room(size int64) error {
	free, known := freeSpace(c.Path)
	if !known || free >= size+reserve {
		return nil
	}
	// Not all of the old file is in use.
	used := int64(0)
	err := guard(func() error {
		return c.View(func(tx *bolt.Tx) error {
			used = 0
			return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
				s := b.Stats()
				used += int64(s.BranchAlloc + s.LeafAlloc)
				return nil
			})
		})
	})
	if err == nil && free < used+reserve {
		err = noRoom(used, free)
	}
	return err
}

// space says whether there is room for some octets more: others fill the disk
// too, and their commits come first.
func (c *Compaction) space(octets int64) error {
	if free, known := freeSpace(c.Path); known && free < octets+reserve {
		return noRoom(octets, free)
	}
	return nil
}

func noRoom(need, free int64) error {
	return fmt.Errorf("%w: %d octets and %d to spare are needed, %d are free", ErrNoRoom, need, int64(reserve), free)
}
