package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Plan is when backups are made, and what becomes of them.
type Plan struct {
	Folder string // that backups are made in; "": none are made
	// Hour and Minute of the day.
	Hour, Minute int
	Keep         int   // how many stay
	Rate         int64 // octets per second; 0 without limit
	// Command is run with the folder of the finished backup as its last
	// argument, and ended after Timeout; empty for none.
	Command []string
	Timeout time.Duration
}

// slot is the last time before or at now at which a backup was to be made.
func (p Plan) slot(now time.Time) time.Time {
	at := time.Date(now.Year(), now.Month(), now.Day(), p.Hour, p.Minute, 0, 0, now.Location())
	if at.After(now) {
		at = time.Date(now.Year(), now.Month(), now.Day()-1, p.Hour, p.Minute, 0, 0, now.Location())
	}
	return at
}

const (
	// retryAfter is how long a backup that failed waits.
	retryAfter = 15 * time.Minute
	// overdueAfter is how late a backup may be without anybody hearing of it.
	overdueAfter = time.Hour
	// stamp is how the time is written at the end of a folder's name.
	stamp = "20060102T150405Z"
)

// prefix begins the names of the folders that a schedule makes of a store. Other
// stores may be backed up to the same place.
func prefix(store string) string { return "gosbridge-" + store + "-" }

// ScheduleOptions are what a Schedule works with.
type ScheduleOptions struct {
	// Make makes a backup in a folder that is not there yet, as the function
	// Make does.
	Make func(ctx context.Context, dir string, rate int64) (Manifest, error)
	// Last is when the last scheduled backup was made, zero for never, and
	// Note remembers it.
	Last func(ctx context.Context) (time.Time, error)
	Note func(ctx context.Context, made time.Time) error
	// Waits reports whether the store was restored and not resumed: then no
	// backup is removed, for another one may have to be restored instead.
	Waits func() bool
	Store string // its name
	// Hidden is the environment variable that a command does not get, because
	// the master key is in it; "" for none.
	Hidden string
	Zone   *time.Location // of the time of day
	Now    func() time.Time
	Logger *slog.Logger
}

// Schedule makes backups by a plan. Safe for concurrent use.
type Schedule struct {
	o ScheduleOptions

	mu      sync.Mutex
	plan    Plan
	changed chan struct{} // buffer of one
}

// NewSchedule returns a schedule.
func NewSchedule(o ScheduleOptions, p Plan) *Schedule {
	return &Schedule{o: o, plan: p, changed: make(chan struct{}, 1)}
}

// Set puts another plan in force. A backup that is being made is finished by
// the old one.
func (s *Schedule) Set(p Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = p
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// current is the plan in force; that it changed is known with it.
func (s *Schedule) current() Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.changed:
	default:
	}
	return s.plan
}

// Run makes backups until ctx ends. The first is made at once when none was
// made since it last was time. What fails is logged as an error and tried again
// after a while.
func (s *Schedule) Run(ctx context.Context) {
	var failed time.Time // of the last try; zero when it succeeded
	for ctx.Err() == nil {
		p := s.current()
		now := s.o.Now()
		due, err := s.due(ctx, p, now)
		if err != nil && ctx.Err() == nil {
			s.o.Logger.Error("backup failed", "err", err)
			due = now.Add(retryAfter)
		}
		if again := failed.Add(retryAfter); !failed.IsZero() && due.Before(again) {
			due = again
		}
		switch {
		case p.Folder == "":
			failed = time.Time{}
			s.sleep(ctx, 24*time.Hour)
		case due.After(now):
			if s.sleep(ctx, due.Sub(now)) {
				failed = time.Time{}
			}
		default:
			if now.Sub(due) > overdueAfter && failed.IsZero() {
				s.o.Logger.Error("backup overdue", "folder", p.Folder, "since", due)
			}
			failed = time.Time{}
			if err := s.make(ctx, p); err != nil && ctx.Err() == nil {
				s.o.Logger.Error("backup failed", "folder", p.Folder, "again_in", retryAfter, "err", err)
				failed = s.o.Now()
			}
		}
	}
}

