package gateway

import (
	"slices"
	"testing"

	"gosbridge/gateway/config"
)

// Listeners are found again whatever their order, and one that changed is the
// one that is most like it.
func TestMatchListeners(t *testing.T) {
	listener := func(p config.Protocol, address string, tls config.TLS, certificate string) config.Listener {
		return config.Listener{Protocol: p, Address: address, TLS: tls, Certificate: certificate}
	}
	smtps := listener(config.Submission, "a:465", config.ImplicitTLS, "x")
	smtp := listener(config.Submission, "a:587", config.StartTLS, "x")
	imaps := listener(config.IMAP, "a:993", config.ImplicitTLS, "x")
	renewed := listener(config.IMAP, "a:993", config.ImplicitTLS, "y")
	moved := listener(config.Submission, "a:1465", config.ImplicitTLS, "x")
	second := listener(config.Submission, "b:465", config.ImplicitTLS, "x")
	started := listener(config.IMAP, "a:993", config.StartTLS, "x")
	open := []config.Listener{smtps, smtp, imaps}
	for name, test := range map[string]struct {
		fresh []config.Listener
		want  []int
	}{
		"same":           {open, []int{0, 1, 2}},
		"other order":    {[]config.Listener{renewed, smtps, smtp}, []int{1, 2, 0}},
		"gone":           {[]config.Listener{smtps, imaps}, []int{0, -1, 1}},
		"added":          {[]config.Listener{second, smtps, smtp, imaps}, []int{1, 2, 3}},
		"moved":          {[]config.Listener{moved, smtp, imaps}, []int{0, 1, 2}},
		"moved, added":   {[]config.Listener{second, moved, smtp, imaps}, []int{0, 2, 3}},
		"other TLS":      {[]config.Listener{smtps, smtp, started}, []int{0, 1, 2}},
		"another for it": {[]config.Listener{smtps, smtp, second}, []int{0, 1, -1}},
		"none":           {nil, []int{-1, -1, -1}},
	} {
		if got := matchListeners(open, test.fresh); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
