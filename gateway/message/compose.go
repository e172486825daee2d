package message

import "time"

// FormatText makes a whole unstructured field, folded and ended by CRLF; what
// is not ASCII becomes B-encoded words of UTF-8 (RFC 2047 §5). Control
// characters in value become spaces.
func FormatText(name, value string) string { return "" }

// EncodeWord encodes text for a phrase: as it is, quoted, or as encoded words
// separated by CRLF and a space.
func EncodeWord(text string) string { return "" }

// FormatAddresses makes a whole address field, folded and ended by CRLF.
func FormatAddresses(name string, list []Address) string { return "" }

// FormatParams makes a whole field of a value with parameters (Content-Type,
// Content-Disposition), folded and ended by CRLF; values that are not ASCII or
// long take the form of RFC 2231. params alternates names and values.
func FormatParams(name, value string, params ...string) string { return "" }

// FormatDate is the date-time of RFC 5322 §3.3, in the zone of t.
func FormatDate(t time.Time) string { return "" }

// NewMessageID makes a Message-ID of 128 random bits with its angle brackets.
func NewMessageID(domain string) string { return "" }
