package imapd

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	sessions "gosbridge/gateway/session"
	"gosbridge/mailstore"
)

// The list shows who is logged in how and what a session is at, and nothing
// of the mailbox.
func TestListed(t *testing.T) {
	w := newWorld(t, setup{mode: Mode{TLS: StartTLS}, tls: certificate(t)})
	l := w.dial()
	before := w.server.Sessions().List()[0]
	l.ok("STARTTLS")
	l.startTLS()
	l.ok("LOGIN archive secret")
	l.ok("SELECT Drafts")
	l.send("i IDLE\r\n")
	l.read()
	var got sessions.Info
	for end := time.Now().Add(5 * time.Second); got.State != sessions.Idling && time.Now().Before(end); {
		got = w.server.Sessions().List()[0]
	}
	if got.ID != before.ID || got.State != sessions.Idling || got.TLS != tls.VersionName(tls.VersionTLS13) || before.TLS != "" ||
		got.Account != "u@a.example" || got.Class != auth.Archive || got.AccountID != w.account.ID || got.Protocol != auth.IMAP {
		t.Errorf("got %+v\nbefore %+v", got, before)
	}
	if got.Received <= before.Received || got.Sent <= before.Sent || got.Command.IsZero() {
		t.Errorf("nothing was counted: %+v", got)
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, "Drafts") {
		t.Errorf("the mailbox is shown: %s", text)
	}
}

// Kicked sessions hear BYE: at once when they idle or wait, else after the
// command that they are in, which is done whole.
func TestKick(t *testing.T) {
	w := newWorld(t, setup{})
	stays := w.dial() // not logged in
	idle, waiting, busy := w.selected("INBOX"), w.login("u"), w.login("u")
	idle.send("i IDLE\r\n")
	idle.read()
	busy.send(fmt.Sprintf("a APPEND INBOX {%d}\r\n", len(plainMail)))
	busy.read()
	kicked := make(chan int, 1)
	go func() {
		kicked <- w.server.Sessions().Kick(context.Background(), sessions.Filter{Account: w.account.ID})
	}()
	idle.closed("* BYE session ended by the operator")
	waiting.closed("* BYE session ended by the operator")
	busy.send(plainMail + "\r\nb NOOP\r\n")
	busy.closed("a OK [APPENDUID", "* BYE session ended by the operator")
	if n := <-kicked; n != 3 {
		t.Errorf("kicked %d", n)
	}
	stays.ok("LOGIN u secret")
	if got := stays.ok("STATUS INBOX (MESSAGES)"); len(got) != 1 || got[0] != `* STATUS "INBOX" (MESSAGES 1)` {
		t.Errorf("the message that was on its way: %q", got)
	}
}

// slowGate lets in after it was told to.
type slowGate struct {
	gate
	asked, release chan struct{}
}

func (g slowGate) Plain(ctx context.Context, from auth.Client, authzid, user, pass string) (auth.Identity, error) {
	close(g.asked)
	<-g.release
	return g.gate.Plain(ctx, from, authzid, user, pass)
}

// A login that is being checked while its account is kicked gets no further
// than its answer.
func TestKickWhileLoggingIn(t *testing.T) {
	w := newWorld(t, setup{})
	g := slowGate{gate{w.account}, make(chan struct{}), make(chan struct{})}
	w.server.auth = g
	l := w.dial()
	l.send("a LOGIN u secret\r\nb CREATE made\r\n")
	<-g.asked
	if n := w.server.Sessions().Kick(t.Context(), sessions.Filter{Account: w.account.ID}); n != 0 {
		t.Errorf("kicked %d", n)
	}
	close(g.release)
	l.closed("a OK", "* BYE session ended by the operator")
	err := w.store.View(t.Context(), w.account.ID, func(tx mailstore.Tx) error {
		_, err := tx.MailboxByName("made")
		return err
	})
	if err == nil {
		t.Error("a command was done after the kick")
	}
}
