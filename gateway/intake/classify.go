package intake

import (
	"cmp"
	"slices"
	"strings"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// The header fields by which a sender chooses. They stay in the letter.
const (
	headerType   = "X-Letter-Type"
	headerRecall = "X-Letter-Recall"
	headerRepeat = "X-Letter-Repeat"
	headerDepth  = "X-Letter-Depth"
	headerCase   = "X-Letter-Case"
	headerTerm   = "X-Letter-Term"
	headerKind   = "X-Letter-Kind"
	headerPhone  = "X-Letter-Phone"
	headerSNILS  = "X-Letter-SNILS"
)

// choice is what the letter's own header asks for.
type choice struct {
	letterType string
	waived     bool // no recall
	repeat     bool // a letter of its own, though the same was sent before
	depth      receipt.Depth
	letterCase string
	term       policy.Period      // for the acknowledgement; zero: the type's
	kind       string             // of an appeal
	phone      string             // international; of an appeal's sender
	snils      string             // 11 digits
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
	c.kind = strings.ToLower(c.one(h, headerKind))
	c.phone = c.read(h, headerPhone, registry.NormalPhone)
	c.snils = c.read(h, headerSNILS, normalSNILS)
	c.read(h, headerTerm, func(v string) (string, bool) {
		err := c.term.UnmarshalText([]byte(v))
		return "", err == nil && !c.term.IsZero()
	})
	return c
}

// read brings the value of a field into its form, if it has one.
func (c *choice) read(h message.Header, name string, normal func(string) (string, bool)) string {
	v := c.one(h, name)
	if v == "" {
		return ""
	}
	out, ok := normal(v)
	if !ok {
		c.found = append(c.found, policy.New(policy.OptionInvalid, name, v))
	}
	return out
}

// normalSNILS is the digits alone.
func normalSNILS(s string) (string, bool) {
	return strings.NewReplacer(" ", "", "-", "").Replace(s), registry.ValidSNILS(s)
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

// The types that the levels of classification themselves name.
const (
	simpleType = "simple"
	notifyType = "notify"
	replyType  = "reply"
)

// classify decides the type of the letter, and the kind of an appeal: the first
// level that speaks wins. 1. the header; 2. the suffix of the sender; 3. that
// of each recipient; what comes after is unnamed's. All recipients of a letter
// have one type: where they would not, the letter is refused.
func (in *Intake) classify(s *submission) string {
	chosen := s.identity
	s.chosen = letter.BySender
	switch {
	case s.choice.letterType != "":
		s.chosen = letter.ByHeader
		chosen = policy.Choice{Type: strings.ToLower(s.choice.letterType)}
		if s.identity.Type == chosen.Type {
			chosen.Kind = s.identity.Kind
		}
	case chosen.Type == "":
		s.found = append(s.found, s.twice...)
		rest := in.unnamed(s)
		chosen = rest
		for i, r := range s.env.Recipients {
			own := cmp.Or(r.Choice, rest)
			if r.Choice != (policy.Choice{}) {
				s.chosen = letter.ByRecipient
			}
			if i > 0 && own != chosen {
				s.found = append(s.found, policy.New(policy.TypeConflict, chosen.String(), own.String()))
				break
			}
			chosen = own
		}
	}
	s.kind = cmp.Or(s.choice.kind, chosen.Kind)
	return chosen.Type
}

// unnamed is the type of a letter that names none: 5. an answer to a letter, to
// its sender alone, is a reply; 6. the default of the account, or of the
// gateway; 7. which becomes a letter with notification, if it is a simple one,
// where the mail program asks to be notified.
func (in *Intake) unnamed(s *submission) policy.Choice {
	to := s.env.Recipients
	if s.answers != "" && len(to) == 1 && to[0].Entry.ID == s.answers && s.offers(replyType) {
		s.chosen = letter.ByAnswer
		return policy.Choice{Type: replyType}
	}
	s.chosen = letter.ByAccount
	if s.env.Who.Settings.Type == "" {
		s.chosen = letter.ByDefault
	}
	t := strings.ToLower(cmp.Or(s.env.Who.Settings.Type, in.usual))
	if t == simpleType && s.offers(notifyType) && s.wantsNotice() {
		s.chosen = letter.ByNotification
		t = notifyType
	}
	return policy.Choice{Type: t}
}

func (s *submission) offers(letterType string) bool {
	_, ok := s.book.Rules.Profile(letterType)
	return ok
}

// wantsNotice reports whether the mail program asks to be told of delivery (RFC
// 3461 §4.1) or of reading (RFC 8098 §2.1, and the field before it).
func (s *submission) wantsNotice() bool {
	h := s.msg.Header
	return h.Get("Disposition-Notification-To") != "" || h.Get("Return-Receipt-To") != "" ||
		slices.ContainsFunc(s.env.Recipients, func(r Recipient) bool {
			return slices.ContainsFunc(r.Notify, func(n string) bool { return strings.EqualFold(n, "SUCCESS") })
		})
}

// fields are what is known of the sender, by the names that a type can require
// them by. What the registry says comes first: it is not the sender's own word.
func (s *submission) fields(entry registry.Entry) map[string]string {
	set := s.env.Who.Settings
	return map[string]string{
		policy.FieldName:     cmp.Or(entry.Name, s.env.Who.Account.Name),
		policy.FieldIdentity: cmp.Or(entry.INN, set.SNILS, s.choice.snils),
		policy.FieldPhone:    cmp.Or(s.choice.phone, set.Phone),
		policy.FieldEmail:    strings.ToLower(s.env.From),
	}
}

// told are the fields that the type requires, for the recipient.
func (s *submission) told(known map[string]string) []letter.Field {
	var out []letter.Field
	for _, name := range s.profile.RequiredField {
		out = append(out, letter.Field{Name: name, Value: known[name]})
	}
	return out
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
