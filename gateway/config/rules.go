package config

import (
	"fmt"

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
