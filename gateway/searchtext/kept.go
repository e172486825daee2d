package searchtext

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"strings"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// What is kept of a message, in octets: the folded header and text together.
// What is longer is cut; a search that finds nothing in the rest reads the
// message.
const (
	maxKept     = 64 << 10
	maxKeptHead = 32 << 10
	// maxHeader bounds the header that is read for it.
	maxHeader = 256 << 10
)

// The form of what is kept. Both parts begin with an octet that says whether
// something was left out. The head goes on with the size of the message's
// header, a uvarint, and its fields. Each begins with two octets that stand in
// no text, since they are never part of UTF-8, and are followed by the field,
// decoded and folded: "name: value". So a needle never reaches over two fields,
// and the fields of one name are found without reading the others.
const (
	whole     = 0
	cutShort  = 1
	fieldMark = 0xff
	namedMark = 0xfe // the name stands as it was received, in lower case
	otherMark = 0xfd // a line that is no field, or a name that decoding may change
)

// Extract reads a message, whose header has that size, and returns the head and
// the body to be kept of it. The error is r's.
func Extract(r io.Reader, headerSize int64) (head, text []byte, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, min(headerSize, maxHeader)))
	if err != nil {
		return nil, nil, err
	}
	head = appendHead(raw, headerSize)
	text = []byte{whole}
	room := maxKept - len(head)
	var fold folder
	keep := func(folded []byte) bool {
		if len(text)+len(folded) > room {
			text[0] = cutShort
			folded = folded[:room-len(text)]
		}
		text = append(text, folded...)
		return text[0] == whole
	}
	err = message.ScanText(io.MultiReader(bytes.NewReader(raw), r), message.Limits{}, func(piece []byte) bool {
		return keep(fold.add(piece))
	})
	if err != nil {
		return nil, nil, err
	}
	keep(fold.close())
	return head, text, nil
}

// appendHead makes the head of a header.
func appendHead(raw []byte, size int64) []byte {
	head := binary.AppendUvarint([]byte{whole}, uint64(size))
	if int64(len(raw)) < size {
		head[0] = cutShort
	}
	for _, f := range message.ParseHeader(raw, 0) {
		line := Fold(shown(f))
		if len(head)+2+len(line) > maxKeptHead {
			head[0] = cutShort
			continue
		}
		mark := byte(otherMark)
		if isPlainName(f.Name) {
			mark = namedMark
		}
		head = append(append(head, fieldMark, mark), line...)
	}
	return head
}

// isPlainName reports whether a name can be looked up: printable ASCII (RFC
// 5322 §2.2), and nothing that the decoding of encoded words changes.
func isPlainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return name != "" && !strings.Contains(name, "=?")
}

// unreadable is kept of a message that cannot be read: it settles nothing.
func unreadable() (head, text []byte) { return []byte{cutShort, 0}, []byte{cutShort} }

// Needle is what a search looks for in what is kept. The zero value is in every
// text.
type Needle struct {
	text []byte
	// HeaderOctets is how much of a header the search looks at. A message with
	// more is left to Scan.
	headerOctets int64
}

// NewNeedle makes one of a folded text.
func NewNeedle(folded string, headerOctets int64) Needle {
	return Needle{text: []byte(folded), headerOctets: headerOctets}
}

// InBody reports whether the text parts have the needle, and whether that is
// certain.
func (n Needle) InBody(t *mailstore.Text) (found, known bool) {
	if len(t.Body) == 0 {
		return false, false
	}
	found = bytes.Contains(t.Body[1:], n.text)
	return found, found || t.Body[0] == whole
}

// InHeader reports whether a field of the header has the needle, its name
// included, and whether that is certain.
func (n Needle) InHeader(t *mailstore.Text) (found, known bool) {
	fields, all, ok := n.fields(t)
	if !ok {
		return false, false
	}
	found = bytes.Contains(fields, n.text)
	return found, found || all
}

// Field finds the fields of one name. The zero value settles nothing.
type Field struct{ start []byte }

// NewField makes one for a name in any case.
func NewField(name string) Field {
	if !isPlainName(name) {
		return Field{}
	}
	return Field{append([]byte{fieldMark, namedMark}, strings.ToLower(name)+": "...)}
}

// InField reports whether the value of a field of that name has the needle, and
// whether that is certain.
func (n Needle) InField(f Field, t *mailstore.Text) (found, known bool) {
	rest, all, ok := n.fields(t)
	if !ok || f.start == nil {
		return false, false
	}
	for {
		i := bytes.Index(rest, f.start)
		if i < 0 {
			return false, all
		}
		rest = rest[i+len(f.start):]
		value := rest
		if end := bytes.IndexByte(rest, fieldMark); end >= 0 {
			value = rest[:end]
		}
		if bytes.Contains(value, n.text) {
			return true, true
		}
	}
}

// fields are those that are kept, and whether they are all. ok is false when
// they tell nothing.
func (n Needle) fields(t *mailstore.Text) (fields []byte, all, ok bool) {
	if len(t.Head) == 0 {
		return nil, false, false
	}
	size, k := binary.Uvarint(t.Head[1:])
	if k <= 0 || size > uint64(n.headerOctets) {
		return nil, false, false
	}
	return t.Head[1+k:], t.Head[0] == whole, true
}

// read makes the text of a row that was read with all its fields.
func read(ctx context.Context, bodies body.Store, m *mailstore.Message) (head, text []byte, err error) {
	size, err := headerSize(ctx, bodies, m)
	if err != nil {
		return nil, nil, err
	}
	r, err := m.Content.Open(ctx, bodies, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = r.Close() }() // only read
	return Extract(r, size)
}

// headerSize is that of a message, its blank line included.
func headerSize(ctx context.Context, bodies body.Store, m *mailstore.Message) (int64, error) {
	if sum, err := message.DecodeSummary(m.Summary); err == nil {
		return sum.HeaderSize(), nil
	}
	r, err := m.Content.Open(ctx, bodies, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }() // only read
	made, err := message.Index(r, message.Limits{})
	if err != nil {
		return 0, err
	}
	sum, err := message.DecodeSummary(made)
	if err != nil {
		return 0, err
	}
	return sum.HeaderSize(), nil
}
