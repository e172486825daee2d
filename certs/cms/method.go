package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // registers SHA-256
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"gosbridge/certs"
)

// algorithmID is an AlgorithmIdentifier.
type algorithmID struct {
	OID    asn1.ObjectIdentifier
	Params []byte // DER; nil when absent
}

func (a algorithmID) equal(b algorithmID) bool {
	null := func(p []byte) bool { return len(p) == 0 || string(p) == "\x05\x00" }
	return a.OID.Equal(b.OID) && (string(a.Params) == string(b.Params) || null(a.Params) && null(b.Params))
}

// method is how one SignerInfo was signed.
type method struct {
	family family
	digest crypto.Hash // of the content
	hash   crypto.Hash // of the signed attributes; 0 for Ed25519
	salt   int         // octets, PSS only
	name   string
}

var errKeyType = errors.New("the certificate's key is of another kind than the signature")

// methodFor reads the two algorithm identifiers of a SignerInfo. The reason is
// Valid, WeakAlgorithm or UnknownAlgorithm; the detail names the algorithm.
func methodFor(digest, signature algorithmID) (method, certs.Reason, string) {
	for _, oid := range []asn1.ObjectIdentifier{digest.OID, signature.OID} {
		if name := weak[oid.String()]; name != "" {
			return method{}, certs.WeakAlgorithm, name
		}
	}
	hash, ok := digests[digest.OID.String()]
	if !ok {
		return method{}, certs.UnknownAlgorithm, "digest " + nameOf(digest.OID)
	}
	kind, ok := signatures[signature.OID.String()]
	if !ok {
		return method{}, certs.UnknownAlgorithm, "signature " + nameOf(signature.OID)
	}
	m := method{family: kind.family, digest: hash, hash: kind.hash}
	if m.hash == 0 {
		m.hash = hash
	}
	switch m.family {
	case rsaPKCS1:
		m.name = "RSA " + m.hash.String()
	case ecdsaDER:
		m.name = "ECDSA " + m.hash.String()
	case ed25519Pure:
		m.hash = 0
		m.name = "Ed25519"
	case rsaPSS:
		salt, reason, detail := pssParams(signature.Params, hash)
		if reason != certs.Valid {
			return method{}, reason, detail
		}
		m.salt = salt
		m.name = "RSA-PSS " + m.hash.String()
	}
	// One digest for content and attributes (RFC 4056 §3, RFC 5754 §3): two
	// different ones are how a signature is bent to mean something else.
	if m.hash != 0 && m.hash != m.digest {
		return method{}, certs.UnknownAlgorithm, fmt.Sprintf("%s over content hashed with %s", m.name, m.digest)
	}
	return m, certs.Valid, ""
}

const oidMGF1 = "1.2.840.113549.1.1.8"

// pssParams reads RSASSA-PSS-params (RFC 4055 §3.1) and wants one strong hash
// everywhere. Left-out fields mean SHA-1.
func pssParams(der []byte, want crypto.Hash) (salt int, reason certs.Reason, detail string) {
	const sha1 = "RSA-PSS with SHA-1"
	input := cryptobyte.String(der)
	if input.Empty() {
		return 0, certs.WeakAlgorithm, sha1
	}
	var params, hashField, mgfField, saltField, trailerField cryptobyte.String
	var hasHash, hasMGF, hasSalt, hasTrailer bool
	context := func(n uint8) tag.Tag { return tag.Tag(n).ContextSpecific().Constructed() }
	if !input.ReadASN1(&params, tag.SEQUENCE) || !input.Empty() ||
		!params.ReadOptionalASN1(&hashField, &hasHash, context(0)) ||
		!params.ReadOptionalASN1(&mgfField, &hasMGF, context(1)) ||
		!params.ReadOptionalASN1(&saltField, &hasSalt, context(2)) ||
		!params.ReadOptionalASN1(&trailerField, &hasTrailer, context(3)) || !params.Empty() {
		return 0, certs.UnknownAlgorithm, "RSA-PSS with unreadable parameters"
	}
	if !hasHash || !hasMGF {
		return 0, certs.WeakAlgorithm, sha1
	}
	hash, ok1 := readAlgorithm(&hashField)
	mgf, ok2 := readAlgorithm(&mgfField)
	inner := cryptobyte.String(mgf.Params)
	mgfHash, ok3 := readAlgorithm(&inner)
	if !ok1 || !ok2 || !ok3 || mgf.OID.String() != oidMGF1 {
		return 0, certs.UnknownAlgorithm, "RSA-PSS with unreadable parameters"
	}
	for _, oid := range []asn1.ObjectIdentifier{hash.OID, mgfHash.OID} {
		if name := weak[oid.String()]; name != "" {
			return 0, certs.WeakAlgorithm, "RSA-PSS with " + name
		}
		if digests[oid.String()] != want {
			return 0, certs.UnknownAlgorithm, "RSA-PSS with several digest algorithms"
		}
	}
	salt, trailer := 20, 1 // the defaults
	if hasSalt && !saltField.ReadASN1Integer(&salt) || hasTrailer && !trailerField.ReadASN1Integer(&trailer) ||
		trailer != 1 || salt < 0 || salt > 512 {
		return 0, certs.UnknownAlgorithm, "RSA-PSS with unusual parameters"
	}
	return salt, certs.Valid, ""
}

// readAlgorithm reads an AlgorithmIdentifier.
func readAlgorithm(from *cryptobyte.String) (a algorithmID, ok bool) {
	var seq cryptobyte.String
	if !from.ReadASN1(&seq, tag.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&a.OID) {
		return a, false
	}
	if seq.Empty() {
		return a, true
	}
	var params cryptobyte.String
	var t tag.Tag
	if !seq.ReadAnyASN1Element(&params, &t) || !seq.Empty() {
		return a, false
	}
	a.Params = params
	return a, true
}

// check verifies a signature over the encoded attributes. The key decides which
// algorithms are possible, the message never does.
func (m method) check(key crypto.PublicKey, attributes, signature []byte) error {
	var digest []byte
	if m.hash != 0 {
		h := m.hash.New()
		h.Write(attributes)
		digest = h.Sum(nil)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch m.family {
		case rsaPKCS1:
			return rsa.VerifyPKCS1v15(k, m.hash, digest, signature)
		case rsaPSS:
			salt := m.salt
			if salt == 0 {
				// Options take 0 for "any length"; a salt of none is not in use.
				return errors.New("RSA-PSS without salt")
			}
			return rsa.VerifyPSS(k, m.hash, digest, signature, &rsa.PSSOptions{SaltLength: salt, Hash: m.hash})
		}
	case *ecdsa.PublicKey:
		if m.family == ecdsaDER {
			if !ecdsa.VerifyASN1(k, digest, signature) {
				return errors.New("ECDSA verification error")
			}
			return nil
		}
	case ed25519.PublicKey:
		if m.family == ed25519Pure {
			if !ed25519.Verify(k, attributes, signature) {
				return errors.New("Ed25519 verification error")
			}
			return nil
		}
	}
	return errKeyType
}
