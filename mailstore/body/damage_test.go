package body_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"gosbridge/mailstore/body"
)

// What somebody with write access to the file can do to a body is found when
// it is read, and no octet of it is passed off as text.
func TestTampering(t *testing.T) {
	const size = 20*seg + 77 // several chunks
	clear, foreign := random(size), random(size+1)
	type buckets struct{ index, chunks *bbolt.Bucket }
	// first returns the first chunk of a body; keys are (place, segment).
	first := func(b buckets, place uint64) *bbolt.Bucket {
		for _, k := range chunkKeys(b.chunks) {
			if k[7] == byte(place) {
				return b.chunks.Bucket(k)
			}
		}
		return nil
	}
	seg0, seg1 := []byte{0, 0, 0, 0}, []byte{0, 0, 0, 1}
	swap := func(a, b *bbolt.Bucket, ka, kb []byte) error {
		va, vb := bytes.Clone(a.Get(ka)), bytes.Clone(b.Get(kb))
		return errors.Join(a.Put(ka, vb), b.Put(kb, va))
	}
	for _, c := range []struct {
		name string
		edit func(b buckets, mine, other body.Ref) error
	}{
		{"bit", func(b buckets, mine, _ body.Ref) error {
			v := bytes.Clone(first(b, mine.Place).Get(seg1))
			v[9] ^= 4
			return first(b, mine.Place).Put(seg1, v)
		}},
		{"segment cut", func(b buckets, mine, _ body.Ref) error {
			v := bytes.Clone(first(b, mine.Place).Get(seg1))
			return first(b, mine.Place).Put(seg1, v[:len(v)-1])
		}},
		{"segments swapped", func(b buckets, mine, _ body.Ref) error {
			return swap(first(b, mine.Place), first(b, mine.Place), seg0, seg1)
		}},
		{"segment of another body", func(b buckets, mine, other body.Ref) error {
			return swap(first(b, mine.Place), first(b, other.Place), seg1, seg1)
		}},
		{"segment removed", func(b buckets, mine, _ body.Ref) error { return first(b, mine.Place).Delete(seg1) }},
		{"chunk removed", func(b buckets, mine, _ body.Ref) error {
			for _, k := range chunkKeys(b.chunks) {
				if k[7] == byte(mine.Place) && k[11] != 0 {
					return b.chunks.DeleteBucket(k)
				}
			}
			return errors.New("one chunk only")
		}},
		{"all chunks removed", func(b buckets, mine, _ body.Ref) error {
			for _, k := range chunkKeys(b.chunks) {
				if k[7] == byte(mine.Place) {
					if err := b.chunks.DeleteBucket(k); err != nil {
						return err
					}
				}
			}
			return nil
		}},
		{"size in the row", func(b buckets, mine, _ body.Ref) error {
			k, v := b.index.Cursor().First()
			v = bytes.Clone(v)
			v[23]--
			return b.index.Put(k, v)
		}},
		{"row cut", func(b buckets, mine, _ body.Ref) error {
			k, v := b.index.Cursor().First()
			return b.index.Put(bytes.Clone(k), bytes.Clone(v[:20]))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := body.Open(dir, body.Options{})
			if err != nil {
				t.Fatal(err)
			}
			mine, other := put(t, s, clear), put(t, s, foreign)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, func(index, chunks *bbolt.Bucket) error { return c.edit(buckets{index, chunks}, mine, other) })
			s = openStore(t, dir, body.Options{})
			got, err := read(s, mine, 0)
			wantDamaged(t, c.name, got, err, clear)
		})
	}
}

// A body under another's reference opens no more than one under a wrong key.
func TestWrongRef(t *testing.T) {
	s := openStore(t, t.TempDir(), body.Options{})
	ref, other := put(t, s, random(3*seg)), put(t, s, random(3*seg))
	bad := ref
	bad.Key = other.Key
	got, err := read(s, bad, 0)
	wantDamaged(t, "key", got, err, nil)
	bad = ref
	bad.Size--
	got, err = read(s, bad, 0)
	wantDamaged(t, "size", got, err, nil)
	bad = ref
	bad.Place = other.Place
	if _, err := read(s, bad, 0); !errors.Is(err, body.ErrNotFound) {
		t.Errorf("place: %v, want ErrNotFound", err)
	}
}

// Files that are none of ours, or no longer whole, are refused at the start.
func TestOpenRefuses(t *testing.T) {
	fresh := func(t *testing.T) (dir, path string) {
		dir = t.TempDir()
		s, err := body.Open(dir, body.Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, random(50*seg))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return dir, filepath.Join(dir, "bodies-0.db")
	}
	inFile := func(fn func(tx *bbolt.Tx) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(fn), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  error
	}{
		{"cut short", func(t *testing.T, path string) {
			if err := os.Truncate(path, 1<<20); err != nil {
				t.Fatal(err)
			}
		}, body.ErrDamaged},
		{"other content", func(t *testing.T, path string) {
			if err := os.WriteFile(path, random(1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}, body.ErrDamaged},
		{"newer release", inFile(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("version"), []byte{0, 0, 0, 2})
		}), body.ErrVersion},
		{"no version", inFile(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Delete([]byte("version"))
		}), body.ErrDamaged},
		{"no index", inFile(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("index")) }), body.ErrDamaged},
	} {
		dir, path := fresh(t)
		c.spoil(t, path)
		s, err := body.Open(dir, body.Options{})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil {
			_ = s.Close()
		}
	}
	if _, err := body.Open(filepath.Join(t.TempDir(), "absent"), body.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
	if _, err := body.Open(t.TempDir(), body.Options{Files: 256}); err == nil {
		t.Error("256 files were accepted")
	}
}

// A file that loses its end while it is open gives errors, not a crash.
func TestFileCutUnderReader(t *testing.T) {
	dir := t.TempDir()
	s, err := body.Open(dir, body.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clear := random(100 * seg)
	ref := put(t, s, clear)
	r, err := s.Open(ctx, ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "bodies-0.db"), 1<<20); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	_, err = got.ReadFrom(onlyReader{r})
	wantDamaged(t, "cut file", got.Bytes(), err, clear)
	_ = s.Close() // its error is of no interest
}
