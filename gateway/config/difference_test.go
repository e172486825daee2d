package config

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
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

// Arguments of programs may hold a secret, whatever we ask for: neither the log
// nor a difference shows them, though it is seen that they differ.
func TestArgumentsNotShown(t *testing.T) {
	key := func(c *Config, command []string) { c.MasterKey = MasterKey{Command: command} }
	backup := func(c *Config, command []string) { c.Backup.Command = command }
	for name, set := range map[string]func(*Config, []string){"master_key.command": key, "backup.command": backup} {
		for _, tc := range []struct {
			old, fresh           []string
			oldShown, freshShown string
		}{
			{[]string{"/bin/get", "-p", "hunter2"}, []string{"/bin/get", "-p", "hunter3"}, "/bin/get with 2 arguments", "/bin/get with 2 arguments, others"},
			{[]string{"/bin/get"}, []string{"/bin/fetch", "hunter2"}, "/bin/get", "/bin/fetch with 1 argument"},
			{[]string{}, []string{"/bin/get", "hunter2", "x", "y"}, "[]", "/bin/get with 3 arguments"},
			{[]string{"/bin/get", "hunter2"}, []string{"/bin/get", "hunter2"}, "", ""},
		} {
			old, fresh := Default(), Default()
			set(&old, tc.old)
			set(&fresh, tc.fresh)
			var want []Difference
			if tc.oldShown != "" {
				want = []Difference{{name, tc.oldShown, tc.freshShown}}
			}
			if got, err := Differences(old, fresh); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %q, %v, want %q", name, got, err, want)
			}
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("configuration", "config", fresh)
			if shown := strings.TrimSuffix(tc.freshShown, ", others"); strings.Contains(b.String(), "hunter") || !strings.Contains(b.String(), shown) {
				t.Errorf("%s: no %q, or an argument, in the log:\n%s", name, shown, b.String())
			}
		}
	}
}
