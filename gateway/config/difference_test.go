package config

import (
	"reflect"
	"testing"
	"time"

	"gosbridge/policy"
)

// Differences name each key that changed, with both values, and those that
// only one side has.
func TestDifferences(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   []Difference
	}{
		"none":     {func(*Config) {}, nil},
		"limit":    {func(c *Config) { c.Limits.Recipients = policy.AnyCount }, []Difference{{"limits.recipients", "1000", "unlimited"}}},
		"duration": {func(c *Config) { c.Limits.LoginDelay = policy.Duration(2 * time.Second) }, []Difference{{"limits.login_delay", "1s", "2s"}}},
		"profile": {func(c *Config) {
			for i := range c.Profiles {
				if c.Profiles[i].Type == "simple" {
					c.Profiles[i].Formats, c.Profiles[i].SubjectMax = nil, 7
				}
			}
		}, []Difference{{"profile.simple.formats", "[pdf, doc, docx, xls, xlsx, jpg, png]", "[]"}, {"profile.simple.subject_max", "150", "7"}}},
		"organisation": {func(c *Config) { c.Organisations = []Organisation{{Registry: "r", Key: "k", Certificate: "c"}} }, []Difference{
			{"organisation[0].certificate", "", "c"}, {"organisation[0].key", "", "k"}, {"organisation[0].registry", "", "r"},
		}},
		"suffix":    {func(c *Config) { c.Suffixes = policy.DefaultSuffixes(); delete(c.Suffixes, "reg") }, []Difference{{"suffixes.reg", "registered", ""}}},
		"master":    {func(c *Config) { c.MasterKey = MasterKey{Environment: "KEY", Command: []string{}} }, []Difference{{"master_key.environment", `""`, "KEY"}, {"master_key.file", "master.key", `""`}}},
		"listeners": {func(c *Config) { c.Listeners = c.Listeners[:1] }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			fresh := Default()
			test.change(&fresh)
			got, err := Differences(Default(), fresh)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}
