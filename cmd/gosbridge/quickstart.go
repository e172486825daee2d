package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gosbridge/gateway"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/installation"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// The accounts of the quickstart folder.
const (
	demoSender = "ivanov@romashka.example"
	demoOther  = "petrova@vector.example"
	demoBody   = "office@inspection.example"
	demoHold   = 2 * time.Second
)

// quickstart is what the flags say.
type quickstart struct {
	data      string
	ports     map[string]int // by name: smtps, smtp, imaps, imap; 0 is off
	once      bool
	readyFile string
	loadTest  int

	demonstrate func(s site, out io.Writer) *demonstration
}

func newQuickstart() *cobra.Command {
	q := &quickstart{demonstrate: newDemonstration}
	var smtps, smtp, imaps, imap int
	cmd := &cobra.Command{
		Use:   "quickstart",
		Short: "Make a data folder that works at once, show a letter's way, and serve",
		Long: "Make a folder with an authority, keys, a configuration, a registry and accounts;\n" +
			"send a registered letter through the gateway and show each step; then serve until\n" +
			"SIGINT; SIGHUP reloads the configuration. Started again with the same folder it keeps\n" +
			"everything. It serves this machine only. The passwords stand in the folder: it is for\n" +
			"trying things out.",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.ports = map[string]int{"smtps": smtps, "smtp": smtp, "imaps": imaps, "imap": imap}
			return q.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.data, "data", "gosbridge-data", "folder to make or to use again")
	f.IntVar(&smtps, "smtps-port", 2465, "submission with TLS; 0 for none")
	f.IntVar(&smtp, "smtp-port", 2587, "submission with STARTTLS; 0 for none")
	f.IntVar(&imaps, "imaps-port", 2993, "IMAP with TLS; 0 for none")
	f.IntVar(&imap, "imap-port", 2143, "IMAP with STARTTLS; 0 for none")
	f.BoolVar(&q.once, "once", false, "end after the demonstration; status 0 only if every step succeeded")
	f.StringVar(&q.readyFile, "ready-file", "", "write ports, accounts and passwords there as JSON, while it serves")
	f.IntVar(&q.loadTest, "load-test", 0, "make N accounts u1..uN@bench.example for load generators; only with a new folder")
	return cmd
}

// run makes or opens the folder, shows the way of a letter, and serves.
func (q *quickstart) run(ctx context.Context, out, errOut io.Writer) (err error) {
	signals, unhang := hangups()
	defer unhang()
	if err := q.check(); err != nil {
		return err
	}
	if err := q.unready(); err != nil {
		return err
	}
	made, err := q.folder(ctx, out)
	if err != nil {
		return err
	}
	load := func() (config.Config, error) { return q.config(made.ConfigFile()) }
	cfg, err := load()
	if err != nil {
		return err
	}
	logger, level := cfg.Log.Logger(errOut)
	g, err := gateway.New(ctx, cfg, gateway.Options{Logger: logger, Level: level, Load: load, File: made.ConfigFile()})
	if err != nil {
		return err
	}
	if err := refuseLoadTest(ctx, g.Store().Directory(), g.Addresses()); err != nil {
		return errors.Join(err, g.Close())
	}
	s := newSite(made, cfg, g.Addresses())
	running, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- runReloading(running, g, signals) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	if q.readyFile != "" {
		if err := s.write(q.readyFile); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, q.unready()) }() // it has passwords
	}
	if err := q.show(ctx, out, s, served); err != nil || q.once {
		return err
	}
	s.settings(out)
	fmt.Fprintln(out, "\nServing. End with Ctrl-C.")
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		served <- nil
		return err
	}
}

// check judges the flags before anything is made, served or removed.
func (q *quickstart) check() error {
	if q.loadTest < 0 || q.loadTest > loadTestMost {
		return fmt.Errorf("%w: --load-test %d: up to %d accounts", errUsage, q.loadTest, loadTestMost)
	}
	for _, p := range portNames {
		if port := q.ports[p.name]; port < 0 || port > 65535 {
			return fmt.Errorf("%w: --%s-port %d", errUsage, p.name, port)
		}
	}
	if q.once && !q.shows() {
		return fmt.Errorf("%w: the demonstration needs a port of SMTP and one of IMAP", errUsage)
	}
	return nil
}

// shows reports whether there is a port of each protocol.
func (q *quickstart) shows() bool {
	return q.ports["smtps"]+q.ports["smtp"] > 0 && q.ports["imaps"]+q.ports["imap"] > 0
}

