package certs

import (
	"crypto/elliptic"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// TestTrust is about anchors, intermediates and purposes.
func TestTrust(t *testing.T) {
	root, middle, leaf, _ := chainOf(t)
	rootOfServers, middleOfServers, leafOfServers, _ := chainOf(t, x509.ExtKeyUsageServerAuth)
	listener := mustIssue(t, newAuthority(t), Request{Purpose: Listener, Name: "mx", Hosts: []string{"mx.example"}}).Certificate
	all := []*x509.Certificate{middle}
	for _, test := range []struct {
		name        string
		store       *TrustStore
		certificate *x509.Certificate
		others      []*x509.Certificate
		purpose     Purpose
		at          time.Time
		want        Reason
		chain       int
	}{
		{"with what came along", NewTrustStore([]Anchor{{root, 0}}, nil), leaf, all, Signing, testTime, Valid, 3},
		{"with our intermediates", NewTrustStore([]Anchor{{root, 0}}, all), leaf, nil, Signing, testTime, Valid, 3},
		{"intermediate as anchor", NewTrustStore([]Anchor{{middle, 0}}, nil), leaf, nil, Signing, testTime, Valid, 2},
		{"the certificate as anchor", NewTrustStore([]Anchor{{leaf, 0}}, nil), leaf, nil, Signing, testTime, Valid, 1},
		{"merged", Merge(nil, NewTrustStore([]Anchor{{root, 0}}, nil), NewTrustStore(nil, all)), leaf, nil, Client, testTime, Valid, 3},
		{"for the purpose", NewTrustStore([]Anchor{{root, Signing | Client}}, all), leaf, nil, Client, testTime, Valid, 3},
		{"for another purpose", NewTrustStore([]Anchor{{root, Listener}}, all), leaf, nil, Signing, testTime, Untrusted, 0},
		{"no intermediate", NewTrustStore([]Anchor{{root, 0}}, nil), leaf, nil, Signing, testTime, Untrusted, 0},
		{"an intermediate is no anchor", NewTrustStore(nil, all), leaf, []*x509.Certificate{root}, Signing, testTime, Untrusted, 0},
		{"nobody", nil, leaf, all, Signing, testTime, Untrusted, 0},
		{"too late", NewTrustStore([]Anchor{{root, 0}}, nil), leaf, all, Signing, testTime.AddDate(6, 0, 0), Expired, 0},
		{"too early", NewTrustStore([]Anchor{{root, 0}}, nil), leaf, all, Signing, testTime.AddDate(-1, 0, 0), Expired, 0},
		{"the chain is for servers", NewTrustStore([]Anchor{{rootOfServers, 0}}, nil), leafOfServers, []*x509.Certificate{middleOfServers}, Signing, testTime, WrongPurpose, 3},
		{"the same for servers", NewTrustStore([]Anchor{{rootOfServers, 0}}, nil), leafOfServers, []*x509.Certificate{middleOfServers}, Listener, testTime, Valid, 3},
		{"a listener signs", NewTrustStore([]Anchor{{listener, 0}}, nil), listener, nil, Signing, testTime, WrongPurpose, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			chain, reason, detail := test.store.Verify(test.certificate, test.others, test.purpose, test.at)
			if reason != test.want || len(chain) != test.chain || (detail == "") != (reason == Valid) {
				t.Errorf("%s (%s) with a chain of %d, want %s with %d", reason, detail, len(chain), test.want, test.chain)
			}
		})
	}
}

// TestOldSignatureOnAnchor shows that the signature on a certificate matters
// unless it is trusted itself: nobody checks it then.
func TestOldSignatureOnAnchor(t *testing.T) {
	_, middle, leaf, _ := chainOf(t)
	old := *leaf
	old.SignatureAlgorithm = x509.SHA1WithRSA
	for _, test := range []struct {
		anchor *x509.Certificate
		want   Reason
	}{{leaf, Valid}, {middle, WeakAlgorithm}} {
		store := NewTrustStore([]Anchor{{test.anchor, Signing}}, nil)
		if _, reason, detail := store.Verify(&old, nil, Signing, testTime); reason != test.want {
			t.Errorf("%s anchored: %s %s", test.anchor.Subject, reason, detail)
		}
	}
}

// TestLoadTrustStore reads anchors from files.
func TestLoadTrustStore(t *testing.T) {
	root, middle, leaf, _ := chainOf(t)
	anchors := file(t, string(EncodeCertificates(root, newAuthority(t).Certificate())), 0o644)
	store, err := LoadTrustStore(Signing, []string{anchors}, []string{file(t, string(EncodeCertificates(middle)), 0o644)})
	if err != nil {
		t.Fatal(err)
	}
	if store.Anchors(Signing) != 2 || store.Anchors(Client) != 0 || (*TrustStore)(nil).Anchors(Signing) != 0 {
		t.Errorf("%d anchors for signing, %d for clients", store.Anchors(Signing), store.Anchors(Client))
	}
	if _, reason, detail := store.Verify(leaf, nil, Signing, testTime); reason != Valid {
		t.Errorf("%s %s", reason, detail)
	}
	if _, reason, _ := store.Verify(leaf, nil, Client, testTime); reason != Untrusted {
		t.Errorf("for clients: %s", reason)
	}
	empty := file(t, "", 0o644)
	if _, err := LoadTrustStore(0, []string{empty}, nil); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("an empty anchor file: %v", err)
	}
	if _, err := LoadTrustStore(0, nil, []string{empty}); err == nil {
		t.Error("an empty file of intermediates")
	}
}

// TestAllows is about the extensions of one certificate.
func TestAllows(t *testing.T) {
	authority := newAuthority(t)
	key := newKey(t, elliptic.P256()).Public()
	for _, made := range []Purpose{Signing, Listener, Client} {
		certificate := mustIssue(t, authority, Request{Purpose: made, Name: "x", Hosts: []string{"x.example"}, Key: key}).Certificate
		for _, used := range []Purpose{Signing, Listener, Client} {
			if err := used.Allows(certificate); (err == nil) != (made == used) {
				t.Errorf("a certificate for %s used for %s: %v", made, used, err)
			}
		}
	}
	for _, test := range []struct {
		name        string
		certificate x509.Certificate
		purpose     Purpose
		want        bool
	}{
		{"no extensions", x509.Certificate{}, Signing, true},
		{"non-repudiation alone signs", x509.Certificate{KeyUsage: x509.KeyUsageContentCommitment}, Signing, true},
		{"but does not log in", x509.Certificate{KeyUsage: x509.KeyUsageContentCommitment}, Client, false},
		{"encryption alone", x509.Certificate{KeyUsage: x509.KeyUsageKeyEncipherment}, Signing, false},
		{"an authority", x509.Certificate{KeyUsage: x509.KeyUsageCertSign}, Signing, false},
		{"any usage", x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, Signing, true},
		{"unknown usages only", x509.Certificate{UnknownExtKeyUsage: []asn1OID{{1, 2, 3}}}, Signing, false},
	} {
		if err := test.purpose.Allows(&test.certificate); (err == nil) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
