package imapd

import (
	"gosbridge/mailstore"
)

// selectBox answers SELECT and EXAMINE (RFC 3501 §6.3.1) from the mailbox
// record alone: it costs the same at any size.
func (s *session) selectBox(c *call) (answer, error) {
	s.r.SP()
	name := s.r.Mailbox()
	condstore := s.selectParameters()
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	// Whatever comes of it, the mailbox selected before is not any more.
	if s.view != nil {
		s.unselect()
		s.w.Raw("* OK [CLOSED] previous mailbox").CRLF() // RFC 7162 §3.2.11
	}
	var box mailstore.Mailbox
	var watch mailstore.Watcher
	err := s.see(func(tx mailstore.Tx) error {
		var err error
		box, err = s.findBox(tx, name)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	// Watch first, then look: nothing that happens now is missed.
	watch = s.srv.store.Watch(s.account(), box.ID)
	err = s.see(func(tx mailstore.Tx) error {
		var err error
		box, err = tx.Mailbox(box.ID)
		return err
	})
	if err != nil {
		watch.Close()
		return answer{}, try("select", err)
	}
	s.condstore = s.condstore || condstore
	s.view = &view{
		box:      box.ID,
		readOnly: c.name == "EXAMINE" || s.archive(),
		watch:    watch,
		modseq:   box.HighestMod,
		uidNext:  box.UIDNext,
		exists:   box.Messages,
	}
	return s.describe(box, name), nil
}

// selectParameters reads the parameters of SELECT (RFC 4466 §2.1) and reports
// whether CONDSTORE is among them (RFC 7162 §3.1.8).
func (s *session) selectParameters() (condstore bool) {
	if !s.r.Try(' ') {
		return false
	}
	s.r.List(func() {
		if s.r.Keyword() != "CONDSTORE" {
			s.r.Fail("known select parameter")
		}
		condstore = true
	})
	return condstore && s.r.Err() == nil
}

// describe writes what SELECT tells of a mailbox. HIGHESTMODSEQ goes to
// everybody (RFC 7162 §3.1.2.1); UNSEEN, which would need a search, is left
// out. IMAP4rev2 has LIST in place of RECENT (RFC 9051 §6.3.2); given is the
// name that the client used.
func (s *session) describe(box mailstore.Mailbox, given string) answer {
	s.writeFlagLists(box)
	s.w.Raw("* ").Number(uint64(box.Messages)).Raw(" EXISTS\r\n")
	if s.rev2 {
		s.writeName(box, oldName(given, box.Name))
	} else {
		s.w.Raw("* 0 RECENT\r\n")
	}
	s.w.Raw("* OK [UIDVALIDITY ")
	s.w.Number(uint64(box.UIDValidity)).Raw("] as ever\r\n* OK [UIDNEXT ")
	s.w.Number(uint64(box.UIDNext)).Raw("] next\r\n* OK [HIGHESTMODSEQ ")
	s.w.Number(uint64(box.HighestMod)).Raw("] so far\r\n")
	if s.view.readOnly {
		return okCode("READ-ONLY", "here it is")
	}
	return okCode("READ-WRITE", "here it is")
}

// errNeverBox answers a name that no mailbox can have: it is no use to create
// it first.
var errNeverBox = no("NONEXISTENT", "no mailbox can have this name")

// findBox finds a selectable mailbox. A name that only holds others is none,
// but can be made one.
func (s *session) findBox(tx mailstore.Tx, name string) (mailstore.Mailbox, error) {
	name, err := normalName(name)
	if err != nil {
		return mailstore.Mailbox{}, errNeverBox
	}
	box, err := tx.MailboxByName(name)
	if err == nil && box.NoSelect {
		err = mailstore.ErrNoMailbox
	}
	return box, try("find mailbox", err)
}

// unselect leaves the selected mailbox.
func (s *session) unselect() {
	if s.view != nil {
		s.view.watch.Close()
		s.view = nil
	}
}

// closeBox answers CLOSE (RFC 3501 §6.4.2), which expunges without telling,
// and UNSELECT (RFC 3691), which does not.
func (s *session) closeBox(c *call) (answer, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	if c.name == "CLOSE" && !s.view.readOnly {
		if err := s.expungeDeleted(nil); err != nil {
			return answer{}, err
		}
	}
	s.unselect()
	return ok("closed"), nil
}
