package admin

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"gosbridge/policy/registry"
)

// Entry is an entry of the recipient registry as the commands show it.
type Entry struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	Name      string   `json:"name"`
	INN       string   `json:"inn,omitempty"`
	KPP       string   `json:"kpp,omitempty"`
	OGRN      string   `json:"ogrn,omitempty"`
	Addresses []string `json:"addresses"`
	Aliases   []string `json:"aliases,omitempty"`
	Status    string   `json:"status"`
}

// RegistryShow asks for the entry with an id or address; "" for all.
type RegistryShow struct {
	Entry string `json:"entry,omitempty"`
}

// RegistryShown is the registry in force.
type RegistryShown struct {
	SHA256  string  `json:"sha256"` // of the snapshot, as in evidence
	Entries []Entry `json:"entries"`
}

// RegistryList asks for all entries, or those of a kind or status.
type RegistryList struct {
	Kind   string `json:"kind,omitempty"`
	Status string `json:"status,omitempty"`
}

// RegistrySearch asks for the entries that a text finds; see
// registry.Registry.Search.
type RegistrySearch struct {
	Text  string `json:"text"`
	Limit int    `json:"limit,omitempty"` // 0 for all
}

// RegistryFound are the entries found.
type RegistryFound struct {
	RegistryShown
	More bool `json:"more"` // there are others, beyond the limit
}

// RegistryImport replaces the registry by a CSV table, all or nothing.
type RegistryImport struct {
	CSV []byte `json:"csv"`
	// DryRun checks and counts only.
	DryRun bool `json:"dry_run,omitempty"`
}

// RegistryImported tells what an import changed.
type RegistryImported struct {
	Entries int    `json:"entries"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	SHA256  string `json:"sha256"`
}

func (s *Service) registryShow(_ context.Context, in RegistryShow) (RegistryShown, error) {
	reg := s.o.Registry()
	out := RegistryShown{SHA256: fmt.Sprintf("%x", reg.Hash()), Entries: []Entry{}}
	if in.Entry != "" {
		e, ok := reg.ByID(in.Entry)
		if !ok {
			e, ok = reg.Lookup(in.Entry)
		}
		if !ok {
			return out, fmt.Errorf("%w: the registry has no entry %q", ErrNotFound, in.Entry)
		}
		out.Entries = append(out.Entries, entry(e))
		return out, nil
	}
	for e := range reg.All() {
		out.Entries = append(out.Entries, entry(e))
	}
	return out, nil
}

func (s *Service) registryList(_ context.Context, in RegistryList) (RegistryShown, error) {
	reg := s.o.Registry()
	out := RegistryShown{SHA256: fmt.Sprintf("%x", reg.Hash()), Entries: []Entry{}}
	if in.Kind != "" && !slices.Contains(registry.Kinds(), registry.Kind(in.Kind)) {
		return out, fmt.Errorf("%w: kind %q is none of %v", ErrInvalid, in.Kind, registry.Kinds())
	}
	statuses := []registry.Status{registry.Active, registry.Archived, registry.Left}
	if in.Status != "" && !slices.Contains(statuses, registry.Status(in.Status)) {
		return out, fmt.Errorf("%w: status %q is none of %v", ErrInvalid, in.Status, statuses)
	}
	for e := range reg.All() {
		if (in.Kind == "" || in.Kind == string(e.Kind)) && (in.Status == "" || in.Status == string(e.Status)) {
			out.Entries = append(out.Entries, entry(e))
		}
	}
	return out, nil
}

func (s *Service) registrySearch(_ context.Context, in RegistrySearch) (RegistryFound, error) {
	reg := s.o.Registry()
	if in.Limit < 0 {
		return RegistryFound{}, fmt.Errorf("%w: limit %d is below zero", ErrInvalid, in.Limit)
	}
	found, more := reg.Search(in.Text, in.Limit)
	out := RegistryFound{RegistryShown: RegistryShown{SHA256: fmt.Sprintf("%x", reg.Hash()), Entries: []Entry{}}, More: more}
	for _, e := range found {
		out.Entries = append(out.Entries, entry(e))
	}
	return out, nil
}

func entry(e registry.Entry) Entry {
	return Entry{
		ID: e.ID, Kind: string(e.Kind), Name: e.Name, INN: e.INN, KPP: e.KPP, OGRN: e.OGRN,
		Addresses: e.Addresses, Aliases: e.Aliases, Status: string(e.Status),
	}
}

func (s *Service) registryImport(ctx context.Context, in RegistryImport) (RegistryImported, error) {
	fresh, err := registry.Load(bytes.NewReader(in.CSV))
	if err != nil {
		return RegistryImported{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if s.o.Check != nil {
		if err := s.o.Check(fresh); err != nil {
			return RegistryImported{}, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	old := s.o.Registry()
	out := RegistryImported{Entries: fresh.Len(), SHA256: fmt.Sprintf("%x", fresh.Hash())}
	for e := range fresh.All() {
		if _, ok := old.ByID(e.ID); !ok {
			out.Added++
		}
	}
	for e := range old.All() {
		if _, ok := fresh.ByID(e.ID); !ok {
			out.Removed++
		}
	}
	if in.DryRun {
		return out, nil
	}
	return out, s.o.Import(ctx, in.CSV)
}
