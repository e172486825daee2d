package letter_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
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
		if res, err := r.office.Recall(t.Context(), r.sender.ID, id); err != nil || !res.Pending {
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
