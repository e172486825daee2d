package message

import "strings"

// Address is one mailbox of an address list (RFC 5322 §3.4).
type Address struct {
	Name    string // decoded display name
	Mailbox string // local part
	Host    string // domain; "" when missing
	Group   string // decoded name of the group it stands in; "" outside
}

// String is mailbox@host.
func (a Address) String() string {
	if a.Host == "" {
		return a.Mailbox
	}
	return a.Mailbox + "@" + a.Host
}

// ParseAddresses reads an unfolded address list. Empty groups give none.
func ParseAddresses(value string) []Address {
	var list []Address
	group := ""
	for _, e := range parseAddressList(value) {
		switch e.kind {
		case groupStart:
			group = DecodeText(e.name)
		case groupEnd:
			group = ""
		case mailboxEntry:
			list = append(list, Address{
				Name: DecodeText(e.name), Mailbox: decodeRaw(e.mailbox), Host: decodeRaw(e.host), Group: group,
			})
		}
	}
	return list
}

type entryKind uint8

const (
	mailboxEntry entryKind = iota
	groupStart
	groupEnd
)

// addressEntry is one element of an address list as ENVELOPE wants it, octets
// not decoded (RFC 3501 §7.4.2).
type addressEntry struct {
	kind    entryKind
	name    string // display name, quotes taken off; the group's for groupStart
	route   string // source route (RFC 5322 §4.4)
	mailbox string
	host    string
}

// addressScanner reads an address list in one pass.
type addressScanner struct {
	out     []addressEntry
	text    []byte // phrase, or local part while no "<" or "@" came
	words   int
	glued   bool // the next word belongs to the last one: a.b
	comment string
	inGroup bool
}

// parseAddressList reads what is there and passes over the rest.
func parseAddressList(s string) []addressEntry {
	var a addressScanner
	for s != "" {
		switch c := s[0]; c {
		case ' ', '\t', '\r', '\n':
			s, a.glued = s[1:], false
		case '(':
			n := commentEnd(s)
			a.comment = strings.Trim(s[1:n], "() \t")
			s, a.glued = s[n:], false
		case ',':
			a.bare("")
			s = s[1:]
		case ';':
			a.bare("")
			a.closeGroup()
			s = s[1:]
		case ':':
			a.openGroup()
			s = s[1:]
		case '<':
			s = a.angle(s[1:])
		case '@':
			s = skipSpace(s[1:])
			end := addressEnd(s)
			a.bare(cleanDomain(s[:end]))
			s = s[end:]
		case '"':
			var word string
			word, s = cutQuoted(s)
			a.word(word)
		default:
			end := strings.IndexAny(s, " \t\r\n(),;:<@\"")
			if end <= 0 {
				end = len(s)
			}
			a.word(s[:end])
			s = s[end:]
		}
	}
	a.bare("")
	a.closeGroup()
	return a.out
}

func (a *addressScanner) word(w string) {
	if !a.glued && a.words > 0 {
		a.text = append(a.text, ' ')
	}
	a.text = append(a.text, w...)
	a.words++
	a.glued = true
}

// bare ends an address without angle brackets: ivanov@example.org, or, as mail
// before RFC 733 had it, a comment for the name: ivanov@example.org (Ivanov).
func (a *addressScanner) bare(host string) {
	if a.words > 0 {
		a.out = append(a.out, addressEntry{name: a.comment, mailbox: string(a.text), host: host})
	} else if a.comment != "" && len(a.out) > 0 {
		if last := &a.out[len(a.out)-1]; last.kind == mailboxEntry && last.name == "" {
			last.name = a.comment
		}
	}
	a.reset()
}

// angle reads "route:local@domain>" after the bracket and returns what follows
// up to the next separator.
func (a *addressScanner) angle(s string) string {
	inner, rest := cutAngle(s)
	inner = strings.Trim(inner, " \t\r\n") // and not U+00A0, which a local part may have (RFC 6531 §3.3)
	e := addressEntry{name: string(a.text)}
	if strings.HasPrefix(inner, "@") {
		if route, spec, ok := strings.Cut(inner, ":"); ok {
			e.route, inner = route, spec
		}
	}
	e.mailbox, e.host = inner, ""
	if at := strings.LastIndexByte(inner, '@'); at >= 0 {
		e.mailbox, e.host = inner[:at], cleanDomain(inner[at+1:])
	}
	if strings.HasPrefix(e.mailbox, "\"") {
		e.mailbox, _ = cutQuoted(e.mailbox)
	}
	if e.mailbox != "" || e.host != "" || e.name != "" {
		a.out = append(a.out, e)
	}
	a.reset()
	return rest
}

// maxAddress bounds the search for the end of an address.
const maxAddress = 1024

// cutAngle ends at ">" outside quotes, or where the list goes on without one.
func cutAngle(s string) (inner, rest string) {
	quoted := false
	for i := 0; i < min(len(s), maxAddress); i++ {
		switch s[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case '>':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	if i := strings.IndexByte(s, ','); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func (a *addressScanner) openGroup() {
	name := string(a.text)
	if name == "" {
		return // what stands before is a route or nothing
	}
	a.closeGroup()
	a.out = append(a.out, addressEntry{kind: groupStart, name: name})
	a.inGroup = true
	a.reset()
}

func (a *addressScanner) closeGroup() {
	if a.inGroup {
		a.out = append(a.out, addressEntry{kind: groupEnd})
	}
	a.inGroup = false
	a.reset()
}

func (a *addressScanner) reset() { a.text, a.words, a.glued, a.comment = a.text[:0], 0, false, "" }

// addressEnd is where a domain ends that stands without brackets.
func addressEnd(s string) int {
	if strings.HasPrefix(s, "[") { // domain literal, which may hold colons
		if i := strings.IndexByte(s, ']'); i >= 0 {
			return i + 1
		}
	}
	if i := strings.IndexAny(s, " \t\r\n(,;:<\""); i >= 0 {
		return i
	}
	return len(s)
}

// cleanDomain takes comments and space out of a domain.
func cleanDomain(s string) string {
	if i := strings.IndexByte(s, '('); i >= 0 {
		s = s[:i] + s[i+commentEnd(s[i:]):]
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}
