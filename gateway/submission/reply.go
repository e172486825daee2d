package submission

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	sessions "gosbridge/gateway/session"
	"gosbridge/policy"
)

// This file is the only place where a reply is worded, but for those that
// stand for a text of go-smtp (library.go). A reply says what the client has to
// know; the cause of a failure of ours stands in the log alone.

// reply is a reply of one line.
type reply struct {
	code     int
	enhanced [3]int // RFC 3463
	text     string
}

// Replies about the protocol. Those of the catalogue have a reason code.
var (
	replyTooMany        = violation(policy.New(policy.TooManyConnections))
	replyClosing        = violation(policy.New(policy.Closing))
	replyKicked         = reply{421, [3]int{4, 3, 2}, "session ended by the operator"}
	replyIdle           = reply{421, [3]int{4, 4, 2}, "no command for too long"}
	replySlow           = reply{421, [3]int{4, 4, 2}, "message came too slowly"}
	replyLongLine       = reply{500, [3]int{5, 5, 6}, "command line too long"}
	replyEarly          = reply{501, [3]int{5, 5, 4}, "nothing may follow STARTTLS before TLS"}
	replyTLSOn          = reply{503, [3]int{5, 5, 1}, "TLS is on already"}
	replyStartTLSBare   = reply{501, [3]int{5, 5, 4}, "STARTTLS has no parameters"} // RFC 3207 §4
	replyUnknown        = reply{500, [3]int{5, 5, 2}, "command not known"}
	replyMissing        = reply{502, [3]int{5, 5, 1}, "command not offered"}
	replyParameter      = reply{555, [3]int{5, 5, 4}, "parameter not known or not offered"}
	replyParameters     = reply{501, [3]int{5, 5, 4}, "malformed parameters"}
	replyTwice          = reply{501, [3]int{5, 5, 4}, "a parameter is given twice"}
	replyStartTLS       = reply{220, [3]int{2, 0, 0}, "ready to start TLS"}
	replyNested         = reply{503, [3]int{5, 5, 1}, "a message is begun already, RSET first"}
	replySyntax         = reply{501, [3]int{5, 1, 3}, "address has characters that it may not have"}
	replyUTF8Value      = reply{501, [3]int{5, 5, 4}, "SMTPUTF8 has no value"}
	replyASCIISender    = reply{550, [3]int{5, 6, 7}, "address not in ASCII, and MAIL without SMTPUTF8"}
	replyASCIIRecipient = reply{553, [3]int{5, 6, 7}, "address not in ASCII, and MAIL without SMTPUTF8"}
	replyEnvID          = reply{501, [3]int{5, 5, 4}, "ENVID has more than 100 characters"}
	replyMechanism      = reply{504, [3]int{5, 5, 4}, "authentication mechanism not offered"}
	replyNoTLS          = reply{538, [3]int{5, 7, 11}, "encryption required: start TLS first"}
	replyPlain          = reply{501, [3]int{5, 5, 2}, "malformed PLAIN response"}
	replyBadLogin       = violation(policy.New(policy.CredentialsInvalid))
	replyBlocked        = reply{535, [3]int{5, 7, 8}, "account-blocked: account is blocked"}
	replyNoLogin        = reply{454, [3]int{4, 7, 0}, "cannot check the login now, try again later"}
	replyAttempts       = reply{421, [3]int{4, 7, 0}, "too many failed logins on this connection"}
	replyBase64         = reply{501, [3]int{5, 5, 2}, "response is not base64"}
	replyInternal       = violation(policy.New(policy.Internal))
	replyBroken         = reply{421, replyInternal.enhanced, replyInternal.text} // and the connection ends
)

// Replies to BDAT and within a message that comes in chunks.
var (
	replyChunk     = reply{250, [3]int{2, 0, 0}, "octets received"}
	replyNoop      = reply{250, [3]int{2, 0, 0}, "nothing done"}
	replyBadChunk  = reply{501, [3]int{5, 5, 4}, "malformed BDAT, and what follows it cannot be told from commands"}
	replyNoMessage = reply{503, [3]int{5, 5, 1}, "chunk without MAIL and RCPT, or of a message refused already"}
	replyMixed     = reply{503, [3]int{5, 5, 1}, "DATA after BDAT: the message is dropped"}
	replyWithin    = reply{503, [3]int{5, 5, 1}, "not within a message: BDAT goes on, RSET gives up"}
	replyIdling    = reply{421, [3]int{4, 7, 0}, "too many commands within a message that bring none of it"}
)

