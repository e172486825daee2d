package smime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
)

var signTime = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// signer is one of an authority of its own.
func signer(t testing.TB) (certs.DetachedSigner, *certs.Authority) {
	t.Helper()
	authority, err := certs.NewAuthority("Test authority", signTime)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue(certs.Request{Purpose: certs.Signing, Name: "Office", Emails: []string{"office@romashka.example"}, At: signTime})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := issued.Signer("test")
	if err != nil {
		t.Fatal(err)
	}
	return cms.NewSigner(raw), authority
}

const outer = "From: office@romashka.example\r\nTo: fns@gov.example\r\nMIME-Version: 1.0\r\n"

// entities are what may be signed.
var entities = map[string]string{
	"text":             "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n0J/QuNGB0YzQvNC+DQo=\r\n",
	"no last CRLF":     "Content-Type: text/plain\r\n\r\nthe end",
	"blank lines":      "Content-Type: text/plain\r\n\r\none\r\n\r\n\r\n\r\n",
	"no header":        "\r\ntext\r\n",
	"no body":          "Content-Type: text/plain\r\n\r\n",
	"8-bit":            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nПисьмо\r\n",
	"trailing spaces":  "Content-Type: text/plain\r\n\r\nword  \r\n\t\r\n",
	"another boundary": "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n--signed-\r\n",
}

// TestCompose takes the signed form apart with other programs' eyes.
func TestCompose(t *testing.T) {
	signer, authority := signer(t)
	verifier := cms.NewVerifier(authority.Trust(), certs.Signing)
	for name, entity := range entities {
		t.Run(name, func(t *testing.T) {
			form, err := Compose(t.Context(), signer, iotest.HalfReader(strings.NewReader(entity)), signTime)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := io.ReadAll(io.MultiReader(strings.NewReader(outer), form.Reader(strings.NewReader(entity))))
			if err != nil {
				t.Fatal(err)
			}
			if form.Size() != int64(len(whole)-len(outer)) || form.EightBit != (name == "8-bit") {
				t.Errorf("size %d of %d, 8-bit %v", form.Size(), len(whole)-len(outer), form.EightBit)
			}
			checkLines(t, form)
			signature := checkMultipart(t, whole, form.EightBit)
			at := Range{int64(len(outer) + len(form.Prefix)), form.EntitySize}
			report, err := Verify(t.Context(), verifier, bytes.NewReader(whole), at, signature, signTime)
			if err != nil || !report.Valid() {
				t.Errorf("%s %s %v", report.Reason, report.Detail, err)
			}
			checkOpenSSL(t, whole, authority)
		})
	}
}

// checkLines wants CRLF and short ASCII lines in what we add.
func checkLines(t *testing.T, form Form) {
	t.Helper()
	for _, piece := range [][]byte{form.Prefix, form.Suffix} {
		lines := strings.Split(string(piece), "\r\n")
		if lines[len(lines)-1] != "" {
			t.Errorf("does not end with a line: %q", lines[len(lines)-1])
		}
		for _, line := range lines {
			if len(line) > 78 || strings.ContainsAny(line, "\r\n") || strings.IndexFunc(line, func(r rune) bool { return r > 126 }) >= 0 {
				t.Errorf("line %q", line)
			}
		}
	}
}

// checkMultipart reads the mail with the standard library and gives the decoded
// signature.
func checkMultipart(t *testing.T, whole []byte, eightBit bool) []byte {
	t.Helper()
	message, err := mail.ReadMessage(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	mediaType, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || KindOf(mediaType, params) != Multipart || params["micalg"] != "sha-256" {
		t.Fatalf("%s %v %v", mediaType, params, err)
	}
	if got := message.Header.Get("Content-Transfer-Encoding"); (got == "8bit") != eightBit {
		t.Errorf("Content-Transfer-Encoding %q", got)
	}
	parts := multipart.NewReader(message.Body, params["boundary"])
	if _, err := parts.NextRawPart(); err != nil {
		t.Fatal(err)
	}
	part, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	if part.FileName() != "smime.p7s" || !strings.HasPrefix(part.Header.Get("Content-Type"), "application/pkcs7-signature") {
		t.Errorf("signature part %v", part.Header)
	}
	signature, err := Decode(part, part.Header.Get("Content-Transfer-Encoding"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		t.Errorf("after the second part: %v", err)
	}
	return signature
}

func checkOpenSSL(t *testing.T, whole []byte, authority *certs.Authority) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(path("mail"), whole, 0o600), os.WriteFile(path("ca.pem"), certs.EncodeCertificates(authority.Certificate()), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"smime", "-verify"}, {"cms", "-verify", "-cades"}} {
		args := append(command, "-in", path("mail"), "-CAfile", path("ca.pem"), "-attime", "1795340000", "-out", path("out"))
		if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err != nil {
			t.Errorf("openssl %v: %v\n%s", command, err, out)
		}
	}
}

