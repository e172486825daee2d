package message

import (
	"bytes"
	"strings"
)

// Header is the fields of a header in their order.
type Header []Field

// Field is one header field as received.
type Field struct {
	// Name is as received, without space around it; "" for a line that is no
	// field.
	Name string
	// Raw is name, colon, value and line ends.
	Raw []byte
	// Offset is that of Raw in the whole message.
	Offset int64
}

// Is reports whether the field has the name, in any case.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Value is the field's value, unfolded (RFC 5322 §2.2.3), without space around
// it; encoded words are left as they are.
func (f Field) Value() string {
	if f.Name == "" {
		return ""
	}
	return fieldValue(f.Raw)
}

func fieldValue(raw []byte) string {
	_, v, _ := bytes.Cut(raw, []byte{':'})
	v = bytes.Trim(v, " \t\r\n")
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(v)
	}
	return unfold(v)
}

// unfold takes the line ends out. A bare CR goes too: no line end may reach a
// place that is one line.
func unfold(v []byte) string {
	out := make([]byte, 0, len(v))
	for _, c := range v {
		if c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return string(out)
}

func (h Header) first(name string) (Field, bool) {
	for _, f := range h {
		if f.Is(name) {
			return f, true
		}
	}
	return Field{}, false
}

// Get returns the unfolded raw value of the first field of that name.
func (h Header) Get(name string) string {
	f, _ := h.first(name)
	return f.Value()
}

// Has reports whether there is a field of that name.
func (h Header) Has(name string) bool {
	_, ok := h.first(name)
	return ok
}

// Values returns the unfolded raw values of all fields of that name.
func (h Header) Values(name string) []string {
	var values []string
	for _, f := range h {
		if f.Is(name) {
			values = append(values, f.Value())
		}
	}
	return values
}

// Text returns the value of the first field of that name, decoded (RFC 2047).
func (h Header) Text(name string) string { return DecodeText(h.Get(name)) }

// Addresses returns the addresses of all fields of that name, in order.
func (h Header) Addresses(name string) []Address {
	var list []Address
	for _, v := range h.Values(name) {
		list = append(list, ParseAddresses(v)...)
	}
	return list
}

// ParseHeader reads a header block, with or without its blank line. offset is
// where it stands in the message. The fields share raw.
func ParseHeader(raw []byte, offset int64) Header {
	h := make(Header, 0, bytes.Count(raw, []byte{'\n'})+1)
	names := string(raw) // one copy for all names
	for len(raw) > 0 {
		line, rest := cutField(raw)
		if line == nil {
			break
		}
		at := len(names) - len(raw) // a name begins its field
		h = append(h, Field{Name: names[at : at+len(fieldName(line))], Raw: line, Offset: offset})
		offset += int64(len(line))
		raw = rest
	}
	return h
}

// cutField takes the first field with its folded lines off a header block; nil
// at the blank line.
func cutField(raw []byte) (line, rest []byte) {
	end := lineEnd(raw, 0)
	if isBlank(raw[:end]) {
		return nil, raw
	}
	for end < len(raw) && (raw[end] == ' ' || raw[end] == '\t') {
		end = lineEnd(raw, end)
	}
	return raw[:end:end], raw[end:]
}

// lineEnd returns the index after the line that begins at i.
func lineEnd(b []byte, i int) int {
	if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(b)
}

func isBlank(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// fieldName is what stands before the colon: printable ASCII (RFC 5322
// §2.2), space before the colon allowed (§4.5.8). Anything else is no field.
func fieldName(line []byte) []byte {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil
	}
	name := bytes.TrimRight(line[:colon], " \t")
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return nil
		}
	}
	return name
}
