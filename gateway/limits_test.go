package gateway_test

import (
	"log/slog"
	"testing"

	"gosbridge/gateway"
	"gosbridge/gateway/installation"
	"gosbridge/policy"
)

// A configuration whose limits are all missing, as far as they may be, is one
// that the gateway starts with.
func TestUnlimited(t *testing.T) {
	cfg := installed(t, func(*installation.Plan) {})
	l := &cfg.Limits
	l.MessageSize, l.Recipients = policy.AnySize, policy.AnyCount
	l.Connections, l.ConnectionsPerAddress, l.ConnectionsPerAccount = policy.AnyCount, policy.AnyCount, policy.AnyCount
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(t.Context(), cfg, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
