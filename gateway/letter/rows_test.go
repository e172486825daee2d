package letter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// many is how many copies of a letter an account has here: more than one
// Update may touch.
const many = mailstore.MaxMessagesPerUpdate + 100

// inBubble runs a test with a rig whose workers can be waited for.
func inBubble(t *testing.T, recipients int, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t, recipients)) })
}

// run lets the office work until nothing is due.
func (r *rig) run() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.office.Run(ctx, "owner") }()
	time.Sleep(time.Second) // for what the worker lets gather
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

// work does, and wants nothing to be left.
func (r *rig) work() {
	r.t.Helper()
	r.run()
	if _, waits, err := r.store.Queue().Next(r.t.Context(), letter.Class); err != nil || waits {
		r.t.Errorf("the office left something, %v", err)
	}
}

// copies fills the Archive of an account with copies of the first message of a
// mailbox.
func (r *rig) copies(a mailstore.Account, role mailstore.Role, n int) {
	r.t.Helper()
	for have := 0; have < n; {
		r.update(a, func(tx mailstore.UpdateTx) error {
			box, err := tx.MailboxByRole(role)
			if err != nil {
				return err
			}
			archive, err := tx.MailboxByRole(mailstore.RoleArchive)
			if err != nil {
				return err
			}
			from, set := box.ID, mailstore.UIDSet{{Start: 1, Stop: 1}}
			if have = int(archive.Messages); have > 0 && have < n {
				from, set[0].Stop = archive.ID, mailstore.UID(min(have, n-have))
			}
			if have == n {
				return nil
			}
			_, err = tx.Copy(from, set, archive.ID)
			return err
		})
	}
}

// marks counts the rows of a letter in an account by their keywords.
func (r *rig) marks(a mailstore.Account, id mailstore.ID) map[string]int {
	r.t.Helper()
	count := map[string]int{}
	r.view(a, func(tx mailstore.Tx) error {
		all, err := tx.Mailboxes()
		if err != nil {
			return err
		}
		for _, box := range all {
			for m, err := range tx.Messages(box.ID, mailstore.UIDSet{{Start: 1, Stop: box.UIDNext}}, mailstore.FieldMeta) {
				if err != nil {
					return err
				}
				if m.LetterID == id {
					count[strings.Join(m.Keywords, " ")]++
				}
			}
		}
		return nil
	})
	return count
}

// However many copies a letter has, its life goes on at once, and all of them
// show it soon.
func TestManyCopies(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, r *rig) {
		id := r.accept(1, nil)
		r.copies(r.sender, mailstore.RoleSent, many)
		r.change(id, letter.Change{Event: letter.EventDeliver, At: noon})
		if out := r.outgoing(id); out.State() != letter.Delivered || len(r.events(id)) != 2 {
			t.Errorf("state %s, evidence %v", out.State(), r.events(id))
		}
		if got := r.marks(r.sender, id); got["Letter-Delivered"] == 0 {
			t.Errorf("at once no copy shows the state: %v", got)
		}
		// Copies are made of what does not show it yet, and another event
		// overtakes what is left of the first.
		r.copies(r.sender, mailstore.RoleSent, many+50)
		r.change(id, letter.Change{Event: letter.EventOpen, At: noon})
		r.work()
		if got := r.marks(r.sender, id); len(got) != 1 || got["Letter-Opened"] != many+51 {
			t.Errorf("in the end %v", got)
		}
	})
}

// However many copies of a letter a recipient has, it is decided at once who
// was first, and all of them go.
func TestManyCopiesTakenOut(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, r *rig) {
		id := r.accept(1, func(d *letter.Draft) { d.Outgoing.Recall = noon.Add(1) })
		r.receive(id)
		r.change(id, letter.Change{Event: letter.EventDeliver, At: noon})
		r.copies(r.accounts[0], mailstore.RoleInbox, many)
		if res, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); err != nil || !res.Pending {
			t.Fatalf("recall: %+v, %v", res, err)
		}
		r.work()
		if got := r.marks(r.accounts[0], id); len(got) != 0 {
			t.Errorf("copies that are left: %v", got)
		}
		if out := r.outgoing(id); out.State() != letter.Recalled {
			t.Errorf("state %s", out.State())
		}
	})
}

// A letter that is asked back while it waits to be delivered is waited for as
// long as it may still arrive, and a day more.
func TestAskedBackUntilGivenUp(t *testing.T) {
	for name, arrives := range map[string]bool{"it arrives": true, "it never does": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T, r *rig) {
				id := r.accept(1, func(d *letter.Draft) {
					d.Outgoing.Recall, d.Outgoing.GiveUp = noon.Add(time.Hour), noon.Add(72*time.Hour)
				})
				r.change(id, letter.Change{Event: letter.EventDispatch, At: noon})
				if res, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); err != nil || !res.Pending {
					t.Fatalf("recall: %+v, %v", res, err)
				}
				r.run()
				for _, after := range []time.Duration{48 * time.Hour, 95 * time.Hour} {
					r.now = noon.Add(after)
					r.run()
					if _, waits, err := r.store.Queue().Next(t.Context(), letter.Class); err != nil || !waits {
						t.Errorf("after %s nobody waits for it, %v", after, err)
					}
				}
				if arrives {
					r.receive(id)
				}
				r.now = noon.Add(97 * time.Hour)
				r.work()
				if got := r.marks(r.accounts[0], id); len(got) != 0 {
					t.Errorf("the recipient has %v", got)
				}
			})
		})
	}
}

// crowd gives the first message of a mailbox as many keywords as it can have.
func (r *rig) crowd(a mailstore.Account, role mailstore.Role) {
	r.t.Helper()
	n := 0
	for size := 256; size > 0; {
		words := make([]string, size)
		for i := range words {
			words[i] = fmt.Sprint("word", n+i)
		}
		err := r.store.Update(r.t.Context(), a.ID, func(tx mailstore.UpdateTx) error {
			box, err := tx.MailboxByRole(role)
			if err != nil {
				return err
			}
			_, err = tx.SetFlags(box.ID, mailstore.UIDSet{{Start: 1, Stop: 1}}, mailstore.FlagChange{
				Op: mailstore.FlagsAdd, Keywords: words,
			})
			return err
		})
		if err == nil {
			n += size
		} else if size /= 2; !errors.Is(err, mailstore.ErrLimit) {
			r.t.Fatal(err)
		}
	}
}

// A mailbox whose owner has used up all keywords shows no state of letters; it
// stops neither theirs nor those of others.
func TestNoRoomForKeywords(t *testing.T) {
	r := newRig(t, 1)
	first := r.accept(1, nil)
	r.receive(first)
	r.crowd(r.sender, mailstore.RoleSent)
	r.crowd(r.accounts[0], mailstore.RoleInbox)
	r.change(first, letter.Change{Event: letter.EventDeliver, At: noon})
	second := r.accept(2, func(d *letter.Draft) {
		d.Outgoing.Hold, d.Outgoing.Term = noon.Add(time.Minute), policy.Days(30)
	})
	r.receive(second)
	for id, want := range map[mailstore.ID]letter.State{first: letter.Delivered, second: letter.Accepted} {
		if got := r.outgoing(id).State(); got != want {
			t.Errorf("state %s, want %s", got, want)
		}
		for _, a := range []mailstore.Account{r.sender, r.accounts[0]} {
			if got := r.marks(a, id); len(got) != 1 || strings.Contains(fmt.Sprint(got), "Letter-") {
				t.Errorf("keywords %.200v", got)
			}
		}
	}
}
