package policy

import (
	"crypto/sha256"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Canonical is the profile as text, the same for the same rules: a line per
// key, sorted, lists that are sets sorted too. Keys at their zero value are
// left out, so that a later release that knows more keys gives the same text
// for old profiles. Evidence bundles carry it beside its digest.
func (p Profile) Canonical() []byte {
	v := reflect.ValueOf(p.normal())
	var lines []string
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("toml")
		if key == "-" || v.Field(i).IsZero() {
			continue
		}
		lines = append(lines, key+" = "+canonicalValue(v.Field(i))+"\n")
	}
	slices.Sort(lines)
	return []byte("gosbridge profile 1\ntype = " + canonicalText(p.Type) + "\n" + strings.Join(lines, ""))
}

// Digest is the SHA-256 of the canonical form.
func (p Profile) Digest() [32]byte { return sha256.Sum256(p.Canonical()) }

func canonicalValue(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if b, err := m.MarshalText(); err == nil {
			return canonicalText(string(b))
		}
	}
	switch v.Kind() {
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = canonicalValue(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.String:
		return canonicalText(v.String())
	}
	return fmt.Sprint(v.Interface())
}

func canonicalText(s string) string { return fmt.Sprintf("%q", s) }

// normal gives the profile with its sets sorted and without duplicates, and
// nothing shared with p.
func (p Profile) normal() Profile {
	p.Senders = set(p.Senders)
	p.Recipients = set(p.Recipients)
	p.Formats = set(p.Formats)
	p.RequiredMetadata = set(p.RequiredMetadata)
	p.Acknowledge = set(p.Acknowledge)
	p.ReminderDays = set(p.ReminderDays)
	p.Kinds = set(p.Kinds)
	p.RequiredField = set(p.RequiredField)
	p.Advise = set(p.Advise)
	return p
}

func set[S ~[]E, E interface{ ~string | ~int }](s S) S {
	if len(s) == 0 {
		return nil
	}
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}
