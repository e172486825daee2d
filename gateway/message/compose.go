package message

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	lineWidth  = 76  // of what we write; RFC 5322 §2.1.1 recommends up to 78
	maxWordOut = 75  // RFC 2047 §2
	maxAtom    = 900 // longer runs without space cannot be folded within 998
	maxPlain   = 100 // longer parameters are split
)

// FormatText makes a whole unstructured field, folded and ended by CRLF; what
// is not ASCII becomes B-encoded words of UTF-8, several when it is long (RFC
// 2047 §5). Control characters in value become spaces.
func FormatText(name, value string) string {
	value = strings.TrimSpace(clean(value))
	if !isASCII(value) || strings.Contains(value, "=?") || longestRun(value) > maxAtom {
		return name + ": " + encodeWords(value, len(name)+2) + "\r\n"
	}
	f := folder{column: len(name) + 1}
	f.out.WriteString(name + ":")
	for word := range strings.SplitSeq(value, " ") {
		f.word(word)
	}
	return f.out.String() + "\r\n"
}

// folder writes words with spaces between, and line breaks before those that
// would not fit.
type folder struct {
	out    strings.Builder
	column int
}

func (f *folder) word(w string) {
	// An empty word stands for one of several spaces: it must not be all
	// there is on a line.
	if f.column+1+len(w) > lineWidth && w != "" && f.column > 1 {
		f.out.WriteString("\r\n")
		f.column = 0
	}
	f.out.WriteString(" " + w)
	f.column += 1 + len(w)
}

func longestRun(s string) int {
	longest := 0
	for _, w := range strings.Fields(s) {
		longest = max(longest, len(w))
	}
	return longest
}

// encodeWords makes encoded words of whole characters, a line each; column is
// where the first begins.
func encodeWords(text string, column int) string {
	const overhead = len("=?utf-8?B?") + len("?=")
	var out strings.Builder
	for text != "" {
		room := (min(maxWordOut, lineWidth-column) - overhead) / 4 * 3
		n := 0
		for n < len(text) {
			_, size := utf8.DecodeRuneInString(text[n:])
			if n+size > room && n > 0 {
				break
			}
			n += size
		}
		out.WriteString(encodeB(text[:n]))
		if text = text[n:]; text != "" {
			out.WriteString("\r\n ")
		}
		column = 1
	}
	return out.String()
}

// clean makes text fit for a header: valid UTF-8, one line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// phrase is text as a display name, in words that a space or a fold may part:
// as it is, quoted, or as encoded words of which the first begins at column.
func phrase(text string, column int) []string {
	text = strings.TrimSpace(clean(text))
	switch {
	case text == "":
		return nil
	case !isASCII(text) || strings.Contains(text, "=?") || longestRun(text) > maxAtom:
		return strings.Split(encodeWords(text, column), "\r\n ")
	case !isAtoms(text, " "):
		text = quote(text) // which may be folded as well (RFC 5322 §3.2.4)
	}
	return strings.Split(text, " ")
}

// isAtoms reports whether s is characters of atoms (RFC 5322 §3.2.3) and of
// extra only.
func isAtoms(s, extra string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isLetter(c) || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0 ||
			strings.IndexByte(extra, c) >= 0 || c >= utf8.RuneSelf {
			continue
		}
		return false
	}
	return s != ""
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// FormatAddresses makes a whole address field, folded and ended by CRLF. An
// empty list is shown as undisclosed. Groups are not written.
func FormatAddresses(name string, list []Address) string {
	f := folder{column: len(name) + 1}
	f.out.WriteString(name + ":")
	if len(list) == 0 {
		f.word("undisclosed-recipients:;")
	}
	for i, a := range list {
		// The first begins on the line of the field's name, and fits there: else
		// the name would stand alone.
		column := 1
		if i == 0 {
			column = f.column + 1
		}
		words := formatAddress(a, column)
		if i < len(list)-1 {
			words[len(words)-1] += ","
		}
		for _, w := range words {
			f.word(w)
		}
	}
	return f.out.String() + "\r\n"
}

// formatAddress is an address in words that a space or a fold may part. Its
// first begins at column.
func formatAddress(a Address, column int) []string {
	spec := clean(a.Mailbox)
	if !isAtoms(spec, ".") || strings.HasPrefix(spec, ".") || strings.HasSuffix(spec, ".") || strings.Contains(spec, "..") {
		spec = quote(spec)
	}
	if a.Host != "" {
		spec += "@" + strings.Map(func(r rune) rune {
			if strings.ContainsRune(" <>,;\"()", r) {
				return -1
			}
			return r
		}, clean(a.Host))
	}
	name := phrase(a.Name, column)
	if len(name) == 0 {
		return []string{spec}
	}
	return append(name, "<"+spec+">")
}

// FormatParams makes a whole field of a value with parameters (Content-Type,
// Content-Disposition), a line each, ended by CRLF; values that are not ASCII,
// or long, take the form of RFC 2231 §3 and §4. params alternates names and
// values.
func FormatParams(name, value string, params ...string) string {
	var out strings.Builder
	out.WriteString(name + ": " + value)
	for i := 0; i+1 < len(params); i += 2 {
		for _, piece := range formatParam(params[i], clean(params[i+1])) {
			out.WriteString(";\r\n " + piece)
		}
	}
	return out.String() + "\r\n"
}

func formatParam(name, value string) []string {
	if isASCII(value) && len(value) <= maxPlain && !strings.Contains(value, "=?") {
		if isToken(value) {
			return []string{name + "=" + value}
		}
		return []string{name + "=" + quote(value)}
	}
	const room = 54 // characters of value on a line
	var pieces []string
	piece := "utf-8''"
	for _, r := range value {
		coded := percentEncode(string(r))
		if len(piece)+len(coded) > room {
			pieces = append(pieces, piece)
			piece = ""
		}
		piece += coded
	}
	pieces = append(pieces, piece)
	if len(pieces) == 1 {
		return []string{name + "*=" + pieces[0]}
	}
	for i := range pieces {
		pieces[i] = name + "*" + strconv.Itoa(i) + "*=" + pieces[i]
	}
	return pieces
}

// percentEncode keeps the attribute characters of RFC 2231 §7.
func percentEncode(s string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if c := s[i]; isLetter(c) || '0' <= c && c <= '9' || strings.IndexByte("-._~!#$&+", c) >= 0 {
			out = append(out, c)
		} else {
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(out)
}

// AppendBase64 adds data to b in lines of 76 characters, each ended by CRLF (RFC
// 2045 §6.8).
func AppendBase64(b, data []byte) []byte {
	for len(data) > 0 {
		n := min(base64Line, len(data))
		b = base64.StdEncoding.AppendEncode(b, data[:n])
		b = append(b, "\r\n"...)
		data = data[n:]
	}
	return b
}

// base64Line is how many octets become a line of 76 characters.
const base64Line = 57

// Base64Size is how many octets AppendBase64 makes of n.
func Base64Size(n int) int {
	lines := (n + base64Line - 1) / base64Line
	return base64.StdEncoding.EncodedLen(n) + lines*len("\r\n")
}

// FormatDate is the date-time of RFC 5322 §3.3, in the zone of t.
func FormatDate(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700") }

// NewMessageID makes a Message-ID with its angle brackets, of at least 128
// random bits.
func NewMessageID(domain string) string {
	return "<" + strings.ToLower(rand.Text()) + "@" + domain + ">"
}

// NewBoundary makes a multipart boundary of at least 128 random bits. It holds
// "=_", which neither base64 nor quoted-printable can give.
func NewBoundary() string { return "=_" + rand.Text() }
