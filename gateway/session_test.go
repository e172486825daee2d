package gateway_test

import (
	"testing"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/session"
)

// sessions are those that the command shows.
func sessions(t *testing.T, g *gatewaytest.Gateway, account string) (list []session.Info) {
	t.Helper()
	client, err := admin.Dial(t.Context(), g.Config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Call(t.Context(), admin.OpSessionList, admin.SessionList{Account: account}, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// The sessions of both protocols are listed together and ended by account and
// credential; the others go on.
func TestSessions(t *testing.T) {
	g := gatewaytest.Start(t)
	smtp := dialSMTP(t, g, gatewaytest.Sender, "system")
	person, archive := dialIMAP(t, g, gatewaytest.Sender, "person"), dialIMAP(t, g, gatewaytest.Sender, "archive")
	other := dialIMAP(t, g, gatewaytest.Body, "person")
	list := sessions(t, g, gatewaytest.Sender)
	if len(list) != 3 || len(sessions(t, g, "")) != 4 {
		t.Fatalf("sessions of the sender: %+v", list)
	}
	for i, want := range []struct {
		protocol auth.Protocol
		listener string
		name     string
	}{{auth.Submission, g.SMTPS, "system"}, {auth.IMAP, g.IMAPS, "person"}, {auth.IMAP, g.IMAPS, "archive"}} {
		s := list[i]
		if s.Protocol != want.protocol || s.Listener != want.listener || s.Credential != want.name || string(s.Class) != want.name ||
			s.TLS != "TLS 1.3" || s.Account != gatewaytest.Sender || s.Sent == 0 || s.Received == 0 {
			t.Errorf("session %d: %+v, want %+v", i, s, want)
		}
	}
	kick := func(in admin.SessionKick, want int) {
		t.Helper()
		var out admin.SessionKicked
		if err := g.Admin().Call(t.Context(), admin.OpSessionKick, in, &out); err != nil || out.Sessions != want {
			t.Errorf("kicked %d, %v; want %d", out.Sessions, err, want)
		}
	}
	kick(admin.SessionKick{Account: gatewaytest.Sender, Credential: "person"}, 1)
	if err := person.Noop().Wait(); err == nil {
		t.Error("the kicked session goes on")
	}
	if err := archive.Noop().Wait(); err != nil {
		t.Errorf("another credential's session: %v", err)
	}
	kick(admin.SessionKick{Account: gatewaytest.Sender}, 2)
	if err := smtp.Noop(); err == nil || err.Error() != `421 "4.3.2 session ended by the operator"` {
		t.Errorf("SMTP hears %v", err)
	}
	if err := other.Noop().Wait(); err != nil {
		t.Errorf("another account's session: %v", err)
	}
	if list := sessions(t, g, ""); len(list) != 1 || list[0].Account != gatewaytest.Body {
		t.Errorf("left: %+v", list)
	}
	if err := dialIMAP(t, g, gatewaytest.Sender, "person").Noop().Wait(); err != nil {
		t.Errorf("it cannot come again: %v", err)
	}
}
