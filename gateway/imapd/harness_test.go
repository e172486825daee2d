package imapd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest/transaction"
	"gosbridge/gateway/message"
	"gosbridge/gateway/searchtext"
	sessions "gosbridge/gateway/session"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/mailstore/boltstore"
)

// world is a server on loopback over a real store with one account.
type world struct {
	t       testing.TB
	store   *boltstore.Store
	server  *Server
	account mailstore.Account
	ln      net.Listener
	addr    string
	cancel  context.CancelFunc
	done    chan error
	bodies  *brittle // as the server opens them
}

// brittle is the store whose bodies cannot be opened when they are to fail.
type brittle struct {
	mailstore.Store
	fail atomic.Bool
}

func (b *brittle) Bodies() body.Store { return brittleBodies{b.Store.Bodies(), b} }

type brittleBodies struct {
	body.Store
	of *brittle
}

func (b brittleBodies) Open(ctx context.Context, ref body.Ref, offset int64) (io.ReadCloser, error) {
	if b.of.fail.Load() {
		return nil, errors.New("this body is not to be opened")
	}
	return b.Store.Open(ctx, ref, offset)
}

// gate lets in whoever knows the password "secret". The user's name tells
// the class: archive@..., system@..., else person.
type gate struct{ account mailstore.Account }

func (g gate) Plain(_ context.Context, from auth.Client, authzid, user, pass string) (auth.Identity, error) {
	if pass != "secret" {
		return auth.Identity{}, auth.ErrCredentials
	}
	id := auth.Identity{Account: g.account, Class: auth.Person, Remote: from.Remote}
	for _, class := range []auth.Class{auth.Archive, auth.System} {
		if strings.HasPrefix(user, string(class)) {
			id.Class = class
		}
	}
	return id, nil
}

// setup changes what a world is made of.
type setup struct {
	config func(*Config)
	room   Mailroom
	mode   Mode
	tls    *tls.Config
	quota  int64
	store  func(*boltstore.Options)
	boxes  []mailstore.NewMailbox // instead of a few
	log    *slog.Logger
}

func newWorld(t testing.TB, with setup) *world {
	t.Helper()
	options := boltstore.Options{Dir: t.TempDir(), MasterKey: [32]byte{1}, Create: true}
	if with.store != nil {
		with.store(&options)
	}
	store, err := boltstore.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	account := mailstore.Account{
		ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"u@a.example"}, Created: time.Now(), Quota: with.quota,
	}
	if with.boxes == nil {
		with.boxes = []mailstore.NewMailbox{
			{Name: "Drafts", Role: mailstore.RoleDrafts}, {Name: "Sent", Role: mailstore.RoleSent},
			{Name: "Receipts", Role: mailstore.RoleReceipts}, {Name: "Trash", Role: mailstore.RoleTrash},
		}
	}
	if err := store.Directory().CreateAccount(t.Context(), account, with.boxes); err != nil {
		t.Fatal(err)
	}
	cfg := Defaults()
	cfg.DrainTimeout = 2 * time.Second
	if with.config != nil {
		with.config(&cfg)
	}
	if with.mode == (Mode{}) {
		with.mode = Mode{TLS: NoTLS, Plaintext: true}
	}
	guard := transaction.Guard{Report: t.Errorf}
	bodies := &brittle{Store: store}
	server, err := New(cfg, guard.Store(bodies), gate{account}, with.room, with.log)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: store, server: server, account: account, done: make(chan error, 1), bodies: bodies}
	w.serve(with.mode, with.tls)
	return w
}

func (w *world) serve(mode Mode, config *tls.Config) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ln = transaction.Guard{Report: w.t.Errorf}.Listener(ln)
	w.ln, w.addr = ln, ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() { w.done <- w.server.Serve(ctx, ln, mode, config) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-w.done; err != nil {
			w.t.Error(err)
		}
		w.done <- nil
	})
}

