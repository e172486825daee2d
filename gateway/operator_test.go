package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// do does an operation on a gateway that serves.
func do[Out any](t *testing.T, s *admin.Service, op string, in any) (out Out) {
	t.Helper()
	if err := s.Call(t.Context(), op, in, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// dialogue is a raw connection with TLS.
type dialogue struct {
	t *testing.T
	*tls.Conn
	r *bufio.Reader
}

func talk(t *testing.T, g *gatewaytest.Gateway, address string) *dialogue {
	t.Helper()
	conn, err := tls.Dial("tcp", address, g.TLS(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &dialogue{t, conn, bufio.NewReader(conn)}
}

// say sends a line, when there is one, and reads until a line begins so.
func (d *dialogue) say(line, until string) string {
	d.t.Helper()
	if line != "" {
		if _, err := io.WriteString(d, line+"\r\n"); err != nil {
			d.t.Fatal(err)
		}
	}
	for {
		got, err := d.r.ReadString('\n')
		if err != nil {
			d.t.Fatalf("waiting for %q: %v", until, err)
		}
		if strings.HasPrefix(got, until) {
			return got
		}
	}
}

// ended wants a last line and the end of the connection.
func (d *dialogue) ended(last string) {
	d.t.Helper()
	if got := d.say("", last[:3]); strings.TrimSpace(got) != last {
		d.t.Errorf("last line %q, want %q", got, last)
	}
	if rest, err := io.ReadAll(d.r); err != nil || len(rest) != 0 {
		d.t.Errorf("after the last line: %q, %v", rest, err)
	}
}

func imapLogin(t *testing.T, g *gatewaytest.Gateway, class string) *dialogue {
	t.Helper()
	d := talk(t, g, g.IMAPS)
	d.say("a LOGIN "+gatewaytest.Body+" "+gatewaytest.Password+"-"+class, "a OK")
	return d
}

func smtpLogin(t *testing.T, g *gatewaytest.Gateway, class, want string) *dialogue {
	t.Helper()
	d := talk(t, g, g.SMTPS)
	d.say("", "220 ")
	d.say("EHLO localhost", "250 ")
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + gatewaytest.Body + "\x00" + gatewaytest.Password + "-" + class))
	d.say("AUTH PLAIN "+secret, want)
	return d
}

// Who is revoked or blocked is out at once, in both protocols, and comes in no
// more; the others stay, and so does the mail.
func TestRevokeAndDisable(t *testing.T) {
	g := gatewaytest.Start(t)
	letter := compose(t, gatewaytest.Sender, gatewaytest.Body, "Before", "X-Letter-Type: simple")
	sender := dialSMTP(t, g, gatewaytest.Sender, "person")
	if code, reply := submit(t, sender, gatewaytest.Sender, []string{gatewaytest.Body}, letter); code != 250 {
		t.Fatalf("%d %s", code, reply)
	}
	eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) == 1 })

	idle, waiting, system := imapLogin(t, g, "person"), imapLogin(t, g, "person"), imapLogin(t, g, "system")
	idle.say("b SELECT INBOX", "b OK")
	idle.say("c IDLE", "+ ")
	mail, other := smtpLogin(t, g, "person", "235 "), smtpLogin(t, g, "system", "235 ")
	mail.say("MAIL FROM:<"+gatewaytest.Body+">", "250 ")

	got := do[admin.AccountCredential](t, g.Admin(), admin.OpCredentialRevoke, admin.CredentialName{Account: gatewaytest.Body, Credential: "person"})
	if !got.Revoked || got.Account != gatewaytest.Body || got.Used.IsZero() {
		t.Errorf("revoked %+v", got)
	}
	idle.ended("* BYE the password was revoked")
	waiting.ended("* BYE the password was revoked")
	mail.ended("421 4.7.0 login taken back: the password was revoked")
	talk(t, g, g.IMAPS).say("a LOGIN "+gatewaytest.Body+" "+gatewaytest.Password+"-person", "a NO [AUTHENTICATIONFAILED]")
	smtpLogin(t, g, "person", "535 5.7.8")
	system.say("b NOOP", "b OK")
	other.say("NOOP", "250 ")

	blocked := admin.AccountName{Account: gatewaytest.Body}
	if a := do[admin.Account](t, g.Admin(), admin.OpAccountDisable, blocked); !a.Disabled {
		t.Errorf("blocked %+v", a)
	}
	system.ended("* BYE [CONTACTADMIN] account is blocked")
	other.ended("421 4.7.0 login taken back: account is blocked")
	talk(t, g, g.IMAPS).say("a LOGIN "+gatewaytest.Body+" "+gatewaytest.Password+"-system", "a NO [CONTACTADMIN]")
	smtpLogin(t, g, "system", "535 5.7.8 account-blocked")
	if code, reply := submit(t, sender, gatewaytest.Sender, []string{gatewaytest.Body}, letter); code != 550 || !strings.Contains(reply, "5.2.1 recipient-blocked") {
		t.Errorf("letter to a blocked account: %d %s", code, reply)
	}

	do[admin.Account](t, g.Admin(), admin.OpAccountEnable, blocked)
	smtpLogin(t, g, "system", "235 ")
	if !strings.HasPrefix(imapLogin(t, g, "system").say("b SELECT INBOX", "* 1 EXISTS"), "* 1 EXISTS") {
		t.Error("the mailbox is not what it was")
	}
}

