package admin

import "context"

// Reload asks the gateway to read its configuration again.
type Reload struct{}

// Reloaded tells what came of it. Where anything is wrong nothing changes: then
// Faults has all of it, and the rest is empty.
type Reloaded struct {
	Faults []string `json:"faults,omitempty"`
	// Changed is in force now.
	Changed []Change `json:"changed"`
	// Restart is what the configuration says and the gateway cannot change
	// while it runs: the old value stays in force.
	Restart []Change `json:"restart"`
}

// Refused reports whether nothing was changed because of faults.
func (r Reloaded) Refused() bool { return len(r.Faults) > 0 }

// Change is one thing that the configuration, or a file that it names, now says
// differently. Values are empty where there is none, and never secret.
type Change struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
	// NewConnections says that connections that are open keep the old value.
	NewConnections bool `json:"new_connections,omitempty"`
}

func (s *Service) reload(context.Context, Reload) (Reloaded, error) {
	if s.o.Reload == nil {
		return Reloaded{}, ErrNotServing
	}
	return s.o.Reload(), nil
}
