package gateway_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// placeOf is where a copy of a letter is, as letter show has it.
func placeOf(t *testing.T, g *gatewaytest.Gateway, number, which string) string {
	t.Helper()
	for _, c := range do[admin.Letter](t, g.Admin(), admin.OpLetterShow, admin.LetterName{Number: number}).Copies {
		if c.Copy == which {
			return c.Place
		}
	}
	t.Fatalf("no copy %s of %s", which, number)
	return ""
}

// delivered sends a letter of a type to the state body, and waits until it is
// there.
func delivered(t *testing.T, g *gatewaytest.Gateway, letterType, subject string) (number string) {
	t.Helper()
	letter := compose(t, gatewaytest.Sender, gatewaytest.Body, subject, "X-Letter-Type: "+letterType)
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body}, letter)
	if code != 250 {
		t.Fatalf("%d %s", code, reply)
	}
	number = strings.TrimSuffix(strings.Fields(reply)[3], ";")
	eventually(t, "delivery", func() bool {
		return do[admin.Letter](t, g.Admin(), admin.OpLetterShow, admin.LetterName{Number: number}).State == "delivered"
	})
	return number
}

// gathered are all lines of the answer to a command.
func (d *dialogue) gathered(tag, command string) string {
	d.t.Helper()
	if _, err := d.Write([]byte(tag + " " + command + "\r\n")); err != nil {
		d.t.Fatal(err)
	}
	var all strings.Builder
	for {
		line, err := d.r.ReadString('\n')
		if err != nil {
			d.t.Fatal(err)
		}
		all.WriteString(line)
		if strings.HasPrefix(line, tag+" ") {
			return all.String()
		}
	}
}

// views are what IMAP tells of an account: nothing of it may change when the
// vault does, but for the mailbox that a letter left.
func views(t *testing.T, g *gatewaytest.Gateway, number string) string {
	t.Helper()
	d := imapLogin(t, g, "person")
	defer func() { _ = d.Close() }()
	var all strings.Builder
	for _, command := range []string{
		`LIST "" "*"`, `LIST (SUBSCRIBED) "" "*" RETURN (STATUS (MESSAGES UNSEEN DELETED SIZE))`, `LSUB "" "*"`,
		"STATUS INBOX (MESSAGES UNSEEN SIZE)", "NAMESPACE", "CAPABILITY",
	} {
		all.WriteString(d.gathered("v", command))
	}
	for _, name := range []string{"INBOX", "Archive", "Trash", "Junk", "Sent", "Drafts"} {
		all.WriteString(d.gathered("v", "EXAMINE "+name))
		for _, command := range []string{
			"UID SEARCH ALL", "UID SEARCH HEADER X-Letter-Number " + number, `UID SEARCH RETURN (ALL COUNT MIN MAX) TEXT "vault test"`,
			"UID SEARCH KEYWORD Letter-Delivered", "UID SEARCH RETURN (COUNT) LARGER 1", "UID FETCH 1:* (FLAGS RFC822.SIZE)",
		} {
			all.WriteString(d.gathered("v", command))
		}
	}
	return all.String()
}

func vaultOf(t *testing.T, g *gatewaytest.Gateway, address string) []admin.VaultEntry {
	t.Helper()
	return do[[]admin.VaultEntry](t, g.Admin(), admin.OpVaultList, admin.VaultList{Account: address})
}

