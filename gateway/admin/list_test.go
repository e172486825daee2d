package admin_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/session"
	"gosbridge/mailstore"
)

// account makes an account of the rig's organisation.
func (r *rig) account(t *testing.T, address string) admin.Account {
	t.Helper()
	var a admin.Account
	add := admin.AccountAdd{Addresses: []string{address}, Name: "A", Registry: "romashka"}
	if err := r.Call(t.Context(), admin.OpAccountAdd, add, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// credential makes a credential.
func (r *rig) credential(t *testing.T, address, name string) admin.NewCredential {
	t.Helper()
	var c admin.NewCredential
	if err := r.Call(t.Context(), admin.OpCredentialAdd, admin.CredentialAdd{Account: address, Name: name}, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// An account that cannot be shown any more is blocked all the same, with its
// sessions.
func TestDisableDamaged(t *testing.T) {
	sessions := &room{}
	r := newRigWith(t, sessions)
	a := r.account(t, "a@romashka.example")
	err := r.store.Update(t.Context(), a.ID, func(tx mailstore.UpdateTx) error {
		have, err := tx.Account()
		if err != nil {
			return err
		}
		have.Data = []byte("{")
		return tx.PutAccount(have)
	})
	if err != nil {
		t.Fatal(err)
	}
	var shown admin.Account
	if err := r.Call(t.Context(), admin.OpAccountDisable, admin.AccountName{Account: "a@romashka.example"}, &shown); err == nil {
		t.Error("it could be shown")
	}
	if want := []session.Filter{{Account: a.ID, Why: session.Blocked}}; !reflect.DeepEqual(sessions.kicked, want) {
		t.Errorf("ended %+v, want %+v", sessions.kicked, want)
	}
	if have, err := r.store.Directory().Account(t.Context(), a.ID); err != nil || !have.Disabled {
		t.Errorf("blocked: %t, %v", have.Disabled, err)
	}
}

// Credentials are listed with all but their secret; what is revoked or blocked
// ends the sessions of just that.
func TestCredentials(t *testing.T) {
	sessions := &room{}
	r := newRigWith(t, sessions)
	a, b := r.account(t, "a@romashka.example"), r.account(t, "b@romashka.example")
	phone := r.credential(t, "a@romashka.example", "phone")
	r.credential(t, "b@romashka.example", "laptop")
	c := r.serve(t)
	var got admin.AccountCredential
	for range 2 { // to be sure
		if err := c.Call(t.Context(), admin.OpCredentialRevoke, admin.CredentialName{Account: "a@romashka.example", Credential: "phone"}, &got); err != nil {
			t.Fatal(err)
		}
	}
	if !got.Revoked || got.ID != phone.ID {
		t.Errorf("revoked %+v", got)
	}
	for _, disabled := range []bool{true, false} {
		var shown admin.Account
		op := admin.OpAccountEnable
		if disabled {
			op = admin.OpAccountDisable
		}
		if err := c.Call(t.Context(), op, admin.AccountName{Account: "b@romashka.example"}, &shown); err != nil {
			t.Fatal(err)
		}
		if shown.Disabled != disabled || shown.ID != b.ID {
			t.Errorf("blocked: %t, %+v", disabled, shown)
		}
	}
	revoked := session.Filter{Account: a.ID, Credential: phone.ID, Why: session.Revoked}
	want := []session.Filter{revoked, revoked, {Account: b.ID, Why: session.Blocked}}
	if !reflect.DeepEqual(sessions.kicked, want) {
		t.Errorf("ended %+v, want %+v", sessions.kicked, want)
	}
	for account, want := range map[string]string{"": "a phone true b laptop false", "a@romashka.example": "a phone true"} {
		var list []admin.AccountCredential
		if err := c.Call(t.Context(), admin.OpCredentialList, admin.CredentialList{Account: account}, &list); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range list {
			got = append(got, strings.TrimSuffix(c.Account, "@romashka.example"), c.Name, fmt.Sprint(c.Revoked))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("credentials of %q: %q", account, got)
		}
	}
}

// A caller who goes away in the middle leaves neither a blocked account nor a
// revoked credential with sessions.
func TestSessionsEndWithoutCaller(t *testing.T) {
	for op, in := range map[string]any{
		admin.OpAccountDisable:   admin.AccountName{Account: "a@romashka.example"},
		admin.OpCredentialRevoke: admin.CredentialName{Account: "a@romashka.example", Credential: "phone"},
	} {
		sessions := &room{}
		r := newRigWith(t, sessions)
		r.account(t, "a@romashka.example")
		r.credential(t, "a@romashka.example", "phone")
		ctx, cancel := context.WithCancel(t.Context())
		r.asked = cancel
		if err := r.Call(ctx, op, in, new(any)); err != nil || ctx.Err() == nil || len(sessions.kicked) != 1 {
			t.Errorf("%s: ended %v, %v", op, sessions.kicked, err)
		}
	}
}

// The account's own password is checked and set, and shown as being there.
func TestAccountPassword(t *testing.T) {
	r := newRig(t)
	if r.account(t, "a@romashka.example").Password {
		t.Error("a new account has a password")
	}
	var a admin.Account
	if err := r.serve(t).Call(t.Context(), admin.OpAccountPassword, admin.AccountPassword{Account: "a@romashka.example", Password: "Passw0rd!"}, &a); err != nil {
		t.Fatal(err)
	}
	if !a.Password {
		t.Errorf("account %+v", a)
	}
}

func TestRegistryListAndSearch(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		in   admin.RegistryList
		want int
	}{{admin.RegistryList{}, 1}, {admin.RegistryList{Kind: "organisation", Status: "active"}, 1}, {admin.RegistryList{Kind: "body"}, 0}, {admin.RegistryList{Status: "left"}, 0}} {
		var got admin.RegistryShown
		if err := r.Call(t.Context(), admin.OpRegistryList, test.in, &got); err != nil || len(got.Entries) != test.want || len(got.SHA256) != 64 {
			t.Errorf("%+v: %+v, %v", test.in, got, err)
		}
	}
	for text, want := range map[string]int{"АО": 1, "7707083893": 1, "info@": 1, "nobody": 0} {
		var got admin.RegistryFound
		if err := r.Call(t.Context(), admin.OpRegistrySearch, admin.RegistrySearch{Text: text, Limit: 1}, &got); err != nil || len(got.Entries) != want || got.More {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// A shell is offered what there is, and not too much of it.
func TestComplete(t *testing.T) {
	r := newRig(t)
	for i := range 60 {
		r.account(t, fmt.Sprintf("u%02d@romashka.example", i))
	}
	for _, name := range []string{"phone", "laptop", "twice", "twice", "gone"} {
		r.credential(t, "u00@romashka.example", name)
	}
	if err := r.Call(t.Context(), admin.OpCredentialRevoke, admin.CredentialName{Account: "u00@romashka.example", Credential: "gone"}, new(any)); err != nil {
		t.Fatal(err)
	}
	c := r.serve(t)
	words := func(in admin.Complete) (words []string) {
		t.Helper()
		if err := c.Call(t.Context(), admin.OpComplete, in, &words); err != nil {
			t.Fatal(err)
		}
		return words
	}
	for _, test := range []struct {
		in   admin.Complete
		want int
	}{
		{admin.Complete{Kind: "account"}, 50}, {admin.Complete{Kind: "account", Prefix: "u5"}, 10}, {admin.Complete{Kind: "account", Prefix: "x"}, 0},
		{admin.Complete{Kind: "credential", Account: "u00@romashka.example"}, 4}, {admin.Complete{Kind: "credential", Account: "u01@romashka.example"}, 0},
		{admin.Complete{Kind: "entry"}, 1}, {admin.Complete{Kind: "entry", Prefix: "v"}, 0}, {admin.Complete{Kind: "letter"}, 0},
		{admin.Complete{Kind: "type", Prefix: "registered"}, 2}, {admin.Complete{Kind: "type", Prefix: "x"}, 0},
	} {
		if got := words(test.in); len(got) != test.want {
			t.Errorf("%+v: %d words %q", test.in, len(got), got)
		}
	}
	if got := words(admin.Complete{Kind: "credential", Account: "u00@romashka.example", Prefix: "p"}); !slices.Equal(got, []string{"phone"}) {
		t.Errorf("credentials: %q", got)
	}
}

// Who logged in when is told.
func TestLastUse(t *testing.T) {
	r := newRig(t)
	r.account(t, "a@romashka.example")
	c := r.credential(t, "a@romashka.example", "phone")
	a := r.account(t, "b@romashka.example")
	at := time.Now().Add(-time.Hour).UTC()
	var list []admin.AccountCredential
	if err := r.store.Directory().CredentialUsed(t.Context(), a.ID, c.ID, at); err != nil { // not theirs
		t.Fatal(err)
	}
	for _, want := range []time.Time{{}, at} {
		if err := r.Call(t.Context(), admin.OpCredentialList, admin.CredentialList{Account: "a@romashka.example"}, &list); err != nil {
			t.Fatal(err)
		}
		if !list[0].Used.Equal(want) {
			t.Errorf("last use %s, want %s", list[0].Used, want)
		}
		owner, err := r.store.Directory().AccountByAddress(t.Context(), "a@romashka.example")
		if err == nil {
			err = r.store.Directory().CredentialUsed(t.Context(), owner.ID, c.ID, at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