// A letter that is on its way when its credential is revoked is refused at its
// end, and then the session ends.
func TestRevokeWithLetterInHand(t *testing.T) {
	g := gatewaytest.Start(t)
	d := smtpLogin(t, g, "person", "235 ")
	d.say("MAIL FROM:<"+gatewaytest.Body+">", "250 ")
	d.say("RCPT TO:<"+gatewaytest.Sender+">", "250 ")
	d.say("DATA", "354 ")
	if _, err := d.Write(compose(t, gatewaytest.Body, gatewaytest.Sender, "In hand", "X-Letter-Type: simple")); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { // it gives the letter five seconds, and waits
		in := admin.CredentialName{Account: gatewaytest.Body, Credential: "person"}
		done <- g.Admin().Call(t.Context(), admin.OpCredentialRevoke, in, new(any))
	}()
	eventually(t, "revoked", func() bool {
		list := do[[]admin.AccountCredential](t, g.Admin(), admin.OpCredentialList, admin.CredentialList{Account: gatewaytest.Body})
		return slices.ContainsFunc(list, func(c admin.AccountCredential) bool { return c.Name == "person" && c.Revoked })
	})
	if got := d.say("\r\n.", "550"); !strings.Contains(got, "5.7.1 credentials-invalid") {
		t.Errorf("the letter: %q", got)
	}
	d.ended("421 4.7.0 login taken back: the password was revoked")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if list := do[[]admin.Letter](t, g.Admin(), admin.OpLetterList, admin.LetterList{}); len(list) != 0 {
		t.Errorf("letters %+v", list)
	}
}

// octetsOf exports a form of a letter whole.
func octetsOf(t *testing.T, s *admin.Service, in admin.LetterExport) (octets []byte, digest string) {
	t.Helper()
	for {
		part := do[admin.LetterOctets](t, s, admin.OpLetterExport, in)
		octets = append(octets, part.Octets...)
		in.Offset = int64(len(octets))
		if in.Offset == part.Size {
			return octets, part.SHA256
		}
		if len(part.Octets) == 0 {
			t.Fatalf("nothing at %d of %d", in.Offset, part.Size)
		}
	}
}

