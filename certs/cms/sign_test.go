package cms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/smallstep/pkcs7"

	"gosbridge/certs"
)

var signTime = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// testAuthority is one for all tests of the package.
var testAuthority = sync.OnceValues(func() (*certs.Authority, error) {
	return certs.NewAuthority("Test authority", signTime)
})

func authority(t testing.TB) *certs.Authority {
	t.Helper()
	a, err := testAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// signerWith is a signer of the test authority with a key.
func signerWith(t testing.TB, key crypto.Signer) certs.RawSigner {
	t.Helper()
	issued, err := authority(t).Issue(certs.Request{
		Purpose: certs.Signing, Name: "Иванов", Organisation: "ООО Ромашка", INN: "7707083893", OGRN: "1027700132195",
		Emails: []string{"office@romashka.example"}, At: signTime, Key: key.Public(),
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := certs.NewRawSigner(key, []*x509.Certificate{issued.Certificate, authority(t).Certificate()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	r, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RSA": r, "P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384())}
}

const letter = "Content-Type: text/plain\r\n\r\nУважаемые коллеги\r\n"

func mustSign(t testing.TB, raw certs.RawSigner, content string) []byte {
	t.Helper()
	der, err := NewSigner(raw).Sign(t.Context(), strings.NewReader(content), signTime)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestSign lets our own verifier, smallstep/pkcs7 and openssl check what we
// sign.
func TestSign(t *testing.T) {
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			raw := signerWith(t, key)
			der := mustSign(t, raw, letter)
			report, err := NewVerifier(authority(t).Trust(), certs.Signing).Verify(t.Context(), der, strings.NewReader(letter), signTime)
			if err != nil || !report.Valid() {
				t.Fatalf("our verifier: %s %s %v", report.Reason, report.Detail, err)
			}
			if !report.SigningTime.Equal(signTime) || !report.Certificate.Equal(raw.Identity().Certificate) {
				t.Errorf("signed %s by %s", report.SigningTime, report.Certificate.Subject)
			}
			if len(raw.Identity().Chain) != 0 {
				t.Error("the root is in the chain")
			}
			checkPKCS7(t, der)
			checkOpenSSL(t, der)
		})
	}
}

func checkPKCS7(t *testing.T, der []byte) {
	t.Helper()
	parsed, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Content = []byte(letter)
	roots := x509.NewCertPool()
	roots.AddCert(authority(t).Certificate())
	if err := parsed.VerifyWithChainAtTime(roots, signTime); err != nil {
		t.Errorf("smallstep/pkcs7: %v", err)
	}
}

func checkOpenSSL(t *testing.T, der []byte) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{
		"cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", write("s.p7s", der),
		"-content", write("content", []byte(letter)), "-CAfile", write("ca.pem", certs.EncodeCertificates(authority(t).Certificate())),
		"-attime", "1795340000", "-out", filepath.Join(dir, "out"),
	}
	if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

// TestSignRefuses shows that no doubtful signature is made.
func TestSignRefuses(t *testing.T) {
	raw := signerWith(t, ecKey(t, elliptic.P256()))
	broken := errors.New("disk on fire")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		raw     certs.RawSigner
		ctx     context.Context
		content io.Reader
		at      time.Time
		want    error
	}{
		{"before the certificate begins", raw, t.Context(), strings.NewReader(letter), signTime.AddDate(-1, 0, 0), certs.ErrExpired},
		{"after it ended", raw, t.Context(), strings.NewReader(letter), signTime.AddDate(3, 0, 0), certs.ErrSigner},
		{"a failing reader", raw, t.Context(), iotest.ErrReader(broken), signTime, broken},
		{"a cancelled context", raw, cancelled, strings.NewReader(letter), signTime, context.Canceled},
		{"a token that fails", faulty{RawSigner: raw, err: certs.ErrSigner}, t.Context(), strings.NewReader(letter), signTime, certs.ErrSigner},
		{"a token that miscalculates", faulty{RawSigner: raw}, t.Context(), strings.NewReader(letter), signTime, certs.ErrSigner},
		{"SHA-1", faulty{RawSigner: raw, weak: true}, t.Context(), strings.NewReader(letter), signTime, certs.ErrSigner},
	} {
		der, err := NewSigner(test.raw).Sign(test.ctx, test.content, test.at)
		if !errors.Is(err, test.want) || der != nil {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// faulty is a RawSigner with something wrong with it.
type faulty struct {
	certs.RawSigner
	err  error
	weak bool
}

func (f faulty) Algorithm() certs.Algorithm {
	a := f.RawSigner.Algorithm()
	if f.weak {
		a.DigestOID = []int{1, 3, 14, 3, 2, 26}
	}
	return a
}

func (f faulty) SignAttributes(ctx context.Context, der []byte) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	signature, err := f.RawSigner.SignAttributes(ctx, append(bytes.Clone(der), 0))
	return signature, err
}

// TestSigningTimeForms shows the two ASN.1 forms of a time.
func TestSigningTimeForms(t *testing.T) {
	for _, at := range []time.Time{signTime, time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)} {
		certificate := signerWith(t, ecKey(t, elliptic.P256())).Identity().Certificate
		der, err := encodeAttributes(make([]byte, 32), certificate, at)
		if err != nil {
			t.Fatal(err)
		}
		set, wrong := readAttributes(der)
		if wrong != "" {
			t.Fatal(wrong)
		}
		if _, signed, wrong := set.check(oidData, signerInfo{}, certificate); wrong != "" || !signed.Equal(at) {
			t.Errorf("%s came back as %s (%s)", at, signed, wrong)
		}
	}
}

// zeros is so many octets of content.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

const large = 20 << 20

// TestConstantMemory signs and verifies 20 MB, in less than 1 MB of allocations.
func TestConstantMemory(t *testing.T) {
	raw := signerWith(t, ecKey(t, elliptic.P256()))
	verifier := NewVerifier(authority(t).Trust(), certs.Signing)
	opaque := opaqueOf(t, raw, large)
	for name, run := range map[string]func(){
		"sign and verify": func() {
			der, err := NewSigner(raw).Sign(t.Context(), zeros(large), signTime)
			if err != nil {
				t.Fatal(err)
			}
			if report, err := verifier.Verify(t.Context(), der, zeros(large), signTime); err != nil || !report.Valid() {
				t.Fatal(report, err)
			}
		},
		"opaque": func() {
			report, err := verifier.VerifyOpaque(t.Context(), opaque(), io.Discard, signTime)
			if err != nil || !report.Valid() {
				t.Fatal(report, err)
			}
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: %d octets allocated", name, used)
		}
	}
}

// opaqueOf is a BER message of n zeros in pieces of 4 KiB, signed.
func opaqueOf(t testing.TB, raw certs.RawSigner, n int64) func() io.Reader {
	t.Helper()
	der, err := NewSigner(raw).Sign(t.Context(), zeros(n), signTime)
	if err != nil {
		t.Fatal(err)
	}
	// Between "encapContentInfo { id-data" and the certificates goes the content.
	data := []byte("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")
	i := bytes.Index(der, data)
	rest := der[i+len(data):]
	head := []byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01" +
		"\x31\x0d\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01" + "\x30\x80" + string(data[2:]) + "\xa0\x80\x24\x80")
	piece := append([]byte("\x04\x82\x10\x00"), make([]byte, 4096)...)
	return func() io.Reader {
		readers := []io.Reader{bytes.NewReader(head), &repeat{piece: piece, left: int(n / 4096)},
			strings.NewReader("\x00\x00\x00\x00\x00\x00"), bytes.NewReader(rest), strings.NewReader("\x00\x00\x00\x00\x00\x00")}
		return io.MultiReader(readers...)
	}
}

// repeat is a piece so many times.
type repeat struct {
	piece []byte
	at    int
	left  int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.piece[r.at:])
	if r.at += n; r.at == len(r.piece) {
		r.at = 0
		r.left--
	}
	return n, nil
}

func BenchmarkSign(b *testing.B) {
	for name, key := range keys(b) {
		raw := signerWith(b, key)
		for size, n := range map[string]int64{"2KB": 2 << 10, "20MB": large} {
			b.Run(name+"/"+size, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := NewSigner(raw).Sign(b.Context(), zeros(n), signTime); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	verifier := NewVerifier(authority(b).Trust(), certs.Signing)
	for name, key := range keys(b) {
		raw := signerWith(b, key)
		for size, n := range map[string]int64{"2KB": 2 << 10, "20MB": large} {
			der, err := NewSigner(raw).Sign(b.Context(), zeros(n), signTime)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/"+size, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if report, err := verifier.Verify(b.Context(), der, zeros(n), signTime); err != nil || !report.Valid() {
						b.Fatal(report, err)
					}
				}
			})
		}
	}
}