// unready removes the ready file: at the end, and that of an earlier start that
// ended in disorder, so that a script that waits for it does not take it for this
// one's.
func (q *quickstart) unready() error {
	if q.readyFile == "" {
		return nil
	}
	if err := os.Remove(q.readyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ready file: %w", err)
	}
	return nil
}

// show runs the demonstration; without both protocols there is none.
func (q *quickstart) show(ctx context.Context, out io.Writer, s site, served chan error) error {
	if !q.shows() {
		return nil
	}
	err := q.demonstrate(s, out).run(ctx)
	if err != nil && ctx.Err() == nil && !q.once {
		// Whoever is to find out why wants the gateway to stay up.
		fmt.Fprintf(out, "\nThe demonstration failed: %v\n", err)
		return nil
	}
	return err
}

// folder makes the folder, or opens one that is there.
func (q *quickstart) folder(ctx context.Context, out io.Writer) (installation.Installation, error) {
	made, err := installation.Load(q.data)
	switch {
	case err == nil && q.loadTest > 0:
		return made, fmt.Errorf("%w: --load-test only makes new folders, and %s is there", errUsage, q.data)
	case err == nil:
		made.Dir, err = filepath.Abs(q.data)
		fmt.Fprintf(out, "Using %s as it is.\n", made.Dir)
		return made, err
	case !errors.Is(err, fs.ErrNotExist):
		return made, err
	}
	plan, err := q.plan()
	if err != nil {
		return made, err
	}
	if made, err = installation.Create(ctx, q.data, plan); err == nil {
		fmt.Fprintf(out, "Made %s: authority, keys, configuration, registry, accounts.\n", made.Dir)
	}
	return made, err
}

// portNames are the ports in the order of the listeners.
var portNames = []struct {
	name     string
	protocol config.Protocol
	tls      config.TLS
}{
	{"smtps", config.Submission, config.ImplicitTLS},
	{"smtp", config.Submission, config.StartTLS},
	{"imaps", config.IMAP, config.ImplicitTLS},
	{"imap", config.IMAP, config.StartTLS},
}

// plan is the folder to make.
func (q *quickstart) plan() (installation.Plan, error) {
	plan := installation.Plan{
		Hostname: "localhost", Operator: "gosbridge quickstart", Receipts: "receipts@gosbridge.example",
		Profiles: []policy.Profile{demoProfile()}, Now: time.Now, Note: demoNote,
	}
	for _, p := range portNames {
		plan.Listeners = append(plan.Listeners, config.Listener{
			Protocol: p.protocol, TLS: p.tls, Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(defaultPort[p.name])),
		})
	}
	parties := []struct {
		id, name, inn, ogrn, address, person string
		kind                                 registry.Kind
		classes                              []auth.Class
	}{
		{"romashka", "ООО «Ромашка»", "770912345", "102770912345", demoSender, "Иванов Иван Иванович", registry.Organisation, []auth.Class{auth.Person, auth.System, auth.Archive}},
		{"vector", "АО «Вектор»", "781023456", "102781023456", demoOther, "Петрова Анна Сергеевна", registry.Organisation, []auth.Class{auth.Person}},
		{"inspection", "Учебная инспекция № 1", "770534567", "102770534567", demoBody, "Канцелярия", registry.StateBody, []auth.Class{auth.Person}},
	}
	for _, p := range parties {
		party, err := newParty(p.id, p.kind, p.name, p.inn, p.ogrn, p.address, p.person, p.classes)
		if err != nil {
			return plan, err
		}
		plan.Parties = append(plan.Parties, party)
	}
	if q.loadTest > 0 {
		return plan, addLoadTest(&plan, q.loadTest)
	}
	return plan, nil
}

const demoNote = `Made by gosbridge quickstart, for trying things out. config.example.toml in
the repository explains every key. One value is for the demonstration only:
registered letters can be recalled for 2s here (recall_window of
[profile.registered]), as shipped for 5m.`

// defaultPort are the ports of a new folder's configuration.
var defaultPort = map[string]int{"smtps": 2465, "smtp": 2587, "imaps": 2993, "imap": 2143}

// demoProfile is the registered letter with a recall time that a demonstration
// can wait for.
func demoProfile() policy.Profile {
	for _, p := range policy.DefaultProfiles() {
		if p.Type == "registered" {
			p.RecallWindow = policy.Duration(demoHold)
			return p
		}
	}
	return policy.Unlimited("registered")
}

