package intake

import (
	"strings"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/policy"
)

// The header fields by which a sender chooses. They stay in the letter.
const (
	headerType   = "X-Letter-Type"
	headerRecall = "X-Letter-Recall"
	headerRepeat = "X-Letter-Repeat"
	headerDepth  = "X-Letter-Depth"
	headerCase   = "X-Letter-Case"
)

// choice is what the letter's own header asks for.
type choice struct {
	letterType string
	waived     bool // no recall
	repeat     bool // a letter of its own, though the same was sent before
	depth      receipt.Depth
	letterCase string
	found      []policy.Violation // what could not be understood
}

// chooseOptions reads the X-Letter fields. A value that is not understood
// refuses the letter: it may have meant a promise that we would not keep.
func chooseOptions(h message.Header) choice {
	var c choice
	c.letterType = c.one(h, headerType)
	c.letterCase = message.DecodeText(c.one(h, headerCase))
	c.waived = c.word(h, headerRecall, "none")
	c.repeat = c.word(h, headerRepeat, "yes")
	switch d := receipt.Depth(strings.ToLower(c.one(h, headerDepth))); d {
	case "", receipt.Full, receipt.Brief, receipt.Short:
		c.depth = d
	default:
		c.found = append(c.found, policy.New(policy.OptionInvalid, headerDepth, string(d)))
	}
	return c
}

// one returns the value of a field; two different ones contradict.
func (c *choice) one(h message.Header, name string) string {
	values := h.Values(name)
	for _, v := range values {
		if !strings.EqualFold(v, values[0]) {
			code := policy.New(policy.OptionInvalid, name, v)
			if name == headerType {
				code = policy.New(policy.TypeConflict, values[0], v)
			}
			c.found = append(c.found, code)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// word reads a field that has one meaningful value.
func (c *choice) word(h message.Header, name, meaning string) bool {
	v := c.one(h, name)
	if v != "" && !strings.EqualFold(v, meaning) {
		c.found = append(c.found, policy.New(policy.OptionInvalid, name, v))
	}
	return strings.EqualFold(v, meaning)
}

// classify decides the type of the letter: the first level that speaks wins.
// 1. the header; 6. the default of the account, or of the gateway.
func (in *Intake) classify(s *submission) string {
	for _, t := range []string{s.choice.letterType, s.env.Who.Settings.Type} {
		if t != "" {
			return strings.ToLower(t)
		}
	}
	return in.usual
}

// automatic reports whether no person sent the letter: it says so (RFC 3834
// §5), or is a report itself.
func automatic(m *message.Message) bool {
	for _, v := range m.Header.Values("Auto-Submitted") {
		word := strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ';' || r == '(' || r == '\t' })
		if len(word) == 0 || !strings.EqualFold(word[0], "no") {
			return true
		}
	}
	return m.Root != nil && m.Root.MediaType == "multipart/report"
}

// depth decides how much the receipts carry.
func depth(c choice, who auth.Identity) receipt.Depth {
	switch {
	case c.depth != "":
		return c.depth
	case who.Class == auth.System:
		return receipt.Short
	case who.Settings.Receipts != "":
		return receipt.Depth(who.Settings.Receipts)
	}
	return receipt.Full
}
