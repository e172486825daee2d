package message

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoderFor returns what turns text of a charset into UTF-8, and whether the
// charset is known. It never fails: invalid octets become U+FFFD. Text of an
// unknown or missing charset, and what calls itself ASCII or UTF-8, is read as
// UTF-8 with windows-1251 for octets that are none.
func decoderFor(charset string) (transform.Transformer, bool) {
	name := strings.ToLower(strings.TrimSpace(charset))
	switch name {
	case "", "us-ascii", "ascii", "utf-8", "utf8", "unicode-1-1-utf-8", "8bit", "x-unknown":
		return lenientUTF8{}, true
	case "utf-16", "utf16":
		// RFC 2781 §4.3 says big-endian without a mark; programs of today
		// write little-endian.
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder(), true
	}
	if enc := encodingNamed(name); enc != nil {
		return enc.NewDecoder(), true
	}
	return lenientUTF8{}, false
}

func encodingNamed(name string) encoding.Encoding {
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil {
		return enc // nil where the index knows the name only
	}
	return nil
}

// decodeCharset turns a short text into UTF-8.
func decodeCharset(text []byte, charset string) string {
	t, _ := decoderFor(charset)
	if _, lenient := t.(lenientUTF8); lenient && utf8.Valid(text) {
		return string(text)
	}
	out, _, err := transform.Bytes(t, text)
	if err != nil {
		return strings.ToValidUTF8(string(text), "\uFFFD")
	}
	return string(out)
}

// decodeRaw reads 8-bit octets of a header, whose charset nobody named: UTF-8
// (RFC 6532) or else, as old Russian programs wrote, windows-1251.
func decodeRaw(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	out, err := charmap.Windows1251.NewDecoder().String(text)
	if err != nil {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return out
}

// lenientUTF8 passes UTF-8 and takes each other octet as windows-1251.
type lenientUTF8 struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (lenientUTF8) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if n := wholeRunes(src[:min(len(src), len(dst))]); n > 0 && utf8.Valid(src[:n]) {
		nDst = copy(dst, src[:n])
		nSrc = n
	}
	for nSrc < len(src) {
		if n := asciiPrefix(src[nSrc:]); n > 0 {
			n = copy(dst[nDst:], src[nSrc:nSrc+n])
			nDst, nSrc = nDst+n, nSrc+n
			if n == 0 {
				return nDst, nSrc, transform.ErrShortDst
			}
			continue
		}
		r, size := utf8.DecodeRune(src[nSrc:])
		if r == utf8.RuneError && size == 1 {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			r = charmap.Windows1251.DecodeByte(src[nSrc])
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += size
	}
	return nDst, nSrc, nil
}

// wholeRunes is the length of b without a code point that is cut at its end.
func wholeRunes(b []byte) int {
	for n := len(b); n > 0 && n > len(b)-utf8.UTFMax; n-- {
		if utf8.RuneStart(b[n-1]) {
			if utf8.FullRune(b[n-1:]) {
				return len(b)
			}
			return n - 1
		}
	}
	return len(b)
}

func asciiPrefix(b []byte) int {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}
