package searchtext

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// extracted is the text of a message.
func extracted(t testing.TB, raw string) *mailstore.Text {
	t.Helper()
	made, err := message.Index(strings.NewReader(raw), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := message.DecodeSummary(made)
	if err != nil {
		t.Fatal(err)
	}
	head, body, err := Extract(strings.NewReader(raw), sum.HeaderSize())
	if err != nil {
		t.Fatal(err)
	}
	if len(head)+len(body) > maxKept {
		t.Errorf("%d octets kept", len(head)+len(body))
	}
	return &mailstore.Text{Head: head, Body: body}
}

// answer of a kept text: yes, no, or that it does not tell.
func answer(found, known bool) string {
	if !known {
		return "?"
	}
	return map[bool]string{true: "yes", false: "no"}[found]
}

func TestKept(t *testing.T) {
	small := "From: =?utf-8?q?=D0=98=D0=B2=D0=B0=D0=BD?= <i@a.example>\r\nX-Empty:\r\nSubject: One\r\n two\r\nsubject: Three\r\n" +
		"no field here\r\n=?utf-8?q?from:_y?=: z\r\n\r\nПривет, МИР\r\n"
	longText := "Subject: s\r\n\r\n" + strings.Repeat("filling ", maxKept/8) + "the end"
	longField := "X-Long: " + strings.Repeat("long ", maxKeptHead/5) + "\r\nSubject: behind\r\n\r\nbody\r\n"
	longHeader := strings.Repeat("X-More: "+strings.Repeat("m", 200)+"\r\n", maxHeader/200) + "Subject: behind\r\n\r\nbody\r\n"
	for _, c := range []struct{ raw, key, needle, want string }{
		{small, "body", "привет, мир", "yes"}, {small, "body", "one", "no"}, {small, "header", "one two", "yes"},
		{small, "header", "иван", "yes"}, {small, "header", "привет", "no"}, {small, "header", "no field", "yes"},
		{small, "header", "twosubject", "no"}, {small, "header", "subject: three", "yes"},
		{small, "From", "иван", "yes"}, {small, "FROM", "from", "no"}, {small, "from", "y", "no"}, {small, "from", "z", "no"},
		{small, "subject", "three", "yes"}, {small, "subject", "one two", "yes"}, {small, "subject", "", "yes"}, {small, "subject", "иван", "no"},
		{small, "x-empty", "", "yes"}, {small, "x-empty", "s", "no"}, {small, "x-none", "", "no"},
		{small, "", "x", "?"}, {small, "from: x", "x", "?"}, {small, "=?utf-8?q?from", "x", "?"}, {small, "ſubject", "one", "?"}, {small, "sub ject", "x", "?"},
		{longText, "body", "filling filling", "yes"}, {longText, "body", "the end", "?"}, {longText, "body", "absent", "?"}, {longText, "header", "absent", "no"},
		{longField, "subject", "behind", "yes"}, {longField, "subject", "absent", "?"}, {longField, "x-long", "", "?"}, {longField, "body", "absent", "no"},
		{longHeader, "subject", "absent", "?"}, {longHeader, "header", "mmm", "?"}, {longHeader, "body", "absent", "no"}, {longHeader, "body", "body", "yes"},
	} {
		text := extracted(t, c.raw)
		n := NewNeedle(c.needle, maxHeader)
		var got string
		switch c.key {
		case "body":
			got = answer(n.InBody(text))
		case "header":
			got = answer(n.InHeader(text))
		default:
			got = answer(n.InField(NewField(c.key), text))
		}
		if got != c.want {
			t.Errorf("%q in %s of %.60q: %s, want %s", c.needle, c.key, c.raw, got, c.want)
		}
	}
}

// A header that is longer than the search looks at is left to it, and so is
// everything of a message that could not be read, and what is no text at all.
func TestKeptTellsNothing(t *testing.T) {
	n := NewNeedle("one", 20)
	long := extracted(t, "Subject: one two three four five\r\n\r\none")
	if got := answer(n.InHeader(long)) + answer(n.InField(NewField("subject"), long)) + answer(n.InBody(long)); got != "??yes" {
		t.Errorf("header beyond the limit: %s", got)
	}
	var none mailstore.Text
	none.Head, none.Body = unreadable()
	for _, text := range []*mailstore.Text{&none, {}, {Head: []byte{0}, Body: nil}, {Head: []byte{0, 0xff}}} {
		if got := answer(n.InHeader(text)) + answer(n.InField(NewField("subject"), text)) + answer(n.InBody(text)); got != "???" {
			t.Errorf("%v: %s", text, got)
		}
	}
}

// FuzzKept: what is kept answers as reading the message does, or not at all.
func FuzzKept(f *testing.F) {
	for _, needle := range []string{"привет", "a", "\n", "from: x"} {
		f.Add([]byte("From: x\r\nSubject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n\r\nПРИВЕТ\r\n"), needle)
		f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nтекст a\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>a&amp;b</p>\r\n--b--\r\n"), needle)
		f.Add([]byte("no header"), needle)
		f.Add([]byte("Content-Transfer-Encoding: base64\r\n\r\nYQ==\r\nContent"), needle)
	}
	f.Fuzz(func(t *testing.T, raw []byte, want string) {
		needle := Fold(strings.ToValidUTF8(want, ""))
		if needle == "" {
			return
		}
		text := extracted(t, string(raw))
		made, _ := message.Index(bytes.NewReader(raw), message.Limits{})
		sum, err := message.DecodeSummary(made)
		if err != nil {
			t.Fatal(err)
		}
		n := NewNeedle(needle, maxHeader)
		inBody, err := Scan(bytes.NewReader(raw), min(sum.HeaderSize(), maxHeader), false, needle)
		if err != nil {
			t.Fatal(err)
		}
		if found, known := n.InBody(text); known && found != inBody {
			t.Errorf("in the body: kept %v, read %v", found, inBody)
		}
		inAll, err := Scan(bytes.NewReader(raw), min(sum.HeaderSize(), maxHeader), true, needle)
		if err != nil {
			t.Fatal(err)
		}
		if found, known := n.InHeader(text); known && (found || inBody) != inAll {
			t.Errorf("in the header: kept %v, read %v", found, inAll)
		}
		for _, field := range message.ParseHeader(raw[:min(sum.HeaderSize(), maxHeader)], 0) {
			if field.Name == "" {
				continue
			}
			read := false
			for _, same := range message.ParseHeader(raw[:min(sum.HeaderSize(), maxHeader)], 0) {
				read = read || same.Is(field.Name) && strings.Contains(Fold(message.DecodeText(same.Value())), needle)
			}
			if found, known := n.InField(NewField(field.Name), text); known && found != read {
				t.Errorf("in %s: kept %v, read %v", field.Name, found, read)
			}
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		raw := "Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("Текст письма в одну строку, and some English.\r\n", size/70)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Extract(strings.NewReader(raw), 80); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
