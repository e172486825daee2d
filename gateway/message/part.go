package message

import (
	"slices"
	"strings"
)

// describe reads the fields of a part's header that decide on its structure.
// Of a field that stands twice the first counts.
func (p *Parser) describe(part *Part) {
	var kind, encoding, disposition *Field
	for i := range part.Header {
		f := &part.Header[i]
		var slot **Field
		switch {
		case f.Name == "":
			p.defect(MalformedHeader, f.Offset)
			continue
		case f.Is("Content-Type"):
			slot = &kind
		case f.Is("Content-Transfer-Encoding"):
			slot = &encoding
		case f.Is("Content-Disposition"):
			slot = &disposition
		default:
			continue
		}
		if *slot != nil {
			p.defect(DuplicateField, f.Offset)
			continue
		}
		*slot = f
	}
	p.describeType(part, kind)
	part.Encoding = "7bit"
	if encoding != nil {
		if v, _ := parseParams(encoding.Value()); v != "" {
			part.Encoding = strings.ToLower(v)
		}
	}
	if !KnownEncoding(part.Encoding) || part.encoded() && (part.IsMultipart() || part.MediaType == "message/rfc822") {
		p.defect(UnknownEncoding, part.HeaderOffset)
	}
	var file map[string]string
	if disposition != nil {
		var v string
		v, part.dispParams = parseParams(disposition.Value())
		part.Disposition = strings.ToLower(v)
		file = decodeParams(part.dispParams)
	}
	if part.Filename = file["filename"]; part.Filename == "" {
		part.Filename = part.Params["name"]
	}
}

func (p *Parser) describeType(part *Part, kind *Field) {
	fallback := part.MediaType // what the multipart gives by default
	if fallback == "" {
		fallback = "text/plain"
	}
	part.MediaType = fallback
	if kind == nil {
		return
	}
	v, params := parseParams(kind.Value())
	v = strings.ToLower(v)
	main, sub, ok := strings.Cut(v, "/")
	if !ok || !isToken(main) || !isToken(sub) {
		p.defect(MalformedType, kind.Offset)
	} else {
		part.MediaType = v
	}
	part.rawParams, part.Params = params, decodeParams(params)
	part.Charset = strings.ToLower(strings.TrimSpace(part.Params["charset"]))
}

// isToken is the token of RFC 2045 §5.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?=", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

func isMultipart(mediaType string) bool { return strings.HasPrefix(mediaType, "multipart/") }

// IsMultipart reports whether the part is a multipart.
func (p *Part) IsMultipart() bool { return isMultipart(p.MediaType) }

func (p *Part) isText() bool { return strings.HasPrefix(p.MediaType, "text/") }

func (p *Part) encoded() bool { return p.Encoding == "base64" || p.Encoding == "quoted-printable" }

// isMessage reports whether the part carries a message that can be looked
// into (RFC 2046 §5.2.1, RFC 6532 §3.7).
func (p *Part) isMessage() bool {
	return (p.MediaType == "message/rfc822" || p.MediaType == globalType) && !p.encoded()
}

// globalType is that of a message with UTF-8 in its header (RFC 6532 §3.7).
// BODYSTRUCTURE shows what is in it to clients of IMAP4rev2 only.
const globalType = "message/global"

// holdsGlobal reports whether the part is or holds one of globalType.
func (p *Part) holdsGlobal() bool {
	return p.MediaType == globalType || slices.ContainsFunc(p.Children, (*Part).holdsGlobal) ||
		p.Embedded != nil && p.Embedded.Root.holdsGlobal()
}

// boundary is the parameter as received: it is octets, not text.
func (p *Part) boundary() string {
	for _, param := range p.rawParams {
		if strings.EqualFold(param.name, "boundary") {
			b := strings.TrimRight(param.value, " \t")
			if len(b) > maxDelimiter/2 {
				return ""
			}
			return b
		}
	}
	return p.Params["boundary"] // in the form of RFC 2231
}

// Files returns the parts that a reader would save, in order: everything but
// the body text, the multiparts and a detached signature. An attached message
// is one file; what it carries is not listed.
func (m *Message) Files() []*Part {
	var files []*Part
	m.Root.walk(func(p *Part) {
		if !p.IsMultipart() && !p.isBodyText() {
			files = append(files, p)
		}
	})
	return files
}

// walk visits the part and all within it but the signature of a
// multipart/signed (RFC 1847 §2.1) and attached messages. Only a signature of
// S/MIME is one: of any other nobody looks whether it is not a file.
func (p *Part) walk(visit func(*Part)) {
	visit(p)
	for i, child := range p.Children {
		if i == 1 && len(p.Children) == 2 && p.MediaType == "multipart/signed" && isSignature(child.MediaType) {
			continue
		}
		child.walk(visit)
	}
}

func isSignature(mediaType string) bool {
	switch mediaType {
	case "application/pkcs7-signature", "application/x-pkcs7-signature":
		return true
	}
	return false
}

// isBodyText reports whether the part is text that a mail program shows as the
// body.
func (p *Part) isBodyText() bool {
	return (p.MediaType == "text/plain" || p.MediaType == "text/html") &&
		p.Disposition != "attachment" && p.Filename == ""
}

// BodyRunes counts the code points that a reader of the body sees, CRLF as
// one, line ends at the end left out: of text/plain, or of text/html where an
// alternative has no plain form.
func (m *Message) BodyRunes() int {
	n, _ := m.Root.bodyRunes()
	return n
}

// bodyRunes also reports whether there is plain text.
func (p *Part) bodyRunes() (n int, plain bool) {
	switch {
	case p.isBodyText():
		return p.Runes - p.trailing, p.MediaType == "text/plain"
	case p.MediaType == "multipart/alternative":
		for _, child := range p.Children {
			k, isPlain := child.bodyRunes()
			if isPlain && !plain {
				n, plain = 0, true
			}
			if isPlain == plain {
				n = max(n, k)
			}
		}
		return n, plain
	}
	for _, child := range p.Children {
		k, isPlain := child.bodyRunes()
		n, plain = n+k, plain || isPlain
	}
	return n, plain
}

// HasHTML reports whether the body has a text/html form.
func (m *Message) HasHTML() bool {
	found := false
	m.Root.walk(func(p *Part) { found = found || p.MediaType == "text/html" && p.isBodyText() })
	return found
}