// line is the reply as it goes over the wire.
func (r reply) line() []byte {
	e := r.enhanced
	if e == [3]int{} { // 354 has none (RFC 2034 §4: 2xx, 4xx and 5xx do)
		return fmt.Appendf(nil, "%d %s\r\n", r.code, r.text)
	}
	return fmt.Appendf(nil, "%d %d.%d.%d %s\r\n", r.code, e[0], e[1], e[2], r.text)
}

// violation is a reason of the catalogue as a reply.
func violation(v policy.Violation) reply {
	return reply{v.SMTP, v.Enhanced, printable(v.Line())}
}

// error is the reply for go-smtp to send.
func (r reply) error() *smtp.SMTPError {
	return &smtp.SMTPError{Code: r.code, EnhancedCode: r.enhanced, Message: r.text}
}

// goodbyes tell why a session ends (RFC 5321 §3.8: 421 may come at any time).
var goodbyes = map[sessions.Reason]reply{
	sessions.Closing: replyClosing,
	sessions.Kicked:  replyKicked,
	sessions.Blocked: {421, [3]int{4, 7, 0}, "login taken back: account is blocked"},
	sessions.Revoked: {421, [3]int{4, 7, 0}, "login taken back: the password was revoked"},
}

// sizeLine ends the reply to EHLO (RFC 1870 §3: 0 for no fixed limit).
func sizeLine(limit int64) []byte {
	return []byte("250 SIZE " + strconv.FormatInt(max(0, limit), 10) + "\r\n")
}

// refuse renders the error of an Intake. A refusal is told whole, its worst
// reason deciding the code; anything else is ours, and goes to the log.
func refuse(log *slog.Logger, err error) *smtp.SMTPError {
	var refusal *policy.Refusal
	var violation policy.Violation
	switch {
	case errors.As(err, &refusal):
	case errors.As(err, &violation):
		refusal = policy.NewRefusal(violation)
	default:
		log.Error("transaction failed", "err", err)
		return replyInternal.error()
	}
	worst := refusal.Worst()
	if worst.Temporary() && err.Error() != refusal.Error() {
		// Not the letter is at fault: whoever has to mend it needs the cause.
		log.Warn("refused for now", "reason", worst.Code, "err", err)
	} else {
		log.Info("refused", "reason", worst.Code, "reasons", len(refusal.Violations))
	}
	return multiline(worst.SMTP, worst.Enhanced, refusal.Lines())
}

// refuseLogin renders the error of an Authenticator.
func refuseLogin(log *slog.Logger, err error) *smtp.SMTPError {
	var many auth.ErrTooMany
	switch {
	case errors.Is(err, auth.ErrCredentials):
		return replyBadLogin.error()
	case errors.Is(err, auth.ErrBlocked):
		return replyBlocked.error()
	case errors.Is(err, auth.ErrInsecure):
		return replyNoTLS.error()
	case errors.As(err, &many):
		r := replyNoLogin
		r.text = fmt.Sprintf("too-many-attempts: next login heard in %d s", int64(many.RetryAfter.Seconds())+1)
		return r.error()
	}
	log.Error("login not checked", "err", err)
	return replyNoLogin.error()
}

// accepted renders the answer to a letter that is durable.
func accepted(a intake.Accepted) *smtp.SMTPError {
	verb := "accepted as "
	if a.Repeat {
		verb = "already accepted as "
	}
	var b strings.Builder
	b.WriteString(verb + a.Number + "; " + a.Type + ", ")
	if a.Recipients == 1 {
		b.WriteString("1 recipient")
	} else {
		b.WriteString(strconv.Itoa(a.Recipients) + " recipients")
	}
	if !a.RecallUntil.IsZero() {
		b.WriteString(", recall until " + a.RecallUntil.UTC().Format("15:04:05Z"))
	}
	return multiline(250, [3]int{2, 6, 0}, append([]string{b.String()}, a.Advice...))
}

// maxText leaves room for code, enhanced code and CRLF in the 512 octets of a
// reply line (RFC 5321 §4.5.3.1.5).
const maxText = 490

// multiline makes a reply of several lines. go-smtp puts the enhanced code
// before the last line only, but it belongs before each, and is the same on all
// (RFC 2034 §4: "the same status code must appear at the beginning of the text in
// each line"): that of the worst reason. What each line is about says its reason
// code.
func multiline(code int, enhanced [3]int, lines []string) *smtp.SMTPError {
	prefix := fmt.Sprintf("%d.%d.%d ", enhanced[0], enhanced[1], enhanced[2])
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\n")
		}
		if i < len(lines)-1 {
			b.WriteString(prefix)
		}
		b.WriteString(printable(line))
	}
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: b.String()}
}

// printable keeps a line within ASCII and its length: what comes from outside
// must not break out of its line.
func printable(line string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, line)
	return clean[:min(len(clean), maxText)]
}
