package config

import (
	"fmt"
	"slices"

	"gosbridge/policy"
)

// DefaultType is the letter type where neither letter nor account names one.
const DefaultType = "simple"

// Rules are the letter types of the configuration and the words that choose
// them in addresses.
func (c Config) Rules() (*policy.Rules, *policy.Suffixes, error) {
	rules, err := policy.NewRules(c.Profiles)
	if err != nil {
		return nil, nil, fmt.Errorf("letter types: %w", err)
	}
	suffixes, err := policy.NewSuffixes(rules, c.Suffixes)
	return rules, suffixes, err
}

// Signs reports whether the gateway has the key of a registry entry.
func (c Config) Signs(entry string) bool {
	return slices.ContainsFunc(c.Organisations, func(o Organisation) bool { return o.Registry == entry })
}
