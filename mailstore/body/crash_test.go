//go:build linux

package body_test

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosbridge/mailstore/body"
)

var crashes = flag.Int("crashes", 6, "how often the crash test kills its child")

const (
	// childMode is what a copy of the test program is to do in place of tests.
	childMode = "GOSBRIDGE_BODY_TEST_CHILD"
	// childCommit is the commit at which it kills itself; 0 for none.
	childCommit = "GOSBRIDGE_BODY_TEST_COMMIT"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childMode) {
	case "crash":
		putForEver(os.Args[1])
	case "full":
		if err := fillLimited(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

func child(t *testing.T, mode, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, dir)
	cmd.Env = append(os.Environ(), childMode+"="+mode)
	cmd.Stderr = os.Stderr
	return cmd
}

// childSizes are what putForEver puts, one worker each: below a chunk, above
// one, and far above.
var childSizes = []int{2*seg + 1, 9 * seg, 60 * seg}

// putForEver puts bodies and prints the Ref of each as a line once it is kept.
func putForEver(dir string) {
	last, _ := strconv.ParseInt(os.Getenv(childCommit), 10, 64)
	var commits atomic.Int64
	s, err := body.Open(dir, body.Options{BeforeCommit: func(int) error {
		if commits.Add(1) == last {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
		return nil
	}})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var workers sync.WaitGroup
	for _, size := range childSizes {
		workers.Go(func() {
			clear := random(size)
			for {
				ref, err := s.Put(ctx, bytes.NewReader(clear))
				if err != nil {
					panic(err)
				}
				var line bytes.Buffer
				if err := gob.NewEncoder(&line).Encode(ref); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Println(hex.EncodeToString(line.Bytes()))
				mu.Unlock()
			}
		})
	}
	workers.Wait()
}

// A body whose Put has returned outlives a kill at any time; of the others
// the sweep leaves nothing. Every other child dies between two commits, most
// often in the midst of a body.
func TestKill(t *testing.T) {
	for round := range *crashes {
		dir := t.TempDir()
		cmd := child(t, "crash", dir)
		least := 1 + round%29 // bodies before the kill
		if round%2 == 1 {
			least = 0
			cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", childCommit, 1+rand.IntN(60)))
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		refs := readRefs(out, func(n int) {
			if n == least {
				_ = cmd.Process.Kill() // it may be gone
			}
		})
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("child after %d bodies: %v", len(refs), err)
		}
		if len(refs) < least {
			t.Fatalf("child died after %d bodies", len(refs))
		}
		afterKill(t, dir, refs)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// readRefs reads what putForEver prints, to the line on which it died.
func readRefs(out io.Reader, each func(n int)) (refs []body.Ref) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return refs
		}
		data, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return refs
		}
		var ref body.Ref
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&ref); err != nil {
			return refs
		}
		refs = append(refs, ref)
		each(len(refs))
	}
}

func afterKill(t *testing.T, dir string, refs []body.Ref) {
	t.Helper()
	s, err := body.Open(dir, body.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := make(map[body.Name]bool)
	for _, ref := range refs {
		kept[ref.Name] = true
	}
	live := liveIf(func(n body.Name) (bool, error) { return kept[n], nil })
	// Finished bodies are within their grace; only unfinished ones may go.
	report, err := s.Sweep(ctx, live, time.Hour)
	if err != nil || report.Kept < len(refs) || report.Removed > len(childSizes) {
		t.Errorf("sweep after kill: %+v for %d bodies, %v", report, len(refs), err)
	}
	// Puts that had finished, but not yet been told of.
	report, err = s.Sweep(ctx, live, 0)
	if err != nil || report.Kept != len(refs) || report.Removed > len(childSizes) {
		t.Errorf("second sweep after kill: %+v for %d bodies, %v", report, len(refs), err)
	}
	for _, ref := range refs {
		if got, err := read(s, ref, 0); err != nil || !bytes.Equal(got, random(int(ref.Size))) {
			t.Errorf("body of %d: %d octets, %v", ref.Size, len(got), err)
		}
	}
	put(t, s, random(5*seg))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, dir)
	if b, _ := chunks(t, dir); b != len(refs)+1 {
		t.Errorf("%d bodies in the file, want %d", b, len(refs)+1)
	}
}

