package imapd

import (
	"strconv"
	"strings"
)

// extensions is what works once logged in, and so what is announced. The
// list is the same for everybody.
const extensions = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT " +
	"SPECIAL-USE CREATE-SPECIAL-USE CHILDREN LIST-EXTENDED LIST-STATUS STATUS=SIZE MULTIAPPEND BINARY CONDSTORE ESEARCH SEARCHRES UTF8=ACCEPT APPENDLIMIT="

// capabilities is the list for the session as it stands.
func (s *session) capabilities() string {
	all := extensions + strconv.FormatInt(s.cfg.AppendOctets, 10)
	if s.who != nil {
		return all
	}
	if s.mode.TLS == StartTLS && !s.secure {
		all += " STARTTLS"
	}
	if !s.mayLogin() {
		return all + " LOGINDISABLED" // RFC 3501 §6.2.3
	}
	return all + " AUTH=PLAIN"
}

// capability answers CAPABILITY (RFC 3501 §6.1.1).
func (s *session) capability(*call) (answer, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	s.w.Raw("* CAPABILITY ").Raw(s.capabilities()).CRLF()
	return ok("that is all"), nil
}

// noop answers NOOP and CHECK: it tells what is new, as is done behind every
// command (RFC 3501 §6.1.2), but here the client listens for it. Every commit is
// durable, so CHECK has nothing to do.
func (s *session) noop(*call) (answer, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil || s.view == nil {
		return ok("done"), err
	}
	err := s.poll(pollAll)
	s.view.aside = false
	if err != nil {
		return answer{}, &ended{err}
	}
	return ok("done"), nil
}

// logout answers LOGOUT (RFC 3501 §6.1.3).
func (s *session) logout(*call) (answer, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	s.bye = true
	s.w.Raw("* BYE see you").CRLF()
	return ok("bye"), nil
}

// identify answers ID (RFC 2971). What the client says of itself goes to the
// log, cut short.
func (s *session) identify(*call) (answer, error) {
	s.r.SP()
	client, err := s.clientID()
	if err != nil {
		return answer{}, err
	}
	if client != "" {
		s.log.Debug("imap client", "id", client)
	}
	s.w.Raw(`* ID ("name" `).String(s.cfg.Name).Raw(")").CRLF()
	return ok("pleased to meet you"), nil
}

// clientID reads the parameters: at most 30 pairs, fields of at most 30
// octets, values of at most 1024 (RFC 2971 §3.3).
func (s *session) clientID() (string, error) {
	var fields []string
	if s.r.Peek() == '(' {
		s.r.List(func() {
			name := s.r.String()
			s.r.SP()
			value, _ := s.r.NString()
			if len(fields) >= 30 || len(name) > 30 || len(value) > 1024 {
				s.r.Fail("at most 30 short fields")
				return
			}
			if n := strings.ToLower(name); n == "name" || n == "version" {
				fields = append(fields, value)
			} else {
				fields = append(fields, "")
			}
		})
	} else if _, given := s.r.NString(); given {
		s.r.Fail("list or NIL")
	}
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return "", err
	}
	text := strings.Join(strings.Fields(strings.Join(fields, " ")), " ")
	return text[:min(len(text), 100)], nil
}

// namespace answers NAMESPACE (RFC 2342): one personal namespace.
func (s *session) namespace(*call) (answer, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	s.w.Raw(`* NAMESPACE (("" "/")) NIL NIL`).CRLF()
	return ok("done"), nil
}
