package boltstore

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
)

// compactSteps are those before the name is taken.
var compactSteps = []string{"compact-copy", "compact-replay", "compact-last", "compact-rename"}

// TestCompactFails breaks each step, of each file, by an error and by the end
// of the context: the store serves on with the file that it had.
func TestCompactFails(t *testing.T) {
	errHook := errors.New("step fails")
	for _, step := range compactSteps {
		for nth := range 2 {
			t.Run(fmt.Sprint(step, nth), func(t *testing.T) {
				var s *Store
				var a mailstore.ID
				var left atomic.Int64
				left.Store(-1)
				opts := Options{Dir: t.TempDir()}
				opts.Hook = func(at string) error {
					if at == "compact-copy" && left.Load() > 0 {
						// So that there is something to be copied again.
						if err := s.Directory().PutSetting(ctx, "name", []byte(time.Now().String())); err != nil {
							return err
						}
						if err := compactLetter(s, a, 1, 20_000); err != nil {
							return err
						}
					}
					if at == step && left.Add(-1) == 0 {
						return errHook
					}
					return nil
				}
				s, a = testStore(t, opts)
				files, n := fileNames(t, opts.Dir), 0
				left.Store(1 + int64(nth)) // the second time is mostly of the next file
				if _, err := s.Compact(ctx, mailstore.CompactOptions{}); !errors.Is(err, errHook) {
					t.Fatalf("got %v", err)
				}
				left.Store(-1)
				if got := fileNames(t, opts.Dir); !slices.Equal(got, files) {
					t.Errorf("files %v, were %v", got, files)
				}
				n = messages(t, s, a)
				if err := compactLetter(s, a, 1, 20_000); err != nil {
					t.Error(err)
				}
				if s.changes != nil {
					t.Error("changes are still noted")
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				opts.Hook = nil
				s = reopen(t, opts)
				if got := messages(t, s, a); got != n+1 {
					t.Errorf("%d messages, want %d", got, n+1)
				}
			})
		}
	}
}

// TestCompactNameUnsure fails after the rename: what is on the disk is not
// certain, so nothing more is written, and everything is read, until it is
// opened anew.
func TestCompactNameUnsure(t *testing.T) {
	var on atomic.Bool
	opts := Options{Dir: t.TempDir(), Hook: func(step string) error {
		if on.Load() && step == "compact-renamed" {
			return errors.New("folder not synced")
		}
		return nil
	}}
	s, a := bulkStore(t, opts)
	on.Store(true)
	if _, err := s.Compact(ctx, mailstore.CompactOptions{}); err == nil {
		t.Fatal("no error")
	}
	if err := letter(s, a, 10); err == nil || !strings.Contains(err.Error(), "folder not synced") {
		t.Errorf("write: %v", err)
	}
	if n := messages(t, s, a); n != 2 {
		t.Errorf("%d messages", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	on.Store(false)
	s = reopen(t, opts)
	if err := letter(s, a, 10); err != nil {
		t.Error(err)
	}
}

// TestCompactEnds: the end of the context and Close end a compaction at once,
// whatever its rate.
func TestCompactEnds(t *testing.T) {
	for _, c := range []struct{ by, file string }{
		{"context", metaFile}, {"close", metaFile}, {"context", "bodies-0.db"}, {"close", "bodies-0.db"},
	} {
		t.Run(c.by+" "+c.file, func(t *testing.T) {
			begun := make(chan struct{}, 1)
			opts := Options{Dir: t.TempDir(), BodyFiles: 1}
			s, a := testStore(t, opts)
			if err := compactLetter(s, a, 1, 100_000); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			ended := make(chan error)
			go func() {
				_, err := s.Compact(ctx, mailstore.CompactOptions{
					Rate: 50_000, // two seconds for the bodies
					Progress: func(file string, n, _ int64) {
						if file == c.file && n > 0 {
							hint(begun)
						}
					},
				})
				ended <- err
			}()
			<-begun
			want, closed := context.Canceled, make(chan error, 1)
			start := time.Now()
			if c.by == "context" {
				cancel()
			} else {
				want = mailstore.ErrClosed
				go func() { closed <- s.Close() }()
			}
			if err := <-ended; !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
			if c.by == "close" {
				if err := <-closed; err != nil {
					t.Error(err)
				}
			}
			if d := time.Since(start); c.file != metaFile && d > time.Second {
				t.Errorf("ended after %v", d)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if names := fileNames(t, opts.Dir); slices.Contains(names, c.file+boltfile.Suffix) {
				t.Errorf("left: %v", names)
			}
		})
	}
}

// TestCompactFullDisk has the system refuse the copy.
func TestCompactFullDisk(t *testing.T) {
	if inChild(t) {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	opts := Options{Dir: t.TempDir()}
	s, a := testStore(t, opts)
	if err := compactLetter(s, a, 1, 12_000_000); err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	// Enough for the metadata, too little for the bodies.
	limit := unix.Rlimit{Cur: 8 << 20, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("file size limit: %v", err)
	}
	done, err := s.Compact(ctx, mailstore.CompactOptions{})
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, mailstore.ErrFull) || len(done) != 1 {
		t.Errorf("%d files done, then %v", len(done), err)
	}
	if names := fileNames(t, opts.Dir); slices.Contains(names, "bodies-0.db"+boltfile.Suffix) {
		t.Errorf("left: %v", names)
	}
	if err := compactLetter(s, a, 1, 300_000); err != nil {
		t.Error(err)
	}
}
