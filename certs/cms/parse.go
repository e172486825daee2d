package cms

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"io"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// More limits, of one SignedData.
const (
	maxCertificates = 64
	maxSigners      = 16
	maxDigests      = 16
	maxAttributes   = 64
	maxRSABits      = 8192
)

// signedData is what is kept of a SignedData (RFC 5652 §5.1).
type signedData struct {
	digests      []algorithmID
	contentType  asn1.ObjectIdentifier
	hasContent   bool
	certificates []*x509.Certificate
	signers      []signerInfo
}

// signerInfo is RFC 5652 §5.3. Either issuer and serial or keyID say who.
type signerInfo struct {
	issuer     []byte // DER of the name
	serial     *big.Int
	keyID      []byte
	digest     algorithmID
	signature  algorithmID
	attributes []byte // DER of the SET OF, in the order received; nil when absent
	value      []byte
}

// parse reads a ContentInfo with SignedData. Content goes to what the sink
// returns; a nil sink allows none, and then a small buffer is enough.
func parse(ctx context.Context, src io.Reader, sink func(*signedData) io.Writer) (*signedData, error) {
	buffer := 4 << 10
	if sink != nil {
		buffer = 32 << 10
	}
	r := newReader(src, buffer)
	h, err := r.header()
	if err != nil {
		return nil, err
	}
	if h.id != idSequence {
		return nil, malformed("not a CMS message")
	}
	if err := r.enter(h); err != nil {
		return nil, err
	}
	contentType, err := r.oid("content type")
	if err != nil {
		return nil, err
	}
	if !contentType.Equal(oidSignedData) {
		return nil, malformed("a CMS message of type %s, not SignedData", contentType)
	}
	if err := r.open(idContext0, "SignedData"); err != nil {
		return nil, err
	}
	if err := r.open(idSequence, "SignedData"); err != nil {
		return nil, err
	}
	sd := &signedData{}
	if err := r.signedData(ctx, sd, sink); err != nil {
		return nil, err
	}
	for range 2 { // [0] and ContentInfo
		if err := r.leave("ContentInfo"); err != nil {
			return nil, err
		}
	}
	return sd, r.finish()
}

// open expects a constructed value and enters it.
func (r *reader) open(id byte, what string) error {
	h, err := r.expect(id, what)
	if err != nil {
		return err
	}
	return r.enter(h)
}

// oid expects an OBJECT IDENTIFIER.
func (r *reader) oid(what string) (asn1.ObjectIdentifier, error) {
	h, err := r.expect(idOID, what)
	if err != nil {
		return nil, err
	}
	der, err := r.keep(h)
	if err != nil {
		return nil, err
	}
	var oid asn1.ObjectIdentifier
	input := cryptobyte.String(der)
	if !input.ReadASN1ObjectIdentifier(&oid) {
		return nil, malformed("unreadable %s", what)
	}
	return oid, nil
}

// signedData reads the fields of SignedData to its end.
func (r *reader) signedData(ctx context.Context, sd *signedData, sink func(*signedData) io.Writer) error {
	h, err := r.expect(idInteger, "version")
	if err != nil {
		return err
	}
	// The version follows from the contents; nothing depends on it.
	if _, err := r.keep(h); err != nil {
		return err
	}
	if h, err = r.expect(idSet, "digest algorithms"); err != nil {
		return err
	}
	if err := r.digestAlgorithms(h, sd); err != nil {
		return err
	}
	if err := r.open(idSequence, "content"); err != nil {
		return err
	}
	if err := r.content(ctx, sd, sink); err != nil {
		return err
	}
	last := byte(0)
	for {
		h, more, err := r.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		switch {
		case h.id == idContext0 && last == 0:
			err = r.certificates(h, sd)
		case h.id == idContext1 && (last == 0 || last == idContext0):
			err = r.skip(h) // CRLs: revocation is not asked of the signer
		case h.id == idSet && last != idSet:
			err = r.signerInfos(h, sd)
		default:
			err = malformed("an unexpected value in SignedData at octet %d", r.at)
		}
		if err != nil {
			return err
		}
		last = h.id
	}
	if last != idSet {
		return malformed("no signer infos")
	}
	return nil
}

func (r *reader) digestAlgorithms(h header, sd *signedData) error {
	der, err := r.keep(h)
	if err != nil {
		return err
	}
	input := cryptobyte.String(der)
	var set cryptobyte.String
	if !input.ReadASN1(&set, tag.SET) {
		return malformed("unreadable digest algorithms")
	}
	for !set.Empty() {
		algorithm, ok := readAlgorithm(&set)
		if !ok || len(sd.digests) == maxDigests {
			return malformed("unreadable digest algorithms")
		}
		sd.digests = append(sd.digests, algorithm)
	}
	return nil
}

// content reads EncapsulatedContentInfo (RFC 5652 §5.2), already entered.
func (r *reader) content(ctx context.Context, sd *signedData, sink func(*signedData) io.Writer) error {
	var err error
	if sd.contentType, err = r.oid("content type"); err != nil {
		return err
	}
	h, more, err := r.next()
	if err != nil || !more {
		return err
	}
	if h.id != idContext0 {
		return malformed("an unexpected value beside the content")
	}
	if sink == nil {
		// RFC 8551 §3.5.3.1: the content of a detached signature is absent. Two
		// contents would be one too many.
		return malformed("content inside a detached signature")
	}
	sd.hasContent = true
	if err := r.enter(h); err != nil {
		return err
	}
	if h, more, err = r.next(); err != nil {
		return err
	}
	if !more {
		return malformed("no content where it belongs")
	}
	if err := r.stream(ctx, h, sink(sd)); err != nil {
		return err
	}
	if err := r.leave("content"); err != nil {
		return err
	}
	return r.leave("content")
}

