package letter_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// meddled is a store where something happens before each Update.
type meddled struct {
	mailstore.Store
	before func()
}

func (m meddled) Update(ctx context.Context, account mailstore.ID, fn func(mailstore.UpdateTx) error) error {
	m.before()
	return m.Store.Update(ctx, account, fn)
}

// meddle gives the rig an office where something happens before each Update of
// its own, and which logs to log.
func (r *rig) meddle(log io.Writer, before func()) {
	r.office = r.newOffice(meddled{r.store, before}, slog.New(slog.NewTextHandler(log, nil)))
}

// A letter that never stands still is not recalled for ever: the caller learns
// that it may try again.
func TestRecallOfWhatMovesOn(t *testing.T) {
	r := newRig(t, 1)
	id := r.accept(1, func(d *letter.Draft) { d.Outgoing.Recall = noon.Add(time.Minute) })
	tries := 0
	r.meddle(io.Discard, func() {
		if tries++; tries > 1000 {
			t.Fatal("never ends")
		}
		r.update(r.sender, func(tx mailstore.UpdateTx) error {
			rec, err := tx.Letter(id, mailstore.Sender)
			if err != nil {
				return err
			}
			return tx.PutLetter(rec)
		})
	})
	_, err := r.office.Recall(t.Context(), r.sender.ID, id, nil)
	if !errors.Is(err, letter.ErrStale) || errors.Is(err, letter.ErrTooLate) || tries < 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	r.meddle(io.Discard, func() {})
	if _, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); err != nil {
		t.Errorf("when it stands still: %v", err)
	}
}

// A notice that failed and is somebody else's by now, or gone, is not ours to
// give back: that is no error.
func TestFailedNoticeOfAnother(t *testing.T) {
	for name, meanwhile := range map[string]func(*rig, mailstore.Item) error{
		"leased": func(*rig, mailstore.Item) error { return nil },
		"done": func(r *rig, it mailstore.Item) error {
			return r.store.Update(r.t.Context(), it.Account, func(tx mailstore.UpdateTx) error { return tx.Complete(it) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 0, func(t *testing.T, r *rig) {
				r.update(r.sender, func(tx mailstore.UpdateTx) error {
					return tx.Enqueue(mailstore.Item{
						ID: mailstore.NewID(), Account: r.sender.ID, Class: letter.Class, Due: noon, Payload: []byte(`{"kind":"of tomorrow"}`),
					})
				})
				var log bytes.Buffer
				met := false
				r.meddle(&log, func() {
					met = true
					r.now = r.now.Add(time.Hour) // our lease is over
					items, err := r.store.Queue().Lease(t.Context(), letter.Class, "other", 1, time.Hour)
					if err != nil || len(items) != 1 {
						t.Errorf("leased %d, %v", len(items), err)
						return
					}
					if err := meanwhile(r, items[0]); err != nil {
						t.Error(err)
					}
				})
				r.run()
				if said := log.String(); !met || !strings.Contains(said, "notice failed") || strings.Contains(said, "not given back") {
					t.Errorf("met %t, log %s", met, said)
				}
			})
		})
	}
}

// The copies of receipts for one account are filed in one Update; one of them that
// cannot be filed does not keep the others away.
func TestCopiesTogether(t *testing.T) {
	for name, c := range map[string]struct {
		payload string // of one more notice
		updates int
	}{
		"all well":    {"", 1},
		"one damaged": {`{"kind":"copy"}`, 3 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T, r *rig) {
				for serial := range uint64(3) {
					id := r.accept(serial+1, nil)
					r.change(id, letter.Change{Event: letter.EventDeliver, At: noon})
				}
				if c.payload != "" {
					r.update(r.accounts[0], func(tx mailstore.UpdateTx) error {
						return tx.Enqueue(mailstore.Item{
							ID: mailstore.NewID(), Account: r.accounts[0].ID, Class: letter.Class, Due: noon, Payload: []byte(c.payload),
						})
					})
				}
				updates := 0
				r.meddle(io.Discard, func() { updates++ })
				r.run()
				if updates != c.updates {
					t.Errorf("%d updates, want %d", updates, c.updates)
				}
				r.view(r.accounts[0], func(tx mailstore.Tx) error {
					box, err := tx.MailboxByRole(mailstore.RoleReceipts)
					if err != nil || box.Messages != 3 {
						t.Errorf("%d receipts, %v", box.Messages, err)
					}
					return nil
				})
			})
		})
	}
}
