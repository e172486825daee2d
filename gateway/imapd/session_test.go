package imapd

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

// insecure trusts the certificate of a test.
var insecure = &tls.Config{InsecureSkipVerify: true}

func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// startTLS takes a client over to TLS.
func (l *line) startTLS() {
	l.t.Helper()
	conn := tls.Client(l.conn, insecure)
	if err := conn.Handshake(); err != nil {
		l.t.Fatal(err)
	}
	l.conn, l.r = conn, bufio.NewReader(conn)
}

// Only what works is advertised, and a password is never taken in the clear.
func TestStartTLS(t *testing.T) {
	w := newWorld(t, setup{mode: Mode{TLS: StartTLS}, tls: certificate(t)})
	l := w.dial()
	got := l.ok("CAPABILITY")[0]
	if !strings.Contains(got, " STARTTLS LOGINDISABLED") || strings.Contains(got, "AUTH=") {
		t.Errorf("before TLS: %s", got)
	}
	l.want("LOGIN u secret", "NO [PRIVACYREQUIRED]")
	l.want("LOGIN {1}", "NO [PRIVACYREQUIRED]")
	l.want("AUTHENTICATE PLAIN", "NO [PRIVACYREQUIRED]")
	l.want("AUTHENTICATE PLAIN AHUAc2VjcmV0", "NO [PRIVACYREQUIRED]")
	// What was pipelined behind STARTTLS is dropped.
	l.send("s STARTTLS\r\nx ID NIL\r\nx LOGIN u secret\r\n")
	if got := l.read(); !strings.HasPrefix(got, "s OK") {
		t.Fatal(got)
	}
	l.startTLS()
	got = l.ok("CAPABILITY")[0]
	if strings.Contains(got, "STARTTLS") || strings.Contains(got, "LOGINDISABLED") || !strings.Contains(got, " AUTH=PLAIN") {
		t.Errorf("under TLS: %s", got)
	}
	l.want("STARTTLS", "BAD")
	l.want("SELECT INBOX", "BAD")
	l.ok("LOGIN u secret")
	got = l.ok("CAPABILITY")[0]
	for _, word := range []string{"STARTTLS", "AUTH=", "LOGINDISABLED"} {
		if strings.Contains(got, word) {
			t.Errorf("logged in: %s", got)
		}
	}
	l.want("LOGIN u secret", "BAD")
	l.ok("LOGOUT")
}

func TestImplicitTLS(t *testing.T) {
	w := newWorld(t, setup{mode: Mode{TLS: ImplicitTLS}, tls: certificate(t), config: func(c *Config) { c.HandshakeTimeout = 200 * time.Millisecond }})
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l := &line{t: t, conn: conn}
	l.startTLS()
	if got := l.read(); !strings.HasPrefix(got, "* OK [CAPABILITY ") {
		t.Error(got)
	}
	l.ok("LOGIN u secret")
	// A client that never shakes hands is cut off.
	mute, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	mute.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := mute.Read(make([]byte, 1)); err == nil || errors.Is(err, errTimeout(err)) {
		t.Errorf("still open: %v", err)
	}
}

// errTimeout is err if it is a timeout.
func errTimeout(err error) error {
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() {
		return err
	}
	return io.ErrNoProgress
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.FailedLogins = 10 }})
	good := base64.StdEncoding.EncodeToString([]byte("\x00u\x00secret"))
	l := w.dial()
	l.want("AUTHENTICATE PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00u\x00wrong")), "NO [AUTHENTICATIONFAILED]")
	l.want("AUTHENTICATE PLAIN !!!", "BAD")
	l.want("AUTHENTICATE PLAIN =", "BAD")
	l.want("AUTHENTICATE SCRAM-SHA-256", "NO")
	l.send("a AUTHENTICATE PLAIN\r\n")
	if got := l.read(); got != "+ " {
		t.Errorf("challenge %q", got)
	}
	l.send("*\r\n")
	if got := l.read(); !strings.HasPrefix(got, "a BAD") {
		t.Error(got)
	}
	l.send("b authenticate plain\r\n")
	l.read()
	l.send(good + "\r\n")
	if got := l.read(); !strings.HasPrefix(got, "b OK [CAPABILITY IMAP4rev1 ") {
		t.Error(got)
	}
	m := w.dial()
	m.want("AUTHENTICATE PLAIN "+good, "OK [CAPABILITY")
}

