package admin_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// putLetters gives an account letters; each changes one.
func (r *rig) putLetters(t *testing.T, account mailstore.ID, n int, each func(i int, l *mailstore.Letter)) {
	t.Helper()
	data, err := json.Marshal(letter.Outgoing{Format: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		l := mailstore.Letter{
			ID: mailstore.NewID(), Role: mailstore.Sender, Number: letter.FormatNumber(time.Now(), uint64(i+1)), Type: "simple", Data: data,
		}
		each(i, &l)
		l.Keys = []string{letter.NumberKey(l.Number)}
		if err := r.store.Update(t.Context(), account, func(tx mailstore.UpdateTx) error { return tx.PutLetter(l) }); err != nil {
			t.Fatal(err)
		}
	}
}

// Every letter is looked at once, however many have the same time.
func TestStoreCheckLetters(t *testing.T) {
	r := newRig(t)
	a := r.account(t, "a@romashka.example")
	const each = 130 // more than a page
	now := time.Now()
	r.putLetters(t, a.ID, 3*each, func(i int, l *mailstore.Letter) {
		l.At = now
		if i < each {
			l.At = now.Add(-time.Duration(i) * time.Second)
		} else if i < 2*each {
			l.At = now.Add(-time.Hour)
		}
		l.Data = []byte("{") // each is told of
	})
	if _, err := r.store.Directory().ReserveNumbers(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	var out admin.StoreChecked
	if err := r.Call(t.Context(), admin.OpStoreCheck, admin.StoreCheck{}, &out); err != nil {
		t.Fatal(err)
	}
	seen := map[mailstore.ID]int{}
	for _, f := range out.Findings {
		if f.Kind != mailstore.DamageLetter || f.Account != a.ID {
			t.Errorf("%+v", f)
		}
		seen[f.Letter]++
	}
	if len(seen) != 3*each || len(out.Findings) != 3*each {
		t.Errorf("%d findings on %d of %d letters", len(out.Findings), len(seen), 3*each)
	}
}

// A repair raises the counter of numbers above those of letters, and says so.
func TestStoreRepairNumbers(t *testing.T) {
	r := newRig(t)
	a := r.account(t, "a@romashka.example")
	r.putLetters(t, a.ID, 3, func(_ int, l *mailstore.Letter) { l.At = time.Now() })
	var out admin.StoreRepaired
	if err := r.Call(t.Context(), admin.OpStoreRepair, admin.StoreRepair{}, &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Mends) != 1 || out.Mends[0].Action != mailstore.MendRebuilt || out.Mends[0].Key != "next-number" || out.Counts[mailstore.MendRebuilt] != 1 || len(out.Left.Findings) != 0 {
		t.Errorf("%+v", out)
	}
	if first, err := r.store.Directory().ReserveNumbers(t.Context(), 1); err != nil || first != 3+1000 {
		t.Errorf("next number %d, %v", first, err)
	}
	again := admin.StoreRepaired{}
	if err := r.Call(t.Context(), admin.OpStoreRepair, admin.StoreRepair{}, &again); err != nil || len(again.Mends) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// A gateway that serves is not repaired.
func TestStoreRepairServing(t *testing.T) {
	s := admin.New(admin.Options{Reload: func() admin.Reloaded { return admin.Reloaded{} }, Logger: slog.New(slog.DiscardHandler)})
	var out admin.StoreRepaired
	err := s.Call(t.Context(), admin.OpStoreRepair, admin.StoreRepair{}, &out)
	if !errors.Is(err, admin.ErrConflict) {
		t.Errorf("%v, %+v", err, out)
	}
}
