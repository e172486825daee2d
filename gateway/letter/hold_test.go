package letter_test

import (
	"errors"
	"testing"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// hold puts a letter on hold, or releases it.
func (r *rig) hold(id mailstore.ID, on bool) {
	r.t.Helper()
	if n, err := r.office.Hold(r.t.Context(), r.sender.ID, id, on, nil); n != 2 || err != nil {
		r.t.Fatalf("hold %t: %d copies, %v", on, n, err)
	}
}

// keeps is what keeps a copy: "nothing", "a term" or "no term", which is for
// ever.
func (r *rig) keeps(id mailstore.ID, role mailstore.LetterRole) (what string) {
	r.t.Helper()
	account, email := r.sender.ID, r.outgoing(id).Copy
	if role == mailstore.Recipient {
		account, email = r.accounts[0].ID, letter.ArrivalID(id, r.accounts[0].ID)
	}
	err := r.store.View(r.t.Context(), account, func(tx mailstore.Tx) error {
		k, err := tx.Kept(email)
		switch {
		case errors.Is(err, mailstore.ErrNotKept):
			what, err = "nothing", nil
		case k.Until.IsZero():
			what = "no term"
		default:
			what = "a term"
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return what
}

// When a hold is over each copy is kept as if it had never been held.
func TestReleaseLeavesNothing(t *testing.T) {
	terms := func(sent, received policy.Period) func(*letter.Draft) {
		return func(d *letter.Draft) { d.Outgoing.KeepSent, d.Outgoing.KeepReceived = sent, received }
	}
	forever := policy.Period{Unlimited: true}
	for name, tc := range map[string]struct {
		draft          func(*letter.Draft)
		sent, received string
	}{
		"with terms":      {terms(policy.Years(1), policy.Years(2)), "a term", "a term"},
		"before terms":    {terms(policy.Period{}, policy.Period{}), "nothing", "nothing"},
		"without limit":   {terms(forever, forever), "no term", "no term"},
		"one of each":     {terms(policy.Period{}, forever), "nothing", "no term"},
		"the other of it": {terms(forever, policy.Period{}), "no term", "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			id := r.accept(1, tc.draft)
			// Before the letter has come there is nothing to keep.
			r.hold(id, true)
			r.hold(id, false)
			if sent, received := r.keeps(id, mailstore.Sender), r.keeps(id, mailstore.Recipient); sent != tc.sent || received != "nothing" {
				t.Errorf("released before the letter came: %s keeps the sent copy and %s the received", sent, received)
			}
			r.receive(id)
			r.hold(id, true)
			r.hold(id, false)
			if sent, received := r.keeps(id, mailstore.Sender), r.keeps(id, mailstore.Recipient); sent != tc.sent || received != tc.received {
				t.Errorf("released: %s keeps the sent copy and %s the received, want %s and %s", sent, received, tc.sent, tc.received)
			}
			r.wantPlace(id, mailstore.Sender, "mailbox", "released")
			r.wantPlace(id, mailstore.Recipient, "mailbox", "released")
		})
	}
}

// A copy that its owner has prolonged without limit stays so.
func TestReleaseOfExtended(t *testing.T) {
	r := newRig(t, 1)
	r.office.SetRetention(letter.Retention{Warning: policy.Days(30), Extension: policy.Period{Unlimited: true}})
	id := r.deliverKept(1)
	r.flagAll(r.sender, mailstore.RoleSent, mailstore.FlagsAdd)
	r.retainAt(sentEnds)
	r.hold(id, true)
	r.hold(id, false)
	if got := r.keeps(id, mailstore.Sender); got != "no term" {
		t.Errorf("%s keeps it", got)
	}
}

// What only a hold has kept goes when it is over: what its owner expunged, of a
// letter without a term, and what its sender took back.
func TestReleaseDestroys(t *testing.T) { inBubble(t, 1, testReleaseDestroys) }

func testReleaseDestroys(t *testing.T, r *rig) {
	old := r.accept(1, nil)
	r.receive(old)
	r.hold(old, true)
	r.expunge(r.sender, mailstore.RoleSent)
	r.wantPlace(old, mailstore.Sender, "vault", "held")
	r.hold(old, false)
	if got := r.keeps(old, mailstore.Sender); got != "nothing" {
		t.Errorf("%s keeps what was expunged", got)
	}
	if list, err := r.office.Vault(t.Context(), r.sender.ID); err != nil || len(list) != 0 {
		t.Errorf("vault: %+v, %v", list, err)
	}

	for serial, accountHeld := range []bool{false, true} {
		id := r.deliverKept(uint64(serial + 2))
		r.hold(id, true)
		if _, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); err != nil {
			t.Fatal(err)
		}
		r.work()
		r.wantPlace(id, mailstore.Recipient, "vault", "taken back while held")
		if !accountHeld {
			r.hold(id, false)
			r.wantPlace(id, mailstore.Recipient, "gone", "released")
			continue
		}
		holdAccount := func(on bool) {
			if _, err := auth.SetHeld(t.Context(), r.store, r.accounts[0].ID, on, nil, r.now); err != nil {
				t.Fatal(err)
			}
		}
		holdAccount(true)
		r.hold(id, false)
		r.retainAt(r.now.Add(day))
		r.wantPlace(id, mailstore.Recipient, "vault", "the account is still held")
		holdAccount(false)
		r.retainAt(r.now.Add(day))
		r.wantPlace(id, mailstore.Recipient, "gone", "the account is released")
	}
}
