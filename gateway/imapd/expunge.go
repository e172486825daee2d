package imapd

import (
	"strconv"

	"gosbridge/mailstore"
)

// expunge answers EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1).
// The EXPUNGE responses come from the look behind the command, like those of
// everybody else's expunges.
func (s *session) expunge(c *call) (answer, error) {
	var among mailstore.UIDSet
	if c.uid {
		s.r.SP()
		set := s.r.Set()
		s.r.EOL()
		if err := s.r.Err(); err != nil {
			return answer{}, err
		}
		spans, err := s.resolve(set, true)
		if err != nil {
			return answer{}, err
		}
		if len(spans) == 0 {
			return ok("nothing to do"), s.mayChange()
		}
		among = s.view.set(spans)
	}
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	if err := s.mayChange(); err != nil {
		return answer{}, err
	}
	if err := s.expungeDeleted(among); err != nil {
		return answer{}, err
	}
	if !s.condstore {
		return ok("expunged"), nil
	}
	// RFC 7162 §3.2.7: where the mailbox stands now. It is looked up before
	// the answer, so that nothing the client was not told is below it.
	if err := s.catchUp(); err != nil {
		return answer{}, err
	}
	return okCode("HIGHESTMODSEQ "+strconv.FormatUint(uint64(s.view.modseq), 10), "expunged"), nil
}

// expungeDeleted removes the messages flagged \Deleted (of among, unless nil),
// in slices of one Update each.
func (s *session) expungeDeleted(among mailstore.UIDSet) error {
	box, err := s.boxRecord()
	if err != nil || box.Deleted == 0 {
		return err
	}
	if among == nil {
		among = mailstore.UIDSet{{Start: 1, Stop: box.UIDNext - 1}}
		if box.UIDNext <= 1 {
			return nil
		}
	}
	var doomed []mailstore.UID
	err = s.slices(among, 0, func(batch []*mailstore.Message) error {
		for _, m := range batch {
			if m.Flags&mailstore.Deleted != 0 {
				doomed = append(doomed, m.UID)
			}
		}
		for len(doomed) >= mailstore.MaxMessagesPerUpdate {
			if err := s.expungeSome(doomed[:mailstore.MaxMessagesPerUpdate]); err != nil {
				return err
			}
			doomed = doomed[mailstore.MaxMessagesPerUpdate:]
		}
		return nil
	})
	if err != nil || len(doomed) == 0 {
		return err
	}
	return s.expungeSome(doomed)
}

// expungeSome removes those that are still flagged \Deleted.
func (s *session) expungeSome(uids []mailstore.UID) error {
	return s.change(func(tx mailstore.UpdateTx) error {
		box, err := tx.Mailbox(s.view.box)
		if err != nil {
			return try("expunge", err)
		}
		var doomed []mailstore.UID
		for m, err := range tx.Messages(box.ID, uidSet(uids), 0) {
			if err != nil {
				return try("expunge", err)
			}
			if m.Flags&mailstore.Deleted != 0 {
				doomed = append(doomed, m.UID)
			}
		}
		if len(doomed) == 0 {
			return nil
		}
		set := uidSet(doomed)
		if err := s.srv.room.OnExpunge(tx, *s.who, box, set); err != nil {
			return try("letters on expunge", err)
		}
		_, err = tx.Expunge(box.ID, set, true)
		return try("expunge", err)
	})
}

// boxRecord is the selected mailbox as it is now.
func (s *session) boxRecord() (mailstore.Mailbox, error) {
	var box mailstore.Mailbox
	err := s.see(func(tx mailstore.Tx) error {
		var err error
		box, err = tx.Mailbox(s.view.box)
		return err
	})
	return box, err
}
