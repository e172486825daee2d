package imapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/imapd/wire"
	sessions "gosbridge/gateway/session"
	"gosbridge/mailstore"
)

// session is one connection. Its goroutine owns everything in it; while IDLE
// waits, the pusher owns view and writer (idle.go).
type session struct {
	srv    *Server
	cfg    *Config         // of when it began
	ctx    context.Context // ends when the time to drain is over
	entry  *sessions.Session
	remote netip.Addr
	mode   Mode
	tls    *tls.Config
	log    *slog.Logger
	id     string

	st *stream
	r  *wire.Reader
	w  *wire.Writer

	secure     bool
	bye        bool // LOGOUT was answered
	pushing    bool // the pusher owns the writer
	failures   int
	who        *auth.Identity // nil before the login
	view       *view          // nil when no mailbox is selected
	condstore  bool           // RFC 7162 §3.1: the client knows MODSEQ
	utf8Accept bool           // RFC 6855: the client takes UTF-8
	rev2       bool           // the client speaks IMAP4rev2 (RFC 9051)
}

// serveConn runs one connection to its end.
func (s *Server) serveConn(ctx, work context.Context, ln net.Listener, conn net.Conn, mode Mode, config *tls.Config) {
	defer conn.Close()
	cfg := s.cfg.Load()
	limits := sessions.Limits{Connections: cfg.Connections, PerAddress: cfg.ConnectionsPerAddress}
	entry, ok := s.conns.Enter(limits, ln, conn.RemoteAddr())
	if !ok {
		s.log.Info("imap connection refused", "remote", sessions.Address(conn.RemoteAddr()), "reason", "too many from this address")
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		if mode.TLS != ImplicitTLS { // a BYE before the handshake would be noise
			io.WriteString(conn, "* BYE [LIMIT] too many connections from this address\r\n")
		}
		return
	}
	ses := s.newSession(work, cfg, entry, conn, mode, config)
	defer ses.end()
	if mode.TLS == ImplicitTLS {
		if err := ses.handshake(ctx); err != nil {
			ses.log.Info("imap handshake failed", "err", err)
			return
		}
	}
	ses.log.Debug("imap session begins")
	err := ses.run()
	ses.log.Debug("imap session ends", "err", err)
}

func (s *Server) newSession(work context.Context, cfg *Config, entry *sessions.Session, conn net.Conn, mode Mode, config *tls.Config) *session {
	ses := &session{srv: s, cfg: cfg, ctx: work, entry: entry, remote: entry.Remote(), mode: mode, tls: config, id: entry.ID()}
	ses.log = s.log.With("session", ses.id, "remote", ses.remote)
	ses.st = &stream{
		entry:        entry,
		readTimeout:  cfg.ReadTimeout,
		writeTimeout: cfg.WriteTimeout,
		conn:         conn,
		raw:          conn,
		gone:         make(chan struct{}),
		until:        time.Now().Add(cfg.LoginTimeout),
	}
	entry.Bind(ses.st) // a listener that stops says BYE
	ses.w = wire.NewWriter(ses.st, &s.buffers)
	ses.st.flush = func() error {
		if ses.pushing {
			return nil
		}
		return ses.w.Flush()
	}
	ses.r = wire.NewReader(ses.st, ses.limits(), func() error {
		return ses.w.Raw("+ go on\r\n").Flush()
	})
	return ses
}

// limits are tighter before the login: nothing long has a place there.
func (s *session) limits() wire.Limits {
	cfg := s.cfg
	l := wire.Limits{Command: cfg.CommandOctets, Literal: cfg.LiteralOctets, Ranges: cfg.SequenceElements}
	// A message that is refused may be on its way already (RFC 7888 §4).
	l.Discard = max(cfg.AppendOctets, 1<<20)
	if s.who == nil {
		l.Command = min(l.Command, 8<<10)
		l.Literal = min(l.Literal, 1<<10)
		l.Discard = 8 << 10
	}
	return l
}

// handshake goes over to TLS.
func (s *session) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	conn := tls.Server(s.st.conn, s.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls handshake: %w", err)
	}
	s.st.replace(conn)
	s.entry.Secured(conn.ConnectionState().Version)
	s.secure = true
	return nil
}

// run greets and serves commands until the client or the server ends it.
func (s *session) run() error {
	s.w.Raw("* OK [CAPABILITY ").Raw(s.capabilities()).Raw("] ").Raw(s.cfg.Name).Raw(" ready").CRLF()
	for !s.bye {
		s.entry.Wait(false)
		if err := s.wait(s.cfg.IdleTimeout); err != nil {
			return s.farewell(err)
		}
		if err := s.serveCommand(); err != nil {
			return s.farewell(err)
		}
	}
	return s.w.Flush()
}

