package cms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"hash"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"gosbridge/certs"
)

// Verifier checks SignedData, DER or BER, against a trust store. Safe for
// concurrent use. It implements certs.Verifier.
//
// Of several signers all must hold: the report is the first signer's when they
// do, and else that of the first signer who does not. A signature without signed
// attributes is refused, since it could be made of one that has them (RFC 5652
// §14); so is content that is not id-data, since then something else than a
// letter was signed. Revocation is not asked.
type Verifier struct {
	trust   *certs.TrustStore
	purpose certs.Purpose
}

var _ certs.Verifier = (*Verifier)(nil)

// NewVerifier makes a verifier; certs.Signing is the purpose of letters and
// receipts.
func NewVerifier(trust *certs.TrustStore, purpose certs.Purpose) *Verifier {
	return &Verifier{trust: trust, purpose: purpose}
}

// Verify implements certs.Verifier. The content is read to its end unless the
// error is not nil. A signature that brings its own content is malformed here.
func (v *Verifier) Verify(ctx context.Context, signature []byte, content io.Reader, at time.Time) (certs.Report, error) {
	sd, err := parse(ctx, bytes.NewReader(signature), nil)
	if err != nil {
		return certs.Report{}, err
	}
	sums := newSums()
	for _, signer := range sd.signers {
		sums.add(signer.digest.OID)
	}
	if err := copyContent(ctx, sums, content); err != nil {
		return certs.Report{}, fmt.Errorf("verify: %w", err)
	}
	return v.report(sd, sums, at), nil
}

// VerifyOpaque checks a SignedData that carries its content (application/
// pkcs7-mime), in constant memory: the content is written out as it is read, so
// it is not to be believed before the report says so. Errors are those of
// Verify, and the writer's.
func (v *Verifier) VerifyOpaque(ctx context.Context, message io.Reader, content io.Writer, at time.Time) (certs.Report, error) {
	sums := newSums()
	sd, err := parse(ctx, message, func(sd *signedData) io.Writer {
		// The signers come after the content: their digests have to be
		// announced (RFC 5652 §5.1).
		for _, digest := range sd.digests {
			sums.add(digest.OID)
		}
		return io.MultiWriter(sums, content)
	})
	if err != nil {
		return certs.Report{}, err
	}
	if !sd.hasContent {
		return certs.Report{}, malformed("no content in it")
	}
	return v.report(sd, sums, at), nil
}

// sums is the content under all digests that are asked for.
type sums map[crypto.Hash]hash.Hash

func newSums() sums { return sums{} }

func (s sums) add(oid asn1.ObjectIdentifier) {
	if h, ok := digests[oid.String()]; ok && s[h] == nil {
		s[h] = h.New()
	}
}

func (s sums) Write(p []byte) (int, error) {
	for _, h := range s {
		h.Write(p)
	}
	return len(p), nil
}

// report is about all signers.
func (v *Verifier) report(sd *signedData, sums sums, at time.Time) certs.Report {
	if len(sd.signers) == 0 {
		return certs.Report{Reason: certs.NoSigner, Detail: "nobody signed it"}
	}
	var first certs.Report
	for i, signer := range sd.signers {
		report := v.signer(sd, signer, sums, at)
		if !report.Valid() {
			if i > 0 {
				report.Detail = fmt.Sprintf("signer %d of %d: %s", i+1, len(sd.signers), report.Detail)
			}
			return report
		}
		if i == 0 {
			first = report
		}
	}
	return first
}

