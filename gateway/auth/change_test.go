package auth

import (
	"errors"
	"testing"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// The last use of a credential is kept to the hour, and a login does not need
// it to be written.
func TestUsed(t *testing.T) {
	f := newFixture(t)
	cred, secret := f.add(t, NewCredential{Name: "phone"})
	for _, step := range []struct {
		after time.Duration
		uses  int
	}{{time.Minute, 1}, {time.Minute, 1}, {usedEvery - 2*time.Minute, 1}, {time.Minute, 2}, {0, 2}} {
		f.clock.advance(step.after)
		if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], secret); err != nil {
			t.Fatal(err)
		}
		if f.dir.uses != step.uses {
			t.Errorf("%s: %d uses noted, want %d", f.clock.Now().Sub(start), f.dir.uses, step.uses)
		}
	}
	if got := f.dir.creds[cred.ID].Used; !got.Equal(start.Add(usedEvery + time.Minute)) {
		t.Errorf("last use %s", got)
	}
}

// What is done to accounts and credentials is in the journal, with who did it.
func TestJournalled(t *testing.T) {
	f := newFixture(t)
	by := journal.Details{"uid": "1000"}
	a, err := AddAccount(t.Context(), f.dir, NewAccount{
		Addresses: []string{"b@romashka.example", "c@romashka.example"}, Name: "Б", Settings: Settings{Registry: "org-1"}, Now: start, By: by,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := AddCredential(t.Context(), f.dir, a.ID, NewCredential{Name: "phone", Class: Archive, Now: start, By: by})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if c, err = Revoke(t.Context(), f.dir, c, by, start); err != nil || !c.Revoked {
			t.Fatal(c, err)
		}
	}
	about := `"class":"archive","credential":"phone","credential-id":"` + c.ID.String() + `","uid":"1000"}`
	want := []struct{ kind, details string }{
		{journal.Created, `{"addresses":"b@romashka.example\nc@romashka.example","name":"Б","registry":"org-1","uid":"1000"}`},
		{journal.Credential, `{"change":"added",` + about},
		{journal.Credential, `{"change":"revoked",` + about},
	}
	got := f.dir.journal[a.ID]
	if len(got) != len(want) {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	for i, w := range want {
		// In a canonical form the names are sorted.
		if got[i].Kind != w.kind || i == 0 && string(got[i].Details) != w.details {
			t.Errorf("entry %d: %s %s", i, got[i].Kind, got[i].Details)
		}
		d, err := journal.ParseDetails(got[i].Details)
		if err != nil || d["uid"] != "1000" || i > 0 && (d["credential"] != "phone" || d["credential-id"] != c.ID.String() || d["class"] != "archive") {
			t.Errorf("entry %d: %v, %v", i, d, err)
		}
	}
	if d, _ := journal.ParseDetails(got[2].Details); d["change"] != "revoked" {
		t.Errorf("last entry %v", d)
	}
}

func TestFindCredential(t *testing.T) {
	f := newFixture(t)
	old, _ := f.add(t, NewCredential{Name: "phone"})
	old, err := Revoke(t.Context(), f.dir, old, nil, start)
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) (mailstore.Credential, error) {
		return FindCredential(t.Context(), f.dir, f.acct.ID, name)
	}
	if c, err := find("phone"); err != nil || c.ID != old.ID {
		t.Errorf("revoked: %v, %v", c, err)
	}
	live, _ := f.add(t, NewCredential{Name: "phone"})
	for _, name := range []string{"phone", live.ID.String()} {
		if c, err := find(name); err != nil || c.ID != live.ID {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if c, err := find(old.ID.String()); err != nil || c.ID != old.ID {
		t.Errorf("revoked, by id: %v, %v", c, err)
	}
	f.add(t, NewCredential{Name: "phone"})
	if _, err := find("phone"); !errors.Is(err, ErrInvalid) {
		t.Errorf("two of a name: %v", err)
	}
	if _, err := find("tablet"); !errors.Is(err, ErrNoCredential) {
		t.Errorf("none of a name: %v", err)
	}
}
