package letter_test

import (
	"errors"
	"testing"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// boxesOf are the names of the mailboxes where a copy of a letter stands.
func (r *rig) boxesOf(a mailstore.Account, id mailstore.ID) (names []string) {
	r.t.Helper()
	r.view(a, func(tx mailstore.Tx) error {
		rows, err := tx.ByLetter(id)
		if err != nil {
			return err
		}
		for _, row := range rows {
			box, err := tx.Mailbox(row.Mailbox)
			if err != nil {
				return err
			}
			names = append(names, box.Name)
		}
		return nil
	})
	return names
}

// expungeFrom moves all of a mailbox into another, and expunges it there.
func (r *rig) expungeFrom(a mailstore.Account, from mailstore.Role, name string) {
	r.t.Helper()
	r.update(a, func(tx mailstore.UpdateTx) error {
		src, err := tx.MailboxByRole(from)
		if err != nil {
			return err
		}
		dst, err := tx.MailboxByName(name)
		if errors.Is(err, mailstore.ErrNoMailbox) {
			dst, err = tx.CreateMailbox(name, "")
		}
		if err != nil {
			return err
		}
		if _, err := tx.Move(src.ID, mailstore.UIDSet{{Start: 1}}, dst.ID); err != nil {
			return err
		}
		_, err = tx.Expunge(dst.ID, mailstore.UIDSet{{Start: 1}}, false)
		return err
	})
}

// An expunged letter comes back to where it stood, once; from the trash, or
// from a mailbox that is gone, to where letters are.
func TestRestore(t *testing.T) {
	for name, tc := range map[string]struct {
		stood  string
		remove bool // the mailbox is deleted meanwhile
		to     string
		want   string
		err    error
	}{
		"where it stood":         {"Case", false, "", "Case", nil},
		"from the trash":         {"Trash", false, "", "INBOX", nil},
		"its mailbox is gone":    {"Case", true, "", "INBOX", nil},
		"to another":             {"Case", false, "Archive", "Archive", nil},
		"to one that is not any": {"Case", false, "None", "", mailstore.ErrNoMailbox},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			to := r.accounts[0]
			id := r.deliverKept(1)
			copied := letter.ArrivalID(id, to.ID)
			r.expungeFrom(to, mailstore.RoleInbox, tc.stood)
			if tc.remove {
				r.update(to, func(tx mailstore.UpdateTx) error {
					box, err := tx.MailboxByName(tc.stood)
					if err != nil {
						return err
					}
					return tx.DeleteMailbox(box.ID)
				})
			}
			res, err := r.office.Restore(t.Context(), to.ID, copied, tc.to, journal.Details{"uid": "0"})
			if !errors.Is(err, tc.err) {
				t.Fatalf("restored: %v", err)
			}
			if tc.err != nil {
				r.wantPlace(id, mailstore.Recipient, "vault", "not restored")
				return
			}
			if res.Already || res.Number != letter.FormatNumber(noon, 1) || res.Role != mailstore.Recipient {
				t.Errorf("%+v", res)
			}
			if got := r.boxesOf(to, id); len(got) != 1 || got[0] != tc.want {
				t.Errorf("it stands in %v", got)
			}
			r.wantLast(to, journal.FromVault)
			if res, err := r.office.Restore(t.Context(), to.ID, copied, "", nil); err != nil || !res.Already {
				t.Errorf("again: %+v, %v", res, err)
			}
			if n := len(r.record(to)); r.record(to)[n-2] == journal.FromVault {
				t.Error("journalled twice")
			}
			// Its term went on meanwhile.
			r.retainAt(receivedEnds.Add(-30 * day))
			r.retainAt(receivedEnds)
			r.wantPlace(id, mailstore.Recipient, "gone", "at the end")
			if _, err := r.office.Restore(t.Context(), to.ID, copied, "", nil); !errors.Is(err, mailstore.ErrNoMessage) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// What comes back shows the state of the letter as it is, not as it was.
func TestRestoreShowsState(t *testing.T) {
	r := newRig(t, 1)
	id := r.deliverKept(1)
	r.expunge(r.sender, mailstore.RoleSent)
	r.change(id, letter.Change{Event: letter.EventOpen, At: r.now})
	if _, err := r.office.Restore(t.Context(), r.sender.ID, r.outgoing(id).Copy, "", nil); err != nil {
		t.Fatal(err)
	}
	if got := r.keywordsOf(id)["Sent"]; got != "Letter-Opened" {
		t.Errorf("keywords %s", got)
	}
}

// A recipient does not get from the vault what its sender has taken back, not
// even while it is held.
func TestRestoreTakenBack(t *testing.T) { inBubble(t, 1, testRestoreTakenBack) }

func testRestoreTakenBack(t *testing.T, r *rig) {
	id := r.deliverKept(1)
	if _, err := r.office.Hold(t.Context(), r.sender.ID, id, true, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantPlace(id, mailstore.Recipient, "vault", "taken back while held")
	_, err := r.office.Restore(t.Context(), r.accounts[0].ID, letter.ArrivalID(id, r.accounts[0].ID), "", nil)
	if !errors.Is(err, letter.ErrTakenBack) {
		t.Errorf("restored: %v", err)
	}
}
