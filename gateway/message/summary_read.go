package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// errSummary says that the octets are no Summary.
var errSummary = errors.New("summary damaged")

// Summary answers for a message without its body. It reads the encoded octets
// as it is asked, shares them, and is safe for concurrent use.
type Summary struct {
	flags      byte
	headerSize int64
	date, zone int64
	stored     []byte
	others     []byte // 16-bit hashes
	slot       [slots]byte
	inline     [slots][]byte
	form       form
	parts      []byte // and behind them the form of IMAP4rev2, if it is another
}

// form is a BODYSTRUCTURE, with parentheses, and what of it BODY leaves out.
type form struct {
	structure  []byte
	extensions []byte // number of ranges, and pairs of uvarints
}

// form reads what wire.appendTo appended.
func (c *cursor) form() form {
	f := form{structure: c.bytes()}
	start := c.b
	for n := c.number(); n > 0 && !c.bad; n-- {
		c.number()
		c.number()
	}
	f.extensions = start[:len(start)-len(c.b)]
	return f
}

// DecodeSummary reads an encoded Summary. b must not change as long as the
// Summary is used. Damage that shows later makes the accessors answer as for a
// message without what is damaged.
func DecodeSummary(b []byte) (*Summary, error) {
	s := new(Summary)
	c := cursor{b: b}
	if v := c.octet(); v != summaryVersion {
		return nil, fmt.Errorf("version %d: %w", v, errSummary)
	}
	s.flags = c.octet()
	s.headerSize = c.number()
	if s.flags&flagDate != 0 {
		s.date, s.zone = c.signed(), c.signed()
	}
	s.stored = c.bytes()
	if n := c.number(); n <= maxOtherNames {
		s.others = c.take(2 * int(n))
	} else {
		c.bad = true
	}
	for slot := range slots {
		if s.slot[slot] = c.octet(); s.slot[slot] == slotInline {
			s.inline[slot] = c.bytes()
		}
	}
	s.form = c.form()
	s.parts = c.b
	if c.bad || len(s.parts) == 0 {
		return nil, errSummary
	}
	return s, nil
}

// Envelope is the ENVELOPE of RFC 3501 §7.4.2 with its parentheses; 8-bit
// octets stand within literals only.
func (s *Summary) Envelope() []byte {
	b := make([]byte, 0, 512)
	b = append(b, '(')
	for slot := range slots {
		if slot > 0 {
			b = append(b, ' ')
		}
		b = s.appendSlot(b, slot)
	}
	return append(b, ')')
}

func (s *Summary) appendSlot(b []byte, slot int) []byte {
	switch s.slot[slot] {
	case slotInline:
		return append(b, s.inline[slot]...)
	case slotAsFrom:
		if s.slot[slotFrom] == slotInline {
			return append(b, s.inline[slotFrom]...)
		}
	case slotStored:
		for raw := s.stored; len(raw) > 0; {
			line, rest := cutField(raw)
			if line == nil {
				break
			}
			if strings.EqualFold(string(fieldName(line)), slotNames[slot]) {
				return appendString(b, fieldValue(line))
			}
			raw = rest
		}
	}
	return append(b, "NIL"...)
}

// BodyStructure is the BODYSTRUCTURE form with its parentheses, of IMAP4rev1 or
// of IMAP4rev2. It must not be changed.
func (s *Summary) BodyStructure(rev2 bool) []byte { return s.formOf(rev2).structure }

// Body is the BODY form, which has no extension data.
func (s *Summary) Body(rev2 bool) []byte { return s.formOf(rev2).body() }

// formOf finds the form of a version. Most messages have one for both.
func (s *Summary) formOf(rev2 bool) form {
	if !rev2 {
		return s.form
	}
	c := cursor{b: s.parts}
	c.skipParts(c.part(0, true).children, 0)
	if c.bad || len(c.b) == 0 {
		return s.form
	}
	if f := c.form(); !c.bad {
		return f
	}
	return s.form
}

func (f form) body() []byte {
	b := make([]byte, 0, len(f.structure))
	c := cursor{b: f.extensions}
	rest := f.structure
	for n := c.number(); n > 0; n-- {
		keep, drop := c.number(), c.number()
		if c.bad || keep > int64(len(rest)) || drop > int64(len(rest))-keep {
			return f.structure // damaged: the longer form is still well formed
		}
		b = append(b, rest[:keep]...)
		rest = rest[keep+drop:]
	}
	return append(b, rest...)
}

// HeaderSize is the number of octets of the header with its blank line.
func (s *Summary) HeaderSize() int64 { return s.headerSize }

// Date is the time of the Date field; zero when it has none that can be read.
func (s *Summary) Date() time.Time {
	if s.flags&flagDate == 0 {
		return time.Time{}
	}
	return time.Unix(s.date, 0).In(time.FixedZone("", int(s.zone)*60))
}

// Fields returns what BODY[HEADER.FIELDS (names)] (with not: HEADER.FIELDS.NOT)
// shows: the fields as received, in their order, and a blank line. ok is false
// when the summary cannot tell and the header must be read from the body.
func (s *Summary) Fields(names []string, not bool) (raw []byte, ok bool) {
	if !s.answers(names, not) {
		return nil, false
	}
	raw = make([]byte, 0, 256)
	for rest := s.stored; len(rest) > 0; {
		line, next := cutField(rest)
		if line == nil {
			break
		}
		if named(line, names) != not {
			raw = append(raw, line...)
		}
		rest = next
	}
	return append(raw, '\r', '\n'), true
}

