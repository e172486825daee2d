// Package registry is the recipient registry: who exists, under which addresses,
// and whether letters reach them. A Registry is an immutable snapshot.
package registry

import "time"

// Kind is what a recipient is.
type Kind string

// The kinds.
const (
	StateBody    Kind = "body"
	Organisation Kind = "organisation"
	Proprietor   Kind = "proprietor"
	Person       Kind = "person"
)

// Status says whether an entry receives letters.
type Status string

// The statuses.
const (
	Active   Status = "active"
	Archived Status = "archived" // no longer exists
	Left     Status = "left"     // left the service
)

// Entry is one recipient of the registry. Immutable once loaded.
type Entry struct {
	ID        string // stable, chosen by whoever keeps the registry
	Kind      Kind
	Name      string // full name
	ShortName string
	INN       string
	KPP       string
	OGRN      string   // or OGRNIP
	Addresses []string // lower case; the first is the main one
	Aliases   []string
	Keyword   string // source keyword set on letters from here; "" for none
	Post      bool   // registered with the postal operator
	Status    Status
	ValidFrom time.Time // first moment; zero: without bound
	ValidTo   time.Time // first moment after; zero: without bound
}

// StatusAt is the status at a time: an entry before its first day or after its
// last is Archived. ValidFrom is the first moment, ValidTo the first one after
// the last.
func (e Entry) StatusAt(t time.Time) Status {
	if !e.ValidFrom.IsZero() && t.Before(e.ValidFrom) {
		return Archived
	}
	if !e.ValidTo.IsZero() && !t.Before(e.ValidTo) {
		return Archived
	}
	return e.Status
}

// Kinds are all the kinds.
func Kinds() []Kind { return []Kind{StateBody, Organisation, Proprietor, Person} }
