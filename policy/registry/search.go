package registry

import (
	"slices"
	"strings"
)

// Search gives up to limit entries, by ascending ID, that a text finds (0: no
// limit): by a part of the name or short name, whatever the case and with е for
// ё; by a part of an address or alias; by the beginning of an INN, KPP, OGRN or
// OGRNIP; or by the ID. Persons are found by the whole of an address, an
// identifier or the ID alone, so that nobody finds out who is in the registry
// by guessing. more says that there are others.
func (r *Registry) Search(text string, limit int) (found []Entry, more bool) {
	q := query{name: fold(text), address: Normalise(text), text: strings.TrimSpace(text)}
	if q.text == "" {
		return nil, false
	}
	for _, e := range r.entries {
		if !q.finds(e) {
			continue
		}
		if limit > 0 && len(found) == limit {
			return found, true
		}
		found = append(found, e)
	}
	return found, false
}

// query is a text in the forms in which it is compared.
type query struct {
	name, address, text string
}

func (q query) finds(e Entry) bool {
	if e.ID == q.text || slices.Contains(e.Addresses, q.address) || slices.Contains(e.Aliases, q.address) {
		return true
	}
	numbers := []string{e.INN, e.OGRN}
	if e.Kind == Person {
		return slices.Contains(numbers, q.text)
	}
	within := func(a string) bool { return strings.Contains(a, q.address) }
	return slices.ContainsFunc(append(numbers, e.KPP), func(n string) bool { return strings.HasPrefix(n, q.text) }) ||
		strings.Contains(fold(e.Name), q.name) || strings.Contains(fold(e.ShortName), q.name) ||
		slices.ContainsFunc(e.Addresses, within) || slices.ContainsFunc(e.Aliases, within)
}

// fold brings names into the form in which they are compared: small letters,
// composed, single spaces, е for ё and plain for typographic quotation marks.
func fold(name string) string {
	return foldings.Replace(strings.Join(strings.Fields(lower(name)), " "))
}

var foldings = strings.NewReplacer("ё", "е", "«", `"`, "»", `"`, "“", `"`, "”", `"`, "„", `"`)
