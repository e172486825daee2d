package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"gosbridge/certs"
	"gosbridge/certs/smime"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/policy"
)

// verify checks the signature that the client put on the letter, and whose it
// is. Where there is none it finds out whether the gateway can sign instead.
func (in *Intake) verify(ctx context.Context, s *submission, f *policy.Letter) error {
	root := s.msg.Root
	if root == nil {
		return fmt.Errorf("verify signature: %w", errNoParts)
	}
	var report certs.Report
	var err error
	kind := smime.KindOf(root.MediaType, root.Params)
	f.Enclosed = kind == smime.Opaque || kind == smime.Encrypted
	switch kind {
	case smime.Multipart:
		report, err = in.verifyMultipart(ctx, s, root)
	case smime.Opaque:
		report, err = in.verifyOpaque(ctx, s, root)
	case smime.Foreign:
		report, err = foreign(root)
	default:
		who := s.env.Who.Settings
		_, ok := s.book.Signers[who.Registry]
		f.GatewaySigns = ok && who.Sign == auth.SignGateway
		return nil
	}
	if errors.Is(err, certs.ErrMalformed) {
		f.Signature = policy.SignatureInvalid
		return nil
	}
	if err != nil {
		return fmt.Errorf("verify signature: %w", err)
	}
	s.report = &report
	f.Signature = finding(s, f, report)
	return nil
}

// verifyMultipart checks a multipart/signed: the first part as received
// against the signature in the second.
func (in *Intake) verifyMultipart(ctx context.Context, s *submission, root *message.Part) (report certs.Report, err error) {
	if len(root.Children) != 2 { // RFC 1847 §2.1: exactly two
		return report, fmt.Errorf("%d parts: %w", len(root.Children), certs.ErrMalformed)
	}
	signed, sig := root.Children[0], root.Children[1]
	r, err := in.store.Bodies().Open(ctx, s.body, sig.BodyOffset)
	if err != nil {
		return report, err
	}
	der, err := smime.Decode(io.LimitReader(r, sig.BodySize), sig.Encoding)
	if err = errors.Join(err, r.Close()); err != nil {
		return report, err
	}
	r, err = in.store.Bodies().Open(ctx, s.body, signed.HeaderOffset)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	first := smime.Range{Size: signed.BodyOffset - signed.HeaderOffset + signed.BodySize}
	return smime.Verify(ctx, s.book.Verifier, r, first, der, s.at)
}

// verifyOpaque checks an application/pkcs7-mime that carries its content.
func (in *Intake) verifyOpaque(ctx context.Context, s *submission, root *message.Part) (report certs.Report, err error) {
	r, err := in.store.Bodies().Open(ctx, s.body, root.BodyOffset)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return smime.VerifyOpaque(ctx, s.book.Verifier, io.LimitReader(r, root.BodySize), root.Encoding, io.Discard, s.at)
}

// foreign is the report on a signature that is none of S/MIME: nobody here can
// tell whether it is right. One that does not say what it is, is none at all
// (RFC 1847 §2.1: the parameter is required).
func foreign(root *message.Part) (certs.Report, error) {
	if root.Params["protocol"] == "" {
		return certs.Report{}, fmt.Errorf("multipart/signed without protocol: %w", certs.ErrMalformed)
	}
	return certs.Report{Reason: certs.UnknownAlgorithm}, nil
}

// finding tells what a report means for the sender: a signature of somebody
// else is no better than none.
func finding(s *submission, f *policy.Letter, r certs.Report) policy.Signature {
	switch {
	case r.Reason == certs.UnknownAlgorithm:
		return policy.SignatureUnknown
	case !r.Valid():
		return policy.SignatureInvalid
	}
	if !owned(certs.PartyOf(r.Certificate), s.env, f.Sender) {
		return policy.SignatureForeign
	}
	return policy.SignatureValid
}

// signature tells in the evidence who signed the letter.
func signature(s *submission, f policy.Letter, signer certs.DetachedSigner) receipt.Signature {
	switch {
	case signer != nil:
		c := signer.Identity().Certificate
		return receipt.Signature{
			Result: string(certs.Valid), By: "gateway", Subject: certs.Subject(c), Certificate: sha256.Sum256(c.Raw),
		}
	case s.report != nil && s.report.Certificate != nil:
		c := s.report.Certificate
		return receipt.Signature{
			Result: string(s.report.Reason), By: "client", Subject: certs.Subject(c), Certificate: sha256.Sum256(c.Raw),
		}
	case s.report != nil:
		return receipt.Signature{Result: string(s.report.Reason), By: "client"}
	}
	return receipt.Signature{Result: "none"}
}
