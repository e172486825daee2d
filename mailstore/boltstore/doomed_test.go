package boltstore

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// crowd appends n messages of one letter with a body and a key to INBOX.
func crowd(t *testing.T, s *Store, a mailstore.ID, n int) (ids []mailstore.ID, letter mailstore.ID) {
	t.Helper()
	letter = mailstore.NewID()
	ref, err := s.Bodies().Put(ctx, strings.NewReader("text"))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		ids = nil
		for range n {
			ids = append(ids, mailstore.NewID())
			_, err := tx.Append(1, mailstore.NewMessage{
				EmailID: ids[len(ids)-1], LetterID: letter, Keys: []string{"k"}, Keywords: []string{"word"},
				Content: mailstore.Content{Body: ref, Length: 4},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, letter
}

var errHeld = errors.New("held")

// hold is a hook that keeps doomed messages from being dropped while it is
// true.
func hold(held *atomic.Bool) func(string) error {
	return func(step string) error {
		if step == "drop" && held.Load() {
			return errHeld
		}
		return nil
	}
}

// dropNow drops what is doomed.
func dropNow(t testing.TB, s *Store) {
	t.Helper()
	for {
		more, err := s.waiting(ctx, bDoomed)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
		if err := s.submit(ctx, (&dropping{}).run); err != nil {
			t.Fatal(err)
		}
	}
}

// left counts the rows of the buckets that speak of messages.
func left(t *testing.T, s *Store) string {
	t.Helper()
	var counts []string
	err := s.read(ctx, func(tx *txn) error {
		for _, n := range []bucket{bDoomed, bRow, bFlag, bShows, bRowKey, bWrap} {
			rows := 0
			tx.scan(n, nil, nil, func(_, _ []byte) bool { rows++; return true })
			counts = append(counts, fmt.Sprint(bucketNames[n], " ", rows))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(counts, ", ")
}

// TestDoomed expects that messages which many leave behind are gone for all
// who ask at once, and their rows after the drop.
func TestDoomed(t *testing.T) {
	const n = 300
	all := mailstore.UIDSet{{Start: 1}}
	for _, test := range []struct {
		name string
		do   func(tx mailstore.UpdateTx) error
		// where each message stands then, if anywhere
		box mailstore.MailboxID
		end string
	}{
		{"expunge", func(tx mailstore.UpdateTx) error { _, err := tx.Expunge(1, all, false); return err },
			0, "doomed 0, row 0, flag 0, shows 0, rowkey 0, wrap 0"},
		{"move", func(tx mailstore.UpdateTx) error { _, err := tx.Move(1, all, 2); return err },
			2, "doomed 0, row 300, flag 3, shows 300, rowkey 300, wrap 1"},
		{"move to itself", func(tx mailstore.UpdateTx) error { _, err := tx.Move(1, all, 1); return err },
			1, "doomed 0, row 300, flag 3, shows 300, rowkey 300, wrap 1"},
		{"twice in an update", func(tx mailstore.UpdateTx) error {
			_, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1, Stop: 200}}, false)
			if err == nil {
				_, err = tx.Expunge(1, mailstore.UIDSet{{Start: 150, Stop: n}}, false)
			}
			return err
		}, 0, "doomed 0, row 0, flag 0, shows 0, rowkey 0, wrap 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var held atomic.Bool
			held.Store(true)
			opts := Options{Dir: t.TempDir(), Hook: hold(&held)}
			s, a := testStore(t, opts)
			ids, letter := crowd(t, s, a, n)
			if err := s.Update(ctx, a, test.do); err != nil {
				t.Fatal(err)
			}
			standing := func() {
				t.Helper()
				if err := s.View(ctx, a, func(tx mailstore.Tx) error { return whereabouts(tx, ids, letter, test.box) }); err != nil {
					t.Error(err)
				}
				if err := s.Check(ctx); err != nil {
					t.Error(err)
				}
			}
			if more, err := s.waiting(ctx, bDoomed); !more || err != nil {
				t.Fatalf("nothing was left to be dropped: %v", err)
			}
			standing()
			if err := s.Close(); err != nil { // what waits outlives a restart
				t.Fatal(err)
			}
			s = reopen(t, opts)
			if got := s.doomed.Load(); got != n {
				t.Errorf("%d wait after the restart", got)
			}
			standing()
			dropNow(t, s)
			if got := left(t, s); got != test.end {
				t.Errorf("left %s, want %s", got, test.end)
			}
			if got := s.doomed.Load(); got != 0 {
				t.Errorf("%d wait after the drop", got)
			}
			standing()
		})
	}
}

// whereabouts expects each message to stand in box alone, or nowhere.
func whereabouts(tx mailstore.Tx, ids []mailstore.ID, letter mailstore.ID, box mailstore.MailboxID) error {
	want := 1
	if box == 0 {
		want = 0
	}
	for _, id := range ids {
		list, err := tx.ByEmailID(id)
		if err != nil || len(list) != want || want > 0 && list[0].Mailbox != box {
			return fmt.Errorf("message stands at %v, %w", list, err)
		}
	}
	for name, find := range map[string]func() ([]mailstore.Location, error){
		"letter": func() ([]mailstore.Location, error) { return tx.ByLetter(letter) },
		"key":    func() ([]mailstore.Location, error) { return tx.ByKey("k") },
	} {
		list, err := find()
		if err != nil || len(list) != want*len(ids) {
			return fmt.Errorf("%d found by %s, %w", len(list), name, err)
		}
	}
	usage, err := tx.Usage()
	if err != nil || int(usage.Messages) != want*len(ids) || int(usage.Octets) != 4*want*len(ids) {
		return fmt.Errorf("usage %+v, %w", usage, err)
	}
	return nil
}

// TestDoomedBehind expects the drop to happen by itself, and the body to be
// swept afterwards.
func TestDoomedBehind(t *testing.T) {
	now := time.Now()
	committed := make(chan struct{}, 1000)
	opts := Options{Now: func() time.Time { return now }, Hook: func(step string) error {
		if step == "committed" {
			committed <- struct{}{}
		}
		return nil
	}}
	s, a := testStore(t, opts)
	crowd(t, s, a, doomedFrom)
	var ref body.Ref
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		for m, err := range tx.Messages(1, mailstore.UIDSet{{Start: 1, Stop: 1}}, mailstore.FieldContent) {
			if err != nil {
				return err
			}
			ref = m.Content.Body
		}
		_, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1}}, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	timeout := time.After(30 * time.Second)
	for more := true; more; {
		select {
		case <-committed:
		case <-timeout:
			t.Fatal("not dropped")
		}
		if more, err = s.waiting(ctx, bDoomed); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Hour)
	if _, err := s.Sweep(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bodies().Open(ctx, ref, 0); !errors.Is(err, body.ErrNotFound) {
		t.Errorf("body after the sweep: %v", err)
	}
}

// TestDoomedDamaged expects a message that cannot be dropped to keep only those
// of its chunk from it.
func TestDoomedDamaged(t *testing.T) {
	var held atomic.Bool
	held.Store(true)
	committed := make(chan struct{}, 1000)
	opts := Options{Dir: t.TempDir()}
	opts.Hook = func(step string) error {
		if step == "committed" {
			committed <- struct{}{}
		}
		return hold(&held)(step)
	}
	s, a := testStore(t, opts)
	ids, _ := crowd(t, s, a, 3*chunkUIDs-1) // UID 0 is none
	expunge := func(tx mailstore.UpdateTx) error {
		_, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1}}, false)
		return err
	}
	if err := errors.Join(s.Update(ctx, a, expunge), s.Close()); err != nil {
		t.Fatal(err)
	}
	raw(t, opts.Dir, func(tx *bolt.Tx) error { return tx.Bucket([]byte("email")).Delete(idKey(1, ids[0])) })
	s, err := Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for len(committed) > 0 {
		<-committed
	}
	held.Store(false)
	s.startPurge()
	timeout := time.After(30 * time.Second)
	want := "doomed 1, row 127, flag 0, shows 127, rowkey 127, wrap 1"
	for got := ""; got != want; got = left(t, s) {
		select {
		case <-committed:
		case <-timeout:
			t.Fatalf("left %s, want %s", left(t, s), want)
		}
	}
}

