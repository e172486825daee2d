package cms

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"gosbridge/certs"
)

// TestLimits shows that each limit ends the reading, and what is below it does
// not.
func TestLimits(t *testing.T) {
	signer := signerWith(t, ecKey(t, elliptic.P256()))
	der := mustSign(t, signer, letter)
	repeated := func(id byte, n int) []byte { // the elements of a set so many times
		sd, err := parse(t.Context(), bytes.NewReader(der), nil)
		if err != nil {
			t.Fatal(err)
		}
		certificate := sd.certificates[0].Raw
		i := bytes.Index(der, certificate)
		head, tail := der[:i], der[i+len(certificate):] // tail: the set of signer infos
		one := certificate
		if id == idSet {
			head, one, tail = der[:i+len(certificate)], body(t, tail), nil
		}
		at := bytes.Index(head, []byte("\x02\x01\x01")) // after the headers around
		out := append([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80"), head[at:]...)
		if id == idSet {
			return append(appendHeader(out, idSet, n*len(one)), append(bytes.Repeat(one, n), make([]byte, 6)...)...)
		}
		out = out[:bytes.LastIndex(out, []byte{idContext0})]
		out = append(appendHeader(out, idContext0, n*len(one)), bytes.Repeat(one, n)...)
		return append(append(out, tail...), make([]byte, 6)...)
	}
	verifier := NewVerifier(authority(t).Trust(), certs.Signing)
	for _, test := range []struct {
		name  string
		data  []byte
		wrong string
	}{
		{"certificates", repeated(idContext0, maxCertificates), ""},
		{"too many certificates", repeated(idContext0, maxCertificates+1), "certificates"},
		{"signers", repeated(idSet, maxSigners), ""},
		{"too many signers", repeated(idSet, maxSigners+1), "signers"},
	} {
		report, err := verifier.Verify(t.Context(), test.data, strings.NewReader(letter), signTime)
		if test.wrong == "" {
			if err != nil || !report.Valid() {
				t.Errorf("%s: %s %s %v", test.name, report.Reason, report.Detail, err)
			}
			continue
		}
		if !errors.Is(err, certs.ErrMalformed) || !strings.Contains(err.Error(), "more than") || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	nested := func(n int) []byte { return append(bytes.Repeat([]byte{0x30, 0x80}, n), make([]byte, 2*n)...) }
	many := func(n int) []byte { return append(append([]byte{0x30, 0x80}, bytes.Repeat([]byte{5, 0}, n)...), 0, 0) }
	long := func(n int) []byte { return append(appendHeader(nil, idOctetString, n), make([]byte, n)...) }
	for _, test := range []struct {
		name      string
		fits, not []byte
		wrong     string
	}{
		{"depth", nested(maxDepth), nested(maxDepth + 1), "deep"},
		{"values", many(maxElements - 1), many(maxElements), "values"},
		{"octets", long(maxKept - 2), long(maxKept - 1), "octets"},
	} {
		if _, err := keepAll(test.fits); err != nil {
			t.Errorf("%s that fit: %v", test.name, err)
		}
		if _, err := keepAll(test.not); !errors.Is(err, certs.ErrMalformed) || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s that do not: %v", test.name, err)
		}
	}
}

// TestCostlyKey shows that an oversized RSA key is never tried.
func TestCostlyKey(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	for bits, want := range map[uint]certs.Reason{maxRSABits: certs.BadAttributes, maxRSABits + 1: certs.NoSigner} {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		public := &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
		issued, err := authority(t).Issue(certs.Request{Purpose: certs.Signing, Name: "Large", At: signTime, Key: public})
		if err != nil {
			t.Fatal(err)
		}
		f := forge(t, key, signerWith(t, key))
		f.id.Certificate = issued.Certificate // still bound to another one
		checkReason(t, f.encode(t), want)
	}
}

// body is the contents of a SET.
func body(t *testing.T, der []byte) []byte {
	t.Helper()
	input := cryptobyte.String(der)
	var contents cryptobyte.String
	if !input.ReadASN1(&contents, tag.SET) {
		t.Fatal("no SET")
	}
	return contents
}

// TestBindings is about the fine print of the attributes that bind a signature
// to its certificate and algorithms.
func TestBindings(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	raw := signerWith(t, key)
	certificate := raw.Identity().Certificate
	other, _ := twin(t, certificate)
	// binding writes SigningCertificate, or its second version with a hash
	// algorithm, for one certificate with the serial number of another.
	binding := func(oid asn1.ObjectIdentifier, algorithm string, sum []byte, serial int64) []byte {
		return attr(t, oid, func(b *cryptobyte.Builder) {
			sequence := func(b *cryptobyte.Builder, f cryptobyte.BuilderContinuation) { b.AddASN1(tag.SEQUENCE, f) }
			sequence(b, func(b *cryptobyte.Builder) {
				sequence(b, func(b *cryptobyte.Builder) {
					sequence(b, func(b *cryptobyte.Builder) {
						b.AddBytes([]byte(algorithm))
						b.AddASN1OctetString(sum)
						if serial < 0 {
							return
						}
						sequence(b, func(b *cryptobyte.Builder) {
							sequence(b, func(b *cryptobyte.Builder) {
								b.AddASN1(tag.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(certificate.RawIssuer) })
							})
							if serial == 0 {
								b.AddASN1BigInt(certificate.SerialNumber)
							} else {
								b.AddASN1Int64(serial)
							}
						})
					})
				})
			})
		})
	}
	mine1, mine256, others1 := sha1.Sum(certificate.Raw), sha256.Sum256(certificate.Raw), sha1.Sum(other.Raw)
	h := crypto.SHA512.New()
	h.Write(certificate.Raw)
	mine512 := h.Sum(nil)
	const sha512ID = "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00"
	const sha1ID = "\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a"
	for _, test := range []struct {
		name string
		with []byte
		want certs.Reason
	}{
		{"version 2", binding(oidSigningCertificateV2, "", mine256[:], 0), certs.Valid},
		{"without serial number", binding(oidSigningCertificateV2, "", mine256[:], -1), certs.Valid},
		{"with SHA-512", binding(oidSigningCertificateV2, sha512ID, mine512, 0), certs.Valid},
		{"with SHA-1", binding(oidSigningCertificateV2, sha1ID, mine1[:], 0), certs.BadAttributes},
		{"another serial number", binding(oidSigningCertificateV2, "", mine256[:], 7), certs.BadAttributes},
		{"version 1", binding(oidSigningCertificate, "", mine1[:], 0), certs.Valid},
		{"version 1 of another", binding(oidSigningCertificate, "", others1[:], 0), certs.BadAttributes},
		{"version 1, another serial number", binding(oidSigningCertificate, "", mine1[:], 7), certs.BadAttributes},
		{"unreadable", attr(t, oidSigningCertificateV2, func(b *cryptobyte.Builder) { b.AddASN1NULL() }), certs.BadAttributes},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := forge(t, key, raw)
			f.attributes[3] = test.with
			checkReason(t, f.encode(t), test.want)
		})
	}
	f := forge(t, key, raw)
	protected := f.algorithm
	protected.DigestOID = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	f.protect(t, protected)
	checkReason(t, f.encode(t), certs.BadAttributes)
}