// Each limit has its response.
func TestConnectionLimits(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) {
		c.ConnectionsPerAddress, c.ConnectionsPerAccount, c.FailedLogins, c.LoginTimeout = 3, 2, 2, 300*time.Millisecond
	}})
	a, b := w.login("u"), w.login("u")
	c := w.dial()
	c.want("LOGIN u secret", "NO [LIMIT]")
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d := &line{t: t, conn: conn, r: bufio.NewReader(conn)}
	d.closed("* BYE [LIMIT]")
	a.ok("LOGOUT")
	a.closed()
	c.ok("LOGIN u secret")
	c.ok("LOGOUT")
	c.closed()
	e := w.dial()
	e.want("LOGIN u wrong", "NO [AUTHENTICATIONFAILED]")
	e.want("LOGIN u wrong", "NO [AUTHENTICATIONFAILED]")
	e.closed("* BYE")
	f := w.dial()
	f.closed("* BYE waited too long") // LoginTimeout
	b.ok("NOOP")
}

func TestTimeouts(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.IdleTimeout, c.ReadTimeout = 200*time.Millisecond, 150*time.Millisecond }})
	idler, waiter, slow := w.selected("INBOX"), w.login("u"), w.login("u")
	idler.send("i IDLE\r\n")
	idler.read()
	slow.send("a NO")
	slow.closed("* BYE waited too long")
	waiter.closed("* BYE waited too long")
	idler.closed("* BYE waited too long")
}

func TestCommandTooLong(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.dial()
	l.send("a LOGIN " + strings.Repeat("x", 9000) + "\r\n")
	l.closed("* BYE [TOOBIG]")
	m := w.login("u")
	m.send("a SEARCH SUBJECT \"" + strings.Repeat("x", 70_000) + "\"\r\n")
	m.closed("* BYE [TOOBIG]")
}

// Commands that make no sense are BAD, and the session goes on.
func TestBadCommands(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	for _, raw := range []string{"\r\n", "tag\r\n", "t1 \r\n", "+ NOOP\r\n", " NOOP\r\n", "(\r\n", "\x00\xff\r\n"} {
		l.send(raw)
		if got := l.read(); !strings.Contains(got, " BAD ") {
			t.Errorf("%q: %q", raw, got)
		}
	}
	for _, cmd := range []string{"BOGUS", "NOOP x", "UID", "UID BOGUS", "CAPABILITY  ", "SELECT", "SELECT \"", "LIST \"\"", "STATUS INBOX", "STATUS INBOX ()",
		"STATUS INBOX (BOGUS)", "ID", "ID (\"a\")", "ID \"a\"", "ENABLE CONDSTORE ", "IDLE now", "AUTHENTICATE PLAIN", "FETCH 1 FLAGS", "COPY 1 Sent"} {
		l.want(cmd, "BAD")
	}
	l.send("n NOOP\nm noop\r\n") // a bare LF ends a line too
	for _, want := range []string{"n OK", "m OK"} {
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q", got)
		}
	}
	l.want(`ID ("name" "x" "version" NIL)`, "OK", `* ID ("name" "gosbridge")`)
	l.want("ID ("+strings.Repeat(`"a" "b" `, 31)+`"c" "d")`, "BAD")
	l.want("NAMESPACE", "OK", `* NAMESPACE (("" "/")) NIL NIL`)
}

// writes counts the writes of a connection.
type writes struct {
	net.Conn
	n int
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	return w.Conn.Write(p)
}

