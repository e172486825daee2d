package session

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

// Grace is how long a session that was kicked may go on with what it is at: a
// command, or a message on its way. Then its connection is cut.
const Grace = 5 * time.Second

// Limits bound the connections of one table; 0 is no limit.
type Limits struct {
	Connections int // in all
	PerAddress  int // of one client address
}

// Filter names sessions: those that all its fields fit. The zero one names
// none.
type Filter struct {
	IDs        []string     // one of these
	Account    mailstore.ID // that is logged in
	Credential mailstore.ID // that it was done with
	Name       string       // of that credential

	Why Reason // what they are told; Kicked when zero
}

// reason is why the sessions that the filter names end.
func (f Filter) reason() Reason { return cmp.Or(f.Why, Kicked) }

// matches reports whether the filter names a session.
func (f Filter) matches(i Info) bool {
	switch {
	case len(f.IDs) == 0 && !f.login():
		return false
	case len(f.IDs) > 0 && !slices.Contains(f.IDs, i.ID):
		return false
	case f.Account != (mailstore.ID{}) && f.Account != i.AccountID:
		return false
	case f.Credential != (mailstore.ID{}) && f.Credential != i.credential:
		return false
	}
	return f.Name == "" || f.Name == i.Credential
}

// login reports whether it depends on who is logged in.
func (f Filter) login() bool {
	return f.Account != (mailstore.ID{}) || f.Credential != (mailstore.ID{}) || f.Name != ""
}

// Table holds the sessions of one protocol. Safe for concurrent use.
type Table struct {
	protocol auth.Protocol

	mu        sync.Mutex
	sessions  map[string]*Session
	addresses map[netip.Addr]int
	accounts  map[mailstore.ID]int
	stopped   map[net.Listener]bool
}

// NewTable returns an empty table.
func NewTable(p auth.Protocol) *Table {
	return &Table{
		protocol: p, sessions: make(map[string]*Session), addresses: make(map[netip.Addr]int),
		accounts: make(map[mailstore.ID]int), stopped: make(map[net.Listener]bool),
	}
}

// Enter takes a connection of a listener in; false when there are too many.
// The caller binds it to its connection, and calls Leave at its end.
func (t *Table) Enter(l Limits, door net.Listener, remote net.Addr) (*Session, bool) {
	s := &Session{
		table: t, id: mailstore.NewID().String(), door: door, remote: addressOf(remote),
		since: time.Now(), over: make(chan struct{}),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.Connections > 0 && len(t.sessions) >= l.Connections || l.PerAddress > 0 && t.addresses[s.Remote()] >= l.PerAddress {
		return nil, false
	}
	t.sessions[s.id] = s
	t.addresses[s.Remote()]++
	if t.stopped[door] {
		s.ending = Closing
	}
	return s, true
}

// Address is the IP address of one end of a connection; the zero Addr when it
// has none.
func Address(a net.Addr) netip.Addr { return addressOf(a).Addr() }

func addressOf(a net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// Stop lets the sessions of a listener end before their next command, and
// those that still come.
func (t *Table) Stop(door net.Listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped[door] = true
	for _, s := range t.sessions {
		if s.door == door {
			s.end(Closing)
		}
	}
}

// Cut cuts the connections of a listener.
func (t *Table) Cut(door net.Listener) {
	for _, s := range t.find(func(s *Session) bool { return s.door == door }) {
		s.cut()
	}
}

// Forget drops what is known of a listener that is done.
func (t *Table) Forget(door net.Listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.stopped, door)
}

// find returns the sessions that fit.
func (t *Table) find(fits func(*Session) bool) (found []*Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		if fits(s) {
			found = append(found, s)
		}
	}
	return found
}

// List shows every session, the oldest first.
func (t *Table) List() []Info {
	t.mu.Lock()
	out := make([]Info, 0, len(t.sessions))
	for _, s := range t.sessions {
		out = append(out, s.info())
	}
	t.mu.Unlock()
	return inOrder(out)
}

func inOrder(all []Info) []Info {
	slices.SortFunc(all, func(a, b Info) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Kick ends the sessions that a filter names and returns how many there were.
// Each ends before its next command, or is cut after Grace, and Kick waits for
// that. When ctx ends it waits no longer; the sessions end all the same.
// Clients whose login is being checked are kicked if it succeeds and the
// filter names them then; these are not counted. So an account that was
// disabled, or a credential revoked, before Kick has no session after it.
func (t *Table) Kick(ctx context.Context, f Filter) int {
	found := t.find(func(s *Session) bool {
		if s.pending && f.login() {
			s.against = append(s.against, f)
		}
		fits := f.matches(s.info())
		if fits {
			s.kick(f.reason())
		}
		return fits
	})
	for _, s := range found {
		select {
		case <-s.over:
		case <-ctx.Done():
			return len(found)
		}
	}
	return len(found)
}

// Tables are the tables of several protocols as one.
type Tables []*Table

// List shows every session, the oldest first.
func (ts Tables) List() []Info {
	out := []Info{}
	for _, t := range ts {
		out = append(out, t.List()...)
	}
	return inOrder(out)
}

// Kick is Table.Kick on all of them at once.
func (ts Tables) Kick(ctx context.Context, f Filter) int {
	counts := make([]int, len(ts))
	var all sync.WaitGroup
	for i, t := range ts {
		all.Go(func() { counts[i] = t.Kick(ctx, f) })
	}
	all.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
