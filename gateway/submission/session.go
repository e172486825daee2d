package submission

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	"gosbridge/policy"
)

// session is what a client has said since EHLO. go-smtp calls it from the
// goroutine of the connection.
type session struct {
	conn   *conn
	server *Server
	log    *slog.Logger

	who    *auth.Identity // nil before the login
	failed int            // logins

	begun    bool // MAIL was accepted
	envelope intake.Envelope
}

// newSession is called by go-smtp at the first EHLO or HELO.
func (p *port) newSession(sc *smtp.Conn) (smtp.Session, error) {
	c, ok := sc.Conn().(*conn)
	if !ok {
		return nil, fmt.Errorf("connection of type %T", sc.Conn())
	}
	return &session{conn: c, server: p.server, log: c.log}, nil
}

// loginAllowed reports whether a password may be asked for.
func (s *session) loginAllowed() bool {
	return s.conn.secure || s.conn.port.mode.needsLoopback()
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if !s.loginAllowed() {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case !s.loginAllowed():
		return nil, replyNoTLS.error()
	case mechanism != sasl.Plain:
		return nil, replyMechanism.error()
	}
	return rendered{sasl.NewPlainServer(s.login)}, nil
}

// rendered words the errors of go-sasl itself.
type rendered struct{ sasl.Server }

// Next implements sasl.Server.
func (r rendered) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := r.Server.Next(response)
	var worded *smtp.SMTPError
	if err != nil && !errors.As(err, &worded) {
		err = replyPlain.error()
	}
	return challenge, done, err
}

// login checks what PLAIN brought.
func (s *session) login(authzid, user, password string) error {
	client := auth.Client{
		Remote: s.conn.address, TLS: s.conn.secure,
		Protocol: auth.Submission, Session: s.conn.session,
	}
	who, err := s.server.auth.Plain(s.conn.port.work, client, authzid, user, password)
	if err != nil {
		s.failed++
		if s.failed >= s.server.cfg.LoginAttempts {
			s.conn.hangup = true
			s.log.Warn("connection ended after failed logins", "attempts", s.failed)
			return replyAttempts.error()
		}
		return refuseLogin(s.log, err)
	}
	s.who = &who
	s.log = s.log.With("account", who.Account.ID)
	s.log.Info("logged in", "credential", who.Credential, "class", who.Class, "tls", s.conn.secure)
	return nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	switch {
	case s.who == nil && !s.loginAllowed():
		return refuse(s.log, policy.New(policy.EncryptionRequired))
	case s.who == nil:
		return refuse(s.log, policy.New(policy.NotAuthenticated))
	case s.begun: // go-smtp lets it pass (RFC 5321 §4.1.4)
		return replyNested.error()
	case !plainAddress(from):
		return replySyntax.error()
	case len(o.EnvelopeID) > 100: // RFC 3461 §4.4
		return replyEnvID.error()
	}
	if limit := s.server.cfg.MaxSize; limit > 0 && o.Size > limit {
		return refuse(s.log, policy.New(policy.SizeExceeded, policy.Octets(o.Size), policy.Octets(limit)))
	}
	if err := s.server.intake.Sender(s.conn.port.work, *s.who, from, o.Size); err != nil {
		return refuse(s.log, err)
	}
	s.begun = true
	s.envelope = intake.Envelope{
		Who: *s.who, From: from, ID: o.EnvelopeID,
		EightBit: o.Body == smtp.Body8BitMIME, ReturnFull: o.Return == smtp.DSNReturnFull,
	}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	if !plainAddress(to) {
		return replySyntax.error()
	}
	if limit := s.server.cfg.MaxRecipients; limit > 0 && len(s.envelope.Recipients) >= limit {
		return refuse(s.log, policy.New(policy.RecipientsCeiling, limit))
	}
	given := intake.Recipient{Address: to}
	for _, n := range o.Notify {
		given.Notify = append(given.Notify, string(n))
	}
	if o.OriginalRecipient != "" {
		given.Original = strings.ToLower(string(o.OriginalRecipientType)) + ";" + o.OriginalRecipient
	}
	r, err := s.server.intake.Recipient(s.conn.port.work, *s.who, given)
	if err != nil {
		return refuse(s.log, err)
	}
	// Named twice is meant once; the first DSN parameters stand.
	for _, known := range s.envelope.Recipients {
		if strings.EqualFold(known.Address, r.Address) {
			return nil
		}
	}
	s.envelope.Recipients = append(s.envelope.Recipients, r)
	return nil
}

// Data implements smtp.Session. The reader of go-smtp is left alone; see
// dataReader.
func (s *session) Data(io.Reader) error {
	s.conn.begin()
	octets := newDataReader(s.conn.in, s.server.cfg.MaxSize)
	result, err := s.server.intake.Accept(s.conn.port.work, s.envelope, octets)
	tooLarge := errors.Is(octets.err, errTooLarge)
	whole := octets.drain()
	tooLarge = tooLarge || errors.Is(octets.err, errTooLarge)
	if whole {
		s.conn.end()
	} else {
		s.conn.fail()
	}
	switch {
	case errors.Is(octets.err, os.ErrDeadlineExceeded):
		s.log.Info("message too slow", "err", octets.err)
		return replySlow.error()
	case tooLarge:
		limit := policy.Octets(s.server.cfg.MaxSize)
		return refuse(s.log, policy.New(policy.SizeExceeded, "more", limit))
	case !whole:
		s.log.Info("client vanished within a message", "err", octets.err)
		return replyInternal.error() // nobody hears it
	case err != nil:
		return refuse(s.log, err)
	}
	s.log.Info("letter accepted", "letter", result.Letter, "number", result.Number,
		"recipients", result.Recipients, "repeat", result.Repeat)
	return accepted(result)
}

// Reset implements smtp.Session.
func (s *session) Reset() {
	s.begun = false
	s.envelope = intake.Envelope{}
}

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// plainAddress refuses control characters, which could break out of a log or
// reply line. Whether the address is one is the registry's matter.
func plainAddress(a string) bool {
	return !strings.ContainsFunc(a, func(r rune) bool { return r < ' ' || r == 0x7f })
}
