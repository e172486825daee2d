package intake_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// forgetful is a store whose commits end without anybody knowing how: they
// happen, or not, and are never told. Lost counts them.
type forgetful struct {
	mailstore.Store
	happen bool
	left   int // how many are lost before the store answers again
	lost   int
}

// Update implements mailstore.Store.
func (f *forgetful) Update(ctx context.Context, account mailstore.ID, fn func(mailstore.UpdateTx) error) error {
	if f.lost >= f.left {
		return f.Store.Update(ctx, account, fn)
	}
	f.lost++
	if f.happen {
		if err := f.Store.Update(ctx, account, fn); err != nil {
			return err
		}
	}
	return mailstore.ErrMaybeCommitted
}

// A letter whose commit may have happened keeps its body, though nobody could
// find out: where it did happen the letter is whole, where it did not the sweep
// takes the body.
func TestUnknownOutcomeKeepsBody(t *testing.T) {
	large := mail() + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1000)
	for _, happened := range []bool{true, false} {
		f := &forgetful{happen: happened, left: 3}
		r := newRig(t, func(s mailstore.Store) mailstore.Store { f.Store = s; return f })
		_, err := r.Accept(t.Context(), r.envelope(first), strings.NewReader(large))
		if !errors.Is(err, mailstore.ErrMaybeCommitted) || f.lost != f.left {
			t.Fatalf("happened %t: %d commits were lost, %v", happened, f.lost, err)
		}
		var refusal *policy.Refusal
		if !errors.As(err, &refusal) || refusal.Worst().Code != policy.StoreUnavailable {
			t.Errorf("happened %t: the client hears %v", happened, err)
		}
		r.view(func(tx mailstore.Tx) error {
			for rec, err := range tx.Journal(0, 0) {
				if err != nil || rec.Kind == journal.Rejected {
					t.Errorf("happened %t: the journal has %v, %v", happened, rec.Kind, err)
				}
			}
			return nil
		})
		report, err := r.store.Sweep(t.Context(), 0)
		kept, removed := 1, 0
		if !happened {
			kept, removed = 0, 1
		}
		if err != nil || report.Kept != kept || report.Removed != removed {
			t.Errorf("happened %t: bodies %+v, %v", happened, report, err)
		}
		a := r.accept(large, first)
		if a.Repeat != happened {
			t.Errorf("happened %t: sent again, it is a repetition: %t", happened, a.Repeat)
		}
		if form := r.sentForm(a); form != large {
			t.Errorf("happened %t: %d octets went out, want %d", happened, len(form), len(large))
		}
		if err := r.store.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// One answer is enough: the letter that an earlier try made is accepted.
func TestLostTries(t *testing.T) {
	for _, happened := range []bool{true, false} {
		f := &forgetful{happen: happened, left: 2}
		r := newRig(t, func(s mailstore.Store) mailstore.Store { f.Store = s; return f })
		if a := r.accept(mail(), first); a.Repeat || r.record(a.Letter).Facts.Submitted != content(mail()) {
			t.Errorf("happened %t: %+v", happened, a)
		}
	}
}
