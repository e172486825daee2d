package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestSubject(t *testing.T) {
	numeric := func(digits string) asn1.RawValue {
		return asn1.RawValue{Tag: asn1.TagNumericString, Bytes: []byte(digits)}
	}
	for _, test := range []struct {
		name     string
		sequence pkix.RDNSequence
		want     string
	}{
		{"organisation", pkix.RDNSequence{
			{{Type: oidOGRN, Value: numeric("1027709123452")}},
			{{Type: oidINNLE, Value: numeric("7709123453")}},
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "ООО «Ромашка, сын»"}},
			{{Type: oidCommonName, Value: "ООО «Ромашка»"}},
		}, `CN=ООО «Ромашка»,O=ООО «Ромашка\, сын»,INNLE=7709123453,OGRN=1027709123452`},
		{"person", pkix.RDNSequence{
			{{Type: oidSNILS, Value: numeric("00000000001")}, {Type: oidINN, Value: numeric("500100732259")}},
			{{Type: oidOGRNIP, Value: numeric("304500116000157")}},
			{{Type: oidEmail, Value: "a+b@example.org"}},
		}, `E=a\+b@example.org,OGRNIP=304500116000157,SNILS=00000000001+INN=500100732259`},
		{"unknown attribute", pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{1, 2, 643, 100, 99}, Value: numeric("1")}}}, "1.2.643.100.99=#130131"},
		{"not a text", pkix.RDNSequence{{{Type: oidINN, Value: 7}}}, "1.2.643.3.131.1.1=#020107"},
		{"no name", pkix.RDNSequence{}, ""},
	} {
		raw, err := asn1.Marshal(test.sequence)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := Subject(&x509.Certificate{RawSubject: raw}); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	damaged := &x509.Certificate{RawSubject: []byte{0x30, 1}, Subject: pkix.Name{CommonName: "as read"}}
	if got := Subject(damaged); got != "CN=as read" {
		t.Errorf("damaged: %s", got)
	}
}
