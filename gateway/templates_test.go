package gateway_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/installation"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// templates are the messages of a user's mailbox Templates.
func templates(t *testing.T, g *gatewaytest.Gateway, user, class string) (list [][]byte) {
	t.Helper()
	c := dialIMAP(t, g, user, class)
	sel, err := c.Select("Templates", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if sel.NumMessages == 0 {
		return nil
	}
	section := &imap.FetchItemBodySection{Peek: true}
	all, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.FetchOptions{
		Flags: true, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if len(m.Flags) != 1 || m.Flags[0] != imap.FlagSeen {
			t.Errorf("template %d has flags %q", m.SeqNum, m.Flags)
		}
		list = append(list, m.FindBodySection(section))
	}
	return list
}

// written is the letter that a mail program makes of a template: with a
// recipient, a text and a PDF, and of the template's header either From alone
// or the fields that choose the type.
func written(t *testing.T, template []byte, to, from, subject string, options bool) (octets []byte, sender string) {
	t.Helper()
	head, _, _ := bytes.Cut(template, []byte("\r\n\r\n"))
	h := message.ParseHeader(append(head, "\r\n\r\n"...), 0)
	if from == "" {
		from = h.Addresses("From")[0].String()
	}
	var fields []string
	for _, name := range []string{"X-Letter-Type", "X-Letter-Kind"} {
		if v := h.Get(name); options && v != "" {
			fields = append(fields, name+": "+v)
		}
	}
	return compose(t, from, to, subject, fields...), from
}

// A letter that is written of a template has its type, whether the mail
// program takes over From alone or the fields of the header alone.
func TestTemplatesChooseTheType(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.WithCitizen, func(p *installation.Plan) {
		for i := range p.Parties {
			p.Parties[i].Entry.Post = true
			p.Parties[i].Accounts[0].Settings.Phone = "+7 999 123-45-67"
		}
	})
	list := templates(t, g, gatewaytest.Sender, "person")
	if len(list) != 9 {
		t.Fatalf("%d templates", len(list))
	}
	for i, template := range list {
		for _, options := range []bool{false, true} {
			from := ""
			if options {
				from = gatewaytest.Sender
			}
			subject := fmt.Sprintf("Letter %d %t", i, options)
			octets, sender := written(t, template, gatewaytest.Body, from, subject, options)
			head := message.ParseHeader(template, 0)
			code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), sender, []string{gatewaytest.Body}, octets)
			if code != 250 {
				t.Errorf("template %d, %s: reply %d %s", i, head.Text("Subject"), code, reply)
				continue
			}
			if l := show(t, g, numberPattern.FindString(reply)); l.Type != head.Get("X-Letter-Type") || l.Sender != gatewaytest.Sender {
				t.Errorf("%s became %s of %s", head.Text("Subject"), l.Type, l.Sender)
			}
			if kind := head.Get("X-Letter-Kind"); kind != "" {
				if got := header(t, newest(t, g, gatewaytest.Body, subject), "X-Letter-Kind"); got != kind {
					t.Errorf("%s became an appeal of the kind %q", head.Text("Subject"), got)
				}
			}
		}
	}
}

