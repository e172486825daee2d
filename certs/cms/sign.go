package cms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"gosbridge/certs"
)

// NewSigner makes detached CAdES-B signatures with a RawSigner: signed
// attributes contentType, messageDigest, signingTime and signing-certificate-v2,
// certificate and chain included. A signature that the certificate does not
// confirm never leaves it, and none is made outside the certificate's validity:
// both are certs.ErrSigner.
func NewSigner(raw certs.RawSigner) certs.DetachedSigner { return &signer{raw} }

type signer struct{ raw certs.RawSigner }

func (s *signer) Identity() certs.Identity { return s.raw.Identity() }
func (s *signer) Micalg() string           { return s.raw.Algorithm().Micalg }

// Sign implements certs.DetachedSigner.
func (s *signer) Sign(ctx context.Context, content io.Reader, at time.Time) ([]byte, error) {
	id, algorithm := s.raw.Identity(), s.raw.Algorithm()
	if err := id.ValidAt(at); err != nil {
		return nil, fmt.Errorf("%w: key %s: %w", certs.ErrSigner, id.KeyID, err)
	}
	digest := algorithm.NewHash()
	if err := copyContent(ctx, digest, content); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	attributes, err := encodeAttributes(digest.Sum(nil), id.Certificate, at)
	if err != nil {
		return nil, fmt.Errorf("%w: key %s: encode attributes: %w", certs.ErrSigner, id.KeyID, err)
	}
	signature, err := s.raw.SignAttributes(ctx, attributes)
	if err != nil {
		return nil, err
	}
	if err := confirm(id.Certificate, algorithm, attributes, signature); err != nil {
		return nil, fmt.Errorf("%w: key %s: %w", certs.ErrSigner, id.KeyID, err)
	}
	der, err := encodeSignedData(id, algorithm, attributes, signature)
	if err != nil {
		return nil, fmt.Errorf("%w: key %s: encode: %w", certs.ErrSigner, id.KeyID, err)
	}
	return der, nil
}

// confirm checks a fresh signature against the certificate: a signer outside the
// process, or a fault in the computation, must not put a wrong signature into
// evidence. An algorithm that only the RawSigner knows is its own to check.
func confirm(certificate *x509.Certificate, algorithm certs.Algorithm, attributes, signature []byte) error {
	digest := algorithmID{OID: algorithm.DigestOID}
	method, reason, detail := methodFor(digest, algorithmID{OID: algorithm.SignatureOID, Params: algorithm.SignatureParams})
	switch reason {
	case certs.Valid:
	case certs.UnknownAlgorithm:
		return nil
	default:
		return fmt.Errorf("refusing to sign with %s", detail)
	}
	if err := method.check(certificate.PublicKey, attributes, signature); err != nil {
		return fmt.Errorf("the new signature does not verify: %w", err)
	}
	return nil
}

// contentBuffers are reused by copyContent, one for each call.
var contentBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyContent streams, and ends with the context.
func copyContent(ctx context.Context, to io.Writer, from io.Reader) error {
	pooled := contentBuffers.Get().(*[32 << 10]byte)
	defer contentBuffers.Put(pooled)
	buffer := pooled[:]
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := from.Read(buffer)
		if _, werr := to.Write(buffer[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// encodeAttributes is the DER of the SET OF Attribute that is signed (RFC 5652
// §5.4), sorted as DER wants it.
func encodeAttributes(digest []byte, certificate *x509.Certificate, at time.Time) ([]byte, error) {
	contentType, err1 := attribute(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
	messageDigest, err2 := attribute(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) })
	signingTime, err3 := attribute(oidSigningTime, func(b *cryptobyte.Builder) { addTime(b, at) })
	signingCertificate, err4 := attribute(oidSigningCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificate(b, certificate) })
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return nil, err
		}
	}
	return encodeSet(tag.SET, [][]byte{contentType, messageDigest, signingTime, signingCertificate})
}

// attribute is Attribute ::= SEQUENCE { attrType, SET OF one value }.
func attribute(oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(tag.SET, value)
	})
	return b.Bytes()
}

// encodeSet is a SET OF in DER: elements in ascending order (X.690 §11.6).
func encodeSet(t tag.Tag, elements [][]byte) ([]byte, error) {
	sorted := slices.Clone(elements)
	slices.SortFunc(sorted, bytes.Compare)
	var b cryptobyte.Builder
	b.AddASN1(t, func(b *cryptobyte.Builder) {
		for _, element := range sorted {
			b.AddBytes(element)
		}
	})
	return b.Bytes()
}

// addTime writes UTCTime until 2049 and GeneralizedTime after (RFC 5652 §11.3).
func addTime(b *cryptobyte.Builder, at time.Time) {
	at = at.UTC().Truncate(time.Second)
	if year := at.Year(); year >= 1950 && year < 2050 {
		b.AddASN1UTCTime(at)
		return
	}
	b.AddASN1GeneralizedTime(at)
}

// addSigningCertificate writes SigningCertificateV2 with one ESSCertIDv2 (RFC
// 5035 §3, §4). The hash algorithm is left out: SHA-256 is the default.
func addSigningCertificate(b *cryptobyte.Builder, certificate *x509.Certificate) {
	hash := sha256.Sum256(certificate.Raw)
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { // SigningCertificateV2
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { // certs
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { // ESSCertIDv2
				b.AddASN1OctetString(hash[:])
				b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { // IssuerSerial
					b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { // GeneralNames
						b.AddASN1(tag.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
							b.AddBytes(certificate.RawIssuer) // directoryName
						})
					})
					b.AddASN1BigInt(certificate.SerialNumber)
				})
			})
		})
	})
}

// encodeSignedData is ContentInfo with SignedData, without content (RFC 5652
// §5.1, §5.2).
func encodeSignedData(id certs.Identity, algorithm certs.Algorithm, attributes, signature []byte) ([]byte, error) {
	raw := [][]byte{id.Certificate.Raw}
	for _, issuer := range id.Chain {
		raw = append(raw, issuer.Raw)
	}
	certificates, err := encodeSet(tag.Tag(0).ContextSpecific().Constructed(), raw)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(tag.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1) // §5.1: id-data and issuerAndSerialNumber
				b.AddASN1(tag.SET, func(b *cryptobyte.Builder) { addDigestAlgorithm(b, algorithm) })
				b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
				b.AddBytes(certificates)
				b.AddASN1(tag.SET, func(b *cryptobyte.Builder) {
					addSignerInfo(b, id.Certificate, algorithm, attributes, signature)
				})
			})
		})
	})
	return b.Bytes()
}

// addDigestAlgorithm leaves the parameters out (RFC 5754 §2).
func addDigestAlgorithm(b *cryptobyte.Builder, algorithm certs.Algorithm) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(algorithm.DigestOID) })
}

// addSignerInfo writes RFC 5652 §5.3.
func addSignerInfo(b *cryptobyte.Builder, certificate *x509.Certificate, algorithm certs.Algorithm, attributes, signature []byte) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(certificate.RawIssuer)
			b.AddASN1BigInt(certificate.SerialNumber)
		})
		addDigestAlgorithm(b, algorithm)
		// The attributes are signed as SET OF and stand here as [0] IMPLICIT:
		// the same octets but for the first.
		b.AddUint8(0xa0)
		b.AddBytes(attributes[1:])
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(algorithm.SignatureOID)
			b.AddBytes(algorithm.SignatureParams)
		})
		b.AddASN1OctetString(signature)
	})
}