// certificates reads CertificateSet. What is no X.509 certificate, or one that
// cannot be parsed, is passed over: it may be of no use to us, and if it is the
// signer's the report says that it is missing.
func (r *reader) certificates(h header, sd *signedData) error {
	if err := r.enter(h); err != nil {
		return err
	}
	for n := 0; ; n++ {
		child, more, err := r.next()
		if err != nil || !more {
			return err
		}
		if n == maxCertificates {
			return malformed("more than %d certificates", maxCertificates)
		}
		if child.id != idSequence {
			if err := r.skip(child); err != nil {
				return err
			}
			continue
		}
		der, err := r.keep(child)
		if err != nil {
			return err
		}
		if certificate, err := x509.ParseCertificate(der); err == nil && !costly(certificate) {
			sd.certificates = append(sd.certificates, certificate)
		}
	}
}

// costly reports whether checking signatures of the key takes unreasonably long:
// a message may bring many certificates, each to be tried.
func costly(certificate *x509.Certificate) bool {
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() > maxRSABits
}

func (r *reader) signerInfos(h header, sd *signedData) error {
	if err := r.enter(h); err != nil {
		return err
	}
	for {
		child, more, err := r.next()
		if err != nil || !more {
			return err
		}
		if len(sd.signers) == maxSigners {
			return malformed("more than %d signers", maxSigners)
		}
		der, err := r.keep(child)
		if err != nil {
			return err
		}
		signer, ok := readSignerInfo(der)
		if !ok {
			return malformed("unreadable signer info %d", len(sd.signers)+1)
		}
		sd.signers = append(sd.signers, signer)
	}
}

func readSignerInfo(der []byte) (s signerInfo, ok bool) {
	input := cryptobyte.String(der)
	var seq, sid, attributes, value cryptobyte.String
	var version int64
	if !input.ReadASN1(&seq, tag.SEQUENCE) || !seq.ReadASN1Integer(&version) {
		return s, false
	}
	keyID := tag.Tag(0).ContextSpecific()
	if seq.PeekASN1Tag(keyID) {
		if !seq.ReadASN1(&sid, keyID) {
			return s, false
		}
		s.keyID = sid
	} else if s.issuer, s.serial, ok = readIssuerAndSerial(&seq); !ok {
		return s, false
	}
	if s.digest, ok = readAlgorithm(&seq); !ok {
		return s, false
	}
	signed, unsigned := keyID.Constructed(), tag.Tag(1).ContextSpecific().Constructed()
	if seq.PeekASN1Tag(signed) {
		if !seq.ReadASN1Element(&attributes, signed) {
			return s, false
		}
		// RFC 5652 §5.4: what is signed has the tag of SET OF, not [0].
		s.attributes = append([]byte{idSet}, attributes[1:]...)
	}
	if s.signature, ok = readAlgorithm(&seq); !ok {
		return s, false
	}
	if !seq.ReadASN1(&value, tag.OCTET_STRING) || !seq.SkipOptionalASN1(unsigned) || !seq.Empty() {
		return s, false
	}
	s.value = value
	return s, true
}

// readIssuerAndSerial reads IssuerAndSerialNumber (RFC 5652 §10.2.4).
func readIssuerAndSerial(from *cryptobyte.String) (issuer []byte, serial *big.Int, ok bool) {
	var sid, name cryptobyte.String
	serial = new(big.Int)
	ok = from.ReadASN1(&sid, tag.SEQUENCE) && sid.ReadASN1Element(&name, tag.SEQUENCE) &&
		sid.ReadASN1Integer(serial) && sid.Empty()
	return name, serial, ok
}

// attributeSet is the signed attributes by OID, one value each.
type attributeSet map[string]cryptobyte.String

// readAttributes reads a SET OF Attribute. The text says what is wrong with it.
func readAttributes(der []byte) (set attributeSet, wrong string) {
	input := cryptobyte.String(der)
	var all cryptobyte.String
	if !input.ReadASN1(&all, tag.SET) || !input.Empty() {
		return nil, "unreadable signed attributes"
	}
	set = attributeSet{}
	for !all.Empty() {
		var one, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !all.ReadASN1(&one, tag.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&oid) ||
			!one.ReadASN1(&values, tag.SET) || !one.Empty() {
			return nil, "unreadable signed attributes"
		}
		key := oid.String()
		if _, double := set[key]; double {
			// RFC 5652 §5.3, §11: one instance each. Which of two would count
			// is what an attacker would like to choose.
			return nil, "signed attribute " + key + " stands there twice"
		}
		if len(set) == maxAttributes {
			return nil, "too many signed attributes"
		}
		set[key] = values
	}
	return set, ""
}

// one reads the only value of an attribute into place; present is false when
// there is no such attribute.
func (a attributeSet) one(oid asn1.ObjectIdentifier, read func(*cryptobyte.String) bool) (present, ok bool) {
	values, present := a[oid.String()]
	if !present {
		return false, false
	}
	return true, read(&values) && values.Empty()
}

// splitSet is the elements of a SET OF, each with its tag.
func splitSet(der []byte) ([][]byte, bool) {
	input := cryptobyte.String(der)
	var all, element cryptobyte.String
	var t tag.Tag
	if !input.ReadASN1(&all, tag.SET) {
		return nil, false
	}
	var elements [][]byte
	for !all.Empty() {
		if !all.ReadAnyASN1Element(&element, &t) {
			return nil, false
		}
		elements = append(elements, element)
	}
	return elements, true
}