// Accounts that the command adds have what those of a fresh installation have,
// on a gateway that serves and on one that does not; templates are no letters.
func TestTemplatesOfAddedAccount(t *testing.T) {
	g := gatewaytest.Start(t)
	var a admin.Account
	err := g.Admin().Call(t.Context(), admin.OpAccountAdd, admin.AccountAdd{Addresses: []string{"new@romashka.example"}, Registry: "romashka", Language: "en"}, &a)
	if err != nil {
		t.Fatal(err)
	}
	boxes := map[string]string{}
	for _, address := range []string{"new@romashka.example", gatewaytest.Sender} {
		account, err := g.Store().Directory().AccountByAddress(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		err = g.Store().View(t.Context(), account.ID, func(tx mailstore.Tx) error {
			for range tx.Letters(mailstore.LetterFilter{}) {
				t.Errorf("%s has a letter", address)
			}
			all, err := tx.Mailboxes()
			for _, b := range all {
				boxes[address] += fmt.Sprintln(b.Name, b.Role, b.Subscribed, b.Messages, b.Unseen)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if boxes["new@romashka.example"] != boxes[gatewaytest.Sender] || !strings.Contains(boxes[gatewaytest.Sender], "Templates  true 9 0\n") {
		t.Errorf("mailboxes %q", boxes)
	}
	first := message.ParseHeader(rows(t, g, "new@romashka.example", "Templates")[0].octets, 0)
	if subject := first.Text("Subject"); subject != "Simple letter" {
		t.Errorf("the first template is %q", subject)
	}
}

// Templates promise the signature of the organisation where the gateway has its
// key, however the account was made.
func TestTemplatesPromiseSignature(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.WithCitizen, func(p *installation.Plan) {
		for i := range p.Parties {
			p.Parties[i].Accounts[0].Settings.Sign = auth.SignGateway // also of the citizen, who has no key there
		}
	})
	add := func(service *admin.Service, name string) {
		t.Helper()
		for _, entry := range []string{"romashka", "citizen"} {
			in := admin.AccountAdd{Addresses: []string{name + "@" + entry + ".example"}, Registry: entry}
			if err := service.Call(t.Context(), admin.OpAccountAdd, in, new(admin.Account)); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(g.Admin(), "serving")
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	alone, err := gateway.OpenAlone(t.Context(), g.Config, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	add(alone.Admin(), "alone")
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.Open(t, g.Installed)
	for user, want := range map[string]bool{
		gatewaytest.Sender: true, "serving@romashka.example": true, "alone@romashka.example": true,
		gatewaytest.Citizen: false, "serving@citizen.example": false, "alone@citizen.example": false,
	} {
		all := ""
		for _, m := range rows(t, g, user, "Templates") {
			_, text, _ := bytes.Cut(m.octets, []byte("\r\n\r\n"))
			decoded, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(text)))
			if err != nil {
				t.Fatal(err)
			}
			all += string(decoded)
		}
		if !strings.Contains(all, "Подпись: обязательна") || strings.Contains(all, "подпишет организация") != want {
			t.Errorf("%s: the organisation signs: %t, want %t", user, !want, want)
		}
	}
}

// provided is how many templates a user has now; -1 without the mailbox.
func provided(t *testing.T, g *gatewaytest.Gateway, user string) (n int) {
	t.Helper()
	account, err := g.Store().Directory().AccountByAddress(t.Context(), user)
	if err == nil {
		err = g.Store().View(t.Context(), account.ID, func(tx mailstore.Tx) error {
			box, err := tx.MailboxByName("Templates")
			if n = int(box.Messages); err != nil {
				n = -1
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A folder of the first format has no templates: its accounts get them when a
// gateway opens it, and nothing else of it changes. Who deletes the mailbox is
// rid of it.
func TestTemplatesOfGoldenFolder(t *testing.T) {
	dir, err := os.MkdirTemp("", "gb") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	unpack(t, filepath.Join(goldenFolder, "format-1.tar.gz"), dir)
	before := readFacts(t, dir)
	made, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	users := []string{gatewaytest.Sender, gatewaytest.Body, gatewaytest.Partner}
	g := gatewaytest.Open(t, made)
	for _, user := range users {
		// The Update makes and fills it in one.
		eventually(t, "templates of "+user, func() bool { return provided(t, g, user) >= 9 })
	}
	if err := dialIMAP(t, g, gatewaytest.Partner, "person").Delete("Templates").Wait(); err != nil {
		t.Error(err)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.Open(t, made)
	eventually(t, "second start", func() bool { return provided(t, g, gatewaytest.Sender) == 9 })
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	after := readFacts(t, dir)
	for user, lines := range after.Mailboxes {
		var kept []string
		for _, line := range lines {
			if !strings.HasPrefix(line, "Templates ") {
				kept = append(kept, line)
			}
		}
		after.Mailboxes[user] = kept
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("the folder says\n%+v\nbefore\n%+v", after, before)
	}
	g = gatewaytest.Open(t, made)
	if n := provided(t, g, gatewaytest.Partner); n >= 0 {
		t.Error("a mailbox that was deleted is there again")
	}
}
