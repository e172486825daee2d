package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLoadSigner goes through files, as the gateway does.
func TestLoadSigner(t *testing.T) {
	authority := newAuthority(t)
	issued := mustIssue(t, authority, Request{Purpose: Signing, Name: "Organisation"})
	other := mustIssue(t, authority, Request{Purpose: Signing, Name: "Other"})
	listener := mustIssue(t, authority, Request{Purpose: Listener, Name: "mx", Hosts: []string{"mx.example"}})
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, pair := range map[string]Issued{"own": issued, "other": other, "listener": listener} {
		if err := pair.Save(path(name+".key"), path(name+".crt")); err != nil {
			t.Fatal(err)
		}
	}
	if err := issued.Save(path("both.pem"), path("both.pem")); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][2]string{{"own.key", "own.crt"}, {"both.pem", "both.pem"}} {
		signer, err := LoadSigner(path(files[0]), path(files[1]), "org-1")
		if err != nil {
			t.Fatal(err)
		}
		if id := signer.Identity(); id.KeyID != "org-1" || !id.Certificate.Equal(issued.Certificate) || len(id.Chain) != 0 {
			t.Errorf("identity %+v", id)
		}
		signature, err := signer.SignAttributes(t.Context(), []byte("attributes"))
		digest := sha256.Sum256([]byte("attributes"))
		if err != nil || !ecdsa.VerifyASN1(issued.Certificate.PublicKey.(*ecdsa.PublicKey), digest[:], signature) {
			t.Errorf("signature: %v", err)
		}
	}
	for _, test := range []struct{ key, cert, wrong string }{
		{"own.key", "other.crt", "does not belong"},
		{"listener.key", "listener.crt", "not for signing"},
		{"own.crt", "own.crt", "chmod 600"},
		{"own.key", "own.key", "no certificate"},
		{"absent", "own.crt", "no such file"},
		{"own.key", "absent", "no such file"},
	} {
		_, err := LoadSigner(path(test.key), path(test.cert), "org-1")
		if err == nil || !strings.Contains(err.Error(), test.wrong) || !strings.Contains(err.Error(), "org-1") {
			t.Errorf("%s with %s: %v, want %q", test.key, test.cert, err, test.wrong)
		}
	}
}

// TestNewRawSigner is about kinds of keys.
func TestNewRawSigner(t *testing.T) {
	rsaOf := func(bits int) crypto.Signer {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		key    crypto.Signer
		micalg string
		wrong  string
	}{
		{"P-256", newKey(t, elliptic.P256()), "sha-256", ""},
		{"P-384", newKey(t, elliptic.P384()), "sha-384", ""},
		{"RSA", rsaOf(2048), "sha-256", ""},
		{"P-521", newKey(t, elliptic.P521()), "", "P-521"},
		{"short curve", newKey(t, elliptic.P224()), "", "224 bits"},
		{"short RSA", rsaOf(1024), "", "1024 bits"},
		{"Ed25519", edwards, "", "not supported"},
	} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: testTime}
		der, err := x509.CreateCertificate(rand.Reader, template, template, test.key.Public(), test.key)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := NewRawSigner(test.key, []*x509.Certificate{certificate}, "key")
		switch {
		case test.wrong != "":
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s: %v, want %q", test.name, err, test.wrong)
			}
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
		case signer.Algorithm().Micalg != test.micalg:
			t.Errorf("%s: micalg %s", test.name, signer.Algorithm().Micalg)
		}
	}
	if _, err := NewRawSigner(edwards, nil, "key"); err == nil {
		t.Error("a signer without certificate")
	}
	signer, err := mustIssue(t, newAuthority(t), Request{Purpose: Signing, Name: "x"}).Signer("x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := signer.SignAttributes(ctx, nil); !errors.Is(err, ErrSigner) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// chainOf is a root, an intermediate that ends after two years, and the key and
// certificate of a signer below them.
func chainOf(t *testing.T, usages ...x509.ExtKeyUsage) (root, middle, leaf *x509.Certificate, key crypto.Signer) {
	t.Helper()
	rootKey, middleKey := newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	key = newKey(t, elliptic.P256())
	make := func(name string, years int, ca bool, usages []x509.ExtKeyUsage, parent *x509.Certificate, public crypto.PublicKey, with crypto.Signer) *x509.Certificate {
		template := &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, NotBefore: testTime, NotAfter: testTime.AddDate(years, 0, 0),
			BasicConstraintsValid: true, IsCA: ca, ExtKeyUsage: usages,
		}
		if parent == nil {
			parent = template
		}
		certificate, err := sign(template, parent, public, with)
		if err != nil {
			t.Fatal(err)
		}
		return certificate
	}
	root = make("root", 10, true, nil, nil, rootKey.Public(), rootKey)
	middle = make("middle", 2, true, usages, root, middleKey.Public(), rootKey)
	leaf = make("leaf", 5, false, nil, middle, key.Public(), middleKey)
	return root, middle, leaf, key
}

// TestChain orders the issuers, leaves the root out, and knows when it ends.
func TestChain(t *testing.T) {
	root, middle, leaf, key := chainOf(t)
	stranger := newAuthority(t).Certificate()
	signer, err := NewRawSigner(key, []*x509.Certificate{leaf, stranger, root, middle}, "key")
	if err != nil {
		t.Fatal(err)
	}
	id := signer.Identity()
	if len(id.Chain) != 1 || !id.Chain[0].Equal(middle) {
		t.Fatalf("chain of %d", len(id.Chain))
	}
	if !id.NotAfter().Equal(middle.NotAfter) {
		t.Errorf("ends %s", id.NotAfter())
	}
	for at, valid := range map[time.Time]bool{
		testTime.Add(-time.Second):          false,
		testTime:                            true,
		middle.NotAfter:                     true,
		middle.NotAfter.Add(time.Second):    false,
		leaf.NotAfter.Add(time.Hour * 1000): false,
	} {
		if err := id.ValidAt(at); (err == nil) != valid || !valid && !errors.Is(err, ErrExpired) {
			t.Errorf("%s: %v", at, err)
		}
	}
}
