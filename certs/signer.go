package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// ErrExpired says that a certificate is not valid at the time asked for.
var ErrExpired = errors.New("certificate is not valid at this time")

// ValidAt reports with an error that wraps ErrExpired when the certificate, or
// one above it in the chain, is not valid at the time.
func (id Identity) ValidAt(at time.Time) error {
	for _, certificate := range append([]*x509.Certificate{id.Certificate}, id.Chain...) {
		switch {
		case at.Before(certificate.NotBefore):
			return fmt.Errorf("%w: %q begins %s", ErrExpired, certificate.Subject, certificate.NotBefore.UTC().Format(time.RFC3339))
		case at.After(certificate.NotAfter):
			return fmt.Errorf("%w: %q ended %s", ErrExpired, certificate.Subject, certificate.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// NotAfter is when the identity ends: the first end in its chain.
func (id Identity) NotAfter() time.Time {
	end := id.Certificate.NotAfter
	for _, certificate := range id.Chain {
		if certificate.NotAfter.Before(end) {
			end = certificate.NotAfter
		}
	}
	return end
}

// LoadSigner reads a key file (see LoadKey) and its certificate with chain, the
// certificate first, both PEM. Keys: ECDSA P-256 and P-384, RSA of at least 2048
// bits (PKCS#1 v1.5 with SHA-256). The key must belong to the certificate, and
// the certificate must allow signing letters. The name stands for the key in
// logs.
//
// Whether it is valid today is not asked here, since a gateway must start to say
// so: use Identity.ValidAt. Signing itself refuses an ended certificate.
func LoadSigner(keyFile, certFile, name string) (RawSigner, error) {
	key, err := LoadKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("signer %s: %w", name, err)
	}
	certificates, err := LoadCertificates(certFile)
	if err != nil {
		return nil, fmt.Errorf("signer %s: %w", name, err)
	}
	signer, err := NewRawSigner(key, certificates, name)
	if err != nil {
		return nil, fmt.Errorf("%w (key %s, certificate %s)", err, keyFile, certFile)
	}
	return signer, nil
}

// NewRawSigner makes a signer of a key and its certificates, the signer's own
// first. Certificates that do not lead upwards from it, and the root, are left
// out of the chain.
func NewRawSigner(key crypto.Signer, certificates []*x509.Certificate, name string) (RawSigner, error) {
	if len(certificates) == 0 {
		return nil, fmt.Errorf("signer %s: no certificate", name)
	}
	own := certificates[0]
	if err := CheckPair(own, key); err != nil {
		return nil, fmt.Errorf("signer %s: %w", name, err)
	}
	if err := checkStrength(own.PublicKey); err != nil {
		return nil, fmt.Errorf("signer %s: %w", name, err)
	}
	if err := Signing.Allows(own); err != nil {
		return nil, fmt.Errorf("signer %s: %w", name, err)
	}
	algorithm, hash, err := algorithmFor(own.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("signer %s: %w", name, err)
	}
	return &keySigner{
		key:       key,
		hash:      hash,
		algorithm: algorithm,
		identity:  Identity{Certificate: own, Chain: issuersOf(own, certificates[1:]), KeyID: name},
	}, nil
}

// issuersOf orders the issuers above a certificate, without the root.
func issuersOf(own *x509.Certificate, others []*x509.Certificate) []*x509.Certificate {
	var chain []*x509.Certificate
	for below := own; ; {
		var issuer *x509.Certificate
		for _, other := range others {
			if !selfIssued(other) && below.CheckSignatureFrom(other) == nil {
				issuer = other
				break
			}
		}
		if issuer == nil || len(chain) == len(others) {
			return chain
		}
		chain = append(chain, issuer)
		below = issuer
	}
}

func selfIssued(certificate *x509.Certificate) bool {
	return string(certificate.RawSubject) == string(certificate.RawIssuer)
}

// keySigner signs with a key in memory.
type keySigner struct {
	key       crypto.Signer
	hash      crypto.Hash
	algorithm Algorithm
	identity  Identity
}

func (s *keySigner) Identity() Identity   { return s.identity }
func (s *keySigner) Algorithm() Algorithm { return s.algorithm }

func (s *keySigner) SignAttributes(ctx context.Context, der []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: key %s: %w", ErrSigner, s.identity.KeyID, err)
	}
	digest := s.hash.New()
	digest.Write(der)
	signature, err := s.key.Sign(rand.Reader, digest.Sum(nil), s.hash)
	if err != nil {
		return nil, fmt.Errorf("%w: key %s: %w", ErrSigner, s.identity.KeyID, err)
	}
	return signature, nil
}

var (
	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidRSAEncryption   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
)

// algorithmFor chooses how a key signs. RFC 5754 §3.2: rsaEncryption with NULL
// is what every CMS implementation must take; §3.3: ECDSA has no parameters.
func algorithmFor(public crypto.PublicKey) (Algorithm, crypto.Hash, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return Algorithm{
			DigestOID: oidSHA256, SignatureOID: oidRSAEncryption, SignatureParams: []byte{5, 0},
			Micalg: "sha-256", NewHash: sha256.New,
		}, crypto.SHA256, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return Algorithm{
				DigestOID: oidSHA256, SignatureOID: oidECDSAWithSHA256,
				Micalg: "sha-256", NewHash: sha256.New,
			}, crypto.SHA256, nil
		case elliptic.P384():
			return Algorithm{
				DigestOID: oidSHA384, SignatureOID: oidECDSAWithSHA384,
				Micalg: "sha-384", NewHash: sha512.New384,
			}, crypto.SHA384, nil
		}
		return Algorithm{}, 0, fmt.Errorf("curve %s is not supported for signing: use P-256 or P-384", k.Curve.Params().Name)
	}
	return Algorithm{}, 0, fmt.Errorf("keys of type %T are not supported for signing: use ECDSA P-256, P-384 or RSA", public)
}
