package submission

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// session is what a client has said since EHLO. go-smtp calls it from the
// goroutine of the connection.
type session struct {
	conn   *conn
	server *Server
	log    *slog.Logger

	who    *auth.Identity // nil before the login
	failed int            // logins

	utf8     bool // the last MAIL said SMTPUTF8
	begun    bool // MAIL was accepted
	envelope intake.Envelope
}

// newSession is called by go-smtp at the first EHLO or HELO.
func (p *port) newSession(sc *smtp.Conn) (smtp.Session, error) {
	c, ok := sc.Conn().(*conn)
	if !ok {
		p.server.log.Error("connection not ours", "type", fmt.Sprintf("%T", sc.Conn()))
		return nil, replyInternal.error()
	}
	c.state = &session{conn: c, server: p.server, log: c.log}
	return c.state, nil
}

// addressed reports whether the octets of a message may follow.
func (s *session) addressed() bool { return s.begun && len(s.envelope.Recipients) > 0 }

// Mail implements smtp.Session.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	if !s.begun {
		s.utf8 = o.UTF8
	}
	switch {
	case s.who == nil && !s.loginAllowed():
		return refuse(s.log, policy.New(policy.EncryptionRequired))
	case s.who == nil:
		return refuse(s.log, policy.New(policy.NotAuthenticated))
	case s.begun: // go-smtp lets it pass (RFC 5321 §4.1.4)
		return replyNested.error()
	case !utf8.Valid(s.conn.command) || !plainAddress(from):
		return replySyntax.error()
	case !o.UTF8 && !isASCII(s.conn.command): // RFC 6531 §3.5
		return replyASCIISender.error()
	case o.UTF8 && valued(s.conn.command, "SMTPUTF8"): // go-smtp lets it pass
		return replyUTF8Value.error()
	case len(o.EnvelopeID) > 100: // RFC 3461 §4.4
		return replyEnvID.error()
	}
	if limit := s.conn.cfg.MaxSize; limit > 0 && o.Size > limit {
		return refuse(s.log, policy.New(policy.SizeExceeded, policy.Octets(o.Size), policy.Octets(limit)))
	}
	if err := s.server.intake.Sender(s.conn.port.work, *s.who, from, o.Size); err != nil {
		return refuse(s.log, err)
	}
	s.begun = true
	s.envelope = intake.Envelope{
		Who: *s.who, From: from, ID: o.EnvelopeID,
		UTF8: o.UTF8, EightBit: o.Body == smtp.Body8BitMIME, ReturnFull: o.Return == smtp.DSNReturnFull,
	}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	switch {
	case !utf8.Valid(s.conn.command) || !plainAddress(to) || !plainAddress(o.OriginalRecipient):
		return replySyntax.error()
	case !s.utf8 && !isASCII(s.conn.command): // RFC 6531 §3.5
		return replyASCIIRecipient.error()
	}
	if limit := s.conn.cfg.MaxRecipients; limit > 0 && len(s.envelope.Recipients) >= limit {
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
		if registry.Normalise(known.Address) == registry.Normalise(r.Address) {
			return nil
		}
	}
	s.envelope.Recipients = append(s.envelope.Recipients, r)
	return nil
}

// content is the octets of a message on their way. An error of Read other
// than io.EOF means that there is no message.
type content interface {
	io.Reader
	// drain reads what nobody wants any more, and reports whether commands
	// follow.
	drain() bool
	// failure is the error that Read ended with; nil before that.
	failure() error
}

// Data implements smtp.Session. The reader of go-smtp is left alone; see
// dataReader and chunkReader.
func (s *session) Data(io.Reader) error {
	s.conn.begin()
	octets := s.conn.content(s.conn.cfg.MaxSize)
	result, err := s.server.intake.Accept(s.conn.port.work, s.envelope, octets)
	read := octets.failure()
	synced := octets.drain()
	if synced {
		s.conn.end()
	} else {
		s.conn.fail()
	}
	drained := octets.failure()
	var stop *interruption
	switch {
	case errors.Is(drained, os.ErrDeadlineExceeded):
		s.log.Info("message too slow", "err", drained)
		return replySlow.error()
	case errors.Is(read, errTooLarge) || errors.Is(drained, errTooLarge):
		limit := policy.Octets(s.conn.cfg.MaxSize)
		return refuse(s.log, policy.New(policy.SizeExceeded, "more", limit))
	case errors.As(drained, &stop):
		s.log.Info("message not completed", "err", stop)
		s.conn.held, s.conn.mute = stop.held, stop.held != nil
		return stop.reply.error()
	case !synced:
		s.log.Info("client vanished within a message", "err", drained)
		return replyInternal.error() // nobody hears it
	case err != nil:
		return refuse(s.log, err)
	case read != io.EOF:
		s.log.Error("letter accepted before its end", "letter", result.Letter)
		return replyInternal.error()
	}
	s.log.Info("letter accepted", "letter", result.Letter, "number", result.Number,
		"recipients", result.Recipients, "repeat", result.Repeat)
	return accepted(result)
}

// Reset implements smtp.Session.
func (s *session) Reset() {
	s.begun, s.utf8 = false, false
	s.envelope = intake.Envelope{}
}

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// plainAddress refuses control characters, which could break out of a log or
// reply line. Whether the address is one is the registry's matter.
func plainAddress(a string) bool { return !strings.ContainsFunc(a, unicode.IsControl) }

// valued reports whether a parameter of a command has a value.
func valued(command []byte, parameter string) bool {
	for _, word := range strings.Fields(string(command)) {
		if name, _, ok := strings.Cut(word, "="); ok && strings.EqualFold(name, parameter) {
			return true
		}
	}
	return false
}
