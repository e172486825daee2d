// Package session is the table of the sessions that clients have open: how
// many there are, whose, since when, and how they are ended.
//
// It owns the counting of connections against their limits, and the order in
// which sessions end when a listener stops or the operator wants them gone. It
// knows no protocol: how a client is told is its adapter's, behind Conn. It
// keeps nothing of what a client does: no mailbox, no letter, no command.
package session

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

// Reason says why a session ends.
type Reason uint8

// The reasons.
const (
	Closing Reason = iota + 1 // the listener stops
	Kicked                    // the operator ended it
	Blocked                   // its account was blocked
	Revoked                   // the credential that it was opened with was revoked
)

// Conn is what an adapter lets be done to a connection.
type Conn interface {
	// End lets the session end before its next command, at once when it waits
	// for one. It is called with the table locked: it does not wait, and does
	// not use the table. It may be called again.
	End(Reason)
	// Cut closes the connection below TLS, whatever it is at; what the session
	// has begun in the store is not touched. It may be called again, and after
	// the end.
	Cut()
}

// State is what a session is at.
type State string

// The states.
const (
	Busy    State = "busy"    // it works on a command, or takes a message in
	Waiting State = "waiting" // for the client's next command
	Idling  State = "idle"    // the client asked to be told of changes (RFC 2177)
)

// states are what Session.state holds, by index.
var states = []State{Waiting, Idling, Busy}

// Session is one connection in the table, from its first octet to its last,
// STARTTLS included. Its methods are safe for concurrent use; those that count
// and mark take no lock.
type Session struct {
	table  *Table
	id     string
	door   net.Listener
	remote netip.AddrPort
	since  time.Time

	state     atomic.Int32 // index into states
	last      atomic.Int64 // command, Unix time in ns; 0 before the first
	sent, got atomic.Int64 // octets

	// The rest is under the table's lock.
	conn    Conn // nil before Bind
	version uint16
	who     *auth.Identity // nil before the login
	pending bool           // a login is being checked
	against []Filter       // who was kicked meanwhile
	ending  Reason         // 0 while it goes on
	late    *time.Timer    // cuts it, once it is kicked
	over    chan struct{}  // closed when it is gone or cut
	ended   bool           // over is closed
}

// Info is what the operator is shown of a session. The mailbox that a client
// has selected is no part of it: its name is secret (it is encrypted on the
// disk), and nothing that an operator decides here depends on it.
type Info struct {
	ID         string        `json:"id"`
	Protocol   auth.Protocol `json:"protocol"`
	Listener   string        `json:"listener"` // address
	Remote     string        `json:"remote"`   // address and port
	TLS        string        `json:"tls,omitempty"`
	AccountID  mailstore.ID  `json:"account_id,omitzero"`
	Account    string        `json:"account,omitempty"` // main address, as of the login
	Credential string        `json:"credential,omitempty"`
	Class      auth.Class    `json:"class,omitempty"`
	Since      time.Time     `json:"since"`
	Command    time.Time     `json:"last_command,omitzero"` // when the last one came
	State      State         `json:"state"`
	Ending     bool          `json:"ending,omitempty"` // it was told to end
	Received   int64         `json:"received"`         // octets, without TLS
	Sent       int64         `json:"sent"`

	credential mailstore.ID
}

// ID names the session, in logs too.
func (s *Session) ID() string { return s.id }

// Remote is the client's address.
func (s *Session) Remote() netip.Addr { return s.remote.Addr() }

// Bind says how the session is ended from now on: by another connection after
// STARTTLS. False when it is ending already, which conn is told.
func (s *Session) Bind(conn Conn) bool {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.conn = conn
	if s.ending != 0 {
		conn.End(s.ending)
	}
	return s.ending == 0
}

// Secured notes the version of TLS.
func (s *Session) Secured(version uint16) {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.version = version
}

// Command notes that a command came, which the session works on.
func (s *Session) Command() {
	s.last.Store(time.Now().UnixNano())
	s.state.Store(2)
}

// Wait notes that the session waits for its client, idling or not.
func (s *Session) Wait(idling bool) {
	if idling {
		s.state.Store(1)
		return
	}
	s.state.Store(0)
}

// Received counts octets of the client.
func (s *Session) Received(n int) { s.got.Add(int64(n)) }

// Sent counts octets for the client.
func (s *Session) Sent(n int) { s.sent.Add(int64(n)) }

// Authenticating notes that a login is being checked: who it is will be known
// only then, and may be kicked until then.
func (s *Session) Authenticating() {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.pending, s.against = true, nil
}

// NotAuthenticated notes that the login failed.
func (s *Session) NotAuthenticated() {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.pending, s.against = false, nil
}

// Login notes who logged in; false when the account has perAccount sessions
// already, 0 being no limit. Who was kicked while the login was being checked
// is kicked now.
func (s *Session) Login(perAccount int, who auth.Identity) bool {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	against := s.against
	s.pending, s.against = false, nil
	if perAccount > 0 && s.table.accounts[who.Account.ID] >= perAccount {
		return false
	}
	s.logout()
	s.table.accounts[who.Account.ID]++
	s.who = &who
	if i := slices.IndexFunc(against, func(f Filter) bool { return f.matches(s.info()) }); i >= 0 {
		s.kick(against[i].reason())
	}
	return true
}

// Leave gives the session's places back. It may be called again.
func (s *Session) Leave() {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	if s.table.sessions[s.id] != s {
		return
	}
	delete(s.table.sessions, s.id)
	release(s.table.addresses, s.Remote())
	s.logout()
	if s.late != nil {
		s.late.Stop()
	}
	s.finish()
}

func release[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// The methods below are called with the table locked.

// logout gives the place of the account back.
func (s *Session) logout() {
	if s.who != nil {
		release(s.table.accounts, s.who.Account.ID)
		s.who = nil
	}
}

// end tells the connection; the first reason stands.
func (s *Session) end(why Reason) {
	if s.ending != 0 {
		return
	}
	s.ending = why
	if s.conn != nil {
		s.conn.End(why)
	}
}

// kick ends the session, and cuts it when that takes long.
func (s *Session) kick(why Reason) {
	s.end(why)
	if s.late == nil {
		s.late = time.AfterFunc(Grace, s.cut)
	}
}

// cut is called without the lock. Who waits for the end is let go when the
// connection is closed.
func (s *Session) cut() {
	s.table.mu.Lock()
	conn := s.conn
	s.table.mu.Unlock()
	if conn != nil {
		conn.Cut()
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.finish()
}

// finish lets go who waits for the end.
func (s *Session) finish() {
	if !s.ended {
		s.ended = true
		close(s.over)
	}
}

// info describes the session.
func (s *Session) info() Info {
	i := Info{
		ID: s.id, Protocol: s.table.protocol, Listener: s.door.Addr().String(), Remote: s.remote.String(),
		Since: s.since.UTC(), State: states[s.state.Load()], Ending: s.ending != 0,
		Received: s.got.Load(), Sent: s.sent.Load(),
	}
	if at := s.last.Load(); at != 0 {
		i.Command = time.Unix(0, at).UTC()
	}
	if s.version != 0 {
		i.TLS = tls.VersionName(s.version)
	}
	if w := s.who; w != nil {
		i.AccountID, i.Credential, i.Class, i.credential = w.Account.ID, w.Name, w.Class, w.Credential
		if len(w.Account.Addresses) > 0 {
			i.Account = w.Account.Addresses[0]
		}
	}
	return i
}
