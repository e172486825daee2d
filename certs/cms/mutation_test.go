package cms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"hash"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"gosbridge/certs"
)

// forgery is a signature put together by hand: everything in it can be wrong,
// and is signed properly all the same.
type forgery struct {
	id         certs.Identity // included and named
	key        crypto.Signer
	algorithm  certs.Algorithm
	attributes [][]byte
	unsorted   bool   // in the message
	signedAs   []byte // what is signed instead of the attributes
}

// forge begins with a faultless signature of the letter.
func forge(t *testing.T, key crypto.Signer, raw certs.RawSigner) *forgery {
	t.Helper()
	certificate := raw.Identity().Certificate
	sum := raw.Algorithm().NewHash()
	sum.Write([]byte(letter))
	return &forgery{
		id: raw.Identity(), key: key, algorithm: raw.Algorithm(),
		attributes: [][]byte{
			attr(t, oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) }),
			attr(t, oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sum.Sum(nil)) }),
			attr(t, oidSigningTime, func(b *cryptobyte.Builder) { addTime(b, signTime) }),
			attr(t, oidSigningCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificate(b, certificate) }),
		},
	}
}

func attr(t *testing.T, oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) []byte {
	t.Helper()
	der, err := attribute(oid, value)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (f *forgery) encode(t *testing.T) []byte {
	t.Helper()
	sorted, err := encodeSet(tag.SET, f.attributes)
	if err != nil {
		t.Fatal(err)
	}
	signed, sent := sorted, sorted
	if f.unsorted {
		sent = slices.Clone(sorted[:len(sorted)-len(bytes.Join(f.attributes, nil))])
		sent = append(sent, bytes.Join(f.attributes, nil)...)
	}
	if f.signedAs != nil {
		signed = f.signedAs
	}
	options, message := crypto.SignerOpts(crypto.Hash(0)), signed
	if _, pure := f.key.(ed25519.PrivateKey); !pure {
		sum := f.algorithm.NewHash()
		sum.Write(signed)
		message = sum.Sum(nil)
		options = map[int]crypto.Hash{32: crypto.SHA256, 48: crypto.SHA384, 64: crypto.SHA512}[len(message)]
	}
	signature, err := f.key.Sign(rand.Reader, message, options)
	if err != nil {
		t.Fatal(err)
	}
	der, err := encodeSignedData(f.id, f.algorithm, sent, signature)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issue is a certificate of any kind by an authority.
func issue(t *testing.T, a *certs.Authority, key crypto.Signer, purpose certs.Purpose, at time.Time) *x509.Certificate {
	t.Helper()
	issued, err := a.Issue(certs.Request{Purpose: purpose, Name: "Somebody", Hosts: []string{"a.example"}, At: at, Key: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Certificate
}

// twin is another certificate with the issuer, serial number and names of one.
func twin(t *testing.T, of *x509.Certificate) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, issuer := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: "Test authority"}, RawSubject: of.RawIssuer}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: of.SerialNumber, RawSubject: of.RawSubject, NotBefore: of.NotBefore, NotAfter: of.NotAfter,
	}, parent, key.Public(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// TestMutations changes one thing at a time in a faultless signature.
func TestMutations(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	raw := signerWith(t, key)
	otherAuthority, err := certs.NewAuthority("Test authority", signTime) // the same name
	if err != nil {
		t.Fatal(err)
	}
	digestAttribute := func(sum []byte) []byte {
		return attr(t, oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sum) })
	}
	otherSum := sha256.Sum256([]byte("something else"))
	for _, test := range []struct {
		name   string
		change func(*forgery)
		want   certs.Reason
	}{
		{"nothing", func(*forgery) {}, certs.Valid},
		{"attributes in another order, signed sorted", func(f *forgery) { slices.Reverse(f.attributes); f.unsorted = true }, certs.Valid},
		{"no signing time", func(f *forgery) { f.attributes = slices.Delete(f.attributes, 2, 3) }, certs.Valid},
		{"no signing certificate", func(f *forgery) { f.attributes = f.attributes[:3] }, certs.Valid},
		{"an unknown attribute", func(f *forgery) {
			f.attributes = append(f.attributes, attr(t, asn1.ObjectIdentifier{1, 2, 3}, func(b *cryptobyte.Builder) { b.AddASN1NULL() }))
		}, certs.Valid},
		{"protected algorithms", func(f *forgery) { f.protect(t, f.algorithm) }, certs.Valid},

		{"digest of another content", func(f *forgery) { f.attributes[1] = digestAttribute(otherSum[:]) }, certs.DigestMismatch},
		{"digest cut", func(f *forgery) { f.attributes[1] = digestAttribute(otherSum[:31]) }, certs.DigestMismatch},
		{"digest empty", func(f *forgery) { f.attributes[1] = digestAttribute(nil) }, certs.DigestMismatch},

		{"attributes changed after signing", func(f *forgery) {
			f.signedAs, _ = encodeSet(tag.SET, f.attributes)
			f.attributes[2] = attr(t, oidSigningTime, func(b *cryptobyte.Builder) { addTime(b, signTime.Add(time.Hour)) })
		}, certs.BadSignature},
		{"an attribute added after signing", func(f *forgery) {
			f.signedAs, _ = encodeSet(tag.SET, f.attributes)
			f.attributes = append(f.attributes, attr(t, asn1.ObjectIdentifier{1, 2, 3}, func(b *cryptobyte.Builder) { b.AddASN1NULL() }))
		}, certs.BadSignature},
		{"signed by another key", func(f *forgery) { f.key = ecKey(t, elliptic.P256()) }, certs.BadSignature},
		{"certificate swapped for its twin", func(f *forgery) {
			f.id.Certificate, _ = twin(t, f.id.Certificate)
		}, certs.BadAttributes},
		{"certificate swapped for its twin, unbound", func(f *forgery) {
			f.id.Certificate, _ = twin(t, f.id.Certificate)
			f.attributes = f.attributes[:3]
		}, certs.BadSignature},
		{"signed by the twin", func(f *forgery) {
			f.id.Certificate, f.key = twin(t, f.id.Certificate)
			f.attributes = f.attributes[:3]
		}, certs.Untrusted},
		{"binding to another certificate", func(f *forgery) {
			other, _ := twin(t, f.id.Certificate)
			f.attributes[3] = attr(t, oidSigningCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificate(b, other) })
		}, certs.BadAttributes},

		{"two content types", func(f *forgery) { f.attributes = append(f.attributes, f.attributes[0]) }, certs.BadAttributes},
		{"two digests", func(f *forgery) { f.attributes = append(f.attributes, digestAttribute(otherSum[:])) }, certs.BadAttributes},
		{"two signing times", func(f *forgery) { f.attributes = append(f.attributes, f.attributes[2]) }, certs.BadAttributes},
		{"two values of a digest", func(f *forgery) {
			f.attributes[1] = attr(t, oidMessageDigest, func(b *cryptobyte.Builder) {
				b.AddASN1OctetString(otherSum[:])
				b.AddASN1OctetString(otherSum[:])
			})
		}, certs.BadAttributes},
		{"no content type", func(f *forgery) { f.attributes = f.attributes[1:] }, certs.BadAttributes},
		{"no digest", func(f *forgery) { f.attributes = slices.Delete(f.attributes, 1, 2) }, certs.BadAttributes},
		{"no attributes", func(f *forgery) { f.attributes = nil }, certs.BadAttributes},
		{"content type signed as another", func(f *forgery) {
			f.attributes[0] = attr(t, oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidSignedData) })
		}, certs.BadAttributes},
		{"unreadable time", func(f *forgery) {
			f.attributes[2] = attr(t, oidSigningTime, func(b *cryptobyte.Builder) { b.AddASN1OctetString([]byte("yesterday")) })
		}, certs.BadAttributes},
		{"protected algorithms are others", func(f *forgery) {
			other := f.algorithm
			other.SignatureOID = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
			f.protect(t, other)
		}, certs.BadAttributes},

		{"an RSA algorithm for a curve's key", func(f *forgery) { f.algorithm.SignatureOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11} }, certs.BadSignature},
		{"Ed25519 for another curve's key", func(f *forgery) { f.algorithm.SignatureOID = asn1.ObjectIdentifier{1, 3, 101, 112} }, certs.BadSignature},
		{"another digest than the signature's", func(f *forgery) { f.algorithm.SignatureOID = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4} }, certs.UnknownAlgorithm},
		{"PSS without parameters", func(f *forgery) { f.algorithm.SignatureOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10} }, certs.WeakAlgorithm},
		{"digest SHA-1", func(f *forgery) { f.algorithm.DigestOID = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26} }, certs.WeakAlgorithm},
		{"digest MD5", func(f *forgery) { f.algorithm.DigestOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5} }, certs.WeakAlgorithm},
		{"signature with SHA-1", func(f *forgery) { f.algorithm.SignatureOID = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1} }, certs.WeakAlgorithm},
		{"digest GOST", func(f *forgery) { f.algorithm.DigestOID = asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 2, 2} }, certs.UnknownAlgorithm},
		{"signature GOST", func(f *forgery) { f.algorithm.SignatureOID = asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 3, 2} }, certs.UnknownAlgorithm},
		{"signature of nobody's", func(f *forgery) { f.algorithm.SignatureOID = asn1.ObjectIdentifier{1, 2, 3, 4} }, certs.UnknownAlgorithm},

		{"a listener's certificate", func(f *forgery) { f.as(t, issue(t, authority(t), key, certs.Listener, signTime)) }, certs.WrongPurpose},
		{"a client's certificate", func(f *forgery) { f.as(t, issue(t, authority(t), key, certs.Client, signTime)) }, certs.WrongPurpose},
		{"expired", func(f *forgery) { f.as(t, issue(t, authority(t), key, certs.Signing, signTime.AddDate(-5, 0, 0))) }, certs.Expired},
		{"not yet valid", func(f *forgery) { f.as(t, issue(t, authority(t), key, certs.Signing, signTime.AddDate(1, 0, 0))) }, certs.Expired},
		{"another authority of the same name", func(f *forgery) { f.as(t, issue(t, otherAuthority, key, certs.Signing, signTime)) }, certs.Untrusted},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := forge(t, key, raw)
			test.change(f)
			checkReason(t, f.encode(t), test.want)
		})
	}
}

