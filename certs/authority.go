package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// How long our certificates are valid, unless the request says otherwise.
// Listener certificates stay below the limits that mail programs and browsers
// set.
const (
	authorityTerm = 10 * 365 * 24 * time.Hour
	listenerTerm  = 397 * 24 * time.Hour
	signingTerm   = 2 * 365 * 24 * time.Hour
	clientTerm    = 365 * 24 * time.Hour
	clockSkew     = time.Hour // a certificate begins that much earlier
)

// Authority is a certificate authority of our own: one self-signed P-256
// certificate that issues for listeners, signers and clients of this gateway.
// Safe for concurrent use.
type Authority struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

// NewAuthority makes a new key and a certificate for ten years from the time.
// Nothing is written; see Save.
func NewAuthority(name string, at time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             at.Add(-clockSkew),
		NotAfter:              at.Add(authorityTerm),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it issues to ends only
	}
	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	return &Authority{key, certificate}, nil
}

// LoadAuthority reads an authority that Save wrote.
func LoadAuthority(keyFile, certFile string) (*Authority, error) {
	key, err := LoadKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	certificates, err := LoadCertificates(certFile)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	certificate := certificates[0]
	if !certificate.IsCA {
		return nil, fmt.Errorf("authority: %s is not a certificate of an authority", certFile)
	}
	if err := CheckPair(certificate, key); err != nil {
		return nil, fmt.Errorf("authority: %w (key %s, certificate %s)", err, keyFile, certFile)
	}
	return &Authority{key, certificate}, nil
}

// Save writes key (mode 0600) and certificate, each in one step. An existing key
// file is never replaced: the error is fs.ErrExist.
func (a *Authority) Save(keyFile, certFile string) error {
	if _, err := os.Lstat(keyFile); err == nil {
		return fmt.Errorf("authority: key file %s: %w", keyFile, fs.ErrExist)
	}
	if err := save(a.key, []*x509.Certificate{a.certificate}, keyFile, certFile); err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	return nil
}

// Certificate is the authority's own, to be trusted as an Anchor.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// Trust is a store with this authority as the only anchor, for everything.
func (a *Authority) Trust() *TrustStore {
	return NewTrustStore([]Anchor{{Certificate: a.certificate}}, nil)
}

// Request says what to issue.
type Request struct {
	Purpose      Purpose // exactly one
	Name         string  // common name
	Organisation string  // O
	INN          string  // 10 digits of an organisation or 12 of a person
	OGRN         string  // or OGRNIP, by its 15 digits
	Emails       []string
	Hosts        []string // DNS names and IP addresses, for listeners
	At           time.Time
	Term         time.Duration // 0 for the usual one; never beyond the authority's end
	// Key is the public key to certify; nil to make a new P-256 key.
	Key crypto.PublicKey
}

// Issued is a certificate with its key.
type Issued struct {
	Key         crypto.Signer // nil when the request brought the key
	Certificate *x509.Certificate
}

// Issue makes a certificate. Nothing is written; see Issued.Save.
func (a *Authority) Issue(request Request) (Issued, error) {
	template, err := a.template(request)
	if err != nil {
		return Issued{}, fmt.Errorf("issue to %s: %w", request.Name, err)
	}
	issued := Issued{}
	public := request.Key
	if public == nil {
		if issued.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return Issued{}, fmt.Errorf("issue to %s: %w", request.Name, err)
		}
		public = issued.Key.Public()
	}
	if err := checkStrength(public); err != nil {
		return Issued{}, fmt.Errorf("issue to %s: %w", request.Name, err)
	}
	if issued.Certificate, err = sign(template, a.certificate, public, a.key); err != nil {
		return Issued{}, fmt.Errorf("issue to %s: %w", request.Name, err)
	}
	return issued, nil
}

