package policy

import "strings"

// latin spells a letter of the Russian alphabet as passports do (ICAO Doc 9303
// part 3 §6 B), and the signs that stand beside it in names of documents, so
// that a reply in ASCII names a file in a way that its owner can read. The soft
// sign is left out, and combining marks, since й may come as и with a breve.
// Of anything else it knows nothing.
func latin(r rune) (string, bool) {
	switch {
	case r >= 'а' && r <= 'я':
		return small[r-'а'], true
	case r >= 'А' && r <= 'Я':
		s := small[r-'А']
		if s == "" {
			return "", true
		}
		return strings.ToUpper(s[:1]) + s[1:], true
	case r >= 0x300 && r <= 0x36f:
		return "", true
	}
	s, known := signs[r]
	return s, known
}

// small are the letters а to я.
var small = [...]string{
	"a", "b", "v", "g", "d", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o", "p",
	"r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "ie", "y", "", "e", "iu", "ia",
}

var signs = map[rune]string{
	'ё': "e", 'Ё': "E", '№': "No", '«': `"`, '»': `"`, '“': `"`, '”': `"`, '„': `"`, '’': "'",
	'–': "-", '—': "-", '…': "...", '\u00a0': " ", '\u202f': " ",
}
