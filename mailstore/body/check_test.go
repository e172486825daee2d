package body_test

import (
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"gosbridge/mailstore/body"
)

// check checks the files of a store.
func check(t *testing.T, s *body.Bolt) (body.CheckReport, []body.Fault) {
	t.Helper()
	var faults []body.Fault
	report, err := s.Check(ctx, true, func() {}, func(f body.Fault) { faults = append(faults, f) })
	if err != nil {
		t.Fatal(err)
	}
	return report, faults
}

// A check goes through many bodies in slices, tells one that is not whole from
// one that was never finished, and names place and body.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	s, err := body.Open(dir, body.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const bodies = 600 // more than two slices
	var last body.Ref
	for range bodies {
		last = put(t, s, random(body.InlineLimit+1))
	}
	if report, faults := check(t, s); report.Bodies != bodies || report.Unfinished != 0 || len(faults) != 0 {
		t.Errorf("whole: %+v, %+v", report, faults)
	}
	if err := s.Lost(last.Place); err != nil {
		t.Errorf("a body that is there: %v", err)
	}
	for _, place := range []uint64{last.Place + 1, last.Place | 7<<56} {
		if err := s.Lost(place); !errors.Is(err, body.ErrNoFile) {
			t.Errorf("place %x: %v", place, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, dir, func(index, chunks *bbolt.Bucket) error {
		keys := chunkKeys(chunks)
		first, _ := index.Cursor().First()
		return errors.Join(index.Delete(first), chunks.DeleteBucket(keys[len(keys)-1]))
	})
	s = openStore(t, dir, body.Options{})
	report, faults := check(t, s)
	if report.Bodies != bodies-1 || report.Unfinished != 1 || len(faults) != 1 {
		t.Fatalf("%+v, %+v", report, faults)
	}
	f := faults[0]
	if f.File != "bodies-0.db" || f.Bucket != "chunks" || f.Place != last.Place || f.Name != last.Name || f.Page {
		t.Errorf("%+v, want body %s at %x", f, last.Name, last.Place)
	}
}
