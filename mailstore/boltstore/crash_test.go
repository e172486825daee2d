package boltstore

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var crashes = flag.Int("crashes", 80, "how often the crash test kills its child")

const (
	crashDir  = "GOSBRIDGE_CRASH_DIR"
	crashStep = "GOSBRIDGE_CRASH_STEP" // step:count
	crashSeed = "GOSBRIDGE_CRASH_SEED"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		seed, _ := strconv.ParseUint(os.Getenv(crashSeed), 10, 64)
		if err := crashChild(dir, os.Getenv(crashStep), seed); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashChild works until it is killed, by itself when it passes a step for the
// count-th time, and prints a line for each fact.
func crashChild(dir, step string, seed uint64) error {
	name, count, _ := strings.Cut(step, ":")
	left, _ := strconv.Atoi(count)
	var hits atomic.Int64
	pass := func(step string) {
		if step == name && hits.Add(1) == int64(left) {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
	}
	opts := loadOptions(dir)
	opts.Hook = func(step string) error { pass(step); return nil }
	s, err := Open(ctx, opts)
	if err != nil {
		return err
	}
	op, _, _ := strings.Cut(name, "/")
	l := &load{s: s, step: pass, prefer: op, tell: func(fact string) {
		fmt.Println(fact) // one write, so whole lines
	}}
	return l.forever(seed)
}

// crashSteps are all named steps: those of the load and those of the store.
func crashSteps() []string {
	steps := slices.Clone(hookSteps)
	for _, op := range loadOps {
		steps = append(steps, op.steps...)
	}
	return steps
}

// freshAfter is how many kills one folder takes: a check of the whole store
// after each would take ever longer.
const freshAfter = 12

// TestCrash kills children at random moments and at every named step: what
// they said was done is there, whole, and the rest is there whole or not at
// all. -crashes says how many. A failure names the step and the seed of the
// child; the moment of a random kill cannot be repeated.
func TestCrash(t *testing.T) {
	const folders = 4
	var next atomic.Int64
	var mu sync.Mutex
	killed := map[string]int{}
	t.Run("kill", func(t *testing.T) {
		for range folders {
			t.Run("folder", func(t *testing.T) {
				t.Parallel()
				for round := next.Add(1) - 1; round < int64(*crashes) && !t.Failed(); {
					dir, book := filepath.Join(t.TempDir(), "data"), newLedger()
					if err := newLoadStore(dir); err != nil {
						t.Fatal(err)
					}
					for range freshAfter {
						c := newCrash(dir, int(round))
						reached, err := c.run(book)
						if err == nil {
							err = book.verify(dir)
						}
						if err != nil {
							t.Fatalf("after a kill at %q with seed %d: %v", c.step, c.seed, err)
						}
						mu.Lock()
						killed[reached]++
						mu.Unlock()
						if round = next.Add(1) - 1; round >= int64(*crashes) {
							break
						}
					}
					if err := os.RemoveAll(dir); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	})
	t.Logf("kills by step, \"\" at a random moment: %v", killed)
	for i, step := range crashSteps() {
		if 2*i+1 < *crashes && killed[step] == 0 {
			t.Errorf("no child was killed at step %s: is it passed at all?", step)
		}
	}
	if got := sum(killed); got != *crashes && !t.Failed() {
		t.Errorf("%d kills, want %d", got, *crashes)
	}
}

func sum(counts map[string]int) (n int) {
	for c := range maps.Values(counts) {
		n += c
	}
	return n
}

// crash is one child and its end.
type crash struct {
	dir   string
	step  string // "" for a random moment
	count int
	seed  uint64
	after time.Duration // from its first fact to the kill
}

// newCrash plans kill number round: every other at a step, in turns.
func newCrash(dir string, round int) crash {
	c := crash{dir: dir, count: rand.IntN(3) + 1, seed: rand.Uint64(), after: 15 * time.Second}
	steps := crashSteps()
	if round%2 == 1 {
		c.step = steps[round/2%len(steps)]
	} else {
		c.after = time.Duration(rand.IntN(60_000)+500) * time.Microsecond
	}
	return c
}

// run runs the child until it is dead, and enters what it told. It returns the
// step at which it died, "" when that was not the one planned.
func (c crash) run(book *ledger) (reached string, err error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+c.dir, fmt.Sprintf("%s=%s:%d", crashStep, c.step, c.count), fmt.Sprintf("%s=%d", crashSeed, c.seed))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	var late atomic.Bool
	kill := func() { late.Store(true); _ = cmd.Process.Kill() }
	timer := time.AfterFunc(20*time.Second, kill)
	lines := bufio.NewReader(out)
	var wrong error
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // the end, or a line that the kill cut off
		}
		if first {
			timer.Reset(c.after)
		}
		wrong = errors.Join(wrong, book.enter(line))
	}
	timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return "", errors.Join(wrong, fmt.Errorf("child ended with: %w", err))
	}
	if late.Load() {
		return "", wrong
	}
	return c.step, wrong
}