// signer checks one SignerInfo, the cheap and telling things first.
func (v *Verifier) signer(sd *signedData, s signerInfo, sums sums, at time.Time) certs.Report {
	m, reason, detail := methodFor(s.digest, s.signature)
	if reason != certs.Valid {
		return certs.Report{Reason: reason, Detail: detail, Algorithm: detail, Certificate: sd.find(s, nil)}
	}
	r := certs.Report{Algorithm: m.name}
	fail := func(reason certs.Reason, format string, args ...any) certs.Report {
		r.Reason, r.Detail = reason, fmt.Sprintf(format, args...)
		return r
	}
	if s.attributes == nil {
		r.Certificate = sd.find(s, nil)
		return fail(certs.BadAttributes, "no signed attributes")
	}
	attributes, wrong := readAttributes(s.attributes)
	if wrong != "" {
		r.Certificate = sd.find(s, nil)
		return fail(certs.BadAttributes, "%s", wrong)
	}
	if r.Certificate = sd.find(s, attributes); r.Certificate == nil {
		return fail(certs.NoSigner, "the signer's certificate is not included")
	}
	sum := sums[m.digest]
	if sum == nil {
		return fail(certs.BadAttributes, "the digest algorithm is not announced")
	}
	var digest []byte
	if digest, r.SigningTime, wrong = attributes.check(sd.contentType, s, r.Certificate); wrong != "" {
		return fail(certs.BadAttributes, "%s", wrong)
	}
	if !bytes.Equal(digest, sum.Sum(nil)) {
		return fail(certs.DigestMismatch, "the content is not what was signed")
	}
	if err := checkSigned(m, r.Certificate, s); err != nil {
		return fail(certs.BadSignature, "%s", err)
	}
	r.Chain, r.Reason, r.Detail = v.trust.Verify(r.Certificate, sd.certificates, v.purpose, at)
	return r
}

// checkSigned verifies over the attributes in the order received, which for DER
// is the sorted one, and else sorted: signers disagree on which of the two is
// meant, and both say the same.
func checkSigned(m method, certificate *x509.Certificate, s signerInfo) error {
	err := m.check(certificate.PublicKey, s.attributes, s.value)
	if err == nil {
		return nil
	}
	elements, ok := splitSet(s.attributes)
	if !ok {
		return err
	}
	sorted, encodeErr := encodeSet(tag.SET, elements)
	if encodeErr != nil || bytes.Equal(sorted, s.attributes) {
		return err
	}
	return m.check(certificate.PublicKey, sorted, s.value)
}

// find is the signer's certificate among those included; where several answer to
// the same name, the one that the signing-certificate attribute means.
func (sd *signedData) find(s signerInfo, attributes attributeSet) *x509.Certificate {
	var found *x509.Certificate
	for _, certificate := range sd.certificates {
		if s.serial != nil {
			if !bytes.Equal(certificate.RawIssuer, s.issuer) || certificate.SerialNumber.Cmp(s.serial) != 0 {
				continue
			}
		} else if len(s.keyID) == 0 || !bytes.Equal(certificate.SubjectKeyId, s.keyID) {
			continue
		}
		if attributes != nil && attributes.signingCertificate(certificate) == "" {
			return certificate
		}
		if found == nil {
			found = certificate
		}
	}
	return found
}

// check tests the attributes that say something about the signature. The text
// says what is wrong.
func (a attributeSet) check(contentType asn1.ObjectIdentifier, s signerInfo, certificate *x509.Certificate) (digest []byte, signed time.Time, wrong string) {
	var claimed asn1.ObjectIdentifier
	if _, ok := a.one(oidContentType, func(v *cryptobyte.String) bool { return v.ReadASN1ObjectIdentifier(&claimed) }); !ok {
		return nil, signed, "no readable content type among the signed attributes"
	}
	if !claimed.Equal(contentType) || !claimed.Equal(oidData) {
		return nil, signed, fmt.Sprintf("content type %s, signed as %s: a letter is data", contentType, claimed)
	}
	var sum cryptobyte.String
	if _, ok := a.one(oidMessageDigest, func(v *cryptobyte.String) bool { return v.ReadASN1(&sum, tag.OCTET_STRING) }); !ok {
		return nil, signed, "no readable message digest among the signed attributes"
	}
	if present, ok := a.one(oidSigningTime, func(v *cryptobyte.String) bool { return readTime(v, &signed) }); present && !ok {
		return nil, time.Time{}, "unreadable signing time"
	}
	if wrong := a.algorithmProtection(s); wrong != "" {
		return nil, signed, wrong
	}
	return sum, signed, a.signingCertificate(certificate)
}

