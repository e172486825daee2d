package body

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// everything is all that a body file holds, with the last place given out.
func everything(t *testing.T, f *file) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := f.view(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		index := tx.Bucket(indexBucket)
		all["last"] = fmt.Sprint(index.Sequence())
		err := index.ForEach(func(k, v []byte) error { all["index/"+string(k)] = string(v); return nil })
		if err != nil {
			return err
		}
		chunks := tx.Bucket(chunkBucket)
		return chunks.ForEach(func(chunk, _ []byte) error {
			return chunks.Bucket(chunk).ForEach(func(k, v []byte) error {
				all["chunks/"+string(chunk)+"/"+string(k)] = string(v)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCompact puts and removes bodies while their file is compacted: it ends
// up with what the old one had at the moment of the change.
func TestCompact(t *testing.T) {
	var b *Bolt
	var kept []Ref
	var want map[string]string
	put := func(n int) Ref {
		ref, err := b.Put(t.Context(), strings.NewReader(strings.Repeat("x", n)))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	var doomed []Ref
	last := false // from here on the writer waits
	hook := func(step string) error {
		if last = last || step == "compact-last"; last {
			if want == nil {
				want = everything(t, b.files[0])
			}
			return nil
		}
		kept = append(kept, put(100_000))
		if err := b.Discard(t.Context(), put(50_000)); err != nil { // came and went
			return err
		}
		if len(doomed) > 0 {
			err := b.Discard(t.Context(), doomed[0])
			doomed = doomed[1:]
			return err
		}
		return nil
	}
	b, err := Open(t.TempDir(), Options{Hook: func(step string) error { return hook(step) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range 10 {
		doomed = append(doomed, put(200_000))
		kept = append(kept, put(1_500_000))
	}
	gone := doomed[:6] // also where their rows were copied before
	r, err := b.Compact(t.Context(), 0, func(string) func(int64, int64) { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(r) != 1 || r[0].After >= r[0].Before {
		t.Errorf("report %+v", r)
	}
	if len(doomed) > 4 {
		t.Errorf("%d bodies were not removed: too few steps", len(doomed))
	}
	if got := everything(t, b.files[0]); len(want) < 100 || !maps.Equal(got, want) {
		t.Errorf("%d things in the file, want %d", len(got), len(want))
	}
	for _, ref := range kept {
		rc, err := b.Open(t.Context(), ref, ref.Size-10)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 20)
		if n, _ := rc.Read(buf); string(buf[:n]) != strings.Repeat("x", 10) {
			t.Errorf("read %q", buf[:n])
		}
		_ = rc.Close()
	}
	for _, ref := range gone {
		if _, err := b.Open(t.Context(), ref, 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("a body that was removed meanwhile: %v", err)
		}
	}
	if ref := put(100_000); ref.Place <= kept[len(kept)-1].Place {
		t.Errorf("place %d was given twice", ref.Place)
	}
}
