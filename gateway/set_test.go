package gateway_test

import (
	"path/filepath"
	"strings"
	"testing"

	"gosbridge/gateway"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/installation"
	"gosbridge/policy"
)

// installed is the configuration of a fresh installation.
func installed(t *testing.T, change func(*installation.Plan)) config.Config {
	t.Helper()
	plan := gatewaytest.Plan(t)
	change(&plan)
	made, err := installation.Create(t.Context(), filepath.Join(t.TempDir(), "gw"), plan)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(made.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A letter type that promises what the gateway cannot do is no configuration.
func TestPromisesThatCannotBeKept(t *testing.T) {
	for _, c := range []struct {
		change func(*policy.Profile)
		want   string
	}{
		{func(p *policy.Profile) { p.Timestamp = policy.Required }, `timestamp = "required"`},
		{func(p *policy.Profile) { p.Wrap = true }, "wrap = true"},
		{func(*policy.Profile) {}, ""},
	} {
		cfg := installed(t, func(p *installation.Plan) { c.change(&p.Profiles[0]) })
		switch err := gateway.Check(cfg); {
		case c.want == "" && err != nil:
			t.Errorf("shipped types: %v", err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("want %s: %v", c.want, err)
		}
	}
}
