package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func newKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority("Test authority", testTime)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustIssue(t *testing.T, a *Authority, request Request) Issued {
	t.Helper()
	request.At = testTime
	issued, err := a.Issue(request)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// file writes a file of a mode and is its path.
func file(t *testing.T, data string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// TestLoadKey reads the forms that keys come in, and refuses the rest with a
// reason.
func TestLoadKey(t *testing.T) {
	ec := newKey(t, elliptic.P256())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := encodeKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))
	certificate := string(EncodeCertificates(newAuthority(t).Certificate()))
	for _, test := range []struct {
		name, data string
		mode       fs.FileMode
		key        crypto.Signer
		wrong      string
	}{
		{"PKCS#8", string(pkcs8), 0o600, ec, ""},
		{"SEC 1 with its parameters", block("EC PARAMETERS", []byte{6, 1, 1}) + block("EC PRIVATE KEY", sec1), 0o400, ec, ""},
		{"PKCS#1", pkcs1, 0o640, rsaKey, ""},
		{"with its certificate", certificate + string(pkcs8), 0o600, ec, ""},
		{"readable by all", string(pkcs8), 0o644, nil, "chmod 600"},
		{"writable by the group", string(pkcs8), 0o660, nil, "chmod 600"},
		{"two keys", string(pkcs8) + pkcs1, 0o600, nil, "more than one"},
		{"no key", certificate, 0o600, nil, "no private key"},
		{"encrypted", block("ENCRYPTED PRIVATE KEY", []byte{1}), 0o600, nil, "encrypted"},
		{"encrypted the old way", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", 0o600, nil, "encrypted"},
		{"garbage", block("PRIVATE KEY", []byte{1, 2, 3}), 0o600, nil, "file.pem"},
		{"empty", "", 0o600, nil, "no private key"},
		{"huge", strings.Repeat("x", maxPEMFile+1), 0o600, nil, "larger"},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, err := LoadKey(file(t, test.data, test.mode))
			if test.wrong == "" {
				if err != nil || !key.Public().(publicKey).Equal(test.key.Public()) {
					t.Errorf("another key, %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%v, want %q", err, test.wrong)
			}
		})
	}
	if _, err := LoadKey(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := CheckKeyFile(file(t, "x", 0o604)); !errors.Is(err, ErrKeyExposed) {
		t.Errorf("exposed: %v", err)
	}
}

// TestLoadCertificates shows what is no certificate file.
func TestLoadCertificates(t *testing.T) {
	for data, wrong := range map[string]string{
		"":                                   "no certificate",
		"hello":                              "no certificate",
		block("CERTIFICATE", []byte{1, 2}):   "certificate 1",
		block("PRIVATE KEY", []byte("none")): "no certificate",
	} {
		if _, err := LoadCertificates(file(t, data, 0o644)); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v, want %q", err, wrong)
		}
	}
}

// TestWriteFile replaces in one step and leaves nothing behind.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	for _, text := range []string{"one", "two"} {
		if err := writeFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("%q %v", got, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	// A target that cannot be replaced: a folder.
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "folder"), []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if err := writeFile(filepath.Join(dir, "absent", "key.pem"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files left, %v", len(entries), err)
	}
}
