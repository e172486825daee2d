package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzReader calls the tokens in an order that the input chooses. Nothing may
// panic or hang, and no literal may exceed its limit.
func FuzzReader(f *testing.F) {
	f.Add("tag LIST (\"a\" {3}\r\nabc) 1:*\r\n", []byte{0, 1, 2, 3, 4})
	f.Add("{5+}\r\nabcde x\r\n\"\\\"", []byte{5, 6, 7, 8, 9, 10})
	f.Fuzz(func(t *testing.T, input string, ops []byte) {
		r, _ := reader(input)
		if len(ops) > 20 {
			r.UTF8()
		}
		for r.Next() == nil {
			for _, op := range ops[:min(len(ops), 20)] {
				if got := token(r, op); len(got) > testLimits.Command {
					t.Fatalf("token of %d octets", len(got))
				}
			}
			if r.Err() != nil && r.Skip() != nil {
				return
			}
		}
	})
}

func token(r *Reader, op byte) string {
	switch op % 16 {
	case 0:
		return r.Tag()
	case 1:
		r.SP()
	case 2:
		return r.Text()
	case 3:
		return r.Set().String()
	case 4:
		r.List(func() { r.Text() })
	case 5:
		return r.String()
	case 6:
		return string(r.Flag())
	case 7:
		r.DateTime()
	case 8:
		r.Date()
	case 9:
		return r.Mailbox()
	case 10:
		return r.Pattern()
	case 11:
		r.Number64()
	case 12:
		s, _ := r.NString()
		return s
	case 13:
		return r.Label()
	case 14:
		r.AheadLiteral("APPEND")
	case 15:
		r.Literal()
	}
	return ""
}

// FuzzMailbox: what decodes encodes back to the same name, and what was
// encoded decodes.
func FuzzMailbox(f *testing.F) {
	for _, s := range []string{"a&-b", "&BB8EOARBBEwEPAQ+-", "&", "&AGE-", "Почта", "&2D3eAA-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if decoded, valid := DecodeMailbox(s); valid {
			if again, valid := DecodeMailbox(EncodeMailbox(decoded)); !valid || again != decoded {
				t.Errorf("%q: %q, then %q", s, decoded, again)
			}
		}
		if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return
		}
		if decoded, valid := DecodeMailbox(EncodeMailbox(s)); !valid || decoded != s {
			t.Errorf("%q does not survive: %q", s, decoded)
		}
	})
}
