package receipt

import (
	"strconv"
	"time"
	"unicode/utf8"

	"gosbridge/mailstore"
)

// timeForm is how times stand in evidence: UTC, always three decimals.
const timeForm = "2006-01-02T15:04:05.000Z"

// Namespace is the XML namespace of evidence.
const Namespace = "urn:gosbridge:evidence:1"

// kind is what a node of the tree holds.
type kind uint8

const (
	isText kind = iota
	isNumber
	isTrue
	isObject
	isList
)

// node is one fact with its name. Both encodings are written from one tree of
// them, so that they cannot differ in what they say.
type node struct {
	name string
	kind kind
	text string
	num  int64
	kids []node // members in key order, or items of a list
}

// object collects the members of one object. They are added in the order of
// their keys (RFC 8785 §3.2.3); what is empty is left out.
type object []node

func (o *object) text(name, value string) {
	if value != "" {
		*o = append(*o, node{name: name, text: value})
	}
}

func (o *object) time(name string, t time.Time) {
	if !t.IsZero() {
		o.text(name, t.Format(timeForm))
	}
}

func (o *object) id(name string, id mailstore.ID) {
	if id != (mailstore.ID{}) {
		o.text(name, id.String())
	}
}

func (o *object) number(name string, n int64) {
	*o = append(*o, node{name: name, kind: isNumber, num: n})
}

func (o *object) object(name string, kids object) {
	if len(kids) > 0 {
		*o = append(*o, node{name: name, kind: isObject, kids: kids})
	}
}

func (o *object) content(name string, c Content) {
	if c == (Content{}) {
		return
	}
	var kids object
	kids.text("sha256", c.SHA256.String())
	kids.number("size", c.Size)
	o.object(name, kids)
}

// list adds the objects of a list, each an element called item in XML.
func list[T any](o *object, name, item string, values []T, fields func(T) object) {
	if len(values) == 0 {
		return
	}
	kids := make([]node, 0, len(values))
	for _, v := range values {
		kids = append(kids, node{name: item, kind: isObject, kids: fields(v)})
	}
	*o = append(*o, node{name: name, kind: isList, kids: kids})
}

// tree lists every fact of the evidence.
func (ev *Evidence) tree() object {
	o := make(object, 0, 24)
	o.text("authority", ev.Authority)
	o.text("event", string(ev.Event))
	o.time("eventTime", ev.At)
	o.time("expected", ev.Expected)
	list(&o, "files", "file", ev.Files, File.tree)
	o.id("id", ev.ID)
	if ev.Inferred {
		o = append(o, node{name: "inferred", kind: isTrue})
	}
	o.time("issueTime", ev.Issued)
	o.object("letter", ev.Letter.tree())
	o.text("nextHopNumber", ev.NextHop)
	o.text("previousEvidence", ev.Previous.String())
	var profile object
	profile.text("name", ev.Profile.Name)
	profile.text("sha256", ev.Profile.SHA256.String())
	o.object("profile", profile)
	list(&o, "reasons", "reason", ev.Reasons, Reason.tree)
	list(&o, "recipients", "recipient", ev.Recipients, Recipient.tree)
	o.object("sender", ev.Sender.tree())
	o.content("sent", ev.Sent)
	o.object("signature", ev.Signature.tree())
	o.text("signerCertificate", ev.Signer.String())
	o.content("submitted", ev.Submitted)
	o.number("version", int64(ev.Version))
	return o
}

func (l Letter) tree() (o object) {
	o.text("case", l.Case)
	o.text("envelopeId", l.EnvelopeID)
	o.id("id", l.ID)
	o.text("messageId", l.MessageID)
	o.text("number", l.Number)
	o.text("type", l.Type)
	return o
}

func (s Sender) tree() (o object) {
	o.id("account", s.Account)
	o.text("address", s.Address)
	o.text("assurance", s.Assurance)
	o.text("inn", s.INN)
	o.text("name", s.Name)
	o.text("ogrn", s.OGRN)
	return o
}

func (r Recipient) tree() (o object) {
	o.text("address", r.Address)
	o.text("inn", r.INN)
	o.text("name", r.Name)
	o.text("ogrn", r.OGRN)
	o.text("registryId", r.RegistryID)
	o.text("registrySha256", r.Registry.String())
	return o
}

func (f File) tree() (o object) {
	o.text("mediaType", f.Type)
	o.text("name", f.Name)
	o.text("sha256", f.SHA256.String())
	o.number("size", f.Size)
	return o
}

func (s Signature) tree() (o object) {
	o.text("by", s.By)
	o.text("certificateSha256", s.Certificate.String())
	o.text("result", s.Result)
	o.text("subject", s.Subject)
	return o
}

func (r Reason) tree() (o object) {
	o.text("code", r.Code)
	o.text("en", r.En)
	o.text("ru", r.Ru)
	o.text("status", r.Status)
	return o
}

// appendJSON writes the object as RFC 8785 has it: keys in order, no white
// space, the shortest escapes. Numbers are integers below 2^53.
func appendJSON(b []byte, members object) []byte {
	b = append(b, '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, m.name)
		b = append(b, ':')
		switch m.kind {
		case isText:
			b = appendString(b, m.text)
		case isNumber:
			b = strconv.AppendInt(b, m.num, 10)
		case isTrue:
			b = append(b, "true"...)
		case isObject:
			b = appendJSON(b, m.kids)
		case isList:
			b = append(b, '[')
			for j, item := range m.kids {
				if j > 0 {
					b = append(b, ',')
				}
				b = appendJSON(b, item.kids)
			}
			b = append(b, ']')
		}
	}
	return append(b, '}')
}

// appendString writes a string of valid UTF-8 (RFC 8785 §3.2.2.2).
func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// encodeXML writes the document: UTF-8, two spaces of indent, elements in the
// order of the JSON keys, LF line ends and one at the end.
func encodeXML(members object) []byte {
	b := make([]byte, 0, 4096)
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<evidence xmlns="`+Namespace+`" version="`...)
	for _, m := range members {
		if m.name == "version" {
			b = strconv.AppendInt(b, m.num, 10)
		}
	}
	b = append(b, '"', '>', '\n')
	for _, m := range members {
		if m.name != "version" { // an attribute of the root
			b = appendElement(b, m, 1)
		}
	}
	return append(b, "</evidence>\n"...)
}

func appendElement(b []byte, n node, depth int) []byte {
	b = indent(b, depth)
	b = append(b, '<')
	b = append(b, n.name...)
	b = append(b, '>')
	switch n.kind {
	case isText:
		b = appendCharData(b, n.text)
	case isNumber:
		b = strconv.AppendInt(b, n.num, 10)
	case isTrue:
		b = append(b, "true"...)
	case isObject, isList:
		b = append(b, '\n')
		for _, kid := range n.kids {
			b = appendElement(b, kid, depth+1)
		}
		b = indent(b, depth)
	}
	b = append(b, '<', '/')
	b = append(b, n.name...)
	return append(b, '>', '\n')
}

func indent(b []byte, depth int) []byte {
	for range depth {
		b = append(b, ' ', ' ')
	}
	return b
}

// appendCharData escapes what markup would be, and CR, which a parser would
// otherwise read as LF (XML 1.0 §2.11).
func appendCharData(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch r {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '\r':
			b = append(b, "&#13;"...)
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return b
}
