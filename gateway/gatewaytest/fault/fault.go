// Package fault wraps a store so that a test can end its process, or fail its
// disk, at a chosen operation: it numbers everything that the parts of the
// gateway ask of a store, and lets what is chosen fail.
//
// It owns the numbering and the ways to fail. What it wraps is a real store:
// what happened before the fault is as durable as the engine made it, and a
// test opens the data folder anew to see what a crash has left.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// ErrDead is the error of everything that is asked of a store whose process
// has ended, as seen by the parts that a test has not stopped yet.
var ErrDead = errors.New("process has ended")

// errIO is what a bad disk says.
var errIO = errors.New("input/output error")

// Mode is a way to fail.
type Mode string

// The ways. The first two end the process: all that follows fails too.
const (
	// DieBefore ends the process before the operation had any effect.
	DieBefore Mode = "dies before"
	// DieAfter ends it when the operation is durable and its answer was not
	// seen.
	DieAfter Mode = "dies after"
	// Lost is ErrMaybeCommitted from a commit that happened; other operations
	// fail as with Broken.
	Lost Mode = "answer lost"
	// Undone is ErrMaybeCommitted from a commit that did not happen.
	Undone Mode = "outcome unknown, undone"
	// Full is a full disk: whatever writes fails, reading works.
	Full Mode = "disk full"
	// Broken is an I/O error of reading and writing alike.
	Broken Mode = "input/output error"
	// Stall fails nothing: the whole process stands still for StallFor, as
	// one whose machine was suspended, and then goes on as if nothing was.
	Stall Mode = "stalls"
)

// StallFor is longer than any lease.
const StallFor = 30 * time.Minute

// Dies reports whether the mode ends the process.
func (m Mode) Dies() bool { return m == DieBefore || m == DieAfter }

// Plan says which operations fail. The zero Plan fails none and counts.
type Plan struct {
	Mode Mode
	At   int  // number of the first operation that fails, from 1; 0 for none
	For  int  // how many fail from there on; a death is for good
	Then Mode // of those after the first; "" for the same
	// Do, if not nil, is called before operation At, which then goes on:
	// nothing fails.
	Do func()
}

// kind is what an operation does.
type kind uint8

const (
	reads  kind = iota
	stores      // bodies
	commits
)

// script follows a plan. Safe for concurrent use.
type script struct {
	plan  Plan
	mu    sync.Mutex
	trace []string
	dead  bool
	until time.Time // of the stall
}

// verdict is what becomes of one operation.
type verdict struct {
	perform bool
	err     error // its answer, if not nil
}

// next numbers an operation and decides it.
func (s *script) next(k kind, format string, args ...any) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return verdict{err: ErrDead}
	}
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
	n := len(s.trace)
	if s.plan.Do != nil {
		if n == s.plan.At {
			s.plan.Do()
		}
		return verdict{perform: true}
	}
	if s.plan.Mode == Stall {
		s.stall(n == s.plan.At)
		return verdict{perform: true}
	}
	if p := s.plan; p.At == 0 || n < p.At || !p.Mode.Dies() && n >= p.At+p.For {
		return verdict{perform: true}
	}
	if s.plan.Mode.Dies() {
		s.dead = true
		return verdict{perform: s.plan.Mode == DieAfter, err: ErrDead}
	}
	if s.plan.Then != "" && n > s.plan.At {
		return s.plan.Then.fail(k)
	}
	return s.plan.Mode.fail(k)
}

// stall holds an operation up while the process stands still. The lock is
// given up meanwhile.
func (s *script) stall(begin bool) {
	if begin {
		s.until = time.Now().Add(StallFor)
	}
	rest := time.Until(s.until)
	s.mu.Unlock()
	time.Sleep(rest)
	s.mu.Lock()
}

// fail is the verdict of a mode that does not end the process.
func (m Mode) fail(k kind) verdict {
	switch {
	case m == Full && k == reads:
		return verdict{perform: true}
	case m == Full && k == stores:
		return verdict{err: fmt.Errorf("put: %w", body.ErrFull)}
	case m == Full:
		return verdict{err: fmt.Errorf("commit: %w", mailstore.ErrFull)}
	case m == Lost && k == commits:
		return verdict{perform: true, err: fmt.Errorf("commit: %w: %w", mailstore.ErrMaybeCommitted, errIO)}
	case m == Undone && k == commits:
		return verdict{err: fmt.Errorf("commit: %w: %w", mailstore.ErrMaybeCommitted, errIO)}
	}
	return verdict{err: errIO}
}

// alive is ErrDead when the process has ended: for what is not numbered.
func (s *script) alive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return ErrDead
	}
	return nil
}

// Dead reports whether the process has ended.
func (s *Store) Dead() bool { return s.script.alive() != nil }

// Reached reports whether the first fault of the plan has come.
func (s *Store) Reached() bool {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	return s.script.plan.At > 0 && len(s.script.trace) >= s.script.plan.At
}

// Trace names the operations so far, in order.
func (s *Store) Trace() []string {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	return slices.Clone(s.script.trace)
}
