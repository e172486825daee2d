// Package disktest puts a test between a process and its disk: it sees every
// write, growth and sync of a file just before the kernel does, and can fail
// it, cut it short, or note it down.
//
// A test that calls Run goes on in a process of its own, where a seccomp filter
// hands those system calls to a supervisor (seccomp(2), user notification). So
// what is tested is the program as it is, with no seam for tests in it, and
// whatever engine or library makes the calls. From a Recording the files are
// made that a loss of power at any moment could have left.
//
// It owns the supervisor and the recordings. It knows no engine and no file
// format, and sees only pwrite, ftruncate, fsync and fdatasync: what a store
// does to files that it keeps open. It needs Linux 5.19.
package disktest

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// Kind is what an operation does to a file.
type Kind uint8

// The kinds of operations. A Mark is no operation but a note of the test.
const (
	Write    Kind = iota + 1
	Truncate      // to Size, which is most often a growth
	Sync
	Mark
)

// String names the kind as a report does.
func (k Kind) String() string {
	return [...]string{"nothing", "write", "truncate", "sync", "mark"}[k]
}

// Op is one operation that a process asks of the kernel.
type Op struct {
	Kind   Kind
	Path   string
	Offset int64 // of a Write
	Size   int64 // octets of a Write, or the length that a Truncate sets
}

// String names the operation as a report does.
func (o Op) String() string {
	switch o.Kind {
	case Write:
		return fmt.Sprintf("write of %d octets at %d of %s", o.Size, o.Offset, o.Path)
	case Truncate:
		return fmt.Sprintf("truncate of %s to %d octets", o.Path, o.Size)
	default:
		return fmt.Sprintf("%s of %s", o.Kind, o.Path)
	}
}

// Answer is what becomes of an operation. The zero Answer lets it happen.
type Answer struct {
	// Short is how many octets of a Write reach the file where it is cut
	// short. Without Err the write tells how many; the program then tries the
	// rest, as a new operation.
	Short int64
	// Skip lets the operation return as if it had happened, and nothing does.
	Skip bool
	// Err is what the operation returns. Nothing of it happens, but for Short
	// octets.
	Err syscall.Errno
}

// Disk decides what the operations of this process do. Its methods are safe
// for concurrent use.
type Disk struct {
	mu     sync.Mutex
	decide func(Op) Answer // nil: all happens
	record *Recording      // nil: nothing is noted
	err    error           // of the supervisor; it ends with it
}

// Decide sets the rule for the operations that follow; nil lets all happen. It
// is called for one operation at a time, while the caller of that operation
// waits, and must not touch a file or call the Disk. The race detector does not
// see that waiting: what the rule shares with the test needs a lock.
func (d *Disk) Decide(rule func(Op) Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.decide = rule
}

// Mark notes in the running Recording that something is so by now: all that
// the Recording holds before the mark had happened, and it does not hold yet
// what comes after.
func (d *Disk) Mark(what any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record != nil {
		d.record.events = append(d.record.events, event{kind: Mark, mark: what})
	}
}

// SyncTime is how long a sync takes while a Recording runs. What is marked in
// that time happened before the sync had come to its end.
const SyncTime = 200 * time.Microsecond

// Record begins a Recording of the files in dir, which must be at rest; a
// Recording that is running ends. The returned function ends it. Meanwhile the
// syncs do nothing but take their time: what is durable is decided by Restore.
func (d *Disk) Record(dir string) (stop func() (*Recording, error), err error) {
	r, err := newRecording(dir)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.record = r
	return func() (*Recording, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.record = nil
		return r, d.err
	}, nil
}
