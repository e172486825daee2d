package letter_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// removals are the numbers, or the mailbox and messages, of the journal's
// entries about what was removed.
func (r *rig) removals(a mailstore.Account) (list []string) {
	r.t.Helper()
	r.view(a, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			if rec.Kind != journal.Removed {
				continue
			}
			d, err := journal.ParseDetails(rec.Details)
			if err != nil {
				return err
			}
			if d["credential"] != "x" || d["address"] != "192.0.2.1" {
				r.t.Errorf("entry %v", d)
			}
			list = append(list, strings.TrimSpace(strings.Join([]string{d["numbers"], d["mailbox"], d["messages"]}, " ")))
		}
		_, err := journal.Verify(tx)
		return err
	})
	return list
}

// as runs what a session does, with the mailroom.
func (r *rig) as(a mailstore.Account, do func(tx mailstore.UpdateTx, room letter.Mailroom, who auth.Identity) error) {
	r.t.Helper()
	who := auth.Identity{Account: a, Class: auth.Person, Name: "x", Remote: netip.MustParseAddr("192.0.2.1")}
	room := letter.NewMailroom(func() time.Time { return r.now })
	r.update(a, func(tx mailstore.UpdateTx) error { return do(tx, room, who) })
}

// The journal names the letters that an owner expunges, with their last rows
// only, and the mailbox that they delete; no other message.
func TestExpungeIsJournalled(t *testing.T) {
	r := newRig(t, 1)
	r.deliverKept(1)
	r.deliverKept(2)
	a := r.accounts[0]
	one := mailstore.UIDSet{{Start: 1, Stop: 1}}
	expunge := func(name string, set mailstore.UIDSet) {
		t.Helper()
		r.as(a, func(tx mailstore.UpdateTx, room letter.Mailroom, who auth.Identity) error {
			box, err := tx.MailboxByName(name)
			if err != nil {
				return err
			}
			if err := room.OnExpunge(tx, who, box, set); err != nil {
				return err
			}
			_, err = tx.Expunge(box.ID, set, false)
			return err
		})
	}
	r.as(a, func(tx mailstore.UpdateTx, _ letter.Mailroom, _ auth.Identity) error {
		box, err := tx.MailboxByName("INBOX")
		if err != nil {
			return err
		}
		if _, err = tx.Copy(box.ID, one, box.ID); err != nil { // in the same mailbox
			return err
		}
		_, err = tx.Append(box.ID, mailstore.NewMessage{EmailID: mailstore.NewID()})
		return err
	})
	expunge("INBOX", one) // its copy stays
	expunge("INBOX", mailstore.UIDSet{{Start: 4, Stop: 4}})
	if got := r.removals(a); len(got) > 0 {
		t.Errorf("journalled %q", got)
	}
	expunge("INBOX", mailstore.UIDSet{{Start: 2, Stop: 3}})
	want := letter.FormatNumber(noon, 2) + "\n" + letter.FormatNumber(noon, 1)
	if got := r.removals(a); len(got) != 1 || got[0] != want {
		t.Errorf("journalled %q, want %q", got, want)
	}
	for name, messages := range map[string]int{"Empty": 0, "Case": 3} {
		r.as(a, func(tx mailstore.UpdateTx, room letter.Mailroom, who auth.Identity) error {
			box, err := tx.CreateMailbox(name, "")
			if err != nil {
				return err
			}
			for range messages {
				if _, err := tx.Append(box.ID, mailstore.NewMessage{EmailID: mailstore.NewID()}); err != nil {
					return err
				}
			}
			if box, err = tx.Mailbox(box.ID); err != nil {
				return err
			}
			if err := room.OnDelete(tx, who, box); err != nil {
				return err
			}
			return tx.DeleteMailbox(box.ID)
		})
	}
	if got := r.removals(a); len(got) != 2 || got[1] != "Case 3" {
		t.Errorf("journalled %q", got)
	}
}

// As many letters as one Update expunges fit into the journal.
func TestExpungeOfManyIsJournalled(t *testing.T) {
	r := newRig(t, 1)
	const n = mailstore.MaxMessagesPerUpdate
	all := mailstore.UIDSet{{Start: 1}}
	for i := range n {
		r.accept(uint64(i+1), func(d *letter.Draft) {
			d.Outgoing.KeepSent, d.Outgoing.Automatic = policy.Years(1), true
		})
	}
	r.as(r.sender, func(tx mailstore.UpdateTx, room letter.Mailroom, who auth.Identity) error {
		box, err := tx.MailboxByRole(mailstore.RoleSent)
		if err != nil {
			return err
		}
		if err := room.OnExpunge(tx, who, box, mailstore.UIDSet{{Start: 1, Stop: box.UIDNext - 1}}); err != nil {
			return err
		}
		_, err = tx.Expunge(box.ID, all, false)
		return err
	})
	named := map[string]bool{}
	for _, entry := range r.removals(r.sender) {
		for number := range strings.SplitSeq(entry, "\n") {
			named[number] = true
		}
	}
	if len(named) != n {
		t.Errorf("%d letters named", len(named))
	}
	list, err := r.office.Vault(t.Context(), r.sender.ID)
	if err != nil || len(list) != n {
		t.Error(fmt.Sprint(len(list), " in the vault, "), err)
	}
}
