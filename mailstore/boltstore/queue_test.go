package boltstore

import (
	"errors"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// TestUnreadableItem damages one queue item in each of the ways there are: the
// others of its class are leased all the same, and it comes back with them.
func TestUnreadableItem(t *testing.T) {
	rewrite := func(w *work, id mailstore.ID, change func(*itemRecord)) error {
		r, err := w.item(id)
		if err != nil {
			return err
		}
		change(r)
		return w.put(bItem, copied(id[:]), r.encode())
	}
	tests := []struct {
		name   string
		back   bool // when the lease would end
		damage func(w *work, id mailstore.ID) error
	}{
		{"payload", true, func(w *work, id mailstore.ID) error {
			return rewrite(w, id, func(r *itemRecord) { r.payload = make([]byte, 40) })
		}},
		{"body nobody holds", true, func(w *work, id mailstore.ID) error {
			return rewrite(w, id, func(r *itemRecord) { r.bodies = []bodyRef{{name: body.Name{1}, size: 1, place: 1}} })
		}},
		{"account", true, func(w *work, id mailstore.ID) error {
			return rewrite(w, id, func(r *itemRecord) { r.Account = mailstore.NewID() })
		}},
		{"row", true, func(w *work, id mailstore.ID) error { return w.put(bItem, copied(id[:]), []byte{1}) }},
		{"no row", false, func(w *work, id mailstore.ID) error { return w.del(bItem, id[:]) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Now()
			s, err := Open(ctx, Options{Dir: t.TempDir(), Create: true, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			a := mailstore.NewID()
			if err := s.Directory().CreateAccount(ctx, mailstore.Account{ID: a, Holder: a}, nil); err != nil {
				t.Fatal(err)
			}
			bad, good := mailstore.NewID(), mailstore.NewID()
			err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
				return errors.Join(
					tx.Enqueue(mailstore.Item{ID: bad, Account: a, Class: "c", Due: now.Add(-time.Hour)}),
					tx.Enqueue(mailstore.Item{ID: good, Account: a, Class: "c", Due: now}))
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.submit(ctx, func(w *work) error { return tt.damage(w, bad) }); err != nil {
				t.Fatal(err)
			}
			lease := func() {
				t.Helper()
				list, err := s.Queue().Lease(ctx, "c", "w", 9, time.Minute)
				if err != nil || len(list) != 1 || list[0].ID != good {
					t.Fatalf("leased %v, %v; want the good item alone", list, err)
				}
			}
			lease()
			// Nothing is due now, or a worker would spin.
			if at, ok, err := s.Queue().Next(ctx, "c"); err != nil || !ok || !at.Equal(now.Add(time.Minute)) {
				t.Fatalf("next at %v, %v, %v; want %v", at, ok, err, now.Add(time.Minute))
			}
			now = now.Add(time.Hour)
			lease()
			n := 0
			_ = s.read(ctx, func(tx *txn) error {
				tx.scan(bDue, nil, nil, func(_, _ []byte) bool { n++; return true })
				return nil
			})
			if want := map[bool]int{true: 2, false: 1}[tt.back]; n != want {
				t.Errorf("%d items due, want %d", n, want)
			}
		})
	}
}
