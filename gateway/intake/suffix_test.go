package intake

import (
	"bytes"
	"strings"
	"testing"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// FuzzRestored: a restored field is one field, of the same name, whose
// addresses are those from before without suffixes.
func FuzzRestored(f *testing.F) {
	for _, v := range []string{
		"ivanov+reg@org.example", "И <ivanov+reg@org.example>", `"ivanov+reg"@org.example`, `"a, b" <"ivanov+reg"@org.example>`,
		"ivanov+reg @ org.example (c)", "g: ivanov+reg@org.example, x@y;", "=?utf-8?q?a=0D=0Ab?= <\"ivanov+reg\"@org.example>",
		"ivanov+reg@org.example\r\n ,ivanov+reg+reg@org.example", "<@route:ivanov+reg@org.example>",
	} {
		f.Add(v)
	}
	rules, err := policy.NewRules(policy.DefaultProfiles())
	if err != nil {
		f.Fatal(err)
	}
	suffixes, err := policy.NewSuffixes(rules, policy.DefaultSuffixes())
	if err != nil {
		f.Fatal(err)
	}
	b := &Book{Rules: rules, Suffixes: suffixes, Registry: new(registry.Registry)}
	who := auth.Identity{Account: mailstore.Account{Addresses: []string{"ivanov@org.example"}}}
	f.Fuzz(func(t *testing.T, value string) {
		p := message.NewParser(message.Limits{})
		_, _ = p.Write([]byte("From: " + value + "\r\n\r\n"))
		h := p.Close().Header
		if len(h) == 0 || !h[0].Is("From") {
			return
		}
		raw, ok := b.restored(h[0], who)
		if !ok {
			return
		}
		p = message.NewParser(message.Limits{})
		_, _ = p.Write(append(bytes.Clone(raw), "\r\n"...))
		after := p.Close().Header
		if len(after) != 1 || !after[0].Is("From") {
			t.Fatalf("%q became %q", h[0].Raw, raw)
		}
		was, is := h.Addresses("From"), after.Addresses("From")
		if len(h.Values("From")) > 1 || !allOwned(b, was, who) {
			return // refused anyway
		}
		if len(was) != len(is) {
			t.Fatalf("%q became %q: %v, then %v", h[0].Raw, raw, was, is)
		}
		for i, a := range was {
			n, _ := b.name(a.String(), who.Owns)
			if !strings.EqualFold(is[i].String(), n.address) {
				t.Fatalf("%q became %q: %s, want %s", h[0].Raw, raw, is[i], n.address)
			}
		}
	})
}

// allOwned reports whether the letter would pass with these addresses.
func allOwned(b *Book, list []message.Address, who auth.Identity) bool {
	for _, a := range list {
		if n, ok := b.name(a.String(), who.Owns); !ok || n.unknown() {
			return false
		}
	}
	return true
}
