package letter

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// HeaderLimit is the size up to which a letter's header is kept in its record,
// in octets.
const HeaderLimit = 8 << 10

// recordFormat is the version of the JSON in letter records.
const recordFormat = 1

// Step is one state that was reached.
type Step struct {
	State State     `json:"state"`
	At    time.Time `json:"at"`
	// Inferred marks a step that was not seen but follows from a later one.
	Inferred bool `json:"inferred,omitempty"`
}

// Recipient is one recipient of a letter and how far it is with them.
type Recipient struct {
	Party    receipt.Recipient `json:"party"`
	Account  mailstore.ID      `json:"account"`
	Blind    bool              `json:"blind,omitempty"`
	Notify   []string          `json:"notify,omitempty"`
	Original string            `json:"original,omitempty"`
	State    State             `json:"state"`
	Steps    []Step            `json:"steps"`
	Reason   string            `json:"reason,omitempty"` // of a failure
}

// Due reports whether a courier has to go to the recipient: the letter is not
// known to be there, or when it came only follows from what happened later.
func (r Recipient) Due() bool {
	return r.State == Accepted || r.State == Processing || r.State == Sent ||
		slices.ContainsFunc(r.Steps, func(s Step) bool { return s.State == Delivered && s.Inferred })
}

// Outgoing is what the sender's account keeps of a letter.
type Outgoing struct {
	Format int `json:"format"`
	// Facts are the parts of every evidence of this letter: parties, digests,
	// files, profile.
	Facts      receipt.Evidence `json:"facts"`
	Subject    string           `json:"subject"`
	Registry   string           `json:"registry"` // id of the sender's entry
	References []string         `json:"references,omitempty"`
	Recipients []Recipient      `json:"recipients"`
	Accepted   time.Time        `json:"accepted"`
	// Hold is when a letter that is held goes out; zero when it was
	// dispatched at once.
	Hold time.Time `json:"hold,omitzero"`
	// Recall is until when the sender may take it back; zero: never.
	Recall time.Time `json:"recall,omitzero"`
	// Cancelled is when a letter that never went out was taken back, where its
	// recipients are too many to be recorded in one Update: it is recalled from
	// then on, also for those who still stand at Accepted. Else zero.
	Cancelled time.Time      `json:"cancelled,omitzero"`
	Dispatch  mailstore.ID   `json:"dispatch"` // the queue item
	Last      mailstore.Hash `json:"last"`     // SHA-256 of the last evidence
	Depth     receipt.Depth  `json:"depth"`
	Language  string         `json:"language"`
	// Automatic letters get no receipts but those of failures; evidence they
	// have like all others.
	Automatic bool          `json:"automatic,omitempty"`
	Handover  bool          `json:"handover"`      // the profile has evidence of opening
	Term      policy.Period `json:"term,omitzero"` // for an acknowledgement; zero: none is wanted
	// Kind is that of an appeal; Fields are what the recipient is told of the
	// sender where the type requires it.
	Kind   string  `json:"kind,omitempty"`
	Fields []Field `json:"fields,omitempty"`
	// ClientCopy is the message of a mail program that the Sent copy stands
	// for; zero as long as there is none. Bcc are the addresses that it named
	// as hidden.
	ClientCopy mailstore.ID `json:"client_copy,omitzero"`
	Bcc        []string     `json:"bcc,omitempty"`
	// Copy is the message in the mailbox of sent letters.
	Copy mailstore.ID `json:"copy,omitzero"`
	// KeepSent and KeepReceived are how long the copies of sender and
	// recipients are kept. Zero, in letters of before there was retention:
	// nothing keeps them but their owners.
	KeepSent     policy.Period `json:"keep_sent,omitzero"`
	KeepReceived policy.Period `json:"keep_received,omitzero"`
	// Destroyed is when the sender's copy was destroyed after its term.
	Destroyed time.Time `json:"destroyed,omitzero"`
	// GiveUp is when recipients that could not be reached become
	// undeliverable.
	GiveUp time.Time `json:"give_up"`
	// Chosen says what chose the letter's type, and Advice are the codes of
	// what the sender was told beside the acceptance.
	Chosen Chosen   `json:"chosen,omitempty"`
	Advice []string `json:"advice,omitempty"`
	// Header is the letter's header as it was sent, for the third part of
	// receipts (RFC 6522 §3); at most HeaderLimit octets, else empty.
	Header []byte `json:"header,omitempty"`
}

