package receipt

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"gosbridge/gateway/message"
)

// maxReferences is how many Message-IDs of the thread a receipt names: the
// first and the latest ones.
const maxReferences = 40

// part is one MIME entity. It has a body, data or parts; data is encoded, and parts
// are joined, only where they are written.
type part struct {
	contentType string   // with its parameters, folded where long
	extra       []string // further Content-* fields
	body        []byte   // CRLF line ends, already encoded
	data        []byte   // goes out in base64
	boundary    string   // of parts
	parts       []part
}

// bytes is the whole entity.
func (p part) bytes() []byte { return p.appendTo(make([]byte, 0, p.size())) }

// appendTo writes the entity: its header, a blank line and the body.
func (p part) appendTo(b []byte) []byte {
	b = append(append(append(b, "Content-Type: "...), p.contentType...), "\r\n"...)
	for _, field := range p.extra {
		b = append(append(b, field...), "\r\n"...)
	}
	b = append(b, "\r\n"...)
	if p.boundary == "" {
		return message.AppendBase64(append(b, p.body...), p.data)
	}
	for _, child := range p.parts {
		b = append(append(append(b, "--"...), p.boundary...), "\r\n"...)
		b = child.appendTo(b)
		b = append(b, "\r\n"...) // belongs to the delimiter (RFC 2046 §5.1.1)
	}
	return append(append(append(b, "--"...), p.boundary...), "--\r\n"...)
}

// size is how many octets appendTo writes, so that they are written once.
func (p part) size() int {
	n := len("Content-Type: \r\n\r\n") + len(p.contentType)
	for _, field := range p.extra {
		n += len(field) + len("\r\n")
	}
	if p.boundary == "" {
		return n + len(p.body) + message.Base64Size(len(p.data))
	}
	for _, child := range p.parts {
		n += len("--\r\n\r\n") + len(p.boundary) + child.size()
	}
	return n + len("----\r\n") + len(p.boundary)
}

// compound joins parts into a multipart. The boundary cannot occur in them: it is made of the
// id of the evidence, which nobody knows before, and holds "=_", which no
// base64 or quoted-printable body does (RFC 2045 §6.7).
func compound(subtype, boundary string, parts ...part) part {
	return part{
		contentType: "multipart/" + subtype + ";\r\n boundary=\"" + boundary + "\"",
		boundary:    boundary, parts: parts,
	}
}

const inBase64 = "Content-Transfer-Encoding: base64"

// encoded is a part in base64, in lines of 76 (RFC 2045 §6.8).
func encoded(contentType string, data []byte, extra ...string) part {
	return part{contentType: contentType, extra: append(extra, inBase64), data: data}
}

// plain is a text/plain part of UTF-8 with LF line ends.
func plain(text string) part {
	crlf := make([]byte, 0, len(text)+strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		if crlf = append(crlf, line...); ended {
			crlf = append(crlf, "\r\n"...)
		}
	}
	return encoded("text/plain; charset=utf-8", crlf)
}

// headers is the header of the original as text/rfc822-headers (RFC 6522 §4),
// in quoted-printable when it is not clean 7-bit text already.
func headers(header []byte) part {
	if end := bytes.Index(header, []byte("\r\n\r\n")); end >= 0 {
		header = header[:end+2]
	}
	if is7bit(header) {
		return part{contentType: "text/rfc822-headers", body: header}
	}
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	// A bytes.Buffer takes everything, so neither can fail.
	_, _ = w.Write(header)
	_ = w.Close()
	return part{
		contentType: "text/rfc822-headers; charset=utf-8",
		extra:       []string{"Content-Transfer-Encoding: quoted-printable"},
		body:        b.Bytes(),
	}
}

// is7bit tells whether lines end in CRLF, are short enough and hold no octet
// that 7bit has no place for (RFC 2045 §2.7), nor blanks that relays drop.
func is7bit(b []byte) bool {
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		if len(line) > 998 || bytes.HasSuffix(line, []byte(" ")) {
			return false
		}
		for _, c := range line {
			if c == 0 || c == '\r' || c == '\n' || c >= 0x80 {
				return false
			}
		}
	}
	return true
}

// address checks one address and returns it bare.
func address(what, s string) (string, error) {
	a, err := mail.ParseAddress(s)
	if err != nil {
		return "", fmt.Errorf("%w: %s %q: %w", ErrInvalid, what, s, err)
	}
	return a.Address, nil
}

func domainOf(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}

// thread writes In-Reply-To and References to the letter (RFC 5322 §3.6.4).
func thread(messageID string, references []string) string {
	if !isMessageID(messageID) {
		return ""
	}
	chain := make([]string, 0, len(references)+1)
	for _, r := range references {
		if isMessageID(r) && r != messageID {
			chain = append(chain, r)
		}
	}
	if len(chain) >= maxReferences {
		chain = append(chain[:1], chain[len(chain)-maxReferences+2:]...)
	}
	chain = append(chain, messageID)
	return "In-Reply-To: " + messageID + "\r\n" +
		"References: " + strings.Join(chain, "\r\n ") + "\r\n"
}

// isMessageID accepts what can stand in a header without harm: printable
// ASCII in angle brackets.
func isMessageID(s string) bool {
	if len(s) < 3 || len(s) > maxWord || s[0] != '<' || s[len(s)-1] != '>' {
		return false
	}
	return !strings.ContainsFunc(s[1:len(s)-1], func(r rune) bool {
		return r <= ' ' || r >= 0x7F || r == '<' || r == '>'
	})
}
