package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/mailstore/boltstore"
)

// moscow is where the tests' days begin.
var moscow = time.FixedZone("MSK", 3*60*60)

// plan is a schedule under a clock that is not real, over a store that is.
type plan struct {
	t     *testing.T
	store *boltstore.Store
	sched *Schedule
	log   syncBuffer
	fail  error // of the next backups
	waits bool  // the store

	mu   sync.Mutex
	made []string // hours since the start, and "failed"
	from time.Time
}

// syncBuffer is a log for many goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *syncBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// has counts the lines with a text.
func (l *syncBuffer) has(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// newPlan makes a schedule; the bubble begins at midnight UTC, 3:00 in Moscow.
func newPlan(t *testing.T, p Plan) *plan {
	r := &plan{t: t, store: open(t), from: time.Now()}
	dir := r.store.Directory()
	r.sched = NewSchedule(ScheduleOptions{
		Make:  r.make,
		Last:  func(ctx context.Context) (time.Time, error) { return Last(ctx, dir) },
		Note:  func(ctx context.Context, made time.Time) error { return NoteLast(ctx, dir, made) },
		Waits: func() bool { return r.waits }, Zone: moscow, Store: "one", Now: time.Now, Hidden: "GOSBRIDGE_HIDDEN", Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
	}, p)
	return r
}

func (r *plan) make(ctx context.Context, dir string, rate int64) (Manifest, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(r.made, time.Since(r.from).Round(time.Minute).String())
	if r.fail != nil {
		r.made[len(r.made)-1] += " failed"
		return Manifest{}, r.fail
	}
	return Make(ctx, Options{Store: r.store, Dir: dir, Rate: rate})
}

// run runs it; stop ends it and waits for it.
func (r *plan) run() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.sched.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// want compares when backups were made with when they should have been.
func (r *plan) want(made ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.made, made) {
		r.t.Errorf("made at %q, want %q", r.made, made)
	}
	r.made = nil
}

// TestSchedule: the first backup at once, then one a day, the newest few kept;
// one that fails is tried again, one that was missed made up for, and both are
// errors in the log.
func TestSchedule(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newPlan(t, Plan{Folder: folder, Hour: 4, Minute: 30, Keep: 2})
		foreign := filepath.Join(folder, prefix("one")+"not-ours")
		if err := os.Mkdir(foreign, 0o700); err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(folder, prefix("another")+"20000101T000000Z")
		for _, dir := range []string{other, filepath.Join(folder, "."+filepath.Base(other)+".part-1")} {
			if _, err := Make(t.Context(), Options{Store: r.store, Dir: dir}); err != nil {
				t.Fatal(err)
			}
		}
		stop := r.run()
		time.Sleep(24 * time.Hour) // to 3:00
		r.want("0s", "1h30m0s")
		time.Sleep(3 * time.Hour)
		r.want("25h30m0s")
		stop()
		if all, err := List(folder, prefix("one")); err != nil || len(all) != 2 || !strings.HasSuffix(all[1].Dir, "T013000Z") {
			t.Errorf("kept %v, %v", all, err)
		}
		if _, err := os.Stat(foreign); err != nil {
			t.Errorf("a folder that is no backup: %v", err)
		}
		if left, err := filepath.Glob(filepath.Join(folder, "*another*")); err != nil || len(left) != 2 {
			t.Errorf("of another store there are %v, %v", left, err)
		}
		if n := r.log.has("level=ERROR"); n > 0 {
			t.Errorf("%d errors in the log:\n%s", n, r.log.b.String())
		}

		// Not before it is time, though the gateway was started anew.
		stop = r.run()
		time.Sleep(time.Hour)
		r.want()
		stop()
		time.Sleep(48 * time.Hour) // at 28 h + 48 h the last is a day late
		stop = r.run()
		synctest.Wait()
		r.want("76h0m0s")
		if r.log.has("backup overdue") != 1 {
			t.Errorf("nobody heard of it:\n%s", r.log.b.String())
		}

		r.mu.Lock()
		r.fail = errors.New("disk on fire")
		r.mu.Unlock()
		time.Sleep(22*time.Hour + 5*time.Minute) // past 97h30m
		r.want("97h30m0s failed", "97h45m0s failed", "98h0m0s failed")
		if r.log.has("disk on fire") != 3 || r.log.has("backup overdue") != 1 {
			t.Errorf("log:\n%s", r.log.b.String())
		}
		r.mu.Lock()
		r.fail = nil
		r.mu.Unlock()
		time.Sleep(20 * time.Minute)
		r.want("98h15m0s")

		// Another plan is in force at once, also after one that failed.
		r.mu.Lock()
		r.fail = errors.New("disk on fire")
		r.mu.Unlock()
		time.Sleep(23*time.Hour + 25*time.Minute) // past 121h30m
		r.want("121h30m0s failed", "121h45m0s failed")
		r.mu.Lock()
		r.fail = nil
		r.mu.Unlock()
		r.sched.Set(Plan{Folder: folder, Hour: 4, Minute: 30, Keep: 2})
		synctest.Wait()
		r.want("121h50m0s")
		r.sched.Set(Plan{})
		time.Sleep(72 * time.Hour)
		r.want()
		r.sched.Set(Plan{Folder: filepath.Join(folder, "gone"), Keep: 1})
		synctest.Wait()
		r.want()
		if r.log.has("its disk may not be there") != 1 {
			t.Errorf("a folder that is not there:\n%s", r.log.b.String())
		}
		stop()
	})
}

