package letter_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

// noon is when the letters of these tests are accepted.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, letter.Moscow)

var operator = sync.OnceValues(func() (certs.DetachedSigner, error) {
	authority, err := certs.NewAuthority("Test CA", noon)
	if err != nil {
		return nil, err
	}
	issued, err := authority.Issue(certs.Request{
		Purpose: certs.Signing, Name: "Operator", Organisation: "Operator", Emails: []string{"receipts@gw.example"}, At: noon,
	})
	if err != nil {
		return nil, err
	}
	raw, err := issued.Signer("operator")
	if err != nil {
		return nil, err
	}
	return cms.NewSigner(raw), nil
})

// rig is a store with a sender and recipients, and an office over it. Its
// clock stands at now.
type rig struct {
	t        testing.TB
	store    *boltstore.Store
	maker    *receipt.Maker
	office   *letter.Office
	now      time.Time
	resumed  time.Time // the store, after a restore
	sender   mailstore.Account
	accounts []mailstore.Account // of the recipients
}

func newRig(t testing.TB, recipients int) *rig {
	t.Helper()
	r := &rig{t: t, now: noon}
	clock := func() time.Time { return r.now }
	var err error
	r.store, err = boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true, BodyFiles: 1, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.store.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	signer, err := operator()
	if err != nil {
		t.Fatal(err)
	}
	r.maker, err = receipt.New(receipt.Options{Signer: signer, From: "receipts@gw.example", Name: "Operator", Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	r.office = r.newOffice(r.store, slog.New(slog.DiscardHandler))
	r.sender = r.account("sender@a.example")
	for i := range recipients {
		r.accounts = append(r.accounts, r.account(fmt.Sprintf("r%d@b.example", i)))
	}
	return r
}

// newOffice returns an office over a store, with the clock of the rig.
func (r *rig) newOffice(store mailstore.Store, log *slog.Logger) *letter.Office {
	return letter.NewOffice(letter.Options{
		Store: store, Maker: r.maker, Gate: worker.NewGate(), Logger: log,
		Resumed: func() time.Time { return r.resumed }, Now: func() time.Time { return r.now },
	})
}

func (r *rig) account(address string) mailstore.Account {
	r.t.Helper()
	a, err := auth.AddAccount(r.t.Context(), r.store.Directory(), auth.NewAccount{
		Addresses: []string{address}, Now: noon, Settings: auth.Settings{Registry: address},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// accept makes a letter to all recipients of the rig; change may alter it.
func (r *rig) accept(serial uint64, change func(*letter.Draft)) mailstore.ID {
	r.t.Helper()
	id, t := r.acceptance(serial, change)
	r.update(r.sender, func(tx mailstore.UpdateTx) error { return letter.Apply(tx, t) })
	return id
}

// acceptance prepares the transition that makes a letter.
func (r *rig) acceptance(serial uint64, change func(*letter.Draft)) (mailstore.ID, *letter.Transition) {
	r.t.Helper()
	d := r.draft(serial)
	if change != nil {
		change(&d)
	}
	t, err := r.office.Accept(r.t.Context(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	return d.ID, t
}

// draft is a letter to all recipients of the rig.
func (r *rig) draft(serial uint64) letter.Draft {
	r.t.Helper()
	content := []byte("From: <sender@a.example>\r\nSubject: Test\r\n\r\nText\r\n")
	parser := message.NewParser(message.Limits{})
	if _, err := parser.Write(content); err != nil {
		r.t.Fatal(err)
	}
	msg := parser.Close()
	ref, err := r.store.Bodies().Put(r.t.Context(), bytes.NewReader(content))
	if err != nil {
		r.t.Fatal(err)
	}
	d := letter.Draft{
		ID: mailstore.NewID(), Number: letter.FormatNumber(noon, serial), Type: "registered", Owner: r.sender,
		Sent: mailstore.Content{Body: ref, Length: ref.Size}, Summary: msg.Summary(),
	}
	d.Keys = letter.Keys(d.Number, "")
	d.Copy = mailstore.NewMessage{
		EmailID: mailstore.NewID(), LetterID: d.ID, Received: noon, Flags: mailstore.Seen, Summary: msg.Summary(), Content: d.Sent,
	}
	d.Outgoing = letter.Outgoing{
		Subject: "Test", Registry: "sender", Accepted: noon.UTC(), Depth: receipt.Full, Language: "ru", Handover: true,
		GiveUp: noon.Add(time.Hour),
		Facts: receipt.Evidence{
			Letter:    receipt.Letter{ID: d.ID, Number: d.Number, Type: d.Type},
			Profile:   receipt.Profile{Name: d.Type, SHA256: receipt.Digest{1}},
			Sender:    receipt.Sender{Account: r.sender.ID, Address: r.sender.Addresses[0], Name: "Sender", Assurance: "password"},
			Submitted: receipt.Content{SHA256: msg.SHA256, Size: msg.Size}, Signature: receipt.Signature{Result: "none"},
		},
	}
	for i, a := range r.accounts {
		d.Outgoing.Recipients = append(d.Outgoing.Recipients, letter.Recipient{
			Account: a.ID, Party: receipt.Recipient{Address: a.Addresses[0], Name: fmt.Sprint("Recipient ", i), RegistryID: fmt.Sprint("r", i)},
		})
	}
	return d
}

func (r *rig) update(a mailstore.Account, fn func(mailstore.UpdateTx) error) {
	r.t.Helper()
	if err := r.store.Update(r.t.Context(), a.ID, fn); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) view(a mailstore.Account, fn func(mailstore.Tx) error) {
	r.t.Helper()
	if err := r.store.View(r.t.Context(), a.ID, fn); err != nil {
		r.t.Fatal(err)
	}
}

// prepare prepares changes of the sender's record.
func (r *rig) prepare(id mailstore.ID, changes ...letter.Change) *letter.Transition {
	r.t.Helper()
	t, err := r.office.Prepare(r.t.Context(), r.sender.ID, id, changes)
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

// change applies changes to the sender's record.
func (r *rig) change(id mailstore.ID, changes ...letter.Change) {
	r.t.Helper()
	t := r.prepare(id, changes...)
	r.update(r.sender, func(tx mailstore.UpdateTx) error { return letter.Apply(tx, t) })
}

// outgoing is the sender's record.
func (r *rig) outgoing(id mailstore.ID) (out letter.Outgoing) {
	r.t.Helper()
	r.view(r.sender, func(tx mailstore.Tx) error {
		rec, err := tx.Letter(id, mailstore.Sender)
		if err != nil {
			return err
		}
		out, err = letter.DecodeOutgoing(rec)
		return err
	})
	return out
}

// events are the letter's evidence, in order.
func (r *rig) events(id mailstore.ID) (events []string) {
	r.t.Helper()
	r.view(r.sender, func(tx mailstore.Tx) error {
		for ev, err := range tx.Evidence(id) {
			if err != nil {
				return err
			}
			events = append(events, ev.Event)
		}
		return nil
	})
	return events
}
