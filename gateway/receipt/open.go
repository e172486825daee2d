package receipt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"

	"gosbridge/mailstore"
)

// maxMail bounds what Open reads, in octets: JSON and XML in base64, and the
// report beside them.
const maxMail = 4 * maxEncoded

// Opened is a receipt mail taken apart. Nothing in it is verified yet: hand
// Signature and Entity to a certs.Verifier.
type Opened struct {
	Header mail.Header // outside the signature
	// Entity are the octets that were signed: the first part of the
	// multipart/signed with its own header (RFC 1847 §2.1).
	Entity    []byte
	Signature []byte // DER of the detached CMS
	Text      string // what people read, with LF line ends
	// Report are the fields of the machine-readable part: those of the
	// message, then those of each recipient.
	Report []textproto.MIMEHeader
	// ID and Hash name the evidence, also where it is not attached.
	ID   mailstore.ID
	Hash mailstore.Hash
	// Evidence is what JSON says; the zero Sealed when the receipt carries
	// none. XML is nil when only that is left out.
	Evidence  Sealed
	JSON, XML []byte
}

// Open takes apart a mail that Mail made. An error wraps ErrNotReceipt when
// its form is another one, and ErrInvalid when the evidence in it is damaged,
// or what it says of its evidence does not agree. The signature is not
// checked here. A mail whose line ends became LF, as programs on Unix save
// it, is read as if they were CRLF.
func Open(r io.Reader) (*Opened, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxMail+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("open receipt: %w", err)
	case len(raw) > maxMail:
		return nil, fmt.Errorf("%w: more than %d octets", ErrNotReceipt, maxMail)
	}
	if !bytes.Contains(raw, []byte("\r\n")) {
		raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReceipt, err)
	}
	o := &Opened{Header: msg.Header}
	if err := o.split(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReceipt, err)
	}
	entity, err := mail.ReadMessage(bytes.NewReader(o.Entity))
	if err != nil {
		return nil, fmt.Errorf("%w: signed part: %w", ErrNotReceipt, err)
	}
	if err := o.walk(textproto.MIMEHeader(entity.Header), entity.Body, 0); err != nil {
		return nil, err
	}
	return o, o.agree()
}

// split finds the signed octets and the signature.
func (o *Opened) split(raw []byte) error {
	kind, params, err := mime.ParseMediaType(o.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/signed" || params["boundary"] == "" {
		return errors.New("no multipart/signed")
	}
	delimiter := []byte("\r\n--" + params["boundary"] + "\r\n")
	_, rest, ok := bytes.Cut(raw, delimiter)
	if !ok {
		return errors.New("no signed part")
	}
	// The CRLF before a delimiter belongs to it (RFC 2046 §5.1.1).
	entity, rest, ok := bytes.Cut(rest, delimiter)
	if !ok {
		return errors.New("no signature part")
	}
	signature, _, ok := bytes.Cut(rest, []byte("\r\n--"+params["boundary"]+"--"))
	if !ok {
		return errors.New("signature part is cut off")
	}
	header, encodedSignature, ok := bytes.Cut(signature, []byte("\r\n\r\n"))
	if !ok || !bytes.Contains(bytes.ToLower(header), []byte("application/pkcs7-signature")) {
		return errors.New("second part is no signature")
	}
	der, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(encodedSignature)))
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	o.Entity, o.Signature = entity, der
	return nil
}

// walk reads one entity of the signed part; depth is how many multiparts are
// around it: two at most.
func (o *Opened) walk(header textproto.MIMEHeader, body io.Reader, depth int) error {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReceipt, err)
	}
	switch kind {
	case "multipart/mixed", "multipart/report":
		if depth > 1 {
			return fmt.Errorf("%w: parts nested too deep", ErrNotReceipt)
		}
		return o.walkParts(multipart.NewReader(body, params["boundary"]), depth+1)
	case "message/delivery-status", "message/disposition-notification":
		return o.readReport(body)
	case "text/rfc822-headers":
		return nil
	}
	if strings.EqualFold(header.Get("Content-Transfer-Encoding"), "base64") {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotReceipt, kind, err)
	}
	switch kind {
	case "text/plain":
		o.Text = strings.ReplaceAll(string(data), "\r\n", "\n")
	case "application/json":
		o.JSON = data
		o.Evidence, err = ParseJSON(data)
	case "application/xml":
		o.XML = data
	}
	return err
}

func (o *Opened) walkParts(r *multipart.Reader, depth int) error {
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotReceipt, err)
		}
		if err := o.walk(p.Header, p, depth); err != nil {
			return err
		}
	}
}

// readReport reads groups of fields up to the end.
func (o *Opened) readReport(body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("%w: report: %w", ErrNotReceipt, err)
	}
	for group := range bytes.SplitSeq(data, []byte("\r\n\r\n")) {
		msg, err := mail.ReadMessage(io.MultiReader(bytes.NewReader(group), strings.NewReader("\r\n\r\n")))
		if err != nil {
			return fmt.Errorf("%w: report: %w", ErrNotReceipt, err)
		}
		o.Report = append(o.Report, textproto.MIMEHeader(msg.Header))
	}
	return nil
}

// agree compares what stands in several places.
func (o *Opened) agree() error {
	if len(o.Report) == 0 {
		return fmt.Errorf("%w: no report", ErrNotReceipt)
	}
	about := o.Report[0]
	if err := o.ID.UnmarshalText([]byte(about.Get("X-Letter-Evidence"))); err != nil {
		return fmt.Errorf("%w: evidence id: %w", ErrNotReceipt, err)
	}
	var hash Digest
	if err := hash.UnmarshalText([]byte(about.Get("X-Letter-Evidence-SHA256"))); err != nil || hash.IsZero() {
		return fmt.Errorf("%w: no hash of the evidence", ErrNotReceipt)
	}
	o.Hash = mailstore.Hash(hash)
	for _, name := range []string{"X-Letter-Evidence", "X-Letter-Number", "X-Letter-Receipt", "X-Letter-State"} {
		for _, outside := range o.Header[textproto.CanonicalMIMEHeaderKey(name)] {
			if outside != about.Get(name) {
				return fmt.Errorf("%w: %s is %q outside the signature", ErrInvalid, name, outside)
			}
		}
	}
	if o.JSON != nil && (o.Evidence.Hash != o.Hash || o.Evidence.ID != o.ID) {
		return fmt.Errorf("%w: report and evidence differ", ErrInvalid)
	}
	if o.XML != nil && (o.JSON == nil || !bytes.Equal(o.XML, o.Evidence.XML)) {
		return fmt.Errorf("%w: XML and JSON differ", ErrInvalid)
	}
	return nil
}
