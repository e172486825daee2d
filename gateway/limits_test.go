package gateway_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
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

// fresh is an installation that nothing runs on.
func fresh(t *testing.T) installation.Installation {
	t.Helper()
	made, err := installation.Create(t.Context(), filepath.Join(t.TempDir(), "gw"), gatewaytest.Plan(t))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// The counts and sizes of the configuration are in force over IMAP, each with
// its response.
// The smallest limit of mailboxes has room for those of a new account.
func TestFewestMailboxes(t *testing.T) {
	if want := len(auth.StandardMailboxes()) + 1; config.FewestMailboxes != want { // INBOX
		t.Errorf("%d, an account is made with %d", config.FewestMailboxes, want)
	}
}

func TestIMAPLimits(t *testing.T) {
	g := gatewaytest.Open(t, fresh(t), func(c *config.Config) {
		c.Limits.MessageSize, c.Limits.LoginAttempts = 100*policy.KiB, 2
		i := &c.IMAP
		i.CommandSize, i.LiteralSize = 9000, 500
		i.SequenceElements, i.SearchDepth, i.SearchKeys, i.FetchItems, i.Keywords = 3, 3, 4, 2, 2
		i.Mailboxes, i.MailboxKeywords = 12, 3
	})
	c := newClient(t, g, g.IMAPS)
	c.say("", lastTagged, "* OK")
	c.imap("LOGIN "+gatewaytest.Sender+" "+rightSecret, "a OK")
	for _, line := range [][2]string{
		{"SELECT INBOX", "a OK"},
		{"APPEND INBOX {102401}", "a NO [TOOBIG]"},
		{"CREATE {501}", "a NO [TOOBIG]"},
		{"APPEND INBOX (a b) {2+}\r\nxy", "a OK"}, {"APPEND INBOX (a b c) {2+}\r\nxy", "a NO [LIMIT]"},
		{"FETCH 1 (UID FLAGS)", "a OK"}, {"FETCH 1 (UID FLAGS MODSEQ)", "a NO [LIMIT]"},
		{"FETCH 1,1,1 UID", "a OK"}, {"FETCH 1,1,1,1 UID", "a NO [LIMIT]"},
		{"SEARCH NOT SEEN", "a OK"}, {"SEARCH NOT NOT NOT NOT NOT SEEN", "a NO [LIMIT]"},
		{"SEARCH SEEN SEEN SEEN", "a OK"}, {"SEARCH SEEN SEEN SEEN SEEN SEEN", "a NO [LIMIT]"},
		{"STORE 1 +FLAGS (c)", "a OK"}, {"STORE 1 +FLAGS (d)", "a NO [LIMIT]"},
		{"CREATE 1/2/3", "a OK"}, {"CREATE 4/5/6/7/8/9/10", "a NO [LIMIT]"},
		{"NOOP " + strings.Repeat("x", 9000), "* BYE [TOOBIG]"},
	} {
		c.imap(line[0], line[1])
	}
	c = newClient(t, g, g.IMAPS)
	c.say("", lastTagged, "* OK")
	c.imap("LOGIN "+gatewaytest.Sender+" "+wrongSecret, "a NO")
	c.imap("LOGIN "+gatewaytest.Sender+" "+wrongSecret, "a NO")
	c.say("", lastTagged, "* BYE too many failed logins")
}

// The times of [imap] end connections: of one that never logs in, and of one
// that stops within a command.
func TestIMAPTimes(t *testing.T) {
	soon := policy.Duration(300 * time.Millisecond)
	made := fresh(t)
	g := gatewaytest.Open(t, made, func(c *config.Config) { c.IMAP.LoginTimeout = soon })
	c := newClient(t, g, g.IMAPS)
	c.say("", lastTagged, "* OK")
	c.say("", lastTagged, "* BYE waited too long")
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.Open(t, made, func(c *config.Config) { c.IMAP.ReadTimeout = soon })
	c = newClient(t, g, g.IMAPS)
	c.say("", lastTagged, "* OK")
	c.say("a LOGIN", lastTagged, "* BYE waited too long")
}
