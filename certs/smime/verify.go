package smime

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"gosbridge/certs"
)

// Kind is how a MIME entity is protected.
type Kind int

// The kinds.
const (
	Plain     Kind = iota // not at all
	Multipart             // multipart/signed: readable by everybody
	Opaque                // application/pkcs7-mime with SignedData around the content
	Encrypted             // application/pkcs7-mime, enveloped, or multipart/encrypted of any protocol
	Foreign               // multipart/signed of another protocol (PGP/MIME, RFC 3156 §5), or of none that it names
)

// KindOf tells the kind by media type and parameters, their names in lower case.
// An application/pkcs7-mime that does not say what it is counts as Opaque: many
// old ones are, and verification finds out.
func KindOf(mediaType string, params map[string]string) Kind {
	switch strings.ToLower(mediaType) {
	case "multipart/signed":
		switch strings.ToLower(params["protocol"]) {
		case "application/pkcs7-signature", "application/x-pkcs7-signature":
			return Multipart
		}
		return Foreign
	case "multipart/encrypted": // RFC 1847 §2.2
		return Encrypted
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		switch strings.ToLower(params["smime-type"]) {
		case "enveloped-data", "authenveloped-data":
			return Encrypted
		case "signed-data", "":
			return Opaque
		}
	}
	return Plain
}

// MaxSignature bounds a detached signature, in decoded octets.
const MaxSignature = 4 << 20

// Range is a stretch of a message, in octets.
type Range struct{ Offset, Size int64 }

// Verify checks a multipart/signed. The range is the first part, from the first
// octet of its header to the last of its body: without the CRLF before the next
// delimiter, which belongs to that (RFC 1847 §2.1). The message is read from its
// start to the range's end; one that ends earlier is io.ErrUnexpectedEOF. The
// signature is decoded, see Decode. Other errors are those of certs.Verifier.
func Verify(ctx context.Context, verifier certs.Verifier, message io.Reader, first Range, signature []byte, at time.Time) (certs.Report, error) {
	if first.Offset < 0 || first.Size < 0 {
		return certs.Report{}, fmt.Errorf("verify multipart/signed: part at %d with %d octets", first.Offset, first.Size)
	}
	if err := skip(message, first.Offset); err != nil {
		return certs.Report{}, fmt.Errorf("verify multipart/signed: %w", err)
	}
	part := &exact{src: message, left: first.Size}
	report, err := verifier.Verify(ctx, signature, part, at)
	if err != nil {
		return certs.Report{}, fmt.Errorf("verify multipart/signed: %w", err)
	}
	return report, nil
}

func skip(from io.Reader, octets int64) error {
	if seeker, ok := from.(io.Seeker); ok {
		_, err := seeker.Seek(octets, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, from, octets)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// exact reads so many octets and takes an earlier end for an error: a part that
// was cut must not look like one that was changed.
type exact struct {
	src  io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.src.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// OpaqueVerifier checks a SignedData that carries its content and writes that
// out: cms.Verifier does.
type OpaqueVerifier interface {
	VerifyOpaque(ctx context.Context, message io.Reader, content io.Writer, at time.Time) (certs.Report, error)
}

// VerifyOpaque checks the body of an application/pkcs7-mime with SignedData, in
// the given Content-Transfer-Encoding, and writes out the entity inside, which is
// not to be believed before the report says so. Memory is constant. Errors are
// those of the verifier and of reader and writer.
func VerifyOpaque(ctx context.Context, verifier OpaqueVerifier, body io.Reader, encoding string, content io.Writer, at time.Time) (certs.Report, error) {
	report, err := verifier.VerifyOpaque(ctx, decoder(body, encoding), content, at)
	if err != nil {
		return certs.Report{}, fmt.Errorf("verify pkcs7-mime: %w", err)
	}
	return report, nil
}

// Decode reads the body of the signature part in its Content-Transfer-Encoding.
// One beyond MaxSignature, or that is no base64, wraps certs.ErrMalformed.
func Decode(body io.Reader, encoding string) ([]byte, error) {
	var der bytes.Buffer
	n, err := io.Copy(&der, io.LimitReader(decoder(body, encoding), MaxSignature+1))
	if err != nil {
		return nil, fmt.Errorf("decode signature: %w", err)
	}
	if n > MaxSignature {
		return nil, fmt.Errorf("decode signature: %w: larger than %d octets", certs.ErrMalformed, MaxSignature)
	}
	return der.Bytes(), nil
}

// decoder undoes base64; the other encodings (binary) leave DER as it is.
func decoder(body io.Reader, encoding string) io.Reader {
	if !strings.EqualFold(strings.TrimSpace(encoding), "base64") {
		return body
	}
	return &base64Reader{base64.NewDecoder(base64.StdEncoding, &alphabet{body})}
}

// base64Reader calls broken base64 a malformed signature.
type base64Reader struct{ src io.Reader }

func (r *base64Reader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if _, corrupt := err.(base64.CorruptInputError); corrupt || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("%w: %w", certs.ErrMalformed, err)
	}
	return n, err
}

// alphabet drops what is no base64 (RFC 2045 §6.8: decoders ignore it).
type alphabet struct{ src io.Reader }

func (a *alphabet) Read(p []byte) (int, error) {
	n, err := a.src.Read(p)
	kept := p[:0]
	for _, c := range p[:n] {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/', c == '=':
			kept = append(kept, c)
		}
	}
	return len(kept), err
}
