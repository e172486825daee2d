package intake_test

import (
	"slices"
	"strings"
	"testing"

	"gosbridge/certs"
	"gosbridge/policy"
)

// A letter that claims a signature which cannot be checked never passes for an
// unsigned one: it is refused where signatures are forbidden or required, and
// elsewhere the evidence tells.
func TestSignaturesOfOthers(t *testing.T) {
	const (
		pgp     = "; protocol=\"application/pgp-signature\"; micalg=pgp-sha512"
		unnamed = ""
	)
	claims := func(letterType, params, signature string) string {
		return "From: " + sender + "\r\nTo: " + first + "\r\nSubject: Test\r\nX-Letter-Type: " + letterType + "\r\nMIME-Version: 1.0\r\n" +
			"Content-Type: multipart/signed; boundary=b" + params + "\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nText\r\n" +
			"--b\r\nContent-Type: " + signature + "\r\n\r\nxyz\r\n--b--\r\n"
	}
	r := newRig(t)
	for name, test := range map[string]struct {
		octets string
		want   []policy.Code
	}{
		"PGP, forbidden":     {claims("simple", pgp, "application/pgp-signature"), []policy.Code{policy.FileFormat, policy.FileNameMissing, policy.SignatureUnwanted}},
		"PGP, required":      {claims("signed", pgp, "application/pgp-signature"), []policy.Code{policy.SignatureNoAlgo}},
		"PGP, a file inside": {claims("notify", pgp, "application/pgp-signature; name=a.exe"), []policy.Code{policy.FileFormat}},
		"unnamed, forbidden": {claims("simple", unnamed, "application/pkcs7-signature"), []policy.Code{policy.SignatureUnwanted}},
		"unnamed, required":  {claims("signed", unnamed, "application/pkcs7-signature"), []policy.Code{policy.SignatureBroken}},
		"unnamed, optional":  {claims("free", unnamed, "application/pkcs7-signature"), []policy.Code{policy.SignatureBroken}},
		"empty, optional":    {claims("free", "; protocol=\"\"", "application/pkcs7-signature"), []policy.Code{policy.SignatureBroken}},
		"PGP, encrypted": {
			strings.Replace(claims("simple", "; protocol=\"application/pgp-encrypted\"", "application/octet-stream"), "multipart/signed", "multipart/encrypted", 1),
			[]policy.Code{policy.ContentEnclosed},
		},
	} {
		got := r.codes(test.octets, first)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: reasons %v, want %v", name, got, test.want)
		}
	}
	octets := claims("free", pgp, "application/pgp-signature")
	a := r.accept(octets, first)
	if s := r.record(a.Letter).Facts.Signature; s.Result != string(certs.UnknownAlgorithm) || s.By != "client" {
		t.Errorf("PGP, optional: the evidence says %+v", s)
	}
	if form := r.sentForm(a); form != octets {
		t.Errorf("sent form %q", form)
	}
}
