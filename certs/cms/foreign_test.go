package cms

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gosbridge/certs"
)

// foreignTime is inside the validity of the certificates of testdata/make.sh.
var foreignTime = time.Date(2027, 6, 1, 12, 0, 0, 0, time.UTC)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func foreignTrust(t testing.TB) *certs.TrustStore {
	t.Helper()
	store, err := certs.LoadTrustStore(certs.Signing, []string{filepath.Join("testdata", "root.pem")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestForeignDetached checks signatures that openssl and gpgsm made.
func TestForeignDetached(t *testing.T) {
	for _, test := range []struct {
		file      string
		want      certs.Reason
		algorithm string
	}{
		{"rsa.p7s", certs.Valid, "RSA SHA-256"},
		{"rsa-sha512.p7s", certs.Valid, "RSA SHA-512"},
		{"p256.p7s", certs.Valid, "ECDSA SHA-256"},
		{"p384.p7s", certs.Valid, "ECDSA SHA-384"},
		{"pss.p7s", certs.Valid, "RSA-PSS SHA-256"},
		{"pss-max.p7s", certs.Valid, "RSA-PSS SHA-512"},
		{"cades.p7s", certs.Valid, "ECDSA SHA-256"},
		{"keyid.p7s", certs.Valid, "ECDSA SHA-256"},
		{"pkcs7.p7s", certs.Valid, "RSA SHA-256"},
		{"gpgsm.p7s", certs.Valid, "RSA SHA-256"},
		{"two.p7s", certs.Valid, ""},
		{"two-stranger.p7s", certs.Untrusted, ""},
		{"pss-sha1.p7s", certs.WeakAlgorithm, ""},
		{"sha1.p7s", certs.WeakAlgorithm, "SHA-1"},
		{"md5.p7s", certs.WeakAlgorithm, "MD5"},
		{"small.p7s", certs.WeakAlgorithm, ""},
		{"sha1cert.p7s", certs.WeakAlgorithm, ""},
		{"gost.p7s", certs.UnknownAlgorithm, ""},
		{"nocerts.p7s", certs.NoSigner, ""},
		{"noattr.p7s", certs.BadAttributes, ""},
		{"receipt.p7s", certs.BadAttributes, ""},
		{"expired.p7s", certs.Expired, ""},
		{"server.p7s", certs.WrongPurpose, ""},
		{"cipher.p7s", certs.WrongPurpose, ""},
		{"stranger.p7s", certs.Untrusted, ""},
	} {
		t.Run(test.file, func(t *testing.T) {
			verifier := NewVerifier(foreignTrust(t), certs.Signing)
			content := bytes.NewReader(read(t, "content.eml"))
			report, err := verifier.Verify(t.Context(), read(t, test.file), content, foreignTime)
			if err != nil {
				t.Fatal(err)
			}
			if report.Reason != test.want {
				t.Fatalf("%s (%s), want %s", report.Reason, report.Detail, test.want)
			}
			if content.Len() != 0 {
				t.Errorf("%d octets of the content were not read", content.Len())
			}
			if test.algorithm != "" && report.Algorithm != test.algorithm {
				t.Errorf("algorithm %q, want %q", report.Algorithm, test.algorithm)
			}
			if test.want != certs.Valid {
				if report.Detail == "" || test.file == "noattr.p7s" && report.Detail != "no signed attributes" {
					t.Errorf("detail %q", report.Detail)
				}
				return
			}
			checkIvanov(t, report)
			// The same signature does not hold for anything else.
			changed := read(t, "content.eml")
			changed[len(changed)/2] ^= 1
			report, err = verifier.Verify(t.Context(), read(t, test.file), bytes.NewReader(changed), foreignTime)
			if err != nil || report.Reason != certs.DigestMismatch {
				t.Errorf("changed content: %v %v", report.Reason, err)
			}
		})
	}
}

func checkIvanov(t *testing.T, report certs.Report) {
	t.Helper()
	party := certs.PartyOf(report.Certificate)
	if !party.HasEmail("Ivanov@Romashka.example") || !party.HasINN("7707083893") || !party.HasOGRN("1027700132195") ||
		party.Name != "Иванов Иван" || party.Organisation != "ООО Ромашка" {
		t.Errorf("party %+v", party)
	}
	if len(report.Chain) != 3 || report.Chain[2].Subject.CommonName != "Test root" {
		t.Errorf("chain of %d", len(report.Chain))
	}
	if report.SigningTime.Year() < 2026 {
		t.Errorf("signing time %s", report.SigningTime)
	}
}

// TestForeignOpaque checks signatures around their content, DER and BER.
func TestForeignOpaque(t *testing.T) {
	for _, test := range []struct {
		file string
		want certs.Reason
	}{
		{"opaque.p7m", certs.Valid},
		{"opaque-stream.p7m", certs.Valid},
		{"gpgsm.p7m", certs.Valid},
		{"opaque-other.p7m", certs.BadAttributes},
	} {
		t.Run(test.file, func(t *testing.T) {
			verifier := NewVerifier(foreignTrust(t), certs.Signing)
			message := read(t, test.file)
			for name, source := range map[string]io.Reader{"whole": bytes.NewReader(message), "octets": iotest.OneByteReader(bytes.NewReader(message))} {
				var content bytes.Buffer
				report, err := verifier.VerifyOpaque(t.Context(), source, &content, foreignTime)
				if err != nil {
					t.Fatal(err)
				}
				if report.Reason != test.want {
					t.Fatalf("%s: %s (%s), want %s", name, report.Reason, report.Detail, test.want)
				}
				if !bytes.Equal(content.Bytes(), read(t, "content.eml")) {
					t.Errorf("%s: the content is not what was signed", name)
				}
			}
			if test.want != certs.Valid {
				return
			}
			i := bytes.Index(message, []byte("Content-Transfer"))
			message[i] ^= 0x20
			report, err := verifier.VerifyOpaque(t.Context(), bytes.NewReader(message), io.Discard, foreignTime)
			if err != nil || report.Reason != certs.DigestMismatch {
				t.Errorf("changed content: %v %v", report.Reason, err)
			}
		})
	}
}

// TestMalformed shows what is no signature at all.
func TestMalformed(t *testing.T) {
	verifier := NewVerifier(foreignTrust(t), certs.Signing)
	whole, opaque := read(t, "rsa.p7s"), read(t, "opaque.p7m")
	for name, data := range map[string][]byte{
		"empty":                 nil,
		"text":                  []byte("Content-Type: text/plain\r\n"),
		"PEM":                   read(t, "root.pem"),
		"content inside":        opaque,
		"octets behind":         append(bytes.Clone(whole), 0),
		"another type":          {0x30, 0x0f, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3, 0xa0, 2, 0x30, 0},
		"endless nesting":       bytes.Repeat([]byte{0x30, 0x80}, 10_000),
		"length of 8 exabytes":  {0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 6, 1, 1},
		"length of 100 octets":  append([]byte{0x30, 0xe4}, whole...),
		"primitive, indefinite": {0x04, 0x80, 0, 0},
	} {
		if report, err := verifier.Verify(t.Context(), data, strings.NewReader(""), foreignTime); !errors.Is(err, certs.ErrMalformed) {
			t.Errorf("%s: %v %v, want ErrMalformed", name, report, err)
		}
	}
	for n := range whole { // cut anywhere
		if _, err := verifier.Verify(t.Context(), whole[:n], strings.NewReader(""), foreignTime); !errors.Is(err, certs.ErrMalformed) {
			t.Fatalf("cut at %d: %v, want ErrMalformed", n, err)
		}
	}
	if _, err := verifier.VerifyOpaque(t.Context(), bytes.NewReader(whole), io.Discard, foreignTime); !errors.Is(err, certs.ErrMalformed) {
		t.Errorf("opaque without content: %v", err)
	}
	report, err := verifier.Verify(t.Context(), read(t, "certs-only.p7m"), strings.NewReader(""), foreignTime)
	if err != nil || report.Reason != certs.NoSigner {
		t.Errorf("certificates only: %v %v", report, err)
	}
}

// TestFailingReaders shows that a failing disk is no bad signature.
func TestFailingReaders(t *testing.T) {
	verifier := NewVerifier(foreignTrust(t), certs.Signing)
	broken := errors.New("disk on fire")
	_, err := verifier.Verify(t.Context(), read(t, "rsa.p7s"), iotest.ErrReader(broken), foreignTime)
	if !errors.Is(err, broken) || errors.Is(err, certs.ErrMalformed) {
		t.Errorf("content: %v", err)
	}
	half := io.MultiReader(bytes.NewReader(read(t, "opaque.p7m")[:30_000]), iotest.ErrReader(broken))
	if _, err := verifier.VerifyOpaque(t.Context(), half, io.Discard, foreignTime); !errors.Is(err, broken) || errors.Is(err, certs.ErrMalformed) {
		t.Errorf("message: %v", err)
	}
	reader, writer := io.Pipe()
	_ = reader.CloseWithError(broken) // never fails
	if _, err := verifier.VerifyOpaque(t.Context(), bytes.NewReader(read(t, "opaque.p7m")), writer, foreignTime); !errors.Is(err, broken) {
		t.Errorf("writer: %v", err)
	}
}
