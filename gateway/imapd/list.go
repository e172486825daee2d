package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/unicode/norm"

	"gosbridge/mailstore"
)

// announcedRoles are the special uses of RFC 6154; other roles are ours and
// nobody's business.
var announcedRoles = map[mailstore.Role]imap.Flag{
	mailstore.RoleArchive: "\\Archive",
	mailstore.RoleDrafts:  "\\Drafts",
	mailstore.RoleJunk:    "\\Junk",
	mailstore.RoleSent:    "\\Sent",
	mailstore.RoleTrash:   "\\Trash",
}

// list answers LIST (RFC 3501 §6.3.8, RFC 5258, RFC 6154 §2, RFC 3348) and
// LSUB (RFC 3501 §6.3.9).
func (s *session) list(c *call) (answer, error) {
	q := listQuery{basic: true}
	s.r.SP()
	if c.name == "LSUB" {
		reference := s.r.Mailbox()
		s.r.SP()
		q.patterns = []pattern{newPattern(reference + s.r.Pattern())}
	} else {
		s.readList(&q)
	}
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	if q.root {
		// What the delimiter is (RFC 3501 §6.3.8).
		s.w.Raw(`* LIST (\Noselect) "/" ""`).CRLF()
		return ok("listed"), nil
	}
	var boxes []mailstore.Mailbox
	err := s.see(func(tx mailstore.Tx) error {
		var err error
		boxes, err = tx.Mailboxes()
		return try("list mailboxes", err)
	})
	if err != nil {
		return answer{}, err
	}
	if c.name == "LSUB" {
		s.writeSubscribed(boxes, q.patterns[0])
	} else {
		s.writeList(boxes, &q)
	}
	return ok("listed"), nil
}

// writeSubscribed answers LSUB. Where the pattern ends in "%" and matches only
// a parent of something subscribed, the parent is listed as \Noselect (RFC
// 3501 §6.3.9).
func (s *session) writeSubscribed(boxes []mailstore.Mailbox, match pattern) {
	listed := make(map[string]bool)
	for _, box := range boxes {
		if !box.Subscribed {
			continue
		}
		if match.matches(box.Name) {
			if !listed[box.Name] {
				s.w.Raw(`* LSUB () "/" `).Mailbox(box.Name).CRLF()
			}
			listed[box.Name] = true
			continue
		}
		for _, p := range ancestors(box.Name) {
			if match.matches(p) && !listed[p] && !subscribed(boxes, p) {
				s.w.Raw(`* LSUB (\Noselect) "/" `).Mailbox(p).CRLF()
				listed[p] = true
			}
		}
	}
}

func subscribed(boxes []mailstore.Mailbox, name string) bool {
	for _, box := range boxes {
		if box.Name == name {
			return box.Subscribed
		}
	}
	return false
}

// writeName lists one mailbox without having been asked: what SELECT has in
// IMAP4rev2 (RFC 9051 §6.3.2), with the name that the client knows it by where
// it has another (§6.3.9.7).
func (s *session) writeName(box mailstore.Mailbox, old string) {
	var attrs []imap.Flag
	if box.NoSelect {
		attrs = append(attrs, "\\NonExistent")
	} else if role, known := announcedRoles[box.Role]; known {
		attrs = append(attrs, role)
	}
	if box.Subscribed {
		attrs = append(attrs, "\\Subscribed")
	}
	s.w.Raw("* LIST ").Flags(attrs).Raw(` "/" `).Mailbox(box.Name)
	if old != "" {
		s.w.Raw(` ("OLDNAME" (`).Mailbox(old).Raw("))")
	}
	s.w.CRLF()
}

// writeNormalised tells a client of IMAP4rev2 the name of a mailbox where that
// is not what it gave (RFC 9051 §6.3.4, §6.3.5, §6.3.12).
func (s *session) writeNormalised(box mailstore.Mailbox, given string) {
	if old := oldName(given, box.Name); old != "" && s.rev2 {
		s.writeName(box, old)
	}
}

// oldName is the name that a client gave, "" if the mailbox has it. A delimiter
// at the end says what it wants to do (RFC 9051 §6.3.4), and is no part of it.
func oldName(given, name string) string {
	if given = strings.TrimSuffix(given, string(mailstore.Delimiter)); given == name {
		return ""
	}
	return given
}

// ancestors are the names of the levels above a name.
func ancestors(name string) []string {
	var all []string
	for i, r := range name {
		if r == mailstore.Delimiter {
			all = append(all, name[:i])
		}
	}
	return all
}

// pattern matches mailbox names: "*" any text, "%" any text within a level.
// INBOX matches in any case, and what is not normalised like the name that it
// stands for (RFC 9051 §5.1).
type pattern struct{ text string }

func newPattern(text string) pattern {
	text = norm.NFC.String(text)
	if len(text) >= 5 && strings.EqualFold(text[:5], "INBOX") && (len(text) == 5 || text[5] == mailstore.Delimiter) {
		text = "INBOX" + text[5:]
	}
	return pattern{text}
}

// matches runs in time linear in name for each wildcard, whatever the pattern:
// reach holds the positions of the name that the pattern so far can end at.
func (p pattern) matches(name string) bool {
	reach := make([]bool, len(name)+1)
	reach[0] = true
	for i := 0; i < len(p.text); i++ {
		c := p.text[i]
		if c != '*' && c != '%' {
			for j := len(name); j > 0; j-- {
				reach[j] = reach[j-1] && name[j-1] == c
			}
			reach[0] = false
			continue
		}
		for j := 1; j <= len(name); j++ {
			if reach[j-1] && (c == '*' || name[j-1] != mailstore.Delimiter) {
				reach[j] = true
			}
		}
	}
	return reach[len(name)]
}
