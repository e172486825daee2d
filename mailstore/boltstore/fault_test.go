package boltstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/mailstore/disktest"
)

// diskFault is a way in which a disk fails.
type diskFault struct {
	name   string
	kind   disktest.Kind // of the operations that are counted
	answer disktest.Answer
	times  int   // how many operations fail, of those that write
	want   error // in the chain of what callers get
	ends   bool  // the store goes on by itself when the fault is over
}

var diskFaults = []diskFault{
	{"no sync", disktest.Sync, disktest.Answer{Err: syscall.EIO}, 1, nil, false},
	{"no sync for want of space", disktest.Sync, disktest.Answer{Err: syscall.ENOSPC}, 1, nil, false},
	{"full", disktest.Write, disktest.Answer{Err: syscall.ENOSPC}, 1, mailstore.ErrFull, true},
	{"full for a while", disktest.Write, disktest.Answer{Err: syscall.ENOSPC}, 12, mailstore.ErrFull, true},
	{"over quota", disktest.Write, disktest.Answer{Err: syscall.EDQUOT}, 1, mailstore.ErrFull, true},
	{"full in the midst of a page", disktest.Write, disktest.Answer{Short: 1000, Err: syscall.ENOSPC}, 1, mailstore.ErrFull, true},
	{"short, then full", disktest.Write, disktest.Answer{Short: 512}, 1, mailstore.ErrFull, true},
	{"bad sector", disktest.Write, disktest.Answer{Err: syscall.EIO}, 1, nil, true},
	{"no growth", disktest.Truncate, disktest.Answer{Err: syscall.EFBIG}, 1, mailstore.ErrFull, true},
}

// plan is a fault at one operation. Its state is the rule's alone, which is
// called by one goroutine, until the rule is taken away.
type plan struct {
	diskFault
	at    int // of its kind, from 1
	seen  int
	hits  int
	file  string // that the fault hit
	stops bool   // that file is not written any more
	short bool   // the rest of a short write comes next
}

// rule fails what the plan says. Nothing but the fault matters, so syncs are
// left out.
func (p *plan) rule(op disktest.Op) disktest.Answer {
	ok := disktest.Answer{Skip: op.Kind == disktest.Sync}
	if p.short {
		p.short = false
		return disktest.Answer{Err: syscall.ENOSPC}
	}
	if p.hits > 0 && p.hits < p.times && op.Kind != disktest.Sync {
		p.hits++
		return p.answer
	}
	if op.Kind != p.kind {
		return ok
	}
	if p.seen++; p.seen != p.at {
		return ok
	}
	p.hits++
	p.file = filepath.Base(op.Path)
	// A piece of the page by which a commit begins to count may be all of it:
	// then nobody knows whether it counts.
	p.stops = !p.ends || p.file == metaFile && op.Offset < 2*4096 && p.answer.Short > 0
	p.short = p.answer.Err == 0
	return p.answer
}

// faultRuns is how many runs each fault gets, at operations all over the load.
const faultRuns = 16

// TestDiskFaults lets writes, growths and syncs of a store at work fail. What
// fails is refused and leaves nothing; what was acknowledged stays; a disk that
// is well again is worked with at once, after a failed sync when the store was
// opened anew.
func TestDiskFaults(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		for _, f := range diskFaults {
			t.Run(f.name, func(t *testing.T) {
				clean := &plan{diskFault: f}
				runFault(t, d, clean, 0)
				if clean.seen < 2 {
					t.Fatalf("%d operations without a fault", clean.seen)
				}
				for run := range faultRuns {
					p := &plan{diskFault: f, at: 1 + run*clean.seen/faultRuns}
					runFault(t, d, p, uint64(run))
					if t.Failed() {
						t.Fatalf("at %s %d of about %d", f.kind, p.at, clean.seen)
					}
				}
			})
		}
	})
}

