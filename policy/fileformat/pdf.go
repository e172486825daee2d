package fileformat

import (
	"bytes"
	"strconv"
)

// Bounds of the search in a PDF.
const (
	pdfDictMax  = 64 << 10 // octets of a trailer dictionary
	pdfTableMax = 32 << 20 // octets of a cross-reference table
	pdfDepthMax = 32       // nesting inside the dictionary
)

// pdf checks header, end mark and the newest trailer (ISO 32000-1 §7.5): the
// trailer of an encrypted document has an Encrypt entry, and each update
// repeats it.
func (s *scan) pdf(f *Facts) {
	f.Format = PDF
	first := s.read(0, 1024)
	head := bytes.TrimLeft(first, "\xef\xbb\xbf \t\r\n")
	if len(head) < 8 || head[5] < '1' || head[5] > '2' || head[6] != '.' || head[7] < '0' || head[7] > '9' {
		f.add(Damaged, DetailHeader, "")
		return
	}
	tail := s.lastOctets()
	end := bytes.LastIndex(tail, []byte("%%EOF"))
	if end < 0 {
		f.add(Damaged, DetailEnd, "")
		return
	}
	if bytes.Contains(tail[end:], emptyZIP) {
		f.add(Damaged, DetailAfterEnd, "")
		return
	}
	offset, ok := startXref(tail[:end])
	if !ok {
		f.add(Damaged, DetailTrailer, "")
		return
	}
	dict, problem := s.pdfTrailer(offset)
	if before := int64(len(first) - len(head)); problem == DetailReference && before > 0 {
		dict, problem = s.pdfTrailer(offset + before) // some count from the header
	}
	if problem != DetailNone {
		f.add(Damaged, problem, "")
		return
	}
	keys, ok := dictKeys(dict)
	if !ok || !keys["Root"] {
		f.add(Damaged, DetailTrailer, "")
		return
	}
	if keys["Encrypt"] {
		f.add(Encrypted, DetailNone, "")
	}
}

// startXref gives the number after the last startxref.
func startXref(tail []byte) (int64, bool) {
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return 0, false
	}
	fields := bytes.Fields(tail[i+len("startxref"):])
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return n, err == nil && n > 0
}

// pdfTrailer gives the octets from the trailer dictionary on: that of a table,
// or that of a cross-reference stream ("12 0 obj <<").
func (s *scan) pdfTrailer(offset int64) ([]byte, Detail) {
	b := bytes.TrimLeft(s.read(offset, 1024), "\x00\t\n\f\r ")
	if !bytes.HasPrefix(b, []byte("xref")) {
		fields := bytes.Fields(b[:min(len(b), 64)])
		if len(fields) < 3 || !isNumber(fields[0]) || !isNumber(fields[1]) || !bytes.HasPrefix(fields[2], []byte("obj")) {
			return nil, DetailReference
		}
		b = s.read(offset, pdfDictMax)
		return b[bytes.Index(b, []byte("obj"))+3:], DetailNone
	}
	at, ok := s.find([]byte("trailer"), offset, pdfTableMax)
	if !ok {
		return nil, DetailTrailer
	}
	return s.read(at+int64(len("trailer")), pdfDictMax), DetailNone
}

// find looks for the word from the offset on, in the next limit octets.
func (s *scan) find(word []byte, offset, limit int64) (int64, bool) {
	const step = 32 << 10
	for end := min(s.size, offset+limit); offset < end; offset += step {
		// The windows overlap, so that the word is never cut in two.
		if i := bytes.Index(s.read(offset, step+len(word)), word); i >= 0 {
			return offset + int64(i), true
		}
	}
	return 0, false
}

func isNumber(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// dictKeys gives the keys of the dictionary that b begins with, not those of
// what is nested in it; false when it is not well formed.
func dictKeys(b []byte) (map[string]bool, bool) {
	t := &pdfTokens{b: b}
	if t.next() != "<<" {
		return nil, false
	}
	keys := make(map[string]bool)
	wantKey := true
	for depth := 1; ; {
		token := t.next()
		switch token {
		case "":
			return nil, false
		case "<<", "[":
			depth++
			if depth > pdfDepthMax {
				return nil, false
			}
		case ">>", "]":
			depth--
			if depth == 0 {
				return keys, token == ">>"
			}
			wantKey = depth == 1
		default:
			if depth > 1 {
				continue
			}
			// A name is a key, and the next one its value. Whatever else
			// comes (a string, a number, 5 0 R) is the value or its end.
			isKey := token[0] == '/' && wantKey
			if isKey {
				keys[token[1:]] = true
			}
			wantKey = !isKey
		}
	}
}

// pdfTokens splits the syntax of PDF objects (ISO 32000-1 §7.2, §7.3).
type pdfTokens struct{ b []byte }

// next gives the next token: "<<", ">>", "[", "]", a name with its slash and
// #xx decoded, "(" for any string, or a word; "" at the end.
func (t *pdfTokens) next() string {
	t.skip()
	if len(t.b) == 0 {
		return ""
	}
	switch c := t.b[0]; {
	case c == '<' && len(t.b) > 1 && t.b[1] == '<', c == '>' && len(t.b) > 1 && t.b[1] == '>':
		token := string(t.b[:2])
		t.b = t.b[2:]
		return token
	case c == '[' || c == ']':
		t.b = t.b[1:]
		return string(c)
	case c == '(':
		t.literal()
		return "("
	case c == '<':
		i := bytes.IndexByte(t.b, '>')
		if i < 0 {
			t.b = nil
			return ""
		}
		t.b = t.b[i+1:]
		return "("
	case c == '/':
		return "/" + unescapeName(t.word(1))
	}
	if w := t.word(0); w != "" {
		return w
	}
	t.b = nil // a delimiter out of place
	return ""
}

// skip drops white space and comments.
func (t *pdfTokens) skip() {
	for {
		t.b = bytes.TrimLeft(t.b, "\x00\t\n\f\r ")
		if len(t.b) == 0 || t.b[0] != '%' {
			return
		}
		i := bytes.IndexAny(t.b, "\r\n")
		if i < 0 {
			i = len(t.b)
		}
		t.b = t.b[i:]
	}
}

// word cuts off the regular characters after the first from octets.
func (t *pdfTokens) word(from int) string {
	i := bytes.IndexAny(t.b[from:], "\x00\t\n\f\r ()<>[]{}/%")
	if i < 0 {
		i = len(t.b) - from
	}
	w := string(t.b[from : from+i])
	t.b = t.b[from+i:]
	return w
}

// literal drops a string in parentheses, which may nest and be escaped.
func (t *pdfTokens) literal() {
	depth := 0
	for i := 0; i < len(t.b); i++ {
		switch t.b[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				t.b = t.b[i+1:]
				return
			}
		}
	}
	t.b = nil
}

// unescapeName decodes #xx: /Encr#79pt is /Encrypt.
func unescapeName(s string) string {
	if !bytes.ContainsRune([]byte(s), '#') {
		return s
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
