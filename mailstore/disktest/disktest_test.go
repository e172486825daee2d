package disktest_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gosbridge/mailstore/disktest"
)

// open makes a file of some octets.
func open(t *testing.T, dir string, content string) *os.File {
	t.Helper()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestAnswers fails and shortens operations, and sees that nothing else of
// them happens.
func TestAnswers(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		f := open(t, t.TempDir(), "0123456789")
		var mu sync.Mutex // of what follows
		var seen []string
		answer := disktest.Answer{}
		d.Decide(func(op disktest.Op) disktest.Answer {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, op.String())
			a := answer
			answer = disktest.Answer{Err: syscall.ENOSPC} // for what follows
			return a
		})
		for _, tc := range []struct {
			answer disktest.Answer
			do     func() error
			err    error
			want   string // content of the file after it
			ops    int
		}{
			{disktest.Answer{}, func() error { _, err := f.WriteAt([]byte("ab"), 1); return err }, nil, "0ab3456789", 1},
			{disktest.Answer{Err: syscall.EIO}, func() error { _, err := f.WriteAt([]byte("zz"), 1); return err }, syscall.EIO, "0ab3456789", 1},
			{disktest.Answer{Short: 2, Err: syscall.EIO}, func() error { _, err := f.WriteAt([]byte("cdef"), 3); return err }, syscall.EIO, "0abcd56789", 1},
			{disktest.Answer{Short: 1}, func() error { _, err := f.WriteAt([]byte("gh"), 5); return err }, syscall.ENOSPC, "0abcdg6789", 2},
			{disktest.Answer{Skip: true}, func() error { _, err := f.WriteAt([]byte("zz"), 1); return err }, nil, "0abcdg6789", 1},
			{disktest.Answer{Err: syscall.EIO}, f.Sync, syscall.EIO, "0abcdg6789", 1},
			{disktest.Answer{}, f.Sync, nil, "0abcdg6789", 1},
			{disktest.Answer{Err: syscall.EFBIG}, func() error { return f.Truncate(3) }, syscall.EFBIG, "0abcdg6789", 1},
			{disktest.Answer{}, func() error { return f.Truncate(3) }, nil, "0ab", 1},
			{disktest.Answer{}, func() error { return syscall.Fdatasync(int(f.Fd())) }, nil, "0ab", 1},
		} {
			mu.Lock()
			seen, answer = nil, tc.answer
			mu.Unlock()
			err := tc.do()
			mu.Lock()
			if !errors.Is(err, tc.err) {
				t.Errorf("%v: got %v, want %v", seen, err, tc.err)
			}
			if got, err := os.ReadFile(f.Name()); err != nil || string(got) != tc.want {
				t.Errorf("%v: file holds %q, %v, want %q", seen, got, err, tc.want)
			}
			if len(seen) != tc.ops || !strings.Contains(seen[0], f.Name()) {
				t.Errorf("operations %v, want %d of %s", seen, tc.ops, f.Name())
			}
			mu.Unlock()
		}
	})
}

// TestRecording cuts a recording at every event: what was synced is there, and
// of the rest what the loss leaves.
func TestRecording(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		dir := t.TempDir()
		f := open(t, dir, strings.Repeat("0", 3*4096))
		stop, err := d.Record(dir)
		if err != nil {
			t.Fatal(err)
		}
		page := func(c string) []byte { return bytes.Repeat([]byte(c), 4096) }
		steps := []func() error{
			func() error { _, err := f.WriteAt(page("1"), 4096); return err },
			f.Sync,
			func() error { d.Mark("synced"); return nil },
			func() error { _, err := f.WriteAt(append(page("2"), page("3")...), 4096); return err },
			func() error { return f.Truncate(5 * 4096) },
		}
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := stop()
		if err != nil || r.Len() != len(steps) || r.Count(disktest.Sync) != 1 {
			t.Fatalf("%d events, %d syncs, %v", r.Len(), r.Count(disktest.Sync), err)
		}
		if marks := r.Marks(2); len(marks) != 0 {
			t.Errorf("marks before they were made: %v", marks)
		}
		if marks := r.Marks(3); len(marks) != 1 || marks[0] != "synced" {
			t.Errorf("marks: %v", marks)
		}
		// What each page can hold after the cuts 1 to 5; "-" is a page of zeros.
		possible := map[disktest.Loss][5][]string{
			disktest.Nothing: {{"010"}, {"010"}, {"010"}, {"023"}, {"023--"}},
			disktest.All:     {{"000"}, {"010"}, {"010"}, {"010"}, {"010"}},
			disktest.Pages: {
				{"000", "010"}, {"010"}, {"010"}, {"010", "013", "020", "023"},
				{"010", "010--", "013", "013--", "020", "020--", "023", "023--"},
			},
		}
		for loss, cuts := range possible {
			for i, want := range cuts {
				seen := map[string]bool{}
				for seed := range uint64(80) {
					seen[restored(t, r, i+1, loss, seed)] = true
				}
				if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
					t.Errorf("cut %d, loss of %v: %q, want %q", i+1, loss, got, want)
				}
			}
		}
		torn := false
		for seed := range uint64(20) {
			torn = torn || restored(t, r, 4, disktest.Sectors, seed) == "torn"
		}
		if !torn {
			t.Error("no page was torn")
		}
	})
}

// restored is the first octet of each page, or "torn" where one page has
// several.
func restored(t *testing.T, r *disktest.Recording, cut int, loss disktest.Loss, seed uint64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	if err := r.Restore(dir, cut, loss, rand.New(rand.NewPCG(seed, 0))); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "file"))
	if err != nil || len(data)%4096 != 0 {
		t.Fatalf("%d octets, %v", len(data), err)
	}
	var firsts []byte
	for at := 0; at < len(data); at += 4096 {
		page := data[at : at+4096]
		if bytes.Count(page, page[:1]) != len(page) {
			return "torn"
		}
		firsts = append(firsts, page[0])
	}
	return strings.ReplaceAll(string(firsts), "\x00", "-")
}
