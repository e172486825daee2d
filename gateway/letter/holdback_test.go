package letter_test

import (
	"errors"
	"testing"
	"time"

	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// heldUntil makes a letter that goes out at a time and can be recalled until
// then.
func (r *rig) heldUntil(serial uint64, at time.Time) mailstore.ID {
	r.t.Helper()
	return r.accept(serial, func(d *letter.Draft) { d.Outgoing.Recall, d.Outgoing.Hold = at, at })
}

// leased are the letters of a class that a courier takes.
func (r *rig) leased(class string) (ids []mailstore.ID) {
	r.t.Helper()
	items, err := r.store.Queue().Lease(r.t.Context(), class, "courier", 64, time.Minute)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, it := range items {
		if sent, err := letter.SentForm(it); err != nil || sent.Content.Length == 0 || len(it.Bodies) != 1 {
			r.t.Errorf("item of letter %s: %+v, %v", it.Letter, sent, err)
		}
		ids = append(ids, it.Letter)
	}
	return ids
}

// A restored store holds back the letters that were held for their recall, and
// no others; they can be recalled after their time, until a courier has them.
func TestHoldBack(t *testing.T) {
	r := newRig(t, 1)
	tried := r.heldUntil(1, noon.Add(time.Minute))
	r.now = noon.Add(time.Minute)
	if ids := r.leased(letter.DispatchClass); len(ids) != 1 || ids[0] != tried {
		t.Fatalf("leased %v", ids)
	}
	window := noon.Add(5 * time.Minute)
	recalled, released, damaged := r.heldUntil(2, window), r.heldUntil(3, window), r.heldUntil(4, window)
	atOnce := r.accept(5, func(d *letter.Draft) { d.Outgoing.Recall = window })
	r.update(r.sender, func(tx mailstore.UpdateTx) error {
		rec, err := tx.Letter(damaged, mailstore.Sender)
		rec.Data, rec.Keys = []byte("{"), nil
		return errors.Join(err, tx.PutLetter(rec))
	})
	r.expunge(r.sender, mailstore.RoleSent) // only the queue keeps the bodies
	for range 2 {                           // the second is of a backup of a store that waits
		if err := letter.HoldBack(t.Context(), r.store); err != nil {
			t.Fatal(err)
		}
	}
	r.now = noon.Add(24 * time.Hour)
	got := map[mailstore.ID]bool{}
	for _, id := range r.leased(letter.DispatchClass) {
		got[id] = true
	}
	if len(got) != 3 || !got[tried] || !got[atOnce] || !got[damaged] {
		t.Errorf("went on: %v", got)
	}
	for _, id := range []mailstore.ID{tried, atOnce} {
		if _, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); !errors.Is(err, letter.ErrTooLate) {
			t.Errorf("recalled after its time: %v", err)
		}
	}
	if res, err := r.office.Recall(t.Context(), r.sender.ID, recalled, nil); err != nil || res.Pending {
		t.Errorf("recall of one that is held back: %+v, %v", res, err)
	}
	if out := r.outgoing(recalled); out.State() != letter.Recalled || len(r.events(recalled)) != 2 {
		t.Errorf("it is %s, with evidence %v", out.State(), r.events(recalled))
	}
	if ids := r.leased(letter.HeldBackClass); len(ids) != 1 || ids[0] != released {
		t.Errorf("let go %v", ids)
	}
	if _, err := r.office.Recall(t.Context(), r.sender.ID, released, nil); !errors.Is(err, letter.ErrTooLate) {
		t.Errorf("recalled from a courier: %v", err)
	}
}
