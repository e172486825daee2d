package mailstore

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of mailbox names.
const (
	maxNameOctets = 500
	MaxNameLevels = 16 // one within the other
)

// ErrName says that no mailbox can have the name.
var ErrName = errors.New("not a mailbox name")

// NormalName gives a name of a mailbox the form in which the store keeps it:
// NFC, as Net-Unicode has it (RFC 9051 §5.1, RFC 5198 §2), without a trailing
// delimiter, INBOX in this case. Names that could not be listed or that hide
// something are ErrName.
func NormalName(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSuffix(name, string(Delimiter)))
	if name == "" || len(name) > maxNameOctets || !utf8.ValidString(name) {
		return "", ErrName
	}
	levels := strings.Split(name, string(Delimiter))
	if len(levels) > MaxNameLevels {
		return "", ErrName
	}
	for _, level := range levels {
		if level == "" || level == "." || level == ".." {
			return "", ErrName
		}
	}
	if strings.ContainsFunc(name, badInName) {
		return "", ErrName
	}
	if strings.EqualFold(levels[0], "INBOX") {
		levels[0] = "INBOX"
	}
	return strings.Join(levels, string(Delimiter)), nil
}

// badInName reports what no name may hold: wildcards; controls, line and
// paragraph separators and code points that are not assigned (RFC 5198 §2, RFC
// 6855 §3); and format characters, which are not seen.
func badInName(r rune) bool {
	return r == '*' || r == '%' || r == utf8.RuneError ||
		unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Cn, unicode.Cf)
}
