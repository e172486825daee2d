package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// The parties of these tests; the second has two addresses and an alias.
const (
	sender = "sender@a.example"
	first  = "first@b.example"
	second = "second@c.example"
	other  = "other@c.example"
	alias  = "alias@c.example"
)

const hostname = "gw.example"

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// book is what letters are judged by: the shipped types; "free", which refuses
// nothing; and "signed", which wants a signature too.
var book = sync.OnceValues(func() (intake.Book, error) {
	authority, err := certs.NewAuthority("Test CA", now)
	if err != nil {
		return intake.Book{}, err
	}
	issued, err := authority.Issue(certs.Request{Purpose: certs.Signing, Name: "A", Organisation: "A", Emails: []string{sender}, At: now})
	if err != nil {
		return intake.Book{}, err
	}
	raw, err := issued.Signer("a")
	if err != nil {
		return intake.Book{}, err
	}
	var entries []registry.Entry
	for i, addresses := range [][]string{{sender}, {first}, {second, other}} {
		inn, err := registry.MakeINN(fmt.Sprintf("77070838%d", i))
		if err != nil {
			return intake.Book{}, err
		}
		ogrn, err := registry.MakeOGRN(fmt.Sprintf("10277001321%d", i+1))
		if err != nil {
			return intake.Book{}, err
		}
		entries = append(entries, registry.Entry{
			ID: fmt.Sprint("party", i), Kind: registry.Organisation, Name: fmt.Sprint("Party ", i), INN: inn, OGRN: ogrn,
			KPP: "770701001", Addresses: addresses, Status: registry.Active,
		})
	}
	entries[2].Aliases = []string{alias}
	reg, err := registry.New(entries)
	if err != nil {
		return intake.Book{}, err
	}
	signed := policy.Unlimited("signed")
	signed.Signature = policy.Required
	described := policy.Unlimited("described")
	described.RequiredMetadata = []string{"description"}
	rules, err := policy.NewRules(append(policy.DefaultProfiles(), policy.Unlimited("free"), signed, described))
	if err != nil {
		return intake.Book{}, err
	}
	suffixes, err := policy.NewSuffixes(rules, policy.DefaultSuffixes())
	if err != nil {
		return intake.Book{}, err
	}
	return intake.Book{
		Rules: rules, Suffixes: suffixes, Registry: reg, Signers: map[string]certs.DetachedSigner{"party0": cms.NewSigner(raw)},
		Verifier: cms.NewVerifier(authority.Trust(), certs.Signing),
	}, nil
})

// rig is an intake over a fresh store.
type rig struct {
	*intake.Intake
	t     *testing.T
	store *boltstore.Store
	who   auth.Identity
	later atomic.Int64 // nanoseconds that the clock is ahead of now
}