// A letter is exported in each of its forms, octet for octet, while it waits and
// later, by a gateway that serves and by the command alone.
func TestLetterExport(t *testing.T) {
	g := gatewaytest.Start(t)
	letter := compose(t, gatewaytest.Sender, gatewaytest.Body, "Export", "X-Letter-Type: registered")
	pdf, err := os.ReadFile("../testdata/documents/act.pdf")
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(pdf, []byte("startxref"))
	comment := bytes.Repeat([]byte("%"+strings.Repeat("x", 62)+"\n"), 16<<10) // the letter is more than a chunk
	letter = bytes.Replace(letter, []byte(lines(pdf)), []byte(lines(slices.Concat(pdf[:at], comment, pdf[at:]))), 1)
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body}, letter)
	if code != 250 {
		t.Fatalf("%d %s", code, reply)
	}
	number := strings.TrimSuffix(strings.Fields(reply)[3], ";")
	check := func(s *admin.Service) {
		t.Helper()
		late := admin.LetterExport{Number: number, Form: admin.Submitted, Offset: 1}
		if err := s.Call(t.Context(), admin.OpLetterExport, late, &admin.LetterOctets{}); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("a part of an export that the journal does not have: %v", err)
		}
		for _, form := range []string{admin.Submitted, admin.Sent} {
			octets, digest := octetsOf(t, s, admin.LetterExport{Number: number, Form: form})
			if sum := sha256.Sum256(octets); digest != fmt.Sprintf("%x", sum) {
				t.Errorf("%s: %d octets with digest %x, the evidence says %s", form, len(octets), sum, digest)
			}
			if same := bytes.Equal(octets, letter); same != (form == admin.Submitted) {
				t.Errorf("%s: the octets of DATA: %t", form, same)
			}
			if form == admin.Sent && !bytes.Contains(octets, []byte("multipart/signed")) {
				t.Error("the form that was sent is not signed")
			}
		}
	}
	check(g.Admin())
	eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) == 1 })
	delivered := rows(t, g, gatewaytest.Body, "INBOX")[0].octets
	if got, _ := octetsOf(t, g.Admin(), admin.LetterExport{Number: number, Form: admin.Delivered}); !bytes.Equal(got, delivered) {
		t.Errorf("delivered form: %d octets, INBOX has %d", len(got), len(delivered))
	}
	for _, wrong := range []struct {
		in   admin.LetterExport
		want error
	}{
		{admin.LetterExport{Number: number, Form: "printed"}, admin.ErrInvalid},
		{admin.LetterExport{Number: number, Form: admin.Submitted, Account: gatewaytest.Body}, admin.ErrInvalid},
		{admin.LetterExport{Number: number, Form: admin.Submitted, Offset: int64(len(letter)) + 1}, admin.ErrInvalid},
		{admin.LetterExport{Number: number, Form: admin.Submitted, Offset: -1}, admin.ErrInvalid},
		{admin.LetterExport{Number: number, Form: admin.Delivered, Account: gatewaytest.Partner}, admin.ErrNotFound},
	} {
		if err := g.Admin().Call(t.Context(), admin.OpLetterExport, wrong.in, &admin.LetterOctets{}); !errors.Is(err, wrong.want) {
			t.Errorf("%+v: %v", wrong.in, err)
		}
	}
	// What the sender expunges is in the vault, for the operator.
	box := imapLoginAs(t, g, gatewaytest.Sender)
	box.say("b SELECT Sent", "b OK")
	box.say(`c STORE 1 +FLAGS.SILENT (\Deleted)`, "c OK")
	box.say("d EXPUNGE", "d OK")
	if place := placeOf(t, g, number, "sent"); place != "vault" {
		t.Errorf("expunged, the copy is in %s", place)
	}
	if got, _ := octetsOf(t, g.Admin(), admin.LetterExport{Number: number, Form: admin.Submitted}); !bytes.Equal(got, letter) {
		t.Errorf("from the vault: %d octets, DATA had %d", len(got), len(letter))
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	alone := openAlone(t, g)
	if got, _ := octetsOf(t, alone, admin.LetterExport{Number: number, Form: admin.Delivered, Account: gatewaytest.Body}); !bytes.Equal(got, delivered) {
		t.Errorf("alone: %d octets, INBOX has %d", len(got), len(delivered))
	}
}