// TestDoomedInDeletedMailbox deletes the mailbox that doomed messages left:
// whichever removes their rows first.
func TestDoomedInDeletedMailbox(t *testing.T) {
	for _, purgeFirst := range []bool{true, false} {
		t.Run(fmt.Sprint("purge first ", purgeFirst), func(t *testing.T) {
			s, a := testStore(t, Options{Hook: func(step string) error {
				if step == "drop" || step == "purge" {
					return errHeld
				}
				return nil
			}})
			crowd(t, s, a, 2*doomedFrom)
			err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
				box, err := tx.CreateMailbox("other", "")
				if err != nil {
					return err
				}
				if _, err = tx.Move(1, mailstore.UIDSet{{Start: 1}}, box.ID); err != nil {
					return err
				}
				_, err = tx.Expunge(box.ID, mailstore.UIDSet{{Start: 1, Stop: doomedFrom}}, false)
				return errors.Join(err, tx.DeleteMailbox(box.ID))
			})
			if err != nil {
				t.Fatal(err)
			}
			purge := func() {
				if err := s.submit(ctx, (&purging{}).run); err != nil {
					t.Fatal(err)
				}
			}
			if purgeFirst {
				purge()
			}
			if err := s.Check(ctx); err != nil {
				t.Error(err)
			}
			dropNow(t, s)
			if !purgeFirst {
				purge()
			}
			if got, want := left(t, s), "doomed 0, row 0, flag 0, shows 0, rowkey 0, wrap 0"; got != want {
				t.Errorf("left %s, want %s", got, want)
			}
		})
	}
}

// TestDoomedBounded expects that who expunges drops the messages himself when
// too many wait, and when they are few.
func TestDoomedBounded(t *testing.T) {
	s, a := testStore(t, Options{})
	crowd(t, s, a, 3*doomedFrom)
	s.doomed.Store(doomedMost)
	for _, stop := range []mailstore.UID{doomedFrom - 1, 2 * doomedFrom} {
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1, Stop: stop}}, false)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if more, err := s.waiting(ctx, bDoomed); more || err != nil {
			t.Errorf("doomed: %v, %v", more, err)
		}
		s.doomed.Store(doomedMost)
	}
}
