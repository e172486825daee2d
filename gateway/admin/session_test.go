package admin_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/session"
	"gosbridge/mailstore"
)

// room is Sessions in memory.
type room struct {
	all    []session.Info
	kicked []session.Filter
}

func (r *room) List() []session.Info { return slices.Clone(r.all) }

func (r *room) Kick(_ context.Context, f session.Filter) int {
	r.kicked = append(r.kicked, f)
	n := 0
	for _, i := range r.all {
		if slices.Contains(f.IDs, i.ID) || f.Account != (mailstore.ID{}) && f.Account == i.AccountID {
			n++
		}
	}
	return n
}

// Sessions are listed and kicked by id, by any address of an account, and by
// the name of a credential.
func TestSessions(t *testing.T) {
	sessions := &room{}
	r := newRigWith(t, sessions)
	var a admin.Account
	add := admin.AccountAdd{Addresses: []string{"a@romashka.example", "b@romashka.example"}, Registry: "romashka"}
	if err := r.Call(t.Context(), admin.OpAccountAdd, add, &a); err != nil {
		t.Fatal(err)
	}
	sessions.all = []session.Info{
		{ID: "one", AccountID: a.ID, Account: "a@romashka.example", Credential: "laptop", State: session.Idling, TLS: "TLS 1.3", Sent: 5}, {ID: "two"},
	}
	client := r.serve(t)
	for name, test := range map[string]struct {
		in   admin.SessionList
		want []string
		err  error
	}{
		"all":        {admin.SessionList{}, []string{"one", "two"}, nil},
		"of account": {admin.SessionList{Account: "B@romashka.example"}, []string{"one"}, nil},
		"nobody":     {admin.SessionList{Account: "x@romashka.example"}, nil, admin.ErrNotFound},
	} {
		var got []session.Info
		err := client.Call(t.Context(), admin.OpSessionList, test.in, &got)
		var ids []string
		for _, i := range got {
			ids = append(ids, i.ID)
		}
		if !errors.Is(err, test.err) || !slices.Equal(ids, test.want) {
			t.Errorf("%s: %v, %v", name, ids, err)
		}
		if len(got) > 0 && !reflect.DeepEqual(got[0], sessions.all[0]) {
			t.Errorf("%s: %+v came as %+v", name, sessions.all[0], got[0])
		}
	}
	checkKicks(t, client, sessions, a)
}

// checkKicks asks for kicks and looks what is made of them; a is the account
// of the first session.
func checkKicks(t *testing.T, client *admin.Client, sessions *room, a admin.Account) {
	t.Helper()
	for name, test := range map[string]struct {
		in     admin.SessionKick
		n      int
		filter session.Filter
		err    error
	}{
		"id":         {admin.SessionKick{IDs: []string{"two", "gone"}}, 1, session.Filter{IDs: []string{"two", "gone"}}, nil},
		"gone":       {admin.SessionKick{IDs: []string{"gone"}}, 0, session.Filter{IDs: []string{"gone"}}, admin.ErrNotFound},
		"account":    {admin.SessionKick{Account: "b@romashka.example"}, 1, session.Filter{Account: a.ID}, nil},
		"credential": {admin.SessionKick{Account: "b@romashka.example", Credential: "laptop"}, 1, session.Filter{Account: a.ID, Name: "laptop"}, nil},
		"no session": {admin.SessionKick{Credential: "phone"}, 0, session.Filter{Name: "phone"}, nil},
		"nobody":     {admin.SessionKick{Account: "x@romashka.example"}, 0, session.Filter{}, admin.ErrNotFound},
		"nothing":    {admin.SessionKick{}, 0, session.Filter{}, admin.ErrInvalid},
	} {
		sessions.kicked = nil
		var got admin.SessionKicked
		err := client.Call(t.Context(), admin.OpSessionKick, test.in, &got)
		if !errors.Is(err, test.err) || err == nil && got.Sessions != test.n {
			t.Errorf("%s: %d, %v", name, got.Sessions, err)
		}
		switch asked := !reflect.DeepEqual(test.filter, session.Filter{}); {
		case asked && (len(sessions.kicked) != 1 || !reflect.DeepEqual(sessions.kicked[0], test.filter)):
			t.Errorf("%s: kicked %+v", name, sessions.kicked)
		case !asked && len(sessions.kicked) != 0:
			t.Errorf("%s: kicked %+v", name, sessions.kicked)
		}
	}
}

// A stopped gateway has no sessions, and none to end.
func TestSessionsAlone(t *testing.T) {
	r := newRig(t)
	got := []session.Info{{}}
	if err := r.Call(t.Context(), admin.OpSessionList, admin.SessionList{}, &got); err != nil || got == nil || len(got) != 0 {
		t.Errorf("list: %v, %v", got, err)
	}
	err := r.Call(t.Context(), admin.OpSessionKick, admin.SessionKick{IDs: []string{"x"}}, &admin.SessionKicked{})
	if !errors.Is(err, admin.ErrNotServing) {
		t.Errorf("kick: %v", err)
	}
}
