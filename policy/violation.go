package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gosbridge/policy/registry"
)

// Bounds of the texts. A reply line has at most 512 octets (RFC 5321
// §4.5.3.1.5) with its code, the reason and CRLF.
const (
	maxValueEn = 96 // octets of one value
	maxValueRu = 96 // code points of one value
	maxTextEn  = 400
)

// New makes the violation of a code. The values fill the places of the texts
// in the order that the catalogue names: strings, numbers, Octets, registry
// kinds and lists of strings are each rendered for the language. Values come
// from outside: they are escaped and shortened here. An unknown code gives
// Internal, so that a mistake of ours never reads as a fault of the sender.
func New(code Code, values ...any) Violation {
	r, ok := code.Reason()
	if !ok {
		r, _ = Internal.Reason()
	}
	return Violation{
		Code:     r.Code,
		SMTP:     r.SMTP,
		Enhanced: r.Enhanced,
		En:       shortenASCII(fill(r, r.En, values, inEnglish), maxTextEn),
		Ru:       fill(r, r.Ru, values, inRussian),
	}
}

// language is how values are written in one.
type language struct {
	render func(any) string
	// Words for a value that is there and empty, by its name in the catalogue.
	noFile, noAddress, nothing string
}

var (
	inEnglish = language{english, "a file without a name", "the empty address <>", "(empty)"}
	inRussian = language{russian, "без имени", "<> (пустой)", "(пусто)"} // behind «файл» and «адрес»
)

// value is a value in words.
func (l language) value(name string, v any) string {
	text := l.render(v)
	given := text
	if s, ok := v.(string); ok {
		given = s // a tab is written as an escape
	}
	switch {
	case strings.TrimSpace(given) != "":
		return text
	case name == "file":
		return l.noFile
	case name == "address":
		return l.noAddress
	}
	return l.nothing
}

// fill puts the values into the places of the text. A missing value shows as a
// question mark.
func fill(r Reason, text string, values []any, in language) string {
	if len(r.Values) == 0 {
		return text
	}
	pairs := make([]string, 0, 2*len(r.Values))
	for i := range r.Values {
		v := "?"
		if i < len(values) {
			v = in.value(r.Values[i], values[i])
		}
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", v)
	}
	// One pass: a value that looks like a place is not filled again.
	return strings.NewReplacer(pairs...).Replace(text)
}

// english renders a value in printable ASCII.
func english(v any) string {
	switch v := v.(type) {
	case string:
		return ascii(v)
	case Octets:
		return size(v, []string{"B", "KiB", "MiB", "GiB"}, ".", unlimited)
	case registry.Kind:
		return kindNames[v].en
	case title:
		return ascii(v.en)
	case []string:
		return joinBounded(v, ascii)
	case int:
		return strconv.Itoa(v)
	default:
		return ascii(fmt.Sprint(v))
	}
}

// russian renders a value in Russian, without control characters.
func russian(v any) string {
	switch v := v.(type) {
	case string:
		return visible(v)
	case Octets:
		return size(v, []string{"Б", "КиБ", "МиБ", "ГиБ"}, ",", "без ограничения")
	case registry.Kind:
		return kindNames[v].ru
	case title:
		return visible(v.ru)
	case []string:
		return joinBounded(v, visible)
	case int:
		return strconv.Itoa(v)
	default:
		return visible(fmt.Sprint(v))
	}
}

var kindNames = map[registry.Kind]struct{ en, ru string }{
	registry.StateBody:    {"state body", "государственный орган"},
	registry.Organisation: {"organisation", "организация"},
	registry.Proprietor:   {"sole proprietor", "индивидуальный предприниматель"},
	registry.Person:       {"person", "физическое лицо"},
	"":                    {"unknown", "неизвестно"},
}

// joinBounded renders a list; what goes beyond sixteen values is left out.
func joinBounded(list []string, render func(string) string) string {
	parts := make([]string, 0, min(len(list), 16))
	for i, s := range list {
		if i == 16 {
			parts = append(parts, "...")
			break
		}
		parts = append(parts, render(s))
	}
	return strings.Join(parts, ", ")
}

// size renders octets for people: exact below 1 KiB, else with two decimals
// rounded up, so that what is above a limit never reads as equal to it.
func size(o Octets, units []string, point, none string) string {
	if o < 0 {
		return none
	}
	unit, n := Octets(1), 0
	for n < 3 && o >= unit<<10 {
		unit, n = unit<<10, n+1
	}
	whole, rest := o/unit, o%unit
	if n == 0 || rest == 0 {
		return strconv.FormatInt(int64(whole), 10) + " " + units[n]
	}
	hundredths := (rest*100 + unit - 1) / unit
	if hundredths == 100 {
		whole, hundredths = whole+1, 0
	}
	return fmt.Sprintf("%d%s%02d %s", whole, point, hundredths, units[n])
}

// ascii writes a value from outside in printable ASCII: Russian in Latin
// letters, everything else and the backslash as \uXXXX, bounded, with "..."
// where something was left out.
func ascii(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece, known := latin(r)
		switch {
		case known:
		case r >= ' ' && r < unicode.MaxASCII && r != '\\':
			piece = string(r)
		case r == utf8.RuneError && n == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case r > 0xffff:
			piece = fmt.Sprintf(`\U%08x`, r)
		default:
			piece = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(piece) > maxValueEn-3 && i+n < len(s) {
			return b.String() + "..."
		}
		b.WriteString(piece)
		i += n
	}
	return b.String()
}

// visible keeps what can be seen of a value from outside; control and format
// characters become U+FFFD, so that nothing turns or breaks the line.
func visible(s string) string {
	var b strings.Builder
	count := 0
	for _, r := range s {
		if count == maxValueRu {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) && r != ' ' {
			r = utf8.RuneError
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// shortenASCII cuts an ASCII text to at most n octets.
func shortenASCII(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n-3] + "..."
}