// fillLimited fills a file that may not grow beyond 96 MiB, as a disk that is
// full: RLIMIT_FSIZE answers a write with EFBIG.
func fillLimited(dir string) error {
	s, err := body.Open(dir, body.Options{})
	if err != nil {
		return err
	}
	const limit = 96 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	return fill(s, 80*seg)
}

// fill puts bodies until there is no room, then makes room and goes on.
func fill(s *body.Bolt, size int) error {
	clear := random(size)
	var refs []body.Ref
	for {
		ref, err := s.Put(ctx, bytes.NewReader(clear))
		if errors.Is(err, body.ErrFull) {
			break
		}
		if err != nil {
			return fmt.Errorf("put %d on a full disk: %w, want ErrFull", len(refs), err)
		}
		if refs = append(refs, ref); len(refs) > 1000 {
			return errors.New("the disk does not fill")
		}
	}
	if len(refs) < 2 {
		return fmt.Errorf("full after %d bodies", len(refs))
	}
	if _, err := s.Put(ctx, bytes.NewReader(clear)); !errors.Is(err, body.ErrFull) {
		return fmt.Errorf("second put on a full disk: %w", err)
	}
	for _, ref := range refs {
		if got, err := read(s, ref, 0); err != nil || !bytes.Equal(got, clear) {
			return fmt.Errorf("body on a full disk: %d octets, %w", len(got), err)
		}
	}
	for _, ref := range refs[:2] {
		if err := s.Discard(ctx, ref); err != nil {
			return fmt.Errorf("discard on a full disk: %w", err)
		}
	}
	ref, err := s.Put(ctx, bytes.NewReader(clear))
	if err != nil {
		return fmt.Errorf("put after room was made: %w", err)
	}
	if got, err := read(s, ref, 0); err != nil || !bytes.Equal(got, clear) {
		return fmt.Errorf("body after room was made: %d octets, %w", len(got), err)
	}
	report, err := s.Sweep(ctx, liveIf(func(body.Name) (bool, error) { return true, nil }), 0)
	if err != nil || report.Kept != len(refs)-1 {
		return fmt.Errorf("sweep: %+v, want %d kept: %w", report, len(refs)-1, err)
	}
	return s.Close()
}

func TestFullFileLimit(t *testing.T) {
	dir := t.TempDir()
	if err := child(t, "full", dir).Run(); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, dir)
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skip("needs the right to mount:", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	s, err := body.Open(dir, body.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(s, 40*seg); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	checkFiles(t, dir)
}

// Every commit of a Put can meet a full disk; nothing of the body stays.
func TestFullAtEveryCommit(t *testing.T) {
	for at := 1; ; at++ {
		dir := t.TempDir()
		commits, failed := 0, false
		s := openStore(t, dir, body.Options{Memory: 1, BeforeCommit: func(octets int) error {
			if commits++; commits == at && octets > 0 {
				failed = true
				return &os.PathError{Op: "write", Path: dir, Err: syscall.ENOSPC}
			}
			return nil
		}})
		ref, err := s.Put(ctx, io.LimitReader(strings.NewReader(strings.Repeat("x", 6*seg)), 6*seg))
		if !failed {
			if err != nil || at < 3 {
				t.Fatalf("put after %d commits: %v", at, err)
			}
			checkBody(t, s, ref, bytes.Repeat([]byte("x"), 6*seg))
			return
		}
		if !errors.Is(err, body.ErrFull) || !ref.IsZero() {
			t.Errorf("full at commit %d: %v", at, err)
		}
		// The disk has room again: the engine goes on.
		checkBody(t, s, put(t, s, random(3*seg)), random(3*seg))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if b, c := chunks(t, dir); b != 1 || c == 0 {
			t.Errorf("full at commit %d: %d bodies in %d chunks left", at, b, c)
		}
	}
}
