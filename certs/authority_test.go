package certs

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type asn1OID = asn1.ObjectIdentifier

// TestAuthority issues each kind and lets the standard library and openssl
// check it.
func TestAuthority(t *testing.T) {
	authority := newAuthority(t)
	root := authority.Certificate()
	if !root.IsCA || root.MaxPathLen != 0 || root.NotAfter.Sub(testTime) != authorityTerm || len(root.PermittedDNSDomains) > 0 {
		t.Errorf("root: CA %v, until %s", root.IsCA, root.NotAfter)
	}
	dir := t.TempDir()
	keyFile, certFile := filepath.Join(dir, "ca.key"), filepath.Join(dir, "ca.pem")
	if err := authority.Save(keyFile, certFile); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", info.Mode(), err)
	}
	if err := authority.Save(keyFile, certFile); !errors.Is(err, fs.ErrExist) {
		t.Errorf("saved over a key: %v", err)
	}
	authority, err := LoadAuthority(keyFile, certFile)
	if err != nil {
		t.Fatal(err)
	}
	openssl, opensslErr := exec.LookPath("openssl")
	for _, test := range []struct {
		request Request
		openssl string
		term    time.Duration
	}{
		{Request{Purpose: Listener, Name: "mx", Hosts: []string{"mx.gosbridge.example", "127.0.0.1", "::1"}}, "sslserver", listenerTerm},
		{Request{Purpose: Signing, Name: "Печать", Organisation: "ООО Ромашка", INN: "7707083893", OGRN: "1027700132195", Emails: []string{"a@romashka.example", "b@romashka.example"}}, "smimesign", signingTerm},
		{Request{Purpose: Signing, Name: "Operator", Term: 20 * authorityTerm}, "smimesign", authorityTerm},
		{Request{Purpose: Client, Name: "archive", Emails: []string{"archive@romashka.example"}, Term: time.Hour}, "sslclient", time.Hour},
	} {
		t.Run(test.openssl+" "+test.request.Name, func(t *testing.T) {
			certificate := mustIssue(t, authority, test.request).Certificate
			if term := certificate.NotAfter.Sub(testTime); term != test.term {
				t.Errorf("valid for %s, want %s", term, test.term)
			}
			if _, reason, detail := authority.Trust().Verify(certificate, nil, test.request.Purpose, testTime); reason != Valid {
				t.Errorf("%s %s", reason, detail)
			}
			for _, host := range test.request.Hosts {
				if err := certificate.VerifyHostname(host); err != nil {
					t.Error(err)
				}
			}
			if opensslErr != nil {
				t.Skip("no openssl")
			}
			path := file(t, string(EncodeCertificates(certificate)), 0o644)
			out, err := exec.CommandContext(t.Context(), openssl, "verify", "-x509_strict", "-attime", "1795340000", "-purpose", test.openssl, "-CAfile", certFile, path).CombinedOutput()
			if err != nil {
				t.Errorf("openssl: %v\n%s", err, out)
			}
		})
	}
}

// TestLoadAuthorityRefuses shows what is no authority.
func TestLoadAuthorityRefuses(t *testing.T) {
	authority := newAuthority(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := authority.Save(path("a.key"), path("a.pem")); err != nil {
		t.Fatal(err)
	}
	if err := newAuthority(t).Save(path("b.key"), path("b.pem")); err != nil {
		t.Fatal(err)
	}
	if err := mustIssue(t, authority, Request{Purpose: Client, Name: "c"}).Save(path("c.key"), path("c.pem")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ key, cert, wrong string }{
		{"a.key", "b.pem", "does not belong"},
		{"c.key", "c.pem", "not a certificate of an authority"},
		{"a.pem", "a.pem", "chmod 600"},
		{"a.key", "a.key", "no certificate"},
	} {
		if _, err := LoadAuthority(path(test.key), path(test.cert)); err == nil || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s with %s: %v, want %q", test.key, test.cert, err, test.wrong)
		}
	}
}

