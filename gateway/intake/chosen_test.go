package intake_test

import (
	"strings"
	"testing"

	"gosbridge/gateway/letter"
)

// A letter's record says what chose its type.
func TestChosen(t *testing.T) {
	for want, test := range map[letter.Chosen]struct {
		account, from, to, line string
	}{
		letter.ByHeader:       {"simple", sender, first, "X-Letter-Type: free"},
		letter.BySender:       {"simple", suffixed(sender, "notify"), first, ""},
		letter.ByRecipient:    {"simple", sender, suffixed(first, "notify"), ""},
		letter.ByAccount:      {"simple", sender, first, ""},
		letter.ByDefault:      {"", sender, first, ""},
		letter.ByNotification: {"simple", sender, first, "Disposition-Notification-To: " + sender},
	} {
		r := newRig(t)
		r.who.Settings.Type = test.account
		var lines []string
		if test.line != "" {
			lines = append(lines, test.line)
		}
		env := r.envelope(test.to)
		env.From = test.from
		a, err := r.Accept(t.Context(), env, strings.NewReader(mail(lines...)))
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if got := r.record(a.Letter).Chosen; got != want {
			t.Errorf("chosen by %q, want %q", got, want)
		}
	}
}