// Header returns the stored fields of these names, in their order; their
// Offset says nothing. ok is false as for Fields.
func (s *Summary) Header(names ...string) (h Header, ok bool) {
	if !s.answers(names, false) {
		return nil, false
	}
	h = ParseHeader(s.stored, 0)
	return slices.DeleteFunc(h, func(f Field) bool { return !named(f.Raw, names) }), true
}

func named(line []byte, names []string) bool {
	name := fieldName(line)
	return slices.ContainsFunc(names, func(n string) bool { return len(n) == len(name) && strings.EqualFold(n, string(name)) })
}

// answers reports whether the stored fields are all there are of these names,
// or of all others.
func (s *Summary) answers(names []string, not bool) bool {
	if s.flags&flagMany != 0 {
		return false
	}
	if not {
		return len(s.others) == 0 && s.flags&flagUnnamed == 0
	}
	var room [64]byte
	for _, name := range names {
		if s.hasOther(nameHash(lowerName(room[:0], name))) {
			return false
		}
	}
	return true
}

func (s *Summary) hasOther(hash uint16) bool {
	for i := 0; i+1 < len(s.others); i += 2 {
		if binary.BigEndian.Uint16(s.others[i:]) == hash {
			return true
		}
	}
	return false
}

// WithPrefix encodes the summary of the same message with prefix, whole header
// fields, put before it. Fields that ENVELOPE shows must not be among them.
func (s *Summary) WithPrefix(prefix []byte) []byte {
	w := &summaryWriter{flags: s.flags}
	w.fields(ParseHeader(prefix, 0), 2*maxStoredFields)
	w.stored = append(w.stored, s.stored...)
	for i := 0; i+1 < len(s.others); i += 2 {
		w.other(binary.BigEndian.Uint16(s.others[i:]))
	}
	b := make([]byte, 0, 64+len(w.stored)+len(s.form.structure)+len(s.parts)+512)
	b = append(b, summaryVersion, w.flags)
	b = binary.AppendUvarint(b, uint64(s.headerSize)+uint64(len(prefix)))
	if w.flags&flagDate != 0 {
		b = binary.AppendVarint(binary.AppendVarint(b, s.date), s.zone)
	}
	b = w.appendHeader(b)
	for slot := range slots {
		if b = append(b, s.slot[slot]); s.slot[slot] == slotInline {
			b = appendBytes(b, s.inline[slot])
		}
	}
	b = appendBytes(b, s.form.structure)
	b = append(b, s.form.extensions...)
	return append(b, s.parts...)
}

// PartInfo is where a part stands and how it is encoded.
type PartInfo struct {
	HeaderOffset int64
	BodyOffset   int64 // HeaderOffset plus the MIME header with its blank line
	BodySize     int64 // octets as transferred
	Lines        int64
	MediaType    string // lower case
	Encoding     string // lower case; "7bit" by default
	Charset      string // lower case; "" when absent
	IsMultipart  bool
	IsMessage    bool // message/rfc822 that is looked into
	// MessageHeaderSize is the header of the message that a message part
	// carries, with its blank line: BODY[n.HEADER] is that many octets from
	// BodyOffset, BODY[n.TEXT] the rest of BodySize.
	MessageHeaderSize int64

	children int64 // entries that follow
}

// Part finds a part by its IMAP number (RFC 3501 §6.4.5): an empty path is the
// message, {1} of a message that is no multipart its body.
func (s *Summary) Part(path []int) (PartInfo, bool) {
	c := cursor{b: s.parts}
	e := c.part(s.headerSize, true)
	root := true // of the message or of an attached one
	for i := 0; i < len(path) && !c.bad; {
		switch {
		case e.IsMultipart:
			n := int64(path[i])
			if n < 1 || n > e.children {
				return PartInfo{}, false
			}
			c.skipParts(n-1, s.headerSize)
			e = c.part(s.headerSize, false)
			root, i = false, i+1
		case root && path[i] == 1:
			root, i = false, i+1
		case !root && e.IsMessage:
			e = c.part(s.headerSize, false)
			root = true
		default:
			return PartInfo{}, false
		}
	}
	return e, !c.bad
}

// cursor reads an encoded Summary; after damage everything is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) octet() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) number() int64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > 1<<62 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return int64(v)
}

func (c *cursor) signed() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes() []byte {
	n := c.number()
	if n > int64(len(c.b)) {
		n = -1
	}
	return c.take(int(n))
}

func (c *cursor) common(table []string) string {
	i := int(c.octet())
	switch {
	case i == 0:
		return string(c.bytes())
	case i < len(table):
		return table[i]
	}
	c.bad = true
	return ""
}

// part reads one entry of the part table.
func (c *cursor) part(base int64, root bool) (e PartInfo) {
	bits := c.octet()
	e.IsMultipart, e.IsMessage = bits&partMultipart != 0, bits&partMessage != 0
	e.MediaType, e.Encoding, e.Charset = c.common(commonTypes), c.common(commonEncodings), c.common(commonCharsets)
	e.BodyOffset = base
	if !root {
		e.HeaderOffset = base + c.number()
		e.BodyOffset = e.HeaderOffset + c.number()
	}
	e.BodySize, e.Lines = c.number(), c.number()
	if e.IsMultipart {
		e.children = c.number()
	}
	if e.IsMessage {
		e.MessageHeaderSize = c.number()
		e.children = 1
	}
	return e
}

// skipParts passes over n entries with all within them.
func (c *cursor) skipParts(n, base int64) {
	for ; n > 0 && !c.bad; n-- {
		n += c.part(base, false).children
	}
}
