package imapd

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// part of a message, or of one of its parts, that a section names (RFC 3501
// §6.4.5, section-text).
type sectionText uint8

const (
	wholePart sectionText = iota
	headerText
	headerFields
	headerFieldsNot
	bodyText
	mimeHeader
)

// section is BODY[...]<...>, its RFC822 form, or BINARY[...] (RFC 3516).
type section struct {
	label   string // as the response names it
	prefix  string // of the label: BODY, BINARY or BINARY.SIZE
	path    []int
	text    sectionText
	names   []string // of header fields
	partial bool
	from    int64
	size    int64
	seen    bool // sets \Seen
}

// maxPath is the depth of part numbers.
const maxPath = 64

// readSection reads the section of an item with that name.
func (s *session) readSection(name string) *section {
	switch name {
	case "RFC822":
		return &section{label: name, seen: true}
	case "RFC822.HEADER":
		return &section{label: name, text: headerText}
	case "RFC822.TEXT":
		return &section{label: name, text: bodyText, seen: true}
	case "BODY", "BODY.PEEK":
	case "BINARY", "BINARY.PEEK", "BINARY.SIZE":
		return s.readBinary(name)
	default:
		s.r.Fail("known fetch item")
		return nil
	}
	sec := &section{prefix: "BODY", seen: name == "BODY"}
	s.r.Byte('[')
	if s.r.Peek() != ']' {
		s.readSectionText(sec)
	}
	s.r.Byte(']')
	s.readPartial(sec)
	sec.name()
	return sec
}

// readPartial reads "<origin.length>" where it stands.
func (s *session) readPartial(sec *section) {
	if !s.r.Try('<') {
		return
	}
	sec.partial = true
	sec.from = int64(s.r.Number64()) // RFC 9051 §9
	s.r.Byte('.')
	sec.size = int64(s.r.Number64())
	if sec.size == 0 && s.r.Err() == nil {
		s.r.Fail("length above zero")
	}
	s.r.Byte('>')
}

