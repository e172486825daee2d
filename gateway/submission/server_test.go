package submission

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	"gosbridge/policy"
)

// client speaks raw SMTP.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func newClient(t testing.TB, c net.Conn) *client {
	return &client{t: t, conn: c, in: bufio.NewReader(c)}
}

// say sends and expects a reply that begins with want, whose text it returns.
func (c *client) say(text, want string) string {
	c.t.Helper()
	if text != "" {
		if _, err := io.WriteString(c.conn, text); err != nil {
			c.t.Fatalf("send: %v", err)
		}
	}
	var reply strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %.40q: reply %q, %v; want %s", text, line, err, want)
		}
		reply.WriteString(line)
		if len(line) > 3 && line[3] == ' ' {
			break
		}
	}
	if !strings.HasPrefix(reply.String(), want) {
		c.t.Fatalf("after %.40q: reply %q, want %s", text, reply.String(), want)
	}
	return reply.String()
}

// ended expects the end of the connection.
func (c *client) ended() {
	c.t.Helper()
	if b, err := c.in.ReadByte(); !closed(err) {
		c.t.Fatalf("no end: %q, %v", b, err)
	}
}

// closed reports whether a read failed because the server closed the
// connection: with a reset where it had not read all that we sent.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

const plainResponse = "AGl2YW5vdkByb21hc2hrYS5leGFtcGxlAGFiY2RlLWZnaGlqLWtsbW5vLXBxcnN0LXV2d3h5eg=="

func (c *client) login() {
	c.t.Helper()
	c.say("", "220 ")
	c.say("EHLO client.example\r\n", "250-")
	c.say("AUTH PLAIN "+plainResponse+"\r\n", "235 ")
}

// begin goes as far as the 354.
func (c *client) begin() {
	c.t.Helper()
	c.say("MAIL FROM:<"+sender+">\r\n", "250 ")
	c.say("RCPT TO:<fns@gov.example>\r\n", "250 ")
	c.say("DATA\r\n", "354 ")
}

func TestNetSMTP(t *testing.T) {
	r := newRig(t, ImplicitTLS)
	conn := r.dialTLS()
	c, err := smtp.NewClient(conn, "gate.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", sender, password, "gate.example")); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(sender); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("fns@gov.example"); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "Subject: x\r\n\r\n.dot\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	r.close()
	if log := r.log.String(); strings.Contains(log, "ended by us") {
		t.Errorf("the end by QUIT is taken for ours:\n%s", log)
	}
	if kept := r.office.kept(); len(kept) != 1 || string(kept[0].body) != "Subject: x\r\n\r\n.dot\r\n" {
		t.Errorf("kept %+v", kept)
	}
}

// A parameter that is given twice means nothing, and the command does nothing.
func TestParameterTwice(t *testing.T) {
	c := newClient(t, newRig(t, Plaintext).dial())
	c.login()
	for _, p := range []string{"RET=FULL RET=HDRS", "RET=FULL ret=FULL", "ENVID=a BODY=8BITMIME ENVID=b", "SIZE=1 SIZE=2",
		"SIZE=1 AUTH=<> SIZE=2", "AUTH=<> BODY=7BIT AUTH=<>"} {
		c.say("MAIL FROM:<"+sender+"> "+p+"\r\n", "501 5.5.4 a parameter is given twice")
	}
	c.say("RCPT TO:<fns@gov.example>\r\n", "503 ")
	c.say("MAIL FROM:<"+sender+"> RET=FULL BODY=8BITMIME\r\n", "250 ")
	for _, p := range []string{"NOTIFY=NEVER NOTIFY=SUCCESS", "ORCPT=rfc822;a@b NOTIFY=NEVER ORCPT=rfc822;a@b"} {
		c.say("RCPT TO:<fns@gov.example> "+p+"\r\n", "501 5.5.4 a parameter is given twice")
	}
	c.say("DATA\r\n", "503 ")
	c.say("RCPT TO:<\"a\\\"> NOTIFY=NEVER \"@gov.example> NOTIFY=NEVER\r\n", "250 ") // once, behind the path
	c.say("RCPT TO:<fns@gov.example> NOTIFY=NEVER ORCPT=rfc822;a@b\r\n", "250 ")
	c.say("RSET\r\n", "250 ")
}

