package intake

import (
	"bytes"
	"net/mail"
	"slices"
	"strings"

	"gosbridge/certs/smime"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/policy"
)

// named is an address without the suffix that chooses a letter type.
type named struct {
	address string // canonical
	word    string // the suffix; "" without one
	choice  policy.Choice
}

// unknown reports whether the suffix is none that chooses a type.
func (n named) unknown() bool { return n.word != "" && n.choice.Type == "" }

// name parts an address into what is known and a suffix. An address that is
// known as it stands has none. Without ok it is not known either way.
func (b *Book) name(address string, known func(string) bool) (n named, ok bool) {
	if known(address) {
		return named{address: address}, true
	}
	at := strings.LastIndexByte(address, '@')
	plus := strings.LastIndexByte(address[:max(at, 0)], '+')
	if plus <= 0 || plus+1 == at {
		return named{address: address}, false
	}
	n = named{address: address[:plus] + address[at:], word: address[plus+1 : at]}
	n.choice, _ = b.Suffixes.Choice(n.word)
	return n, known(n.address)
}

// recipient is name for an address of the registry.
func (b *Book) recipient(address string) (named, bool) {
	return b.name(address, func(a string) bool {
		_, ok := b.Registry.Lookup(a)
		return ok
	})
}

// merge leaves one recipient of those that share an account, under the address
// without suffix. A recipient for whom two suffixes choose differently is a
// violation.
func (b *Book) merge(all []Recipient) (out []Recipient, found []policy.Violation) {
	for _, r := range all {
		if n, ok := b.recipient(r.Address); ok {
			r.Address = n.address
		}
		i := slices.IndexFunc(out, func(o Recipient) bool { return o.Account == r.Account })
		switch {
		case i < 0:
			out = append(out, r)
		case out[i].Choice == policy.Choice{}:
			out[i].Choice = r.Choice
		case r.Choice != policy.Choice{} && r.Choice != out[i].Choice:
			found = append(found, policy.New(policy.RecipientType, r.Address))
		}
	}
	return out, found
}

// identify reads the suffixes of the sender's own addresses: of MAIL FROM, and
// of From and Sender in the header. From then on the envelope has the address
// without. Two that choose differently are a violation, if nothing else decides
// the type.
func (s *submission) identify() {
	var choices []policy.Choice
	add := func(address string) (ok bool) {
		n, ok := s.book.name(address, s.env.Who.Owns)
		if ok && n.unknown() {
			s.found = append(s.found, policy.New(policy.TypeUnknown, n.word))
		} else if ok && n.word != "" && !slices.Contains(choices, n.choice) {
			choices = append(choices, n.choice)
		}
		return ok
	}
	add(s.env.From)
	if n, ok := s.book.name(s.env.From, s.env.Who.Owns); ok {
		s.env.From, _ = s.env.Who.Own(n.address)
	}
	s.found = append(s.found, from(s.msg.Header, add)...)
	if len(choices) > 0 {
		s.identity = choices[0]
	}
	if len(choices) > 1 && s.choice.letterType == "" {
		s.found = append(s.found, policy.New(policy.TypeConflict, choices[0].String(), choices[1].String()))
	}
}

// own are the fields in which a mail program names the identity that it sends
// as. A suffix left in one would choose the type of the answer.
var own = []string{"From", "Sender", "Reply-To", "Disposition-Notification-To", "Return-Receipt-To"}

// restore makes the header that goes out: as received, but the fields of own
// name the sender without a suffix. Under a signature of the client's own they
// stay as they are: mail programs may compare them with what was signed.
func (s *submission) restore() {
	s.header = s.msg.Header
	if root := s.msg.Root; root != nil {
		switch smime.KindOf(root.MediaType, root.Params) {
		case smime.Multipart, smime.Opaque, smime.Foreign:
			return
		}
	}
	for i, f := range s.msg.Header {
		if !slices.ContainsFunc(own, f.Is) {
			continue
		}
		if raw, ok := s.book.restored(f, s.env.Who); ok {
			if !s.restored {
				s.header, s.restored = slices.Clone(s.msg.Header), true
			}
			s.header[i].Raw = raw
		}
	}
}

// restored is a field with the account's own addresses without suffixes; ok is
// false when there were none. All else stays octet for octet, unless an address
// is written in so odd a way (quoted, with comments inside) that the field has
// to be written anew.
func (b *Book) restored(f message.Field, who auth.Identity) (raw []byte, ok bool) {
	raw = f.Raw
	list := message.ParseAddresses(f.Value())
	suffixed := func(a message.Address) (named, bool) {
		n, ok := b.name(a.String(), who.Owns)
		return n, ok && n.word != ""
	}
	for _, a := range list {
		if n, is := suffixed(a); is {
			raw, ok = bytes.ReplaceAll(raw, []byte(a.String()), []byte(n.address)), true
		}
	}
	if !ok {
		return nil, false
	}
	after := message.Field{Name: f.Name, Raw: raw}
	if !slices.ContainsFunc(message.ParseAddresses(after.Value()), func(a message.Address) bool {
		_, is := suffixed(a)
		return is
	}) {
		return raw, true
	}
	lines := make([]string, len(list))
	for i, a := range list {
		n, _ := b.name(a.String(), who.Owns)
		whole := mail.Address{Name: a.Name, Address: n.address}
		lines[i] = strings.ReplaceAll(whole.String(), "?= =?", "?=\r\n =?")
	}
	return []byte(f.Name + ": " + strings.Join(lines, ",\r\n ") + "\r\n"), true
}
