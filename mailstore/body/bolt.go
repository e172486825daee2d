package body

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a Bolt. The zero value is right for service.
type Options struct {
	// Now tells the time at which a body was put; nil is time.Now.
	Now func() time.Time
	// Logger takes what the engine has to tell; nil discards it.
	Logger *slog.Logger
	// Files is the number of files that new bodies are spread over, 255 at
	// most; 0 is one file. Files that are there are all opened, whatever the
	// number.
	Files int
	// Memory is how many octets of sealed segments all Puts together may hold
	// beside the one segment that each always has; 0 is 64 MiB.
	Memory int
	// BeforeCommit, when set, is called before every commit with the octets
	// it will add; an error makes the commit fail as one of the disk would.
	// It is how tests fill the disk.
	BeforeCommit func(octets int) error
}

// defaultMemory is Options.Memory where that is 0.
const defaultMemory = 64 << 20

// maxFiles is how many body files one folder can have: the number of the file
// is the first octet of a place.
const maxFiles = 256

// Bolt keeps large bodies in bbolt files of their own, apart from metadata,
// so that a large commit never stands in a small one's way. It implements
// Store and is safe for concurrent use.
type Bolt struct {
	opts  Options
	files []*file // by number; nil where there is none
	write []*file // those that take new bodies
	turn  atomic.Uint64
	spare chan struct{} // a token for each segment beyond the first of a Put

	mu     sync.Mutex
	flying map[uint64]struct{} // places of Puts that have not returned
}

var _ Store = (*Bolt)(nil)

// Open opens the body files in dir, which must exist, and makes those that
// are missing. ErrLocked when another process has them open, ErrVersion when a
// newer release wrote them, ErrDamaged when one is cut short or no body file.
func Open(dir string, opts Options) (*Bolt, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Files <= 0 {
		opts.Files = 1
	}
	if opts.Memory <= 0 {
		opts.Memory = defaultMemory
	}
	if opts.Files >= maxFiles {
		return nil, fmt.Errorf("open bodies: %d files, at most %d", opts.Files, maxFiles-1)
	}
	b := &Bolt{
		opts:   opts,
		files:  make([]*file, maxFiles),
		spare:  make(chan struct{}, opts.Memory/sealedSegment),
		flying: make(map[uint64]struct{}),
	}
	present, err := numbers(dir)
	if err != nil {
		return nil, err
	}
	for n := range maxFiles {
		if n >= opts.Files && !present[n] {
			continue
		}
		f, err := openFile(filepath.Join(dir, fileName(n)), n, b)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.files[n] = f
		if n < opts.Files {
			b.write = append(b.write, f)
		}
	}
	return b, nil
}

func fileName(n int) string { return "bodies-" + strconv.Itoa(n) + ".db" }

// numbers tells which body files there are.
func numbers(dir string) (present [maxFiles]bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return present, fmt.Errorf("open bodies: %w", err)
	}
	for _, e := range entries {
		if n, ok := fileNumber(e.Name()); ok {
			present[n] = true
		}
	}
	return present, nil
}

// fileNumber is the number of a body file; ok is false for any other name.
func fileNumber(name string) (n int, ok bool) {
	s, ok := strings.CutPrefix(name, "bodies-")
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, ".db"); !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n < maxFiles && fileName(n) == name
}

// A place is the number of the file in the first octet and a number in the
// file, from 1 and never used again.
const placeBits = 56

func (b *Bolt) fileOf(place uint64) *file { return b.files[place>>placeBits] }

// Open implements Store. It opens what Put returned, a body that is still
// inline included; a Ref that has neither Place nor Inline is ErrNotFound.
func (b *Bolt) Open(ctx context.Context, ref Ref, offset int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open body %s: %w", ref.Name, err)
	}
	if err := checkRange(ref, offset); err != nil {
		return nil, err
	}
	if ref.Place == 0 && len(ref.Inline) > 0 {
		return OpenSealed(ref, ref.Inline, offset)
	}
	f := b.fileOf(ref.Place)
	if ref.Place == 0 || f == nil {
		return nil, fmt.Errorf("open body %s: %w", ref.Name, ErrNotFound)
	}
	row, err := f.row(ref.Place)
	if err != nil {
		return nil, fmt.Errorf("open body %s: %w", ref.Name, err)
	}
	if row.name != ref.Name {
		return nil, fmt.Errorf("open body %s: %w", ref.Name, ErrNotFound)
	}
	if row.size != ref.Size {
		return nil, fmt.Errorf("open body %s: size %d, kept %d: %w", ref.Name, ref.Size, row.size, ErrDamaged)
	}
	return newReader(ctx, ref, offset, func(n int64, use func([]byte) error) error {
		return f.segment(ref.Place, n, use)
	})
}

// Discard implements Store.
func (b *Bolt) Discard(ctx context.Context, ref Ref) error {
	f := b.fileOf(ref.Place)
	if ref.Place == 0 || f == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("discard body %s: %w", ref.Name, err)
	}
	op := &removeOp{bolt: b, doomed: []doomed{{place: ref.Place, name: ref.Name, finished: true}}}
	if err := f.do(op); err != nil {
		return fmt.Errorf("discard body %s: %w", ref.Name, err)
	}
	return nil
}

// Close waits for the running commits and releases the files. Puts that are
// under way fail with ErrClosed, and so do the next reads of open readers.
func (b *Bolt) Close() error {
	var errs []error
	for _, f := range b.files {
		if f != nil {
			errs = append(errs, f.close())
		}
	}
	return errors.Join(errs...)
}

// take reserves a place in one of the files, by turns.
func (b *Bolt) take() (*file, uint64) {
	f := b.write[b.turn.Add(1)%uint64(len(b.write))]
	place := f.nextPlace()
	b.mu.Lock()
	b.flying[place] = struct{}{}
	b.mu.Unlock()
	return f, place
}

// landed says that the Put of a place has come to its end.
func (b *Bolt) landed(place uint64) {
	b.mu.Lock()
	delete(b.flying, place)
	b.mu.Unlock()
}

func (b *Bolt) isFlying(place uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.flying[place]
	return ok
}
