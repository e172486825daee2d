package boltstore

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"gosbridge/mailstore"
)

// TestRandomIDs bounds what stays empty in the buckets that are keyed by ids
// of the callers, which derive many of them from others: without order.
func TestRandomIDs(t *testing.T) {
	s, a := testStore(t, Options{})
	for range 100 {
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			for range 20 {
				if _, err := tx.Append(1, mailstore.NewMessage{EmailID: uuid.New()}); err != nil {
					return err
				}
				it := mailstore.Item{ID: uuid.New(), Account: a, Class: "c"}
				if err := tx.Enqueue(it); err != nil {
					return err
				}
				if err := tx.Cancel(it.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.read(ctx, func(tx *txn) error {
		for _, n := range []bucket{bEmail, bPast} {
			st := tx.b(n).Stats()
			if used := 100 * st.LeafInuse / st.LeafAlloc; used < 50 {
				t.Errorf("%s: %d%% of %d pages used", bucketNames[n], used, st.LeafPageN)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFreeList expects the list of free pages in a file that was closed, so
// that the next start does not read all of it, and that nothing is lost.
func TestFreeList(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	path := filepath.Join(opts.Dir, metaFile)
	s, a := testStore(t, opts)
	for want := 1; want < 4; want++ {
		if err := letter(s, a, 100); err != nil {
			t.Fatal(err)
		}
		if listed(t, path) {
			t.Error("a commit wrote the list of free pages")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !listed(t, path) {
			t.Error("no list of free pages after Close")
		}
		s = reopen(t, opts)
		if n := messages(t, s, a); n != want {
			t.Errorf("%d messages, want %d", n, want)
		}
	}
}

// listed reports whether the newer of the two meta pages of a bbolt file names
// a list of free pages.
func listed(t *testing.T, path string) bool {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	number := func(page, at int) uint64 { return binary.NativeEndian.Uint64(raw[page*os.Getpagesize()+at:]) }
	const freeList, txid = 48, 64 // offsets in a meta page, its header included
	newer := 0
	if number(1, txid) > number(0, txid) {
		newer = 1
	}
	return number(newer, freeList) != math.MaxUint64
}
