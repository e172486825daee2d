package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Purpose is what a certificate is used for. Purposes can be combined with |
// where a set of them is wanted.
type Purpose uint8

// The purposes.
const (
	Signing  Purpose = 1 << iota // of letters and receipts: S/MIME (RFC 8550 §4.4)
	Listener                     // of our own TLS listeners
	Client                       // logging in with a certificate

)

func (p Purpose) String() string {
	switch p {
	case Signing:
		return "signing"
	case Listener:
		return "listener"
	case Client:
		return "client"
	}
	return fmt.Sprintf("purpose(%#x)", uint8(p))
}

// extended is the extended key usage that a certificate needs when it is
// limited to some.
func (p Purpose) extended() x509.ExtKeyUsage {
	switch p {
	case Signing:
		return x509.ExtKeyUsageEmailProtection
	case Listener:
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// Allows refuses a certificate that is not for the purpose. A certificate
// without these extensions is for any (RFC 5280 §4.2.1.3, §4.2.1.12).
func (p Purpose) Allows(certificate *x509.Certificate) error {
	usage := x509.KeyUsageDigitalSignature
	if p == Signing {
		// RFC 8550 §4.4.2: either bit is enough for S/MIME.
		usage |= x509.KeyUsageContentCommitment
	}
	if certificate.KeyUsage != 0 && certificate.KeyUsage&usage == 0 {
		return fmt.Errorf("certificate %q is not for %s: its key usage allows no signatures", certificate.Subject, p)
	}
	if len(certificate.ExtKeyUsage) == 0 && len(certificate.UnknownExtKeyUsage) == 0 {
		return nil
	}
	for _, extended := range certificate.ExtKeyUsage {
		if extended == p.extended() || extended == x509.ExtKeyUsageAny {
			return nil
		}
	}
	return fmt.Errorf("certificate %q is not for %s: its extended key usage says otherwise", certificate.Subject, p)
}

// Anchor is a certificate that is trusted by itself.
type Anchor struct {
	Certificate *x509.Certificate
	Purposes    Purpose // what it may vouch for; 0 for everything
}

// TrustStore is whom to trust, for what. It is immutable and safe for
// concurrent use. A nil or empty one trusts nobody.
type TrustStore struct {
	anchors       []Anchor
	intermediates []*x509.Certificate
}

// NewTrustStore makes a store of anchors, and of intermediates that help to
// build chains but are not trusted by themselves.
func NewTrustStore(anchors []Anchor, intermediates []*x509.Certificate) *TrustStore {
	return &TrustStore{
		anchors:       append([]Anchor(nil), anchors...),
		intermediates: append([]*x509.Certificate(nil), intermediates...),
	}
}

// LoadTrustStore reads PEM files; every certificate of the anchor files is
// trusted for the purposes (0 for everything). Combine stores with Merge.
func LoadTrustStore(purposes Purpose, anchorFiles, intermediateFiles []string) (*TrustStore, error) {
	store := &TrustStore{}
	for _, path := range anchorFiles {
		certificates, err := LoadCertificates(path)
		if err != nil {
			return nil, fmt.Errorf("trust store: %w", err)
		}
		for _, certificate := range certificates {
			store.anchors = append(store.anchors, Anchor{certificate, purposes})
		}
	}
	for _, path := range intermediateFiles {
		certificates, err := LoadCertificates(path)
		if err != nil {
			return nil, fmt.Errorf("trust store: %w", err)
		}
		store.intermediates = append(store.intermediates, certificates...)
	}
	return store, nil
}

// Merge is a store that trusts what any of the stores trusts.
func Merge(stores ...*TrustStore) *TrustStore {
	merged := &TrustStore{}
	for _, store := range stores {
		if store == nil {
			continue
		}
		merged.anchors = append(merged.anchors, store.anchors...)
		merged.intermediates = append(merged.intermediates, store.intermediates...)
	}
	return merged
}

// Anchors is the number of anchors for a purpose.
func (t *TrustStore) Anchors(purpose Purpose) int {
	n := 0
	if t != nil {
		for _, anchor := range t.anchors {
			if anchor.Purposes == 0 || anchor.Purposes&purpose != 0 {
				n++
			}
		}
	}
	return n
}

// Pool is the anchors for a purpose, for tls.Config.
func (t *TrustStore) Pool(purpose Purpose) *x509.CertPool {
	pool := x509.NewCertPool()
	if t != nil {
		for _, anchor := range t.anchors {
			if anchor.Purposes == 0 || anchor.Purposes&purpose != 0 {
				pool.AddCert(anchor.Certificate)
			}
		}
	}
	return pool
}

// Verify looks for a chain from a certificate to an anchor that is valid at the
// time and serves the purpose. The others are certificates that came along and
// are not trusted. The reason is Valid with the chain (the certificate first,
// the anchor last), or Untrusted, Expired, WrongPurpose or WeakAlgorithm with a
// sentence for people.
func (t *TrustStore) Verify(certificate *x509.Certificate, others []*x509.Certificate, purpose Purpose, at time.Time) (chain []*x509.Certificate, reason Reason, detail string) {
	if err := checkStrength(certificate.PublicKey); err != nil {
		return nil, WeakAlgorithm, err.Error()
	}
	if weakSignature(certificate) && !t.holds(certificate, purpose) {
		return nil, WeakAlgorithm, fmt.Sprintf("certificate %q is signed with %s", certificate.Subject, certificate.SignatureAlgorithm)
	}
	intermediates := x509.NewCertPool()
	for _, other := range others {
		intermediates.AddCert(other)
	}
	if t != nil {
		for _, other := range t.intermediates {
			intermediates.AddCert(other)
		}
	}
	options := x509.VerifyOptions{
		Roots:         t.Pool(purpose),
		Intermediates: intermediates,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	chains, err := certificate.Verify(options)
	if err != nil {
		return nil, reasonOf(err), err.Error()
	}
	if err := purpose.Allows(certificate); err != nil {
		return chains[0], WrongPurpose, err.Error()
	}
	// The whole chain has to serve the purpose, not the leaf alone.
	options.KeyUsages = []x509.ExtKeyUsage{purpose.extended()}
	fit, err := certificate.Verify(options)
	if err != nil {
		return chains[0], WrongPurpose, err.Error()
	}
	return fit[0], Valid, ""
}

// holds reports whether the certificate itself is an anchor.
func (t *TrustStore) holds(certificate *x509.Certificate, purpose Purpose) bool {
	if t != nil {
		for _, anchor := range t.anchors {
			if (anchor.Purposes == 0 || anchor.Purposes&purpose != 0) && anchor.Certificate.Equal(certificate) {
				return true
			}
		}
	}
	return false
}

func weakSignature(certificate *x509.Certificate) bool {
	switch certificate.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

func reasonOf(err error) Reason {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return Expired
	}
	return Untrusted
}
