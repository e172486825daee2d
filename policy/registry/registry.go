package registry

import (
	"io"
	"iter"
)

// Registry is an immutable snapshot of the recipient registry. All methods are
// safe for concurrent use. The slices of the entries it gives are shared and
// must not be changed.
type Registry struct {
	entries []Entry // sorted by ID
}

// Load reads a CSV table, all or nothing: the error is a *LoadError that names
// every bad row, or that of the reader.
func Load(r io.Reader) (*Registry, error) { return nil, nil }

// New builds a registry from entries by the rules of Load; rows are counted
// from 1.
func New(entries []Entry) (*Registry, error) { return nil, nil }

// Lookup finds the entry of an address or alias: whatever its case, and with
// the domain in its Unicode or its ASCII form. Entries that do not receive
// letters are found too; see Entry.StatusAt.
func (r *Registry) Lookup(address string) (Entry, bool) { return Entry{}, false }

// ByID finds the entry with the id.
func (r *Registry) ByID(id string) (Entry, bool) { return Entry{}, false }

// Suggest gives up to three main addresses that are near the address, nearest
// first. Persons are never suggested, nor who does not receive letters.
func (r *Registry) Suggest(address string) []string { return nil }

// Hash is the SHA-256 of the canonical form: what WriteCSV writes.
func (r *Registry) Hash() [32]byte { return [32]byte{} }

// Len is the number of entries.
func (r *Registry) Len() int { return len(r.entries) }

// All goes over the entries by ascending ID.
func (r *Registry) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range r.entries {
			if !yield(e) {
				return
			}
		}
	}
}

// WriteCSV writes the canonical form, which Load reads back: all columns, by
// ascending ID, with commas, LF and no BOM.
func (r *Registry) WriteCSV(w io.Writer) error { return nil }
