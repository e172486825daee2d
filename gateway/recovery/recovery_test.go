package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/backup"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/recovery"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

// newStore opens a store with so many accounts.
func newStore(t *testing.T, accounts int) (s *boltstore.Store, ids []mailstore.ID) {
	t.Helper()
	s, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range accounts {
		a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{fmt.Sprintf("a%d@example.org", i)}}
		if err := s.Directory().CreateAccount(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	return s, ids
}

func opened(t *testing.T, s mailstore.Store) *recovery.Recovery {
	t.Helper()
	r, err := recovery.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHeld: in a store that was restored, deliveries and notices are worked on;
// every other class waits, however often the store is opened, until Resume, and
// is worked on at once then.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ids := newStore(t, 1)
		if state, err := opened(t, s).State(t.Context()); err != nil || state.Waits() || state.Restored != nil {
			t.Errorf("a new store: %+v, %v", state, err)
		}
		mark := recovery.Mark{Backup: time.Now().Add(-time.Hour), Restored: time.Now(), Generation: 2, Number: 7}
		if err := recovery.Write(t.Context(), s, mark, "1000"); err != nil {
			t.Fatal(err)
		}
		classes := []string{letter.DispatchClass, letter.Class, "term", "relay"}
		err := s.Update(t.Context(), ids[0], func(tx mailstore.UpdateTx) error {
			var errs []error
			for _, c := range classes {
				errs = append(errs, tx.Enqueue(mailstore.Item{ID: mailstore.NewID(), Account: ids[0], Class: c, Due: time.Now()}))
			}
			return errors.Join(errs...)
		})
		if err != nil {
			t.Fatal(err)
		}
		rec := opened(t, s)
		start := time.Now()
		handled := make(chan string, 9)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		for _, c := range classes {
			go func() {
				done <- worker.Worker{
					Queue: s.Queue(), Class: c, Gate: rec.Gate(), Owner: "one", Now: time.Now, Logger: slog.New(slog.DiscardHandler),
					Handle: func(ctx context.Context, items []mailstore.Item) {
						err := s.Update(ctx, ids[0], func(tx mailstore.UpdateTx) error { return tx.Complete(items[0]) })
						handled <- fmt.Sprint(c, " ", time.Since(start), " ", err)
					},
				}.Run(ctx)
			}()
		}
		time.Sleep(time.Hour)
		got := map[string]bool{}
		for range 2 {
			got[<-handled] = true
		}
		if !got[letter.DispatchClass+" 0s <nil>"] || !got[letter.Class+" 0s <nil>"] || len(handled) > 0 {
			t.Errorf("worked on %v and %d more", got, len(handled))
		}
		// Opened anew it waits still.
		state, err := opened(t, s).State(t.Context())
		if err != nil || !state.Waits() || fmt.Sprint(state.Held) != "map[relay:1 term:1]" || !state.Restored.Backup.Equal(mark.Backup) {
			t.Errorf("state %+v, %v", state, err)
		}
		before, err := rec.Resume(t.Context(), time.Now())
		if err != nil || !before.Waits() || fmt.Sprint(before.Held) != "map[relay:1 term:1]" {
			t.Errorf("resume: %+v, %v", before, err)
		}
		synctest.Wait()
		clear(got)
		for range 2 {
			got[<-handled] = true
		}
		if !got["term 1h0m0s <nil>"] || !got["relay 1h0m0s <nil>"] {
			t.Errorf("after the resume: %v", got)
		}
		if rec := opened(t, s); !rec.Resumed().Equal(time.Now()) || rec.Waits() {
			t.Errorf("resumed at %s", rec.Resumed())
		}
		if state, err := opened(t, s).State(t.Context()); err != nil || state.Waits() || !state.Restored.Resumed.Equal(time.Now()) {
			t.Errorf("resumed: %+v, %v", state, err)
		}
		if again, err := rec.Resume(t.Context(), time.Now().Add(time.Hour)); err != nil || again.Waits() {
			t.Errorf("resumed twice: %+v, %v", again, err)
		}
		cancel()
		for range classes {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestJournals: each of many accounts has one entry about a restore.
func TestJournals(t *testing.T) {
	s, ids := newStore(t, 300)
	mark := recovery.Mark{Backup: time.Unix(1_800_000_000, 0), Restored: time.Now(), Generation: 5}
	if err := recovery.Write(t.Context(), s, mark, "1000"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		err := s.View(t.Context(), id, func(tx mailstore.Tx) error {
			n := 0
			for rec, err := range tx.Journal(0, 0) {
				if err != nil {
					return err
				}
				want := `{"backup":"2027-01-15T08:00:00Z","generation":"5","uid":"1000"}`
				if n++; rec.Kind != journal.Restored || string(rec.Details) != want {
					t.Errorf("entry %s %s", rec.Kind, rec.Details)
				}
			}
			if n != 1 {
				t.Errorf("%d entries", n)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnreadNotes: notes of earlier restores that cannot be read are not passed
// over, for they keep generations apart.
func TestUnreadNotes(t *testing.T) {
	s, _ := newStore(t, 1)
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := backup.Make(t.Context(), backup.Options{Store: s, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "restores.json"), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := recovery.Options{Backup: dir, Skip: 10, Now: time.Now}
	o.Store.Dir = t.TempDir()
	if _, err := recovery.Restore(t.Context(), o); err == nil {
		t.Error("restored all the same")
	}
	if err := os.Remove(filepath.Join(dir, "restores.json")); err != nil {
		t.Fatal(err)
	}
	out, err := recovery.Restore(t.Context(), o)
	if err != nil || out.Generation != 2 || out.Number != 11 || out.Unnoted != "" {
		t.Errorf("restored %+v, %v", out, err)
	}
}

// TestNoticesForgotten: what owners were told of the ends of terms before the
// backup does not count in the restored store.
func TestNoticesForgotten(t *testing.T) {
	s, ids := newStore(t, 2)
	kept := mailstore.Kept{EmailID: mailstore.NewID(), LetterID: mailstore.NewID(), Until: time.Now().Add(time.Hour), Warned: time.Now()}
	for _, id := range ids {
		if err := s.Update(t.Context(), id, func(tx mailstore.UpdateTx) error { return tx.Keep(kept) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := recovery.Write(t.Context(), s, recovery.Mark{Restored: time.Now()}, "1000"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		err := s.View(t.Context(), id, func(tx mailstore.Tx) error {
			k, err := tx.Kept(kept.EmailID)
			if !k.Warned.IsZero() || !k.Until.Equal(kept.Until) {
				t.Errorf("kept %+v", k)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
