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
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
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
		payload string     // of one more notice
		before  func(*rig) // the first Update
		updates int
		filed   int
	}{
		"all well":    {"", func(*rig) {}, 1, 3},
		"one damaged": {`{"kind":"copy"}`, func(*rig) {}, 1 + 1, 3}, // it is given back
		"one done":    {"", (*rig).completeOne, 1 + 3, 2},
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
				r.meddle(io.Discard, func() {
					if updates++; updates == 1 {
						c.before(r)
					}
				})
				r.run()
				if updates != c.updates {
					t.Errorf("%d updates, want %d", updates, c.updates)
				}
				if got := len(r.receipts(r.accounts[0])); got != c.filed {
					t.Errorf("%d receipts, want %d", got, c.filed)
				}
			})
		})
	}
}

// completeOne completes a notice that somebody has leased.
func (r *rig) completeOne() {
	items, err := r.store.Queue().Items(r.t.Context(), letter.Class, 1)
	if err != nil || len(items) != 1 {
		r.t.Errorf("%d items, %v", len(items), err)
		return
	}
	r.update(r.accounts[0], func(tx mailstore.UpdateTx) error { return tx.Complete(items[0]) })
}

// The recipient's copy of a receipt is in full depth whatever the sender chose, and
// addressed to the recipient. Where the sender's is in full depth too, both share
// body and signature, each under a header of its own.
func TestCopyOfReceipt(t *testing.T) {
	for depth, shared := range map[receipt.Depth]bool{receipt.Full: true, receipt.Brief: false, receipt.Short: false} {
		t.Run(string(depth), func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T, r *rig) {
				id := r.accept(1, func(d *letter.Draft) { d.Outgoing.Depth = depth })
				r.change(id, letter.Change{Event: letter.EventDeliver, At: noon})
				r.work()
				own, copied := r.receipts(r.sender), r.receipts(r.accounts[0])
				if len(own) != 2 || len(copied) != 1 {
					t.Fatalf("%d receipts and %d copies", len(own), len(copied))
				}
				mine, theirs := own[1], copied[0]
				if same := mine.Content.Body.Name == theirs.Content.Body.Name; same != shared {
					t.Errorf("one body: %t, want %t", same, shared)
				}
				octets := r.octets(theirs.Content)
				opened, err := receipt.Open(strings.NewReader(octets))
				if err != nil {
					t.Fatal(err)
				}
				if to := opened.Header.Get("To"); to != r.accounts[0].Addresses[0] || len(opened.XML) == 0 {
					t.Errorf("To %q, %d octets of XML", to, len(opened.XML))
				}
				summary, err := message.Index(strings.NewReader(octets), message.Limits{})
				if err != nil || !bytes.Equal(summary, theirs.Summary) {
					t.Errorf("the summary is of something else, %v", err)
				}
				opened, err = receipt.Open(strings.NewReader(r.octets(mine.Content)))
				if err != nil || opened.Header.Get("To") != r.sender.Addresses[0] {
					t.Errorf("the sender's: %v, %v", opened, err)
				}
			})
		})
	}
}

// receipts are the messages in the mailbox of receipts.
func (r *rig) receipts(a mailstore.Account) (list []*mailstore.Message) {
	r.t.Helper()
	r.view(a, func(tx mailstore.Tx) error {
		box, err := tx.MailboxByRole(mailstore.RoleReceipts)
		if err != nil {
			return err
		}
		all := mailstore.UIDSet{{Start: 1, Stop: box.UIDNext}}
		for m, err := range tx.Messages(box.ID, all, mailstore.FieldMeta|mailstore.FieldSummary|mailstore.FieldContent) {
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		return nil
	})
	return list
}

// octets reads a message.
func (r *rig) octets(c mailstore.Content) string {
	r.t.Helper()
	in, err := c.Open(r.t.Context(), r.store.Bodies(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	all, err := io.ReadAll(in)
	if err := errors.Join(err, in.Close()); err != nil {
		r.t.Fatal(err)
	}
	return string(all)
}
