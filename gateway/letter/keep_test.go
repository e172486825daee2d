package letter_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// The copies of the letters of these tests are kept for a year and two, and
// their terms end at midnight.
var (
	sentEnds     = time.Date(2027, 11, 23, 0, 0, 0, 0, letter.Moscow)
	receivedEnds = time.Date(2028, 11, 23, 0, 0, 0, 0, letter.Moscow)
)

const day = 24 * time.Hour

// deliverKept makes a letter with terms and brings it to the recipient.
func (r *rig) deliverKept(serial uint64) mailstore.ID {
	r.t.Helper()
	id := r.accept(serial, func(d *letter.Draft) {
		d.Outgoing.KeepSent, d.Outgoing.KeepReceived = policy.Years(1), policy.Years(2)
		d.Outgoing.Recall = noon.Add(time.Hour)
		d.Outgoing.Header = []byte("Subject: Test\r\n\r\n")
	})
	r.receive(id)
	r.change(id, letter.Change{Event: letter.EventDeliver, At: r.now})
	dispatch := r.outgoing(id).Dispatch
	r.update(r.sender, func(tx mailstore.UpdateTx) error { return tx.Cancel(dispatch) })
	return id
}

// retainAt looks after the terms at a time.
func (r *rig) retainAt(at time.Time) {
	r.t.Helper()
	r.now = at
	if err := r.office.Retain(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// placeOf is where a copy of a letter is, as the commands say it.
func (r *rig) placeOf(id mailstore.ID, role mailstore.LetterRole) string {
	r.t.Helper()
	var rec mailstore.Letter
	r.view(r.sender, func(tx mailstore.Tx) (err error) {
		rec, err = tx.Letter(id, mailstore.Sender)
		return err
	})
	list, err := r.office.Copies(r.t.Context(), r.sender.ID, rec, 10)
	if err != nil {
		r.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(c letter.Copy) bool { return c.Role == role })
	switch c := list[i]; {
	case c.Rows > 0 && !c.Vaulted && !c.Gone:
		return "mailbox"
	case c.Rows == 0 && c.Vaulted && !c.Gone:
		return "vault"
	case c.Rows == 0 && !c.Vaulted && c.Gone:
		return "gone"
	default:
		return fmt.Sprintf("%+v", c)
	}
}

func (r *rig) wantPlace(id mailstore.ID, role mailstore.LetterRole, want, when string) {
	r.t.Helper()
	if got := r.placeOf(id, role); got != want {
		r.t.Fatalf("%s the copy %s is in %s, want %s", when, letter.CopyName(role), got, want)
	}
}

// notices are the texts of the notices of ends of terms in Receipts.
func (r *rig) notices(a mailstore.Account) (texts []string) {
	r.t.Helper()
	var contents []mailstore.Content
	r.view(a, func(tx mailstore.Tx) error {
		box, err := tx.MailboxByRole(mailstore.RoleReceipts)
		if err != nil {
			return err
		}
		for m, err := range tx.Messages(box.ID, mailstore.UIDSet{{Start: 1}}, mailstore.FieldContent) {
			if err != nil {
				return err
			}
			contents = append(contents, m.Content)
		}
		return nil
	})
	for _, c := range contents {
		octets, err := c.Open(r.t.Context(), r.store.Bodies(), 0)
		if err != nil {
			r.t.Fatal(err)
		}
		whole, err := io.ReadAll(octets)
		if err := errors.Join(err, octets.Close()); err != nil {
			r.t.Fatal(err)
		}
		if !strings.Contains(string(whole), ".term@") {
			continue
		}
		texts = append(texts, textOf(r.t, whole))
	}
	return texts
}

// textOf is the header and the decoded text of a mail.
func textOf(t testing.TB, whole []byte) string {
	t.Helper()
	p := message.NewParser(message.Limits{})
	if _, err := p.Write(whole); err != nil {
		t.Fatal(err)
	}
	msg := p.Close()
	return msg.Header.Text("Subject") + "\n" + msg.Root.Text
}

// record is the journal of an account by kinds, but for the first entry; the
// journal must verify.
func (r *rig) record(a mailstore.Account) (kinds []string) {
	r.t.Helper()
	r.view(a, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(1, 0) {
			if err != nil {
				return err
			}
			kinds = append(kinds, rec.Kind)
		}
		_, err := journal.Verify(tx)
		return err
	})
	return kinds
}

func (r *rig) wantLast(a mailstore.Account, want ...string) {
	r.t.Helper()
	kinds := r.record(a)
	if got := kinds[max(0, len(kinds)-len(want)):]; !slices.Equal(got, want) {
		r.t.Errorf("journal ends %v, want %v", got, want)
	}
}

// flagAll sets or clears \Flagged on what stands in a mailbox.
func (r *rig) flagAll(a mailstore.Account, role mailstore.Role, op mailstore.FlagOp) {
	r.t.Helper()
	r.update(a, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByRole(role)
		if err != nil {
			return err
		}
		_, err = tx.SetFlags(box.ID, mailstore.UIDSet{{Start: 1}}, mailstore.FlagChange{Op: op, Flags: mailstore.Flagged})
		return err
	})
}

// expunge takes all of a mailbox away, as its owner does.
func (r *rig) expunge(a mailstore.Account, role mailstore.Role) {
	r.t.Helper()
	r.update(a, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByRole(role)
		if err != nil {
			return err
		}
		_, err = tx.Expunge(box.ID, mailstore.UIDSet{{Start: 1}}, false)
		return err
	})
}

// contentOf is the content of the recipient's copy.
func (r *rig) contentOf(id mailstore.ID) (c mailstore.Content) {
	r.t.Helper()
	r.view(r.accounts[0], func(tx mailstore.Tx) error {
		at, err := tx.ByEmailID(letter.ArrivalID(id, r.accounts[0].ID))
		if err != nil {
			return err
		}
		var set mailstore.UIDSet
		set.AddNum(at[0].UID)
		for m, err := range tx.Messages(at[0].Mailbox, set, mailstore.FieldContent) {
			if err != nil {
				return err
			}
			c = m.Content
		}
		return nil
	})
	return c
}

// readable wants the octets of a body to be there or not, after all that waits
// for them.
func (r *rig) readable(c mailstore.Content, want bool) {
	r.t.Helper()
	r.now = r.now.Add(2 * day)
	if _, err := r.store.Sweep(r.t.Context(), day); err != nil {
		r.t.Fatal(err)
	}
	octets, err := c.Open(r.t.Context(), r.store.Bodies(), 0)
	if err == nil {
		_, err = io.ReadAll(octets)
		_ = octets.Close()
	}
	if (err == nil) != want {
		r.t.Errorf("reading the letter's octets: %v, want them there: %t", err, want)
	}
}
