package imapd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gosbridge/mailstore"
)

// copyMessages answers COPY (RFC 3501 §6.4.7) and MOVE (RFC 6851), each in one
// Update: all of the messages or none.
func (s *session) copyMessages(c *call) (answer, error) {
	s.r.SP()
	set := s.r.Set()
	s.r.SP()
	name := s.r.Mailbox()
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	move := strings.HasSuffix(c.name, "MOVE")
	if s.archive() {
		return answer{}, errNoPermission
	}
	if move && s.view.readOnly {
		return answer{}, errReadOnlyBox
	}
	spans, err := s.resolve(set, c.uid)
	if err != nil {
		return answer{}, err
	}
	if len(spans) == 0 {
		return ok("nothing to do"), nil
	}
	if count(spans) > mailstore.MaxCopyPerUpdate {
		return answer{}, no("LIMIT", "too many messages at once")
	}
	done, err := s.transfer(s.view.set(spans), name, move, !c.uid)
	if errors.Is(err, mailstore.ErrNoMailbox) {
		err = orCreate(err)
	}
	if err != nil || len(done.Source) == 0 {
		return ok("nothing to do"), err
	}
	code := fmt.Sprintf("COPYUID %d %s %s", done.UIDValidity, uidList(done.Source), uidList(done.Dest))
	if move {
		// Before the EXPUNGEs, so that no client takes them for a deletion
		// (RFC 6851 §4.3).
		s.w.Raw("* OK [").Raw(code).Raw("] moved").CRLF()
		return ok("moved"), nil
	}
	return okCode(code, "copied"), nil
}

// transfer copies or moves in one Update. With whole set, messages that are
// gone refuse the command: the client named them by number and means them all.
func (s *session) transfer(set mailstore.UIDSet, name string, move, whole bool) (mailstore.Copied, error) {
	v := s.view
	var done mailstore.Copied
	err := s.change(func(tx mailstore.UpdateTx) error {
		dst, err := s.findBox(tx, name)
		if err != nil {
			return err
		}
		present, err := presentUIDs(tx, v.box, set)
		if err != nil {
			return err
		}
		if whole && len(present) < len(v.announced(set)) {
			return errExpunged
		}
		// Only what the client was told of, as it named it.
		known := uidSet(present)
		if done = (mailstore.Copied{}); len(known) == 0 {
			return nil
		}
		if !move {
			done, err = tx.Copy(v.box, known, dst.ID)
		} else {
			done, err = s.moveIn(tx, known, dst)
		}
		if err != nil {
			return try("copy", err)
		}
		return try("letters on arrival", s.srv.room.OnArrive(tx, *s.who, dst, sortedSet(done.Dest)))
	})
	return done, err
}

// moveIn tells letters what leaves, and moves it; also to where it is, like
// COPY (RFC 9051 §6.4.8).
func (s *session) moveIn(tx mailstore.UpdateTx, set mailstore.UIDSet, dst mailstore.Mailbox) (mailstore.Copied, error) {
	src, err := tx.Mailbox(s.view.box)
	if err != nil {
		return mailstore.Copied{}, try("move", err)
	}
	if err := s.srv.room.OnLeave(tx, *s.who, src, set); err != nil {
		return mailstore.Copied{}, try("letters on leaving", err)
	}
	return tx.Move(src.ID, set, dst.ID)
}

// presentUIDs are the UIDs of set that exist, ascending. The rest of the mailbox
// is not looked at: in an Update its UIDs would be read from the disk.
func presentUIDs(tx mailstore.Tx, box mailstore.MailboxID, set mailstore.UIDSet) ([]mailstore.UID, error) {
	var present []mailstore.UID
	for m, err := range tx.Messages(box, set, 0) {
		if err != nil {
			return nil, try("find messages", err)
		}
		present = append(present, m.UID)
	}
	return present, nil
}

func sortedSet(uids []mailstore.UID) mailstore.UIDSet {
	sorted := slices.Clone(uids)
	slices.Sort(sorted)
	return uidSet(sorted)
}

// uidList renders UIDs in their order, runs as ranges: both sides of COPYUID
// then have the same number of UIDs (RFC 4315 §3).
func uidList(uids []mailstore.UID) string {
	var b strings.Builder
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", uids[i])
		if j > i {
			fmt.Fprintf(&b, ":%d", uids[j])
		}
		i = j + 1
	}
	return b.String()
}
