package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxDetails is how long details may be when encoded, in octets.
const MaxDetails = 16 << 10

// Details are the named values of an entry: number, counterpart, hash of the
// evidence, address of the client. A name is 1 to 32 of a-z, 0-9 and '-', the
// first a letter. They never hold message text.
//
// Encoded they are one JSON object in the canonical form of RFC 8785: no white
// space, names in ascending order, every value a string in which only '"', '\'
// and the control characters below U+0020 are escaped. What is not UTF-8 in a
// value is replaced by U+FFFD. A list of values is one string, a line each.
type Details map[string]string

// Encode returns the canonical form. ErrEntry for a wrong name or for more
// than MaxDetails octets.
func (d Details) Encode() ([]byte, error) {
	out := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(d)) {
		if !validName(name) {
			return nil, fmt.Errorf("detail name %q: %w", name, ErrEntry)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, name...)
		out = append(out, '"', ':')
		out = appendString(out, d[name])
	}
	out = append(out, '}')
	if len(out) > MaxDetails {
		return nil, fmt.Errorf("details of %d octets: %w", len(out), ErrEntry)
	}
	return out, nil
}

// ParseDetails reads the canonical form, and only that: ErrEntry otherwise.
func ParseDetails(data []byte) (Details, error) {
	if len(data) > MaxDetails {
		return nil, fmt.Errorf("details of %d octets: %w", len(data), ErrEntry)
	}
	var d Details
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("details: %w: %w", ErrEntry, err)
	}
	if again, err := d.Encode(); err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("details not in canonical form: %w", ErrEntry)
	}
	return d, nil
}

// validName is the form of kinds and names of details.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 32 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// appendString appends s as RFC 8785 §3.2.2.2 writes strings.
func appendString(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, '\\', 'b')
		case '\t':
			out = append(out, '\\', 't')
		case '\n':
			out = append(out, '\\', 'n')
		case '\f':
			out = append(out, '\\', 'f')
		case '\r':
			out = append(out, '\\', 'r')
		default:
			if c < 0x20 {
				out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				out = append(out, c)
			}
		}
	}
	return append(out, '"')
}
