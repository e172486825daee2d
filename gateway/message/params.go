package message

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// param is one parameter of a MIME field as received, quotes taken off.
type param struct{ name, value string }

// parseParams reads "value; name=value; ..." (RFC 2045 §5.1), passing over
// comments and what makes no sense.
func parseParams(field string) (value string, params []param) {
	s := skipSpace(field)
	end := strings.IndexAny(s, "; \t(")
	if end < 0 {
		end = len(s)
	}
	value, s = s[:end], s[end:]
	for {
		if s = skipSpace(s); s == "" {
			return value, params
		}
		if s[0] != ';' {
			i := strings.IndexByte(s, ';')
			if i < 0 {
				return value, params
			}
			s = s[i:]
		}
		s = skipSpace(s[1:])
		n := strings.IndexAny(s, "=;")
		if n < 0 {
			return value, params
		}
		if s[n] == ';' {
			s = s[n:]
			continue
		}
		p := param{name: strings.TrimRight(s[:n], " \t")}
		p.value, s = cutValue(skipSpace(s[n+1:]))
		if p.name != "" {
			params = append(params, p)
		}
	}
}

// cutValue reads a quoted string or a token. Unquoted values may hold spaces,
// which RFC 2045 forbids and mailers write.
func cutValue(s string) (value, rest string) {
	if s == "" || s[0] != '"' {
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		value, rest = s[:end], s[end:]
		if i := strings.Index(value, " ("); i >= 0 && strings.HasSuffix(strings.TrimRight(value, " \t"), ")") {
			value = value[:i] // a comment at the end
		}
		return strings.TrimRight(value, " \t"), rest
	}
	return cutQuoted(s)
}

// cutQuoted reads the quoted string that s begins with. A backslash is only
// taken off before a quote and a backslash: C:\dir is written by programs
// that do not know the rule, and the path must stay to be seen.
func cutQuoted(s string) (value, rest string) {
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return out.String(), s[i+1:]
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			out.WriteByte(s[i])
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), ""
}

// skipSpace passes over space and comments (RFC 5322 §3.2.2).
func skipSpace(s string) string {
	for s != "" {
		switch s[0] {
		case ' ', '\t', '\r', '\n':
			s = s[1:]
		case '(':
			s = s[commentEnd(s):]
		default:
			return s
		}
	}
	return s
}

// commentEnd returns the index after the comment that s begins with.
func commentEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// decodeParams joins the continuations of RFC 2231 §3 and decodes every value.
// Of two parameters of one name the first counts; the form with a charset
// (§4) goes before the plain one.
func decodeParams(params []param) map[string]string {
	if len(params) == 0 {
		return nil
	}
	out := make(map[string]string, len(params))
	var pieces map[string][]piece
	for _, p := range params {
		name := strings.ToLower(p.name)
		base, section, star := strings.Cut(name, "*")
		if !star {
			if _, ok := out[name]; !ok {
				out[name] = decodePlain(p.value)
			}
			continue
		}
		if pieces == nil {
			pieces = make(map[string][]piece)
		}
		pieces[base] = append(pieces[base], newPiece(section, p.value))
	}
	for base, list := range pieces {
		out[base] = joinPieces(list)
	}
	return out
}

// piece is one section of a parameter in RFC 2231 form.
type piece struct {
	number  int
	percent bool
	value   string
}

func newPiece(section, value string) piece {
	digits, percent := strings.CutSuffix(section, "*")
	p := piece{percent: percent || section == "", value: value}
	for _, c := range digits {
		if c < '0' || c > '9' || p.number > 9999 {
			p.number = 1 << 20 // no number: after all others
			break
		}
		p.number = p.number*10 + int(c-'0')
	}
	return p
}