// TestCommand: the command gets the folder of a finished backup, and not the
// master key; how it ended is logged.
func TestCommand(t *testing.T) {
	t.Setenv("GOSBRIDGE_HIDDEN", "the master key")
	t.Setenv("GOSBRIDGE_SHOWN", "shown")
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		script  string
		timeout time.Duration
		want    string
	}{
		{`test -f "$1/manifest.json" && echo "$0 $1 ($GOSBRIDGE_HIDDEN) $GOSBRIDGE_SHOWN" >` + out, time.Minute, "backup command done"},
		{"exit 3", time.Minute, "status=3"},
		{"exec sleep 60", 50 * time.Millisecond, "ended after its time"},
	} {
		folder := t.TempDir()
		r := newPlan(t, Plan{Folder: folder, Keep: 1, Command: []string{"sh", "-c", c.script, "argument"}, Timeout: c.timeout})
		if err := r.sched.make(t.Context(), r.sched.current()); err != nil {
			t.Fatal(err)
		}
		if r.log.has(c.want) != 1 {
			t.Errorf("%s: log\n%s", c.script, r.log.b.String())
		}
		if all, err := List(folder, prefix("one")); err != nil || len(all) != 1 {
			t.Errorf("%s: %v, %v", c.script, all, err)
		}
	}
	text, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(text), "argument /") || !strings.HasSuffix(string(text), " () shown\n") {
		t.Errorf("the command said %q, %v", text, err)
	}
}

// TestPruneCarries: what a backup that is removed knows of restores, and what it
// was made of, the newest goes on knowing; nothing is removed while the store
// waits to be resumed.
func TestPruneCarries(t *testing.T) {
	r := newPlan(t, Plan{})
	folder := t.TempDir()
	at := func(day string) string { return filepath.Join(folder, prefix("one")+day+"T000000Z") }
	for i, day := range []string{"20260101", "20260102", "20260103"} {
		if _, err := Make(t.Context(), Options{Store: r.store, Dir: at(day)}); err != nil {
			t.Fatal(err)
		}
		if i < 2 { // of each of the old ones, and it is told only once
			if err := AddNote(at(day), Note{At: time.Now(), Generation: 7, Number: 5000}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The oldest was made of a store that no note tells of.
	old, err := Read(at("20260101"))
	if err != nil {
		t.Fatal(err)
	}
	old.Generation, old.NextNumber = 9, 4000
	if err := os.WriteFile(filepath.Join(at("20260101"), manifestName), old.encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	r.waits = true
	if err := r.sched.prune(Plan{Folder: folder, Keep: 1}, at("20260103")); err != nil {
		t.Fatal(err)
	}
	if all, err := List(folder, prefix("one")); err != nil || len(all) != 3 {
		t.Errorf("of a store that waits %v are left, %v", all, err)
	}
	r.waits = false
	if err := r.sched.prune(Plan{Folder: folder, Keep: 1}, at("20260103")); err != nil {
		t.Fatal(err)
	}
	all, err := List(folder, prefix("one"))
	if err != nil || len(all) != 1 || all[0].Dir != at("20260103") {
		t.Fatalf("left %v, %v", all, err)
	}
	used, err := Used(at("20260103"))
	var got []string
	for _, n := range used {
		got = append(got, fmt.Sprint(n.Generation, " ", n.Number))
	}
	if err != nil || !slices.Equal(got, []string{"1 1", "7 5000", "9 4000"}) {
		t.Errorf("used %v, %v", got, err)
	}
}

// TestClockWasAhead: a backup of the future, made while the clock was ahead,
// keeps none of now from being made, nor does it have that one removed.
func TestClockWasAhead(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newPlan(t, Plan{Folder: folder, Hour: 4, Minute: 30, Keep: 1})
		future := filepath.Join(folder, prefix("one")+"future")
		m, err := Make(t.Context(), Options{Store: r.store, Dir: future})
		if err != nil {
			t.Fatal(err)
		}
		m.Made = m.Made.AddDate(5, 0, 0)
		if err := os.WriteFile(filepath.Join(future, manifestName), m.encode(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := NoteLast(t.Context(), r.store.Directory(), m.Made); err != nil {
			t.Fatal(err)
		}
		stop := r.run()
		time.Sleep(3 * time.Hour) // to 6:00
		stop()
		r.want("0s", "1h30m0s")
		all, err := List(folder, prefix("one"))
		if err != nil || len(all) != 1 || !strings.HasSuffix(all[0].Dir, "T013000Z") {
			t.Errorf("left %v, %v", all, err)
		}
	})
}