func TestEnvelope(t *testing.T) {
	r := newRig(t, Plaintext)
	c := newClient(t, r.dial())
	c.login()
	c.say("MAIL FROM:<"+sender+"> BODY=8BITMIME ENVID=QQ+2B314 RET=FULL\r\n", "250 ")
	c.say("RCPT TO:<fns@gov.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Fns+2Bx@gov.example\r\n", "250 ")
	c.say("RCPT TO:<mvd@gov.example> NOTIFY=NEVER\r\n", "250 ")
	c.say("RCPT TO:<fas@gov.example>\r\n", "250 ")
	c.say("DATA\r\n", "354 ")
	c.say(".\r\n", "250 2.6.0 ")
	env := r.office.kept()[0].env
	if env.From != sender || env.ID != "QQ+314" || !env.ReturnFull || !env.EightBit || env.UTF8 || !env.Who.Owns(sender) {
		t.Errorf("envelope %+v", env)
	}
	if id := env.Who; !id.Remote.IsLoopback() || id.Session == "" {
		t.Errorf("identity %+v", id)
	}
	want := []intake.Recipient{
		{Address: "fns@gov.example", Notify: []string{"SUCCESS", "DELAY"}, Original: "rfc822;Fns+x@gov.example"},
		{Address: "mvd@gov.example", Notify: []string{"NEVER"}},
		{Address: "fas@gov.example"},
	}
	if fmt.Sprint(env.Recipients) != fmt.Sprint(want) {
		t.Errorf("recipients %+v, want %+v", env.Recipients, want)
	}
	// The next message begins with nothing of this one.
	c.say("MAIL FROM:<"+sender+">\r\nRCPT TO:<fas@gov.example>\r\n", "250 ")
	c.say("", "250 ")
	c.say("DATA\r\n", "354 ")
	c.say("x\r\n.\r\n", "250 2.6.0 ")
	env = r.office.kept()[1].env
	if env.ID != "" || env.ReturnFull || env.EightBit || len(env.Recipients) != 1 {
		t.Errorf("second envelope %+v", env)
	}
}

// TestVanish cuts the connection after every octet of a message: nothing is
// accepted, and nothing of it is taken for a command.
func TestVanish(t *testing.T) {
	const message = "Subject: x\r\n\r\n..a\r\n.\r\n"
	for name, mode := range map[string]Mode{"plaintext": Plaintext, "tls": ImplicitTLS} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mode)
			for i := range len(message) {
				var conn net.Conn = r.dial()
				if mode == ImplicitTLS {
					conn = tls.Client(conn, clientTLS())
				}
				c := newClient(t, conn)
				c.login()
				c.begin()
				if _, err := io.WriteString(conn, message[:i]); err != nil {
					t.Fatal(err)
				}
				// With TLS that is a close_notify: a clean end of the stream.
				if half, ok := conn.(interface{ CloseWrite() error }); ok && i%2 == 0 {
					half.CloseWrite()
					io.Copy(io.Discard, conn)
				}
				conn.Close()
			}
			if err := r.close(); err != nil {
				t.Fatal(err)
			}
			if n := len(r.office.kept()); n != 0 {
				t.Errorf("%d letters were accepted", n)
			}
			if n := strings.Count(r.log.String(), "client vanished within a message"); n != len(message) {
				t.Errorf("%d of %d vanished clients are in the log", n, len(message))
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	r := newRig(t, Plaintext)
	c := newClient(t, r.dial())
	c.login()
	line := strings.Repeat("x", 1022) + "\r\n"
	c.begin()
	c.say(strings.Repeat(line, 1024)+".\r\n", "250 2.6.0 ") // the limit to the octet
	c.begin()
	c.say(strings.Repeat(line, 1024)+"x\r\n.\r\n", "552 5.3.4 size-exceeded: ")
	c.say("NOOP\r\n", "250 ")
	if n := len(r.office.kept()); n != 1 {
		t.Errorf("%d letters", n)
	}
}