// TestPSSParams reads RSASSA-PSS-params.
func TestPSSParams(t *testing.T) {
	const (
		sha256ID = "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
		sha512ID = "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00"
		sha1ID   = "\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00"
		mgf1     = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
	)
	wrap := func(id byte, s string) string { return string(appendHeader(nil, id, len(s))) + s }
	mgf := func(hash string) string { return wrap(0xa1, wrap(0x30, mgf1+hash)) }
	hash := func(hash string) string { return wrap(0xa0, hash) }
	const salt32, trailer1, trailer2 = "\xa2\x03\x02\x01\x20", "\xa3\x03\x02\x01\x01", "\xa3\x03\x02\x01\x02"
	for _, test := range []struct {
		name, params string
		want         certs.Reason
		salt         int
	}{
		{"usual", hash(sha256ID) + mgf(sha256ID) + salt32, certs.Valid, 32},
		{"with trailer", hash(sha256ID) + mgf(sha256ID) + salt32 + trailer1, certs.Valid, 32},
		{"salt left out", hash(sha256ID) + mgf(sha256ID), certs.Valid, 20},
		{"another trailer", hash(sha256ID) + mgf(sha256ID) + salt32 + trailer2, certs.UnknownAlgorithm, 0},
		{"hash left out", mgf(sha256ID) + salt32, certs.WeakAlgorithm, 0},
		{"mask left out", hash(sha256ID) + salt32, certs.WeakAlgorithm, 0},
		{"mask with SHA-1", hash(sha256ID) + mgf(sha1ID) + salt32, certs.WeakAlgorithm, 0},
		{"hash SHA-1", hash(sha1ID) + mgf(sha256ID) + salt32, certs.WeakAlgorithm, 0},
		{"mask with another", hash(sha256ID) + mgf(sha512ID) + salt32, certs.UnknownAlgorithm, 0},
		{"hash is another", hash(sha512ID) + mgf(sha512ID) + salt32, certs.UnknownAlgorithm, 0},
		{"absurd salt", hash(sha256ID) + mgf(sha256ID) + "\xa2\x04\x02\x02\x7f\xff", certs.UnknownAlgorithm, 0},
		{"more behind", hash(sha256ID) + mgf(sha256ID) + salt32 + "\x05\x00", certs.UnknownAlgorithm, 0},
		{"mask of another kind", hash(sha256ID) + wrap(0xa1, sha256ID) + salt32, certs.UnknownAlgorithm, 0},
	} {
		salt, reason, detail := pssParams([]byte(wrap(0x30, test.params)), crypto.SHA256)
		if reason != test.want || salt != test.salt {
			t.Errorf("%s: salt %d, %s (%s), want %d, %s", test.name, salt, reason, detail, test.salt, test.want)
		}
	}
}
