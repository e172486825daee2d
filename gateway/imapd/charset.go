package imapd

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"

	"gosbridge/gateway/searchtext"
)

// badCharset is the response code that lists what SEARCH takes (RFC 3501
// §7.1).
const badCharset = "BADCHARSET (US-ASCII UTF-8 KOI8-R WINDOWS-1251)"

// charsets decode search strings to UTF-8.
var charsets = map[string]func(string) (string, bool){
	"US-ASCII":     decodeASCII,
	"UTF-8":        func(s string) (string, bool) { return s, utf8.ValidString(s) },
	"KOI8-R":       decodeWith(charmap.KOI8R),
	"WINDOWS-1251": decodeWith(charmap.Windows1251),
}

func decodeASCII(s string) (string, bool) {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return "", false
		}
	}
	return s, true
}

func decodeWith(e encoding.Encoding) func(string) (string, bool) {
	return func(s string) (string, bool) {
		text, err := e.NewDecoder().String(s)
		return text, err == nil
	}
}

// needle reads a search string: as it is, and folded.
func (p *searchParser) needle() (text, folded string) {
	text, valid := p.decode(p.s.r.Text())
	if !valid {
		p.s.r.Fail("string in the charset of the search")
	}
	return text, searchtext.Fold(text)
}
