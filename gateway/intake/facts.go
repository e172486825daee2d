package intake

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/authres"

	"gosbridge/certs"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// facts gathers what the rules look at. Its errors are internal; what is
// wrong with the letter stands in the facts.
func (in *Intake) facts(ctx context.Context, s *submission) (policy.Letter, error) {
	s.identify()
	s.restore()
	name := in.classify(s)
	profile, ok := s.book.Rules.Profile(name)
	s.profile = profile
	h := s.msg.Header
	f := policy.Letter{
		Type: name, Kind: s.kind, Term: s.choice.term, At: s.at,
		Assurance: string(s.env.Who.Assurance),
		Subject:   h.Text("Subject"), SubjectCount: len(h.Values("Subject")), Reply: s.answers != "",
		TextRunes: s.msg.BodyRunes(), TextBlank: blank(s.msg), HTML: s.msg.HasHTML(),
		Bcc: s.blind(), Correspondent: s.answers,
	}
	f.Sender, _ = s.book.Registry.ByID(s.env.Who.Settings.Registry)
	f.Fields = s.fields(f.Sender)
	for _, r := range s.env.Recipients {
		f.Recipients = append(f.Recipients, policy.Recipient{Address: r.Address, Entry: r.Entry})
	}
	f.Found = append(f.Found, s.found...)
	f.Found = append(f.Found, s.choice.found...)
	f.Found = append(f.Found, defects(s.msg)...)
	f.Found = append(f.Found, in.forged(h)...)
	if !ok {
		return f, nil // the rules say that there is no such type
	}
	if err := in.inspect(ctx, s, &f); err != nil {
		return f, err
	}
	return f, in.verify(ctx, s, &f)
}

// blank reports whether a reader of the letter sees no text.
func blank(m *message.Message) bool {
	files := map[*message.Part]bool{}
	for _, f := range m.Files() {
		files[f] = true
	}
	var seen func(p *message.Part) bool
	seen = func(p *message.Part) bool {
		if files[p] {
			return false
		}
		if strings.TrimSpace(p.Text) != "" {
			return true
		}
		for _, c := range p.Children {
			if seen(c) {
				return true
			}
		}
		return false
	}
	return m.Root == nil || !seen(m.Root)
}

// blind counts the recipients that no header field shows to the others.
func (s *submission) blind() int {
	n := 0
	for _, hidden := range s.hidden() {
		if hidden {
			n++
		}
	}
	return n
}

// hidden tells of each recipient whether no header field shows them, under the
// address that was used or another of their entry, with a suffix or without. An
// address of the entry
// under which the letter goes to another account shows that one.
func (s *submission) hidden() []bool {
	recipients := s.env.Recipients
	visible := map[string]bool{}
	for _, name := range []string{"To", "Cc"} {
		for _, a := range s.msg.Header.Addresses(name) {
			n, _ := s.book.recipient(a.String())
			visible[strings.ToLower(n.address)] = true
		}
	}
	out := make([]bool, len(recipients))
	for i, r := range recipients {
		shows := func(address string) bool {
			return visible[strings.ToLower(address)] && !slices.ContainsFunc(recipients, func(o Recipient) bool {
				return o.Account != r.Account && strings.EqualFold(o.Address, address)
			})
		}
		out[i] = !shows(r.Address) && !slices.ContainsFunc(r.Entry.Addresses, shows) && !slices.ContainsFunc(r.Entry.Aliases, shows)
	}
	return out
}

// defectCodes are the defects for which a letter is refused: those on which
// readers could disagree, and those beyond what we look into. The others are
// tolerated: unknown charsets and types, which hide nothing from the checks of
// files, and lines of more than 998 octets. RFC 5322 §2.1.1 forbids writing these,
// but 8-bit mail programs do, and asks of receivers to be robust; here they reach
// the recipient's mailbox as they are, for no other relay has to take them.
var defectCodes = map[message.DefectKind]policy.Code{
	message.BareCR:            policy.BareLineEnding,
	message.BareLF:            policy.BareLineEnding,
	message.NUL:               policy.NulOctet,
	message.Truncated:         policy.Truncated,
	message.TooDeep:           policy.TooDeep,
	message.TooManyParts:      policy.TooManyParts,
	message.HeaderTooLong:     policy.HeaderTooLong,
	message.MissingBoundary:   policy.Malformed,
	message.EmptyMultipart:    policy.Malformed,
	message.AmbiguousBoundary: policy.Malformed,
	message.MalformedHeader:   policy.Malformed,
	message.DuplicateField:    policy.Malformed,
	message.MalformedEncoding: policy.Malformed,
	message.UnknownEncoding:   policy.Malformed,
}

