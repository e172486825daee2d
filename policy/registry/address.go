package registry

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of an address (RFC 5321 §4.5.3.1), in octets.
const (
	localMax   = 64
	addressMax = 254
)

// Normalise gives the form under which addresses are kept and found: lower
// case, composed (NFC), the domain in Unicode without a dot at its end.
func Normalise(address string) string {
	address = strings.TrimSpace(address)
	if plain(address) {
		return strings.TrimSuffix(address, ".")
	}
	local, domain, ok := cutLast(address)
	local = lower(local)
	if !ok {
		return local
	}
	labels := strings.Split(strings.TrimSuffix(lower(domain), "."), ".")
	for i, label := range labels {
		if code, found := strings.CutPrefix(label, "xn--"); found {
			if u, ok := decodePunycode(code); ok && code != "" && code[len(code)-1] != '-' && lower(u) == u { // else no A-label
				labels[i] = u
			}
		}
	}
	return local + "@" + strings.Join(labels, ".")
}

// plain reports whether the address is in its form already, as nearly all are.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return !strings.Contains(s, "xn--")
}

func lower(s string) string { return norm.NFC.String(strings.ToLower(s)) }

// cutLast parts an address at its last @.
func cutLast(address string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return address, "", false
	}
	return address[:i], address[i+1:], true
}

// validAddress reports whether a normalised address has the form name@domain
// without quoting; RFC 6531 letters are allowed on both sides.
func validAddress(s string) bool {
	local, domain, ok := cutLast(s)
	if !ok || len(s) > addressMax || len(local) > localMax {
		return false
	}
	return validDots(local, func(r rune) bool {
		return strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) || letterOrDigit(r)
	}) && validDots(domain, func(r rune) bool { return r == '-' || letterOrDigit(r) })
}

// validDots reports whether s is words of allowed characters with single dots
// between them.
func validDots(s string, allowed func(rune) bool) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool { return !allowed(r) }) {
			return false
		}
	}
	return true
}

func letterOrDigit(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// decodePunycode decodes a label without its xn-- (RFC 3492 §6.2).
func decodePunycode(code string) (string, bool) {
	const base, tMin, tMax, skew, damp = 36, 1, 26, 38, 700
	n, i, bias := 128, 0, 72
	var out []rune
	if at := strings.LastIndexByte(code, '-'); at >= 0 {
		out, code = []rune(code[:at]), code[at+1:]
	}
	for len(code) > 0 {
		old, weight := i, 1
		for k := base; ; k += base {
			if len(code) == 0 {
				return "", false
			}
			digit, ok := punycodeDigit(code[0])
			code = code[1:]
			if !ok || digit > (math.MaxInt32-i)/weight {
				return "", false
			}
			i += digit * weight
			t := min(max(k-bias, tMin), tMax)
			if digit < t {
				break
			}
			if weight > math.MaxInt32/(base-t) {
				return "", false
			}
			weight *= base - t
		}
		size := len(out) + 1
		delta := i - old
		if old == 0 {
			delta /= damp
		} else {
			delta /= 2
		}
		delta += delta / size
		k := 0
		for ; delta > (base-tMin)*tMax/2; k += base {
			delta /= base - tMin
		}
		bias = k + (base-tMin+1)*delta/(delta+skew)
		n += i / size
		i %= size
		if n > unicode.MaxRune || !utf8.ValidRune(rune(n)) {
			return "", false
		}
		out = append(out, 0)
		copy(out[i+1:], out[i:])
		out[i] = rune(n)
		i++
	}
	return string(out), true
}

func punycodeDigit(c byte) (int, bool) {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a'), true
	case c >= '0' && c <= '9':
		return int(c-'0') + 26, true
	}
	return 0, false
}
