package imapd

import (
	"errors"
	"fmt"

	"gosbridge/mailstore"
)

// maxAppends is how many pipelined APPENDs share one Update.
const maxAppends = 64

// appendMessage answers APPEND. Further ones that the client has sent already,
// to the last octet, share its Update: they are answered in order behind the
// commit. c becomes the last of them, which the caller answers.
func (s *session) appendMessage(c *call) (answer, error) {
	batch := []*appendCommand{s.readAppend(c)}
	for len(batch) < maxAppends && batch[len(batch)-1].err == nil && s.r.AheadLiteral("APPEND") {
		if err := s.r.Next(); err != nil {
			s.giveUp(batch)
			return answer{}, err
		}
		next := &call{tag: s.r.Tag(), name: c.name}
		s.r.SP()
		s.r.Keyword()
		batch = append(batch, s.readAppend(next))
	}
	s.commitAppends(batch)
	if len(batch) > 1 && s.view != nil {
		// The EXISTS belongs before the first answer (RFC 3501 §6.3.11).
		if err := s.poll(pollAll); err != nil {
			return answer{}, err
		}
	}
	for i, a := range batch {
		ans, err := s.answerAppend(a)
		if i == len(batch)-1 {
			*c = *a.call
			return ans, err
		}
		if err != nil {
			var fatal bool
			if ans, fatal = s.render(a.call, err); fatal {
				return ans, err
			}
		}
		s.answer(a.call.tag, ans)
	}
	return answer{}, s.w.Err()
}

// commitAppends adds the messages of all commands, in order. If they cannot
// all be added each stands for itself.
func (s *session) commitAppends(batch []*appendCommand) {
	for n := appendsTogether(batch); len(batch) > 0; n = appendsTogether(batch) {
		if n == 1 {
			if a := batch[0]; a.err == nil {
				a.err = s.addMessages(batch[:1])
			}
		} else if err := s.addMessages(batch[:n]); errors.Is(err, mailstore.ErrMaybeCommitted) {
			for _, a := range batch[:n] {
				a.err = err
			}
		} else if err != nil {
			for i := range n {
				batch[i].err = s.addMessages(batch[i : i+1])
			}
		}
		s.settle(batch[:n])
		batch = batch[n:]
	}
}

// appendsTogether counts the commands at the front that fit in one Update; at
// least 1 unless there are none.
func appendsTogether(batch []*appendCommand) int {
	messages, held := 0, 0
	for i, a := range batch {
		messages += len(a.messages)
		held += a.held
		if a.err != nil || messages > maxAppendMessages || held > maxAppendHeld {
			return max(i, 1)
		}
	}
	return len(batch)
}

// addMessages adds the messages of commands in one Update: all or none.
func (s *session) addMessages(batch []*appendCommand) error {
	return s.change(func(tx mailstore.UpdateTx) error {
		for _, a := range batch {
			if err := s.addIn(tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// addIn is one command. It may run again, and then begins anew.
func (s *session) addIn(tx mailstore.UpdateTx, a *appendCommand) error {
	a.uids, a.spare = make([]mailstore.UID, 0, len(a.messages)), nil
	var added []mailstore.UID
	var err error
	if a.box, err = s.findBox(tx, a.name); err != nil {
		return orCreate(err)
	}
	for i, m := range a.messages {
		uid, err := s.srv.room.OnAppend(tx, *s.who, a.box, &m)
		if err != nil {
			return try("letters on append", err)
		}
		if uid != 0 {
			a.uids, a.spare = append(a.uids, uid), append(a.spare, i)
			continue
		}
		row, err := tx.Append(a.box.ID, m)
		if err != nil {
			return try("append", err)
		}
		a.uids, added = append(a.uids, row.UID), append(added, row.UID)
	}
	if len(added) == 0 {
		return nil
	}
	return try("letters on append", s.srv.room.OnArrive(tx, *s.who, a.box, uidSet(added)))
}

// settle gives back what the commands held, and drops the bodies of those
// that failed and of messages that were not needed.
func (s *session) settle(batch []*appendCommand) {
	for _, a := range batch {
		if a.err != nil && !errors.Is(a.err, mailstore.ErrMaybeCommitted) {
			for _, m := range a.messages {
				s.discard(m.Content.Body)
			}
		}
		if a.err == nil {
			for _, i := range a.spare {
				s.discard(a.messages[i].Content.Body)
			}
		}
		for _, release := range a.releases {
			release()
		}
	}
}

// giveUp settles commands that will not be committed.
func (s *session) giveUp(batch []*appendCommand) {
	for _, a := range batch {
		a.err = errors.Join(a.err, errAppendLost)
	}
	s.settle(batch)
}

var errAppendLost = errors.New("connection lost before the commit")

// answerAppend tells the UIDs: one set for all messages of the command (RFC
// 4315 §3, RFC 3502 §6.3.11).
func (s *session) answerAppend(a *appendCommand) (answer, error) {
	if a.err != nil {
		return answer{}, a.err
	}
	s.writeNormalised(a.box, a.name)
	return okCode(fmt.Sprintf("APPENDUID %d %s", a.box.UIDValidity, uidList(a.uids)), "appended"), nil
}
