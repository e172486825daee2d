package gateway_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/policy"
)

// Letters are accepted and people log in during 200 reloads that swap rules
// and registry to and fro, with imports in between. Every letter is judged by
// one set: the profile that its evidence names goes with the registry that it
// names, and that with the name of the recipient.
func TestReloadRace(t *testing.T) {
	g := gatewaytest.Start(t)
	const reloads = 200
	files := sets(t, g)
	var over atomic.Bool
	var all sync.WaitGroup
	numbers := make(chan string, 100_000)
	for i := range 2 {
		smtp := dialSMTP(t, g, gatewaytest.Sender, "person")
		all.Go(func() {
			for n := 0; !over.Load(); n++ {
				letter := note(gatewaytest.Sender, gatewaytest.Body, fmt.Sprintf("Letter %d of %d", n, i), "X-Letter-Type: simple")
				code, reply := submit(t, smtp, gatewaytest.Sender, []string{gatewaytest.Body}, letter)
				if code != 250 {
					t.Errorf("letter refused: %d %s", code, reply)
					return
				}
				numbers <- numberPattern.FindString(reply)
			}
		})
	}
	logins := 0
	options := &imapclient.Options{TLSConfig: g.TLS(t)}
	all.Go(func() {
		for ; !over.Load(); logins++ {
			if err := loginOnce(g, options); err != nil {
				t.Errorf("login: %v", err)
				return
			}
		}
	})
	for i := range reloads {
		if err := os.WriteFile(g.Installed.ConfigFile(), files[i%2], 0o600); err != nil {
			t.Fatal(err)
		}
		if out := g.Reload(); out.Refused() || len(out.Changed) == 0 {
			t.Fatalf("reload %d: %+v", i, out)
		}
		if i%50 == 49 { // the same table: the registry in force is another value
			importSame(t, g)
		}
	}
	over.Store(true)
	all.Wait()
	close(numbers)
	seen := map[string]string{} // what the evidence names, by the recipient's name
	for number := range numbers {
		ev := evidence(t, g, number)[0]
		r := ev.Recipients[0]
		set := fmt.Sprintf("profile %s registry %s", ev.Profile.SHA256, r.Registry)
		if first, ok := seen[r.Name]; ok && first != set {
			t.Errorf("letter %s to %s is by %s, others by %s", number, r.Name, set, first)
		}
		seen[r.Name] = set
	}
	if logins == 0 || seen["Инспекция № 5"] == "" || seen["Инспекция № 6"] == "" || seen["Инспекция № 5"] == seen["Инспекция № 6"] {
		t.Errorf("%d logins; sets: %q", logins, seen)
	}
}

// loginOnce logs in over IMAP and out again.
func loginOnce(g *gatewaytest.Gateway, options *imapclient.Options) error {
	c, err := imapclient.DialTLS(g.IMAPS, options)
	if err != nil {
		return err
	}
	if err = c.Login(gatewaytest.Body, gatewaytest.Password+"-person").Wait(); err == nil {
		err = c.Logout().Wait()
	}
	_ = c.Close() // it is logged out, or err says why not
	return err
}

// sets are two configurations that differ in the rules and in the registry.
func sets(t *testing.T, g *gatewaytest.Gateway) (files [2][]byte) {
	t.Helper()
	table, err := os.ReadFile(g.Config.Registry.File)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		path := fmt.Sprintf("%s.%d", g.Config.Registry.File, i)
		fresh := strings.Replace(string(table), "Инспекция № 1", fmt.Sprint("Инспекция № ", i+5), 1)
		if err := os.WriteFile(path, []byte(fresh), 0o600); err != nil {
			t.Fatal(err)
		}
		rewrite(t, g, func(c *config.Config) {
			c.Registry.File = path
			profile(c, "simple", func(p *policy.Profile) { p.SubjectMax = policy.Count(100 + i) })
		})
		if files[i], err = os.ReadFile(g.Installed.ConfigFile()); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// importSame imports the registry that is in force.
func importSame(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	cfg, err := config.Load(g.Installed.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(cfg.Registry.File)
	if err != nil {
		t.Fatal(err)
	}
	var out admin.RegistryImported
	if err := g.Admin().Call(t.Context(), admin.OpRegistryImport, admin.RegistryImport{CSV: table}, &out); err != nil {
		t.Fatal(err)
	}
	if out.Added+out.Removed != 0 {
		t.Errorf("import: %+v", out)
	}
}
