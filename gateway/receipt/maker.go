package receipt

import (
	"time"

	"gosbridge/certs"
)

// Depth is how much of the evidence a receipt mail carries.
type Depth string

// The depths. The signature and the report are in all of them; the store has
// the whole evidence always.
const (
	Full  Depth = "full"  // report, XML and JSON
	Brief Depth = "brief" // report and JSON
	Short Depth = "short" // report
)

// Options are what a Maker works with.
type Options struct {
	Signer certs.DetachedSigner // the operator's key
	// From is the address that receipts come from; its domain names the
	// gateway in Message-IDs and reports.
	From string
	Name string // the operator's name: authority of the evidence, display name
	Now  func() time.Time
}

// Maker makes receipts in the name of one operator. Safe for concurrent use.
type Maker struct {
	options Options
	domain  string
	signer  Digest
	zone    *time.Location
}

// Mailing says to whom and about which letter a receipt mail goes.
type Mailing struct {
	To       string // address of the account that gets it
	Language string // "ru" (default) or "en": which comes first
	Depth    Depth  // default Full
	// State is the state of the letter after the event, for X-Letter-State
	// and the label; "" takes the one that the event leads to.
	State string
	// RecallUntil is until when the sender may take the letter back, told in
	// acceptances; zero when not at all.
	RecallUntil time.Time

	Subject    string   // of the letter, decoded
	MessageID  string   // of the letter, with its angle brackets; "" when it has none
	References []string // of the letter, in order
	// OriginalRecipient is ORCPT of the recipient ("rfc822;..."), or "".
	OriginalRecipient string
	// OriginalHeader is the header of the letter, the third part of the
	// report; nil leaves that part out.
	OriginalHeader []byte
}
