// Package imapd is the IMAP face of a mail store: IMAP4rev1 (RFC 3501), and
// IMAP4rev2 (RFC 9051) for who enables it, with the extensions that
// capability.go lists, over the contract of package mailstore.
//
// It owns the protocol: sessions, their view of a mailbox, what is sent when.
// Tokens and encoding are package wire's. It keeps no state of its own: what
// must last is in the store, what a client was told lives with its
// connection, and correctness never depends on memory shared between
// sessions. It knows no letter: where letters want to know of a change it asks
// Mailroom, inside the same Update.
//
// A session never holds a store transaction while it writes to its client:
// rows are gathered in slices of bounded size, bodies are streamed from the
// body store to the socket.
package imapd

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/imapd/wire"
	sessions "gosbridge/gateway/session"
	"gosbridge/mailstore"
)

// Authenticator decides who may come in. It is safe for concurrent use.
type Authenticator interface {
	// Plain checks a user name and a password (RFC 4616). authzid is empty or
	// the address to act as. Any error is answered as a failed login, unless
	// the context ended.
	Plain(ctx context.Context, from auth.Client, authzid, user, pass string) (auth.Identity, error)
}

// Mailroom is told of what sessions do to messages, inside the Update that
// does it. Its methods must be pure on tx: the Update may run more than once.
// An error refuses the client's command and keeps nothing of it. Owns is
// called outside Updates too and from many sessions at once.
type Mailroom interface {
	// Owns reports whether a keyword belongs to letters: clients see it and
	// neither set nor clear it.
	Owns(keyword string) bool
	// OnFlags is called when \Seen went from unset to set on newSeen.
	OnFlags(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, newSeen mailstore.UIDSet) error
	// OnAppend is called before APPEND adds m to box, and may give m keys to be
	// found by. Where a message of box is already what m is, it has seen to
	// that one's flags and returns its UID, and m is not added; else 0.
	OnAppend(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, m *mailstore.NewMessage) (mailstore.UID, error)
	// OnArrive is called after APPEND, COPY or MOVE added uids to box.
	OnArrive(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error
	// OnLeave is called before MOVE takes uids away from box.
	OnLeave(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error
	// OnExpunge is called before EXPUNGE removes uids from box.
	OnExpunge(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error
	// OnDelete is called before DELETE removes box with its messages, of which
	// there may be any number.
	OnDelete(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox) error
}

// NoMailroom is a Mailroom that owns no keyword and cares for nothing.
type NoMailroom struct{}

// Owns reports false.
func (NoMailroom) Owns(string) bool { return false }

// OnFlags does nothing.
func (NoMailroom) OnFlags(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, mailstore.UIDSet) error {
	return nil
}

// OnAppend knows no message.
func (NoMailroom) OnAppend(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, *mailstore.NewMessage) (mailstore.UID, error) {
	return 0, nil
}

// OnArrive does nothing.
func (NoMailroom) OnArrive(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, mailstore.UIDSet) error {
	return nil
}

// OnLeave does nothing.
func (NoMailroom) OnLeave(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, mailstore.UIDSet) error {
	return nil
}

// OnExpunge does nothing.
func (NoMailroom) OnExpunge(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, mailstore.UIDSet) error {
	return nil
}

// OnDelete does nothing.
func (NoMailroom) OnDelete(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox) error { return nil }

// Server serves IMAP on any number of listeners. It is safe for concurrent
// use.
type Server struct {
	cfg     atomic.Pointer[Config]
	store   mailstore.Store
	auth    Authenticator
	room    Mailroom
	log     *slog.Logger
	conns   *sessions.Table
	buffers wire.Buffers
	// searches has room for those that may look into messages at once.
	searches chan struct{}
}

// New makes a server. A nil room is NoMailroom, a nil logger discards. The
// error is about the config.
func New(cfg Config, store mailstore.Store, a Authenticator, room Mailroom, logger *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if room == nil {
		room = NoMailroom{}
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		store:    store,
		auth:     a,
		room:     room,
		log:      logger,
		conns:    sessions.NewTable(auth.IMAP),
		searches: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	s.cfg.Store(&cfg)
	return s, nil
}

// Reconfigure puts other limits in force, for the connections that come from
// now on: one that is open keeps those that it was told of. The time to drain
// is that of the moment when Serve ends.
func (s *Server) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	s.cfg.Store(&cfg)
	return nil
}

// Sessions are those that are open, of all listeners.
func (s *Server) Sessions() *sessions.Table { return s.conns }
