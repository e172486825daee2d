package body

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Options are the settings of a Bolt. The zero value is right for service.
type Options struct {
	// Now tells the time at which a body was put; nil is time.Now.
	Now func() time.Time
	// Logger takes what the engine has to tell; nil discards it.
	Logger *slog.Logger
	// Files is the number of files that new bodies are spread over; 0 is one
	// file. Files that are there are all opened, whatever the number.
	Files int
	// BeforeCommit, when set, is called before every commit with the octets
	// it will add; an error makes the commit fail. It lets tests fill the disk.
	BeforeCommit func(octets int) error
}

// Bolt keeps large bodies in bbolt files of their own. It implements Store and
// is safe for concurrent use.
type Bolt struct{}

// Open opens the body files in dir, which must exist, and makes them where
// there are none. ErrLocked when another process has them open.
func Open(dir string, opts Options) (*Bolt, error) { return nil, ErrClosed }

// Put implements Store.
func (b *Bolt) Put(ctx context.Context, r io.Reader) (Ref, error) { return Ref{}, ErrClosed }

// Open implements Store. It opens what Put returned, a body that is still
// inline included; a Ref that has neither Place nor Inline is ErrNotFound.
func (b *Bolt) Open(ctx context.Context, ref Ref, offset int64) (io.ReadCloser, error) {
	return nil, ErrClosed
}

// Discard implements Store.
func (b *Bolt) Discard(ctx context.Context, ref Ref) error { return ErrClosed }

// Sweep implements Store. It also removes what Puts that a crash cut short
// have left, whatever their age.
func (b *Bolt) Sweep(ctx context.Context, live func(context.Context, Name) (bool, error), grace time.Duration) (SweepReport, error) {
	return SweepReport{}, ErrClosed
}

// Close waits for the running commit and releases the files. Readers that are
// still open answer ErrClosed.
func (b *Bolt) Close() error { return nil }
