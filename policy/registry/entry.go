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
	Status    Status
	ValidFrom time.Time // zero: without bound
	ValidTo   time.Time
}
