package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gosbridge/gateway/imapd/wire"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// What one APPEND may hold until it is committed.
const (
	maxAppendMessages = mailstore.MaxMessagesPerUpdate
	maxAppendHeld     = 16 << 20 // octets of small bodies and summaries, in memory
)

// appendCommand is one APPEND on its way: with MULTIAPPEND (RFC 3502) more
// than one message.
type appendCommand struct {
	call     *call
	name     string
	messages []mailstore.NewMessage
	held     int // octets in memory
	releases []func()

	box  mailstore.Mailbox
	uids []mailstore.UID
	// spare are indexes of messages that box had already.
	spare []int
	err   error
}

// readAppend reads an APPEND with its messages, which go to the body store as
// they come (RFC 3501 §6.3.11, RFC 3502 §6.3.11). Whatever can be refused is
// refused before the client is asked for the message.
func (s *session) readAppend(c *call) *appendCommand {
	a := &appendCommand{call: c}
	s.r.SP()
	a.name = s.r.Mailbox()
	for first := true; first || s.r.Peek() == ' '; first = false {
		if a.err = s.readMessage(a); a.err != nil {
			return a
		}
	}
	s.r.EOL()
	a.err = s.r.Err()
	return a
}

// readMessage reads "[flags] [date] literal" and takes the message in.
func (s *session) readMessage(a *appendCommand) error {
	s.r.SP()
	var args flagArgs
	if s.r.Peek() == '(' {
		args = s.readFlagList()
		s.r.SP()
	}
	received := time.Now()
	if s.r.Peek() == '"' {
		received = s.r.DateTime()
		s.r.SP()
	}
	lit, wrapped := s.readData()
	if err := s.r.Err(); err != nil {
		return err
	}
	if err := s.admit(a, lit); err != nil {
		return err
	}
	src, err := s.r.Message(lit)
	if err != nil {
		return err
	}
	ref, summary, err := s.takeIn(src, lit.Size)
	if err != nil {
		return try("append", err)
	}
	a.held += len(ref.Inline) + len(summary)
	a.messages = append(a.messages, mailstore.NewMessage{
		EmailID:  mailstore.NewID(),
		Received: received,
		Flags:    args.flags,
		Keywords: s.unowned(args.keywords),
		Summary:  summary,
		Content:  mailstore.Content{Body: ref, Length: lit.Size},
	})
	if err := s.r.Continue(); err != nil {
		return err
	}
	if wrapped {
		s.r.Byte(')')
	}
	return s.r.Err()
}

// readData reads the announcement of a message: a literal, a literal8 (RFC 3516
// §4.4), or one in "UTF8 (...)" (RFC 6855 §4). Each may hold any octet here,
// also in the message's header and whatever the session enabled: see
// docs/imap.md for why the refusal that §4 wants is not made.
func (s *session) readData() (lit wire.Literal, wrapped bool) {
	if c := s.r.Peek(); c != 'U' && c != 'u' {
		s.r.Try('~')
		return s.r.Literal(), false
	}
	if s.r.Keyword() != "UTF8" {
		s.r.Fail("message")
	}
	s.r.SP()
	s.r.Byte('(')
	s.r.Byte('~')
	return s.r.Literal(), true
}

// admit decides whether the next message of a command may come, before it
// does, and sets its octets aside.
func (s *session) admit(a *appendCommand, lit wire.Literal) error {
	switch {
	case s.archive():
		return errNoPermission
	case lit.Size > s.cfg.AppendOctets:
		return no("TOOBIG", "message exceeds APPENDLIMIT") // RFC 7889 §3
	case lit.Size == 0:
		// So a client gives up a MULTIAPPEND, too (RFC 3502 §6.3.11).
		return no("CANNOT", "message is empty")
	case len(a.messages) >= maxAppendMessages, a.held > maxAppendHeld:
		return no("LIMIT", "too much in one APPEND")
	}
	err := s.see(func(tx mailstore.Tx) error {
		_, err := s.findBox(tx, a.name)
		return orCreate(err)
	})
	if err != nil {
		return err
	}
	release, err := s.srv.store.Reserve(s.ctx, s.account(), lit.Size)
	if err != nil {
		return try("reserve quota", err)
	}
	a.releases = append(a.releases, release)
	return nil
}

// orCreate says that a mailbox could be created first (RFC 3501 §7.1).
func orCreate(err error) error {
	if errors.Is(err, mailstore.ErrNoMailbox) {
		return no("TRYCREATE", "no such mailbox")
	}
	return err
}

// takeIn streams a message into the body store while it is indexed. On error
// nothing is kept.
func (s *session) takeIn(src io.Reader, size int64) (body.Ref, []byte, error) {
	if size <= body.InlineLimit {
		data := make([]byte, size)
		if _, err := io.ReadFull(src, data); err != nil {
			return body.Ref{}, nil, fmt.Errorf("read message: %w", err)
		}
		summary, err := message.Index(bytes.NewReader(data), message.Limits{})
		if err != nil {
			return body.Ref{}, nil, fmt.Errorf("index message: %w", err)
		}
		ref, err := s.srv.store.Bodies().Put(s.ctx, bytes.NewReader(data))
		return ref, summary, err
	}
	var summary []byte
	ref, err := body.PutRead(s.ctx, s.srv.store.Bodies(), src, func(r io.Reader) (err error) {
		summary, err = message.Index(r, message.Limits{})
		return err
	})
	return ref, summary, err
}

// discardTime bounds the removal of a body that nobody names.
const discardTime = 10 * time.Second

// discard removes a body that no Update named. If it fails the sweep will.
func (s *session) discard(ref body.Ref) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), discardTime)
	defer cancel()
	if err := s.srv.store.Bodies().Discard(ctx, ref); err != nil {
		s.log.Warn("imap body not discarded", "err", err)
	}
}
