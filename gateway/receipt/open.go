package receipt

import (
	"io"
	"net/mail"
)

// Opened is a receipt mail taken apart. Nothing in it is verified yet: hand
// Signature and Entity to a certs.Verifier.
type Opened struct {
	Header mail.Header
	// Entity are the octets that were signed: the first part of the
	// multipart/signed with its own header (RFC 1847 §2.1).
	Entity    []byte
	Signature []byte // DER of the detached CMS
	Text      string // what people read
	JSON, XML []byte // nil where the depth of the receipt leaves them out
	// Evidence is what JSON says, else XML; the zero Sealed when the mail
	// carries neither.
	Evidence Sealed
}

// Open takes apart a mail that Mail made. An error wraps ErrNotReceipt when
// its form is another one, and ErrInvalid when the evidence in it is damaged,
// or XML and JSON differ. The signature is not checked here.
func Open(r io.Reader) (*Opened, error) { return open(r) }
