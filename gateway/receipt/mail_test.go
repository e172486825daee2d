package receipt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"

	"gosbridge/certs"
	"gosbridge/gateway/message"
)

// outline lists the media types of a mail, indented, by the standard library.
func outline(t *testing.T, contentType string, body io.Reader, depth int) string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Repeat(" ", depth) + kind + "\n"
	if !strings.HasPrefix(kind, "multipart/") {
		return lines
	}
	r := multipart.NewReader(body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		lines += outline(t, p.Header.Get("Content-Type"), p, depth+1)
	}
}

func TestMailStructure(t *testing.T) {
	const head = `multipart/signed
 multipart/mixed
  multipart/report
   text/plain
`
	tests := []struct {
		name  string
		event Event
		depth Depth
		bare  bool // without the original's header
		want  string
	}{
		{"full", ContentConsignment, Full, false, head + `   message/delivery-status
   text/rfc822-headers
  application/xml
  application/json
 application/pkcs7-signature
`},
		{"default is full", SubmissionAcceptance, "", true, head + `   message/delivery-status
  application/xml
  application/json
 application/pkcs7-signature
`},
		{"brief opening", ContentHandover, Brief, false, head + `   message/disposition-notification
   text/rfc822-headers
  application/json
 application/pkcs7-signature
`},
		{"short", ContentHandover, Short, false, `multipart/signed
 multipart/report
  text/plain
  message/disposition-notification
  text/rfc822-headers
 application/pkcs7-signature
`},
	}
	o := newOffice(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ev, to := full(), mailing()
			ev.Event, to.Depth = test.event, test.depth
			if test.bare {
				to.OriginalHeader = nil
			}
			raw := o.mail(t, o.seal(t, ev), to)
			msg, err := mail.ReadMessage(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(t, msg.Header.Get("Content-Type"), msg.Body, 0); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestMailHeader(t *testing.T) {
	o := newOffice(t)
	s := o.seal(t, full())
	raw := o.mail(t, s, mailing())
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte("Return-Path: <>\r\n")) {
		t.Error("no empty Return-Path at the top")
	}
	for name, want := range map[string]string{
		"Date":              "Sat, 21 Nov 2026 15:04:05 +0300",
		"In-Reply-To":       "<a@org.example>",
		"References":        "<r1@org.example> <r2@org.example> <a@org.example>",
		"Auto-Submitted":    "auto-replied",
		"X-Letter-Number":   "GP-202611-00000001-5",
		"X-Letter-Receipt":  "ContentConsignment",
		"X-Letter-State":    "delivered",
		"X-Letter-Evidence": "019aa64b-1ce3-7000-8000-000000000001",
		"Mime-Version":      "1.0",
	} {
		if got := msg.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := decoded(t, msg.Header.Get("Subject")); got != "Доставлено: GP-202611-00000001-5 — Заявление о выдаче справки" {
		t.Errorf("subject %q", got)
	}
	from, err := msg.Header.AddressList("From")
	if err != nil || from[0].Address != "receipts@bridge.example" || from[0].Name != "Оператор «Мост»" {
		t.Errorf("From %v, %v", from, err)
	}
	to, err := msg.Header.AddressList("To")
	if err != nil || to[0].Address != "ivanov@romashka.example" {
		t.Errorf("To %v, %v", to, err)
	}
	if id := msg.Header.Get("Message-ID"); !strings.HasPrefix(id, "<"+s.ID.String()+".") || !strings.HasSuffix(id, "@bridge.example>") {
		t.Errorf("Message-ID %q", id)
	}
	other := mailing()
	other.To = "fns@gov.example"
	if o.messageID(s.ID, other.To) == o.messageID(s.ID, mailing().To) {
		t.Error("both parties' receipts have one Message-ID")
	}
}

func decoded(t *testing.T, header string) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMailEveryEvent signs, opens and verifies a receipt of each event, in
// each depth and language.
func TestMailEveryEvent(t *testing.T) {
	o := newOffice(t)
	for event := range events {
		for _, depth := range []Depth{Full, Brief, Short} {
			for _, language := range []string{Russian, English} {
				t.Run(fmt.Sprintf("%s/%s/%s", event, depth, language), func(t *testing.T) {
					ev, to := full(), mailing()
					ev.Event, to.Depth, to.Language = event, depth, language
					s := o.seal(t, ev)
					raw := o.mail(t, s, to)
					checkLines(t, raw)
					r, err := Open(bytes.NewReader(raw))
					if err != nil {
						t.Fatal(err)
					}
					if report := o.verify(t, r); !report.Valid() {
						t.Fatalf("signature: %s %s", report.Reason, report.Detail)
					}
					checkOpened(t, r, s, depth, language)
				})
			}
		}
	}
}

func checkOpened(t *testing.T, r *Opened, s Sealed, depth Depth, language string) {
	t.Helper()
	if r.ID != s.ID || r.Hash != s.Hash {
		t.Errorf("evidence %s %x, want %s %x", r.ID, r.Hash, s.ID, s.Hash)
	}
	if (depth == Full) != (r.XML != nil) || (depth == Short) != (r.JSON == nil) {
		t.Errorf("depth %s: XML %t, JSON %t", depth, r.XML != nil, r.JSON != nil)
	}
	if depth != Short && !bytes.Equal(r.JSON, s.JSON) {
		t.Error("JSON differs")
	}
	says := catalogue[s.Evidence.Event]
	first, second := strings.Index(r.Text, says.title.in(language)), -1
	for _, other := range []string{Russian, English} {
		if other != language {
			second = strings.Index(r.Text, says.title.in(other))
		}
	}
	if first != 0 || second < first {
		t.Errorf("titles at %d and %d", first, second)
	}
	if strings.Contains(r.Text, "%!") {
		t.Errorf("bad format in text:\n%s", r.Text)
	}
}

// checkLines: CRLF only, nothing beyond 998 octets, no 8-bit octet.
func checkLines(t *testing.T, raw []byte) {
	t.Helper()
	if !bytes.HasSuffix(raw, []byte("\r\n")) {
		t.Error("no CRLF at the end")
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 998 {
			t.Errorf("line of %d octets", len(line))
		}
		for _, c := range line {
			if c >= 0x80 || c == '\r' || c == '\n' || c == 0 {
				t.Fatalf("octet %#x in %q", c, line)
			}
		}
	}
}

// TestMailDeterministic: everything that is signed follows from the arguments.
func TestMailDeterministic(t *testing.T) {
	o := newOffice(t)
	s := o.seal(t, full())
	var entities [2][]byte
	for i := range entities {
		r, err := Open(bytes.NewReader(o.mail(t, s, mailing())))
		if err != nil {
			t.Fatal(err)
		}
		entities[i] = r.Entity
	}
	if !bytes.Equal(entities[0], entities[1]) {
		t.Error("two mails of one evidence differ in what is signed")
	}
}

// TestMailGolden fixes what is signed, down to the octet, for people to read.
func TestMailGolden(t *testing.T) {
	o := newOffice(t)
	for name, event := range map[string]Event{"consignment": ContentConsignment, "handover": ContentHandover} {
		ev, to := full(), mailing()
		ev.Event = event
		s, err := seal(clean(ev))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", []byte(o.text(s, to)))
		golden(t, name+".eml", o.entity(s, to).appendTo(nil))
	}
}

func TestMailReport(t *testing.T) {
	o := newOffice(t)
	ev, to := full(), mailing()
	ev.Reasons, ev.Recipients[0].Address = nil, "приём@gov.example"
	to.OriginalRecipient = "rfc822;fns+registered@gov.example"
	report := func(event Event) string {
		ev.Event = event
		return o.report(o.seal(t, ev), to)
	}
	tests := map[Event][]string{
		SubmissionAcceptance: {"Action: relayed", "Status: 2.0.0", "Arrival-Date: Sat, 21 Nov 2026 12:04:05 +0000",
			"Original-Envelope-Id: QQ314159", "Reporting-MTA: dns; bridge.example",
			"Original-Recipient: rfc822; fns+registered@gov.example",
			`Final-Recipient: utf-8; \x{43F}\x{440}\x{438}\x{451}\x{43C}@gov.example`},
		ContentConsignment:        {"Action: delivered", "Status: 2.0.0"},
		DelayWarning:              {"Action: delayed", "Status: 4.4.7", "Will-Retry-Until: Mon, 21 Dec 2026 21:00:00 +0000"},
		ContentConsignmentFailure: {"Action: failed", "Status: 5.4.7"},
		Recall:                    {"Action: failed", "Status: 5.0.0", "X-Letter-Receipt: Recall"},
		AppealClosed:              {"Action: delivered", "X-Letter-Receipt: AppealClosed"},
		ContentHandover: {"Disposition: manual-action/MDN-sent-automatically; displayed",
			"Original-Message-ID: <a@org.example>", "Reporting-UA: bridge.example; gosbridge"},
	}
	for event, want := range tests {
		got := strings.ReplaceAll(report(event), "\r\n ", " ")
		for _, line := range want {
			if !strings.Contains(got, line+"\r\n") {
				t.Errorf("%s: no %q in\n%s", event, line, got)
			}
		}
	}
	ev.Reasons = []Reason{{Code: "a", Status: "4.4.1"}, {Code: "user-unknown", Status: "5.1.1"}}
	if got := report(ContentConsignmentFailure); !strings.Contains(got, "Status: 5.1.1\r\n") {
		t.Errorf("status is not that of the reason:\n%s", got)
	}
	ev.Recipients = nil
	if got := report(SubmissionRejection); !strings.Contains(got, "\r\n\r\nOriginal-Recipient") ||
		!strings.Contains(got, "Final-Recipient: unknown; none\r\n") {
		t.Errorf("no group for a rejection before RCPT:\n%s", got)
	}
}

// TestMailInjection puts line breaks and markup where a stranger chooses the
// text: nothing of it may become a header, a part, or a line of the text.
func TestMailInjection(t *testing.T) {
	const evil = "x\r\nX-Letter-State: acknowledged\r\nBcc: thief@example.com\r\n\r\n--=_report_\r\nСостояние: Получено\u202e\u2028\x00"
	o := newOffice(t)
	ev, to := full(), mailing()
	ev.Letter.Number, ev.Letter.Case, ev.Letter.EnvelopeID, ev.Letter.MessageID = evil, evil, evil, evil
	ev.Letter.Type = evil
	ev.Sender.Name, ev.Sender.Address = evil, evil
	ev.Recipients[0].Name, ev.Recipients[0].Address = evil, evil
	ev.Files[0].Name, ev.NextHop = evil, evil
	ev.Reasons[0] = Reason{Code: evil, En: evil, Ru: evil, Status: evil}
	to.Subject, to.State, to.MessageID, to.OriginalRecipient = evil, evil, evil, evil
	to.References = []string{evil, "<ok@example.com>"}
	to.OriginalHeader = []byte(evil)
	for event := range events {
		ev.Event = event
		s := o.seal(t, ev)
		raw := o.mail(t, s, to)
		checkLines(t, raw)
		r, err := Open(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		if !o.verify(t, r).Valid() {
			t.Errorf("%s: signature", event)
		}
		if r.Header.Get("Bcc") != "" || len(r.Header["X-Letter-State"]) > 1 || r.Header.Get("In-Reply-To") != "" {
			t.Errorf("%s: header %v", event, r.Header)
		}
		for _, group := range r.Report {
			if group.Get("Bcc") != "" || len(group["X-Letter-State"]) > 1 {
				t.Errorf("%s: report %v", event, group)
			}
		}
		for line := range strings.SplitSeq(r.Text, "\n") {
			if strings.HasPrefix(line, "Состояние: Получено") || strings.HasPrefix(line, "Bcc:") {
				t.Errorf("%s: forged line %q", event, line)
			}
		}
		if strings.ContainsAny(r.Text, "\u202e\u2028\x00\r") {
			t.Errorf("%s: control characters in the text", event)
		}
	}
}

func TestMailRefuses(t *testing.T) {
	o := newOffice(t)
	s := o.seal(t, full())
	for name, change := range map[string]func(*Sealed, *Mailing){
		"no address":    func(_ *Sealed, m *Mailing) { m.To = "" },
		"line break":    func(_ *Sealed, m *Mailing) { m.To = "a@b.example\r\nBcc: c@d.example" },
		"two addresses": func(_ *Sealed, m *Mailing) { m.To = "a@b.example, c@d.example" },
		"not sealed":    func(s *Sealed, _ *Mailing) { *s = Sealed{} },
	} {
		s, to := s, mailing()
		change(&s, &to)
		if _, err := o.Mail(context.Background(), s, to); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

// brokenSigner stands for a key that cannot be reached.
type brokenSigner struct{ certs.DetachedSigner }

func (brokenSigner) Sign(context.Context, io.Reader, time.Time) ([]byte, error) {
	return nil, certs.ErrSigner
}

func TestMailSignerFails(t *testing.T) {
	o := newOffice(t)
	s := o.seal(t, full())
	o.options.Signer = brokenSigner{o.options.Signer}
	if b, err := o.Mail(context.Background(), s, mailing()); !errors.Is(err, certs.ErrSigner) || b != nil {
		t.Errorf("%d octets, %v; want ErrSigner and nothing", len(b), err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := newOffice(t).options
	for name, change := range map[string]func(*Options){
		"no signer":   func(o *Options) { o.Signer = nil },
		"no clock":    func(o *Options) { o.Now = nil },
		"bad address": func(o *Options) { o.From = "receipts" },
	} {
		options := good
		change(&options)
		if _, err := New(options); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestMailGoMessage reads a receipt with another parser, down to the texts.
func TestMailGoMessage(t *testing.T) {
	o := newOffice(t)
	to := mailing()
	to.OriginalHeader = []byte("Subject: заявление\r\nX-Long: " + strings.Repeat("y", 2000) + "\r\n\r\nnot the body")
	s := o.seal(t, full())
	entity, err := gomessage.Read(bytes.NewReader(o.mail(t, s, to)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	err = entity.Walk(func(_ []int, e *gomessage.Entity, err error) error {
		if err != nil {
			return err
		}
		kind, _, err := e.Header.ContentType()
		if err != nil || strings.HasPrefix(kind, "multipart/") {
			return err
		}
		b, err := io.ReadAll(e.Body)
		found[kind] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found["application/xml"] != string(s.XML) || found["application/json"] != string(s.JSON) {
		t.Error("evidence differs")
	}
	if !strings.Contains(found["text/plain"], "Договор № 7.pdf, 1000 байт, SHA-256 05") {
		t.Errorf("text:\n%s", found["text/plain"])
	}
	if got := found["text/rfc822-headers"]; got != "Subject: заявление\r\nX-Long: "+strings.Repeat("y", 2000)+"\r\n" {
		t.Errorf("header of the original: %q", got)
	}
}

// TestMailOwnParser: the gateway's own parser finds nothing to complain of.
func TestMailOwnParser(t *testing.T) {
	o := newOffice(t)
	s := o.seal(t, full())
	p := message.NewParser(message.Limits{})
	if _, err := p.Write(o.mail(t, s, mailing())); err != nil {
		t.Fatal(err)
	}
	msg := p.Close()
	if len(msg.Defects) > 0 {
		t.Errorf("defects: %v", msg.Defects)
	}
	sums := map[string][32]byte{}
	for _, f := range msg.Files() {
		sums[f.Filename] = f.SHA256
	}
	if sums["evidence.json"] != s.Hash || sums["evidence.xml"] != sha256.Sum256(s.XML) {
		t.Errorf("files %x", sums)
	}
	if got := msg.Header.Text("Subject"); got != "Доставлено: GP-202611-00000001-5 — Заявление о выдаче справки" {
		t.Errorf("subject %q", got)
	}
}

func TestMailToUTF8Address(t *testing.T) {
	o := newOffice(t)
	to := mailing()
	to.To = "приём@почта.example"
	raw := o.mail(t, o.seal(t, full()), to)
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	list, err := msg.Header.AddressList("To")
	if err != nil || len(list) != 1 || list[0].Address != to.To {
		t.Errorf("To %q: %v, %v", msg.Header.Get("To"), list, err)
	}
	if r, err := Open(bytes.NewReader(raw)); err != nil || !o.verify(t, r).Valid() {
		t.Errorf("open: %v", err)
	}
}

func BenchmarkReceipt(b *testing.B) {
	o := newOffice(b)
	ev := full()
	for _, depth := range []Depth{Full, Short} {
		b.Run(string(depth), func(b *testing.B) {
			to := mailing()
			to.Depth = depth
			b.ReportAllocs()
			for b.Loop() {
				o.mail(b, o.seal(b, ev), to)
			}
		})
	}
}