func joinPieces(list []piece) string {
	sort.SliceStable(list, func(i, j int) bool { return list[i].number < list[j].number })
	charset := ""
	var octets []byte
	for i, p := range list {
		if i > 0 && p.number == list[i-1].number {
			continue // said twice
		}
		value := p.value
		if i == 0 && p.percent {
			if parts := strings.SplitN(value, "'", 3); len(parts) == 3 {
				charset, value = parts[0], parts[2]
			}
		}
		if p.percent {
			octets = append(octets, percentDecode(value)...)
		} else {
			octets = append(octets, value...)
		}
	}
	if charset == "" {
		return decodePlain(string(octets))
	}
	return decodeCharset(octets, charset)
}

// joinParams joins values that came in pieces (RFC 2231 §3), as BODYSTRUCTURE
// shall have them (RFC 2231 §6, RFC 9051 §7.5.2). One with a charset stays in the
// form of RFC 2231 §4, which clients know, as "name*". Pieces that do not make a
// whole stand as they were received.
func joinParams(params []param) []param {
	pieces := make(map[string][]int) // by name: where each stands
	whole := make(map[string]bool)   // names that stand in one piece
	for i, p := range params {
		base, number := pieceOf(p.name)
		if number < 0 {
			whole[base] = true
			continue
		}
		for len(pieces[base]) <= number {
			pieces[base] = append(pieces[base], -1)
		}
		if pieces[base][number] < 0 {
			pieces[base][number] = i
		}
	}
	if len(pieces) == 0 {
		return params
	}
	made := make(map[int]param) // what stands for the first piece
	for base, at := range pieces {
		p, ok := joinPiecesAt(params, at)
		if !ok || whole[base] {
			delete(pieces, base)
			continue
		}
		made[at[0]] = p
	}
	joined := make([]param, 0, len(params))
	for i, p := range params {
		base, number := pieceOf(p.name)
		if all, first := made[i]; first {
			joined = append(joined, all)
		} else if number < 0 || pieces[base] == nil {
			joined = append(joined, p)
		}
	}
	return joined
}

// pieceOf reads "name*3" and "name*3*", of a hundred pieces at most; number is
// -1 for other names.
func pieceOf(name string) (base string, number int) {
	base, section, star := strings.Cut(strings.ToLower(name), "*")
	section = strings.TrimSuffix(section, "*")
	if !star || section == "" || len(section) > 2 || len(section) == 2 && section[0] == '0' {
		return base, -1
	}
	for i := range len(section) {
		if section[i] < '0' || section[i] > '9' {
			return base, -1
		}
		number = 10*number + int(section[i]-'0')
	}
	return base, number
}

// joinPiecesAt joins the pieces that stand at these indexes, if none is missing.
func joinPiecesAt(params []param, at []int) (param, bool) {
	percent := false
	for _, i := range at {
		if i < 0 {
			return param{}, false
		}
		percent = percent || strings.HasSuffix(params[i].name, "*")
	}
	first := params[at[0]]
	name, _, _ := strings.Cut(first.name, "*")
	var value strings.Builder
	for _, i := range at {
		if percent && !strings.HasSuffix(params[i].name, "*") {
			value.WriteString(percentEncode(params[i].value))
		} else {
			value.WriteString(params[i].value)
		}
	}
	if !percent {
		return param{name, value.String()}, true
	}
	// The charset stands in the first piece (RFC 2231 §4.1).
	return param{name + "*", value.String()}, strings.HasSuffix(first.name, "*") && strings.Count(first.value, "'") >= 2
}

// decodePlain reads a value whose form does not say how it is encoded: encoded
// words in quotes (forbidden by RFC 2047 §5, common), percent (browsers), raw
// octets.
func decodePlain(value string) string {
	if strings.Contains(value, "=?") {
		return DecodeText(value)
	}
	if strings.IndexByte(value, '%') >= 0 {
		plain := percentDecode(value)
		if utf8.Valid(plain) && asciiPrefix(plain) < len(plain) && asciiPrefix([]byte(value)) == len(value) {
			return string(plain)
		}
	}
	return decodeRaw(value)
}

func percentDecode(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}