// A pipelining client is served without waiting, with one flush for all.
func TestPipelineFlushesOnce(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	client, server := net.Pipe()
	defer client.Close()
	count := &writes{Conn: server}
	ses := w.server.newSession(t.Context(), w.server.cfg.Load(), w.entry(t), count, Mode{TLS: NoTLS, Plaintext: true}, nil)
	done := make(chan error, 1)
	go func() {
		done <- ses.run()
		ses.end()
	}()
	l := &line{t: t, conn: client, r: bufio.NewReader(client)}
	l.read()
	l.ok("LOGIN u secret")
	before := count.n
	l.send("a SELECT INBOX\r\nb FETCH 1:* FLAGS\r\nc STORE 1 +FLAGS (\\Seen)\r\nd SEARCH ALL\r\ne NOOP\r\n")
	for _, tag := range []string{"a", "b", "c", "d", "e"} {
		if _, tagged := l.until(tag); !strings.HasPrefix(tagged, "OK") {
			t.Errorf("%s %s", tag, tagged)
		}
	}
	l.ok("NOOP") // so that the server is through with the batch
	if n := count.n - before; n != 2 {
		t.Errorf("%d writes for a batch and a NOOP", n)
	}
	client.Close()
	if err := <-done; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// Serve ends idle sessions with a BYE and lets a running command finish.
func TestDrain(t *testing.T) {
	w := newWorld(t, setup{})
	idle, waiting, busy := w.selected("INBOX"), w.login("u"), w.login("u")
	idle.send("i IDLE\r\n")
	idle.read()
	busy.send(fmt.Sprintf("a APPEND INBOX {%d}\r\n", len(plainMail)))
	busy.read()
	w.cancel()
	idle.closed("* BYE")
	waiting.closed("* BYE")
	busy.send(plainMail + "\r\n")
	busy.closed("a OK [APPENDUID", "* BYE")
	if err := <-w.done; err != nil {
		t.Error(err)
	}
	w.done <- nil
	if n := w.messages("INBOX"); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// A command that does not end is cut after the time to drain.
func TestDrainBounded(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.DrainTimeout = 100 * time.Millisecond }})
	l := w.login("u")
	l.send("a APPEND INBOX {100}\r\n")
	l.read()
	w.cancel()
	select {
	case err := <-w.done:
		w.done <- err
	case <-time.After(5 * time.Second):
		t.Fatal("Serve does not return")
	}
}

// Plain-text logins only on loopback, judged by the listener.
func TestPlaintextOnLoopbackOnly(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:143": true, "[::1]:143": true, "0.0.0.0:143": false, "[::]:143": false, "192.0.2.1:143": false} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		ln := &fakeListener{addr: tcp}
		w := newWorld(t, setup{})
		err = w.server.Serve(t.Context(), ln, Mode{TLS: NoTLS, Plaintext: true}, nil)
		if got := !errors.Is(err, ErrPlaintext); got != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	w := newWorld(t, setup{mode: Mode{TLS: NoTLS}})
	w.dial().want("LOGIN u secret", "NO [PRIVACYREQUIRED]")
	if err := w.server.Serve(t.Context(), &fakeListener{addr: &net.TCPAddr{}}, Mode{TLS: StartTLS}, nil); err == nil {
		t.Error("STARTTLS without a certificate")
	}
}

// fakeListener has an address and no connections.
type fakeListener struct{ addr net.Addr }

func (l *fakeListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l *fakeListener) Close() error              { return nil }
func (l *fakeListener) Addr() net.Addr            { return l.addr }

func TestConfigValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	cfg := Defaults()
	cfg.IdleTimeout, cfg.Keywords = 0, -1
	err := cfg.Validate()
	if err == nil || !strings.Contains(err.Error(), "idle timeout") || !strings.Contains(err.Error(), "keywords") {
		t.Errorf("got %v", err)
	}
	if _, err := New(cfg, nil, nil, nil, nil); err == nil {
		t.Error("New took it")
	}
}