// readSectionText reads "1.2.HEADER.FIELDS (To)" and its like. The label's
// dots are cut here, since part numbers and names share them.
func (s *session) readSectionText(sec *section) {
	words := strings.Split(s.r.Label(), ".")
	for len(words) > 0 {
		n, err := strconv.ParseUint(words[0], 10, 31)
		if err != nil || n == 0 || len(sec.path) >= maxPath {
			break
		}
		sec.path = append(sec.path, int(n))
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	switch strings.Join(words, ".") {
	case "HEADER":
		sec.text = headerText
	case "TEXT":
		sec.text = bodyText
	case "HEADER.FIELDS":
		sec.text = headerFields
	case "HEADER.FIELDS.NOT":
		sec.text = headerFieldsNot
	case "MIME":
		if len(sec.path) == 0 {
			s.r.Fail("part number before MIME")
		}
		sec.text = mimeHeader
	default:
		s.r.Fail("section")
	}
	if sec.text == headerFields || sec.text == headerFieldsNot {
		s.r.SP()
		s.r.List(func() { sec.names = append(sec.names, s.r.Text()) })
		if len(sec.names) == 0 {
			s.r.Fail("header field")
		}
	}
}

// name makes the label of the response.
func (sec *section) name() {
	var b strings.Builder
	b.WriteString(sec.prefix + "[")
	sep := ""
	for _, n := range sec.path {
		b.WriteString(sep)
		b.WriteString(strconv.Itoa(n))
		sep = "."
	}
	if sec.text != wholePart {
		b.WriteString(sep)
		b.WriteString([...]string{headerText: "HEADER", headerFields: "HEADER.FIELDS",
			headerFieldsNot: "HEADER.FIELDS.NOT", bodyText: "TEXT", mimeHeader: "MIME"}[sec.text])
	}
	for i, n := range sec.names {
		b.WriteString([...]string{" (", " "}[min(i, 1)])
		b.WriteString(fieldName(n))
	}
	if len(sec.names) > 0 {
		b.WriteString(")")
	}
	b.WriteString("]")
	if sec.partial {
		fmt.Fprintf(&b, "<%d>", sec.from)
	}
	sec.label = b.String()
}

// fieldName writes a field's name as an astring; one that needs a literal
// matches no field and is written empty.
func fieldName(name string) string {
	plain := name != ""
	for i := range len(name) {
		c := name[i]
		if c < 0x20 || c >= 0x7f {
			return `""`
		}
		plain = plain && !strings.ContainsRune(`(){ %*"\]`, rune(c))
	}
	if plain {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// fields is what a row needs for the section. Chosen header fields are tried
// from the summary first; content is then read only where it cannot tell.
func (sec *section) fields() mailstore.Fields {
	switch {
	case len(sec.path) == 0 && sec.text == wholePart:
		return mailstore.FieldContent
	case len(sec.path) == 0 && (sec.text == headerFields || sec.text == headerFieldsNot):
		return mailstore.FieldSummary
	}
	return mailstore.FieldSummary | mailstore.FieldContent
}

// piece is a section ready to be written: octets in memory, or a stream.
type piece struct {
	none   bool // NIL: the message has no such part
	data   []byte
	stream io.ReadCloser
	size   int64 // of the stream; of BINARY.SIZE the answer
	binary bool  // may hold NUL: a literal8 (RFC 3516 §4.3)
}

func closePieces(parts []piece) {
	for _, p := range parts {
		if p.stream != nil {
			p.stream.Close()
		}
	}
}

// openSections opens all sections of the plan, so that what is missing shows
// before the response begins. The slice runs in parallel to the items.
func (s *session) openSections(m *mailstore.Message, sum *message.Summary, p *plan) ([]piece, error) {
	parts := make([]piece, len(p.items))
	for i, it := range p.items {
		if it.kind != itemSection {
			continue
		}
		var err error
		if parts[i], err = s.openSection(it.section, m, sum); err != nil {
			closePieces(parts[:i])
			return nil, fmt.Errorf("open section: %w", err)
		}
	}
	return parts, nil
}

func (s *session) openSection(sec *section, m *mailstore.Message, sum *message.Summary) (piece, error) {
	if sec.text == headerFields || sec.text == headerFieldsNot {
		return s.openFields(sec, m, sum)
	}
	if sec.prefix != "BODY" && sec.prefix != "" {
		return s.openBinary(sec, m, sum)
	}
	offset, size, found, err := sec.span(m, sum)
	if err != nil || !found {
		return piece{none: !found}, err
	}
	return s.openRange(sec, m, offset, size)
}

// openRange opens the octets that are asked for: only they are read.
func (s *session) openRange(sec *section, m *mailstore.Message, offset, size int64) (piece, error) {
	if sec.partial {
		from := min(sec.from, size)
		offset, size = offset+from, min(sec.size, size-from)
	}
	if size == 0 {
		return piece{}, nil
	}
	stream, err := s.open(m, offset)
	if err != nil {
		return piece{}, err
	}
	return piece{stream: textual{stream}, size: size}, nil
}

// stand is the octet that stands for a NUL outside of BINARY.
const stand = 0x80

// textual makes octets fit for a literal, which has no NUL (RFC 3501 §4.3.1 and
// CHAR8 in §9): each becomes another octet, so that sizes and offsets stay.
type textual struct{ io.ReadCloser }

// Read implements io.Reader.
func (t textual) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	for rest := p[:n]; ; {
		i := bytes.IndexByte(rest, 0)
		if i < 0 {
			return n, err
		}
		rest[i] = stand
		rest = rest[i+1:]
	}
}

// textualFields does the same with fields in memory, which may be shared.
func textualFields(b []byte) []byte {
	if bytes.IndexByte(b, 0) < 0 {
		return b
	}
	return bytes.ReplaceAll(b, []byte{0}, []byte{stand})
}

// span is where the section stands in the message.
func (sec *section) span(m *mailstore.Message, sum *message.Summary) (offset, size int64, found bool, err error) {
	total := m.Content.Size()
	if len(sec.path) == 0 {
		if sec.text == wholePart {
			return 0, total, true, nil
		}
		header := min(sum.HeaderSize(), total)
		if sec.text == headerText {
			return 0, header, true, nil
		}
		return header, total - header, true, nil
	}
	info, exists := sum.Part(sec.path)
	if !exists {
		return 0, 0, false, nil
	}
	offset, size = info.BodyOffset, info.BodySize
	switch sec.text {
	case mimeHeader:
		offset, size = info.HeaderOffset, info.BodyOffset-info.HeaderOffset
	case headerText, headerFields, headerFieldsNot:
		size = info.MessageHeaderSize
	case bodyText:
		offset += info.MessageHeaderSize
		size -= info.MessageHeaderSize
	}
	if sec.text != wholePart && sec.text != mimeHeader && !info.IsMessage {
		return 0, 0, false, nil // only messages have a header and a text
	}
	if offset < 0 || size < 0 || offset+size > total {
		return 0, 0, false, fmt.Errorf("part outside of message: %w", mailstore.ErrDamaged)
	}
	return offset, size, true, nil
}

// openFields answers HEADER.FIELDS and HEADER.FIELDS.NOT from the summary, or
// else from the header in the body.
func (s *session) openFields(sec *section, m *mailstore.Message, sum *message.Summary) (piece, error) {
	not := sec.text == headerFieldsNot
	if len(sec.path) == 0 {
		if raw, known := sum.Fields(sec.names, not); known {
			return piece{data: textualFields(sec.cut(raw))}, nil
		}
		if err := s.loadContent(m); err != nil {
			return piece{}, err
		}
	}
	offset, size, found := int64(0), min(sum.HeaderSize(), m.Content.Size()), true
	if len(sec.path) > 0 {
		var err error
		if offset, size, found, err = sec.span(m, sum); err != nil || !found {
			return piece{none: !found}, err
		}
	}
	raw, err := s.readHeader(m, offset, size)
	if err != nil {
		return piece{}, err
	}
	return piece{data: textualFields(sec.cut(pickFields(raw, sec.names, not)))}, nil
}

// cut applies the partial range.
func (sec *section) cut(b []byte) []byte {
	if !sec.partial {
		return b
	}
	b = b[min(sec.from, int64(len(b))):]
	return b[:min(sec.size, int64(len(b)))]
}

// readHeader reads a header from the body, of bounded size.
func (s *session) readHeader(m *mailstore.Message, offset, size int64) ([]byte, error) {
	size = min(size, s.cfg.HeaderOctets)
	r, err := s.open(m, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	return raw, nil
}

// pickFields keeps the named fields, or all others, with the blank line (RFC
// 3501 §6.4.5).
func pickFields(raw []byte, names []string, not bool) []byte {
	var out bytes.Buffer
	for _, f := range message.ParseHeader(raw, 0) {
		named := false
		for _, n := range names {
			named = named || f.Is(n)
		}
		if named != not {
			out.Write(f.Raw)
		}
	}
	out.WriteString("\r\n")
	return out.Bytes()
}

// writePiece writes an item and its octets.
func (s *session) writePiece(sec *section, p *piece) error {
	s.w.Raw(sec.label).Raw(" ")
	switch {
	case sec.prefix == "BINARY.SIZE":
		s.w.Number(uint64(p.size))
	case p.none:
		s.w.Raw("NIL")
	case p.stream != nil:
		if p.binary {
			s.w.Raw("~")
		}
		if err := s.w.Stream(p.stream, p.size); err != nil {
			return &ended{err} // the client was promised octets that do not come
		}
	case len(p.data) == 0:
		s.w.Raw(`""`)
	default:
		s.w.Literal(p.data)
	}
	return s.w.Err()
}

// open reads a message's octets from offset on.
func (s *session) open(m *mailstore.Message, offset int64) (io.ReadCloser, error) {
	if err := s.loadContent(m); err != nil {
		return nil, err
	}
	return m.Content.Open(s.ctx, s.srv.store.Bodies(), offset)
}

// loadContent fetches the content of a row that was read without it.
func (s *session) loadContent(m *mailstore.Message) error {
	if m.Content.Size() > 0 {
		return nil
	}
	return s.see(func(tx mailstore.Tx) error {
		for full, err := range tx.Messages(s.view.box, uidSet([]mailstore.UID{m.UID}), mailstore.FieldContent) {
			if err != nil {
				return try("load content", err)
			}
			m.Content = full.Content
			return nil
		}
		return fmt.Errorf("uid %d: %w", m.UID, mailstore.ErrNoMessage)
	})
}
