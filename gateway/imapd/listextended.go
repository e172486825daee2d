package imapd

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// maxPatterns is how many patterns one LIST may have.
const maxPatterns = 32

// listQuery is a LIST command once read.
type listQuery struct {
	basic    bool // without options and with one pattern: as RFC 3501 has it
	root     bool // asks for the delimiter only
	patterns []pattern

	// Selection options (RFC 5258 §3.1, RFC 6154 §2).
	onlySubscribed, onlySpecial, recursive bool
	// Return options (RFC 5258 §3.2, RFC 6154 §2, RFC 5819).
	subscribed, children, special bool
	status                        []string
}

// readList reads "[(selection)] reference pattern [RETURN (options)]".
func (s *session) readList(q *listQuery) {
	if s.r.Peek() == '(' {
		q.basic = false
		s.readSelection(q)
		s.r.SP()
	}
	reference := s.r.Mailbox()
	s.r.SP()
	var names []string
	if s.r.Peek() == '(' {
		q.basic = false
		s.r.List(func() {
			if len(names) >= maxPatterns {
				s.r.Refuse(no("LIMIT", "too many patterns"))
				return
			}
			names = append(names, s.r.Pattern())
		})
		if len(names) == 0 {
			s.r.Fail("pattern")
		}
	} else {
		names = []string{s.r.Pattern()}
	}
	if s.r.Try(' ') {
		q.basic = false
		if s.r.Keyword() != "RETURN" {
			s.r.Fail("RETURN")
		}
		s.r.SP()
		s.r.List(func() { s.readListReturn(q) })
	}
	for _, name := range names {
		switch {
		case name != "":
			q.patterns = append(q.patterns, newPattern(reference+name))
		case q.basic:
			q.root = true
		} // an extended LIST passes over it (RFC 5258 §3)
	}
}

// readSelection reads selection options. RECURSIVEMATCH needs another that
// says what to look for (RFC 5258 §3.1).
func (s *session) readSelection(q *listQuery) {
	s.r.List(func() {
		switch s.r.Keyword() {
		case "SUBSCRIBED":
			q.onlySubscribed, q.subscribed = true, true
		case "SPECIAL-USE":
			q.onlySpecial, q.special = true, true
		case "RECURSIVEMATCH":
			q.recursive = true
		case "REMOTE": // all mailboxes are here
		default:
			s.r.Fail("known selection option")
		}
	})
	if q.recursive && !q.onlySubscribed && !q.onlySpecial {
		s.r.Fail("a selection option for RECURSIVEMATCH")
	}
}

func (s *session) readListReturn(q *listQuery) {
	switch s.r.Keyword() {
	case "SUBSCRIBED":
		q.subscribed = true
	case "CHILDREN":
		q.children = true
	case "SPECIAL-USE":
		q.special = true
	case "STATUS":
		s.r.SP()
		q.status = s.readStatusItems()
	default:
		s.r.Fail("known return option")
	}
}

// matches reports whether a pattern fits the name.
func (q *listQuery) matches(name string) bool {
	return slices.ContainsFunc(q.patterns, func(p pattern) bool { return p.matches(name) })
}

// selects reports whether the selection options take the mailbox. A name that
// is only there for its children is listed as such.
func (q *listQuery) selects(box mailstore.Mailbox) bool {
	_, special := announcedRoles[box.Role]
	return (!q.onlySubscribed || box.Subscribed) && (!q.onlySpecial || special)
}

// writeList writes every mailbox that matches, once, in order of names. One
// that is not selected itself is there for what no pattern shows below it
// (RFC 5258 §3.5).
func (s *session) writeList(boxes []mailstore.Mailbox, q *listQuery) {
	parents := make(map[string]bool) // of any mailbox
	holds := make(map[string]bool)   // RECURSIVEMATCH: selected ones below
	hides := make(map[string]bool)   // of these, some that no pattern fits
	for _, box := range boxes {
		held := q.recursive && q.selects(box)
		hidden := held && !q.matches(box.Name)
		for _, p := range ancestors(box.Name) {
			parents[p] = true
			holds[p] = holds[p] || held
			hides[p] = hides[p] || hidden
		}
	}
	for _, box := range boxes {
		if !q.matches(box.Name) {
			continue
		}
		selected := q.selects(box)
		if !selected && !hides[box.Name] {
			continue
		}
		s.w.Raw("* LIST ").Flags(q.attributes(box, parents[box.Name])).Raw(` "/" `).Mailbox(box.Name)
		if holds[box.Name] {
			s.writeChildInfo(q)
		}
		s.w.CRLF()
		// RFC 5819 §2: none for what cannot be selected, nor for what is
		// listed for its children alone.
		if len(q.status) > 0 && selected && !box.NoSelect {
			s.writeStatus(box, q.status)
		}
	}
	s.enableByStatus(q.status)
}

// attributes are those of a mailbox: in an extended LIST as asked for only.
func (q *listQuery) attributes(box mailstore.Mailbox, parent bool) []imap.Flag {
	var attrs []imap.Flag
	switch {
	case box.NoSelect && q.basic:
		attrs = append(attrs, "\\Noselect")
	case box.NoSelect:
		attrs = append(attrs, "\\NonExistent") // implies \Noselect (RFC 5258 §3.4)
	}
	if q.subscribed && box.Subscribed {
		attrs = append(attrs, "\\Subscribed")
	}
	switch {
	case !q.basic && !q.children && !box.NoSelect:
		// A name that is no mailbox always says why it is listed (RFC 5258
		// §3.5, RFC 9051 §6.3.9.6).
	case parent:
		attrs = append(attrs, "\\HasChildren")
	default:
		attrs = append(attrs, "\\HasNoChildren")
	}
	if role, known := announcedRoles[box.Role]; known && (q.basic || q.special) {
		attrs = append(attrs, role)
	}
	return attrs
}

// writeChildInfo says that below there are mailboxes which the options select,
// whether a pattern shows them or not (RFC 5258 §3.5).
func (s *session) writeChildInfo(q *listQuery) {
	sep := ` ("CHILDINFO" (`
	if q.onlySubscribed {
		s.w.Raw(sep).Raw(`"SUBSCRIBED"`)
		sep = " "
	}
	if q.onlySpecial {
		s.w.Raw(sep).Raw(`"SPECIAL-USE"`)
	}
	s.w.Raw("))")
}