// newParty is an organisation with one account. Check digits are computed.
func newParty(id string, kind registry.Kind, name, inn, ogrn, address, person string, classes []auth.Class) (installation.Party, error) {
	fullINN, err := registry.MakeINN(inn)
	if err != nil {
		return installation.Party{}, err
	}
	fullOGRN, err := registry.MakeOGRN(ogrn)
	if err != nil {
		return installation.Party{}, err
	}
	account := installation.Account{Address: address, Name: person}
	for _, c := range classes {
		account.Credentials = append(account.Credentials, installation.Credential{Name: string(c), Class: c})
	}
	return installation.Party{
		Key: true, Accounts: []installation.Account{account},
		Entry: registry.Entry{
			ID: id, Kind: kind, Name: name, INN: fullINN, OGRN: fullOGRN, KPP: inn[:4] + "01001",
			Addresses: []string{address}, Status: registry.Active,
		},
	}, nil
}

// config is that of the folder with what the flags change.
func (q *quickstart) config(path string) (config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return cfg, err
	}
	cfg.Log.Level = "warn" // the demonstration tells what happens
	return cfg, q.listeners(&cfg)
}

// listeners puts the ports of the flags into the configuration.
func (q *quickstart) listeners(cfg *config.Config) error {
	var open []config.Listener
	for _, p := range portNames {
		port := q.ports[p.name]
		if port == 0 {
			continue
		}
		i := slices.IndexFunc(cfg.Listeners, func(l config.Listener) bool { return l.Protocol == p.protocol && l.TLS == p.tls })
		if i < 0 {
			return fmt.Errorf("the configuration has no listener for %s with %s any more: add one, or say --%s-port 0", p.protocol, p.tls, p.name)
		}
		l := cfg.Listeners[i]
		host, _, err := net.SplitHostPort(l.Address)
		if err != nil {
			return err
		}
		l.Address = net.JoinHostPort(host, strconv.Itoa(port))
		open = append(open, l)
	}
	cfg.Listeners = open
	return nil
}

// site is where a running quickstart is reached.
type site struct {
	Ports    map[string]int       `json:"ports"`
	CA       string               `json:"ca"`
	Config   string               `json:"config"`
	Accounts []installation.Login `json:"accounts"`
	Registry []string             `json:"registry"`
}

func newSite(made installation.Installation, cfg config.Config, at []net.Addr) site {
	s := site{
		Ports: map[string]int{}, CA: made.AuthorityFile(), Config: made.ConfigFile(),
		Accounts: made.Logins, Registry: made.Registry,
	}
	for i, l := range cfg.Listeners {
		for _, p := range portNames {
			if tcp, ok := at[i].(*net.TCPAddr); ok && p.protocol == l.Protocol && p.tls == l.TLS {
				s.Ports[p.name] = tcp.Port
			}
		}
	}
	return s
}

// write puts the site into a file that only its owner can read, in one step.
func (s site) write(path string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("ready file: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("ready file: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// address is a port on loopback; "" when it is off.
func (s site) address(name string) string {
	if s.Ports[name] == 0 {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Ports[name]))
}

func (s site) submission() string { return s.address("smtps") + s.startTLS("smtps", "smtp") }
func (s site) imap() string       { return s.address("imaps") + s.startTLS("imaps", "imap") }

// startTLS is the address with STARTTLS where the one with TLS is off.
func (s site) startTLS(first, second string) string {
	if s.Ports[first] != 0 {
		return ""
	}
	return s.address(second)
}

// settings writes what a mail program asks for.
func (s site) settings(out io.Writer) {
	fmt.Fprintf(out, "\nFor a mail program (server 127.0.0.1; trust the authority in %s):\n", s.CA)
	for _, p := range portNames {
		if port := s.Ports[p.name]; port != 0 {
			how := "SSL/TLS"
			if p.tls == config.StartTLS {
				how = "STARTTLS"
			}
			fmt.Fprintf(out, "  %-10s port %-5d %s, normal password\n", p.protocol, port, how)
		}
	}
	fmt.Fprintln(out)
	rows := [][]string{{"  USER", "PASSWORD", "CLASS", "ORGANISATION"}}
	for i, a := range s.Accounts {
		if i == shownAccounts {
			rows = append(rows, []string{fmt.Sprintf("  and %d more", len(s.Accounts)-i)})
			break
		}
		rows = append(rows, []string{"  " + a.Address, a.Password, string(a.Class), a.Organisation})
	}
	_ = table(out, rows) // a terminal that is gone needs no settings
}

// shownAccounts is how many accounts the settings list.
const shownAccounts = 12