func checkReason(t *testing.T, der []byte, want certs.Reason) {
	t.Helper()
	report, err := NewVerifier(authority(t).Trust(), certs.Signing).Verify(t.Context(), der, strings.NewReader(letter), signTime)
	if err != nil {
		t.Fatal(err)
	}
	if report.Reason != want {
		t.Errorf("%s (%s), want %s", report.Reason, report.Detail, want)
	}
}

// as makes it the signature of another certificate of the same key.
func (f *forgery) as(t *testing.T, certificate *x509.Certificate) {
	t.Helper()
	f.id.Certificate = certificate
	f.attributes[3] = attr(t, oidSigningCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificate(b, certificate) })
}

// protect adds the attribute of RFC 6211.
func (f *forgery) protect(t *testing.T, algorithm certs.Algorithm) {
	t.Helper()
	f.attributes = append(f.attributes, attr(t, oidAlgorithmProtection, func(b *cryptobyte.Builder) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			addDigestAlgorithm(b, algorithm)
			b.AddASN1(tag.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(algorithm.SignatureOID)
			})
		})
	}))
}

// TestOtherCertificateIncluded shows that a signature whose own certificate was
// replaced has no signer.
func TestOtherCertificateIncluded(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	raw := signerWith(t, key)
	der := mustSign(t, raw, letter)
	for der2 := []byte(nil); len(der2) != len(der); { // until the lengths agree
		der2 = mustSign(t, signerWith(t, ecKey(t, elliptic.P256())), letter)
		if len(der2) != len(der) {
			continue
		}
		parsed, err := parse(t.Context(), bytes.NewReader(der2), nil)
		if err != nil {
			t.Fatal(err)
		}
		other := parsed.certificates[0].Raw
		mine := raw.Identity().Certificate.Raw
		if len(other) != len(mine) {
			der2 = nil
			continue
		}
		checkReason(t, bytes.Replace(der, mine, other, 1), certs.NoSigner)
	}
}

