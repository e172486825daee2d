// Package submission is the SMTP adapter (RFC 5321, RFC 6409) over go-smtp.
// It owns connections: TLS, deadlines, limits, the exact octets of a message,
// logins and the wording of every reply. It knows no letter: what may be sent,
// and to whom, is asked of an Intake.
//
// go-smtp parses the commands. It is given a connection (conn) that hands it
// one line at a time, so that the octets of a message never pass through its
// buffers: see dataReader and chunkReader for why.
package submission

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	sessions "gosbridge/gateway/session"
)

// Intake is what decides about letters. Its methods are called by one
// goroutine per connection. Their errors: *policy.Refusal or policy.Violation
// is told to the client; of any other the client learns only that it failed
// for now, and the log has it.
type Intake interface {
	// Sender decides about MAIL FROM. size is the SIZE that the client
	// declared, in octets; 0 when it declared none.
	Sender(ctx context.Context, who auth.Identity, from string, size int64) error
	// Recipient decides about RCPT TO and fills in who that is. Address,
	// Notify and Original are given.
	Recipient(ctx context.Context, who auth.Identity, as intake.Recipient) (intake.Recipient, error)
	// Accept takes the letter, whose octets it reads to io.EOF; any other
	// error of the reader, first of all io.ErrUnexpectedEOF of a client that
	// vanished, means that nothing may be accepted. A nil error means that
	// the letter is durable. An Accept that refuses need not read to the end.
	Accept(ctx context.Context, env intake.Envelope, octets io.Reader) (intake.Accepted, error)
}

// Authenticator checks logins; see auth.Authenticator for the errors.
type Authenticator interface {
	Plain(ctx context.Context, c auth.Client, authzid, user, password string) (auth.Identity, error)
}

// Config is how a Server behaves. Zero limits are no limits; zero timeouts
// take the values of the shipped configuration.
type Config struct {
	Hostname string // as the server calls itself

	MaxSize               int64 // octets of a message
	MaxRecipients         int   // of a message
	MaxConnections        int   // of all listeners together
	MaxConnectionsPerAddr int   // of one client address
	LoginAttempts         int   // failed logins of a connection; 3 when 0

	HandshakeTimeout time.Duration // of TLS; 30 s
	CommandTimeout   time.Duration // for a client's next command; 5 min
	DataTimeout      time.Duration // for a client's next octets of a message; 3 min
	MinRate          int64         // octets per second that a message must make; 1 KiB
	ShutdownTimeout  time.Duration // for messages on their way when Serve ends; 20 s
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.HandshakeTimeout, 30*time.Second)
	set(&c.CommandTimeout, 5*time.Minute)
	set(&c.DataTimeout, 3*time.Minute)
	set(&c.ShutdownTimeout, 20*time.Second)
	if c.LoginAttempts <= 0 {
		c.LoginAttempts = 3
	}
	if c.MinRate <= 0 {
		c.MinRate = 1024
	}
	return c
}

// Mode is how the connections of a listener are encrypted.
type Mode uint8

// The modes. The two without encryption before the login are for loopback
// addresses only.
const (
	ImplicitTLS Mode = iota + 1 // RFC 8314 §3.3
	StartTLS                    // RFC 3207; no login before it
	OptionalTLS                 // STARTTLS offered, login possible without
	Plaintext                   // no TLS at all
)

// needsLoopback reports whether passwords may pass unencrypted.
func (m Mode) needsLoopback() bool { return m == OptionalTLS || m == Plaintext }

// Server accepts mail from the programs of account holders.
type Server struct {
	cfg    atomic.Pointer[Config]
	auth   Authenticator
	intake Intake
	log    *slog.Logger

	conns *sessions.Table
}

// New makes a server.
func New(cfg Config, a Authenticator, in Intake, log *slog.Logger) (*Server, error) {
	switch {
	case a == nil || in == nil:
		return nil, errors.New("submission needs an authenticator and an intake")
	case cfg.Hostname == "":
		return nil, errors.New("submission needs a host name")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{auth: a, intake: in, log: log, conns: sessions.NewTable(auth.Submission)}
	cfg = cfg.withDefaults()
	s.cfg.Store(&cfg)
	return s, nil
}

// Reconfigure puts other limits in force, for the connections that come from
// now on: one that is open keeps those that it was told of. ShutdownTimeout is
// that of the moment when Serve ends. The host name stays.
func (s *Server) Reconfigure(cfg Config) {
	cfg = cfg.withDefaults()
	cfg.Hostname = s.cfg.Load().Hostname
	s.cfg.Store(&cfg)
}

// Sessions are those that are open, of all listeners.
func (s *Server) Sessions() *sessions.Table { return s.conns }

// Serve answers the clients of a listener, which it closes. It returns after
// ctx ended and every connection is gone: idle clients are told 421, messages
// on their way get ShutdownTimeout to finish. It may run for several listeners
// at once. config is needed by the modes that encrypt.
func (s *Server) Serve(ctx context.Context, ln net.Listener, mode Mode, config *tls.Config) error {
	if err := checkMode(ln.Addr(), mode, config); err != nil {
		ln.Close()
		return err
	}
	// Transactions outlive ctx by ShutdownTimeout.
	work, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	p := newPort(s, ln, mode, config, work)
	stop := context.AfterFunc(ctx, func() {
		ln.Close()
		s.conns.Stop(ln)
	})
	defer stop()

	served := make(chan error, 1)
	go func() { served <- p.smtp.Serve(p.ready) }()
	err := p.accept(ctx, ln)
	ln.Close()
	s.conns.Stop(ln)

	hard := time.AfterFunc(s.cfg.Load().ShutdownTimeout, func() {
		abort()
		s.conns.Cut(ln)
	})
	defer hard.Stop()
	p.connections.Wait()
	s.conns.Forget(ln)
	p.ready.Close()
	<-served // ends with the listener, and its error says no more than that
	return err
}

func checkMode(addr net.Addr, mode Mode, config *tls.Config) error {
	switch {
	case mode < ImplicitTLS || mode > Plaintext:
		return fmt.Errorf("submission on %s: unknown mode %d", addr, mode)
	case mode != Plaintext && config == nil:
		return fmt.Errorf("submission on %s: no certificate", addr)
	case mode.needsLoopback() && !sessions.Address(addr).IsLoopback():
		return fmt.Errorf("submission on %s: logins without TLS are for loopback addresses only", addr)
	}
	return nil
}

// library passes what go-smtp reports on to the log. It names no content.
type library struct{ log *slog.Logger }

func (l library) Printf(format string, v ...any) {
	l.log.Warn("smtp library reports", "text", fmt.Sprintf(format, v...))
}

func (l library) Println(v ...any) {
	l.log.Warn("smtp library reports", "text", fmt.Sprint(v...))
}

// newLibraryServer configures go-smtp. TLS, sizes, recipients, deadlines and
// line lengths are ours, so its own are off; AllowInsecureAuth only makes it
// ask the session for mechanisms, which offers none without TLS.
func newLibraryServer(p *port) *smtp.Server {
	l := smtp.NewServer(smtp.BackendFunc(p.newSession))
	l.Domain = p.server.cfg.Load().Hostname
	l.AllowInsecureAuth = true
	l.EnableDSN = true
	l.EnableSMTPUTF8 = true
	l.MaxLineLength = 0
	l.ReadTimeout = 0
	l.WriteTimeout = 0
	l.ErrorLog = library{p.server.log}
	return l
}