// entry is a place in the table for a session that comes over no listener.
func (w *world) entry(t testing.TB) *sessions.Session {
	t.Helper()
	s, ok := w.server.Sessions().Enter(sessions.Limits{}, w.ln, w.ln.Addr())
	if !ok {
		t.Fatal("no place")
	}
	return s
}

// update changes the account behind the sessions' backs.
func (w *world) update(fn func(mailstore.UpdateTx) error) {
	w.t.Helper()
	if err := w.store.Update(context.Background(), w.account.ID, fn); err != nil {
		w.t.Fatal(err)
	}
}

// deliver adds a message as another session would.
func (w *world) deliver(box, raw string) mailstore.UID {
	w.t.Helper()
	return w.deliverAll(box, raw, 1)
}

// deliverAll adds n copies of raw.
func (w *world) deliverAll(box, raw string, n int) (last mailstore.UID) {
	w.t.Helper()
	raw = strings.ReplaceAll(raw, "%d", "1")
	ref, err := w.store.Bodies().Put(context.Background(), strings.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	summary, err := message.Index(strings.NewReader(raw), message.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	for n > 0 {
		k := min(n, 1000)
		ids := make([]mailstore.ID, k)
		for i := range ids {
			ids[i] = mailstore.NewID()
		}
		w.update(func(tx mailstore.UpdateTx) error {
			b, err := tx.MailboxByName(box)
			if err != nil {
				return err
			}
			for _, id := range ids {
				a, err := tx.Append(b.ID, mailstore.NewMessage{
					EmailID: id, Received: time.Date(2026, 3, 2, 10, 30, 0, 0, time.FixedZone("", 3*3600)), Summary: summary,
					Content: mailstore.Content{Body: ref, Length: int64(len(raw))},
				})
				if err != nil {
					return err
				}
				last = a.UID
			}
			return nil
		})
		n -= k
	}
	return last
}

// index makes the texts that searches look through.
func (w *world) index() {
	w.t.Helper()
	if err := searchtext.NewIndexer(w.store, nil).Rebuild(context.Background(), w.account.ID); err != nil {
		w.t.Fatal(err)
	}
}

// flag changes flags as another session would.
func (w *world) flag(box string, set mailstore.UIDSet, change mailstore.FlagChange) {
	w.t.Helper()
	w.update(func(tx mailstore.UpdateTx) error {
		b, err := tx.MailboxByName(box)
		if err != nil {
			return err
		}
		_, err = tx.SetFlags(b.ID, set, change)
		return err
	})
}

// expunge removes messages as another session would.
func (w *world) expunge(box string, uids ...mailstore.UID) {
	w.t.Helper()
	w.update(func(tx mailstore.UpdateTx) error {
		b, err := tx.MailboxByName(box)
		if err != nil {
			return err
		}
		_, err = tx.Expunge(b.ID, uidSet(uids), false)
		return err
	})
}

// line is a client that speaks lines.
type line struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	n    int
}

// dial connects and reads the greeting.
func (w *world) dial() *line {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	l := &line{t: w.t, conn: conn, r: bufio.NewReader(conn)}
	if got := l.read(); !strings.HasPrefix(got, "* OK [CAPABILITY ") {
		w.t.Fatalf("greeting %q", got)
	}
	return l
}

// login connects and logs in as user.
func (w *world) login(user string) *line {
	w.t.Helper()
	l := w.dial()
	l.ok("LOGIN " + user + " secret")
	return l
}

// selected connects, logs in and selects.
func (w *world) selected(box string) *line {
	w.t.Helper()
	l := w.login("u")
	l.ok("SELECT " + box)
	return l
}

// enabling connects, logs in and enables an extension.
func (w *world) enabling(extension string) *line {
	w.t.Helper()
	l := w.login("u")
	l.want("ENABLE "+extension, "OK", "* ENABLED "+extension)
	return l
}

func (l *line) send(raw string) {
	l.t.Helper()
	l.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(l.conn, raw); err != nil {
		l.t.Fatal(err)
	}
}

// read returns a line without its end; literals that it announces stand in it.
func (l *line) read() string {
	l.t.Helper()
	text, err := l.tryRead()
	if err != nil {
		l.t.Fatalf("read after %q: %v", text, err)
	}
	return text
}

func (l *line) tryRead() (string, error) {
	l.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	var all strings.Builder
	for {
		text, err := l.r.ReadString('\n')
		if err != nil {
			return all.String() + text, err
		}
		if !strings.HasSuffix(text, "\r\n") {
			return text, fmt.Errorf("line %q does not end in CRLF", text)
		}
		text = text[:len(text)-2]
		all.WriteString(text)
		var n int
		i := strings.LastIndexByte(text, '{')
		if i < 0 || !strings.HasSuffix(text, "}") {
			return all.String(), nil
		}
		if _, err := fmt.Sscanf(text[i:], "{%d}", &n); err != nil {
			return all.String(), nil
		}
		lit := make([]byte, n)
		if _, err := io.ReadFull(l.r, lit); err != nil {
			return all.String(), err
		}
		all.WriteString("\r\n")
		all.Write(lit)
	}
}

// do sends a command and returns its untagged responses and the tagged one
// without its tag.
func (l *line) do(cmd string) (untagged []string, tagged string) {
	l.t.Helper()
	l.n++
	tag := fmt.Sprintf("t%d", l.n)
	l.send(tag + " " + cmd + "\r\n")
	return l.until(tag)
}

func (l *line) until(tag string) (untagged []string, tagged string) {
	l.t.Helper()
	for {
		got := l.read()
		if rest, is := strings.CutPrefix(got, tag+" "); is {
			return untagged, rest
		}
		untagged = append(untagged, got)
	}
}

// ok wants OK and returns the untagged responses.
func (l *line) ok(cmd string) []string {
	l.t.Helper()
	untagged, tagged := l.do(cmd)
	if !strings.HasPrefix(tagged, "OK") {
		l.t.Fatalf("%s: %s", cmd, tagged)
	}
	return untagged
}

// want wants the tagged answer to begin so, and exactly these untagged
// responses.
func (l *line) want(cmd, tagged string, untagged ...string) {
	l.t.Helper()
	got, answer := l.do(cmd)
	if !strings.HasPrefix(answer, tagged) {
		l.t.Errorf("%s: answered %q, want %q", cmd, answer, tagged)
	}
	if strings.Join(got, "\n") != strings.Join(untagged, "\n") {
		l.t.Errorf("%s: got\n  %s\nwant\n  %s", cmd, strings.Join(got, "\n  "), strings.Join(untagged, "\n  "))
	}
}

// closed wants the server to end the connection after these lines.
func (l *line) closed(lines ...string) {
	l.t.Helper()
	for _, want := range lines {
		if got := l.read(); !strings.HasPrefix(got, want) {
			l.t.Errorf("got %q, want %q", got, want)
		}
	}
	if text, err := l.tryRead(); err == nil {
		l.t.Errorf("connection goes on with %q", text)
	}
}

const plainMail = "From: =?UTF-8?B?0JjQstCw0L0=?= <ivan@a.example>\r\nTo: b@b.example\r\n" +
	"Subject: =?koi8-r?B?8NLJ18XU?= one\r\nDate: Mon, 2 Mar 2026 10:00:00 +0300\r\nMessage-ID: <1@a.example>\r\n" +
	"X-Odd: yes\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nТекст письма.\r\nSecond line.\r\n"

const multiMail = "From: a@a.example\r\nTo: b@b.example\r\nSubject: parts\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n" +
	"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: c@c.example\r\n\r\ninner text\r\n" +
	"--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x--\r\n"

// lastTag and next are the numbers of the last tag that do sent and of the
// next.
func lastTag(l *line) string { return strconv.Itoa(l.n) }
func next(l *line) string    { return strconv.Itoa(l.n + 1) }

func decimal(n int) string { return strconv.Itoa(n) }
