package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
)

// russian are the attributes that people know by name and crypto/x509 does not.
var russian = []struct {
	name string
	oid  asn1.ObjectIdentifier
}{
	{"INN", oidINN}, {"INNLE", oidINNLE}, {"OGRN", oidOGRN}, {"OGRNIP", oidOGRNIP}, {"SNILS", oidSNILS}, {"E", oidEmail},
}

// Subject is the distinguished name of a certificate as a person reads it: RFC
// 4514, with names for the attributes of Russian certificates too, which
// otherwise stand there as OID and hexadecimal.
func Subject(certificate *x509.Certificate) string {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(certificate.RawSubject, &sequence); err != nil || len(rest) > 0 {
		return certificate.Subject.String()
	}
	parts := make([]string, 0, len(sequence))
	for _, set := range slices.Backward(sequence) { // RFC 4514 §2.1
		attributes := make([]string, 0, len(set))
		for _, attribute := range set {
			attributes = append(attributes, written(attribute))
		}
		parts = append(parts, strings.Join(attributes, "+"))
	}
	return strings.Join(parts, ",")
}

func written(attribute pkix.AttributeTypeAndValue) string {
	plain := func(a pkix.AttributeTypeAndValue) string {
		return pkix.RDNSequence{{a}}.String()
	}
	value, ok := attribute.Value.(string)
	for _, known := range russian {
		if ok && attribute.Type.Equal(known.oid) {
			// Escaped as the value of a name that the library knows.
			escaped := plain(pkix.AttributeTypeAndValue{Type: oidCommonName, Value: value})
			return known.name + strings.TrimPrefix(escaped, "CN")
		}
	}
	return plain(attribute)
}

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}
