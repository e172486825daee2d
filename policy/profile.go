package policy

import (
	"slices"
	"time"

	"gosbridge/policy/registry"
)

// Need says whether something may, must or must not be there.
type Need string

// The needs.
const (
	Forbidden Need = "forbidden"
	Optional  Need = "optional"
	Required  Need = "required"
)

// Recall is how a letter is taken back within the window.
type Recall string

// The ways.
const (
	RecallHold     Recall = "hold"     // dispatched only after the window
	RecallWithdraw Recall = "withdraw" // dispatched at once, taken back while unopened
	RecallNone     Recall = "none"     // cannot be taken back
)

// Scope narrows who among the allowed kinds may receive a letter.
type Scope string

// The scopes.
const (
	ScopeRegistry      Scope = "registry"      // anyone in the registry
	ScopeCorrespondent Scope = "correspondent" // only the sender of the letter that is answered
	ScopePost          Scope = "post"          // only those registered with the post
)

// Acknowledgement is an act by which a person acknowledges a letter.
type Acknowledgement string

// The acts.
const (
	AckButton        Acknowledgement = "button" // the Accept mailbox or its keyword
	AckReply         Acknowledgement = "reply"
	AckSignedReceipt Acknowledgement = "signed-receipt" // RFC 2634
	AckOpening       Acknowledgement = "opening"
	AckLink          Acknowledgement = "link"
	AckMDN           Acknowledgement = "mdn"          // RFC 8098, sent by hand
	AckRegistration  Acknowledgement = "registration" // the body registers the appeal
)

// TermStart is the moment from which the term counts.
type TermStart string

// The moments.
const (
	TermFromDelivery   TermStart = "delivery"
	TermFromAcceptance TermStart = "acceptance"
)

// Consent says which consent a sender must have given.
type Consent string

// The consents.
const (
	ConsentNone    Consent = "none"
	ConsentAccount Consent = "account" // once, stored with the account
	ConsentLetter  Consent = "letter"  // with each letter
)

// Profile is every parameter of one letter type. It is a plain value; the tags
// are the keys of the configuration's [profile.NAME]. Sizes count decoded
// content; text and names count Unicode code points. The zero Profile is not
// usable: begin with one of DefaultProfiles or with Unlimited.
type Profile struct {
	// Type is the name of the letter type: the NAME of [profile.NAME].
	Type    string `toml:"-"`
	Title   string `toml:"title"`    // what people see, in Russian
	TitleEn string `toml:"title_en"` // the same in English

	// Senders are the kinds that may send; empty for anyone with the right.
	Senders []registry.Kind `toml:"senders"`
	// Assurance is the weakest login that may send: password,
	// client-certificate or signature.
	Assurance string  `toml:"assurance"`
	Consent   Consent `toml:"consent"`

	SubjectMin Count `toml:"subject_min"`
	SubjectMax Count `toml:"subject_max"` // "Re: " of a reply is free
	TextMin    Count `toml:"text_min"`
	TextMax    Count `toml:"text_max"` // longer is refused, never cut
	HTML       bool  `toml:"html"`     // an HTML body is accepted

	FileMax  Octets `toml:"file_max"`  // each file
	SumMax   Octets `toml:"sum_max"`   // all files together
	FreeMax  Octets `toml:"free_max"`  // sum that costs nothing; the tariff's matter
	FilesMin Count  `toml:"files_min"` // how many files
	FilesMax Count  `toml:"files_max"`
	// Formats are the allowed ones of package fileformat; empty for any, and
	// then contents are not inspected.
	Formats []string `toml:"formats"`
	Macros  bool     `toml:"macros"` // macros in documents are accepted
	// FileNames turns the rules of file names on; NameMax is their length.
	FileNames bool  `toml:"file_names"`
	NameMax   Count `toml:"name_max"`
	// RequiredMetadata are the names of facts that each file must carry.
	RequiredMetadata []string `toml:"required_metadata"`
	// AdviseDPI is the resolution below which an image earns an advice, in
	// dots per inch; 0 for none.
	AdviseDPI int `toml:"advise_dpi"`

	Signature Need `toml:"signature"` // of the sender
	Timestamp Need `toml:"timestamp"` // of the evidence, by an authority

	Recipients    []registry.Kind `toml:"recipients"` // allowed kinds; empty for all
	Scope         Scope           `toml:"scope"`
	MaxRecipients Count           `toml:"max_recipients"`
	Bcc           bool            `toml:"bcc"`

	Acknowledge []Acknowledgement `toml:"acknowledge"` // empty: settled by delivery
	Handover    bool              `toml:"handover"`    // the sender learns of the opening by a receipt
	Term        Period            `toml:"term"`        // for the acknowledgement or the answer; 0d for none
	TermFrom    TermStart         `toml:"term_from"`
	TermMax     Period            `toml:"term_max"` // longest that the sender may choose; 0d: no choice

	Recall       Recall   `toml:"recall"`
	RecallWindow Duration `toml:"recall_window"`
	Annul        bool     `toml:"annul"`         // after delivery, until opened
	Remind       bool     `toml:"remind"`        // by hand
	ReminderDays []int    `toml:"reminder_days"` // of the term, by itself
	DelayWarning Duration `toml:"delay_warning"`
	DelayFailure Duration `toml:"delay_failure"`
	KeepSent     Period   `toml:"keep_sent"`     // sender's copy
	KeepReceived Period   `toml:"keep_received"` // recipient's copy
	Wrap         bool     `toml:"wrap"`          // delivered inside a cover with the operator's signature
	Kinds        []string `toml:"kinds"`         // of appeals; empty: the type has none
	// RequiredField are those of Fields that must be known of the sender.
	RequiredField []string `toml:"required_fields"`

	// Advise names reasons of content that are told as advice instead of
	// refusing the letter.
	Advise []Code `toml:"advise"`
}

// RecallFor gives how a letter of this type can be taken back and for how
// long. A waiver, by header or credential, takes the recall away; behind
// another hop nothing can be withdrawn, so the letter is held.
func (p Profile) RecallFor(waived, remote bool) (Recall, time.Duration) {
	switch {
	case waived || p.Recall == RecallNone || p.RecallWindow <= 0:
		return RecallNone, 0
	case remote:
		return RecallHold, p.RecallWindow.Std()
	}
	return p.Recall, p.RecallWindow.Std()
}

// Inspects reports whether the contents of files matter to this type; when
// not, fileformat.Inspect need not be called.
func (p Profile) Inspects() bool { return len(p.Formats) > 0 }

// readsContent reports whether text or files of a letter matter to this type.
func (p Profile) readsContent() bool {
	return p.Inspects() || p.FileNames || p.FilesMin > 0 || p.TextMin > 0 || p.TextMax != AnyCount
}

// Acknowledged reports whether letters of this type wait, in the recipient's
// mailbox, for an acknowledgement. The registration of an appeal is an act of
// the body's own office, which no mailbox shows.
func (p Profile) Acknowledged() bool {
	return slices.ContainsFunc(p.Acknowledge, func(a Acknowledgement) bool { return a != AckRegistration })
}

// TermFor gives the term of a letter whose sender asks for one; with the zero
// Period, that of the type. ok is false when the type leaves no choice, or when
// the term is none, or ends later than the longest.
func (p Profile) TermFor(asked Period, at time.Time) (term Period, ok bool) {
	if asked.IsZero() || asked == p.Term {
		return p.Term, true
	}
	if asked.Unlimited || p.TermMax.IsZero() || asked.After(at).After(p.TermMax.After(at)) {
		return p.Term, false
	}
	return asked, true
}