// wait returns when the first octet of a command is there.
func (s *session) wait(d time.Duration) error {
	if err := s.st.park(d); err != nil {
		return err
	}
	if s.r.Buffered() {
		return s.st.unpark(nil)
	}
	return s.st.unpark(s.r.Wait())
}

// farewell tells the client why the connection ends, where that makes sense.
func (s *session) farewell(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errKicked):
		s.w.Raw("* BYE session ended by the operator").CRLF()
	case errors.Is(err, errBlocked):
		s.w.Raw("* BYE [CONTACTADMIN] account is blocked").CRLF() // RFC 5530 §3
	case errors.Is(err, errRevoked):
		s.w.Raw("* BYE the password was revoked").CRLF()
	case errors.Is(err, errClosing):
		s.w.Raw("* BYE server stops, come back soon").CRLF()
	case errors.Is(err, wire.ErrOverlong):
		s.w.Raw("* BYE [TOOBIG] command or literal too long").CRLF()
	case errors.Is(err, errMailboxGone):
		s.w.Raw("* BYE the selected mailbox is gone").CRLF()
	case errors.Is(err, errTooManyFailures):
		s.w.Raw("* BYE too many failed logins").CRLF()
	case errors.As(err, &timeout) && timeout.Timeout():
		s.w.Raw("* BYE waited too long").CRLF()
	case errors.Is(err, io.EOF):
		return nil
	}
	s.w.Flush()
	return err
}

// end gives back what the session holds.
func (s *session) end() {
	s.unselect()
	s.st.close()
	s.entry.Leave()
}

// serveCommand reads and answers one command. The error ends the session.
func (s *session) serveCommand() error {
	if err := s.r.Next(); err != nil {
		return err
	}
	s.entry.Command()
	tag := s.r.Tag()
	s.r.SP()
	name := s.r.Keyword()
	if s.r.Err() != nil {
		if tag == "" {
			tag = "*"
		}
		ans, _ := s.render(&call{tag: tag}, bad("no command"))
		s.answer(tag, ans)
		return s.r.Skip()
	}
	cmd := &call{tag: tag, name: name}
	if name == "UID" {
		s.r.SP()
		cmd.uid = true
		cmd.name = "UID " + s.r.Keyword()
	}
	entry, known := commands[cmd.name]
	var ans answer
	var err error
	switch {
	case !known:
		s.r.Fail("known command")
		err = s.r.Err()
	case !entry.in.allows(s):
		err = s.wrongState(entry.in)
	default:
		ans, err = entry.run(s, cmd)
	}
	return s.finish(cmd, entry, ans, err)
}

// finish sends what changed and the tagged answer.
func (s *session) finish(cmd *call, entry command, ans answer, err error) error {
	if err != nil {
		var fatal bool
		if ans, fatal = s.render(cmd, err); fatal {
			return err
		}
		if skip := s.r.Skip(); skip != nil {
			s.answer(cmd.tag, ans)
			return skip
		}
	}
	if s.view != nil && entry.poll != pollNever {
		if err := s.poll(entry.poll); err != nil {
			return err
		}
	}
	s.answer(cmd.tag, ans)
	if err == nil && cmd.name == "STARTTLS" {
		return s.upgrade()
	}
	if s.failures >= s.cfg.FailedLogins {
		return errTooManyFailures
	}
	return s.w.Err()
}

// call is one command on its way.
type call struct {
	tag  string
	name string
	uid  bool
}

// state says when a command is allowed (RFC 3501 §3).
type state uint8

const (
	anyTime state = iota
	notAuthenticated
	authenticated // selected too
	selected
)

func (st state) allows(s *session) bool {
	switch st {
	case notAuthenticated:
		return s.who == nil
	case authenticated:
		return s.who != nil
	case selected:
		return s.view != nil
	}
	return true
}

func (s *session) wrongState(want state) error {
	switch {
	case want == notAuthenticated:
		return bad("already logged in")
	case s.who == nil:
		return bad("log in first")
	}
	return bad("select a mailbox first")
}

// account is the one that is logged in.
func (s *session) account() mailstore.ID { return s.who.Account.ID }

// see runs fn on a snapshot of the account.
func (s *session) see(fn func(mailstore.Tx) error) error {
	return s.srv.store.View(s.ctx, s.account(), fn)
}

// change runs fn in an Update of the account.
func (s *session) change(fn func(mailstore.UpdateTx) error) error {
	return s.srv.store.Update(s.ctx, s.account(), fn)
}

// archive reports whether the login is of class archive: it sees all and
// changes nothing.
func (s *session) archive() bool { return s.who.Class == auth.Archive }