func TestConnectionLimits(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"server":  func(c *Config) { c.MaxConnections = 2 },
		"address": func(c *Config) { c.MaxConnectionsPerAddr = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, StartTLS, change)
			first, second := newClient(t, r.dial()), newClient(t, r.dial())
			first.say("", "220 ")
			second.say("", "220 ")
			third := newClient(t, r.dial())
			third.say("", "421 4.7.0 too-many-connections: too many connections")
			third.ended()
			// STARTTLS takes no second place, and QUIT frees it.
			first.say("EHLO x\r\n", "250-")
			first.say("STARTTLS\r\n", "220 ")
			first = newClient(t, tls.Client(first.conn, clientTLS()))
			first.say("EHLO x\r\n", "250-")
			first.say("QUIT\r\n", "221 ")
			first.ended()
			for i := 0; ; i++ {
				c := newClient(t, r.dial())
				line, _ := c.in.ReadString('\n')
				if strings.HasPrefix(line, "220 ") {
					break
				}
				if i == 100 {
					t.Fatalf("the place is not free: %q", line)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

// Other limits are for connections that come after: one that is open keeps the
// size that it was told of, over STARTTLS too, and its place.
func TestReconfigure(t *testing.T) {
	r := newRig(t, StartTLS)
	old := newClient(t, r.dial())
	old.say("", "220 ")
	cfg := testConfig()
	cfg.Hostname, cfg.MaxSize, cfg.MaxConnections = "other.example", 100, 2
	r.server.Reconfigure(cfg)
	// It goes over to TLS, is told the size, and sends 202 octets.
	use := func(c *client, size, answer string) {
		t.Helper()
		c.say("EHLO x\r\n", "250-gate.example") // the name stays
		c.say("STARTTLS\r\n", "220 ")
		c = newClient(t, tls.Client(c.conn, clientTLS()))
		if got := c.say("EHLO x\r\n", "250-gate.example"); !strings.HasSuffix(got, "250 SIZE "+size+"\r\n") {
			t.Errorf("it is told %q", got)
		}
		c.say("AUTH PLAIN "+plainResponse+"\r\n", "235 ")
		c.begin()
		c.say(strings.Repeat("x", 200)+"\r\n.\r\n", answer)
	}
	use(old, "1048576", "250 ")
	fresh := newClient(t, r.dial())
	fresh.say("", "220 ")
	use(fresh, "100", "552 5.3.4 size-exceeded: ")
	third := newClient(t, r.dial())
	third.say("", "421 4.7.0 too-many-connections: too many connections")
}

// holding lets the next letter get as far as inside, and no further before
// release.
func (r *rig) holding() (inside, release chan struct{}) {
	inside, release = make(chan struct{}), make(chan struct{})
	r.office.hold = func(context.Context) error {
		close(inside)
		<-release
		return nil
	}
	return inside, release
}

func TestShutdown(t *testing.T) {
	r := newRig(t, ImplicitTLS)
	inside, release := r.holding()
	idle, begun, sending := newClient(t, r.dialTLS()), newClient(t, r.dialTLS()), newClient(t, r.dialTLS())
	silent := r.dial() // never speaks TLS
	idle.say("", "220 ")
	begun.login()
	begun.say("MAIL FROM:<"+sender+">\r\n", "250 ")
	sending.login()
	sending.begin()
	io.WriteString(sending.conn, "Subject: x\r\n.\r\nMAIL FROM:<"+sender+">\r\n")
	<-inside
	r.stop()
	idle.say("", "421 4.3.2 service-closing: service is closing")
	idle.ended()
	begun.say("", "421 4.3.2 ")
	begun.ended()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("a connection without handshake stays")
	}
	select {
	case err := <-r.done:
		t.Fatalf("Serve returned %v with a letter on its way", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	sending.say("", "250 2.6.0 accepted as ")
	sending.say("", "421 4.3.2 ")
	sending.ended()
	if err := r.close(); err != nil {
		t.Error(err)
	}
	if len(r.office.kept()) != 1 {
		t.Error("the letter on its way was lost")
	}
}

func TestShutdownBound(t *testing.T) {
	r := newRig(t, Plaintext, func(c *Config) { c.ShutdownTimeout = 50 * time.Millisecond })
	inside := make(chan struct{})
	r.office.hold = func(ctx context.Context) error {
		close(inside)
		<-ctx.Done()
		return ctx.Err()
	}
	c := newClient(t, r.dial())
	c.login()
	c.begin()
	io.WriteString(c.conn, "Subject: x\r\n.\r\n")
	<-inside
	began := time.Now()
	if err := r.close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("shutdown took %s", took)
	}
	if len(r.office.kept()) != 0 {
		t.Error("a letter was accepted after its time")
	}
}

func TestModeNeedsLoopback(t *testing.T) {
	everywhere := &net.TCPAddr{IP: net.IPv4zero, Port: 587}
	for mode, ok := range map[Mode]bool{ImplicitTLS: true, StartTLS: true, OptionalTLS: false, Plaintext: false, 0: false} {
		if err := checkMode(everywhere, mode, testTLS()); (err == nil) != ok {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
	if checkMode(everywhere, ImplicitTLS, nil) == nil {
		t.Error("TLS without a certificate")
	}
}

// TestLongTextLine: RFC 5321 allows lines of 998 octets, programs write longer
// ones, and what they are worth is for those who read the message.
func TestLongTextLine(t *testing.T) {
	r := newRig(t, Plaintext)
	c := newClient(t, r.dial())
	c.login()
	line := strings.Repeat("x", 100_000)
	c.begin()
	c.say(line+"\r\n.\r\n", "250 2.6.0 ")
	if got := string(r.office.kept()[0].body); got != line+"\r\n" {
		t.Errorf("%d octets came through", len(got))
	}
}

// TestSessions has many clients at once, each with letters of its own.
func TestSessions(t *testing.T) {
	r := newRig(t, ImplicitTLS)
	var clients sync.WaitGroup
	const sessions, letters = 16, 8
	for i := range sessions {
		c := newClient(t, r.dialTLS())
		clients.Go(func() {
			c.login()
			for j := range letters {
				c.begin()
				c.say(fmt.Sprintf("Subject: %d %d\r\n.\r\n", i, j), "250 2.6.0 accepted as ")
			}
			c.say("QUIT\r\n", "221 ")
		})
	}
	clients.Wait()
	if n := len(r.office.kept()); n != sessions*letters {
		t.Errorf("%d letters, want %d", n, sessions*letters)
	}
}

// TestPanic: a fault in one transaction ends that connection only.
func TestPanic(t *testing.T) {
	c, stop := serve(t, testConfig(), &faulty{})
	defer stop()
	c.login()
	c.begin()
	reply := c.say("x\r\n.\r\n", "421 4.3.0 ")
	if strings.Contains(reply, "index out of range") {
		t.Errorf("the reply shows the cause: %q", reply)
	}
	c.ended()
	other, err := net.Dial("tcp", c.conn.RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	newClient(t, other).say("", "220 ")
}

// faulty is an Intake with a fault.
type faulty struct{ office }

func (*faulty) Accept(context.Context, intake.Envelope, io.Reader) (intake.Accepted, error) {
	var none []int
	return intake.Accepted{Recipients: none[0]}, nil
}

var (
	_ Authenticator = (*auth.Authenticator)(nil)
	_ error         = policy.Violation{}
)
