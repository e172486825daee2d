package submission

import (
	"context"
	"crypto/tls"
	"io"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	sessions "gosbridge/gateway/session"
)

// only is the one session that is open.
func (r *rig) only() sessions.Info {
	r.t.Helper()
	all := r.server.Sessions().List()
	if len(all) != 1 {
		r.t.Fatalf("%d sessions", len(all))
	}
	return all[0]
}

// The list knows a session through STARTTLS and the login, under one id.
func TestListed(t *testing.T) {
	r := newRig(t, StartTLS)
	c := newClient(t, r.dial())
	c.say("", "220 ")
	c.say("EHLO client.example\r\n", "250-")
	before := r.only()
	if before.TLS != "" || before.Account != "" || before.Listener != r.addr || before.Protocol != auth.Submission || before.Received == 0 {
		t.Errorf("before TLS: %+v", before)
	}
	c.say("STARTTLS\r\n", "220 ")
	c = newClient(t, tls.Client(c.conn, clientTLS()))
	c.say("EHLO client.example\r\n", "250-")
	c.say("AUTH PLAIN "+plainResponse+"\r\n", "235 ")
	after := r.only()
	if after.ID != before.ID || !after.Since.Equal(before.Since) || after.TLS != "TLS 1.3" || after.Account != sender || after.Class != auth.Person {
		t.Errorf("after the login: %+v\nbefore: %+v", after, before)
	}
	if after.Command.Before(before.Command) || after.Sent <= before.Sent {
		t.Errorf("nothing was counted: %+v\nbefore: %+v", after, before)
	}
}

// A session that waits hears 421 at once, one with a letter on its way after
// the answer to it; what was pipelined behind it is not done.
func TestKick(t *testing.T) {
	r := newRig(t, ImplicitTLS)
	inside, release := r.holding()
	stays := newClient(t, r.dialTLS())
	stays.login()
	kept := r.only().ID
	waiting, sending := newClient(t, r.dialTLS()), newClient(t, r.dialTLS())
	waiting.login()
	waiting.say("MAIL FROM:<"+sender+">\r\n", "250 ")
	sending.login()
	sending.begin()
	io.WriteString(sending.conn, "Subject: x\r\n.\r\nMAIL FROM:<"+sender+">\r\n")
	<-inside
	var f sessions.Filter
	busy := 0
	for _, s := range r.server.Sessions().List() {
		if s.State == sessions.Busy {
			busy++
		}
		if s.ID != kept {
			f.IDs = append(f.IDs, s.ID)
		}
	}
	if busy != 1 {
		t.Errorf("%d sessions are busy, want the one with a letter", busy)
	}
	kicked := make(chan int, 1)
	go func() { kicked <- r.server.Sessions().Kick(context.Background(), f) }()
	waiting.say("", "421 4.3.2 session ended by the operator")
	waiting.ended()
	select {
	case <-kicked:
		t.Error("kicked before the letter was through")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	sending.say("", "250 2.6.0 accepted as ")
	sending.say("", "421 4.3.2 session ended by the operator")
	sending.ended()
	if n := <-kicked; n != 2 {
		t.Errorf("kicked %d", n)
	}
	if got := r.only().ID; got != kept {
		t.Errorf("session %s is left, want %s", got, kept)
	}
	stays.say("NOOP\r\n", "250 ")
	if len(r.office.kept()) != 1 {
		t.Error("the letter on its way was lost")
	}
}

// A message that does not come to its end is cut after the grace.
func TestKickCuts(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		c.begin()
		io.WriteString(c.conn, "Subject: x\r\n")
		began := time.Now()
		if n := r.server.Sessions().Kick(t.Context(), sessions.Filter{IDs: []string{r.only().ID}}); n != 1 {
			t.Errorf("kicked %d", n)
		}
		took(t, began, sessions.Grace, sessions.Grace)
		if _, err := io.WriteString(c.conn, "more\r\n"); err == nil {
			t.Error("the connection takes more of the message")
		}
		if len(r.office.kept()) != 0 {
			t.Error("half a letter was accepted")
		}
	})
}
