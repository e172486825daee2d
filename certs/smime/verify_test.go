package smime

import (
	"bytes"
	"errors"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
)

// foreignTime is inside the validity of the certificates in testdata, which the
// script of package cms makes.
var foreignTime = time.Date(2027, 6, 1, 12, 0, 0, 0, time.UTC)

func foreign(t *testing.T, name string) ([]byte, *cms.Verifier) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	store, err := certs.LoadTrustStore(certs.Signing, []string{filepath.Join("testdata", "root.pem")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data, cms.NewVerifier(store, certs.Signing)
}

// parts finds first part and signature of openssl's multipart/signed.
func parts(t *testing.T, data []byte) (Range, []byte) {
	t.Helper()
	delimiter := data[bytes.Index(data, []byte("\r\n------")):]
	delimiter = delimiter[:bytes.Index(delimiter[2:], []byte("\r\n"))+2]
	pieces := bytes.Split(data, delimiter)
	if len(pieces) != 4 {
		t.Fatalf("%d pieces", len(pieces))
	}
	_, encoded, _ := bytes.Cut(pieces[2], []byte("\r\n\r\n"))
	signature, err := Decode(bytes.NewReader(encoded), "BASE64")
	if err != nil {
		t.Fatal(err)
	}
	return Range{int64(len(pieces[0]) + len(delimiter) + 2), int64(len(pieces[1]) - 2)}, signature
}

// TestVerifyForeign checks a multipart/signed of openssl's, whole and changed.
func TestVerifyForeign(t *testing.T) {
	data, verifier := foreign(t, "multipart.eml")
	first, signature := parts(t, data)
	for name, source := range map[string]io.Reader{"seekable": bytes.NewReader(data), "stream": iotest.OneByteReader(bytes.NewReader(data))} {
		report, err := Verify(t.Context(), verifier, source, first, signature, foreignTime)
		if err != nil || !report.Valid() {
			t.Errorf("%s: %s %s %v", name, report.Reason, report.Detail, err)
		}
	}
	for name, wrong := range map[string]Range{
		"with the delimiter's CRLF":  {first.Offset, first.Size + 2},
		"without the last CRLF":      {first.Offset, first.Size - 2},
		"with the CRLF in front":     {first.Offset - 2, first.Size + 2},
		"without the header's start": {first.Offset + 1, first.Size - 1},
	} {
		report, err := Verify(t.Context(), verifier, bytes.NewReader(data), wrong, signature, foreignTime)
		if err != nil || report.Reason != certs.DigestMismatch {
			t.Errorf("%s: %s %v", name, report.Reason, err)
		}
	}
	for name, test := range map[string]struct {
		message io.Reader
		first   Range
		sig     []byte
		want    error
	}{
		"cut in the part":    {bytes.NewReader(data[:first.Offset+10]), first, signature, io.ErrUnexpectedEOF},
		"cut before it":      {io.MultiReader(bytes.NewReader(data[:10])), first, signature, io.ErrUnexpectedEOF},
		"signature cut":      {bytes.NewReader(data), first, signature[:100], certs.ErrMalformed},
		"signature is empty": {bytes.NewReader(data), first, nil, certs.ErrMalformed},
	} {
		if _, err := Verify(t.Context(), verifier, test.message, test.first, test.sig, foreignTime); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if _, err := Verify(t.Context(), verifier, bytes.NewReader(data), Range{-1, 5}, signature, foreignTime); err == nil {
		t.Error("a negative offset")
	}
}

// TestVerifyOpaque reads application/pkcs7-mime of openssl's, DER and BER.
func TestVerifyOpaque(t *testing.T) {
	const entity = "Content-Type: text/plain\r\n\r\nDear colleagues,\r\n\r\nthe documents follow.\r\n"
	for _, name := range []string{"opaque.eml", "opaque-stream.eml"} {
		data, verifier := foreign(t, name)
		message, err := mail.ReadMessage(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		var content bytes.Buffer
		report, err := VerifyOpaque(t.Context(), verifier, message.Body, message.Header.Get("Content-Transfer-Encoding"), &content, foreignTime)
		if err != nil || !report.Valid() || content.String() != entity {
			t.Errorf("%s: %s %s %v: %q", name, report.Reason, report.Detail, err, content.String())
		}
		_, body, _ := bytes.Cut(data, []byte("\r\n\r\n"))
		if _, err := VerifyOpaque(t.Context(), verifier, bytes.NewReader(body[:700]), "base64", io.Discard, foreignTime); !errors.Is(err, certs.ErrMalformed) {
			t.Errorf("%s cut: %v", name, err)
		}
		der, err := Decode(bytes.NewReader(body), "base64")
		if err != nil {
			t.Fatal(err)
		}
		if report, err := VerifyOpaque(t.Context(), verifier, bytes.NewReader(der), "binary", io.Discard, foreignTime); err != nil || !report.Valid() {
			t.Errorf("%s binary: %s %v", name, report.Reason, err)
		}
	}
}

// TestDecode is tolerant of what mail programs do to base64.
func TestDecode(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, test := range map[string]struct {
		body     io.Reader
		encoding string
		want     string
		err      error
	}{
		"lines":       {strings.NewReader("AQID\r\nBAUG\r\n"), "base64", "\x01\x02\x03\x04\x05\x06", nil},
		"spaces":      {strings.NewReader(" AQ ID \r\n\tBAUG \r\n\r\n"), " Base64 ", "\x01\x02\x03\x04\x05\x06", nil},
		"padding":     {strings.NewReader("AQ==\r\n"), "base64", "\x01", nil},
		"binary":      {strings.NewReader("\x01\x02"), "binary", "\x01\x02", nil},
		"no encoding": {strings.NewReader("\x01\x02"), "", "\x01\x02", nil},
		"cut":         {strings.NewReader("AQIDBA"), "base64", "", certs.ErrMalformed},
		"misplaced":   {strings.NewReader("AQ=DBAUG"), "base64", "", certs.ErrMalformed},
		"too large":   {io.LimitReader(zeros{}, MaxSignature+1), "binary", "", certs.ErrMalformed},
		"reader":      {iotest.ErrReader(broken), "base64", "", broken},
	} {
		got, err := Decode(test.body, test.encoding)
		if !errors.Is(err, test.err) || test.err == nil && string(got) != test.want {
			t.Errorf("%s: %x %v", name, got, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