// TestUnsortedSignedAsSent is the other way to sign attributes out of order.
func TestUnsortedSignedAsSent(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	f := forge(t, key, signerWith(t, key))
	slices.SortFunc(f.attributes, func(a, b []byte) int { return bytes.Compare(b, a) })
	f.unsorted = true
	sorted, err := encodeSet(tag.SET, f.attributes)
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.Join(f.attributes, nil)
	f.signedAs = append(slices.Clone(sorted[:len(sorted)-len(all)]), all...)
	if bytes.Equal(sorted, f.signedAs) {
		t.Fatal("still sorted")
	}
	checkReason(t, f.encode(t), certs.Valid)
}

// TestEd25519 signs the attributes themselves (RFC 8419).
func TestEd25519(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := issue(t, authority(t), key, certs.Signing, signTime)
	raw := &plainSigner{certificate, certs.Algorithm{
		DigestOID: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, SignatureOID: asn1.ObjectIdentifier{1, 3, 101, 112},
		Micalg: "sha-512", NewHash: func() hash.Hash { return sha512.New() },
	}}
	f := forge(t, key, raw)
	der := f.encode(t)
	checkReason(t, der, certs.Valid) // openssl can do this from 3.2 on, Debian 12 has 3.0
	f.signedAs = []byte("other octets")
	checkReason(t, f.encode(t), certs.BadSignature)
}

