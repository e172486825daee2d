// Package cms makes and checks signatures in the Cryptographic Message Syntax:
// SignedData of RFC 5652, detached or around its content, with the signed
// attributes of CAdES-B (ETSI EN 319 122-1, formerly RFC 5126).
//
// It owns the encoding: a builder that writes DER, and a reader of BER and DER
// with strict limits. Content is streamed in both directions, memory does not
// grow with it. It never encrypts, never asks the network, and never decides
// whom to trust: that is certs.TrustStore.
package cms

import (
	"crypto"
	"encoding/asn1"
)

// Object identifiers: content types (RFC 5652 §4, §5), attributes (RFC 5652
// §11, RFC 5035 §3 and §4, RFC 6211 §2).
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidAlgorithmProtection  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 52}
	oidSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
)

// family is a kind of signature, by the key it needs.
type family int

const (
	rsaPKCS1 family = iota + 1
	rsaPSS
	ecdsaDER
	ed25519Pure
)

// digests are the digest algorithms that are strong enough (RFC 5754 §2).
var digests = map[string]crypto.Hash{
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// signatures are the signature algorithms; hash 0 takes the digest algorithm of
// the SignerInfo or, for PSS, the parameters.
var signatures = map[string]struct {
	family family
	hash   crypto.Hash
}{
	"1.2.840.113549.1.1.1":  {rsaPKCS1, 0}, // rsaEncryption, RFC 5754 §3.2
	"1.2.840.113549.1.1.11": {rsaPKCS1, crypto.SHA256},
	"1.2.840.113549.1.1.12": {rsaPKCS1, crypto.SHA384},
	"1.2.840.113549.1.1.13": {rsaPKCS1, crypto.SHA512},
	"1.2.840.113549.1.1.10": {rsaPSS, 0},   // RFC 4056
	"1.2.840.10045.2.1":     {ecdsaDER, 0}, // id-ecPublicKey: what some signers write
	"1.2.840.10045.4.3.2":   {ecdsaDER, crypto.SHA256},
	"1.2.840.10045.4.3.3":   {ecdsaDER, crypto.SHA384},
	"1.2.840.10045.4.3.4":   {ecdsaDER, crypto.SHA512},
	"1.3.101.112":           {ed25519Pure, 0}, // RFC 8419
}

// weak are the algorithms that we know and do not trust any more.
var weak = map[string]string{
	"1.2.840.113549.2.2":     "MD2",
	"1.2.840.113549.2.4":     "MD4",
	"1.2.840.113549.2.5":     "MD5",
	"1.3.14.3.2.26":          "SHA-1",
	"1.3.36.3.2.1":           "RIPEMD-160",
	"2.16.840.1.101.3.4.2.4": "SHA-224",
	"1.2.840.113549.1.1.2":   "MD2 with RSA",
	"1.2.840.113549.1.1.4":   "MD5 with RSA",
	"1.2.840.113549.1.1.5":   "SHA-1 with RSA",
	"1.2.840.113549.1.1.14":  "SHA-224 with RSA",
	"1.3.14.3.2.29":          "SHA-1 with RSA",
	"1.2.840.10040.4.1":      "DSA",
	"1.2.840.10040.4.3":      "DSA with SHA-1",
	"2.16.840.1.101.3.4.3.1": "DSA with SHA-224",
	"2.16.840.1.101.3.4.3.2": "DSA with SHA-256",
	"1.2.840.10045.4.1":      "ECDSA with SHA-1",
	"1.2.840.10045.4.3.1":    "ECDSA with SHA-224",
}

// names are for reports.
var names = map[string]string{
	"1.2.643.7.1.1.2.2": "GOST R 34.11-2012 (256 bits)",
	"1.2.643.7.1.1.2.3": "GOST R 34.11-2012 (512 bits)",
	"1.2.643.7.1.1.1.1": "GOST R 34.10-2012 (256 bits)",
	"1.2.643.7.1.1.1.2": "GOST R 34.10-2012 (512 bits)",
	"1.2.643.7.1.1.3.2": "GOST R 34.10-2012 (256 bits)",
	"1.2.643.7.1.1.3.3": "GOST R 34.10-2012 (512 bits)",
	"1.2.643.2.2.9":     "GOST R 34.11-94",
	"1.2.643.2.2.19":    "GOST R 34.10-2001",
	"1.2.643.2.2.3":     "GOST R 34.10-2001",
}

// nameOf is an algorithm's name where we have one, else its OID.
func nameOf(oid asn1.ObjectIdentifier) string {
	if name := weak[oid.String()]; name != "" {
		return name
	}
	if name := names[oid.String()]; name != "" {
		return name
	}
	return oid.String()
}
