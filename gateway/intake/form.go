package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"gosbridge/certs"
	"gosbridge/certs/smime"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// sentForm makes the form that goes out: the submitted one without Bcc, with
// the sender's address restored where it had a suffix, and with the
// organisation's signature around it where the gateway signs. The octets of the
// body are those of the submission in every case.
func (in *Intake) sentForm(ctx context.Context, s *submission, sign certs.DetachedSigner) (mailstore.Content, error) {
	switch {
	case sign != nil:
		return in.signed(ctx, s, sign)
	case s.restored || slices.ContainsFunc(s.msg.Header, hides):
		return mailstore.Content{
			Prefix: sentHeader(s.header, true),
			Body:   s.body, Offset: s.msg.HeaderSize, Length: s.msg.Size - s.msg.HeaderSize,
		}, nil
	}
	return mailstore.Content{Body: s.body, Length: s.msg.Size}, nil
}

// hides reports whether a field names hidden recipients (RFC 5322 §3.6.3 and
// §3.6.6).
func hides(f message.Field) bool { return f.Is("Bcc") || f.Is("Resent-Bcc") }

// sentHeader joins the fields that go out, as they were received; with end,
// the blank line too.
func sentHeader(h message.Header, end bool) []byte {
	var b bytes.Buffer
	for _, f := range h {
		if !hides(f) {
			b.Write(f.Raw)
		}
	}
	if end {
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// signed wraps the submission's MIME entity, byte for byte, into a
// multipart/signed: its Content fields and its body become the first part.
func (in *Intake) signed(ctx context.Context, s *submission, signer certs.DetachedSigner) (_ mailstore.Content, err error) {
	outer, entity := smime.Split(sentHeader(s.header, false))
	r, err := in.store.Bodies().Open(ctx, s.body, s.msg.HeaderSize)
	if err != nil {
		return mailstore.Content{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	form, err := smime.Compose(ctx, signer, io.MultiReader(bytes.NewReader(entity), r), s.at)
	if errors.Is(err, certs.ErrSigner) {
		return mailstore.Content{}, errors.Join(policy.NewRefusal(policy.New(policy.SignerUnavailable)), err)
	}
	if err != nil {
		return mailstore.Content{}, err
	}
	prefix := append(append(outer, form.Prefix...), entity...)
	return mailstore.Content{
		Prefix: prefix, Body: s.body, Offset: s.msg.HeaderSize, Length: s.msg.Size - s.msg.HeaderSize, Suffix: form.Suffix,
	}, nil
}

// describe gives digest, size and summary of the sent form. The submitted
// octets have been through the parser; another form is read once.
func (in *Intake) describe(ctx context.Context, s *submission, c mailstore.Content) (_ receipt.Content, summary []byte, err error) {
	if len(c.Prefix) == 0 && len(c.Suffix) == 0 {
		return receipt.Content{SHA256: s.msg.SHA256, Size: s.msg.Size}, s.msg.Summary(), nil
	}
	r, err := c.Open(ctx, in.store.Bodies(), 0)
	if err != nil {
		return receipt.Content{}, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	summary, err = message.Index(io.TeeReader(r, h), in.limits)
	if err != nil {
		return receipt.Content{}, nil, fmt.Errorf("sent form: %w", err)
	}
	return receipt.Content{SHA256: receipt.Digest(h.Sum(nil)), Size: c.Size()}, summary, nil
}
