// Package message is the one parser of mail. It reads a message as a stream of
// octets in pieces of any size, keeps no body, and tells what stands where:
// structure with the offset of every part, decoded names and text, digests of
// the decoded files, and the Summary from which lists are answered.
//
// It is tolerant: content never makes it fail. What is wrong with a message is
// recorded as a [Defect] and left to the caller to judge. It never changes,
// mends or re-encodes octets, and its memory is bounded by [Limits], not by the
// message.
package message

import "fmt"

// Limits bounds what a parser keeps. A zero field means its default.
type Limits struct {
	// HeaderOctets is the sum of all header octets kept, of the message and
	// its parts. What exceeds it is passed over (HeaderTooLong). Default 256 KiB.
	HeaderOctets int
	// Parts is the number of parts, multiparts included. Default 100.
	Parts int
	// Depth is how deep multiparts and attached messages nest; the message
	// itself has depth 0. Default 20.
	Depth int
	// TextOctets is the sum of decoded text kept in Part.Text, in octets of
	// UTF-8. Runes are counted beyond it. Default 256 KiB.
	TextOctets int
	// LineOctets is the length of a line, without its end, beyond which
	// LineTooLong is recorded. Default 998 (RFC 5322 §2.1.1).
	LineOctets int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.HeaderOctets, 256<<10)
	set(&l.Parts, 100)
	set(&l.Depth, 20)
	set(&l.TextOctets, 256<<10)
	set(&l.LineOctets, 998)
	return l
}

// DefectKind says what is wrong with a message.
type DefectKind uint8

// The defects.
const (
	// BareCR, BareLF and NUL are octets that RFC 5322 §2.3 forbids.
	BareCR DefectKind = iota + 1
	BareLF
	NUL
	// Truncated: a multipart lacks its closing delimiter (RFC 2046 §5.1.2).
	Truncated
	// TooDeep, TooManyParts and HeaderTooLong: beyond Limits; what lies
	// beyond is not looked into.
	TooDeep
	TooManyParts
	HeaderTooLong
	// LineTooLong: a line is longer than Limits.LineOctets.
	LineTooLong
	// MissingBoundary: a multipart names no boundary, so its parts are
	// unknown.
	MissingBoundary
	// EmptyMultipart: a multipart has no part.
	EmptyMultipart
	// AmbiguousBoundary: a line begins like a delimiter but goes on
	// differently; readers disagree on whether it is one.
	AmbiguousBoundary
	// MalformedHeader: a header line is no field (RFC 5322 §2.2), or a header
	// ends without its blank line though a body follows.
	MalformedHeader
	// DuplicateField: a header has a field that decides on structure twice
	// (Content-Type, Content-Transfer-Encoding, Content-Disposition).
	DuplicateField
	// MalformedType: a Content-Type cannot be read; text/plain is assumed
	// (RFC 2045 §5.2).
	MalformedType
	// UnknownEncoding: a Content-Transfer-Encoding is unknown, or encodes a
	// multipart or message (RFC 2045 §6.4); the octets are taken as they are.
	UnknownEncoding
	// MalformedEncoding: base64 or quoted-printable is damaged.
	MalformedEncoding
	// UnknownCharset: a text names a charset that is not known.
	UnknownCharset
)

var defectNames = [...]string{
	BareCR: "bare-cr", BareLF: "bare-lf", NUL: "nul", Truncated: "truncated", TooDeep: "too-deep",
	TooManyParts: "too-many-parts", HeaderTooLong: "header-too-long", LineTooLong: "line-too-long",
	MissingBoundary: "missing-boundary", EmptyMultipart: "empty-multipart",
	AmbiguousBoundary: "ambiguous-boundary", MalformedHeader: "malformed-header",
	DuplicateField: "duplicate-field", MalformedType: "malformed-type",
	UnknownEncoding: "unknown-encoding", MalformedEncoding: "malformed-encoding",
	UnknownCharset: "unknown-charset",
}

// String is the name of the kind, as in "bare-lf".
func (k DefectKind) String() string {
	if int(k) < len(defectNames) && defectNames[k] != "" {
		return defectNames[k]
	}
	return fmt.Sprintf("defect-%d", uint8(k))
}

// Defect is the first occurrence of one kind of fault.
type Defect struct {
	Kind   DefectKind
	Offset int64 // octet in the message where it was met
}

// Message is a parsed message: the whole one, or one that another carries.
type Message struct {
	// Offset is where the message begins; 0 for the whole one.
	Offset int64
	// Size is the number of octets.
	Size int64
	// HeaderSize is the number of octets of the header with its blank line.
	HeaderSize int64
	// SHA256 is over all octets as received. Zero for messages within an
	// attached message.
	SHA256 [32]byte
	Header Header
	// Root is the body as a part: multipart or not. Its Header is Header.
	Root *Part
	// Defects has at most one entry per kind, ordered by offset. Those of
	// attached messages are with the whole message.
	Defects []Defect
}

// Defect returns the first defect of a kind.
func (m *Message) Defect(kind DefectKind) (Defect, bool) {
	for _, d := range m.Defects {
		if d.Kind == kind {
			return d, true
		}
	}
	return Defect{}, false
}

// Part is one MIME entity (RFC 2045 §2.4). Offsets count from the first octet
// of the whole message.
type Part struct {
	Header Header
	// MediaType is type/subtype in lower case; "text/plain" by default.
	MediaType string
	// Params are those of Content-Type, names in lower case, values decoded.
	Params map[string]string
	// Disposition is in lower case; "" when the part names none.
	Disposition string
	// Filename is decoded from whatever form it came in (RFC 2231, RFC 2047,
	// raw 8-bit, percent); path parts and odd characters are kept, so that
	// policy can refuse them.
	Filename string
	// Encoding is the Content-Transfer-Encoding in lower case; "7bit" by
	// default.
	Encoding string
	// Charset is the charset parameter in lower case; "" when absent.
	Charset string

	HeaderOffset int64
	BodyOffset   int64 // HeaderOffset plus the header with its blank line
	BodySize     int64 // octets as transferred, without the line end before a delimiter
	Lines        int64 // of the body; a last line without end counts

	// DecodedSize and SHA256 are of the octets after the transfer decoding,
	// for leaves and attached messages. Head has the first 3072 of them at
	// most, Tail the last 1024.
	DecodedSize int64
	SHA256      [32]byte
	Head, Tail  []byte
	// Text is what a reader sees of a text/plain or text/html part, in UTF-8
	// with lines ended by LF, bounded by Limits.TextOctets. Runes counts all
	// of it in code points.
	Text  string
	Runes int

	Children []*Part
	// Embedded is the message that a message/rfc822 part carries.
	Embedded *Message

	rawParams  []param // of Content-Type, as received
	dispParams []param // of Content-Disposition, as received
	startLF    int64   // line feeds before the body
	trailing   int     // line ends at the end of Text
}