func imapLoginAs(t *testing.T, g *gatewaytest.Gateway, user string) *dialogue {
	t.Helper()
	d := talk(t, g, g.IMAPS)
	d.say("a LOGIN "+user+" "+gatewaytest.Password+"-person", "a OK")
	return d
}

// openAlone opens the folder of a gateway that was stopped.
func openAlone(t *testing.T, g *gatewaytest.Gateway) *admin.Service {
	t.Helper()
	alone, err := gateway.OpenAlone(t.Context(), g.Config, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := alone.Close(); err != nil {
			t.Error(err)
		}
	})
	return alone.Admin()
}

// The trace tells all that happened to a letter, on both sides, and where it
// stands in their journals.
func TestLetterTrace(t *testing.T) {
	g := gatewaytest.Start(t)
	letter := compose(t, gatewaytest.Sender, gatewaytest.Body, "Trace", "X-Letter-Type: registered")
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body}, letter)
	if code != 250 {
		t.Fatalf("%d %s", code, reply)
	}
	number := strings.TrimSuffix(strings.Fields(reply)[3], ";")
	eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) == 1 })
	reader := imapLogin(t, g, "person")
	reader.say("b SELECT INBOX", "b OK")
	reader.say(`c STORE 1 +FLAGS (\Seen)`, "c OK")
	var shown admin.Letter
	eventually(t, "opened", func() bool {
		shown = do[admin.Letter](t, g.Admin(), admin.OpLetterShow, admin.LetterName{Number: number})
		return shown.State == "opened"
	})
	var steps []string
	for _, st := range shown.Trace {
		line := st.Step + " " + st.Account[:strings.Index(st.Account, "@")]
		if st.Event != "" {
			line += " " + string(st.Event)
		}
		steps = append(steps, line)
		if st.Journal != nil {
			checkRecord(t, g, st, shown.ID)
		}
	}
	want := []string{
		"received ivanov", "checked ivanov", "signed ivanov", "held ivanov", "accepted ivanov SubmissionAcceptance", "processing ivanov",
		"sent ivanov", "delivered ivanov ContentConsignment", "received office", "opened ivanov ContentHandover", "opened office",
	}
	got := slices.Clone(steps)
	slices.Sort(got)
	sorted := slices.Clone(want)
	slices.Sort(sorted)
	if !slices.Equal(got, sorted) || !slices.Equal(steps[:5], want[:5]) {
		t.Errorf("steps %q", steps)
	}
	came, checked, signed := shown.Trace[0].Details, shown.Trace[1].Details, shown.Trace[2].Details
	if came["credential"] != "person" || came["address"] != "127.0.0.1" || came["octets"] != fmt.Sprint(len(letter)) ||
		checked["type"] != "registered" || checked["chosen-by"] != "header" || len(checked["profile-sha256"]) != 64 ||
		signed["signature"] != "valid" || signed["by"] != "gateway" || len(signed["certificate-sha256"]) != 64 || shown.Trace[3].Details["until"] == "" {
		t.Errorf("details %v, %v, %v, %v", came, checked, signed, shown.Trace[3].Details)
	}
	if !slices.IsSortedFunc(shown.Trace, func(a, b admin.Step) int { return a.At.Compare(b.At) }) {
		t.Error("not in the order of time")
	}
}

// checkRecord compares a step with the journal record that it names.
func checkRecord(t *testing.T, g *gatewaytest.Gateway, st admin.Step, letter mailstore.ID) {
	t.Helper()
	for rec := range records(t, g.Store(), st.Account, *st.Journal) {
		d, err := journal.ParseDetails(rec.Details)
		if err != nil || d["letter"] != letter.String() || !rec.At.Equal(st.At) || d["evidence"] != st.Evidence ||
			rec.Kind != st.Step && d["state"] != st.Step {
			t.Errorf("step %+v, record %+v %v, %v", st, rec, d, err)
		}
		return
	}
	t.Errorf("no record %d of %s", *st.Journal, st.Account)
}

