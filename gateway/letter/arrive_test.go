package letter_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// receive brings a letter to the first recipient and returns when it came.
func (r *rig) receive(id mailstore.ID) (came time.Time) {
	r.t.Helper()
	arrival := r.arrival(id)
	r.update(r.accounts[0], func(tx mailstore.UpdateTx) (err error) {
		came, err = letter.Receive(tx, arrival)
		return err
	})
	return came
}

// arrival prepares the delivery to the first recipient.
func (r *rig) arrival(id mailstore.ID) letter.Arrival {
	r.t.Helper()
	var rec mailstore.Letter
	var it mailstore.Item
	r.view(r.sender, func(tx mailstore.Tx) (err error) {
		if rec, err = tx.Letter(id, mailstore.Sender); err != nil {
			return err
		}
		out, err := letter.DecodeOutgoing(rec)
		if err != nil {
			return err
		}
		it, err = tx.Item(out.Dispatch)
		return err
	})
	sent, err := letter.SentForm(it)
	if err != nil {
		r.t.Fatal(err)
	}
	arrival, err := letter.Arrive(rec, "gate.example", r.sender.ID, r.outgoing(id), sent, 0, r.now)
	if err != nil {
		r.t.Fatal(err)
	}
	return arrival
}

// Nothing comes to a blocked account; what has come stays.
func TestReceiveBlocked(t *testing.T) {
	r := newRig(t, 1)
	block := func(on bool) {
		if _, err := auth.SetDisabled(t.Context(), r.store, r.accounts[0].ID, on, nil, noon); err != nil {
			t.Fatal(err)
		}
	}
	late, id := r.accept(1, nil), r.accept(1, nil)
	if came := r.receive(id); !came.Equal(noon) {
		t.Errorf("came %s", came)
	}
	block(true)
	r.now = noon.Add(3 * time.Minute)
	if came := r.receive(id); !came.Equal(noon) { // a courier that a crash ended
		t.Errorf("told again, it came %s", came)
	}
	arrival := r.arrival(late)
	err := r.store.Update(t.Context(), r.accounts[0].ID, func(tx mailstore.UpdateTx) error {
		_, err := letter.Receive(tx, arrival)
		return err
	})
	if !errors.Is(err, letter.ErrBlocked) {
		t.Errorf("received: %v", err)
	}
	block(false)
	if came := r.receive(late); !came.Equal(r.now) {
		t.Errorf("opened again, it came %s", came)
	}
}

// A letter that is carried twice came when it came first, and once.
func TestReceiveTwice(t *testing.T) {
	r := newRig(t, 1)
	id := r.accept(1, func(d *letter.Draft) { d.Outgoing.Term = policy.Days(30) })
	if came := r.receive(id); !came.Equal(noon) {
		t.Errorf("came %s", came)
	}
	r.now = noon.Add(3 * time.Minute)
	if came := r.receive(id); !came.Equal(noon) {
		t.Errorf("the second time came %s", came)
	}
	r.view(r.accounts[0], func(tx mailstore.Tx) error {
		inbox, err := tx.MailboxByName("INBOX")
		if err != nil || inbox.Messages != 1 {
			t.Errorf("INBOX has %d messages, %v", inbox.Messages, err)
		}
		size, err := tx.JournalSize()
		if size != 2 { // with the making of the account
			t.Errorf("%d entries in the journal", size)
		}
		all := mailstore.UIDSet{}
		all.AddNum(1)
		for m, err := range tx.Messages(inbox.ID, all, mailstore.FieldContent|mailstore.FieldSummary) {
			if err != nil {
				return err
			}
			if !slices.Equal(m.Keywords, []string{letter.KeywordAwaiting}) || m.Flags != 0 {
				t.Errorf("keywords %v, flags %v", m.Keywords, m.Flags)
			}
			want := "Return-Path: <sender@a.example>\r\nReceived: by gate.example id " + id.String() +
				"; Sun, 22 Nov 2026 09:00:00 +0000\r\nX-Letter-Number: " + letter.FormatNumber(noon, 1) +
				"\r\nX-Letter-Type: registered\r\nX-Letter-Ack-Until: Wed, 23 Dec 2026 00:00:00 +0300\r\n"
			if got := string(m.Content.Prefix); got != want {
				t.Errorf("header of the delivered form\n%s\nwant\n%s", got, want)
			}
		}
		return err
	})
}

// flag sets \Seen as a class of program and tells the mailroom.
func (r *rig) flag(class auth.Class, box string) {
	r.t.Helper()
	r.update(r.accounts[0], func(tx mailstore.UpdateTx) error {
		b, err := tx.MailboxByName(box)
		if err != nil {
			return err
		}
		all := mailstore.UIDSet{}
		all.AddRange(1, 0)
		res, err := tx.SetFlags(b.ID, all, mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen})
		if err != nil {
			return err
		}
		who := auth.Identity{Account: r.accounts[0], Class: class, Name: "x", Remote: netip.MustParseAddr("192.0.2.1")}
		return letter.NewMailroom(func() time.Time { return r.now }).OnFlags(tx, who, b, res.NewSeen)
	})
}

