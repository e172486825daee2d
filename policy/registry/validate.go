package registry

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of fields, in octets.
const (
	idMax      = 64
	nameMax    = 2000
	keywordMax = 64
)

// fault is what is wrong with one field.
type fault struct{ column, text string }

// faults are all things that are wrong with the entry by itself.
func (e *Entry) faults() []fault {
	var out []fault
	bad := func(column, format string, args ...any) {
		out = append(out, fault{column, fmt.Sprintf(format, args...)})
	}
	if !validID(e.ID) {
		bad("id", "%q: want up to %d Latin letters, digits and . _ : -", e.ID, idMax)
	}
	if e.Name == "" {
		bad("name", "is empty")
	}
	for _, f := range []fault{{"name", e.Name}, {"short_name", e.ShortName}} {
		if len(f.text) > nameMax || !printable(f.text) {
			bad(f.column, "is longer than %d octets or has control characters", nameMax)
		}
	}
	switch e.Status {
	case Active, Archived, Left:
	default:
		bad("status", "%q: want %s, %s or %s", e.Status, Active, Archived, Left)
	}
	if e.Keyword != "" && !validKeyword(e.Keyword) {
		bad("keyword", "%q: want up to %d Latin letters, digits and . _ -", e.Keyword, keywordMax)
	}
	if !e.ValidFrom.IsZero() && !e.ValidTo.IsZero() && !e.ValidFrom.Before(e.ValidTo) {
		bad("valid_to", "is before valid_from")
	}
	if len(e.Addresses) == 0 {
		bad("addresses", "is empty")
	}
	for _, a := range e.Addresses {
		if !validAddress(a) {
			bad("addresses", "%q is not an address", a)
		}
	}
	for _, a := range e.Aliases {
		if strings.Contains(a, "@") && !validAddress(a) || !validAlias(a) {
			bad("aliases", "%q is neither an address nor a word", a)
		}
	}
	return append(out, e.identifierFaults()...)
}

// identifierFaults judges the identifiers by the kind: organisations have an
// INN of 10 digits, a KPP and an OGRN; people an INN of 12; sole proprietors
// an OGRNIP too.
func (e *Entry) identifierFaults() []fault {
	var out []fault
	check := func(column, value string, valid func(string) bool, required bool, want string) {
		switch {
		case value == "" && required:
			out = append(out, fault{column, fmt.Sprintf("is empty: kind %s needs %s", e.Kind, want)})
		case value != "" && valid == nil:
			out = append(out, fault{column, fmt.Sprintf("%q: kind %s has none", value, e.Kind)})
		case value != "" && !valid(value):
			out = append(out, fault{column, fmt.Sprintf("%q is not %s with the right check digit", value, want)})
		}
	}
	const inn10, inn12 = "an INN of 10 digits", "an INN of 12 digits"
	switch e.Kind {
	case StateBody, Organisation:
		check("inn", e.INN, ValidINN10, true, inn10)
		check("ogrn", e.OGRN, ValidOGRN, true, "an OGRN of 13 digits")
		if e.KPP != "" && !ValidKPP(e.KPP) {
			out = append(out, fault{"kpp", fmt.Sprintf("%q is not a KPP of 9 characters", e.KPP)})
		}
	case Proprietor:
		check("inn", e.INN, ValidINN12, true, inn12)
		check("ogrn", e.OGRN, ValidOGRNIP, true, "an OGRNIP of 15 digits")
		check("kpp", e.KPP, nil, false, "")
	case Person:
		check("inn", e.INN, ValidINN12, false, inn12)
		check("ogrn", e.OGRN, nil, false, "")
		check("kpp", e.KPP, nil, false, "")
	default:
		out = append(out, fault{"kind", fmt.Sprintf("%q: want %s, %s, %s or %s", e.Kind, StateBody, Organisation, Proprietor, Person)})
	}
	return out
}

func validID(s string) bool { return len(s) <= idMax && validWord(s, "._:-") }

// validKeyword allows less than an IMAP atom does, so that every client shows
// the keyword.
func validKeyword(s string) bool { return len(s) <= keywordMax && validWord(s, "._-") }

func validWord(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(extra, c) >= 0) {
			return false
		}
	}
	return s != ""
}

func validAlias(s string) bool {
	return s != "" && len(s) <= addressMax && printable(s) && !strings.ContainsFunc(s, unicode.IsSpace)
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// normal puts the entry into the form in which it is kept.
func (e Entry) normal() Entry {
	e.Addresses = normaliseAll(e.Addresses)
	e.Aliases = normaliseAll(e.Aliases)
	if e.Status == "" {
		e.Status = Active
	}
	e.ValidFrom = e.ValidFrom.UTC().Truncate(0)
	e.ValidTo = e.ValidTo.UTC().Truncate(0)
	return e
}

func normaliseAll(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = Normalise(a)
	}
	return slices.Clip(out)
}