// records are those of an account's journal, from an index on.
func records(t *testing.T, store mailstore.Store, address string, from int64) func(func(mailstore.JournalRecord) bool) {
	t.Helper()
	a, err := store.Directory().AccountByAddress(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	var list []mailstore.JournalRecord
	err = store.View(t.Context(), a.ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(from, 0) {
			if err != nil {
				return err
			}
			list = append(list, rec)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Values(list)
}

// Whatever the operator changes in an account is in its journal with their uid,
// done over the socket or alone.
func TestOperatorIsJournalled(t *testing.T) {
	g := gatewaytest.Start(t)
	ops := func(call func(op string, in, out any) error, address string) {
		t.Helper()
		for _, step := range []struct {
			op string
			in any
		}{
			{admin.OpAccountAdd, admin.AccountAdd{Addresses: []string{address}, Registry: "romashka"}},
			{admin.OpAccountPassword, admin.AccountPassword{Account: address, Password: "Passw0rd!"}},
			{admin.OpCredentialAdd, admin.CredentialAdd{Account: address, Name: "phone", Class: auth.Person}},
			{admin.OpCredentialRevoke, admin.CredentialName{Account: address, Credential: "phone"}},
			{admin.OpAccountDisable, admin.AccountName{Account: address}},
			{admin.OpAccountEnable, admin.AccountName{Account: address}},
		} {
			var out any
			if err := call(step.op, step.in, &out); err != nil {
				t.Fatalf("%s: %v", step.op, err)
			}
		}
		var kinds []string
		for rec := range records(t, g.Store(), address, 0) {
			d, err := journal.ParseDetails(rec.Details)
			if err != nil || d["uid"] != fmt.Sprint(os.Geteuid()) {
				t.Errorf("%s by %v, %v", rec.Kind, d, err)
			}
			if bytes.Contains(rec.Details, []byte("Passw0rd!")) {
				t.Error("a password is in the journal")
			}
			kinds = append(kinds, rec.Kind)
		}
		if got := strings.Join(kinds, " "); got != "created password credential credential disabled enabled" {
			t.Errorf("journal: %s", got)
		}
	}
	ops(func(op string, in, out any) error { return g.Admin().Call(t.Context(), op, in, out) }, "alone@romashka.example")
	client, err := admin.Dial(t.Context(), g.Config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ops(func(op string, in, out any) error { return client.Call(t.Context(), op, in, out) }, "socket@romashka.example")

	// Letters, in the sender's journal.
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body},
		compose(t, gatewaytest.Sender, gatewaytest.Body, "x", "X-Letter-Type: simple"))
	if code != 250 {
		t.Fatalf("%d %s", code, reply)
	}
	number := strings.TrimSuffix(strings.Fields(reply)[3], ";")
	var out any
	for op, in := range map[string]any{
		admin.OpLetterExport: admin.LetterExport{Number: number, Form: admin.Submitted}, admin.OpLetterRecall: admin.LetterName{Number: number},
	} {
		if err := client.Call(t.Context(), op, in, &out); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for rec := range records(t, g.Store(), gatewaytest.Sender, 0) {
		d, err := journal.ParseDetails(rec.Details)
		if err != nil {
			t.Fatal(err)
		}
		if d["uid"] != "" {
			seen[rec.Kind] = d["uid"] == fmt.Sprint(os.Geteuid()) && d["number"] == number
		}
	}
	if !seen[journal.Exported] || !seen[journal.RecallAsked] && !seen[journal.Recalled] {
		t.Errorf("by the operator: %v", seen)
	}
}
