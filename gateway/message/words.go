package message

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// DecodeText decodes the encoded words (RFC 2047) of an unfolded value; raw
// 8-bit octets are taken as UTF-8 or else windows-1251. Words of one charset
// that stand side by side are joined before the charset is decoded, because
// many programs cut within a character, against RFC 2047 §5.
func DecodeText(value string) string {
	if !strings.Contains(value, "=?") {
		return decodeRaw(value)
	}
	var out strings.Builder
	var run wordRun
	for value != "" {
		start := strings.Index(value, "=?")
		if start < 0 {
			break
		}
		word, rest, ok := cutWord(value[start:])
		if !ok {
			run.flush(&out)
			out.WriteString(decodeRaw(value[:start+2]))
			value = value[start+2:]
			continue
		}
		// RFC 2047 §6.2: space between two encoded words is not shown.
		between := value[:start]
		if !run.open || strings.Trim(between, " \t\r\n") != "" {
			run.flush(&out)
			out.WriteString(decodeRaw(between))
		}
		run.add(&out, word)
		value = rest
	}
	run.flush(&out)
	out.WriteString(decodeRaw(value))
	return out.String()
}

// maxWord bounds the text of an encoded word, and so the search for its end.
const maxWord = 8192

// encodedWord is the octets of one encoded word and their charset.
type encodedWord struct {
	charset string
	octets  []byte
}

// cutWord reads the encoded word that s begins with.
func cutWord(s string) (word encodedWord, rest string, ok bool) {
	charset, tail, ok := strings.Cut(s[2:], "?")
	if !ok || charset == "" || len(charset) > 64 || strings.ContainsAny(charset, " \t=") {
		return word, s, false
	}
	encoding, tail, ok := strings.Cut(tail, "?")
	if !ok || len(encoding) != 1 {
		return word, s, false
	}
	// RFC 2047 §2 allows 75 characters; programs write whole subjects.
	end := strings.Index(tail[:min(len(tail), maxWord)], "?=")
	if end < 0 {
		return word, s, false
	}
	text, rest := tail[:end], tail[end+2:]
	charset, _, _ = strings.Cut(charset, "*") // RFC 2231 §5: language
	word.charset = strings.ToLower(charset)
	switch encoding {
	case "B", "b":
		word.octets = lenientBase64(text)
	case "Q", "q":
		word.octets = lenientQ(text)
	default:
		return word, s, false
	}
	return word, rest, true
}

// wordRun joins neighbouring encoded words of one charset.
type wordRun struct {
	open bool
	encodedWord
}

func (r *wordRun) add(out *strings.Builder, w encodedWord) {
	if r.open && (r.charset != w.charset || startsAnew(w.charset)) {
		r.flush(out)
	}
	r.open, r.charset = true, w.charset
	r.octets = append(r.octets, w.octets...)
}

// startsAnew reports whether each word of a charset begins with a byte order
// mark or in the initial state.
func startsAnew(charset string) bool {
	return strings.HasPrefix(charset, "utf-16") || strings.HasPrefix(charset, "iso-2022")
}

func (r *wordRun) flush(out *strings.Builder) {
	if r.open {
		out.WriteString(decodeCharset(r.octets, r.charset))
	}
	r.open, r.octets = false, nil
}

// lenientBase64 decodes what it can and passes over the rest.
func lenientBase64(s string) []byte {
	var out bytes.Buffer
	d := &base64Decoder{out: func(b []byte) { out.Write(b) }}
	d.write([]byte(s))
	d.close()
	return out.Bytes()
}

// lenientQ decodes the Q encoding (RFC 2047 §4.2).
func lenientQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// encodeB is one B-encoded word of UTF-8.
func encodeB(text string) string {
	return "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
}
