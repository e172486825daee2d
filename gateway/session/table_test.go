package session

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

// client is a connection that notes how it is ended. obliging ones leave when
// they are told to.
type client struct {
	session  *Session
	obliging bool

	mu    sync.Mutex
	told  []Reason
	cut   bool
	leave sync.WaitGroup
}

func (c *client) End(why Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, why)
	if c.obliging {
		c.leave.Go(c.session.Leave)
	}
}

func (c *client) Cut() {
	c.mu.Lock()
	c.cut = true
	c.mu.Unlock()
	c.session.Leave()
}

func (c *client) fate() (told []Reason, cut bool) {
	c.leave.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told), c.cut
}

// door is a listener that is only a name.
type door struct {
	net.Listener
	address string
}

func (d *door) Addr() net.Addr { return address(d.address) }

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

func enter(t *testing.T, table *Table, d net.Listener, remote string, obliging bool) *client {
	t.Helper()
	s, ok := table.Enter(Limits{}, d, address(remote))
	if !ok {
		t.Fatal("refused without limits")
	}
	c := &client{session: s, obliging: obliging}
	s.Bind(c)
	return c
}

func identity(address, credential string) auth.Identity {
	return auth.Identity{
		Account: mailstore.Account{ID: mailstore.NewID(), Addresses: []string{address}}, Credential: mailstore.NewID(),
		Name: credential, Class: auth.Person,
	}
}

func ids(all []Info) (out []string) {
	for _, i := range all {
		out = append(out, i.ID)
	}
	return out
}

// The limits count all connections and those of one address, whatever its
// spelling, and places are given back once.
func TestLimits(t *testing.T) {
	table, d := NewTable(auth.IMAP), &door{address: "127.0.0.1:143"}
	l := Limits{Connections: 3, PerAddress: 2}
	var in []*Session
	for _, step := range []struct {
		remote string
		ok     bool
	}{
		{"192.0.2.1:1", true}, {"[::ffff:192.0.2.1]:2", true}, {"192.0.2.1:3", false}, {"192.0.2.2:4", true}, {"192.0.2.3:5", false},
	} {
		s, ok := table.Enter(l, d, address(step.remote))
		if ok != step.ok {
			t.Fatalf("%s: %t", step.remote, ok)
		}
		if ok {
			in = append(in, s)
		}
	}
	in[0].Leave()
	in[0].Leave()
	if _, ok := table.Enter(l, d, address("192.0.2.3:6")); !ok {
		t.Error("the place was not given back")
	}
	if _, ok := table.Enter(l, d, address("192.0.2.4:7")); ok {
		t.Error("one place was given back twice")
	}
}

// Sessions of an account are counted from the login on.
func TestLimitPerAccount(t *testing.T) {
	table, d := NewTable(auth.IMAP), &door{address: "127.0.0.1:143"}
	who := identity("a@a.example", "laptop")
	first, second := enter(t, table, d, "192.0.2.1:1", true), enter(t, table, d, "192.0.2.1:2", true)
	if !first.session.Login(1, who) || second.session.Login(1, who) {
		t.Fatal("want one session of the account")
	}
	if got := table.List()[1]; got.Account != "" || got.AccountID != (mailstore.ID{}) {
		t.Errorf("the refused login shows %+v", got)
	}
	first.session.Leave()
	if !second.session.Login(1, who) {
		t.Error("the place was not given back")
	}
	second.session.Login(0, identity("b@a.example", "laptop")) // instead
	third := enter(t, table, d, "192.0.2.1:3", true)
	if !third.session.Login(1, who) {
		t.Error("the place was not given back by another login")
	}
	second.session.Leave()
	third.session.Leave()
	if len(table.accounts) != 0 || len(table.addresses) != 0 {
		t.Errorf("still counted: %v, %v", table.accounts, table.addresses)
	}
}

// A list says what is known of each session, the oldest first, and never the
// mailbox.
func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		smtp, imap := NewTable(auth.Submission), NewTable(auth.IMAP)
		d := &door{address: "127.0.0.1:993"}
		begin := time.Now()
		c := enter(t, imap, d, "192.0.2.1:77", false)
		time.Sleep(time.Second)
		enter(t, smtp, d, "192.0.2.2:78", false)
		who := identity("a@a.example", "laptop")
		s := c.session
		s.Secured(tls.VersionTLS13)
		s.Login(0, who)
		s.Command()
		s.Received(7)
		s.Sent(9)
		all := Tables{smtp, imap}.List()
		want := Info{
			ID: s.ID(), Protocol: auth.IMAP, Listener: "127.0.0.1:993", Remote: "192.0.2.1:77", TLS: "TLS 1.3",
			AccountID: who.Account.ID, Account: "a@a.example", Credential: "laptop", Class: auth.Person, credential: who.Credential,
			Since: begin.UTC(), Command: time.Now().UTC(), State: Busy, Received: 7, Sent: 9,
		}
		if len(all) != 2 || all[0] != want {
			t.Errorf("got\n%+v\nwant first\n%+v", all, want)
		}
		for idling, state := range map[bool]State{true: Idling, false: Waiting} {
			if s.Wait(idling); imap.List()[0].State != state {
				t.Errorf("state %s, want %s", imap.List()[0].State, state)
			}
		}
		if all[1].State != Waiting || !all[1].Command.IsZero() || all[1].TLS != "" {
			t.Errorf("a session that said nothing shows %+v", all[1])
		}
	})
}