// sleep waits, until the plan changes or ctx ends.
func (s *Schedule) sleep(ctx context.Context, d time.Duration) (changed bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.changed:
		return true
	case <-ctx.Done():
	}
	return false
}

// due is when the next backup is to be made: at or before now when it is time.
func (s *Schedule) due(ctx context.Context, p Plan, now time.Time) (time.Time, error) {
	if p.Folder == "" {
		return now, nil
	}
	last, err := s.o.Last(ctx)
	if err != nil {
		return now, err
	}
	now = now.In(s.o.Zone)
	slot := p.slot(now)
	switch {
	case last.IsZero(), last.After(now):
		// The first: it shows at once whether the plan works. One of the future,
		// made while the clock was ahead, says nothing.
		return now, nil
	case last.Before(slot):
		return slot, nil
	}
	return time.Date(slot.Year(), slot.Month(), slot.Day()+1, p.Hour, p.Minute, 0, 0, s.o.Zone), nil
}

// make makes a backup and sees to those that are there.
func (s *Schedule) make(ctx context.Context, p Plan) error {
	start := s.o.Now()
	if info, err := os.Stat(p.Folder); err != nil {
		return fmt.Errorf("%w (it is not made: its disk may not be there)", err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no folder", p.Folder)
	}
	if err := removeParts(p.Folder, prefix(s.o.Store)); err != nil {
		return err
	}
	dir := filepath.Join(p.Folder, prefix(s.o.Store)+start.UTC().Format(stamp))
	m, err := s.o.Make(ctx, dir, p.Rate)
	if err != nil {
		return err
	}
	if err := s.o.Note(ctx, m.Made); err != nil {
		return err
	}
	s.o.Logger.Info("backup made", "folder", dir, "octets", m.Octets(), "took", s.o.Now().Sub(start))
	if err := s.prune(p, dir); err != nil {
		s.o.Logger.Error("old backups not removed", "folder", p.Folder, "err", err)
	}
	if len(p.Command) > 0 {
		s.run(ctx, p, dir)
	}
	return nil
}

// prune removes the oldest backups that the schedule made of this store, beyond
// those that stay. The one just made does, also where the clock went back. What
// the others know of restores it goes on knowing.
func (s *Schedule) prune(p Plan, made string) error {
	if s.o.Waits() {
		return nil
	}
	all, err := List(p.Folder, prefix(s.o.Store))
	if err != nil || len(all) <= p.Keep {
		return err
	}
	i := slices.IndexFunc(all, func(f Found) bool { return f.Dir == made })
	if i < 0 {
		return fmt.Errorf("%s: %w", made, ErrNone)
	}
	newest := all[i]
	all = slices.Insert(slices.Delete(all, i, i+1), 0, newest)
	var errs []error
	for _, f := range all[p.Keep:] {
		err := carry(f, made)
		if err == nil {
			err = Remove(f.Dir)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Dir, err))
		}
	}
	return errors.Join(errs...)
}

// run runs the command of a plan. What it writes is its own: the log has how it
// ended.
func (s *Schedule) run(ctx context.Context, p Plan, dir string) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], dir)...)
	cmd.Env = without(os.Environ(), s.o.Hidden)
	start := s.o.Now()
	err := cmd.Run()
	took := s.o.Now().Sub(start)
	var exit *exec.ExitError
	switch {
	case err == nil:
		s.o.Logger.Info("backup command done", "command", p.Command[0], "folder", dir, "took", took)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		s.o.Logger.Error("backup command ended after its time", "command", p.Command[0], "folder", dir, "timeout", p.Timeout)
	case errors.As(err, &exit):
		s.o.Logger.Error("backup command failed", "command", p.Command[0], "folder", dir, "status", exit.ExitCode(), "took", took)
	default:
		s.o.Logger.Error("backup command not run", "command", p.Command[0], "folder", dir, "err", err)
	}
}

// without is an environment but for one variable.
func without(env []string, name string) (out []string) {
	for _, e := range env {
		if key := name + "="; name == "" || len(e) < len(key) || e[:len(key)] != key {
			out = append(out, e)
		}
	}
	return out
}
