package imapd

import (
	"encoding/base64"
	"errors"
	"time"

	"github.com/emersion/go-sasl"

	"gosbridge/gateway/auth"
)

// mayLogin reports whether a password may cross this connection.
func (s *session) mayLogin() bool { return s.secure || s.mode.Plaintext }

var (
	errPrivacy = no("PRIVACYREQUIRED", "use TLS first")
	errLogin   = no("AUTHENTICATIONFAILED", "wrong user or password")
)

// startTLS answers STARTTLS (RFC 3501 §6.2.1).
func (s *session) startTLS(*call) (answer, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	if s.mode.TLS != StartTLS || s.secure {
		return answer{}, bad("TLS is not to be had here")
	}
	return ok("go ahead"), nil
}

// upgrade goes over to TLS behind the answer to STARTTLS. What the client
// sent in the clear behind the command is dropped unread.
func (s *session) upgrade() error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if err := s.handshake(s.ctx); err != nil {
		return err
	}
	s.r.Reset(s.st)
	return nil
}

// login answers LOGIN (RFC 3501 §6.2.3).
func (s *session) login(*call) (answer, error) {
	s.r.SP()
	if !s.mayLogin() {
		return answer{}, errPrivacy // before the password is asked for
	}
	user := s.r.Text()
	s.r.SP()
	pass := s.r.Text()
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	return s.enter("", user, pass)
}

// authenticate answers AUTHENTICATE (RFC 3501 §6.2.2), with an initial
// response or without (RFC 4959).
func (s *session) authenticate(*call) (answer, error) {
	s.r.SP()
	mechanism := s.r.Keyword()
	var response []byte
	if s.r.Try(' ') {
		response = s.saslResponse(s.r.Rest())
	}
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	if mechanism != sasl.Plain {
		return answer{}, no("CANNOT", "no such mechanism")
	}
	if !s.mayLogin() {
		return answer{}, errPrivacy
	}
	var ans answer
	var entered error
	server := sasl.NewPlainServer(func(authzid, user, pass string) error {
		ans, entered = s.enter(authzid, user, pass)
		return entered
	})
	for {
		challenge, done, err := server.Next(response)
		switch {
		case entered != nil:
			return answer{}, entered
		case err != nil:
			return answer{}, bad("malformed response")
		case done:
			return ans, nil
		}
		if response, err = s.challenge(challenge); err != nil {
			return answer{}, err
		}
	}
}

// challenge sends a challenge and reads the response.
func (s *session) challenge(challenge []byte) ([]byte, error) {
	s.w.Raw("+ ").Raw(base64.StdEncoding.EncodeToString(challenge)).CRLF()
	if err := s.w.Flush(); err != nil {
		return nil, err
	}
	if err := s.r.Continue(); err != nil {
		return nil, err
	}
	line := s.r.Rest()
	if line == "*" {
		return nil, bad("cancelled")
	}
	response := s.saslResponse(line)
	return response, s.r.Err()
}

// saslResponse decodes; "=" is an empty response (RFC 4959 §3).
func (s *session) saslResponse(line string) []byte {
	if line == "=" || (line == "" && s.r.Err() == nil) {
		return []byte{}
	}
	response, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		s.r.Fail("base64")
	}
	return response
}

// enter logs in.
func (s *session) enter(authzid, user, pass string) (answer, error) {
	from := auth.Client{Remote: s.remote, TLS: s.secure, Protocol: auth.IMAP, Session: s.id}
	who, err := s.srv.auth.Plain(s.ctx, from, authzid, user, pass)
	if err != nil {
		return answer{}, s.loginFailed(err)
	}
	if !s.srv.conns.login(who.Account.ID) {
		return answer{}, no("LIMIT", "too many connections of this account")
	}
	who.Session = s.id
	who.Remote = s.remote
	s.who = &who
	s.leave = who.OnEnd(s.expel)
	s.log = s.log.With("account", who.Account.ID)
	s.st.loggedIn()
	s.r.SetLimits(s.limits())
	s.log.Info("imap login", "class", string(who.Class), "tls", s.secure)
	return okCode("CAPABILITY "+s.capabilities(), "logged in"), nil
}

// expel ends the session of a login that was taken back: before its next
// command, or, should one take longer, after the time to drain.
func (s *session) expel(cause error) {
	s.st.end(cause)
	time.AfterFunc(s.srv.cfg.DrainTimeout, s.st.abort) // one that is closed stays so
}

// loginFailed says why, as far as a stranger may know.
func (s *session) loginFailed(err error) error {
	var tooMany auth.ErrTooMany
	switch {
	case errors.Is(err, auth.ErrCredentials):
		s.failures++
		return errLogin
	case errors.Is(err, auth.ErrBlocked):
		s.failures++
		return no("CONTACTADMIN", "account is blocked")
	case errors.Is(err, auth.ErrInsecure):
		return errPrivacy
	case errors.As(err, &tooMany):
		s.failures++
		return no("UNAVAILABLE", "too many failed logins, try later")
	}
	s.log.Error("imap login not checked", "err", err)
	return no("UNAVAILABLE", "logins cannot be checked now")
}
