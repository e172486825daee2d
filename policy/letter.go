package policy

import (
	"time"

	"gosbridge/policy/fileformat"
	"gosbridge/policy/registry"
)

// Signature is what became of the signature that the sender's own program put
// on a letter.
type Signature string

// The findings.
const (
	SignatureNone    Signature = ""        // the letter carries none
	SignatureValid   Signature = "valid"   // valid, and the sender's own
	SignatureInvalid Signature = "invalid" // broken, or by a certificate that is not trusted
	SignatureForeign Signature = "foreign" // valid, but somebody else's
	SignatureUnknown Signature = "unknown" // by an algorithm that cannot be verified here
)

// Letter is all that the rules look at.
type Letter struct {
	Type string
	At   time.Time // when it is judged; validity of registry entries counts by it

	Sender    registry.Entry // zero when the account has none
	Assurance string         // of the login: password, client-certificate, signature
	Consented bool           // the consent that the profile asks for was given

	Subject      string // decoded
	SubjectCount int    // number of Subject fields
	Reply        bool   // answers a letter: "Re: " is free
	TextRunes    int    // code points of what a reader sees, CRLF as one
	TextBlank    bool   // the text is nothing but white space
	Enclosed     bool   // text and files are inside an opaque signature or encrypted: nobody has seen them
	HTML         bool   // an HTML body is there

	Files      []File
	Recipients []Recipient
	Bcc        int // recipients of the envelope that no header names
	// Correspondent is the registry id of the sender of the letter that this
	// one answers; "" when it answers none.
	Correspondent string

	Signature    Signature // of the client
	GatewaySigns bool      // the organisation's key held by the gateway signs it

	Term   Period            // that the sender asks for; zero when they do not
	Kind   string            // of an appeal
	Fields map[string]string // what is known of the sender, by the names of Fields

	// Found are violations that the caller saw by itself: defects of the
	// mail's form, findings of scanners. They are ordered among the others.
	Found []Violation
}

// File is one attachment.
type File struct {
	Name     string            // decoded; "" when it has none
	Declared string            // MIME type that the mail claims
	Size     int64             // decoded octets
	Facts    fileformat.Facts  // may be zero for a file above the profile's FileMax
	Metadata map[string]string // by the names of Profile.RequiredMetadata
}

// Recipient is one addressee.
type Recipient struct {
	Address string // as given in RCPT, without a suffix
	Entry   registry.Entry
}

// The fields that a type can require of its sender.
const (
	FieldName     = "name"
	FieldIdentity = "inn-or-snils" // one of the two numbers
	FieldPhone    = "phone"        // international: + and digits
	FieldEmail    = "email"
)

// Fields are the names of all of them.
func Fields() []string { return []string{FieldName, FieldIdentity, FieldPhone, FieldEmail} }

// fieldTitle is what people see instead of the name of a field.
func fieldTitle(name string) title {
	switch name {
	case FieldName:
		return title{"name", "имя"}
	case FieldIdentity:
		return title{"INN or SNILS", "ИНН или СНИЛС"}
	case FieldPhone:
		return title{"phone", "телефон"}
	case FieldEmail:
		return title{"e-mail", "электронная почта"}
	}
	return title{name, name}
}
