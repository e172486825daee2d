// Package certs is about keys, certificates and signatures: who signs, how a
// signature is made and checked, and whom to trust.
//
// It owns the interfaces below, key files and the gateway's own certificate
// authority. Package cms makes and reads the signatures, smime puts them into
// mail, servertls keeps the listeners' certificates. It never knows what a
// letter is.
package certs

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"hash"
	"io"
	"time"
)

var (
	// ErrSigner says that the signer could not be reached or failed. The
	// letter is answered 451: there is never an unsigned acceptance.
	ErrSigner = errors.New("signer unavailable")
	// ErrMalformed says that the bytes are no CMS SignedData.
	ErrMalformed = errors.New("malformed signature")
)

// Identity is who signs: a certificate with its chain.
type Identity struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // issuers above it, without the root
	KeyID       string              // name of the key in config and logs
}

// Algorithm says how a RawSigner signs.
type Algorithm struct {
	DigestOID    asn1.ObjectIdentifier
	SignatureOID asn1.ObjectIdentifier
	// SignatureParams is the DER of the algorithm's parameters; nil to leave
	// them out (ECDSA, RFC 5754 §3.3), NULL for RSA PKCS#1 v1.5.
	SignatureParams []byte
	Micalg          string // for multipart/signed (RFC 8551 §3.5.3.2)
	NewHash         func() hash.Hash
}

// RawSigner signs the DER of CMS SignedAttributes (RFC 5652 §5.4). Safe for
// concurrent use.
type RawSigner interface {
	Identity() Identity
	Algorithm() Algorithm
	SignAttributes(ctx context.Context, der []byte) (signature []byte, err error)
}

// DetachedSigner makes a detached CMS SignedData (CAdES-B) over a stream, in
// constant memory. Failures wrap ErrSigner, a failing content reader its own
// error. Safe for concurrent use.
type DetachedSigner interface {
	Identity() Identity
	Micalg() string
	Sign(ctx context.Context, content io.Reader, at time.Time) (der []byte, err error)
}

// Verifier checks a detached signature over a stream, in constant memory, as
// of a time. An error means that it could not be checked at all (ErrMalformed,
// or the content's reader); a signature that does not hold is a Report. Safe
// for concurrent use.
type Verifier interface {
	Verify(ctx context.Context, signature []byte, content io.Reader, at time.Time) (Report, error)
}

// Reason says in a word why a signature does not hold.
type Reason string

// The reasons.
const (
	Valid            Reason = "valid"
	DigestMismatch   Reason = "digest-mismatch"
	BadSignature     Reason = "bad-signature"
	Untrusted        Reason = "untrusted"
	Expired          Reason = "expired"
	WrongPurpose     Reason = "wrong-purpose"
	UnknownAlgorithm Reason = "unknown-algorithm"
	WeakAlgorithm    Reason = "weak-algorithm"
	BadAttributes    Reason = "bad-attributes"
	NoSigner         Reason = "no-signer-certificate"
)

// Report is what verification found. The signature holds when Reason is Valid.
type Report struct {
	Reason      Reason
	Detail      string // for people, in English
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // up to the trust anchor, when one was found
	SigningTime time.Time           // as the signer claims; zero when absent
	Algorithm   string
}

// Valid reports whether the signature holds.
func (r Report) Valid() bool { return r.Reason == Valid }
