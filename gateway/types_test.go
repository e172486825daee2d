package gateway_test

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/receipt"
	"gosbridge/policy"
)

// newest waits for the next message of a user's INBOX and returns it.
func newest(t *testing.T, g *gatewaytest.Gateway, user, subject string) []byte {
	t.Helper()
	var found []byte
	eventually(t, "delivery of "+subject, func() bool {
		for _, m := range rows(t, g, user, "INBOX") {
			// Receipts name the subject too, but not in this way.
			if bytes.Contains(m.octets, []byte("\r\nSubject: "+subject+"\r\n")) {
				found = m.octets
			}
		}
		return found != nil
	})
	return found
}

// header reads one field of a message.
func header(t *testing.T, octets []byte, name string) string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header.Get(name)
}

// note makes a letter without a file.
func note(from, to, subject string, fields ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%d@client.example>\r\nMIME-Version: 1.0\r\n", from, to, subject, time.Now().UnixNano())
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\n\r\nПрошу принять к сведению.\r\n")
	return b.Bytes()
}

// answered submits a letter that must get a reply of the code that contains text.
func answered(t *testing.T, g *gatewaytest.Gateway, login, from, to string, letter []byte, code int, text string) (reply string) {
	t.Helper()
	got, reply := submit(t, dialSMTP(t, g, login, "person"), from, []string{to}, letter)
	if got != code || !strings.Contains(reply, text) {
		t.Fatalf("reply %d %s, want %d %s", got, reply, code, text)
	}
	return reply
}

// A letter with notification, chosen by an identity of the mail program: the
// recipient sees the sender's own address, the sender a receipt of the opening.
func TestNotifyLetter(t *testing.T) {
	g := gatewaytest.Start(t)
	identity := strings.Replace(gatewaytest.Sender, "@", "+notify@", 1)
	reply := answered(t, g, gatewaytest.Sender, identity, gatewaytest.Body, note(identity, gatewaytest.Body, "Notified"), 250, "notify, 1 recipient, recall until")
	came := newest(t, g, gatewaytest.Body, "Notified")
	if from := header(t, came, "From"); from != "<"+gatewaytest.Sender+">" {
		t.Errorf("From %s", from)
	}
	if path := header(t, came, "Return-Path"); path != "<"+gatewaytest.Sender+">" {
		t.Errorf("Return-Path %s", path)
	}
	reader := dialIMAP(t, g, gatewaytest.Body, "person")
	if _, err := reader.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	whole := &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}
	if _, err := reader.Fetch(imap.SeqSetNum(1), whole).Collect(); err != nil {
		t.Fatal(err)
	}
	number := numberPattern.FindString(reply)
	eventually(t, "opened", func() bool { return show(t, g, number).State == "opened" })
	eventually(t, "receipt of the opening", func() bool { return len(rows(t, g, gatewaytest.Sender, "Receipts")) == 3 })
}

// An electronic registered letter goes to a person, signed with the
// organisation's key, chosen by the suffix of the recipient.
func TestRegisteredToPerson(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.WithCitizen)
	to := strings.Replace(gatewaytest.Citizen, "@", "+ezp@", 1)
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, to, note(gatewaytest.Sender, to, "Ezp", "X-Letter-Term: 14d"), 250, "registered-ezp, 1 recipient, recall until")
	came := newest(t, g, gatewaytest.Citizen, "Ezp")
	until, err := time.Parse(time.RFC1123Z, header(t, came, "X-Letter-Ack-Until"))
	if left := time.Until(until); err != nil || left < 14*24*time.Hour || left > 15*24*time.Hour+time.Hour {
		t.Errorf("acknowledgement until %s, %v", until, err)
	}
	if kind := header(t, came, "Content-Type"); !strings.HasPrefix(kind, "multipart/signed") {
		t.Errorf("Content-Type %s", kind)
	}
	// The plain registered letter does not.
	letter := compose(t, gatewaytest.Sender, gatewaytest.Citizen, "No", "X-Letter-Type: registered")
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Citizen, letter, 550, "recipient-kind-forbidden")
}

