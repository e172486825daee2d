package submission

import (
	"errors"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"gosbridge/gateway/auth"
)

// loginAllowed reports whether a password may be asked for.
func (s *session) loginAllowed() bool {
	return s.conn.secure || s.conn.port.mode.needsLoopback()
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if !s.loginAllowed() {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case !s.loginAllowed():
		return nil, replyNoTLS.error()
	case mechanism == sasl.Plain:
		return rendered{sasl.NewPlainServer(s.login)}, nil
	case mechanism == sasl.Login:
		return &loginServer{check: s.login}, nil
	}
	return nil, replyMechanism.error()
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

// loginServer is the server's side of LOGIN, which go-sasl has not and no RFC
// defines (draft-murchison-sasl-login): the user, who may come with the
// command already, and then the password. Programs look for these prompts.
type loginServer struct {
	check func(authzid, user, password string) error

	step int // prompts given
	user string
}

// Next implements sasl.Server. A nil response is that of a command without an
// initial one.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.step == 0 {
		l.step++
		if response == nil {
			return []byte("Username:"), false, nil
		}
	}
	if l.step == 1 {
		l.step++
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check("", l.user, string(response))
}

// login checks what a mechanism brought.
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
	s.leave = who.OnEnd(s.conn.expel)
	s.log = s.log.With("account", who.Account.ID)
	s.log.Info("logged in", "credential", who.Credential, "class", who.Class, "tls", s.conn.secure)
	return nil
}
