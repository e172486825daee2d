package submission

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	"gosbridge/mailstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

const (
	sender     = "ivanov@romashka.example"
	senderUTF8 = "иванов@ромашка.example"
	password   = "abcde-fghij-klmno-pqrst-uvwxyz"
)

// office is an Intake in memory: it knows a few addresses, refuses what the
// real one refuses on its own level, and keeps what it accepted.
type office struct {
	mu      sync.Mutex
	letters []letter
	numbers map[[32]byte]string

	// hold, when set, is called before a letter is kept.
	hold func(ctx context.Context) error
}

type letter struct {
	env  intake.Envelope
	body []byte
}

// causes that must not reach the client.
var errInside = errors.New("dial tcp 10.1.2.3:5432: secret cause")

func (o *office) Sender(_ context.Context, who auth.Identity, from string, size int64) error {
	if !who.Owns(from) {
		return policy.NewRefusal(policy.New(policy.SenderNotOwned, from))
	}
	if size > 20<<20 {
		return fmt.Errorf("sender: %w", policy.NewRefusal(policy.New(policy.SizeExceeded, policy.Octets(size), 20*policy.MiB)))
	}
	return nil
}

func (o *office) Recipient(_ context.Context, _ auth.Identity, as intake.Recipient) (intake.Recipient, error) {
	switch {
	case strings.HasPrefix(as.Address, "broken@"):
		return as, errInside
	case as.Address == "fsn@gov.example":
		return as, policy.NewRefusal(policy.New(policy.RecipientNear, as.Address, []string{"fns@gov.example"}))
	case !strings.HasSuffix(as.Address, "@gov.example") && !strings.HasSuffix(registry.Normalise(as.Address), "@госорган.example"):
		return as, policy.New(policy.RecipientUnknown, as.Address)
	}
	return as, nil
}

func (o *office) Accept(ctx context.Context, env intake.Envelope, octets io.Reader) (intake.Accepted, error) {
	if env.Recipients[0].Address == "early@gov.example" { // refuses without reading
		return intake.Accepted{}, policy.NewRefusal(policy.New(policy.ConsentMissing))
	}
	body, err := io.ReadAll(octets)
	if err != nil {
		return intake.Accepted{}, fmt.Errorf("read letter: %w", err)
	}
	if err := o.check(body); err != nil {
		return intake.Accepted{}, err
	}
	if o.hold != nil {
		if err := o.hold(ctx); err != nil {
			return intake.Accepted{}, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := sha256.Sum256(body)
	number, repeat := o.numbers[sum]
	if !repeat {
		number = fmt.Sprintf("GP-202603-%08d-0", len(o.letters)+1)
		o.numbers[sum] = number
		o.letters = append(o.letters, letter{env, body})
	}
	a := intake.Accepted{Number: number, Type: "registered", Recipients: len(env.Recipients), Repeat: repeat}
	a.RecallUntil = time.Date(2026, 3, 2, 12, 5, 33, 0, time.UTC)
	if bytes.Contains(body, []byte("Subject: advice")) {
		a.RecallUntil = time.Time{}
		a.Advice = []string{"file-resolution-low: scans at 300 dpi\r\n250 2.6.0 forged"}
	}
	return a, nil
}

func (o *office) check(body []byte) error {
	text := string(body)
	var vs []policy.Violation
	bare := strings.NewReplacer("\r\n", "").Replace(text)
	if strings.ContainsAny(bare, "\r\n") {
		vs = append(vs, policy.New(policy.BareLineEnding))
	}
	if strings.Contains(text, "\x00") {
		vs = append(vs, policy.New(policy.NulOctet))
	}
	if strings.Contains(text, "Subject: bad") {
		vs = append(vs, policy.New(policy.TooManyFiles, 6, 5), policy.New(policy.SubjectTooLong, 151, 150))
	}
	if strings.Contains(text, "Subject: store") {
		return errInside
	}
	if len(vs) > 0 {
		return policy.NewRefusal(vs...)
	}
	return nil
}

func (o *office) kept() []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.letters
}

// doorman is an Authenticator with one account.
type doorman struct{}

func (doorman) Plain(_ context.Context, c auth.Client, authzid, user, pass string) (auth.Identity, error) {
	switch {
	case user == "slow@romashka.example":
		return auth.Identity{}, auth.ErrTooMany{RetryAfter: 7500 * time.Millisecond}
	case user == "blocked@romashka.example" && pass == password:
		return auth.Identity{}, fmt.Errorf("login: %w", auth.ErrBlocked)
	case user == "broken@romashka.example":
		return auth.Identity{}, errInside
	case user != sender || pass != password || authzid != "" && authzid != sender:
		return auth.Identity{}, auth.ErrCredentials
	}
	return auth.Identity{
		Account: mailstore.Account{Addresses: []string{sender, senderUTF8}},
		Class:   auth.Person, Assurance: auth.Password, Remote: c.Remote, Session: c.Session,
	}, nil
}

// rig is a server on loopback.
type rig struct {
	t      testing.TB
	office *office
	log    *logBuffer
	addr   string
	stop   context.CancelFunc
	done   chan error
	server *Server
}

// logBuffer is a bytes.Buffer for many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

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

func newOffice() *office { return &office{numbers: make(map[[32]byte]string)} }

func testConfig() Config {
	return Config{
		Hostname: "gate.example",
		MaxSize:  1 << 20, MaxRecipients: 3, ShutdownTimeout: 5 * time.Second,
	}
}

func testTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}}
}

// newRig starts a server. Every test ends with a check of its log.
func newRig(t testing.TB, mode Mode, change ...func(*Config)) *rig {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newRigOn(t, ln, mode, change...)
}

func newRigOn(t testing.TB, ln net.Listener, mode Mode, change ...func(*Config)) *rig {
	t.Helper()
	cfg := testConfig()
	for _, f := range change {
		f(&cfg)
	}
	r := &rig{t: t, office: newOffice(), log: new(logBuffer), addr: ln.Addr().String(), done: make(chan error, 1)}
	var err error
	r.server, err = New(cfg, doorman{}, r.office, slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- r.server.Serve(ctx, ln, mode, testTLS()) }()
	t.Cleanup(func() {
		stop()
		if err := <-r.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if s := r.log.String(); strings.Contains(s, password) || strings.Contains(s, "panic") {
			t.Errorf("log with a password or a panic:\n%s", s)
		}
		if left := r.server.Sessions().List(); len(left) != 0 {
			t.Errorf("%d connections are still counted", len(left))
		}
	})
	return r
}

// close ends the server now and gives what Serve returned.
func (r *rig) close() error {
	r.stop()
	err := <-r.done
	r.done <- err
	return err
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) dialTLS() *tls.Conn {
	return tls.Client(r.dial(), clientTLS())
}

func clientTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "gate.example"}
}

// certificate is one self-signed certificate for all tests.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gate.example"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		DNSNames: []string{"gate.example"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})
