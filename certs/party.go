package certs

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
)

// Attributes of a Russian certificate's subject (order 795 of the FSB), and the
// old e-mail attribute.
var (
	oidINN    = asn1.ObjectIdentifier{1, 2, 643, 3, 131, 1, 1} // of a person; of an organisation, with two zeros in front, before INNLE existed
	oidINNLE  = asn1.ObjectIdentifier{1, 2, 643, 100, 4}       // of an organisation
	oidOGRN   = asn1.ObjectIdentifier{1, 2, 643, 100, 1}
	oidSNILS  = asn1.ObjectIdentifier{1, 2, 643, 100, 3}
	oidOGRNIP = asn1.ObjectIdentifier{1, 2, 643, 100, 5}
	oidEmail  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// Party is who a certificate is for, to be compared with a registry entry. The
// identifiers are digits as found, their check digits untested; "" when absent.
type Party struct {
	Name         string   // common name
	Organisation string   // O
	Emails       []string // lower case, without doubles
	INN          string   // of the person, 12 digits
	INNLE        string   // of the organisation, 10 digits
	OGRN         string
	OGRNIP       string
	SNILS        string
}

// PartyOf reads the party out of a certificate. It is as trustworthy as the
// certificate: verify that first.
func PartyOf(certificate *x509.Certificate) Party {
	p := Party{Name: certificate.Subject.CommonName}
	if len(certificate.Subject.Organization) > 0 {
		p.Organisation = certificate.Subject.Organization[0]
	}
	for _, address := range certificate.EmailAddresses {
		p.addEmail(address)
	}
	for _, attribute := range certificate.Subject.Names {
		value, ok := attribute.Value.(string)
		if !ok {
			continue
		}
		switch {
		case attribute.Type.Equal(oidEmail): // RFC 8550 §3: old certificates keep it here
			p.addEmail(value)
		case attribute.Type.Equal(oidINN):
			if len(value) == 12 && strings.HasPrefix(value, "00") {
				p.INNLE = value[2:]
			} else {
				p.INN = value
			}
		case attribute.Type.Equal(oidINNLE):
			p.INNLE = value
		case attribute.Type.Equal(oidOGRN):
			p.OGRN = value
		case attribute.Type.Equal(oidOGRNIP):
			p.OGRNIP = value
		case attribute.Type.Equal(oidSNILS):
			p.SNILS = value
		}
	}
	return p
}

func (p *Party) addEmail(address string) {
	address = strings.ToLower(address)
	if address != "" && !slices.Contains(p.Emails, address) {
		p.Emails = append(p.Emails, address)
	}
}

// HasEmail reports whether the certificate names the address, in any case.
func (p Party) HasEmail(address string) bool {
	return slices.Contains(p.Emails, strings.ToLower(address))
}

// HasINN reports whether the INN, of a person or an organisation, is the
// party's. An empty one never is.
func (p Party) HasINN(inn string) bool { return inn != "" && (inn == p.INN || inn == p.INNLE) }

// HasOGRN reports whether the OGRN or OGRNIP is the party's. An empty one never
// is.
func (p Party) HasOGRN(ogrn string) bool { return ogrn != "" && (ogrn == p.OGRN || ogrn == p.OGRNIP) }