// readTime reads Time (RFC 5652 §11.3).
func readTime(from *cryptobyte.String, to *time.Time) bool {
	if from.PeekASN1Tag(tag.UTCTime) {
		return from.ReadASN1UTCTime(to)
	}
	return from.ReadASN1GeneralizedTime(to)
}

// algorithmProtection compares the algorithms with those that were signed (RFC
// 6211), where the signer says them.
func (a attributeSet) algorithmProtection(s signerInfo) string {
	present, ok := a.one(oidAlgorithmProtection, func(v *cryptobyte.String) bool {
		var seq, field cryptobyte.String
		var signature algorithmID
		if !v.ReadASN1(&seq, tag.SEQUENCE) {
			return false
		}
		if digest, ok := readAlgorithm(&seq); !ok || !digest.equal(s.digest) {
			return false
		}
		// signatureAlgorithm [1] IMPLICIT AlgorithmIdentifier
		if !seq.ReadASN1(&field, tag.Tag(1).ContextSpecific().Constructed()) || !seq.Empty() {
			return false
		}
		if !field.ReadASN1ObjectIdentifier(&signature.OID) {
			return false
		}
		signature.Params = field
		return signature.equal(s.signature)
	})
	if present && !ok {
		return "the algorithms are not those that were signed"
	}
	return ""
}

// signingCertificate tests both forms of the attribute that binds a signature to
// one certificate. The text says what is wrong; it is empty when there is none.
func (a attributeSet) signingCertificate(certificate *x509.Certificate) string {
	v2, ok2 := a.one(oidSigningCertificateV2, func(v *cryptobyte.String) bool { return readCertID(v, certificate, true) })
	v1, ok1 := a.one(oidSigningCertificate, func(v *cryptobyte.String) bool { return readCertID(v, certificate, false) })
	if v2 && !ok2 || v1 && !ok1 {
		return "the certificate is not the one that was signed"
	}
	return ""
}

// readCertID reads SigningCertificateV2 (RFC 5035 §3) or SigningCertificate (RFC
// 2634 §5.4) and compares its first entry, the signer's, with the certificate.
func readCertID(v *cryptobyte.String, certificate *x509.Certificate, v2 bool) bool {
	var outer, list, id, want, issuerSerial cryptobyte.String
	if !v.ReadASN1(&outer, tag.SEQUENCE) || !outer.ReadASN1(&list, tag.SEQUENCE) || !list.ReadASN1(&id, tag.SEQUENCE) {
		return false
	}
	// ESSCertID is SHA-1 by definition. It only tells certificates apart: the
	// signature and the chain stand on their own algorithms.
	sum := sha1.New()
	if v2 {
		sum = crypto.SHA256.New()
		if id.PeekASN1Tag(tag.SEQUENCE) {
			algorithm, ok := readAlgorithm(&id)
			h, known := digests[algorithm.OID.String()]
			if !ok || !known {
				return false
			}
			sum = h.New()
		}
	}
	sum.Write(certificate.Raw)
	if !id.ReadASN1(&want, tag.OCTET_STRING) || !bytes.Equal(want, sum.Sum(nil)) {
		return false
	}
	if id.Empty() {
		return true
	}
	return id.ReadASN1(&issuerSerial, tag.SEQUENCE) && id.Empty() && sameIssuerSerial(issuerSerial, certificate)
}

// sameIssuerSerial compares IssuerSerial (RFC 5035 §4): general names with one
// directory name, and the serial number.
func sameIssuerSerial(from cryptobyte.String, certificate *x509.Certificate) bool {
	var general, name cryptobyte.String
	serial := new(big.Int)
	if !from.ReadASN1(&general, tag.SEQUENCE) || !from.ReadASN1Integer(serial) || serial.Cmp(certificate.SerialNumber) != 0 {
		return false
	}
	return general.ReadASN1(&name, tag.Tag(4).ContextSpecific().Constructed()) && bytes.Equal(name, certificate.RawIssuer)
}
