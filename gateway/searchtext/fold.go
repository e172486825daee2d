package searchtext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold makes texts comparable: one form of letters with accents, lower case.
func Fold(s string) string { return strings.ToLower(norm.NFC.String(s)) }

// maxTail bounds text without a place where it may be cut: accents upon accents.
const maxTail = 4 << 10

// folder is Fold for text that comes in pieces, cut between code points.
type folder struct {
	tail []byte // what the next piece may still change
	room []byte
}

// add takes the next piece and returns what is decided, folded; valid until the
// next call.
func (f *folder) add(text []byte) []byte {
	if len(f.tail) > 0 {
		f.tail = append(f.tail, text...)
		text = f.tail
	}
	// An accent belongs to the letter before it, which may end a piece.
	n := norm.NFC.LastBoundary(text)
	if n < 0 {
		n = 0
	}
	if len(text)-n > maxTail {
		n = len(text)
	}
	f.room = appendFolded(f.room[:0], text[:n])
	f.tail = append(f.tail[:0], text[n:]...)
	return f.room
}

// close returns the rest.
func (f *folder) close() []byte {
	f.room = appendFolded(f.room[:0], f.tail)
	f.tail = f.tail[:0]
	return f.room
}

// appendFolded appends folded text to dst.
func appendFolded(dst, text []byte) []byte {
	if !isASCII(text) && !norm.NFC.IsNormal(text) {
		text = norm.NFC.Bytes(text)
	}
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
		i += n
	}
	return dst
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
