// Package gatewaytest starts a whole gateway on loopback for tests: a fresh
// installation with two organisations and a state body, real listeners with
// TLS, and clients for both protocols.
package gatewaytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gosbridge/gateway"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/installation"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// The accounts of every test gateway. Each has a credential of every class
// with the password Password and the class's name behind a dash.
const (
	Sender   = "ivanov@romashka.example"   // an organisation, signed for by the gateway
	Partner  = "petrova@vector.example"    // an organisation that signs for itself
	Body     = "office@inspection.example" // a state body
	Citizen  = "citizen@people.example"    // a person, only where WithCitizen adds them
	Password = "loopback"
)

// Gateway is a running gateway.
type Gateway struct {
	*gateway.Gateway
	Config    config.Config
	Installed installation.Installation
	SMTPS     string // address of submission with TLS
	SMTP      string // of submission with STARTTLS
	IMAPS     string
	IMAP      string
	log       *logBuffer
	stop      func() error
}

// Start makes an installation and runs a gateway on it. change may alter the
// plan. The gateway stops when the test ends.
func Start(t testing.TB, change ...func(*installation.Plan)) *Gateway {
	t.Helper()
	return Open(t, Install(t, change...))
}

// Install makes the installation that Start runs a gateway on.
func Install(t testing.TB, change ...func(*installation.Plan)) installation.Installation {
	t.Helper()
	plan := Plan(t)
	for _, c := range change {
		c(&plan)
	}
	made, err := installation.Create(t.Context(), filepath.Join(shortDir(t), "gw"), plan)
	if err != nil {
		t.Fatalf("make installation: %v", err)
	}
	return made
}

// shortDir is a temporary folder whose path leaves room for a unix socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gosbridge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Open runs a gateway on an installation that is there. change may alter its
// configuration, each time that it is read.
func Open(t testing.TB, made installation.Installation, change ...func(*config.Config)) *Gateway {
	t.Helper()
	return open(t, made, gateway.Options{}, change...)
}

// OpenAt is Open with the test's clock. Terms of letters are looked after all
// the time, so that moving the clock is enough.
func OpenAt(t testing.TB, made installation.Installation, now func() time.Time) *Gateway {
	t.Helper()
	return open(t, made, gateway.Options{Now: now, RetainEvery: 5 * time.Millisecond})
}

func open(t testing.TB, made installation.Installation, o gateway.Options, change ...func(*config.Config)) *Gateway {
	t.Helper()
	load := func() (config.Config, error) {
		cfg, err := config.Load(made.ConfigFile())
		if err != nil {
			return cfg, err
		}
		for _, c := range change {
			c(&cfg)
		}
		return cfg, cfg.Validate()
	}
	cfg, err := load()
	if err != nil {
		t.Fatalf("load config: %v", err)
	}
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	log := new(logBuffer)
	logger := slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}),
		slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}),
	))
	o.Logger, o.Load, o.File = logger, load, made.ConfigFile()
	g, err := gateway.New(t.Context(), cfg, o)
	if err != nil {
		t.Fatalf("open gateway: %v", err)
	}
	at := g.Addresses()
	run := &Gateway{
		Gateway: g, Config: cfg, Installed: made, log: log,
		SMTPS: at[0].String(), SMTP: at[1].String(), IMAPS: at[2].String(), IMAP: at[3].String(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	var ended error
	run.stop = func() error {
		cancel()
		if err, ok := <-done; ok {
			ended = err
			close(done)
		}
		return ended
	}
	t.Cleanup(func() {
		if err := run.Stop(); err != nil {
			t.Errorf("gateway: %v", err)
		}
		if strings.Contains(run.Log(), Password+"-") {
			t.Errorf("a password in the log:\n%s", run.Log())
		}
	})
	return run
}

// Log is what the gateway has logged, at level debug, whatever the test shows.
func (g *Gateway) Log() string { return g.log.String() }

// logBuffer is a bytes.Buffer for many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Stop ends the gateway as SIGTERM would. Stopping twice is harmless.
func (g *Gateway) Stop() error { return g.stop() }

// TLS is a client's configuration that trusts the gateway's authority.
func (g *Gateway) TLS(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(g.Installed.AuthorityFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the authority's file")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// Plan is the installation that Start makes: ports chosen by the system, the
// recall time short.
func Plan(t testing.TB) installation.Plan {
	t.Helper()
	listener := func(p config.Protocol, tls config.TLS) config.Listener {
		return config.Listener{Protocol: p, Address: "127.0.0.1:0", TLS: tls}
	}
	return installation.Plan{
		Hostname: "localhost", Operator: "Test operator", Receipts: "receipts@gosbridge.example", Now: time.Now,
		Listeners: []config.Listener{
			listener(config.Submission, config.ImplicitTLS), listener(config.Submission, config.StartTLS),
			listener(config.IMAP, config.ImplicitTLS), listener(config.IMAP, config.StartTLS),
		},
		Profiles: profiles(t),
		Parties: []installation.Party{
			party(t, "romashka", registry.Organisation, "ООО «Ромашка»", "770708389", Sender, auth.SignGateway, true),
			party(t, "vector", registry.Organisation, "АО «Вектор»", "780204812", Partner, auth.SignClient, false),
			party(t, "inspection", registry.StateBody, "Инспекция № 1", "770100101", Body, auth.SignGateway, true),
		},
	}
}

// profiles are the shipped ones with a recall time that tests can wait for.
func profiles(testing.TB) []policy.Profile {
	all := policy.DefaultProfiles()
	for i := range all {
		if all[i].Recall == policy.RecallHold {
			all[i].RecallWindow = policy.Duration(500 * time.Millisecond)
		}
	}
	return all
}

// WithCitizen adds a person to a plan, who is registered with the post and
// whose account has all that an appeal needs.
func WithCitizen(p *installation.Plan) {
	account := installation.Account{
		Address: Citizen, Name: "Анна Смирнова",
		Settings: auth.Settings{Sign: auth.SignClient, Phone: "+7 999 123-45-67", SNILS: "112-233-445 95"},
		Credentials: []installation.Credential{
			{Name: string(auth.Person), Class: auth.Person, Password: Password + "-" + string(auth.Person)},
		},
	}
	p.Parties = append(p.Parties, installation.Party{
		Accounts: []installation.Account{account},
		Entry: registry.Entry{
			ID: "citizen", Kind: registry.Person, Name: "Смирнова Анна Викторовна",
			Addresses: []string{Citizen}, Post: true, Status: registry.Active,
		},
	})
}

func party(t testing.TB, id string, kind registry.Kind, name, inn, address string, sign auth.Signing, key bool) installation.Party {
	t.Helper()
	full, err := registry.MakeINN(inn)
	ogrn, err2 := registry.MakeOGRN("10277001" + inn[:4])
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	account := installation.Account{Address: address, Name: name, Settings: auth.Settings{Sign: sign}}
	for _, class := range []auth.Class{auth.Person, auth.System, auth.Archive} {
		account.Credentials = append(account.Credentials, installation.Credential{
			Name: string(class), Class: class, Password: Password + "-" + string(class),
		})
	}
	return installation.Party{
		Key: key, Accounts: []installation.Account{account},
		Entry: registry.Entry{
			ID: id, Kind: kind, Name: name, INN: full, OGRN: ogrn, KPP: inn[:4] + "01001",
			Addresses: []string{address}, Status: registry.Active,
		},
	}
}
