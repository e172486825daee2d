package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// checked does a check of a gateway that serves, and returns what it finds as
// "kind bucket".
func checked(t *testing.T, g *gatewaytest.Gateway) (out admin.StoreChecked, short []string) {
	t.Helper()
	out = do[admin.StoreChecked](t, g.Admin(), admin.OpStoreCheck, admin.StoreCheck{})
	for _, f := range out.Findings {
		short = append(short, string(f.Kind)+" "+f.Bucket)
	}
	return out, short
}

// A gateway that takes letters in and delivers them is checked over and over:
// nothing that changes meanwhile is a finding.
func TestStoreCheckServing(t *testing.T) {
	g := gatewaytest.Start(t)
	sender := dialSMTP(t, g, gatewaytest.Sender, "person")
	const letters = 25
	stop, done := make(chan struct{}), make(chan admin.StoreChecked)
	go func() {
		defer close(done)
		for {
			var out admin.StoreChecked
			if err := g.Admin().Call(t.Context(), admin.OpStoreCheck, admin.StoreCheck{}, &out); err != nil {
				t.Error(err)
				return
			}
			for _, f := range out.Findings {
				t.Errorf("%+v", f)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for i := range letters {
		octets := compose(t, gatewaytest.Sender, gatewaytest.Body, fmt.Sprint("Letter ", i), "X-Letter-Type: registered")
		if code, reply := submit(t, sender, gatewaytest.Sender, []string{gatewaytest.Body}, octets); code != 250 {
			t.Fatalf("%d %s", code, reply)
		}
	}
	eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) == letters })
	close(stop)
	<-done
	out, found := checked(t, g)
	if len(found) > 0 || out.Store.Letters < 2*letters || out.Evidence < letters || out.Records < 2*letters || out.Pages || !out.Bodies {
		t.Errorf("%+v", out)
	}
}

// What only the gateway understands is found too, and where.
func TestStoreCheckFinds(t *testing.T) {
	g := gatewaytest.Start(t)
	sender := dialSMTP(t, g, gatewaytest.Sender, "person")
	octets := compose(t, gatewaytest.Sender, gatewaytest.Body, "One", "X-Letter-Type: registered")
	if code, reply := submit(t, sender, gatewaytest.Sender, []string{gatewaytest.Body}, octets); code != 250 {
		t.Fatalf("%d %s", code, reply)
	}
	eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) == 1 })
	store := g.Store()
	a, err := store.Directory().AccountByAddress(t.Context(), gatewaytest.Sender)
	if err != nil {
		t.Fatal(err)
	}
	var rec mailstore.Letter
	var proof mailstore.Evidence // the last
	eventually(t, "evidence of the delivery", func() bool {
		err := store.View(t.Context(), a.ID, func(tx mailstore.Tx) error {
			for l, err := range tx.Letters(mailstore.LetterFilter{Limit: 1}) {
				if err != nil {
					return err
				}
				rec = l
			}
			for ev, err := range tx.Evidence(rec.ID) {
				if err != nil {
					return err
				}
				proof = ev
			}
			return nil
		})
		return err == nil && rec.State == string(letter.Delivered)
	})
	entry := func(details journal.Details) func(mailstore.UpdateTx) error {
		e := journal.NewEntry(time.Now(), journal.State, details)
		return func(tx mailstore.UpdateTx) error {
			_, err := journal.Append(tx, e)
			return err
		}
	}
	another := func(change func(*mailstore.Letter)) func(mailstore.UpdateTx) error {
		l := mailstore.Letter{ID: mailstore.NewID(), Role: mailstore.Sender, Number: letter.FormatNumber(time.Now(), 7), Type: "simple", State: "accepted", At: time.Now()}
		l.Data, _ = json.Marshal(letter.Outgoing{Format: 1})
		l.Keys = []string{letter.NumberKey(l.Number)}
		change(&l)
		return func(tx mailstore.UpdateTx) error { return tx.PutLetter(l) }
	}
	id := rec.ID.String()
	var before []string
	for _, c := range []struct {
		name  string
		plant func(mailstore.UpdateTx) error
		want  []string
		text  string
	}{
		{"nothing", func(mailstore.UpdateTx) error { return nil }, nil, ""},
		{"a sound letter", another(func(*mailstore.Letter) {}), nil, ""},
		{"a number beyond those reserved", another(func(l *mailstore.Letter) {
			l.Number = letter.FormatNumber(time.Now(), 99_999_999)
			l.Keys = []string{letter.NumberKey(l.Number)}
		}), []string{"count meta"}, "a letter has 99999999"},
		{"no number", another(func(l *mailstore.Letter) { l.Number = "GP-202601-00000001-0" }), []string{"letter letter"}, "no number"},
		{"not in the index", another(func(l *mailstore.Letter) { l.Keys = nil; l.Number = letter.FormatNumber(time.Now(), 8) }), []string{"missing letter"}, "by its number"},
		{"a record without sense", another(func(l *mailstore.Letter) { l.Data = []byte("{") }), []string{"letter letter"}, "record damaged"},
		{"a role that is none", another(func(l *mailstore.Letter) { l.Role = 9 }), []string{"letter letter"}, "role 9"},
		{"evidence that no journal names", func(tx mailstore.UpdateTx) error {
			ev := proof
			ev.ID = mailstore.NewID()
			return tx.PutEvidence(ev)
		}, []string{"evidence letter", "evidence evidence"}, "in no journal record"},
		{"a journal that names none", entry(journal.Details{"letter": id, "evidence": mailstore.NewID().String(), "evidence-sha256": "00"}),
			[]string{"evidence evidence"}, "is not there"},
		{"a journal that names another hash", entry(journal.Details{"letter": id, "evidence": proof.ID.String(), "evidence-sha256": "00"}),
			[]string{"evidence evidence"}, "another hash"},
		{"a tree with a wrong hash", func(tx mailstore.UpdateTx) error {
			n, err := tx.JournalSize()
			salt := []byte("0123456789abcdef")
			return errors.Join(err, tx.AppendJournal(mailstore.JournalRecord{
				Index: n, At: time.Now().UTC().Truncate(time.Millisecond), Kind: journal.State,
				Commit: journal.Commit(salt, []byte("{}")), Salt: salt, Details: []byte("{}"),
			}, make([]mailstore.Hash, 64)))
		}, []string{"journal journal"}, "not that of the records"},
	} {
		if err := store.Update(t.Context(), a.ID, c.plant); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		out, found := checked(t, g)
		fresh := slices.Clone(found)
		for _, old := range before {
			if i := slices.Index(fresh, old); i >= 0 {
				fresh = slices.Delete(fresh, i, i+1)
			}
		}
		before = found
		slices.Sort(fresh)
		slices.Sort(c.want)
		if !slices.Equal(fresh, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, fresh, c.want)
		}
		told := slices.ContainsFunc(out.Findings, func(f mailstore.Finding) bool {
			return strings.Contains(f.Text, c.text) && (f.Account == a.ID || f.Bucket == "meta")
		})
		if len(c.want) > 0 && !told {
			t.Errorf("%s: nothing says %q: %+v", c.name, c.text, out.Findings)
		}
	}
}