// An expunged letter goes into the vault, where no command of IMAP sees it, and
// comes back from it; so does what goes with its mailbox.
func TestVault(t *testing.T) {
	g := gatewaytest.Start(t)
	number := delivered(t, g, "registered", "vault test")
	octets := rows(t, g, gatewaytest.Body, "INBOX")[0].octets
	if there := views(t, g, number); strings.Count(there, "COUNT 1") != 2 {
		t.Errorf("before the expunge IMAP shows\n%s", there)
	}
	d := imapLogin(t, g, "person")
	d.say("b SELECT INBOX", "b OK")
	d.say(`c UID STORE 1 +FLAGS.SILENT (\Deleted \Seen)`, "c OK")
	d.say("d EXPUNGE", "d OK")
	seen := views(t, g, number)
	if !strings.Contains(seen, `STATUS "INBOX" (MESSAGES 0 UNSEEN 0 SIZE 0)`) || strings.Contains(seen, "COUNT 1") {
		t.Errorf("after the expunge IMAP shows\n%s", seen)
	}
	list := vaultOf(t, g, gatewaytest.Body)
	if len(list) != 1 || list[0].Number != number || list[0].Copy != "received" || list[0].Type != "registered" || list[0].Until.IsZero() ||
		list[0].Size != int64(len(octets)) || list[0].Held || list[0].Expunged.IsZero() {
		t.Fatalf("vault %+v", list)
	}
	if got, _ := octetsOf(t, g.Admin(), admin.LetterExport{Number: number, Form: admin.Delivered}); !bytes.Equal(got, octets) {
		t.Errorf("exported from the vault: %d octets of %d", len(got), len(octets))
	}
	usage := func() (u mailstore.Usage) {
		a, err := g.Store().Directory().AccountByAddress(t.Context(), gatewaytest.Body)
		if err == nil {
			err = g.Store().View(t.Context(), a.ID, func(tx mailstore.Tx) error { u, err = tx.Usage(); return err })
		}
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	without := usage()

	restore := admin.VaultRestore{Account: gatewaytest.Body, Letter: number, Reason: "asked for by phone"}
	do[admin.LetterHeld](t, g.Admin(), admin.OpLetterHold, admin.LetterHold{Number: number})
	if err := g.Admin().Call(t.Context(), admin.OpVaultRestore, restore, new(any)); !errors.Is(err, admin.ErrConflict) {
		t.Errorf("restored while held: %v", err)
	}
	do[admin.LetterHeld](t, g.Admin(), admin.OpLetterRelease, admin.LetterHold{Number: number})
	back := do[[]admin.VaultRestored](t, g.Admin(), admin.OpVaultRestore, restore)
	if len(back) != 1 || back[0].Already || back[0].Number != number {
		t.Errorf("restored %+v", back)
	}
	if got := rows(t, g, gatewaytest.Body, "INBOX"); len(got) != 1 || !bytes.Equal(got[0].octets, octets) {
		t.Errorf("restored %d rows", len(got))
	}
	if now := usage(); now.Messages != without.Messages+1 || now.Octets != without.Octets+int64(len(octets)) {
		t.Errorf("usage %+v, was %+v in the vault", now, without)
	}
	d.say("e NOOP", "* 1 EXISTS") // told at once, as of any new letter
	d.say("", "e OK")
	if again := do[[]admin.VaultRestored](t, g.Admin(), admin.OpVaultRestore, restore); len(again) != 1 || !again[0].Already {
		t.Errorf("restored again %+v", again)
	}
	trace := do[admin.Letter](t, g.Admin(), admin.OpLetterShow, admin.LetterName{Number: number}).Trace
	if n := steps(trace, journal.FromVault); n != 1 {
		t.Errorf("%d steps of restoring in %+v", n, trace)
	}

	// The whole mailbox, and the mailbox itself.
	d.say("f CREATE Case", "f OK")
	d.say("g MOVE 1 Case", "g OK")
	if len(vaultOf(t, g, gatewaytest.Body)) != 0 {
		t.Error("a move put it into the vault")
	}
	before := views(t, g, number)
	d.say("h DELETE Case", "h OK")
	eventually(t, "the vault has what the mailbox had", func() bool { return len(vaultOf(t, g, gatewaytest.Body)) == 1 })
	if after := views(t, g, number); strings.Contains(after, "Case") || !strings.Contains(before, "Case") {
		t.Errorf("after the deletion IMAP shows\n%s", after)
	}
	if got := do[[]admin.VaultRestored](t, g.Admin(), admin.OpVaultRestore, restore); len(got) != 1 || len(rows(t, g, gatewaytest.Body, "INBOX")) != 1 {
		t.Errorf("restored %+v from the deleted mailbox", got)
	}
}

// steps counts those of a kind in a trace.
func steps(trace []admin.Step, kind string) (n int) {
	for _, s := range trace {
		if s.Step == kind {
			n++
		}
	}
	return n
}

// What is on hold is shown so, for letters and for accounts, and who set it
// stands in the journal.
func TestHoldIsShown(t *testing.T) {
	g := gatewaytest.Start(t)
	number := delivered(t, g, "simple", "hold test")
	held := func() (n int) {
		for _, c := range do[admin.Letter](t, g.Admin(), admin.OpLetterShow, admin.LetterName{Number: number}).Copies {
			if c.Held {
				n++
			}
		}
		return n
	}
	hold := admin.LetterHold{Number: number, Reason: "case 7/2026"}
	for _, want := range []int{2, 0} {
		if got := do[admin.LetterHeld](t, g.Admin(), admin.OpLetterHold, hold); !got.Held || got.Changed != want {
			t.Errorf("held %+v, want %d changed", got, want)
		}
	}
	if held() != 2 {
		t.Errorf("%d copies held", held())
	}
	trace := do[admin.Letter](t, g.Admin(), admin.OpLetterShow, admin.LetterName{Number: number}).Trace
	for _, s := range trace {
		if s.Step == journal.LegalHold && (s.Details["reason"] != hold.Reason || s.Details["uid"] == "") {
			t.Errorf("journal %+v", s)
		}
	}
	if n := steps(trace, journal.LegalHold); n != 2 {
		t.Errorf("%d steps of the hold", n)
	}
	if got := do[admin.LetterHeld](t, g.Admin(), admin.OpLetterRelease, hold); got.Held || got.Changed != 2 || held() != 0 {
		t.Errorf("released %+v, %d held", got, held())
	}

	account := admin.AccountHold{Account: gatewaytest.Body, Reason: "case 8/2026"}
	if a := do[admin.Account](t, g.Admin(), admin.OpAccountHold, account); !a.Held || a.Disabled || held() != 1 {
		t.Errorf("account %+v, %d copies held", a, held())
	}
	if a := do[admin.Account](t, g.Admin(), admin.OpAccountRelease, account); a.Held || held() != 0 {
		t.Errorf("account %+v, %d copies held", a, held())
	}
	for _, tc := range []struct {
		op   string
		in   any
		want error
	}{
		{admin.OpLetterHold, admin.LetterHold{Number: "GP-1"}, admin.ErrInvalid},
		{admin.OpLetterHold, admin.LetterHold{Number: number, Reason: strings.Repeat("x", 1001)}, admin.ErrInvalid},
		{admin.OpAccountHold, admin.AccountHold{Account: "nobody@x.example"}, admin.ErrNotFound},
		{admin.OpVaultList, admin.VaultList{Account: "nobody@x.example"}, admin.ErrNotFound},
		{admin.OpVaultRestore, admin.VaultRestore{Account: gatewaytest.Partner, Letter: number}, admin.ErrNotFound},
		{admin.OpVaultRestore, admin.VaultRestore{Account: gatewaytest.Partner, Letter: mailstore.NewID().String()}, admin.ErrNotFound},
		{admin.OpVaultRestore, admin.VaultRestore{Account: gatewaytest.Partner, Letter: "x"}, admin.ErrInvalid},
	} {
		var out any
		if err := g.Admin().Call(t.Context(), tc.op, tc.in, &out); !errors.Is(err, tc.want) {
			t.Errorf("%s %+v: %v, want %v", tc.op, tc.in, err, tc.want)
		}
	}
}