// newRig may put something between the intake and its store.
func newRig(t *testing.T, between ...func(mailstore.Store) mailstore.Store) *rig {
	t.Helper()
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	clock := func() time.Time { return now.Add(time.Duration(r.later.Load())) }
	r.store, err = boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true, BodyFiles: 1, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	maker, err := receipt.New(receipt.Options{Signer: b.Signers["party0"], From: "receipts@gw.example", Name: "Operator", Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	var store mailstore.Store = r.store
	for _, wrap := range between {
		store = wrap(store)
	}
	r.Intake = intake.New(intake.Options{
		Store: store, Numbers: letter.NewNumbers(r.store.Directory()), Hostname: hostname, Default: "free", Book: b, Now: clock, Logger: log,
		Office: letter.NewOffice(letter.Options{Store: r.store, Maker: maker, Now: clock, Logger: log}),
	})
	for i, addresses := range [][]string{{sender, "info@a.example"}, {first}, {second, other}} {
		a, err := auth.AddAccount(t.Context(), r.store.Directory(), auth.NewAccount{
			Addresses: addresses, Now: now, Settings: auth.Settings{Registry: fmt.Sprint("party", i)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			continue
		}
		settings, err := auth.DecodeSettings(a.Data)
		if err != nil {
			t.Fatal(err)
		}
		r.who = auth.Identity{
			Account: a, Settings: settings, Credential: mailstore.NewID(), Name: "laptop", Class: auth.Person, Assurance: auth.Password,
			Remote: netip.MustParseAddr("192.0.2.1"),
		}
		if err := r.putCredential(false); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// putCredential keeps the credential that the sender came with.
func (r *rig) putCredential(revoked bool) error {
	return r.store.Directory().PutCredential(r.t.Context(), mailstore.Credential{
		ID: r.who.Credential, Account: r.who.Account.ID, Name: r.who.Name, Class: string(r.who.Class), Created: now, Revoked: revoked,
	})
}

// envelope is from the sender to addresses, as RCPT has accepted them.
func (r *rig) envelope(to ...string) intake.Envelope {
	r.t.Helper()
	env := intake.Envelope{Who: r.who, From: sender}
	for _, address := range to {
		rcpt, err := r.Recipient(r.t.Context(), r.who, intake.Recipient{Address: address})
		if err != nil {
			r.t.Fatal(err)
		}
		env.Recipients = append(env.Recipients, rcpt)
	}
	return env
}

// accept submits octets that must be accepted.
func (r *rig) accept(octets string, to ...string) intake.Accepted {
	r.t.Helper()
	return r.stream(bytes.NewReader([]byte(octets)), to...)
}

func (r *rig) stream(octets io.Reader, to ...string) intake.Accepted {
	r.t.Helper()
	a, err := r.Accept(r.t.Context(), r.envelope(to...), octets)
	if err != nil {
		r.t.Fatalf("refused: %v", err)
	}
	return a
}

// codes submits octets and returns the reasons of their refusal, sorted; none
// when they are accepted.
func (r *rig) codes(octets string, to ...string) (codes []policy.Code) {
	r.t.Helper()
	_, err := r.Accept(r.t.Context(), r.envelope(to...), bytes.NewReader([]byte(octets)))
	var refusal *policy.Refusal
	if err != nil && !errors.As(err, &refusal) {
		r.t.Fatalf("failed: %v", err)
	}
	if refusal != nil {
		for _, v := range refusal.Violations {
			codes = append(codes, v.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

// record is the sender's record of a letter.
func (r *rig) record(id mailstore.ID) (out letter.Outgoing) {
	r.t.Helper()
	r.view(func(tx mailstore.Tx) error {
		rec, err := tx.Letter(id, mailstore.Sender)
		if err != nil {
			return err
		}
		out, err = letter.DecodeOutgoing(rec)
		return err
	})
	return out
}

func (r *rig) view(fn func(mailstore.Tx) error) {
	r.t.Helper()
	if err := r.store.View(r.t.Context(), r.who.Account.ID, fn); err != nil {
		r.t.Fatal(err)
	}
}

// sentForm reads the form that goes out from the letter's queue item, and
// checks that the Sent copy is the same after the gateway's header.
func (r *rig) sentForm(a intake.Accepted) string {
	r.t.Helper()
	var item mailstore.Item
	var copied *mailstore.Message
	r.view(func(tx mailstore.Tx) (err error) {
		if item, err = tx.Item(r.record(a.Letter).Dispatch); err != nil {
			return err
		}
		rows, err := tx.ByLetter(a.Letter)
		if err != nil || len(rows) != 1 {
			return fmt.Errorf("%d rows, %w", len(rows), err)
		}
		set := mailstore.UIDSet{}
		set.AddNum(rows[0].UID)
		for m, err := range tx.Messages(rows[0].Mailbox, set, mailstore.FieldContent|mailstore.FieldMeta) {
			if err != nil {
				return err
			}
			copied = m
		}
		return nil
	})
	sent, err := letter.SentForm(item)
	if err != nil {
		r.t.Fatal(err)
	}
	form := r.read(sent.Content)
	if got, want := r.read(copied.Content), string(letter.Header(a.Number, a.Type))+form; got != want || copied.Size != int64(len(want)) {
		r.t.Errorf("copy in Sent\n%q\nwant\n%q", got, want)
	}
	return form
}

func (r *rig) read(c mailstore.Content) string {
	r.t.Helper()
	reader, err := c.Open(r.t.Context(), r.store.Bodies(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	octets, err := io.ReadAll(reader)
	if err = errors.Join(err, reader.Close()); err != nil {
		r.t.Fatal(err)
	}
	return string(octets)
}
