package boltfile

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestGuard: what a file does to who reads it is an error, and nobody else's
// panic is.
func TestGuard(t *testing.T) {
	var none []int
	other := func(visit func()) { slices.SortFunc([]int{1, 2}, func(int, int) int { visit(); return 0 }) }
	for name, c := range map[string]struct {
		do      func(t *testing.T, k *keeper) error
		damaged bool
	}{
		"nothing":        {func(*testing.T, *keeper) error { return nil }, false},
		"pages":          {func(_ *testing.T, k *keeper) error { return k.readAll() }, true},
		"map":            {func(t *testing.T, k *keeper) error { truncate(t, k.path); return k.readAll() }, true},
		"who called":     {func(*testing.T, *keeper) error { _ = none[len(none)]; return nil }, true},
		"through others": {func(*testing.T, *keeper) error { other(func() { _ = none[len(none)] }); return nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			for range 200 {
				if err := k.update("bucket", strings.Repeat("k", 10), strings.Repeat("v", 20_000)); err != nil {
					t.Fatal(err)
				}
			}
			if name == "pages" {
				spoilPages(t, k.path)
			}
			damaged := errors.New("damaged")
			err := Guard(damaged, func() error { return c.do(t, k) })
			if errors.Is(err, damaged) != c.damaged {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestGuardNames: whose code a function of the stack is. That the panic of others
// goes on is tested where there are others (storetest, "panic in a view").
func TestGuardNames(t *testing.T) {
	if standard("gosbridge/policy", "gosbridge/mailstore/boltfile") || standard("example.org/x", "gosbridge/y") || !standard("encoding/binary", "gosbridge/y") {
		t.Error("packages are taken for others")
	}
	for function, want := range map[string]string{
		"go.etcd.io/bbolt.(*Cursor).seek":       "go.etcd.io/bbolt",
		"gosbridge/mailstore/body.guard.func1":  "gosbridge/mailstore/body",
		"runtime.gopanic":                       "runtime",
		"go.etcd.io/bbolt/internal/common.Fast": "go.etcd.io/bbolt/internal/common",
	} {
		if got := packageOf(function); got != want {
			t.Errorf("%s is of %s", function, got)
		}
	}
}

// readAll reads every value.
func (k *keeper) readAll() error {
	return k.view(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			return b.ForEach(func(_, v []byte) error {
				n := 0
				for _, c := range v {
					n += int(c)
				}
				if n == 0 && len(v) > 0 {
					return errors.New("zeros")
				}
				return nil
			})
		})
	})
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
}

// spoilPages overwrites every page but the first two.
func spoilPages(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	junk := slices.Repeat([]byte{0xff}, 4096)
	for at := int64(2 * 4096); at < info.Size(); at += 4096 {
		if _, err := f.WriteAt(junk, at); err != nil {
			t.Fatal(err)
		}
	}
}
