// Package smime puts signatures into mail and finds them there: multipart/signed
// and application/pkcs7-mime (RFC 8551, RFC 1847).
//
// It owns the octets around an entity, never those of the entity: what was
// signed is passed on byte for byte. It parses no mail; whoever has parsed it
// says where the parts are.
package smime

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gosbridge/certs"
)

// ErrNotCanonical says that an entity has a bare CR or LF: its signature would
// not survive the next mail program (RFC 8551 §3.1.1).
var ErrNotCanonical = errors.New("the entity has a bare CR or LF")

// Form is the signed form of an entity: Prefix, the entity byte for byte,
// Suffix. Any header fields that do not begin with "Content-" may stand before
// the prefix.
type Form struct {
	// Prefix is the Content-Type field of multipart/signed, the blank line, a
	// preamble and the first delimiter, all lines with CRLF.
	Prefix []byte
	// Suffix begins with the CRLF of the second delimiter, which is no part of
	// what was signed (RFC 1847 §2.1), and ends after the closing delimiter's
	// CRLF.
	Suffix []byte
	// Signature is the DER inside the suffix.
	Signature []byte
	// EntitySize is the octets signed.
	EntitySize int64
	// EightBit says that the entity is not 7-bit: a relay that converts it
	// breaks the signature (RFC 8551 §3.1.2).
	EightBit bool
}

// Size is the octets of the whole form.
func (f Form) Size() int64 { return int64(len(f.Prefix)) + f.EntitySize + int64(len(f.Suffix)) }

// Reader is the whole form, around the entity.
func (f Form) Reader(entity io.Reader) io.Reader {
	return io.MultiReader(bytes.NewReader(f.Prefix), entity, bytes.NewReader(f.Suffix))
}

const preamble = "This is a signed message in the format S/MIME.\r\n"

// Compose signs an entity: its header (Content-Type and the like), a blank line
// and its body, with CRLF. It is read once, in constant memory. Errors: the
// reader's, certs.ErrSigner, ErrNotCanonical.
func Compose(ctx context.Context, signer certs.DetachedSigner, entity io.Reader, at time.Time) (Form, error) {
	lines := &lineCheck{}
	der, err := signer.Sign(ctx, io.TeeReader(entity, lines), at)
	if err != nil {
		return Form{}, fmt.Errorf("compose multipart/signed: %w", err)
	}
	if lines.bare || lines.cr {
		return Form{}, fmt.Errorf("compose multipart/signed: %w", ErrNotCanonical)
	}
	// 128 random bits: no entity can hold it by chance, and none was written
	// knowing it.
	boundary := "signed-" + rand.Text()
	return Form{
		Prefix:     prefix(boundary, signer.Micalg(), lines.eightBit),
		Suffix:     suffix(boundary, der),
		Signature:  der,
		EntitySize: lines.size,
		EightBit:   lines.eightBit,
	}, nil
}

func prefix(boundary, micalg string, eightBit bool) []byte {
	var b bytes.Buffer
	b.WriteString("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n")
	fmt.Fprintf(&b, "\tmicalg=%s; boundary=\"%s\"\r\n", micalg, boundary)
	if eightBit {
		b.WriteString("Content-Transfer-Encoding: 8bit\r\n") // RFC 2045 §6.4
	}
	fmt.Fprintf(&b, "\r\n%s\r\n--%s\r\n", preamble, boundary)
	return b.Bytes()
}

// lineLength is of base64 lines (RFC 2045 §6.8).
const lineLength = 76

func suffix(boundary string, der []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\r\n--%s\r\n", boundary)
	b.WriteString("Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"smime.p7s\"\r\n" +
		"Content-Description: S/MIME signature\r\n\r\n")
	text := base64.StdEncoding.EncodeToString(der)
	for len(text) > 0 {
		n := min(len(text), lineLength)
		b.WriteString(text[:n])
		b.WriteString("\r\n")
		text = text[n:]
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes()
}

// lineCheck looks at an entity as it passes.
type lineCheck struct {
	size     int64
	cr       bool // the last octet was a CR
	bare     bool
	eightBit bool
}

func (l *lineCheck) Write(p []byte) (int, error) {
	l.size += int64(len(p))
	for _, c := range p {
		if (c == '\n') != l.cr {
			l.bare = true
		}
		l.cr = c == '\r'
		if c >= 0x80 {
			l.eightBit = true
		}
	}
	return len(p), nil
}

// Split takes a message's header block apart for signing: the fields that stay
// with the message, and those that describe its body (Content-*), which move
// into the signed entity with the blank line after them. Fields are passed on
// byte for byte and in their order; MIME-Version is added to the first when the
// message had none. The header block is as received, with or without its blank
// line.
//
// The signed form of a message is then: outer, Form.Prefix, entity, the body as
// received, Form.Suffix.
func Split(header []byte) (outer, entity []byte) {
	version := false
	for len(header) > 0 {
		field := header[:fieldEnd(header)]
		header = header[len(field):]
		if len(bytes.TrimRight(field, "\r\n")) == 0 {
			continue // the blank line
		}
		name := fieldName(field)
		if strings.HasPrefix(name, "content-") {
			entity = append(entity, field...)
			continue
		}
		version = version || name == "mime-version"
		outer = append(outer, field...)
	}
	outer, entity = endLine(outer), endLine(entity)
	if !version {
		outer = append(outer, "MIME-Version: 1.0\r\n"...)
	}
	return outer, append(entity, "\r\n"...)
}

// endLine ends a last line that was cut.
func endLine(fields []byte) []byte {
	if len(fields) > 0 && fields[len(fields)-1] != '\n' {
		return append(fields, "\r\n"...)
	}
	return fields
}

// fieldEnd is where the field at the start ends, with its folded lines.
func fieldEnd(header []byte) int {
	end := 0
	for {
		n := bytes.IndexByte(header[end:], '\n')
		if n < 0 {
			return len(header)
		}
		end += n + 1
		if end == len(header) || header[end] != ' ' && header[end] != '\t' {
			return end
		}
	}
}

// fieldName is in lower case.
func fieldName(field []byte) string {
	name, _, _ := bytes.Cut(field, []byte{':'})
	return strings.ToLower(string(bytes.TrimRight(name, " \t\r\n")))
}
