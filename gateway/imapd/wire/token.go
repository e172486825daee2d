package wire

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// String takes a quoted string or a literal. Octets above 127 are passed on;
// what they mean is the caller's to say.
func (r *Reader) String() string {
	switch r.Peek() {
	case '"':
		return r.quoted()
	case '{':
		return r.literal()
	}
	r.want("string")
	return ""
}

// Text takes an astring: atom, quoted string or literal.
func (r *Reader) Text() string {
	if c := r.Peek(); c == '"' || c == '{' {
		return r.String()
	}
	return string(r.word(classAstr, "string"))
}

// NString takes a string or NIL; ok is false for NIL.
func (r *Reader) NString() (s string, ok bool) {
	if c := r.Peek(); c == '"' || c == '{' {
		return r.String(), true
	}
	if !strings.EqualFold(r.Atom(), "NIL") {
		r.want("string or NIL")
	}
	return "", false
}

func (r *Reader) quoted() string {
	text := r.quotedOctets()
	if r.utf8 && !utf8.ValidString(text) {
		r.want("UTF-8 in quotes") // RFC 6855 §3
		return ""
	}
	return text
}

func (r *Reader) quotedOctets() string {
	r.Byte('"')
	start, escaped := r.pos, false
	for i := r.pos; i < len(r.line); i++ {
		switch r.line[i] {
		case '"':
			r.pos = i + 1
			if !escaped {
				return string(r.line[start:i])
			}
			return unescape(r.line[start:i])
		case '\\':
			escaped = true
			i++
			if i < len(r.line) && r.line[i] != '"' && r.line[i] != '\\' {
				r.want(`" or \ after \`)
				return ""
			}
		case 0, '\r':
			r.want("quoted text")
			return ""
		}
	}
	r.want("closing quote")
	return ""
}

func unescape(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' {
			i++
		}
		out = append(out, b[i])
	}
	return string(out)
}

// Mailbox takes a mailbox name: in UTF-8 where the client enabled that, else in
// modified UTF-7 (RFC 3501 §5.1.3) or what DecodeMailbox takes beside it.
func (r *Reader) Mailbox() string { return r.name(r.Text()) }

// Pattern takes the pattern of LIST, which may be an atom with wildcards.
func (r *Reader) Pattern() string {
	if c := r.Peek(); c == '"' || c == '{' {
		return r.name(r.String())
	}
	return r.name(string(r.word(classList, "pattern")))
}

func (r *Reader) name(raw string) string {
	decode, form := DecodeMailbox, "modified UTF-7"
	if r.utf8 {
		decode, form = RawMailbox, "UTF-8"
	}
	name, ok := decode(raw)
	if !ok {
		r.want("mailbox name in " + form)
	}
	return name
}

// Number takes a number of 32 bits.
func (r *Reader) Number() uint32 {
	n := r.Number64()
	if n > math.MaxUint32 {
		r.want("number below 2^32")
		return 0
	}
	return uint32(n)
}

// Number64 takes a number of 63 bits: mod-sequences and sizes (RFC 7162 §7).
func (r *Reader) Number64() uint64 {
	var n uint64
	for _, c := range r.word(classDigit, "number") {
		if n > (math.MaxInt64-uint64(c-'0'))/10 {
			r.want("number below 2^63")
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// Set takes a sequence set, of sequence numbers or of UIDs. 0 stands for "*".
// The ranges are as sent: unsorted, overlapping, in any direction. "$", the
// saved result of a search (RFC 5182 §2.5), is an empty set.
func (r *Reader) Set() imap.SeqSet {
	if r.Try('$') {
		return imap.SeqSet{}
	}
	var set imap.SeqSet
	for r.err == nil {
		if len(set) >= r.limits.Ranges {
			r.fail(ErrRanges)
			return nil
		}
		one := imap.SeqRange{Start: r.seqNumber()}
		one.Stop = one.Start
		if r.Try(':') {
			one.Stop = r.seqNumber()
		}
		set = append(set, one)
		if !r.Try(',') {
			break
		}
	}
	if r.err != nil {
		return nil
	}
	return set
}

func (r *Reader) seqNumber() uint32 {
	if r.Try('*') {
		return 0
	}
	n := r.Number()
	if n == 0 {
		r.want("message number")
	}
	return n
}

// Flag takes a flag or keyword.
func (r *Reader) Flag() imap.Flag {
	if r.Try('\\') {
		return imap.Flag("\\" + string(r.word(classAtom, "flag")))
	}
	return imap.Flag(r.word(classAtom, "flag"))
}

// Date takes the date of SEARCH: a day without time or zone.
func (r *Reader) Date() time.Time {
	text := r.Text()
	t, err := time.Parse("2-Jan-2006", text)
	if err != nil {
		r.want("date")
		return time.Time{}
	}
	return t
}

// DateTime takes the quoted date-time of APPEND (RFC 3501 §9).
func (r *Reader) DateTime() time.Time {
	text := r.quoted()
	t, err := time.Parse(dateTime, text)
	if err != nil {
		// The day is padded with a space: date-day-fixed.
		t, err = time.Parse("_2-Jan-2006 15:04:05 -0700", text)
	}
	if err != nil {
		r.want("date-time")
		return time.Time{}
	}
	return t
}

// dateTime is INTERNALDATE on the wire, without quotes.
const dateTime = "02-Jan-2006 15:04:05 -0700"
