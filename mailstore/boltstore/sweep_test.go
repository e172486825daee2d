package boltstore

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// TestSweepDiedTwice has a small body die, come back by its reference and die
// again: the grace time runs from its second death.
func TestSweepDiedTwice(t *testing.T) {
	now := time.Now()
	s, a := testStore(t, Options{Now: func() time.Time { return now }})
	ref, err := s.Bodies().Put(ctx, strings.NewReader("small"))
	if err != nil {
		t.Fatal(err)
	}
	once := func() {
		t.Helper()
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			got, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: ref, Length: ref.Size}})
			if err != nil {
				return err
			}
			for m, err := range tx.Messages(1, mailstore.UIDSet{{Start: got.UID, Stop: got.UID}}, mailstore.FieldContent) {
				if err != nil {
					return err
				}
				ref = m.Content.Body
			}
			_, err = tx.Expunge(1, mailstore.UIDSet{{Start: got.UID, Stop: got.UID}}, false)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	sweep := func() {
		t.Helper()
		if _, err := s.Sweep(ctx, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	once()
	now = now.Add(23 * time.Hour)
	once()
	now = now.Add(2 * time.Hour) // the first death is 25 h ago, the second two
	sweep()
	r, err := s.Bodies().Open(ctx, ref, 0)
	if err != nil {
		t.Fatalf("two hours after it died: %v", err)
	}
	_ = r.Close()
	now = now.Add(23 * time.Hour)
	sweep()
	if _, err := s.Bodies().Open(ctx, ref, 0); err == nil {
		t.Error("still there 25 hours after it died")
	}
}

// TestSweepWithoutGrace has a small body swept in the minute in which it died:
// it goes with its memory, not without it.
func TestSweepWithoutGrace(t *testing.T) {
	s, a := testStore(t, Options{})
	ref, err := s.Bodies().Put(ctx, strings.NewReader("small"))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		got, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: ref, Length: ref.Size}})
		if err != nil {
			return err
		}
		_, err = tx.Expunge(1, mailstore.UIDSet{{Start: got.UID, Stop: got.UID}}, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := s.Sweep(ctx, 0); err != nil || report.Removed != 1 {
		t.Errorf("swept %+v, %v", report, err)
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
}

// TestPurgeAgain has the disk fail while the rows of a deleted mailbox are
// removed: the next Sweep sees to them, not only the next start.
func TestPurgeAgain(t *testing.T) {
	var failing atomic.Bool
	failing.Store(true)
	tried := make(chan struct{}, 1)
	s, a := testStore(t, Options{Hook: func(step string) error {
		if step == "purge" && failing.Load() {
			hint(tried)
			return errors.New("disk full")
		}
		return nil
	}})
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		box, err := tx.CreateMailbox("old", "")
		if err != nil {
			return err
		}
		_, err = tx.Append(box.ID, mailstore.NewMessage{EmailID: mailstore.NewID()})
		return errors.Join(err, tx.DeleteMailbox(box.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
	<-tried
	failing.Store(false)
	if _, err := s.Sweep(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		left := false
		_ = s.read(ctx, func(tx *txn) error {
			k, _ := tx.b(bPurge).Cursor().First()
			left = k != nil
			return nil
		})
		if !left {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("rows of the deleted mailbox are still there")
}

// BenchmarkSweepBehind sweeps large bodies away while many others have just died.
func BenchmarkSweepBehind(b *testing.B) {
	for _, died := range []int{0, 20_000} {
		b.Run(fmt.Sprint(died, " died of late"), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				now := time.Now().Add(-48 * time.Hour)
				s, _ := testStore(b, Options{Now: func() time.Time { return now }})
				for range 500 {
					if _, err := s.Bodies().Put(ctx, strings.NewReader(strings.Repeat("x", body.InlineLimit+1))); err != nil {
						b.Fatal(err)
					}
				}
				now = now.Add(48 * time.Hour)
				must(b, s.submit(ctx, func(w *work) error { return dieNow(w, died) }))
				b.StartTimer()
				r, err := s.Sweep(ctx, 24*time.Hour)
				if err != nil || r.Removed != 500 {
					b.Fatalf("%+v, %v", r, err)
				}
			}
		})
	}
}

// dieNow notes the death of n bodies that nobody knows.
func dieNow(w *work, n int) error {
	for i := range n {
		if err := w.put(bDead, key(w.s.now(), uint64(i+1), mailstore.NewID()), nil); err != nil {
			return err
		}
	}
	return nil
}

// TestSweepAsksOnce: how often the memory of the dead is read does not grow with
// the bodies that a sweep looks at, but with its slices.
func TestSweepAsksOnce(t *testing.T) {
	const n = 40
	s, _ := testStore(t, Options{})
	live, err := s.liveSince(ctx, time.Now().Add(-24*time.Hour))
	must(t, err)
	names := make([]body.Name, n)
	for i := range names {
		names[i] = body.Name(mailstore.NewID())
	}
	must(t, s.submit(ctx, func(w *work) error {
		return errors.Join(dieNow(w, 100), w.put(bDead, key(s.now(), uint64(1), names[7][:]), nil))
	}))
	cost := testing.AllocsPerRun(20, func() { _, err = live(ctx, names[:1]) })
	must(t, err)
	if all := testing.AllocsPerRun(20, func() { _, err = live(ctx, names) }); all > cost*n/4 {
		t.Errorf("%.0f allocations for one, %.0f for %d", cost, all, n)
	}
	keep, err := live(ctx, names)
	must(t, err)
	for i, k := range keep {
		if k != (i == 7) {
			t.Errorf("body %d: keep %v", i, k)
		}
	}
}