// Kick ends what its filter names and nothing else.
func TestKickFilters(t *testing.T) {
	table, d := NewTable(auth.IMAP), &door{address: "127.0.0.1:143"}
	one, two := identity("a@a.example", "laptop"), identity("b@a.example", "laptop")
	other := one
	other.Credential, other.Name = mailstore.NewID(), "phone"
	for name, test := range map[string]struct {
		filter func(id string) Filter
		want   []bool // of one, two, other and one without login
	}{
		"nothing":        {func(string) Filter { return Filter{} }, []bool{false, false, false, false}},
		"id":             {func(id string) Filter { return Filter{IDs: []string{"x", id}} }, []bool{true, false, false, false}},
		"account":        {func(string) Filter { return Filter{Account: one.Account.ID} }, []bool{true, false, true, false}},
		"credential":     {func(string) Filter { return Filter{Credential: two.Credential} }, []bool{false, true, false, false}},
		"name":           {func(string) Filter { return Filter{Name: "laptop"} }, []bool{true, true, false, false}},
		"account's name": {func(string) Filter { return Filter{Account: one.Account.ID, Name: "phone"} }, []bool{false, false, true, false}},
		"both":           {func(id string) Filter { return Filter{IDs: []string{id}, Name: "phone"} }, []bool{false, false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*client
			for i, who := range []auth.Identity{one, two, other, {}} {
				c := enter(t, table, d, fmt.Sprint("192.0.2.1:", i), true)
				if i < 3 {
					c.session.Login(0, who)
				}
				all = append(all, c)
			}
			n := 0
			for _, want := range test.want {
				if want {
					n++
				}
			}
			if got := table.Kick(t.Context(), test.filter(all[0].session.ID())); got != n {
				t.Errorf("kicked %d, want %d", got, n)
			}
			for i, want := range test.want {
				if told, cut := all[i].fate(); (len(told) == 1 && told[0] == Kicked) != want || cut {
					t.Errorf("session %d was told %v, cut %t", i, told, cut)
				}
				all[i].session.Leave()
			}
		})
	}
	if left := table.List(); len(left) != 0 {
		t.Errorf("left: %v", ids(left))
	}
}

// A session that does not end is cut after the grace, and Kick waits for that;
// a caller that does not wait changes nothing of it.
func TestKickCuts(t *testing.T) {
	for name, patience := range map[string]time.Duration{"waits": time.Hour, "does not": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table, d := NewTable(auth.IMAP), &door{address: "127.0.0.1:143"}
				stubborn, gone := enter(t, table, d, "192.0.2.1:1", false), enter(t, table, d, "192.0.2.1:2", true)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				begin := time.Now()
				n := table.Kick(ctx, Filter{IDs: []string{stubborn.session.ID(), gone.session.ID()}})
				if took := time.Since(begin); n != 2 || took != min(patience, Grace) {
					t.Errorf("kicked %d in %s", n, took)
				}
				if patience < Grace {
					if _, cut := stubborn.fate(); cut {
						t.Error("cut before its time")
					}
					if got := table.List(); len(got) != 1 || !got[0].Ending {
						t.Errorf("the list does not show that it ends: %+v", got)
					}
				}
				time.Sleep(Grace)
				synctest.Wait()
				if told, cut := stubborn.fate(); !cut || len(told) != 1 {
					t.Errorf("told %v, cut %t", told, cut)
				}
				if _, cut := gone.fate(); cut {
					t.Error("one that had ended was cut")
				}
			})
		})
	}
}

// Whoever is being let in while their account is kicked is kicked as well;
// somebody else, or a login that failed, is not.
func TestKickWhileLoggingIn(t *testing.T) {
	table, d := NewTable(auth.IMAP), &door{address: "127.0.0.1:143"}
	who, stranger := identity("a@a.example", "laptop"), identity("b@a.example", "laptop")
	var all []*client
	for i := range 3 {
		c := enter(t, table, d, fmt.Sprint("192.0.2.1:", i), true)
		c.session.Authenticating()
		all = append(all, c)
	}
	if n := table.Kick(t.Context(), Filter{Account: who.Account.ID}); n != 0 {
		t.Errorf("kicked %d", n)
	}
	all[0].session.Login(0, who)
	all[1].session.Login(0, stranger)
	all[2].session.NotAuthenticated()
	all[2].session.Authenticating()
	all[2].session.Login(0, who) // a new check, after the kick
	for i, want := range []int{1, 0, 0} {
		if told, _ := all[i].fate(); len(told) != want {
			t.Errorf("session %d was told %v", i, told)
		}
	}
}

// A listener that stops ends its own sessions, those that enter or are bound
// later too, until it is forgotten.
func TestStop(t *testing.T) {
	table, d, other := NewTable(auth.Submission), &door{address: "127.0.0.1:1"}, &door{address: "127.0.0.1:2"}
	early, stays := enter(t, table, d, "192.0.2.1:1", false), enter(t, table, other, "192.0.2.1:2", false)
	table.Stop(d)
	late := enter(t, table, d, "192.0.2.1:3", false)
	if early.session.Bind(early) {
		t.Error("bound to a listener that stops")
	}
	for name, test := range map[string]struct {
		c    *client
		want []Reason
	}{"early": {early, []Reason{Closing, Closing}}, "late": {late, []Reason{Closing}}, "of another": {stays, nil}} {
		if told, cut := test.c.fate(); !slices.Equal(told, test.want) || cut {
			t.Errorf("%s: told %v, cut %t", name, told, cut)
		}
	}
	table.Cut(d)
	for _, c := range []*client{early, late} {
		if _, cut := c.fate(); !cut {
			t.Error("not cut")
		}
	}
	table.Forget(d)
	if got := table.List(); len(got) != 1 || len(table.stopped) != 0 {
		t.Errorf("left: %v, %v", ids(got), table.stopped)
	}
}
