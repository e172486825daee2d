// Package intake is the way in: one Accept for every letter, whoever brings
// it. It streams the letter into a sealed body with the parser on a tee,
// decides, signs, builds the evidence, and commits all of it in one Update.
package intake

import (
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// Envelope is what is known of a letter before its first octet.
type Envelope struct {
	Who        auth.Identity
	From       string // MAIL FROM as given; owned by Who without its suffix
	Recipients []Recipient
	ID         string // ENVID, decoded; "" when absent
	UTF8       bool   // SMTPUTF8 was used
	EightBit   bool   // BODY=8BITMIME
	// ReturnFull and Notify are the DSN parameters (RFC 3461).
	ReturnFull bool
}

// Recipient is one accepted RCPT.
type Recipient struct {
	Address  string // as given
	Entry    registry.Entry
	Choice   policy.Choice // by the suffix of the address; zero without one
	Account  mailstore.ID  // of this gateway; zero when delivered elsewhere
	Notify   []string      // NOTIFY: NEVER, or any of SUCCESS, FAILURE, DELAY; nil when absent
	Original string        // ORCPT, "rfc822;..." decoded; "" when absent

	book *Book // that Entry and Choice are of
}

// Accepted is the answer to a letter.
type Accepted struct {
	Letter      mailstore.ID
	Number      string
	Type        string
	Recipients  int
	RecallUntil time.Time // zero when the letter cannot be recalled
	Repeat      bool      // the letter was accepted before, under this number
	Advice      []string  // what the sender should know, in English, a line each
}
