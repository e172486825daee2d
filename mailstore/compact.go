package mailstore

import (
	"context"
	"time"
)

// Compacter is a Store whose files do not shrink by themselves.
type Compacter interface {
	// Compact makes the files as small as what they hold, one after the other,
	// while the store serves. It waits for other work on the files as a whole.
	// On an error, ErrFull where the disk has no room for a copy, the file that
	// was being worked on is as it was; those before it are told of. It ends
	// with ctx and with Close, and is repeated without harm.
	Compact(ctx context.Context, o CompactOptions) ([]Compacted, error)
}

// CompactOptions say how.
type CompactOptions struct {
	// Rate is how many octets a second are copied at most; 0 without limit.
	Rate int64
	// Progress is told of a file the octets copied and an upper bound of all;
	// may be nil.
	Progress func(file string, done, total int64)
}

// Compacted tells what became of a file.
type Compacted struct {
	File          string
	Before, After int64         // octets
	Pause         time.Duration // in which changes had to wait
}
