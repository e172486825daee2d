package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"gosbridge/gateway/imapd/wire"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// appendMessage answers APPEND (RFC 3501 §6.3.11, RFC 4315 §3). Whatever can
// be refused is refused before the client is asked for the message.
func (s *session) appendMessage(*call) (answer, error) {
	s.r.SP()
	name := s.r.Mailbox()
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
	lit := s.r.Literal()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	release, err := s.admit(name, lit)
	if err != nil {
		return answer{}, err
	}
	defer release()
	src, err := s.r.Message(lit)
	if err != nil {
		return answer{}, err
	}
	ref, summary, err := s.takeIn(src, lit.Size)
	if err != nil {
		return answer{}, try("append", err)
	}
	if err = s.r.Continue(); err == nil {
		s.r.EOL()
		err = s.r.Err()
	}
	if err != nil {
		s.discard(ref)
		return answer{}, err
	}
	return s.commitAppend(name, mailstore.NewMessage{
		EmailID:  mailstore.NewID(),
		Received: received,
		Flags:    args.flags,
		Keywords: s.unowned(args.keywords),
		Summary:  summary,
		Content:  mailstore.Content{Body: ref, Length: lit.Size},
	})
}

// admit decides whether the message may come, before it does.
func (s *session) admit(name string, lit wire.Literal) (release func(), err error) {
	switch {
	case s.archive():
		return nil, errNoPermission
	case lit.Size > s.srv.cfg.AppendOctets:
		return nil, no("TOOBIG", "message exceeds APPENDLIMIT") // RFC 7889 §3
	case lit.Size == 0:
		return nil, no("CANNOT", "message is empty")
	}
	err = s.see(func(tx mailstore.Tx) error {
		_, err := s.findBox(tx, name)
		return orCreate(err)
	})
	if err != nil {
		return nil, err
	}
	release, err = s.srv.store.Reserve(s.ctx, s.account(), lit.Size)
	return release, try("reserve quota", err)
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
	pr, pw := io.Pipe()
	var summary []byte
	var indexErr error
	indexed := make(chan struct{})
	go func() {
		defer close(indexed)
		summary, indexErr = message.Index(pr, message.Limits{})
		// The body is stored even where the index stops early.
		pr.CloseWithError(indexErr)
	}()
	ref, err := s.srv.store.Bodies().Put(s.ctx, io.TeeReader(src, pw))
	pw.CloseWithError(err)
	<-indexed
	if err == nil && indexErr != nil {
		s.discard(ref)
		err = indexErr
	}
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

// commitAppend adds the message in one Update.
func (s *session) commitAppend(name string, m mailstore.NewMessage) (answer, error) {
	var box mailstore.Mailbox
	var added mailstore.Appended
	err := s.change(func(tx mailstore.UpdateTx) error {
		var err error
		if box, err = s.findBox(tx, name); err != nil {
			return orCreate(err)
		}
		if added, err = tx.Append(box.ID, m); err != nil {
			return try("append", err)
		}
		return try("letters on append", s.srv.room.OnArrive(tx, *s.who, box, uidSet([]mailstore.UID{added.UID})))
	})
	if err != nil {
		if !errors.Is(err, mailstore.ErrMaybeCommitted) {
			s.discard(m.Content.Body)
		}
		return answer{}, err
	}
	code := "APPENDUID " + strconv.FormatUint(uint64(box.UIDValidity), 10) + " " + strconv.FormatUint(uint64(added.UID), 10)
	return okCode(code, "appended"), nil
}
