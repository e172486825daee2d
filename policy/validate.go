package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gosbridge/policy/fileformat"
	"gosbridge/policy/registry"
)

// typeName is what a type may be called: it stands in headers, in addresses
// after a plus and in evidence.
var typeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Assurances are the logins that a profile may ask for, weakest first.
func Assurances() []string { return []string{"password", "client-certificate", "signature"} }

// Validate joins everything that is wrong with the profile, each line with the
// profile and the key of the configuration.
func (p Profile) Validate() error {
	c := check{profile: p.Type}
	if !typeName.MatchString(p.Type) {
		return fmt.Errorf("profile %q: the name has lower-case Latin letters, digits and hyphens, 32 at most", p.Type)
	}
	p.validateParties(&c)
	p.validateContent(&c)
	p.validateLife(&c)
	return errors.Join(c.errs...)
}

func (p Profile) validateParties(c *check) {
	known(c, "senders", p.Senders, registry.Kinds())
	known(c, "recipients", p.Recipients, registry.Kinds())
	one(c, "assurance", p.Assurance, Assurances())
	one(c, "consent", p.Consent, []Consent{ConsentNone, ConsentAccount, ConsentLetter})
	one(c, "scope", p.Scope, []Scope{ScopeRegistry, ScopeCorrespondent, ScopePost})
	needs := []Need{Forbidden, Optional, Required}
	one(c, "signature", p.Signature, needs)
	one(c, "timestamp", p.Timestamp, needs)
	if p.MaxRecipients == 0 {
		c.add("max_recipients", "is 0, so no letter could go")
	}
	if p.Title == "" {
		c.add("title", "is empty")
	}
}

func (p Profile) validateContent(c *check) {
	c.span("subject_min", "subject_max", p.SubjectMin, p.SubjectMax)
	c.span("text_min", "text_max", p.TextMin, p.TextMax)
	c.span("files_min", "files_max", p.FilesMin, p.FilesMax)
	known(c, "formats", p.Formats, fileformat.All())
	if p.FilesMax != 0 && p.FileMax == 0 {
		c.add("file_max", `is 0; files that are not wanted are files_max = 0, no limit is "unlimited"`)
	}
	if p.FilesMax != 0 && p.SumMax == 0 {
		c.add("sum_max", `is 0; files that are not wanted are files_max = 0, no limit is "unlimited"`)
	}
	if p.SumMax >= 0 && (p.FileMax < 0 || p.FileMax > p.SumMax) {
		c.add("file_max", fmt.Sprintf("is %s, more than sum_max with %s", p.FileMax, p.SumMax))
	}
	if p.FileNames && p.NameMax == 0 {
		c.add("name_max", `is 0; no limit is "unlimited"`)
	}
	if p.AdviseDPI < 0 || p.AdviseDPI > 4800 {
		c.add("advise_dpi", fmt.Sprintf("is %d, not between 0 and 4800", p.AdviseDPI))
	}
	words(c, "required_metadata", p.RequiredMetadata)
	known(c, "required_fields", p.RequiredField, Fields())
	words(c, "kinds", p.Kinds)
	for _, code := range p.Advise {
		r, ok := code.Reason()
		switch {
		case !ok:
			c.add("advise", fmt.Sprintf("%q is not a reason code", code))
		case !r.Content:
			c.add("advise", fmt.Sprintf("%q always refuses: only reasons of content can be an advice", code))
		}
	}
}

func (p Profile) validateLife(c *check) {
	known(c, "acknowledge", p.Acknowledge, []Acknowledgement{
		AckButton, AckReply, AckSignedReceipt, AckOpening, AckLink, AckMDN, AckRegistration,
	})
	one(c, "term_from", p.TermFrom, []TermStart{TermFromDelivery, TermFromAcceptance})
	one(c, "recall", p.Recall, []Recall{RecallHold, RecallWithdraw, RecallNone})
	if p.Recall != RecallNone && p.RecallWindow <= 0 {
		c.add("recall_window", `is 0; a letter that cannot be recalled has recall = "none"`)
	}
	if p.DelayWarning <= 0 || p.DelayFailure <= 0 {
		c.add("delay_warning", "and delay_failure must be more than 0")
	} else if p.DelayWarning >= p.DelayFailure {
		c.add("delay_warning", fmt.Sprintf("is %s, not before delay_failure with %s", p.DelayWarning, p.DelayFailure))
	}
	if p.Term.Unlimited || p.TermMax.Unlimited {
		c.add("term", `cannot be "unlimited"; a letter without a term has 0d`)
	}
	if len(p.Acknowledge) > 0 && p.Term.IsZero() {
		c.add("term", "is 0d, but the type waits for an acknowledgement")
	}
	for _, day := range p.ReminderDays {
		if day < 1 || day > 3660 {
			c.add("reminder_days", fmt.Sprintf("has %d, not between 1 and 3660", day))
		}
	}
	if p.KeepSent.IsZero() {
		c.add("keep_sent", "is 0d")
	}
	if p.KeepReceived.IsZero() {
		c.add("keep_received", "is 0d")
	}
}

// check collects what is wrong with one profile.
type check struct {
	profile string
	errs    []error
}

func (c *check) add(key, text string) {
	c.errs = append(c.errs, fmt.Errorf("profile %s: %s %s", c.profile, key, text))
}

func (c *check) span(minKey, maxKey string, low, high Count) {
	if low < 0 {
		c.add(minKey, `cannot be "unlimited"`)
	}
	if high >= 0 && low > high {
		c.add(minKey, fmt.Sprintf("is %s, more than %s with %s", low, maxKey, high))
	}
}

// one checks a key with a fixed set of values.
func one[T ~string](c *check, key string, value T, allowed []T) {
	if !slices.Contains(allowed, value) {
		c.add(key, fmt.Sprintf("is %q, not one of %s", value, list(allowed)))
	}
}

// known checks each value of a list.
func known[T ~string](c *check, key string, values, allowed []T) {
	for _, v := range values {
		if !slices.Contains(allowed, v) {
			c.add(key, fmt.Sprintf("has %q, not one of %s", v, list(allowed)))
		}
	}
}

// words checks names that stand in headers and texts.
func words(c *check, key string, values []string) {
	for _, v := range values {
		if !typeName.MatchString(v) {
			c.add(key, fmt.Sprintf("has %q; names have lower-case Latin letters, digits and hyphens, 32 at most", v))
		}
	}
}

func list[T ~string](values []T) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = string(v)
	}
	return strings.Join(parts, ", ")
}
