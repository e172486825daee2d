package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rules are the profiles in force. They are immutable and safe for concurrent
// use: a reload makes new Rules.
type Rules struct {
	profiles map[string]Profile
	digests  map[string][32]byte
	types    []string // sorted
	digest   [32]byte
}

// NewRules validates the profiles and computes their digests. The error joins
// everything that is wrong, each with profile and key.
func NewRules(profiles []Profile) (*Rules, error) {
	r := &Rules{
		profiles: make(map[string]Profile, len(profiles)),
		digests:  make(map[string][32]byte, len(profiles)),
	}
	var errs []error
	if len(profiles) == 0 {
		errs = append(errs, errors.New("no profiles: at least one letter type is needed"))
	}
	for _, p := range profiles {
		p = p.normal()
		if err := p.Validate(); err != nil {
			errs = append(errs, err)
			continue
		}
		if _, ok := r.profiles[p.Type]; ok {
			errs = append(errs, fmt.Errorf("profile %s: defined twice", p.Type))
			continue
		}
		r.profiles[p.Type] = p
		r.digests[p.Type] = p.Digest()
		r.types = append(r.types, p.Type)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.Sort(r.types)
	var all strings.Builder
	all.WriteString("gosbridge policy 1\n")
	for _, t := range r.types {
		fmt.Fprintf(&all, "%s %x\n", t, r.digests[t])
	}
	r.digest = sha256.Sum256([]byte(all.String()))
	return r, nil
}

// Profile gives the profile of a letter type. Its slices are shared and must
// not be changed.
func (r *Rules) Profile(letterType string) (Profile, bool) {
	p, ok := r.profiles[letterType]
	return p, ok
}

// Types are the names of all profiles, sorted.
func (r *Rules) Types() []string { return slices.Clone(r.types) }

// Digest is the SHA-256 over the digests of all profiles.
func (r *Rules) Digest() [32]byte { return r.digest }

// LargestSum is the most content that files may have in any type, in octets;
// AnySize when a type has no limit.
func (r *Rules) LargestSum() Octets {
	var largest Octets
	for _, p := range r.profiles {
		if p.SumMax < 0 {
			return AnySize
		}
		largest = max(largest, p.SumMax)
	}
	return largest
}

// MostRecipients is the largest number of recipients that any type allows.
func (r *Rules) MostRecipients() Count {
	var most Count
	for _, p := range r.profiles {
		if p.MaxRecipients < 0 {
			return AnyCount
		}
		most = max(most, p.MaxRecipients)
	}
	return most
}