// defects are the violations of the mail's form, one of a code.
func defects(m *message.Message) []policy.Violation {
	var out []policy.Violation
	seen := map[policy.Code]bool{}
	for _, d := range m.Defects {
		code, refused := defectCodes[d.Kind]
		switch {
		case !refused:
		case code == policy.Malformed:
			out = append(out, policy.New(code, d.Kind.String()))
		case !seen[code]:
			seen[code] = true
			out = append(out, policy.New(code))
		}
	}
	return out
}

// ours are the fields that only the gateway writes.
var ours = append([]string{
	"X-Letter-Number", "X-Letter-State", "X-Letter-Receipt", "X-Letter-Evidence", "X-Letter-Evidence-SHA256", "X-Letter-Ack-Until",
}, letter.FieldHeaders()...)

// forged finds fields that pretend to come from us (RFC 8601 §5 for those of
// authentication).
func (in *Intake) forged(h message.Header) []policy.Violation {
	var out []policy.Violation
	for _, name := range ours {
		if h.Has(name) {
			out = append(out, policy.New(policy.ForgedHeader, name))
		}
	}
	for _, v := range h.Values("Authentication-Results") {
		// What the parser makes of it, and what a more tolerant reader would:
		// comments, quotes and whatever follows the name do not hide it.
		id, _, err := authres.Parse(v)
		if err == nil && strings.EqualFold(id, in.hostname) || strings.EqualFold(authority(v), in.hostname) {
			out = append(out, policy.New(policy.ForgedHeader, "Authentication-Results"))
		}
	}
	return out
}

// authority is the name of the server that a field with results of
// authentication begins with (RFC 8601 §2.2), without comments, quotes and the
// root's dot.
func authority(v string) string {
	var name strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(v):
			if i++; quoted {
				name.WriteByte(v[i])
			}
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
			name.WriteByte(c)
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case strings.IndexByte(" \t\r\n", c) >= 0 && name.Len() == 0: // not yet begun
		case strings.IndexByte(" \t\r\n;", c) >= 0:
			return strings.TrimSuffix(name.String(), ".")
		default:
			name.WriteByte(c)
		}
	}
	return strings.TrimSuffix(name.String(), ".")
}

// from checks that the letter says it is from an address of the account.
func from(h message.Header, owns func(string) bool) []policy.Violation {
	switch len(h.Values("From")) {
	case 0:
		return []policy.Violation{policy.New(policy.FromMissing)}
	case 1:
	default: // RFC 5322 §3.6: one
		return []policy.Violation{policy.New(policy.FromRepeated)}
	}
	list := h.Addresses("From")
	if len(list) == 0 {
		return []policy.Violation{policy.New(policy.FromMissing)}
	}
	var out []policy.Violation
	for _, a := range append(list, h.Addresses("Sender")...) {
		if !owns(a.String()) {
			out = append(out, policy.New(policy.FromNotOwned, a.String()))
		}
	}
	return out
}

// owned reports whether a certificate's party is the sender: by an address of
// the account, or by the number of the organisation or person in the registry.
func owned(p certs.Party, env Envelope, entry registry.Entry) bool {
	return slices.ContainsFunc(env.Who.Account.Addresses, p.HasEmail) ||
		entry.INN != "" && p.HasINN(entry.INN) || entry.OGRN != "" && p.HasOGRN(entry.OGRN)
}

// errNoParts says that the parser found no structure where there must be one.
var errNoParts = errors.New("message without parts")
