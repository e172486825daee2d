package registry

import (
	"fmt"
	"strings"
)

// Weights of the check digits of an INN: the last nine are those of INN-10,
// and each check digit of INN-12 uses as many from the right as there are
// digits before it.
var innWeights = [...]int{3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8}

// ValidINN reports whether s is an INN of 10 digits (organisations) or 12
// (people) with the right check digits. Zeros only satisfy the sum and are
// refused.
func ValidINN(s string) bool { return ValidINN10(s) || ValidINN12(s) }

// ValidINN10 reports whether s is the INN of an organisation.
func ValidINN10(s string) bool {
	return identifier(s, 10) && innDigit(s[:9]) == s[9]
}

// ValidINN12 reports whether s is the INN of a person or sole proprietor.
func ValidINN12(s string) bool {
	return identifier(s, 12) && innDigit(s[:10]) == s[10] && innDigit(s[:11]) == s[11]
}

// ValidOGRN reports whether s is the 13 digits of an organisation's OGRN, which
// begins with 1 or 5, with the right check digit.
func ValidOGRN(s string) bool {
	return identifier(s, 13) && (s[0] == '1' || s[0] == '5') && modDigit(s[:12], 11) == s[12]
}

// ValidOGRNIP reports whether s is the 15 digits of a sole proprietor's OGRNIP,
// which begins with 3, with the right check digit.
func ValidOGRNIP(s string) bool {
	return identifier(s, 15) && s[0] == '3' && modDigit(s[:14], 13) == s[14]
}

// ValidKPP reports whether s has the form of a KPP: four digits, two digits or
// capital Latin letters, three digits. It has no check digit.
func ValidKPP(s string) bool {
	if len(s) != 9 || s == "000000000" {
		return false
	}
	for i := range len(s) {
		digit := s[i] >= '0' && s[i] <= '9'
		letter := (i == 4 || i == 5) && s[i] >= 'A' && s[i] <= 'Z'
		if !digit && !letter {
			return false
		}
	}
	return true
}

// ValidSNILS reports whether s is the 11 digits of a SNILS with the right check
// number; blanks and hyphens between them are allowed.
func ValidSNILS(s string) bool {
	s = strings.NewReplacer(" ", "", "-", "").Replace(s)
	if !identifier(s, 11) {
		return false
	}
	sum := 0
	for i := range 9 {
		sum += int(s[i]-'0') * (9 - i)
	}
	return sum%101%100 == int(s[9]-'0')*10+int(s[10]-'0')
}

// MakeINN completes 9 digits to an INN-10, or 10 digits to an INN-12. It is for
// demonstrations and tests: the number may belong to somebody.
func MakeINN(prefix string) (string, error) {
	switch {
	case identifier(prefix, 9):
		return prefix + string(innDigit(prefix)), nil
	case identifier(prefix, 10):
		prefix += string(innDigit(prefix))
		return prefix + string(innDigit(prefix)), nil
	}
	return "", fmt.Errorf("make an INN of %q: want 9 or 10 digits, not all zero", prefix)
}

// MakeOGRN completes 12 digits that begin with 1 or 5 to an OGRN, or 14 digits
// that begin with 3 to an OGRNIP. It is for demonstrations and tests.
func MakeOGRN(prefix string) (string, error) {
	switch {
	case identifier(prefix, 12) && (prefix[0] == '1' || prefix[0] == '5'):
		return prefix + string(modDigit(prefix, 11)), nil
	case identifier(prefix, 14) && prefix[0] == '3':
		return prefix + string(modDigit(prefix, 13)), nil
	}
	return "", fmt.Errorf("make an OGRN of %q: want 12 digits from 1 or 5, or 14 from 3", prefix)
}

// identifier reports whether s is n ASCII digits that are not all zero.
func identifier(s string, n int) bool {
	if len(s) != n {
		return false
	}
	zeros := true
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		zeros = zeros && s[i] == '0'
	}
	return !zeros
}

// innDigit is the check digit that follows the digits.
func innDigit(digits string) byte {
	weights := innWeights[len(innWeights)-len(digits):]
	sum := 0
	for i := range len(digits) {
		sum += weights[i] * int(digits[i]-'0')
	}
	return byte('0' + sum%11%10)
}

// modDigit is the check digit of an OGRN: the number modulo m, modulo 10.
func modDigit(digits string, m int) byte {
	rest := 0
	for i := range len(digits) {
		rest = (rest*10 + int(digits[i]-'0')) % m
	}
	return byte('0' + rest%10)
}

// NormalPhone brings a phone number into the international form: + and 8 to 15
// digits (ITU-T E.164). Spaces, hyphens, dots and brackets are left out; eleven digits that
// begin with 7 or 8 are a Russian number.
func NormalPhone(s string) (string, bool) {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.()\u00a0", r) {
			return -1
		}
		return r
	}, s)
	digits, international := strings.CutPrefix(digits, "+")
	if strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	if !international {
		if len(digits) != 11 || digits[0] != '7' && digits[0] != '8' {
			return "", false
		}
		digits = "7" + digits[1:]
	}
	if len(digits) < 8 || len(digits) > 15 || digits[0] == '0' {
		return "", false
	}
	return "+" + digits, true
}
