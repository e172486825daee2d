package letter_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

// thousand is what a letter of the shipped type notice goes to.
const thousand = 1000

// toThousand addresses a draft to as many who have no account here, and gives
// it a recall time.
func toThousand(held bool) func(*letter.Draft) {
	return func(d *letter.Draft) {
		d.Outgoing.Recall = noon.Add(5 * time.Minute)
		if held {
			d.Outgoing.Hold = d.Outgoing.Recall
		}
		for i := range thousand {
			d.Outgoing.Recipients = append(d.Outgoing.Recipients, letter.Recipient{
				Account: mailstore.NewID(), Party: receipt.Recipient{Address: fmt.Sprintf("m%d@many.example", i), Name: "Many"},
			})
		}
	}
}

// kindsOf counts the kinds of the sender's journal.
func (r *rig) kindsOf() map[string]int {
	r.t.Helper()
	count := map[string]int{}
	r.view(r.sender, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			count[rec.Kind]++
		}
		return nil
	})
	return count
}

// A letter to as many as a type allows is recalled for all of them at once,
// and its evidence and receipts follow.
func TestRecallOfMany(t *testing.T) {
	for name, held := range map[string]bool{"held": true, "not dispatched yet": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 0, func(t *testing.T, r *rig) {
				id := r.accept(1, toThousand(held))
				if res, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); err != nil || res.Pending {
					t.Fatalf("recall: %+v, %v", res, err)
				}
				out := r.outgoing(id)
				r.view(r.sender, func(tx mailstore.Tx) error {
					rec, err := tx.Letter(id, mailstore.Sender)
					if err != nil || rec.State != string(letter.Recalled) || out.State() != letter.Recalled || !out.Settled() {
						t.Errorf("at once the letter is %s, %s, %v", rec.State, out.State(), err)
					}
					if _, err := tx.Item(out.Dispatch); !errors.Is(err, mailstore.ErrNoItem) {
						t.Errorf("it still waits to go out: %v", err)
					}
					return nil
				})
				if got := r.keywordsOf(id)["Sent"]; got != "Letter-Recalled" {
					t.Errorf("keywords %s", got)
				}
				// A second request does not come between.
				if _, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); !errors.Is(err, letter.ErrTooLate) {
					t.Errorf("recalled again: %v", err)
				}
				r.now = noon.Add(time.Second)
				r.work()
				r.wantRecalled(id)
			})
		})
	}
}

// wantRecalled wants evidence, receipt and journal of a letter to a thousand,
// each for one recipient and at the time of the request.
func (r *rig) wantRecalled(id mailstore.ID) {
	r.t.Helper()
	told := map[string]int{}
	r.view(r.sender, func(tx mailstore.Tx) error {
		for ev, err := range tx.Evidence(id) {
			if err != nil {
				return err
			}
			if ev.Event != string(receipt.Recall) {
				continue
			}
			if !ev.At.Equal(noon) {
				r.t.Fatalf("recalled at %s", ev.At)
			}
			told[ev.ID.String()]++
		}
		box, err := tx.MailboxByRole(mailstore.RoleReceipts)
		if err != nil || box.Messages != 1+thousand {
			r.t.Errorf("%d receipts, %v", box.Messages, err)
		}
		return nil
	})
	if len(told) != thousand {
		r.t.Errorf("%d evidences of the recall", len(told))
	}
	for i, p := range r.outgoing(id).Recipients {
		if p.State != letter.Recalled || len(p.Steps) != 2 || !p.Steps[1].At.Equal(noon) {
			r.t.Fatalf("recipient %d: %s, %v", i, p.State, p.Steps)
		}
	}
	// One of them is of the letter as a whole.
	if kinds := r.kindsOf(); kinds[journal.Recalled] != 1+thousand {
		r.t.Errorf("journal %v", kinds)
	}
}