// TestComposeRefuses shows what is not signed.
func TestComposeRefuses(t *testing.T) {
	signer, _ := signer(t)
	broken := errors.New("disk on fire")
	for name, test := range map[string]struct {
		entity io.Reader
		want   error
	}{
		"bare LF":              {strings.NewReader("\r\na\nb"), ErrNotCanonical},
		"bare CR":              {strings.NewReader("\r\na\rb"), ErrNotCanonical},
		"CR at the end":        {strings.NewReader("\r\na\r"), ErrNotCanonical},
		"LF at the start":      {strings.NewReader("\na"), ErrNotCanonical},
		"CR CR LF":             {strings.NewReader("a\r\r\n"), ErrNotCanonical},
		"CR, piecewise":        {iotest.OneByteReader(strings.NewReader("a\rb")), ErrNotCanonical},
		"a failing reader":     {iotest.ErrReader(broken), broken},
		"CRLF in two pieces":   {iotest.OneByteReader(strings.NewReader("a\r\nb")), nil},
		"an entity of nothing": {strings.NewReader(""), nil},
	} {
		if _, err := Compose(t.Context(), signer, test.entity, signTime); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if _, err := Compose(t.Context(), signer, strings.NewReader("a"), signTime.AddDate(5, 0, 0)); !errors.Is(err, certs.ErrSigner) {
		t.Errorf("expired: %v", err)
	}
}

// TestSplit takes headers apart.
func TestSplit(t *testing.T) {
	for _, test := range []struct{ name, header, outer, entity string }{
		{"usual", "From: a\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\nSubject: s\r\n t\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n",
			"From: a\r\nSubject: s\r\n t\r\nMIME-Version: 1.0\r\n", "Content-Type: text/plain;\r\n\tcharset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"},
		{"no MIME", "From: a\r\n\r\n", "From: a\r\nMIME-Version: 1.0\r\n", "\r\n"},
		{"other case", "mime-version: 1.0\r\nCONTENT-TYPE: a/b\r\n\r\n", "mime-version: 1.0\r\n", "CONTENT-TYPE: a/b\r\n\r\n"},
		{"space before the colon", "Content-Type : a/b\r\nMIME-Version : 1.0\r\n\r\n", "MIME-Version : 1.0\r\n", "Content-Type : a/b\r\n\r\n"},
		{"no blank line", "A: b\r\nContent-ID: <x>\r\n", "A: b\r\nMIME-Version: 1.0\r\n", "Content-ID: <x>\r\n\r\n"},
		{"nothing", "", "MIME-Version: 1.0\r\n", "\r\n"},
		{"cut", "A: b\r\nC", "A: b\r\nC\r\nMIME-Version: 1.0\r\n", "\r\n"},
		{"no name", ": b\r\nMIME-Version: 1.0\r\n\r\n", ": b\r\nMIME-Version: 1.0\r\n", "\r\n"},
		{"named alike", "X-Content-Type: a\r\nContents: b\r\nMIME-Version: 1.0\r\n\r\n", "X-Content-Type: a\r\nContents: b\r\nMIME-Version: 1.0\r\n", "\r\n"},
	} {
		outer, entity := Split([]byte(test.header))
		if string(outer) != test.outer || string(entity) != test.entity {
			t.Errorf("%s: %q and %q", test.name, outer, entity)
		}
	}
}

// FuzzSplit loses no octet of a header, and none gets twice.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("From: a\r\nContent-Type: b;\r\n c\r\n\r\n"))
	f.Add([]byte("\r\n\r\nContent-: \n x"))
	f.Fuzz(func(t *testing.T, header []byte) {
		outer, entity := Split(header)
		count := func(b []byte) (n int) {
			for _, c := range b {
				if c > ' ' {
					n++
				}
			}
			return n
		}
		added := 0
		if bytes.HasSuffix(outer, []byte("MIME-Version: 1.0\r\n")) && count(outer)+count(entity) > count(header) {
			added = count([]byte("MIME-Version: 1.0"))
		}
		if count(outer)+count(entity)-added != count(header) {
			t.Errorf("%q became %q and %q", header, outer, entity)
		}
		if !bytes.HasSuffix(entity, []byte("\r\n")) {
			t.Errorf("entity %q has no blank line", entity)
		}
	})
}

// TestKindOf tells protected entities apart.
func TestKindOf(t *testing.T) {
	for _, test := range []struct {
		mediaType, name, value string
		want                   Kind
	}{
		{"multipart/signed", "protocol", "application/pkcs7-signature", Multipart},
		{"Multipart/Signed", "protocol", "Application/X-PKCS7-Signature", Multipart},
		{"multipart/signed", "protocol", "application/pgp-signature", Foreign},
		{"multipart/signed", "", "", Foreign},
		{"multipart/encrypted", "protocol", "application/pgp-encrypted", Encrypted},
		{"application/pkcs7-mime", "smime-type", "signed-data", Opaque},
		{"application/x-pkcs7-mime", "", "", Opaque},
		{"application/pkcs7-mime", "smime-type", "Enveloped-Data", Encrypted},
		{"application/pkcs7-mime", "smime-type", "authEnveloped-data", Encrypted},
		{"application/pkcs7-mime", "smime-type", "certs-only", Plain},
		{"text/plain", "protocol", "application/pkcs7-signature", Plain},
	} {
		if got := KindOf(test.mediaType, map[string]string{test.name: test.value}); got != test.want {
			t.Errorf("%s %s: %d, want %d", test.mediaType, test.value, got, test.want)
		}
	}
}

// BenchmarkCompose signs 20 MB as multipart/signed.
func BenchmarkCompose(b *testing.B) {
	signer, _ := signer(b)
	line := base64.StdEncoding.EncodeToString(make([]byte, 57)) + "\r\n"
	entity := "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(line, 20<<20/len(line))
	b.ReportAllocs()
	b.SetBytes(int64(len(entity)))
	for b.Loop() {
		if _, err := Compose(b.Context(), signer, strings.NewReader(entity), signTime); err != nil {
			b.Fatal(err)
		}
	}
}
