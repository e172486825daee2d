package cms

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"gosbridge/certs"
)

// FuzzVerify feeds the reader: it ends with a report or with ErrMalformed, and
// nothing it did not get from a seed is ever valid for other content.
func FuzzVerify(f *testing.F) {
	for _, pattern := range []string{"testdata/*.p7s", "testdata/*.p7m"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal("no seeds", err)
		}
		for _, file := range files {
			if data := read(f, filepath.Base(file)); len(data) < 8<<10 {
				f.Add(data)
			}
		}
	}
	opaque, err := io.ReadAll(opaqueOf(f, signerWith(f, ecKey(f, elliptic.P256())), 4096)())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(opaque)
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00"))
	verifier := NewVerifier(foreignTrust(f), certs.Signing)
	f.Fuzz(func(t *testing.T, data []byte) {
		report, err := verifier.Verify(context.Background(), data, bytes.NewReader([]byte("never signed")), foreignTime)
		if err != nil && !errors.Is(err, certs.ErrMalformed) {
			t.Errorf("detached: %v", err)
		}
		if err == nil && (report.Reason == "" || report.Valid()) {
			t.Errorf("detached: reason %q", report.Reason)
		}
		if _, err := verifier.VerifyOpaque(context.Background(), bytes.NewReader(data), io.Discard, foreignTime); err != nil && !errors.Is(err, certs.ErrMalformed) {
			t.Errorf("opaque: %v", err)
		}
	})
}

// FuzzKeep shows that what the reader keeps is DER that it reads as the same
// again.
func FuzzKeep(f *testing.F) {
	f.Add(read(f, "rsa.p7s"))
	f.Add([]byte("\x24\x80\x04\x01a\x24\x03\x04\x01b\x00\x00"))
	f.Add([]byte("\x30\x81\x03\x02\x01\x05"))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := keepAll(data)
		if err != nil {
			return
		}
		twice, err := keepAll(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%x became %x became %x (%v)", data, once, twice, err)
		}
	})
}

func keepAll(data []byte) ([]byte, error) {
	r := newReader(bytes.NewReader(data), 16)
	h, err := r.header()
	if err != nil {
		return nil, err
	}
	return r.keep(h)
}

// TestKeep shows BER becoming DER.
func TestKeep(t *testing.T) {
	for ber, der := range map[string]string{
		"\x30\x03\x02\x01\x05":                         "\x30\x03\x02\x01\x05",
		"\x30\x82\x00\x03\x02\x01\x05":                 "\x30\x03\x02\x01\x05",
		"\x30\x80\x02\x01\x05\x00\x00":                 "\x30\x03\x02\x01\x05",
		"\x24\x80\x04\x01a\x24\x03\x04\x01b\x00\x00":   "\x04\x02ab",
		"\xa0\x80\x30\x80\x00\x00\x00\x00":             "\xa0\x02\x30\x00",
		"\x30\x80\x24\x80\x00\x00\x04\x81\x00\x00\x00": "\x30\x04\x04\x00\x04\x00",
	} {
		got, err := keepAll([]byte(ber))
		if err != nil || string(got) != der {
			t.Errorf("%x: %x %v, want %x", ber, got, err, der)
		}
	}
	for _, ber := range []string{
		"\x30\x03\x02\x02\x05\x05", // the inner value is longer than the outer
		"\x30\x80\x02\x01\x05",     // no end
		"\x24\x03\x02\x01\x05",     // an integer as a piece of a string
		"\x23\x03\x03\x01\x00",     // a bit string in pieces
		"\x30\x02\x00\x00",         // an end where none can be
		"\x30\x05\x30\x80\x02\x01\x05",
	} {
		if got, err := keepAll([]byte(ber)); !errors.Is(err, certs.ErrMalformed) {
			t.Errorf("%x: %x %v, want ErrMalformed", ber, got, err)
		}
	}
}
