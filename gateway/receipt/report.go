package receipt

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// outcome is what the report of an event says in the vocabulary of RFC 3464.
//
// That vocabulary knows delivery only. An acceptance is `relayed`: "relayed or
// gatewayed into an environment that does not accept responsibility for
// generating DSNs upon successful delivery" (§2.3.3); delivery has its own
// evidence. What happens after delivery keeps `delivered`, the last fact about
// delivery. The event itself stands in the field X-Letter-Receipt.
type outcome struct {
	action Action
	status string
}

var outcomes = map[Event]outcome{
	SubmissionAcceptance:      {Relayed, "2.0.0"},
	SubmissionRejection:       {Failed, "5.6.0"},
	MalwareRejection:          {Failed, "5.7.1"},
	RelayAcceptance:           {Relayed, "2.0.0"},
	RelayRejection:            {Failed, "5.0.0"},
	RelayFailure:              {Failed, "5.4.0"},
	DelayWarning:              {Delayed, "4.4.7"},
	ContentConsignment:        {Delivered, "2.0.0"},
	ContentConsignmentFailure: {Failed, "5.4.7"},
	Recall:                    {Failed, "5.0.0"},
	Annulment:                 {Failed, "5.0.0"},
}

// dispositions are the events that an MDN can tell (RFC 8098 §3.2.6): a person
// did something with the letter, and this is sent without asking them.
var dispositions = map[Event]string{
	ContentHandover:       "manual-action/MDN-sent-automatically; displayed",
	ConsignmentAcceptance: "manual-action/MDN-sent-automatically; displayed",
	LateAcknowledgement:   "manual-action/MDN-sent-automatically; displayed",
}

// reportType is the subtype of the second part of the multipart/report.
func reportType(e Event) string {
	if _, ok := dispositions[e]; ok {
		return "disposition-notification"
	}
	return "delivery-status"
}

// maxWord keeps a field without spaces below the 998 octets that a line may
// have (RFC 5322 §2.1.1).
const maxWord = 900

// enhanced is the syntax of an enhanced status code (RFC 3463 §2).
var enhanced = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)

// fields writes groups of header-like fields of 7-bit text.
type fields struct{ strings.Builder }

// add writes a field, folded; without a value none. What is not printable
// ASCII becomes "?": these parts have no encoding (RFC 3464 §2.1).
func (f *fields) add(name, value string) {
	if value == "" {
		return
	}
	f.WriteString(name + ":")
	width := len(name) + 1
	for _, word := range strings.Fields(ascii(value)) {
		if width+1+len(word) > 76 && width > len(name)+1 {
			f.WriteString("\r\n")
			width = 0
		}
		word = word[:min(len(word), maxWord)]
		f.WriteString(" " + word)
		width += 1 + len(word)
	}
	f.WriteString("\r\n")
}

func (f *fields) end() { f.WriteString("\r\n") }

// report is the machine-readable second part.
func (m *Maker) report(s Sealed, to Mailing) string {
	if disposition, ok := dispositions[s.Evidence.Event]; ok {
		return m.disposition(s, to, disposition)
	}
	f, ev := &fields{}, &s.Evidence
	f.add("Original-Envelope-Id", ev.Letter.EnvelopeID)
	f.add("Reporting-MTA", "dns; "+m.domain)
	if events[ev.Event].state == "accepted" {
		f.time("Arrival-Date", ev.At)
	}
	extensions(f, s, to)
	recipients := ev.Recipients
	if len(recipients) == 0 {
		recipients = []Recipient{{}} // there must be one group (RFC 3464 §2.1)
	}
	for _, r := range recipients {
		f.end()
		f.add("Original-Recipient", typedOriginal(to.OriginalRecipient))
		f.add("Final-Recipient", typedAddress(r.Address))
		o := outcomeOf(ev)
		f.add("Action", string(o.action))
		f.add("Status", o.status)
		for _, reason := range ev.Reasons {
			f.add("Diagnostic-Code", "x-gosbridge; "+reason.Code+": "+reason.En)
			break // one at most (RFC 3464 §2.3.6); all are in text and evidence
		}
		f.time("Last-Attempt-Date", ev.At)
		if o.action == Delayed && !ev.Expected.IsZero() {
			f.time("Will-Retry-Until", ev.Expected)
		}
	}
	return f.String()
}

// outcomeOf takes the status of the first reason that fits the action.
func outcomeOf(ev *Evidence) outcome {
	o, ok := outcomes[ev.Event]
	if !ok {
		o = outcome{Delivered, "2.0.0"}
	}
	for _, r := range ev.Reasons {
		if enhanced.MatchString(r.Status) && r.Status[0] == o.status[0] {
			o.status = r.Status
			break
		}
	}
	return o
}

// disposition is message/disposition-notification (RFC 8098 §3.1).
func (m *Maker) disposition(s Sealed, to Mailing, disposition string) string {
	f, ev := &fields{}, &s.Evidence
	f.add("Reporting-UA", m.domain+"; gosbridge")
	f.add("Original-Recipient", typedOriginal(to.OriginalRecipient))
	for _, r := range ev.Recipients {
		f.add("Final-Recipient", typedAddress(r.Address))
	}
	if isMessageID(to.MessageID) {
		f.add("Original-Message-ID", to.MessageID)
	}
	f.add("Disposition", disposition)
	extensions(f, s, to)
	return f.String()
}

// extensions bind the report to the evidence: they are under the signature,
// so that a receipt without attachments names its evidence for certain.
func extensions(f *fields, s Sealed, to Mailing) {
	f.add("X-Letter-Number", s.Evidence.Letter.Number)
	f.add("X-Letter-Receipt", string(s.Evidence.Event))
	f.add("X-Letter-State", stateAfter(&s.Evidence, to))
	f.add("X-Letter-Evidence", s.ID.String())
	f.add("X-Letter-Evidence-SHA256", Digest(s.Hash).String())
}

// typedAddress gives the address its type: rfc822, or utf-8 with the
// characters escaped as a 7-bit part needs it (RFC 6533 §3).
func typedAddress(address string) string {
	if address == "" {
		return "unknown; none"
	}
	if isASCII(address) {
		return "rfc822; " + address
	}
	var b strings.Builder
	b.WriteString("utf-8; ")
	for _, r := range address {
		if r > ' ' && r < 0x7F && r != '\\' && r != '+' && r != '=' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%X}`, r)
		}
	}
	return b.String()
}

// typedOriginal is ORCPT, which has its type before a semicolon.
func typedOriginal(original string) string {
	if kind, address, ok := strings.Cut(original, ";"); ok {
		if isASCII(address) {
			return kind + "; " + address
		}
		return typedAddress(address)
	}
	if original == "" {
		return ""
	}
	return typedAddress(original)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ascii replaces what a 7-bit field cannot hold.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r' || r == '\n':
			return ' '
		case r < ' ' || r >= 0x7F:
			return '?'
		default:
			return r
		}
	}, s)
}