// Chosen is what chooses the type of a letter.
type Chosen string

// What chooses, the strongest first.
const (
	ByHeader       Chosen = "header"
	BySender       Chosen = "sender-suffix"
	ByRecipient    Chosen = "recipient-suffix"
	ByAnswer       Chosen = "answer"
	ByAccount      Chosen = "account" // or its credential
	ByDefault      Chosen = "default"
	ByNotification Chosen = "notification-request"
)

// Field is one thing that is told of the sender, by its name in policy.Fields.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// State is that of the least advanced recipient.
func (o Outgoing) State() State {
	if !o.Cancelled.IsZero() {
		return Recalled
	}
	least := Opened
	for i, r := range o.Recipients {
		if i == 0 || rank[r.State] < rank[least] {
			least = r.State
		}
	}
	return least
}

// Hidden are the hidden recipients, by the letter itself and by the copy of the
// mail program.
func (o Outgoing) Hidden() []string {
	hidden := slices.Clone(o.Bcc)
	for _, r := range o.Recipients {
		if r.Blind && !containsFold(hidden, r.Party.Address) {
			hidden = append(hidden, r.Party.Address)
		}
	}
	return hidden
}

// Settled reports whether nothing can follow for any recipient.
func (o Outgoing) Settled() bool {
	return !o.Cancelled.IsZero() || !slices.ContainsFunc(o.Recipients, func(r Recipient) bool { return !r.State.Final() })
}

// Waits reports whether the letter, once delivered, waits for an
// acknowledgement.
func (o Outgoing) Waits() bool { return !o.Term.IsZero() }

// Held reports whether the letter waits for its recall time to end.
func (o Outgoing) Held() bool { return o.State() == Accepted && !o.Hold.IsZero() }

// Incoming is what a recipient's account keeps of a letter.
type Incoming struct {
	Format    int              `json:"format"`
	Facts     receipt.Evidence `json:"facts"`
	Sender    mailstore.ID     `json:"sender"`    // account
	Recipient int              `json:"recipient"` // index in Outgoing.Recipients
	Subject   string           `json:"subject"`
	// Correspondent is the registry id of the sender.
	Correspondent string `json:"correspondent"`
	State         State  `json:"state"`
	Steps         []Step `json:"steps"`
	// Destroyed is when this copy was destroyed after its term.
	Destroyed time.Time `json:"destroyed,omitzero"`
}

func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode letter record: %w", err)
	}
	return b, nil
}

// DecodeOutgoing reads the Data of a sender's record.
func DecodeOutgoing(rec mailstore.Letter) (Outgoing, error) {
	var o Outgoing
	if err := decode(rec, mailstore.Sender, &o); err != nil {
		return o, err
	}
	return o, checkFormat(rec, o.Format)
}

// DecodeIncoming reads the Data of a recipient's record.
func DecodeIncoming(rec mailstore.Letter) (Incoming, error) {
	var in Incoming
	if err := decode(rec, mailstore.Recipient, &in); err != nil {
		return in, err
	}
	return in, checkFormat(rec, in.Format)
}

func decode(rec mailstore.Letter, role mailstore.LetterRole, into any) error {
	if rec.Role != role {
		return fmt.Errorf("letter %s: %w: role %d", rec.Number, mailstore.ErrDamaged, rec.Role)
	}
	if err := json.Unmarshal(rec.Data, into); err != nil {
		return fmt.Errorf("letter %s: %w: %w", rec.Number, mailstore.ErrDamaged, err)
	}
	return nil
}

func checkFormat(rec mailstore.Letter, format int) error {
	if format != recordFormat {
		return fmt.Errorf("letter %s: record format %d: %w", rec.Number, format, mailstore.ErrVersion)
	}
	return nil
}
