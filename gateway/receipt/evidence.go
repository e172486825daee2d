// Package receipt is what people and programs receive about a letter: the
// evidence of each event in its life, and the signed mails that carry it.
//
// It owns the evidence record with its two encodings (canonical JSON and XML
// of the namespace urn:gosbridge:evidence:1), the catalogue of Russian and
// English texts, the labels of the states, the form of a receipt mail and
// plain delivery status notifications (RFC 3464). It decides nothing: which
// event has evidence, who gets it and where it is filed is package letter's.
// It never stores and never sends, and never makes a receipt for a receipt.
//
// The way of a receipt: Maker.Seal turns an Evidence into its bytes and hash,
// Maker.Mail puts those into a signed mail, and Open takes such a mail apart
// again for verification. Everything but the signature and its delimiter is
// deterministic.
package receipt

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"gosbridge/mailstore"
)

// Schema is the version of the evidence record that this package writes.
const Schema = 1

var (
	// ErrInvalid says that an evidence record lacks something or contradicts
	// itself, or that bytes are no canonical encoding of one.
	ErrInvalid = errors.New("invalid evidence")
	// ErrNotReceipt says that a mail is no receipt of the form Mail makes.
	ErrNotReceipt = errors.New("not a receipt")
)

// Digest is a SHA-256 digest, written as 64 lower-case hexadecimal digits.
// The zero Digest means that there is none.
type Digest [32]byte

// IsZero reports whether there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// String gives the 64 hexadecimal digits, or "" when there is none.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// MarshalText is String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote; no text is no digest.
func (d *Digest) UnmarshalText(text []byte) error {
	*d = Digest{}
	if len(text) == 0 {
		return nil
	}
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("%w: digest of %d digits", ErrInvalid, len(text))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("%w: digest: %w", ErrInvalid, err)
	}
	return nil
}

// Evidence is one record of one event in the life of a letter. The fields
// that are not of every event are zero where they do not apply, and then
// absent from both encodings.
//
// Beside its canonical encodings an Evidence, complete or not, can be kept
// with encoding/json: nothing is lost.
type Evidence struct {
	Version int          `json:"version" xml:"version,attr"` // Schema; set by Seal
	ID      mailstore.ID `json:"id" xml:"id"`                // UUIDv7; set by Seal when zero
	Event   Event        `json:"event" xml:"event"`
	// At is when it happened, Issued when the record was made (set by Seal
	// when zero). UTC; Seal cuts both to milliseconds.
	At     time.Time `json:"eventTime" xml:"eventTime"`
	Issued time.Time `json:"issueTime" xml:"issueTime"`
	// Inferred marks an event that was not seen but follows from a later one.
	Inferred bool `json:"inferred,omitempty" xml:"inferred,omitempty"`

	Letter  Letter  `json:"letter,omitzero" xml:"letter"`
	Profile Profile `json:"profile,omitzero" xml:"profile"`
	Sender  Sender  `json:"sender,omitzero" xml:"sender"`
	// Recipients is exactly one, but for the events that concern the letter
	// as a whole (submission, recall, signature report), which can name all
	// of its recipients: such evidence is for the sender alone.
	Recipients []Recipient `json:"recipients,omitempty" xml:"recipients>recipient"`

	// Submitted are the octets of DATA as received; Sent the form that goes
	// to the recipients where it differs (signed, Bcc removed).
	Submitted Content `json:"submitted,omitzero" xml:"submitted"`
	Sent      Content `json:"sent,omitzero" xml:"sent"`
	Files     []File  `json:"files,omitempty" xml:"files>file"`

	Signature Signature `json:"signature,omitzero" xml:"signature"` // the sender's
	NextHop   string    `json:"nextHopNumber,omitempty" xml:"nextHopNumber,omitempty"`
	// Expected is when the next step is due: the end of the term, mostly.
	Expected time.Time `json:"expected,omitzero" xml:"expected"`
	Reasons  []Reason  `json:"reasons,omitempty" xml:"reasons>reason"`

	// Previous is the hash of the evidence before this one of the same
	// letter and account.
	Previous Digest `json:"previousEvidence,omitzero" xml:"previousEvidence"`
	// Signer is the SHA-256 of the DER of the certificate that signs the
	// receipt, Authority the operator's name; both set by Seal.
	Signer    Digest `json:"signerCertificate,omitzero" xml:"signerCertificate"`
	Authority string `json:"authority,omitempty" xml:"authority"`
}

