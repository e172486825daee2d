package body_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"go.etcd.io/bbolt"

	"gosbridge/mailstore/body"
)

func TestPutOpen(t *testing.T) {
	dir := t.TempDir()
	for _, opts := range []body.Options{{}, {Files: 3}, {Memory: 1}} {
		s, err := body.Open(dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		refs := make(map[int]body.Ref)
		for _, size := range sizes {
			ref := put(t, s, random(size))
			if inline := size <= body.InlineLimit; inline != (ref.Place == 0) || inline != (ref.Inline != nil) {
				t.Errorf("size %d: place %d, %d octets inline", size, ref.Place, len(ref.Inline))
			}
			if ref.Size != int64(size) || ref.IsZero() {
				t.Errorf("size %d: ref of %d", size, ref.Size)
			}
			refs[size] = ref
			checkBody(t, s, ref, random(size))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// Durable, and opened whatever the options of the next start are.
		s, err = body.Open(dir, body.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for size, ref := range refs {
			checkBody(t, s, ref, random(size))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkFiles(t, dir)
}

func checkBody(t *testing.T, s body.Store, ref body.Ref, clear []byte) {
	t.Helper()
	for _, offset := range offsets(len(clear)) {
		got, err := read(s, ref, int64(offset))
		if err != nil || !bytes.Equal(got, clear[offset:]) {
			t.Errorf("size %d offset %d: %d octets, %v", len(clear), offset, len(got), err)
		}
	}
	for _, offset := range []int64{-1, int64(len(clear)) + 1} {
		if _, err := read(s, ref, offset); err == nil {
			t.Errorf("size %d: offset %d opened", len(clear), offset)
		}
	}
}

func TestPutReaders(t *testing.T) {
	s := openStore(t, t.TempDir(), body.Options{})
	clear := random(5*seg + 3)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"halves": iotest.HalfReader, "data with error": iotest.DataErrReader,
		"one octet at a time": func(r io.Reader) io.Reader { return iotest.OneByteReader(io.LimitReader(r, seg+1)) },
	} {
		ref, err := s.Put(ctx, wrap(bytes.NewReader(clear)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := read(s, ref, 0); err != nil || !bytes.Equal(got, clear[:ref.Size]) {
			t.Errorf("%s: %d octets, %v", name, len(got), err)
		}
	}
	if _, err := s.Put(ctx, stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("reader without progress: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// chunks counts the bodies and chunks in the closed files of dir.
func chunks(t *testing.T, dir string) (bodies, chunks int) {
	t.Helper()
	edit(t, dir, func(index, chunk *bbolt.Bucket) error {
		bodies += index.Inspect().KeyN
		chunks += len(chunkKeys(chunk))
		return nil
	})
	return bodies, chunks
}

func chunkKeys(b *bbolt.Bucket) (keys [][]byte) {
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

// edit works on a closed file as somebody would who wants to harm.
func edit(t *testing.T, dir string, fn func(index, chunks *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "bodies-0.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return fn(tx.Bucket([]byte("index")), tx.Bucket([]byte("chunks"))) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// A Put that fails leaves nothing behind.
func TestPutFails(t *testing.T) {
	boom := errors.New("client vanished")
	for _, size := range []int{0, 1, body.InlineLimit, seg, seg + 1, 5 * seg, 40 * seg} {
		dir := t.TempDir()
		s := openStore(t, dir, body.Options{})
		_, err := s.Put(ctx, io.MultiReader(bytes.NewReader(random(size)), iotest.ErrReader(boom)))
		if !errors.Is(err, boom) {
			t.Errorf("size %d: error %v, want the reader's", size, err)
		}
		_, err = s.Put(ctx, io.MultiReader(bytes.NewReader(random(size)), iotest.ErrReader(fmt.Errorf("cut: %w", io.EOF))))
		if err == nil {
			t.Errorf("size %d: a wrapped EOF ended the body", size)
		}
		end, cancel := context.WithCancel(ctx)
		_, err = s.Put(end, io.MultiReader(bytes.NewReader(random(size)), call(cancel), bytes.NewReader(random(10))))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("size %d: error %v after cancel", size, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if b, c := chunks(t, dir); b != 0 || c != 0 {
			t.Errorf("size %d: %d bodies and %d chunks left behind", size, b, c)
		}
	}
}

// call is a reader that has a side effect.
func call(fn func()) io.Reader {
	return readerFunc(func([]byte) (int, error) { fn(); return 0, io.EOF })
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, body.Options{})
	first, second := put(t, s, random(20*seg)), put(t, s, random(2*seg))
	wrong := second
	wrong.Name = first.Name // somebody else's name at this place
	r, err := s.Open(ctx, first, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, seg); err != nil {
		t.Fatal(err)
	}
	inline := put(t, s, random(10))
	for _, ref := range []body.Ref{first, first, wrong, inline, {}, {Place: 99, Name: first.Name}, {Place: 9 << 56, Name: first.Name}} {
		if err := s.Discard(ctx, ref); err != nil {
			t.Errorf("discard: %v", err)
		}
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, body.ErrNotFound) {
		t.Errorf("reading on in a discarded body: %v", err)
	}
	for _, ref := range []body.Ref{first, wrong, {Name: first.Name, Size: 5}, {Name: first.Name, Place: 9 << 56}} {
		if _, err := read(s, ref, 0); !errors.Is(err, body.ErrNotFound) {
			t.Errorf("open %v: %v, want ErrNotFound", ref, err)
		}
	}
	checkBody(t, s, second, random(2*seg))
	checkBody(t, s, inline, random(10))
}

// A place is never given out twice, so an old Ref finds nothing.
func TestPlaceNotReused(t *testing.T) {
	dir := t.TempDir()
	var old body.Ref
	for range 3 {
		s, err := body.Open(dir, body.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ref := put(t, s, random(seg))
		if ref.Place <= old.Place {
			t.Fatalf("place %d after %d", ref.Place, old.Place)
		}
		old = ref
		if err := errors.Join(s.Discard(ctx, ref), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClosed(t *testing.T) {
	s := openStore(t, t.TempDir(), body.Options{})
	ref := put(t, s, random(3*seg))
	r, err := s.Open(ctx, ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, putErr := s.Put(ctx, bytes.NewReader(random(seg)))
	_, openErr := s.Open(ctx, ref, 0)
	_, readErr := io.Copy(io.Discard, r)
	_, sweepErr := s.Sweep(ctx, nil, 0)
	for what, err := range map[string]error{"put": putErr, "open": openErr, "read": readErr, "sweep": sweepErr, "discard": s.Discard(ctx, ref)} {
		if !errors.Is(err, body.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, body.Options{})
	if _, err := body.Open(dir, body.Options{}); !errors.Is(err, body.ErrLocked) {
		t.Fatalf("second open: %v, want ErrLocked", err)
	}
}

// No part of the clear text or of a key is ever in the files.
func TestNothingInClear(t *testing.T) {
	dir := t.TempDir()
	s, err := body.Open(dir, body.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const secret = "Совершенно секретно. "
	ref := put(t, s, []byte(strings.Repeat(secret, 20_000)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "bodies-0.db"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, ref.Name[:]) {
		t.Fatal("the body is not in this file: the test looks in the wrong place")
	}
	for _, piece := range [][]byte{[]byte(secret)[:16], ref.Key[:8], ref.Key[24:]} {
		if bytes.Contains(data, piece) {
			t.Errorf("%x stands in the file in clear", piece)
		}
	}
}

// Memory does not grow with the body, and the room of a removed one is used
// again, also after the list of free pages was too long to be kept.
func TestMemoryAndRoom(t *testing.T) {
	const size, limit = 200 << 20, 48 << 20
	dir := t.TempDir()
	full := false
	opts := body.Options{BeforeCommit: func(int) error {
		if full {
			return syscall.ENOSPC
		}
		return nil
	}}
	s := openStore(t, dir, opts)
	runtime.GC()
	var base, now runtime.MemStats
	runtime.ReadMemStats(&base)
	var peak, seen uint64
	zeros := readerFunc(func(p []byte) (int, error) {
		clear(p)
		if seen += uint64(len(p)); seen%(64*seg) < uint64(len(p)) {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		return len(p), nil
	})
	ref, err := s.Put(ctx, io.LimitReader(zeros, size))
	if err != nil {
		t.Fatal(err)
	}
	if peak == 0 || peak > base.HeapAlloc+limit {
		t.Errorf("heap grew from %d to %d octets while %d were put", base.HeapAlloc, peak, size)
	}
	r, err := s.Open(ctx, ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&base)
	n, err := io.Copy(io.Discard, r)
	runtime.ReadMemStats(&now)
	if err != nil || n != size {
		t.Fatalf("%d octets, %v", n, err)
	}
	if now.TotalAlloc-base.TotalAlloc > limit {
		t.Errorf("reading allocated %d octets", now.TotalAlloc-base.TotalAlloc)
	}
	if err := s.Discard(ctx, ref); err != nil {
		t.Fatal(err)
	}
	put(t, s, random(seg)) // a commit while the list is left out
	full = true            // and one that fails
	if _, err := s.Put(ctx, bytes.NewReader(random(seg))); !errors.Is(err, body.ErrFull) {
		t.Fatal(err)
	}
	full = false
	put(t, s, random(seg))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, opts)
	if _, err = s.Put(ctx, io.LimitReader(zeros, size)); err != nil {
		t.Fatal(err)
	}
	if got := octets(t, dir); got > size*3/2 {
		t.Errorf("files of %d octets for bodies of %d", got, size)
	}
}

func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, body.Options{Files: 2, Memory: 20 * sealed})
	stop := make(chan struct{})
	var sweeper, workers sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// Everything is live: the sweep must take nothing.
			report, err := s.Sweep(ctx, liveIf(func(body.Name) (bool, error) { return true, nil }), 0)
			if err != nil || report.Removed != 0 {
				t.Errorf("sweep: %+v, %v", report, err)
				return
			}
		}
	})
	for w := range 12 {
		workers.Go(func() {
			clear := random(w*seg + w*1000 + body.InlineLimit + 1)
			for i := range 6 {
				ref, err := s.Put(ctx, bytes.NewReader(clear))
				if err != nil {
					t.Error(err)
					return
				}
				offset := int64(len(clear) * i / 6)
				if got, err := read(s, ref, offset); err != nil || !bytes.Equal(got, clear[offset:]) {
					t.Errorf("%d octets from %d: %v", len(got), offset, err)
				}
				if i%2 == 0 {
					if err := s.Discard(ctx, ref); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	sweeper.Wait()
	report, err := s.Sweep(ctx, liveIf(func(body.Name) (bool, error) { return false, nil }), 0)
	if err != nil || report.Removed != 12*3 || report.Kept != 0 {
		t.Errorf("last sweep: %+v, %v", report, err)
	}
}
