package message

import (
	"io"
	"time"
)

type param struct{ name, value string }

func isMultipart(string) bool { return false }

// Value is the field's value, unfolded, without space around it; encoded words
// are left as they are.
func (f Field) Value() string { return "" }

// Get returns the unfolded raw value of the first field of that name.
func (h Header) Get(name string) string { return "" }

// Has reports whether there is a field of that name.
func (h Header) Has(name string) bool { return false }

// Values returns the unfolded raw values of all fields of that name.
func (h Header) Values(name string) []string { return nil }

// Text returns the value of the first field of that name, decoded (RFC 2047).
func (h Header) Text(name string) string { return "" }

// Addresses returns the addresses of all fields of that name, in order.
func (h Header) Addresses(name string) []Address { return nil }

// String is mailbox@host.
func (a Address) String() string { return "" }

// ParseHeader reads a header block, with or without its blank line. offset is
// where it stands in the message.
func ParseHeader(raw []byte, offset int64) Header { return nil }

// DecodeText decodes the encoded words (RFC 2047) of an unfolded value; raw
// 8-bit octets are taken as UTF-8 or else windows-1251.
func DecodeText(value string) string { return "" }

// ParseAddresses reads an unfolded address list.
func ParseAddresses(value string) []Address { return nil }

// ParseDate reads a Date value, tolerant of what programs wrote since RFC 822.
func ParseDate(value string) (time.Time, bool) { return time.Time{}, false }

// Parser reads a message. It is an io.Writer whose Write never fails: content
// becomes defects. Not safe for concurrent use.
type Parser struct{}

// NewParser makes a parser within limits.
func NewParser(limits Limits) *Parser { return &Parser{} }

// Write takes the next octets. It keeps none of b and always returns len(b), nil.
func (p *Parser) Write(b []byte) (int, error) { return len(b), nil }

// Close ends the message and returns it.
func (p *Parser) Close() *Message { return &Message{Root: &Part{}} }

// Files returns the parts that a reader would save, in order: everything but
// the body text, the multiparts and a detached signature. An attached message
// is one file; what it carries is not listed.
func (m *Message) Files() []*Part { return nil }

// BodyRunes counts the code points that a reader of the body sees, CRLF as
// one, line ends at the end left out: of text/plain, or of text/html where an
// alternative has no plain form.
func (m *Message) BodyRunes() int { return 0 }

// HasHTML reports whether the body has a text/html form.
func (m *Message) HasHTML() bool { return false }

// Summary encodes what lists and searches need.
func (m *Message) Summary() []byte { return nil }

// Index makes the Summary of a stream without decoding it. The error is r's.
func Index(r io.Reader, limits Limits) ([]byte, error) { return nil, nil }

// Summary answers for a message without its body.
type Summary struct{}

// DecodeSummary reads an encoded Summary. Damage that shows later makes the
// accessors answer as for an empty message.
func DecodeSummary(b []byte) (*Summary, error) { return nil, errSummary }

// WithPrefix encodes the summary of the message that has prefix, whole header
// fields, put before it.
func (s *Summary) WithPrefix(prefix []byte) []byte { return nil }

// Envelope is the ENVELOPE of RFC 3501 §7.4.2, parentheses included, 7-bit but
// for octets within literals.
func (s *Summary) Envelope() []byte { return nil }

// Body is the BODY form without extension data.
func (s *Summary) Body() []byte { return nil }

// BodyStructure is the BODYSTRUCTURE form.
func (s *Summary) BodyStructure() []byte { return nil }

// HeaderSize is the number of octets of the header with its blank line.
func (s *Summary) HeaderSize() int64 { return 0 }

// Fields returns what BODY[HEADER.FIELDS (names)] (with not, HEADER.FIELDS.NOT)
// shows: the fields in their order and a blank line. ok is false when the
// summary cannot tell and the body must be opened.
func (s *Summary) Fields(names []string, not bool) (raw []byte, ok bool) { return nil, false }

// Header returns the stored fields of the names; ok as in Fields.
func (s *Summary) Header(names ...string) (h Header, ok bool) { return nil, false }

// Date is the time of the Date field; zero when it has none that can be read.
func (s *Summary) Date() time.Time { return time.Time{} }

// PartInfo is where a part stands and how it is encoded.
type PartInfo struct {
	HeaderOffset int64
	BodyOffset   int64
	BodySize     int64 // octets as transferred
	Lines        int64
	MediaType    string // lower case
	Encoding     string // lower case; "7bit" by default
	Charset      string // lower case; "" when absent
	IsMultipart  bool
	IsMessage    bool // message/rfc822 that is looked into
	// MessageHeaderSize is the header of the message that a message part
	// carries, with its blank line: BODY[n.HEADER] is that many octets from
	// BodyOffset, BODY[n.TEXT] the rest of BodySize.
	MessageHeaderSize int64
}

// Part finds a part by its IMAP number (RFC 3501 §6.4.5): an empty path is the
// message, {1} of a message that is no multipart its body.
func (s *Summary) Part(path []int) (PartInfo, bool) { return PartInfo{}, false }

// Decode undoes a Content-Transfer-Encoding. Damage is passed over; an unknown
// encoding is passed through. Errors are r's.
func Decode(r io.Reader, encoding string) io.Reader { return r }

// KnownEncoding reports whether Decode undoes or passes the encoding by rule.
func KnownEncoding(encoding string) bool { return false }

// ScanText reads a message and calls found with the decoded text of its text
// parts, in consecutive pieces of UTF-8 that end between code points, with a
// line feed between parts; those of attached messages too. It stops when found
// returns false. A piece is only valid during the call. The error is r's.
func ScanText(r io.Reader, limits Limits, found func(text []byte) bool) error { return nil }
