package imapd

import (
	"context"
	"errors"
	"fmt"

	"gosbridge/gateway/imapd/wire"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// answer is the tagged response to a command.
type answer struct {
	kind string // OK, NO or BAD
	code string // response code without brackets, "" for none
	text string
}

func ok(text string) answer           { return answer{"OK", "", text} }
func okCode(code, text string) answer { return answer{"OK", code, text} }
func (s *session) answer(tag string, a answer) {
	s.w.Raw(tag).Raw(" ").Raw(a.kind).Raw(" ")
	if a.code != "" {
		s.w.Raw("[").Raw(a.code).Raw("] ")
	}
	s.w.Raw(a.text).CRLF()
}

// refusal is a command that is answered NO or BAD, with what the client may
// know.
type refusal struct{ answer }

func (r *refusal) Error() string { return r.kind + " " + r.text }

// no refuses a command; code is a response code (RFC 5530) or "".
func no(code, text string) error { return &refusal{answer{"NO", code, text}} }

// bad says that a command makes no sense here.
func bad(text string) error { return &refusal{answer{"BAD", "", text}} }

// Errors that end a session after a BYE.
var (
	errMailboxGone     = errors.New("selected mailbox is gone")
	errTooManyFailures = errors.New("too many failed logins")
)

// render makes the answer of an error, and notes a refusal in the log: that is
// how an operator sees what a mail program does not get.
func (s *session) render(cmd *call, err error) (a answer, fatal bool) {
	if a, fatal = s.answerOf(cmd, err); !fatal {
		// A name that is none of a command may be anything, a password too.
		name := cmd.name
		if _, known := commands[name]; !known {
			name = "unknown"
		}
		s.log.Debug("imap command refused", "command", name, "answer", a.kind, "code", a.code, "text", a.text)
	}
	return a, fatal
}

// answerOf is the one place where an error becomes an answer. Causes from
// within stay in the log. fatal errors end the connection.
func (s *session) answerOf(cmd *call, err error) (a answer, fatal bool) {
	var refused *refusal
	var syntax *wire.SyntaxError
	var over *ended
	switch {
	case errors.As(err, &refused):
		return refused.answer, false
	case errors.As(err, &syntax):
		return answer{"BAD", "", syntax.Error()}, false
	case errors.Is(err, wire.ErrTooBig):
		return answer{"NO", "TOOBIG", "literal too big"}, false
	case errors.Is(err, wire.ErrRanges):
		return answer{"NO", "LIMIT", "sequence set has too many elements"}, false
	case s.w.Err() != nil, s.r.Broken() != nil, errors.As(err, &over), errors.Is(err, errMailboxGone):
		return answer{}, true
	}
	for _, known := range storeAnswers {
		if errors.Is(err, known.err) {
			return known.answer, false
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return answer{}, true
	}
	s.log.Error("imap command failed", "command", cmd.name, "err", err)
	return answer{"NO", "SERVERBUG", "internal error, see the server's log"}, false
}

// storeAnswers are what clients hear of the store's errors. The first that
// fits counts: ErrMaybeCommitted may wrap others.
var storeAnswers = []struct {
	err    error
	answer answer
}{
	{mailstore.ErrMaybeCommitted, answer{"NO", "UNAVAILABLE", "outcome unknown, look before you repeat"}},
	{mailstore.ErrNoMailbox, answer{"NO", "NONEXISTENT", "no such mailbox"}},
	{mailstore.ErrExists, answer{"NO", "ALREADYEXISTS", "mailbox exists"}},
	{mailstore.ErrReadOnly, answer{"NO", "CANNOT", "not possible with this mailbox"}},
	{mailstore.ErrQuota, answer{"NO", "OVERQUOTA", "quota exceeded"}},
	{mailstore.ErrTooLarge, answer{"NO", "LIMIT", "too many messages at once"}},
	{mailstore.ErrLimit, answer{"NO", "LIMIT", "limit reached"}},
	{mailstore.ErrFull, answer{"NO", "UNAVAILABLE", "no space left"}},
	{body.ErrFull, answer{"NO", "UNAVAILABLE", "no space left"}},
	{mailstore.ErrDisk, answer{"NO", "UNAVAILABLE", "the disk fails, try later"}},
	{body.ErrDisk, answer{"NO", "UNAVAILABLE", "the disk fails, try later"}},
	{mailstore.ErrNoAccount, answer{"NO", "UNAVAILABLE", "account is gone"}},
	{mailstore.ErrClosed, answer{"NO", "UNAVAILABLE", "store is closed"}},
	{body.ErrNotFound, answer{"NO", "EXPUNGEISSUED", "message is gone"}},
	{body.ErrDamaged, answer{"NO", "CORRUPTION", "message is damaged"}},
	{mailstore.ErrDamaged, answer{"NO", "CORRUPTION", "record is damaged"}},
}

// Refusals with fixed texts.
var (
	errNoPermission = no("NOPERM", "this login only reads")
	errReadOnlyBox  = no("NOPERM", "mailbox is open read-only")
	errExpunged     = no("EXPUNGEISSUED", "some of the messages are gone")
	errBadNumber    = bad("no message has this number")
)

// try wraps an error with what was tried, keeping refusals as they are.
func try(what string, err error) error {
	var refused *refusal
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}
