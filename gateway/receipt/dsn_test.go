package receipt

import (
	"bytes"
	"errors"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"
)

const original = "From: a@org.example\r\nSubject: hello\r\n\r\nbody: \xd0\xb4\r\n"

func failure() Notice {
	return Notice{
		ID: id(7), From: "postmaster@bridge.example", Name: "Оператор «Мост»", To: "ivanov@romashka.example",
		At: epoch, EnvelopeID: "QQ314159", Arrival: epoch.Add(-time.Hour), MessageID: "<a@org.example>",
		Number: "GP-202611-00000001-5", Subject: "Заявление",
		Recipients: []Outcome{
			{Address: "a@gov.example", Action: Delivered, Status: "2.0.0"},
			{Address: "b@gov.example", Original: "rfc822;B@gov.example", Action: Failed, Status: "5.1.1",
				RemoteMTA: "mx.gov.example", Diagnostic: "550 5.1.1 no such user", LastTry: epoch},
		},
		Original: strings.NewReader(original),
	}
}

func write(t *testing.T, n Notice) *mail.Message {
	t.Helper()
	var b bytes.Buffer
	if err := WriteDSN(&b, n); err != nil {
		t.Fatal(err)
	}
	msg, err := mail.ReadMessage(&b)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestDSNGolden(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDSN(&b, failure()); err != nil {
		t.Fatal(err)
	}
	checkLines(t, b.Bytes())
	golden(t, "dsn.eml", b.Bytes())
}

func TestDSNReturn(t *testing.T) {
	const head = "multipart/report\n text/plain\n message/delivery-status\n"
	delayed := []Outcome{{Address: "a@gov.example", Action: Delayed, Status: "4.4.7", RetryUntil: epoch}}
	tests := []struct {
		name   string
		change func(*Notice)
		want   string
		body   bool
	}{
		{"headers", func(*Notice) {}, head + " text/rfc822-headers\n", false},
		{"full", func(n *Notice) { n.ReturnFull = true }, head + " message/rfc822\n", true},
		{"full only of a failure", func(n *Notice) { n.ReturnFull, n.Recipients = true, delayed }, head + " text/rfc822-headers\n", false},
		{"nothing", func(n *Notice) { n.Original = nil }, head, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := failure()
			test.change(&n)
			msg := write(t, n)
			raw, err := io.ReadAll(msg.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(t, msg.Header.Get("Content-Type"), bytes.NewReader(raw), 0); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if got := bytes.Contains(raw, []byte("\r\n"+original)); got != test.body {
				t.Errorf("whole original: %t", got)
			}
		})
	}
}

func TestDSNSubject(t *testing.T) {
	msg := write(t, failure())
	if got := decoded(t, msg.Header.Get("Subject")); got != "Не доставлено: Заявление" {
		t.Errorf("subject %q", got)
	}
	n := failure()
	n.Language, n.Recipients = English, n.Recipients[:1]
	if got := decoded(t, write(t, n).Header.Get("Subject")); got != "Delivered: Заявление" {
		t.Errorf("subject %q", got)
	}
}

func TestDSNRefuses(t *testing.T) {
	for name, change := range map[string]func(*Notice){
		"null sender": func(n *Notice) { n.To = "" }, // nobody is told of a report
		"nobody":      func(n *Notice) { n.Recipients = nil },
		"action":      func(n *Notice) { n.Recipients[0].Action = "lost" },
		"status":      func(n *Notice) { n.Recipients[0].Status = "550" },
		"address":     func(n *Notice) { n.Recipients[0].Address = "" },
	} {
		n := failure()
		change(&n)
		if err := WriteDSN(io.Discard, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

type failingReader struct{}

var errDisk = errors.New("disk")

func (failingReader) Read([]byte) (int, error)  { return 0, errDisk }
func (failingReader) Write([]byte) (int, error) { return 0, errDisk }

func TestDSNErrors(t *testing.T) {
	for _, whole := range []bool{false, true} {
		n := failure()
		n.Original, n.ReturnFull = failingReader{}, whole
		if err := WriteDSN(io.Discard, n); !errors.Is(err, errDisk) {
			t.Errorf("reader failed, whole %t: %v", whole, err)
		}
	}
	if err := WriteDSN(failingReader{}, failure()); !errors.Is(err, errDisk) {
		t.Errorf("writer failed: %v", err)
	}
}
