package receipt

import (
	"io"
	"time"

	"gosbridge/mailstore"
)

// Action is what became of a message for one recipient (RFC 3464 §2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
)

// Notice is a plain delivery status notification, unsigned: what NOTIFY asked
// for (RFC 3461 §6).
type Notice struct {
	ID         mailstore.ID // names the notice in its Message-ID
	From       string       // address of the postmaster; its domain is the reporting MTA
	To         string       // MAIL FROM of the original
	Language   string       // "ru" (default) or "en": which text comes first
	At         time.Time
	EnvelopeID string    // ENVID, decoded; "" when absent
	Arrival    time.Time // of the original
	MessageID  string    // of the original
	Number     string    // of the letter; "" when it has none
	Subject    string    // of the original, decoded
	Recipients []Outcome
	// Original is the message, read once; only its header is returned unless
	// ReturnFull is set and a recipient failed (RFC 3461 §6.2).
	Original   io.Reader
	ReturnFull bool
}

// Outcome is what became of the message for one recipient.
type Outcome struct {
	Address    string // as in RCPT TO
	Original   string // ORCPT as given, "rfc822;..."; "" when absent
	Action     Action
	Status     string // enhanced status code, as "5.1.1"
	RemoteMTA  string // host name of who answered; "" for this gateway
	Diagnostic string // SMTP reply of it; "" when there is none
	RetryUntil time.Time
}

// WriteDSN writes the notice as a mail of multipart/report.
func WriteDSN(w io.Writer, n Notice) error { return writeDSN(w, n) }