// runFault works, with a fault in the midst of it.
func runFault(t *testing.T, d *disktest.Disk, p *plan, seed uint64) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	skip := (&plan{}).rule
	d.Decide(skip)
	if err := newLoadStore(dir); err != nil {
		t.Fatal(err)
	}
	trim(t, filepath.Join(dir, metaFile))
	trim(t, filepath.Join(dir, "bodies-0.db"))
	s, err := Open(ctx, loadOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	book := newLedger()
	l := &load{s: s, step: func(string) {}, tell: func(fact string) {
		if err := book.enter(fact); err != nil {
			t.Error(err)
		}
	}}
	alone, err := l.newDesk(0, seed)
	if err != nil {
		t.Fatal(err)
	}
	alone.rnd = rand.New(rand.NewPCG(seed, 7))
	d.Decide(p.rule)
	workThrough(t, l, alone, p)
	d.Decide(skip)
	small, large := l.accept(alone, 400), l.accept(alone, 40000)
	if refused := p.stops && p.file == metaFile; refused != (small != nil) {
		t.Errorf("small letter after a fault of %q: %v", p.file, small)
	}
	if p.stops != (large != nil) {
		t.Errorf("large letter after a fault of %q: %v", p.file, large)
	}
	if err := s.Close(); err != nil && p.hits == 0 {
		t.Error(err)
	}
	if err := book.verify(dir); err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
	if s, err = Open(ctx, loadOptions(dir)); err != nil {
		t.Fatal(err)
	}
	l.s = s
	if err := errors.Join(l.accept(alone, 40000), l.accept(alone, 400), s.Close()); err != nil {
		t.Errorf("opened anew: %v", err)
	}
}

// trim takes away the room that a file has grown by in advance, so that it has
// to grow again.
func trim(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	var used int64
	err = db.View(func(tx *bolt.Tx) error { used = tx.Size(); return nil })
	if err = errors.Join(err, db.Close(), os.Truncate(path, used)); err != nil {
		t.Fatal(err)
	}
}

// workThrough does every kind of operation twice, and judges how they fail.
func workThrough(t *testing.T, l *load, d *desk, p *plan) {
	t.Helper()
	unknown := false // what the mailboxes hold
	for round := range 2 {
		for _, op := range loadOps {
			if unknown && op.alone {
				continue
			}
			err := op.run(l, d)
			if err == nil {
				continue
			}
			unknown = unknown || errors.Is(err, mailstore.ErrMaybeCommitted)
			if p.at == 0 {
				t.Errorf("%s, without a fault: %v", op.name, err)
			}
			told := errors.Is(err, mailstore.ErrFull) || errors.Is(err, body.ErrFull) ||
				errors.Is(err, mailstore.ErrMaybeCommitted) || strings.Contains(err.Error(), "opened anew")
			if p.want != nil && !told {
				t.Errorf("round %d, %s: %v, want %v", round, op.name, err, p.want)
			}
			if errors.Is(err, mailstore.ErrDamaged) || errors.Is(err, body.ErrDamaged) {
				t.Errorf("round %d, %s: a fault is told as damage: %v", round, op.name, err)
			}
		}
	}
}

// String names the plan in a report.
func (p *plan) String() string { return fmt.Sprintf("%s at %s %d", p.name, p.kind, p.at) }

// TestOpenFullDisk: where the disk has no room for a new store, or for raising one
// of an older format, that is what is told; with room it opens.
func TestOpenFullDisk(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		for _, c := range []struct {
			old    bool
			before int // writes that there is room for
		}{{false, 0}, {false, 1}, {true, 0}} {
			opts := Options{Dir: t.TempDir(), Create: true}
			if c.old {
				s, _ := testStore(t, opts)
				must(t, s.Close())
				raw(t, opts.Dir, func(tx *bolt.Tx) error {
					return tx.Bucket([]byte("meta")).Put(metaFormat, key(uint32(1)))
				})
			}
			left := c.before
			d.Decide(func(op disktest.Op) disktest.Answer {
				if op.Kind != disktest.Write {
					return disktest.Answer{}
				}
				if left--; left < 0 {
					return disktest.Answer{Err: syscall.ENOSPC}
				}
				return disktest.Answer{}
			})
			_, err := Open(ctx, opts)
			d.Decide(nil)
			if !errors.Is(err, mailstore.ErrFull) {
				t.Errorf("%+v: %v", c, err)
			}
			s, err := Open(ctx, opts)
			must(t, err)
			must(t, s.Close())
		}
	})
}