// letters is a Mailroom that notes what it is told, in the Update.
type letters struct {
	refuse error
	mark   string // keyword set on what was seen
	notes  []string
	// known is OnAppend.
	known func(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, *mailstore.NewMessage) (mailstore.UID, error)
}

func (*letters) Owns(keyword string) bool { return strings.HasPrefix(keyword, "Letter-") }

func (m *letters) note(what string, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error {
	m.notes = append(m.notes, fmt.Sprintf("%s %s %s %s", what, who.Class, box.Name, uids))
	return m.refuse
}

func (m *letters) OnFlags(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, seen mailstore.UIDSet) error {
	if m.mark != "" {
		change := mailstore.FlagChange{Op: mailstore.FlagsAdd, Keywords: []string{m.mark}}
		if _, err := tx.SetFlags(box.ID, seen, change); err != nil {
			return err
		}
	}
	return m.note("flags", who, box, seen)
}

func (m *letters) OnAppend(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, msg *mailstore.NewMessage) (mailstore.UID, error) {
	if m.known != nil {
		return m.known(tx, who, box, msg)
	}
	return 0, nil
}

func (m *letters) OnArrive(_ mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error {
	return m.note("arrive", who, box, uids)
}

func (m *letters) OnLeave(_ mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error {
	return m.note("leave", who, box, uids)
}

func (m *letters) OnExpunge(_ mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error {
	return m.note("expunge", who, box, uids)
}

func (m *letters) OnDelete(_ mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox) error {
	return m.note("delete", who, box, nil)
}

// Letters hear of everything that means something to them, in its Update.
func TestMailroom(t *testing.T) {
	room := &letters{}
	w := newWorld(t, setup{room: room})
	w.deliverAll("INBOX", plainMail, 4)
	l := w.selected("INBOX")
	expect := func(cmd string, notes ...string) {
		t.Helper()
		room.notes = nil
		l.ok(cmd)
		if strings.Join(room.notes, ", ") != strings.Join(notes, ", ") {
			t.Errorf("%s: letters heard %q, want %q", cmd, room.notes, notes)
		}
	}
	expect("FETCH 1:2 BODY.PEEK[]")
	expect("FETCH 1:2 BODY[]", "flags person INBOX 1:2")
	expect(`STORE 1:3 +FLAGS (\Seen)`, "flags person INBOX 3")
	expect(`STORE 1:3 -FLAGS (\Seen)`)
	expect(`STORE 2 FLAGS.SILENT (\Seen)`, "flags person INBOX 2")
	expect("COPY 1,3 Trash", "arrive person Trash 1:2")
	expect("MOVE 4 Trash", "leave person INBOX 4", "arrive person Trash 3")
	expect(`STORE 1:2 +FLAGS.SILENT (\Deleted)`)
	expect("UID EXPUNGE 1", "expunge person INBOX 1")
	expect("CLOSE", "expunge person INBOX 2")
	expect("CREATE Case")
	expect("DELETE Case", "delete person Case ")
	room.notes = nil
	l.append("INBOX", plainMail)
	if got := strings.Join(room.notes, ", "); got != "arrive person INBOX 5" {
		t.Errorf("append: %q", got)
	}
}

// A refusal of letters refuses the command and keeps nothing of it.
func TestMailroomRefuses(t *testing.T) {
	room := &letters{}
	w := newWorld(t, setup{room: room})
	w.deliverAll("INBOX", plainMail, 2)
	l := w.selected("INBOX")
	l.ok(`STORE 2 +FLAGS (\Deleted)`)
	l.ok("CREATE Case")
	room.refuse = mailstore.ErrReadOnly
	for _, cmd := range []string{`STORE 1 +FLAGS (\Seen)`, "FETCH 1 BODY[]", "COPY 1 Trash", "MOVE 1 Trash", "EXPUNGE"} {
		if _, tagged := l.do(cmd); !strings.HasPrefix(tagged, "NO [CANNOT]") {
			t.Errorf("%s: %s", cmd, tagged)
		}
	}
	if got := l.append("INBOX", plainMail); !strings.HasPrefix(got, "NO [CANNOT]") {
		t.Error(got)
	}
	if _, tagged := l.do("DELETE Case"); !strings.HasPrefix(tagged, "NO [CANNOT]") {
		t.Error(tagged)
	}
	room.refuse = nil
	l.want("STATUS Case (MESSAGES)", "OK", `* STATUS "Case" (MESSAGES 0)`)
	l.want("FETCH 1:* FLAGS", "OK", "* 1 FETCH (FLAGS ())", `* 2 FETCH (FLAGS (\Deleted))`)
	l.want("STATUS Trash (MESSAGES)", "OK", `* STATUS "Trash" (MESSAGES 0)`)
}

// Keywords of letters are shown and cannot be changed; a STORE that tried
// hears what is so (letters.md §6).
func TestOwnedKeywords(t *testing.T) {
	room := &letters{}
	w := newWorld(t, setup{room: room})
	w.deliverAll("INBOX", plainMail, 2)
	own := func(op mailstore.FlagOp, k string) {
		w.flag("INBOX", mailstore.UIDSet{{Start: 1, Stop: 1}}, mailstore.FlagChange{Op: op, Keywords: []string{k}})
	}
	own(mailstore.FlagsAdd, "Letter-Sent")
	l := w.login("u")
	lists := l.ok("SELECT INBOX")
	if !strings.HasSuffix(lists[0], " Letter-Sent)") || strings.Contains(lists[1], "Letter-Sent") {
		t.Errorf("got %q", lists[:2])
	}
	still := `* 1 FETCH (UID 1 FLAGS (Letter-Sent))`
	l.want("STORE 1 -FLAGS.SILENT (Letter-Sent)", "OK", still)
	l.want("STORE 1 FLAGS.SILENT ()", "OK", still)
	l.want("STORE 1 FLAGS ()", "OK", still)
	l.want("STORE 1 +FLAGS.SILENT (Letter-Opened)", "OK", still)
	l.want("STORE 2 FLAGS.SILENT (Letter-Sent)", "OK", `* 2 FETCH (UID 2 FLAGS ())`)
	if tagged := l.append("INBOX (Letter-Sent mine)", plainMail); !strings.HasPrefix(tagged, "OK") {
		t.Error(tagged)
	}
	got := l.ok("FETCH 3 FLAGS")
	if got[len(got)-1] != "* 3 FETCH (FLAGS (mine))" {
		t.Errorf("got %q", got)
	}
	// Letters change keywords in the Update of a silent STORE: it is told.
	room.mark = "Letter-Opened"
	got = l.ok(`STORE 2 +FLAGS.SILENT (\Seen)`)
	if got[len(got)-1] != `* 2 FETCH (UID 2 FLAGS (\Seen Letter-Opened))` {
		t.Errorf("got %q", got)
	}
	l.want("NOOP", "OK")
	// And pushed to an idling client.
	l.send("i IDLE\r\n")
	l.read()
	own(mailstore.FlagsRemove, "Letter-Sent")
	if got := l.read(); got != "* 1 FETCH (UID 1 FLAGS ())" {
		t.Error(got)
	}
}

// Class reaches the letters, so that a system never opens one.
func TestMailroomClass(t *testing.T) {
	room := &letters{}
	w := newWorld(t, setup{room: room})
	w.deliver("INBOX", plainMail)
	l := w.login("system")
	l.ok("SELECT INBOX")
	l.ok("FETCH 1 BODY[]")
	if got := strings.Join(room.notes, ", "); got != "flags system INBOX 1" {
		t.Errorf("got %q", got)
	}
}