// Letter names the letter. ID and Number are missing only in evidence about a
// letter that was never accepted.
type Letter struct {
	ID         mailstore.ID `json:"id,omitzero" xml:"id"`
	Number     string       `json:"number,omitempty" xml:"number"`
	Case       string       `json:"case,omitempty" xml:"case"`
	Type       string       `json:"type,omitempty" xml:"type"`
	MessageID  string       `json:"messageId,omitempty" xml:"messageId"`   // with its angle brackets
	EnvelopeID string       `json:"envelopeId,omitempty" xml:"envelopeId"` // ENVID, decoded
}

// Profile is the letter type's profile in force, and the digest of it.
type Profile struct {
	Name   string `json:"name,omitempty" xml:"name"`
	SHA256 Digest `json:"sha256,omitzero" xml:"sha256"`
}

// Sender is who sent the letter, and how sure the login was.
type Sender struct {
	Account   mailstore.ID `json:"account,omitzero" xml:"account"`
	Address   string       `json:"address,omitempty" xml:"address"`
	Name      string       `json:"name,omitempty" xml:"name"`
	INN       string       `json:"inn,omitempty" xml:"inn"`
	OGRN      string       `json:"ogrn,omitempty" xml:"ogrn"`
	Assurance string       `json:"assurance,omitempty" xml:"assurance"` // as in auth.Assurance
}

// Recipient is whom the letter is for, as the registry knew them.
type Recipient struct {
	Address    string `json:"address,omitempty" xml:"address"`
	Name       string `json:"name,omitempty" xml:"name"`
	RegistryID string `json:"registryId,omitempty" xml:"registryId"`
	Registry   Digest `json:"registrySha256,omitzero" xml:"registrySha256"` // of the snapshot
	INN        string `json:"inn,omitempty" xml:"inn"`
	OGRN       string `json:"ogrn,omitempty" xml:"ogrn"`
}

// Content is octets by their digest and number.
type Content struct {
	SHA256 Digest `json:"sha256,omitzero" xml:"sha256"`
	Size   int64  `json:"size" xml:"size"`
}

// File is one attachment, decoded.
type File struct {
	Name   string `json:"name,omitempty" xml:"name"`
	Type   string `json:"mediaType,omitempty" xml:"mediaType"`
	Size   int64  `json:"size" xml:"size"` // octets
	SHA256 Digest `json:"sha256,omitzero" xml:"sha256"`
}

// Signature is what is known of the sender's signature under the letter.
type Signature struct {
	// Result is "none" or a word of certs.Reason ("valid" when it holds).
	Result string `json:"result,omitempty" xml:"result"`
	// By is "client" when the mail program signed, "gateway" when the
	// gateway did with the organisation's key.
	By          string `json:"by,omitempty" xml:"by"`
	Subject     string `json:"subject,omitempty" xml:"subject"` // of the certificate
	Certificate Digest `json:"certificateSha256,omitzero" xml:"certificateSha256"`
}

// Reason is one ground of a refusal, failure or delay.
type Reason struct {
	Code   string `json:"code" xml:"code"`                 // stable
	En     string `json:"en,omitempty" xml:"en,omitempty"` // for people
	Ru     string `json:"ru,omitempty" xml:"ru,omitempty"`
	Status string `json:"status,omitempty" xml:"status,omitempty"` // enhanced status code, "5.6.1"; "" if none
}

// Sealed is an evidence in its final bytes.
type Sealed struct {
	ID       mailstore.ID
	Evidence Evidence // as encoded: cleaned, with all that Seal sets
	JSON     []byte   // canonical JSON (RFC 8785)
	XML      []byte   // the same facts
	// Hash is the SHA-256 of JSON. By it the next evidence and the journal
	// name this one.
	Hash mailstore.Hash
}
