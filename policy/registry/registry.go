package registry

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Registry is an immutable snapshot of the recipient registry. All methods are
// safe for concurrent use. The slices of the entries it gives are shared and
// must not be changed. The zero Registry is empty.
type Registry struct {
	entries   []Entry // sorted by ID
	byID      map[string]int32
	byAddress map[string]int32 // addresses and aliases
	near      nearIndex
	hash      [32]byte
}

// New builds a registry from entries by the rules of Load: all or nothing, and
// the error is a *LoadError, with rows counted from 1.
func New(entries []Entry) (*Registry, error) {
	b := newBuilder(len(entries))
	for i, e := range entries {
		b.add(i+1, e.normal())
	}
	return b.build()
}

// Lookup finds the entry of an address or alias: whatever its case, and with
// the domain in its Unicode or its ASCII form. Entries that do not receive
// letters are found too; see Entry.StatusAt.
func (r *Registry) Lookup(address string) (Entry, bool) {
	i, ok := r.byAddress[Normalise(address)]
	if !ok {
		return Entry{}, false
	}
	return r.entries[i], true
}

// ByID finds the entry with the id.
func (r *Registry) ByID(id string) (Entry, bool) {
	i, ok := r.byID[id]
	if !ok {
		return Entry{}, false
	}
	return r.entries[i], true
}

// Hash is the SHA-256 of the canonical form: what WriteCSV writes.
func (r *Registry) Hash() [32]byte { return r.hash }

// Len is the number of entries.
func (r *Registry) Len() int { return len(r.entries) }

// All goes over the entries by ascending ID.
func (r *Registry) All() iter.Seq[Entry] { return slices.Values(r.entries) }

// LoadError is everything that is wrong with a table.
type LoadError struct {
	Rows []RowError
	More bool // there are more; reading stopped at 1,000
}

// RowError is one thing that is wrong with one row.
type RowError struct {
	Row    int    // line of the file, from 1; of New, the entry
	Column string // "" for the row as a whole
	Text   string
}

// Error gives "row 12: inn: ...".
func (e RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("row %d: %s", e.Row, e.Text)
	}
	return fmt.Sprintf("row %d: %s: %s", e.Row, e.Column, e.Text)
}

// Error gives a line for each fault.
func (e *LoadError) Error() string {
	var b strings.Builder
	b.WriteString("recipient registry:")
	for _, row := range e.Rows {
		b.WriteString("\n" + row.Error())
	}
	if e.More {
		b.WriteString("\nand more")
	}
	return b.String()
}

// maxFaults is where reading a bad table stops.
const maxFaults = 1000

// builder collects entries and what is wrong with them.
type builder struct {
	entries     []Entry
	ids         map[string]int // row
	addresses   map[string]int // row
	identifiers map[string]int // row, by kind, INN and KPP
	err         LoadError
}

func newBuilder(n int) *builder {
	return &builder{
		entries:     make([]Entry, 0, n),
		ids:         make(map[string]int, n),
		addresses:   make(map[string]int, n),
		identifiers: make(map[string]int, n),
	}
}

func (b *builder) fail(row int, column, text string) {
	if len(b.err.Rows) == maxFaults {
		b.err.More = true
		return
	}
	b.err.Rows = append(b.err.Rows, RowError{Row: row, Column: column, Text: text})
}

// add takes a normalised entry of a row.
func (b *builder) add(row int, e Entry) {
	for _, f := range e.faults() {
		b.fail(row, f.column, f.text)
	}
	b.unique(b.ids, row, "id", e.ID, e.ID)
	for _, a := range e.Addresses {
		b.unique(b.addresses, row, "addresses", a, a)
	}
	for _, a := range e.Aliases {
		b.unique(b.addresses, row, "aliases", a, a)
	}
	if e.INN != "" {
		// Branches share the INN and differ by the KPP; a person who is a
		// sole proprietor too has one INN in two kinds.
		b.unique(b.identifiers, row, "inn", string(e.Kind)+" "+e.INN+" "+e.KPP, strings.TrimSpace(e.INN+" "+e.KPP))
	}
	b.entries = append(b.entries, e)
}

func (b *builder) unique(seen map[string]int, row int, column, key, shown string) {
	if first, ok := seen[key]; ok {
		b.fail(row, column, fmt.Sprintf("%q is in row %d already", shown, first))
		return
	}
	seen[key] = row
}

// build makes the registry when nothing was wrong.
func (b *builder) build() (*Registry, error) {
	if len(b.err.Rows) > 0 {
		return nil, &b.err
	}
	slices.SortFunc(b.entries, func(x, y Entry) int { return strings.Compare(x.ID, y.ID) })
	r := &Registry{
		entries:   b.entries,
		byID:      make(map[string]int32, len(b.entries)),
		byAddress: make(map[string]int32, len(b.addresses)),
	}
	for i, e := range r.entries {
		r.byID[e.ID] = int32(i)
		for _, a := range e.Addresses {
			r.byAddress[a] = int32(i)
		}
		for _, a := range e.Aliases {
			r.byAddress[a] = int32(i)
		}
	}
	r.near = newNearIndex(r.entries)
	h := sha256.New()
	if err := r.WriteCSV(h); err != nil {
		return nil, fmt.Errorf("hash of registry: %w", err)
	}
	h.Sum(r.hash[:0])
	return r, nil
}