// An appeal reaches the body with its kind and with who sends it.
func TestAppeal(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.WithCitizen)
	identity := strings.Replace(gatewaytest.Citizen, "@", "+complaint@", 1)
	answered(t, g, gatewaytest.Citizen, identity, gatewaytest.Body, note(identity, gatewaytest.Body, "Complaint"), 250, "appeal, 1 recipient, recall until")
	came := newest(t, g, gatewaytest.Body, "Complaint")
	for field, want := range map[string]string{
		"X-Letter-Type": "appeal", "X-Letter-Kind": "complaint", "X-Letter-Sender-ID": "11223344595",
		"X-Letter-Sender-Phone": "+79991234567", "X-Letter-Sender-Email": gatewaytest.Citizen,
		"X-Letter-Ack-Until": "", // the office registers it; nobody presses a button
	} {
		if got := header(t, came, field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if name, err := new(mime.WordDecoder).DecodeHeader(header(t, came, "X-Letter-Sender-Name")); err != nil || name != "Смирнова Анна Викторовна" {
		t.Errorf("name %q, %v", name, err)
	}
	// From an account that has no phone: what is missing is said.
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body,
		note(gatewaytest.Sender, gatewaytest.Body, "No", "X-Letter-Type: appeal", "X-Letter-Kind: question"), 550, "field-missing: the required field is missing: phone")
	// Not to an organisation, and not with a field that only we write.
	answered(t, g, gatewaytest.Citizen, gatewaytest.Citizen, gatewaytest.Partner,
		note(gatewaytest.Citizen, gatewaytest.Partner, "No", "X-Letter-Type: appeal", "X-Letter-Kind: question"), 550, "recipient-kind-forbidden")
	answered(t, g, gatewaytest.Citizen, gatewaytest.Citizen, gatewaytest.Body,
		note(gatewaytest.Citizen, gatewaytest.Body, "No", "X-Letter-Sender-Name: Somebody"), 550, "forged-header")
}

// What answers a letter to its sender alone is a reply by itself; a reply to
// somebody else is refused.
func TestReply(t *testing.T) {
	g := gatewaytest.Start(t)
	subject := strings.Repeat("s", 150)
	answered(t, g, gatewaytest.Body, gatewaytest.Body, gatewaytest.Sender, note(gatewaytest.Body, gatewaytest.Sender, subject), 250, "simple")
	id := header(t, newest(t, g, gatewaytest.Sender, subject), "Message-ID")
	answers := "In-Reply-To: " + id
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body,
		note(gatewaytest.Sender, gatewaytest.Body, "Re: "+subject, answers), 250, "reply, 1 recipient")
	if kind := header(t, newest(t, g, gatewaytest.Body, "Re: "+subject), "X-Letter-Type"); kind != "reply" {
		t.Errorf("type %s", kind)
	}
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Partner,
		note(gatewaytest.Sender, gatewaytest.Partner, "Re: s", answers), 250, "simple")
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Partner,
		note(gatewaytest.Sender, gatewaytest.Partner, "Re: s", answers, "X-Letter-Type: reply"), 550, "recipient-not-correspondent")
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body,
		note(gatewaytest.Sender, gatewaytest.Body, "New", "X-Letter-Type: reply"), 550, "recipient-not-correspondent")
}

// A state body sends a notice to a person; nobody else can.
func TestNotice(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.WithCitizen)
	answered(t, g, gatewaytest.Body, gatewaytest.Body, gatewaytest.Citizen,
		note(gatewaytest.Body, gatewaytest.Citizen, "Notice", "X-Letter-Type: notice"), 250, "notice, 1 recipient, recall until")
	came := newest(t, g, gatewaytest.Citizen, "Notice")
	if kind := header(t, came, "Content-Type"); !strings.HasPrefix(kind, "multipart/signed") {
		t.Errorf("Content-Type %s", kind)
	}
	if header(t, came, "X-Letter-Ack-Until") == "" {
		t.Error("no term")
	}
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Citizen,
		note(gatewaytest.Sender, gatewaytest.Citizen, "No", "X-Letter-Type: notice"), 550, "sender-kind-forbidden")
}

// A letter by post goes to those registered with the post, as it is.
func TestPost(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.WithCitizen)
	post := "X-Letter-Type: post"
	letter := note(gatewaytest.Sender, gatewaytest.Citizen, "Post", post)
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Citizen, letter, 250, "post, 1 recipient")
	if came := newest(t, g, gatewaytest.Citizen, "Post"); !bytes.HasSuffix(came, letter) {
		t.Errorf("delivered:\n%s", came)
	}
	answered(t, g, gatewaytest.Sender, gatewaytest.Sender, gatewaytest.Body,
		note(gatewaytest.Sender, gatewaytest.Body, "No", post), 550, "recipient-not-with-post")
}

// Every shipped type has a name for people.
func TestTypeLabels(t *testing.T) {
	for _, p := range policy.DefaultProfiles() {
		// The English names are the words of the types themselves, some of them.
		if label := receipt.TypeLabel(p.Type, "ru"); label == p.Type {
			t.Errorf("%s has no label", p.Type)
		}
	}
}
