// Package servertls keeps the certificate of our TLS listeners: loaded from
// files, replaced without a restart, served to every new connection.
//
// It owns the pair in memory. It never issues or renews certificates.
package servertls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gosbridge/certs"
)

// Holder holds one certificate with its key. Safe for concurrent use.
type Holder struct {
	current atomic.Pointer[tls.Certificate]
}

// Load reads a PEM certificate with its chain, and its key (see certs.LoadKey;
// both may be one file). It fails when they do not belong together or the
// certificate is not for a server. A certificate that has ended loads: a
// listener that says so is of more use than none; see NotAfter.
func Load(certFile, keyFile string) (*Holder, error) {
	key, err := certs.LoadKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("listener certificate: %w", err)
	}
	chain, err := certs.LoadCertificates(certFile)
	if err != nil {
		return nil, fmt.Errorf("listener certificate: %w", err)
	}
	if err := certs.CheckPair(chain[0], key); err != nil {
		return nil, fmt.Errorf("listener certificate: %w (key %s, certificate %s)", err, keyFile, certFile)
	}
	if err := usable(chain[0]); err != nil {
		return nil, fmt.Errorf("listener certificate: %s: %w", certFile, err)
	}
	pair := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, certificate := range chain {
		pair.Certificate = append(pair.Certificate, certificate.Raw)
	}
	h := &Holder{}
	h.current.Store(pair)
	return h, nil
}

// Adopt serves the certificate of another holder from now on: to read the
// files is one step, which may fail, and to use what was read another.
func (h *Holder) Adopt(fresh *Holder) { h.current.Store(fresh.current.Load()) }

// usable refuses what every client would refuse.
func usable(certificate *x509.Certificate) error {
	if len(certificate.DNSNames) == 0 && len(certificate.IPAddresses) == 0 {
		return errors.New("the certificate names no host (subjectAltName)")
	}
	return certs.Listener.Allows(certificate)
}

// Config is for listeners: TLS 1.2 and later, the certificate of the moment for
// each connection. The caller owns the returned value and may change it before
// use.
func (h *Holder) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, // RFC 8997: TLS 1.0 and 1.1 are over for mail
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return h.current.Load(), nil
		},
	}
}

// Certificate is the one in use.
func (h *Holder) Certificate() *x509.Certificate { return h.current.Load().Leaf }

// NotAfter is when the certificate in use ends.
func (h *Holder) NotAfter() time.Time { return h.Certificate().NotAfter }
