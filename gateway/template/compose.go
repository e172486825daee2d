package template

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// order is how the shipped types stand in the mailbox; others follow by name.
var order = []string{"simple", "notify", "registered", "registered-ezp", "appeal", "post", "notice"}

// draft is one template.
type draft struct {
	choice   policy.Choice
	profile  policy.Profile
	language string
	signs    bool // the gateway, what the sender has not signed
	from     message.Address
	usual    bool // the account's letters have the type anyway
	suffixed bool // from has the suffix that chooses the type
}

// drafts are the templates that an account gets: of every type that it may
// send and that does not come about by itself, as an answer does; of appeals,
// one of each kind.
func (p *Provider) drafts(a mailstore.Account, set auth.Settings) (list []draft) {
	book := p.o.Book()
	types := book.Rules.Types()
	rank := func(t string) int {
		if i := slices.Index(order, t); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(types, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	signs := set.Sign == auth.SignGateway && book.Signs != nil && book.Signs(set.Registry)
	entry, known := book.Registry.ByID(set.Registry)
	for _, t := range types {
		profile, _ := book.Rules.Profile(t)
		if profile.Scope == policy.ScopeCorrespondent ||
			len(profile.Senders) > 0 && !(known && slices.Contains(profile.Senders, entry.Kind)) {
			continue
		}
		kinds := profile.Kinds
		if len(kinds) == 0 {
			kinds = []string{""}
		}
		for _, kind := range kinds {
			d := draft{choice: policy.Choice{Type: t, Kind: kind}, profile: profile, language: set.Language, signs: signs}
			d.usual = d.choice == policy.Choice{Type: cmp.Or(set.Type, p.o.Default)}
			d.from = message.Address{Name: a.Name}
			d.from.Mailbox, d.from.Host, _ = strings.Cut(a.Addresses[0], "@")
			// What the account sends anyway needs no suffix.
			if word, ok := book.Suffixes.Word(d.choice); ok && !d.usual {
				d.from.Mailbox, d.suffixed = d.from.Mailbox+"+"+word, true
			}
			list = append(list, d)
		}
	}
	return list
}

// compose writes the message, with CRLF line ends and 7-bit. It has no
// recipient: whom a letter is for is the first thing to write. Type and kind
// stand in its header, for mail programs that take it over, and in From for
// those that take that over; X-Unsent opens the message in a window for
// writing where it is saved as a file.
func (d draft) compose(at time.Time) []byte {
	var b bytes.Buffer
	b.WriteString("Date: " + message.FormatDate(at) + "\r\n")
	b.WriteString(message.FormatAddresses("From", []message.Address{d.from}))
	b.WriteString(message.FormatText("Subject", d.title()))
	b.WriteString("Message-ID: " + message.NewMessageID(d.from.Host) + "\r\n")
	b.WriteString(message.FormatText("X-Letter-Type", d.choice.Type))
	if d.choice.Kind != "" {
		b.WriteString(message.FormatText("X-Letter-Kind", d.choice.Kind))
	}
	b.WriteString("X-Unsent: 1\r\nMIME-Version: 1.0\r\n")
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	b.Write(message.AppendBase64(nil, []byte(strings.ReplaceAll(d.text(), "\n", "\r\n"))))
	return b.Bytes()
}
