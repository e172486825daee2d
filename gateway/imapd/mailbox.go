package imapd

import (
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

var errBadName = no("CANNOT", "not a mailbox name")

// normalName gives a name the form in which the store keeps it.
func normalName(name string) (string, error) {
	normal, err := mailstore.NormalName(name)
	if err != nil {
		return "", errBadName
	}
	return normal, nil
}

// boxName reads the only argument of a command that changes a mailbox.
func (s *session) boxName() (string, error) {
	s.r.SP()
	return s.lastName(s.r.Mailbox())
}

// lastName wants the command to end behind the name, and gives that its form.
func (s *session) lastName(name string) (string, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return "", err
	}
	if s.archive() {
		return "", errNoPermission
	}
	return normalName(name)
}

// create answers CREATE (RFC 3501 §6.3.3), with USE too (RFC 6154 §3). An
// account has one mailbox for each special use.
func (s *session) create(*call) (answer, error) {
	s.r.SP()
	given := s.r.Mailbox()
	var uses []imap.Flag
	if s.r.Try(' ') {
		uses = s.readUses()
	}
	name, err := s.lastName(given)
	if err != nil {
		return answer{}, err
	}
	role, err := roleOf(uses)
	if err != nil {
		return answer{}, err
	}
	var box mailstore.Mailbox
	err = s.change(func(tx mailstore.UpdateTx) error {
		if role != "" {
			if err := roleFree(tx, name, role); err != nil {
				return err
			}
		}
		var err error
		box, err = tx.CreateMailbox(name, role)
		return try("create mailbox", err)
	})
	if err == nil {
		s.writeNormalised(box, given)
	}
	return ok("created"), err
}

// readUses reads the parameters of CREATE: "(USE (\Sent))".
func (s *session) readUses() []imap.Flag {
	var uses []imap.Flag
	given := false
	s.r.List(func() {
		if s.r.Keyword() != "USE" || given {
			s.r.Fail("USE, once")
			return
		}
		given = true
		s.r.SP()
		s.r.List(func() { uses = append(uses, s.r.Flag()) })
	})
	if !given {
		s.r.Fail("USE")
	}
	return uses
}

var errUse = no("USEATTR", "a mailbox has one special use at most, of those that LIST shows")

// roleOf is the role that a special use asks for, "" for none.
func roleOf(uses []imap.Flag) (mailstore.Role, error) {
	if len(uses) == 0 {
		return "", nil
	}
	if len(uses) > 1 {
		return "", errUse
	}
	for role, use := range announcedRoles {
		if strings.EqualFold(string(use), string(uses[0])) {
			return role, nil
		}
	}
	return "", errUse
}

// roleFree refuses a special use that another mailbox has; that the name is
// taken is CreateMailbox's to say.
func roleFree(tx mailstore.Tx, name string, role mailstore.Role) error {
	box, err := tx.MailboxByRole(role)
	switch {
	case errors.Is(err, mailstore.ErrNoMailbox):
		return nil
	case err != nil:
		return try("create mailbox", err)
	case box.Name == name:
		return nil
	}
	if taken, err := tx.MailboxByName(name); err == nil && !taken.NoSelect {
		return nil
	}
	return no("USEATTR", "another mailbox has this special use")
}

// deleteBox answers DELETE (RFC 3501 §6.3.4). A mailbox with children stays
// as a name; deleting that again is refused until they are gone.
func (s *session) deleteBox(*call) (answer, error) {
	s.r.SP()
	given := s.r.Mailbox()
	name, err := s.lastName(given)
	if err != nil {
		return answer{}, err
	}
	var box mailstore.Mailbox
	err = s.change(func(tx mailstore.UpdateTx) error {
		var err error
		if box, err = tx.MailboxByName(name); err != nil {
			return try("delete mailbox", err)
		}
		if box.NoSelect {
			return no("HASCHILDREN", "mailbox holds other mailboxes")
		}
		if err := s.srv.room.OnDelete(tx, *s.who, box); err != nil {
			return try("letters on delete", err)
		}
		return try("delete mailbox", tx.DeleteMailbox(box.ID))
	})
	if err != nil {
		return answer{}, err
	}
	if s.view != nil && s.view.box == box.ID {
		s.unselect()
		s.w.Raw("* OK [CLOSED] the selected mailbox was deleted").CRLF()
	}
	s.writeNormalised(mailstore.Mailbox{Name: box.Name, NoSelect: true}, given)
	return ok("deleted"), nil
}

// rename answers RENAME (RFC 3501 §6.3.5).
func (s *session) rename(*call) (answer, error) {
	s.r.SP()
	old := s.r.Mailbox()
	s.r.SP()
	given := s.r.Mailbox()
	to, err := s.lastName(given)
	if err != nil {
		return answer{}, err
	}
	from, err := normalName(old)
	if err != nil {
		return answer{}, err
	}
	if strings.HasPrefix(to, from+string(mailstore.Delimiter)) && from != "INBOX" {
		return answer{}, no("CANNOT", "a mailbox cannot move below itself")
	}
	var box mailstore.Mailbox
	err = s.change(func(tx mailstore.UpdateTx) error {
		var err error
		if box, err = tx.MailboxByName(from); err != nil {
			return try("rename mailbox", err)
		}
		if err = tx.RenameMailbox(box.ID, to); err == nil {
			box, err = tx.MailboxByName(to)
		}
		return try("rename mailbox", err)
	})
	// INBOX is there again: that it has another name would be misleading, and
	// is told only where a name was normalised (RFC 9051 §6.3.6).
	if err == nil && s.rev2 && (from != "INBOX" || oldName(old, from)+oldName(given, to) != "") {
		s.writeName(box, old)
	}
	return ok("renamed"), err
}

// subscribe answers SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6 and §6.3.7).
// Only what exists can be subscribed to.
func (s *session) subscribe(c *call) (answer, error) {
	name, err := s.boxName()
	if err != nil {
		return answer{}, err
	}
	on := c.name == "SUBSCRIBE"
	err = s.change(func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName(name)
		if errors.Is(err, mailstore.ErrNoMailbox) && !on {
			return nil // gone already
		}
		if err != nil {
			return try("subscribe", err)
		}
		return try("subscribe", tx.Subscribe(box.ID, on))
	})
	return ok("noted"), err
}
