package imapd

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gosbridge/mailstore"
)

// Limits of mailbox names.
const (
	maxNameOctets = 500
	maxNameLevels = 16
)

var errBadName = no("CANNOT", "not a mailbox name")

// normalName gives a name the form in which the store keeps it: NFC, without
// a trailing delimiter, INBOX in this case. Names that could not be listed or
// that hide something are refused.
func normalName(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSuffix(name, string(mailstore.Delimiter)))
	if name == "" || len(name) > maxNameOctets || !utf8.ValidString(name) {
		return "", errBadName
	}
	levels := strings.Split(name, string(mailstore.Delimiter))
	if len(levels) > maxNameLevels {
		return "", errBadName
	}
	for _, level := range levels {
		if level == "" || level == "." || level == ".." {
			return "", errBadName
		}
	}
	for _, r := range name {
		if r == '*' || r == '%' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return "", errBadName
		}
	}
	if strings.EqualFold(levels[0], "INBOX") {
		levels[0] = "INBOX"
	}
	return strings.Join(levels, string(mailstore.Delimiter)), nil
}

// boxName reads the only argument of a command that changes a mailbox.
func (s *session) boxName() (string, error) {
	s.r.SP()
	name := s.r.Mailbox()
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return "", err
	}
	if s.archive() {
		return "", errNoPermission
	}
	return normalName(name)
}

// create answers CREATE (RFC 3501 §6.3.3).
func (s *session) create(*call) (answer, error) {
	name, err := s.boxName()
	if err != nil {
		return answer{}, err
	}
	err = s.change(func(tx mailstore.UpdateTx) error {
		_, err := tx.CreateMailbox(name, "")
		return try("create mailbox", err)
	})
	return ok("created"), err
}

// deleteBox answers DELETE (RFC 3501 §6.3.4). A mailbox with children stays
// as a name; deleting that again is refused until they are gone.
func (s *session) deleteBox(*call) (answer, error) {
	name, err := s.boxName()
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
		return try("delete mailbox", tx.DeleteMailbox(box.ID))
	})
	if err != nil {
		return answer{}, err
	}
	if s.view != nil && s.view.box == box.ID {
		s.unselect()
		s.w.Raw("* OK [CLOSED] the selected mailbox was deleted").CRLF()
	}
	return ok("deleted"), nil
}

// rename answers RENAME (RFC 3501 §6.3.5).
func (s *session) rename(*call) (answer, error) {
	s.r.SP()
	from := s.r.Mailbox()
	to, err := s.boxName()
	if err != nil {
		return answer{}, err
	}
	if from, err = normalName(from); err != nil {
		return answer{}, err
	}
	if strings.HasPrefix(to, from+string(mailstore.Delimiter)) && from != "INBOX" {
		return answer{}, no("CANNOT", "a mailbox cannot move below itself")
	}
	err = s.change(func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName(from)
		if err != nil {
			return try("rename mailbox", err)
		}
		return try("rename mailbox", tx.RenameMailbox(box.ID, to))
	})
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