// TestIssueRefuses shows requests that cannot be met.
func TestIssueRefuses(t *testing.T) {
	authority := newAuthority(t)
	for _, test := range []struct {
		request Request
		wrong   string
	}{
		{Request{Purpose: Listener, At: testTime}, "host name"},
		{Request{Purpose: Signing, INN: "123", At: testTime}, "INN 123"},
		{Request{Purpose: Signing, INN: "77070838ab", At: testTime}, "digits"},
		{Request{Purpose: Signing, OGRN: "1", At: testTime}, "OGRN 1"},
		{Request{Purpose: Signing | Client, At: testTime}, "cannot issue"},
		{Request{At: testTime}, "cannot issue"},
		{Request{Purpose: Signing, At: testTime.AddDate(11, 0, 0)}, "ended"},
		{Request{Purpose: Signing, At: testTime, Key: newKey(t, elliptic.P224()).Public()}, "224 bits"},
	} {
		if _, err := authority.Issue(test.request); err == nil || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%+v: %v, want %q", test.request, err, test.wrong)
		}
	}
	brought := mustIssue(t, authority, Request{Purpose: Signing, Name: "x", Key: newKey(t, elliptic.P256()).Public()})
	if err := brought.Save("a", "b"); err == nil {
		t.Error("saved a key that is not ours")
	}
	if _, err := brought.Signer("x"); err == nil {
		t.Error("signer without key")
	}
}

// TestParty reads certificates of ours and of others.
func TestParty(t *testing.T) {
	authority := newAuthority(t)
	name := func(attributes ...any) *x509.Certificate {
		c := &x509.Certificate{}
		for i := 0; i < len(attributes); i += 2 {
			c.Subject.Names = append(c.Subject.Names, pkix.AttributeTypeAndValue{Type: attributes[i].(asn1OID), Value: attributes[i+1]})
		}
		return c
	}
	for _, test := range []struct {
		name        string
		certificate *x509.Certificate
		want        Party
	}{
		{"an organisation of ours", mustIssue(t, authority, Request{
			Purpose: Signing, Name: "Печать", Organisation: "ООО «Ромашка»", INN: "7707083893", OGRN: "1027700132195",
			Emails: []string{"Office@Romashka.example", "office@romashka.example", "b@romashka.example"},
		}).Certificate, Party{
			Name: "Печать", Organisation: "ООО «Ромашка»", INNLE: "7707083893", OGRN: "1027700132195",
			Emails: []string{"office@romashka.example", "b@romashka.example"},
		}},
		{"a proprietor of ours", mustIssue(t, authority, Request{Purpose: Signing, Name: "Петров", INN: "500100732259", OGRN: "304500116000157"}).Certificate,
			Party{Name: "Петров", INN: "500100732259", OGRNIP: "304500116000157"}},
		{"an organisation before INNLE", name(oidINN, "007707083893"), Party{INNLE: "7707083893"}},
		{"its director", name(oidINN, "500100732259", oidINNLE, "7707083893", oidSNILS, "11223344595"), Party{INN: "500100732259", INNLE: "7707083893", SNILS: "11223344595"}},
		{"e-mail in the subject", name(oidEmail, "A@b.example"), Party{Emails: []string{"a@b.example"}}},
		{"not a string", name(oidINN, 5), Party{}},
	} {
		if got := PartyOf(test.certificate); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	p := Party{Emails: []string{"a@b.example"}, INN: "500100732259", INNLE: "7707083893", OGRN: "1027700132195", OGRNIP: "304500116000157"}
	if !p.HasEmail("A@B.example") || !p.HasINN("500100732259") || !p.HasINN("7707083893") || !p.HasOGRN("1027700132195") || !p.HasOGRN("304500116000157") {
		t.Error("does not have what it has")
	}
	if p.HasEmail("") || p.HasINN("") || p.HasOGRN("") || (Party{}).HasINN("") || (Party{}).HasOGRN("") || p.HasEmail("c@b.example") {
		t.Error("has what it has not")
	}
}
