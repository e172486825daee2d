package wire

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// mutf7 is the base64 of modified UTF-7: "," instead of "/", no padding.
var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// EncodeMailbox writes a UTF-8 name in modified UTF-7 (RFC 3501 §5.1.3).
func EncodeMailbox(name string) string {
	if plainName(name) {
		return name
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		c := name[i]
		if c >= 0x20 && c < 0x7f {
			out.WriteByte(c)
			if c == '&' {
				out.WriteByte('-')
			}
			i++
			continue
		}
		var units []uint16
		for i < len(name) && (name[i] < 0x20 || name[i] >= 0x7f) {
			r, n := utf8.DecodeRuneInString(name[i:])
			units = utf16.AppendRune(units, r)
			i += n
		}
		raw := make([]byte, 0, 2*len(units))
		for _, u := range units {
			raw = append(raw, byte(u>>8), byte(u))
		}
		out.WriteByte('&')
		out.WriteString(mutf7.EncodeToString(raw))
		out.WriteByte('-')
	}
	return out.String()
}

func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= 0x7f || c == '&' {
			return false
		}
	}
	return true
}

// DecodeMailbox reads a name in modified UTF-7. Octets above 127 stand for
// themselves, in UTF-8, which go-imap sends to every server of IMAP4rev2; a
// name with them that is no modified UTF-7 is taken as it stands. ok is false
// when it is neither, or holds controls.
func DecodeMailbox(name string) (decoded string, ok bool) {
	raw, ok := RawMailbox(name)
	if !ok || !strings.Contains(name, "&") {
		return raw, ok
	}
	var out strings.Builder
	for shift, rest := false, name; ; {
		plain, after, shifted := strings.Cut(rest, "&")
		out.WriteString(plain)
		if !shifted {
			return out.String(), true
		}
		code, after, closed := strings.Cut(after, "-")
		switch {
		case closed && code == "":
			out.WriteByte('&')
			shift = false
		// A shift right behind another is superfluous (RFC 9051 §A.1): the
		// name has one form only.
		case !closed, shift && plain == "", !decodeShift(&out, code):
			return name, asciiEnd(name) < len(name)
		default:
			shift = true
		}
		rest = after
	}
}

// RawMailbox reads a name in UTF-8, where "&" is a letter like any other. ok is
// false when it is no UTF-8 or holds controls.
func RawMailbox(name string) (same string, ok bool) {
	for i := range len(name) {
		if name[i] < 0x20 || name[i] == 0x7f {
			return "", false
		}
	}
	return name, utf8.ValidString(name)
}

// asciiEnd is the index of the first octet above 127.
func asciiEnd(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return i
		}
	}
	return len(s)
}

// decodeShift writes what stands between "&" and "-".
func decodeShift(out *strings.Builder, code string) bool {
	raw, err := mutf7.DecodeString(code)
	if err != nil || len(raw)%2 != 0 {
		return false
	}
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) {
				return false
			}
			r = utf16.DecodeRune(r, rune(raw[i+2])<<8|rune(raw[i+3]))
			if r == utf8.RuneError {
				return false
			}
			i += 2
		}
		// Printable US-ASCII must stand for itself, or one mailbox has two
		// names; controls have no place in a name.
		if r <= 0x7f {
			return false
		}
		out.WriteRune(r)
	}
	return true
}
