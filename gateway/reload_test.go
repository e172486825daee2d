package gateway_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/certs"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/installation"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// rewrite changes the configuration file of a gateway.
func rewrite(t *testing.T, g *gatewaytest.Gateway, change func(*config.Config)) {
	t.Helper()
	rewriteOf(t, g.Installed, change)
}

// rewriteOf changes that of an installation.
func rewriteOf(t *testing.T, made installation.Installation, change func(*config.Config)) {
	t.Helper()
	cfg, err := config.Load(made.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	change(&cfg)
	text, err := cfg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(made.ConfigFile(), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// profile changes one letter type of a configuration.
func profile(c *config.Config, name string, change func(*policy.Profile)) {
	for i := range c.Profiles {
		if c.Profiles[i].Type == name {
			change(&c.Profiles[i])
		}
	}
}

// reload asks for a reload as the command does.
func reload(t *testing.T, g *gatewaytest.Gateway) admin.Reloaded {
	t.Helper()
	var out admin.Reloaded
	if err := g.Admin().Call(t.Context(), admin.OpReload, admin.Reload{}, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// changed are the keys of changes.
func changed(list []admin.Change) (keys []string) {
	for _, c := range list {
		keys = append(keys, c.Key)
	}
	return keys
}

// same compares lists of keys.
func same(t *testing.T, what string, got []admin.Change, want ...string) {
	t.Helper()
	if keys := changed(got); !slices.Equal(keys, want) {
		t.Errorf("%s: %q, want %q", what, keys, want)
	}
}

// served is the certificate that a listener shows to a new connection.
func served(t *testing.T, g *gatewaytest.Gateway, address string) string {
	t.Helper()
	c, err := tls.Dial("tcp", address, g.TLS(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// reissue puts a new certificate into the files of a pair.
func reissue(t *testing.T, g *gatewaytest.Gateway, key, certificate string, r certs.Request) {
	t.Helper()
	dir := filepath.Join(g.Installed.Dir, "keys")
	authority, err := certs.LoadAuthority(filepath.Join(dir, "ca.key"), filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	r.At = time.Now()
	issued, err := authority.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := issued.Save(key, certificate); err != nil {
		t.Fatal(err)
	}
}

// A reload puts profiles, registry, certificates and limits in force, and
// leaves the sessions that are open alone.
func TestReload(t *testing.T) {
	g := gatewaytest.Start(t)
	idle := dialIMAP(t, g, gatewaytest.Body, "person")
	if _, err := idle.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idling, err := idle.Idle()
	if err != nil {
		t.Fatal(err)
	}
	open := dialSMTP(t, g, gatewaytest.Sender, "person")
	simple := func(subject string) []byte {
		return note(gatewaytest.Sender, gatewaytest.Body, subject, "X-Letter-Type: simple")
	}
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body, simple("Before"), 250, "simple")
	before := served(t, g, g.IMAPS)

	rewrite(t, g, func(c *config.Config) {
		profile(c, "simple", func(p *policy.Profile) { p.SubjectMax, p.TextMax = 5, policy.AnyCount })
		c.Limits.MessageSize, c.Limits.LoginFree = 70*policy.KiB, 7
		for _, l := range c.Listeners[2:3] {
			reissue(t, g, l.Key, l.Certificate, certs.Request{Purpose: certs.Listener, Name: "new", Hosts: []string{"localhost"}})
		}
	})
	out := reload(t, g)
	same(t, "faults", nil)
	same(t, "changed", out.Changed, "limits.login_free", "limits.message_size", "profile.simple.subject_max", "profile.simple.text_max", "profile (all)",
		"listener[0].certificate (content)", "listener[1].certificate (content)", "listener[2].certificate (content)", "listener[3].certificate (content)")
	same(t, "restart", out.Restart)
	for _, c := range out.Changed {
		if want := c.Key == "limits.message_size" || strings.HasPrefix(c.Key, "listener"); c.NewConnections != want {
			t.Errorf("%s is said to be for new connections: %t", c.Key, c.NewConnections)
		}
	}
	if after := served(t, g, g.IMAPS); after == before {
		t.Error("a new connection is shown the old certificate")
	}
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body, simple("Too long now"), 550, "subject-too-long")
	if ok, size := dialSMTP(t, g, gatewaytest.Sender, "person").Extension("SIZE"); !ok || size != fmt.Sprint(70<<10) {
		t.Errorf("a new connection is told SIZE %s", size)
	}
	// The rules are for letters, whoever brings them; the sizes for connections.
	if _, size := open.Extension("SIZE"); size == fmt.Sprint(70<<10) {
		t.Errorf("the old connection was told SIZE %s", size)
	}
	if code, reply := submit(t, open, gatewaytest.Sender, []string{gatewaytest.Body}, simple("Too long now")); code != 550 {
		t.Errorf("the old connection hears %d %s", code, reply)
	}
	if code, reply := submit(t, open, gatewaytest.Sender, []string{gatewaytest.Body}, slices.Concat(simple("Short"), filler(80<<10))); code != 250 {
		t.Errorf("the old connection hears %d %s", code, reply)
	}
	if err := idling.Close(); err != nil {
		t.Errorf("the idle session: %v", err)
	}
	if err := idle.Noop().Wait(); err != nil {
		t.Errorf("the idle session: %v", err)
	}
	if out := reload(t, g); len(out.Changed)+len(out.Restart)+len(out.Faults) != 0 {
		t.Errorf("a second reload: %+v", out)
	}
}

// filler is so many octets of text, in lines.
func filler(n int) []byte { return []byte(strings.Repeat(strings.Repeat("x", 70)+"\r\n", n/72)) }

// A configuration with faults, or that names files with faults, changes
// nothing; all faults are named.
func TestReloadRefused(t *testing.T) {
	g := gatewaytest.Start(t)
	certificate := served(t, g, g.IMAPS)
	for name, test := range map[string]struct {
		spoil func(t *testing.T, file string)
		want  []string
	}{
		"values": {func(t *testing.T, file string) {
			replace(t, file, "data = ", "datum = 1\nextra = 2\ndata = ")
		}, []string{"datum: unknown key", "extra: unknown key"}},
		"values and files": {func(t *testing.T, file string) {
			rewrite(t, g, func(c *config.Config) { c.Operator.Key = "gone.key" })
			replace(t, file, "data = ", "datum = 1\ndata = ")
			replace(t, file, "login_free = 5", "login_free = 0")
		}, []string{"config.toml:1: datum: unknown key", "limits.login_free: must be above zero", "gone.key"}},
		"syntax": {func(t *testing.T, file string) { replace(t, file, "data = ", "data = = ") }, []string{"config.toml:1: data"}},
		"files": {func(t *testing.T, file string) {
			rewrite(t, g, func(c *config.Config) {
				c.Registry.File, c.Operator.Key, c.Listeners[2].Certificate = "gone.csv", "gone.key", "gone.pem"
				c.Organisations[0].Key, c.MasterKey.File = "absent.key", "absent"
				profile(c, "notify", func(p *policy.Profile) { p.Wrap = true })
				profile(c, "simple", func(p *policy.Profile) { p.SubjectMax = 5 })
			})
		}, []string{"gone.csv", "gone.key", "gone.pem", "absent.key", "master_key.file", "wrap = true"}},
		"no file": {func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, []string{"no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := os.ReadFile(g.Installed.ConfigFile())
			if err != nil {
				t.Fatal(err)
			}
			test.spoil(t, g.Installed.ConfigFile())
			out := reload(t, g)
			all := strings.Join(out.Faults, "\n")
			for _, want := range test.want {
				if !strings.Contains(all, want) {
					t.Errorf("faults lack %q:\n%s", want, all)
				}
			}
			if !out.Refused() || len(out.Changed)+len(out.Restart) != 0 {
				t.Errorf("not refused whole: %+v", out)
			}
			if err := os.WriteFile(g.Installed.ConfigFile(), whole, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body,
		note(gatewaytest.Sender, gatewaytest.Body, "Longer than five", "X-Letter-Type: simple"), 250, "simple")
	if got := served(t, g, g.IMAPS); got != certificate {
		t.Error("another certificate is served")
	}
	if out := reload(t, g); len(out.Changed) != 0 || out.Refused() {
		t.Errorf("something was changed after all: %+v", out)
	}
}

// replace replaces the first of a text in a file.
func replace(t *testing.T, file, old, fresh string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, fresh, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What cannot change while the gateway runs is named with both values each
// time, and what can is in force all the same.
func TestReloadNeedsRestart(t *testing.T) {
	g := gatewaytest.Start(t)
	other := filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(other, []byte(config.FormatMasterKey([32]byte{7})), 0o600); err != nil {
		t.Fatal(err)
	}
	rewrite(t, g, func(c *config.Config) {
		c.Data, c.Hostname, c.Log.Format, c.MasterKey.File = "elsewhere", "new.example", "json", other
		c.Listeners[0].Address = "127.0.0.1:4465"
		c.Listeners = slices.Delete(c.Listeners, 3, 4)
		c.Limits.LoginFree = 9
	})
	for range 2 {
		out := reload(t, g)
		same(t, "restart", out.Restart, "data", "hostname", "log.format", "master_key.file", "master_key (content)", "listener[0]", "listener[3]")
		text := fmt.Sprint(out.Restart)
		for _, want := range []string{"elsewhere", "{hostname localhost new.example", "submission 127.0.0.1:0 tls=implicit submission 127.0.0.1:4465 tls=implicit", "imap 127.0.0.1:0 tls=starttls  "} {
			if !strings.Contains(text, want) {
				t.Errorf("restart lacks %q: %s", want, text)
			}
		}
		if key := fmt.Sprintf("%x", [32]byte{7}); strings.Contains(text, key) {
			t.Errorf("the master key is shown: %s", text)
		}
	}
	rewrite(t, g, func(c *config.Config) { c.Limits.LoginFree = 11 })
	if out := reload(t, g); !slices.Equal(changed(out.Changed), []string{"limits.login_free"}) || out.Changed[0].Old != "9" {
		t.Errorf("changed %+v", out.Changed)
	}
	served(t, g, g.IMAPS)
}

// A letter keeps the terms that its type had when it was accepted: how long it
// can be recalled, and when it is given up. And it is signed for by the key of
// the moment when each of its evidences is made.
func TestReloadKeepsTerms(t *testing.T) {
	g := gatewaytest.Start(t)
	submitted := compose(t, gatewaytest.Sender, gatewaytest.Body, "Held", "X-Letter-Type: registered")
	rewrite(t, g, func(c *config.Config) {
		profile(c, "registered", func(p *policy.Profile) { p.RecallWindow = policy.Duration(time.Hour) })
	})
	if out := reload(t, g); out.Refused() {
		t.Fatal(out.Faults)
	}
	reply := answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body, submitted, 250, "recall until")
	number := numberPattern.FindString(reply)
	before := outgoing(t, g, number)
	rewrite(t, g, func(c *config.Config) {
		profile(c, "registered", func(p *policy.Profile) {
			p.RecallWindow, p.DelayFailure, p.Recall, p.Handover = policy.Duration(time.Second), policy.Duration(13*time.Hour), policy.RecallNone, false
		})
		reissue(t, g, c.Operator.Key, c.Operator.Certificate, certs.Request{
			Purpose: certs.Signing, Name: "New operator", Emails: []string{c.Operator.Address},
		})
		c.Operator.Name = "New operator"
	})
	same(t, "changed", reload(t, g).Changed, "operator.name", "profile.registered.delay_failure", "profile.registered.handover",
		"profile.registered.recall", "profile.registered.recall_window", "profile (all)", "operator.certificate (content)")
	after := outgoing(t, g, number)
	if before.Hold.IsZero() || !after.Hold.Equal(before.Hold) || !after.GiveUp.Equal(before.GiveUp) || !after.Handover || time.Until(after.Recall) < 50*time.Minute {
		t.Errorf("terms changed from %+v to %+v", before, after)
	}
	var recalled admin.Recalled
	if err := g.Admin().Call(t.Context(), admin.OpLetterRecall, admin.LetterName{Number: number}, &recalled); err != nil || recalled.Pending {
		t.Errorf("recall within the old time: %+v, %v", recalled, err)
	}
	names := authorities(t, g, number)
	if len(names) != 2 || names[0] != "Test operator" || names[1] != "New operator" {
		t.Errorf("the evidence is by %q", names)
	}
	eventually(t, "the receipt of the recall", func() bool {
		sel, err := dialIMAP(t, g, gatewaytest.Sender, "person").Select("Receipts", &imap.SelectOptions{ReadOnly: true}).Wait()
		return err == nil && sel.NumMessages == 2
	})
}

// outgoing is the sender's record of a letter.
func outgoing(t *testing.T, g *gatewaytest.Gateway, number string) letter.Outgoing {
	t.Helper()
	_, rec, err := letter.Find(t.Context(), g.Store(), number)
	if err != nil {
		t.Fatal(err)
	}
	out, err := letter.DecodeOutgoing(rec)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// authorities are the names of the operator in a letter's evidence, in order.
func authorities(t *testing.T, g *gatewaytest.Gateway, number string) (names []string) {
	t.Helper()
	for _, ev := range evidence(t, g, number) {
		names = append(names, ev.Authority)
	}
	return names
}

// evidence is all of a letter's, in order.
func evidence(t *testing.T, g *gatewaytest.Gateway, number string) (all []receipt.Evidence) {
	t.Helper()
	a, rec, err := letter.Find(t.Context(), g.Store(), number)
	if err != nil {
		t.Fatal(err)
	}
	err = g.Store().View(t.Context(), a.ID, func(tx mailstore.Tx) error {
		all = nil
		for ev, err := range tx.Evidence(rec.ID) {
			if err != nil {
				return err
			}
			var stored letter.StoredEvidence
			if err := json.Unmarshal(ev.Data, &stored); err != nil {
				return err
			}
			sealed, err := receipt.ParseJSON(stored.JSON)
			if err != nil {
				return err
			}
			all = append(all, sealed.Evidence)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// After a reload an import goes on from what that put in force, and a reload
// from what the import did.
func TestReloadAndImport(t *testing.T) {
	g := gatewaytest.Start(t)
	table, err := os.ReadFile(g.Config.Registry.File)
	if err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(g.Installed.Dir, "moved.csv")
	if err := os.WriteFile(moved, table, 0o600); err != nil {
		t.Fatal(err)
	}
	rewrite(t, g, func(c *config.Config) {
		c.Registry.File = moved
		profile(c, "simple", func(p *policy.Profile) { p.SubjectMax = 5 })
	})
	same(t, "changed", reload(t, g).Changed, "profile.simple.subject_max", "registry.file", "profile (all)")
	renamed := []byte(strings.Replace(string(table), "Инспекция № 1", "Инспекция № 2", 1))
	if err := g.Admin().Call(t.Context(), admin.OpRegistryImport, admin.RegistryImport{CSV: renamed}, &admin.RegistryImported{}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(moved); err != nil || string(got) != string(renamed) {
		t.Errorf("the import went to another file than the configuration in force names, %v", err)
	}
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body,
		note(gatewaytest.Sender, gatewaytest.Body, "Too long now", "X-Letter-Type: simple"), 550, "subject-too-long")
	if out := reload(t, g); len(out.Changed) != 0 || out.Refused() {
		t.Errorf("the import is undone or seen as a change: %+v", out)
	}
	if err := os.WriteFile(moved, table, 0o600); err != nil {
		t.Fatal(err)
	}
	same(t, "changed by hand", reload(t, g).Changed, "registry.file (content)")
}

// A gateway that is closed reloads no more.
func TestReloadAfterStop(t *testing.T) {
	g := gatewaytest.Start(t)
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	if out := g.Reload(); !out.Refused() {
		t.Errorf("reloaded: %+v", out)
	}
}

// Every limit of the configuration is classified: those for a connection, and
// those of all.
func TestReloadNamesScope(t *testing.T) {
	g := gatewaytest.Start(t)
	rewrite(t, g, func(c *config.Config) {
		l := &c.Limits
		l.MessageSize, l.Recipients, l.Connections, l.ConnectionsPerAddress, l.ConnectionsPerAccount = 1<<20, 9, 90, 80, 70
		l.LoginAttempts, l.LoginFree = 9, 9
		for _, d := range []*policy.Duration{
			&l.LoginDelay, &l.LoginDelayAddress, &l.LoginDelayAccount, &l.HandshakeTimeout, &l.CommandTimeout, &l.DataTimeout,
			&l.IdleTimeout, &l.ShutdownTimeout,
		} {
			*d = policy.Duration(7 * time.Second)
		}
		l.MinimumRate = 77
		i := &c.IMAP
		i.LoginTimeout, i.ReadTimeout, i.WriteTimeout = l.IdleTimeout, l.IdleTimeout, l.IdleTimeout
		i.CommandSize, i.LiteralSize, i.HeaderSize = 9000, 900, 900
		for _, n := range []*int{&i.SequenceElements, &i.SearchDepth, &i.SearchKeys, &i.FetchItems, &i.Keywords, &i.Mailboxes, &i.MailboxKeywords} {
			*n = 17
		}
	})
	out := reload(t, g)
	var now []string
	for _, c := range out.Changed {
		if !c.NewConnections {
			now = append(now, c.Key)
		}
	}
	same(t, "restart", out.Restart, "imap.mailbox_keywords", "imap.mailboxes")
	if want := []string{
		"limits.login_delay", "limits.login_delay_account", "limits.login_delay_address", "limits.login_free", "limits.shutdown_timeout",
	}; !slices.Equal(now, want) {
		t.Errorf("at once: %q, want %q", now, want)
	}
}