// plainSigner has an identity and an algorithm; it signs nothing.
type plainSigner struct {
	certificate *x509.Certificate
	algorithm   certs.Algorithm
}

func (p *plainSigner) Identity() certs.Identity {
	return certs.Identity{Certificate: p.certificate, KeyID: "plain"}
}
func (p *plainSigner) Algorithm() certs.Algorithm { return p.algorithm }
func (p *plainSigner) SignAttributes(context.Context, []byte) ([]byte, error) {
	return nil, certs.ErrSigner
}

// TestEveryOctet flips each octet of a signature: what still counts as valid
// must say the same of the same person.
func TestEveryOctet(t *testing.T) {
	der := mustSign(t, signerWith(t, ecKey(t, elliptic.P256())), letter)
	verifier := NewVerifier(authority(t).Trust(), certs.Signing)
	want, err := verifier.Verify(t.Context(), der, strings.NewReader(letter), signTime)
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for i := range der {
		for _, bit := range []byte{0x01, 0x20, 0x80} {
			changed := bytes.Clone(der)
			changed[i] ^= bit
			report, err := verifier.Verify(t.Context(), changed, strings.NewReader(letter), signTime)
			if err != nil || !report.Valid() {
				continue
			}
			held++
			if !report.Certificate.Equal(want.Certificate) || !report.SigningTime.Equal(want.SigningTime) || report.Algorithm != want.Algorithm {
				t.Errorf("octet %d ^ %#x: valid with another meaning", i, bit)
			}
		}
	}
	// What is not signed and decides nothing: the two versions and the
	// announced digest algorithm.
	if held > 40 {
		t.Errorf("%d changes went unnoticed", held)
	}
}

// TestNobodyTrusted shows that no trust store trusts nobody.
func TestNobodyTrusted(t *testing.T) {
	der := mustSign(t, signerWith(t, ecKey(t, elliptic.P256())), letter)
	for name, store := range map[string]*certs.TrustStore{
		"none":                nil,
		"empty":               certs.NewTrustStore(nil, nil),
		"for something else":  certs.NewTrustStore([]certs.Anchor{{Certificate: authority(t).Certificate(), Purposes: certs.Listener | certs.Client}}, nil),
		"as intermediate":     certs.NewTrustStore(nil, []*x509.Certificate{authority(t).Certificate()}),
		"of the wrong people": certs.NewTrustStore([]certs.Anchor{{Certificate: foreignRoot(t)}}, nil),
	} {
		report, err := NewVerifier(store, certs.Signing).Verify(t.Context(), der, strings.NewReader(letter), signTime)
		if err != nil || report.Reason != certs.Untrusted {
			t.Errorf("%s: %s %v", name, report.Reason, err)
		}
	}
}

func foreignRoot(t *testing.T) *x509.Certificate {
	t.Helper()
	all, err := certs.LoadCertificates("testdata/root.pem")
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// TestSerialUntouched guards a certificate's serial number against the parser.
func TestSerialUntouched(t *testing.T) {
	certificate := signerWith(t, ecKey(t, elliptic.P256())).Identity().Certificate
	before := new(big.Int).Set(certificate.SerialNumber)
	other, _ := twin(t, certificate)
	other.SerialNumber = big.NewInt(7)
	var b cryptobyte.Builder
	addSigningCertificate(&b, other)
	value := cryptobyte.String(b.BytesOrPanic())
	if readCertID(&value, certificate, true) || certificate.SerialNumber.Cmp(before) != 0 {
		t.Error("another certificate's serial number was taken over")
	}
}