// template turns a request into what the standard library signs.
func (a *Authority) template(request Request) (*x509.Certificate, error) {
	t := &x509.Certificate{
		NotBefore:             request.At.Add(-clockSkew),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		EmailAddresses:        request.Emails,
	}
	term := request.Term
	switch request.Purpose {
	case Listener:
		if len(request.Hosts) == 0 {
			return nil, errors.New("a listener's certificate needs a host name")
		}
		term = usual(term, listenerTerm)
	case Signing:
		t.KeyUsage |= x509.KeyUsageContentCommitment
		term = usual(term, signingTerm)
	case Client:
		term = usual(term, clientTerm)
	default:
		return nil, fmt.Errorf("cannot issue for %s", request.Purpose)
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{request.Purpose.extended()}
	if t.NotAfter = request.At.Add(term); t.NotAfter.After(a.certificate.NotAfter) {
		t.NotAfter = a.certificate.NotAfter
	}
	if !t.NotAfter.After(request.At) {
		return nil, fmt.Errorf("%w: the authority ended %s", ErrExpired, a.certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	for _, host := range request.Hosts {
		if address, err := netip.ParseAddr(host); err == nil {
			t.IPAddresses = append(t.IPAddresses, net.IP(address.AsSlice()))
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	var err error
	t.Subject, err = subject(request)
	return t, err
}

func usual(term, otherwise time.Duration) time.Duration {
	if term > 0 {
		return term
	}
	return otherwise
}

// subject is the distinguished name, with the Russian identifiers.
func subject(request Request) (pkix.Name, error) {
	name := pkix.Name{CommonName: request.Name}
	if request.Organisation != "" {
		name.Organization = []string{request.Organisation}
	}
	add := func(oid asn1.ObjectIdentifier, digits string) {
		// Order 795: these attributes are NumericStrings.
		value := asn1.RawValue{Tag: asn1.TagNumericString, Bytes: []byte(digits)}
		name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{Type: oid, Value: value})
	}
	if strings.Trim(request.INN+request.OGRN, "0123456789") != "" {
		return name, errors.New("INN and OGRN consist of digits")
	}
	switch len(request.INN) {
	case 0:
	case 10:
		add(oidINNLE, request.INN)
	case 12:
		add(oidINN, request.INN)
	default:
		return name, fmt.Errorf("INN %s has neither 10 nor 12 digits", request.INN)
	}
	switch len(request.OGRN) {
	case 0:
	case 13:
		add(oidOGRN, request.OGRN)
	case 15:
		add(oidOGRNIP, request.OGRN)
	default:
		return name, fmt.Errorf("OGRN %s has neither 13 nor 15 digits", request.OGRN)
	}
	return name, nil
}

// sign makes a certificate with a random serial number and a key identifier.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	// RFC 5280 §4.1.2.2: positive, at most 20 octets.
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x7f | 0x40
	template.SerialNumber = new(big.Int).SetBytes(serial)
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(spki)
	template.SubjectKeyId = id[:20]
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Save writes key (mode 0600) and certificate, each in one step, replacing what
// was there. With the same path for both, one file of mode 0600 holds both, so
// that a crash cannot leave a pair that does not match.
func (i Issued) Save(keyFile, certFile string) error {
	if i.Key == nil {
		return errors.New("save certificate: the key is not ours")
	}
	if err := save(i.Key, []*x509.Certificate{i.Certificate}, keyFile, certFile); err != nil {
		return fmt.Errorf("save certificate of %s: %w", i.Certificate.Subject.CommonName, err)
	}
	return nil
}

// Signer is the issued pair as a RawSigner.
func (i Issued) Signer(name string) (RawSigner, error) {
	if i.Key == nil {
		return nil, fmt.Errorf("signer %s: the key is not ours", name)
	}
	return NewRawSigner(i.Key, []*x509.Certificate{i.Certificate}, name)
}

func save(key crypto.Signer, certificates []*x509.Certificate, keyFile, certFile string) error {
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	certPEM := EncodeCertificates(certificates...)
	if keyFile == certFile {
		return writeFile(keyFile, append(keyPEM, certPEM...), 0o600)
	}
	if err := writeFile(keyFile, keyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(certFile, certPEM, 0o644)
}