// Only a person opens, once, wherever the letter lies by then.
func TestOpening(t *testing.T) {
	r := newRig(t, 1)
	id := r.accept(1, nil)
	r.receive(id)
	state := func() (state letter.State, steps int) {
		r.view(r.accounts[0], func(tx mailstore.Tx) error {
			rec, err := tx.Letter(id, mailstore.Recipient)
			if err != nil {
				return err
			}
			in, err := letter.DecodeIncoming(rec)
			if err == nil && string(in.State) != rec.State {
				t.Errorf("state %s in the record, %s in its data", rec.State, in.State)
			}
			state, steps = in.State, len(in.Steps)
			return err
		})
		return state, steps
	}
	unsee := func(box string) {
		r.update(r.accounts[0], func(tx mailstore.UpdateTx) error {
			b, err := tx.MailboxByName(box)
			if err != nil {
				return err
			}
			all := mailstore.UIDSet{}
			all.AddRange(1, 0)
			_, err = tx.SetFlags(b.ID, all, mailstore.FlagChange{Op: mailstore.FlagsRemove, Flags: mailstore.Seen})
			return err
		})
	}
	for _, class := range []auth.Class{auth.Archive, auth.System} {
		r.flag(class, "INBOX")
		if s, _ := state(); s != letter.Delivered {
			t.Errorf("%s opened it", class)
		}
		unsee("INBOX")
	}
	r.update(r.accounts[0], func(tx mailstore.UpdateTx) error {
		inbox, err := tx.MailboxByName("INBOX")
		if err != nil {
			return err
		}
		archive, err := tx.MailboxByRole(mailstore.RoleArchive)
		if err != nil {
			return err
		}
		one := mailstore.UIDSet{}
		one.AddNum(1)
		_, err = tx.Move(inbox.ID, one, archive.ID)
		return err
	})
	for range 2 {
		r.flag(auth.Person, "Archive")
		if s, n := state(); s != letter.Opened || n != 2 {
			t.Errorf("state %s after %d steps", s, n)
		}
		unsee("Archive")
		r.now = r.now.Add(time.Minute)
	}
	items, err := r.store.Queue().Items(t.Context(), letter.Class, 0)
	if err != nil || len(items) != 1 || items[0].Account != r.sender.ID {
		t.Errorf("notices %v, %v", items, err)
	}
}

// Records that were damaged or are of another release are errors of their
// kind, never half a record.
func TestDecodeRecords(t *testing.T) {
	r := newRig(t, 1)
	id := r.accept(1, nil)
	r.receive(id)
	var out, in mailstore.Letter
	r.view(r.sender, func(tx mailstore.Tx) (err error) { out, err = tx.Letter(id, mailstore.Sender); return err })
	r.view(r.accounts[0], func(tx mailstore.Tx) (err error) { in, err = tx.Letter(id, mailstore.Recipient); return err })
	decoders := map[mailstore.LetterRole]func(mailstore.Letter) error{
		mailstore.Sender:    func(l mailstore.Letter) error { _, err := letter.DecodeOutgoing(l); return err },
		mailstore.Recipient: func(l mailstore.Letter) error { _, err := letter.DecodeIncoming(l); return err },
	}
	for _, rec := range []mailstore.Letter{out, in} {
		if err := decoders[rec.Role](rec); err != nil {
			t.Errorf("role %d: %v", rec.Role, err)
		}
		other := rec
		other.Role = mailstore.Sender + mailstore.Recipient - rec.Role
		if err := decoders[rec.Role](other); !errors.Is(err, mailstore.ErrDamaged) {
			t.Errorf("role %d read as %d: %v", other.Role, rec.Role, err)
		}
		text := string(rec.Data)
		for name, test := range map[string]struct {
			data string
			want error
		}{
			"empty":    {"", mailstore.ErrDamaged},
			"cut":      {text[:len(text)/2], mailstore.ErrDamaged},
			"no JSON":  {"\x00\x01", mailstore.ErrDamaged},
			"list":     {"[]", mailstore.ErrDamaged},
			"format":   {strings.Replace(text, `"format":1`, `"format":2`, 1), mailstore.ErrVersion},
			"unformed": {"{}", mailstore.ErrVersion},
			"null":     {"null", mailstore.ErrVersion},
		} {
			rec.Data = []byte(test.data)
			if err := decoders[rec.Role](rec); !errors.Is(err, test.want) || !strings.Contains(err.Error(), rec.Number) {
				t.Errorf("role %d, %s: %v", rec.Role, name, err)
			}
		}
	}
	for _, payload := range []string{"", "{", `{"length":5,"summary":""}`, `{"length":5}`} {
		if _, err := letter.SentForm(mailstore.Item{Payload: []byte(payload)}); !errors.Is(err, mailstore.ErrDamaged) {
			t.Errorf("dispatch %q: %v", payload, err)
		}
	}
}

// Whatever is in a record, reading it ends in a record or an error.
func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"format":1,"recipients":[{"state":"accepted","steps":[]}]}`))
	f.Add([]byte(`{"format":1,"state":"delivered","prefix":"eA==","length":1,"summary":"AQ=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if out, err := letter.DecodeOutgoing(mailstore.Letter{Role: mailstore.Sender, Data: data}); err == nil {
			// None of these may fail on a record that was read.
			_, _, _, _ = out.State(), out.Held(), out.Settled(), out.Waits()
			for _, r := range out.Recipients {
				_ = r.Due()
			}
		}
		if in, err := letter.DecodeIncoming(mailstore.Letter{Role: mailstore.Recipient, Data: data}); err == nil && in.Format != 1 {
			t.Errorf("format %d accepted", in.Format)
		}
		if sent, err := letter.SentForm(mailstore.Item{Payload: data}); err == nil && sent.Summary == nil {
			t.Error("a sent form without summary")
		}
	})
}
