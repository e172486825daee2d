package message

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// checkField shows that a field is whole and its lines are short and ASCII.
func checkField(t *testing.T, field string) Field {
	t.Helper()
	h := ParseHeader([]byte(field), 0)
	if len(h) != 1 || !strings.HasSuffix(field, "\r\n") {
		t.Fatalf("%q is %d fields", field, len(h))
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
		if strings.TrimSpace(line) == "" || strings.ContainsAny(line, "\r\n") {
			t.Errorf("empty or broken line in %q", field)
		}
	}
	return h[0]
}

func TestFormatText(t *testing.T) {
	for _, value := range []string{
		"", "short", "Заявление", "Re: заявление", strings.Repeat("очень длинная тема ", 30), strings.Repeat("word ", 100) + "end",
		"two  spaces", "=?utf-8?B?eA==?=", strings.Repeat("x", 3000), "emoji 😀 " + strings.Repeat("😀", 50), strings.Repeat("   a", 60),
	} {
		field := FormatText("Subject", value)
		for line := range strings.SplitSeq(field, "\r\n") {
			if len(line) > 78 && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("line of %d octets: %q", len(line), line)
			}
		}
		if !isASCII(field) {
			t.Errorf("not ASCII: %q", field)
		}
		if got := DecodeText(checkField(t, field).Value()); got != strings.TrimSpace(value) {
			t.Errorf("%q came back as %q", value, got)
		}
	}
	if got := FormatText("Subject", "a\r\nBcc: evil@x\x00\xff"); got != "Subject: =?utf-8?B?YSAgQmNjOiBldmlsQHgg77+9?=\r\n" {
		t.Errorf("line end in a value: %q", got)
	}
}

func TestFormatAddresses(t *testing.T) {
	list := []Address{
		{Mailbox: "a", Host: "b"}, {Name: "Plain Name", Mailbox: "a.b", Host: "c"}, {Name: `O"Neil, J.`, Mailbox: "x y", Host: "d"},
		{Name: "Федеральная налоговая служба по городу Санкт-Петербургу и области", Mailbox: "fns", Host: "gov.example"},
		{Name: "Иванов", Mailbox: "i..v", Host: "e"},
	}
	got := ParseAddresses(checkField(t, FormatAddresses("To", list)).Value())
	if !reflect.DeepEqual(got, list) {
		t.Errorf("%+v came back as %+v", list, got)
	}
	if got := FormatAddresses("To", nil); got != "To: undisclosed-recipients:;\r\n" {
		t.Errorf("empty list: %q", got)
	}
	if got := FormatAddresses("To", []Address{{Mailbox: "a", Host: "b>, <evil@x"}}); len(ParseAddresses(strings.TrimPrefix(got, "To:"))) != 1 {
		t.Errorf("host makes a second address: %q", got)
	}
}

// A field never begins with an empty line: programs that write headers anew
// put a blank there, and the letter has other octets than were signed for.
func TestFormatAddressesFirstLine(t *testing.T) {
	for _, name := range []string{"From", "To", "Disposition-Notification-To"} {
		for n := range 80 {
			for _, display := range []string{
				strings.Repeat("Ж", n), strings.TrimSpace(strings.Repeat("слово ", n)), strings.TrimSpace(strings.Repeat("plain ", n)),
				strings.TrimSpace(strings.Repeat("J. ", n)), strings.TrimSpace(strings.Repeat("J.  K. ", n)),
			} {
				list := []Address{{Name: display, Mailbox: "someone", Host: "organisation.example"}, {Name: display, Mailbox: "b", Host: "c"}}
				field := FormatAddresses(name, list)
				if got := ParseAddresses(checkField(t, field).Value()); !reflect.DeepEqual(got, list) {
					t.Fatalf("%+v came back as %+v in %q", list, got, field)
				}
				for i, line := range strings.Split(strings.TrimSuffix(field, "\r\n"), "\r\n") {
					if len(line) > 78 || len(line) > 76 && strings.Contains(line, "=?") || i == 0 && line == name+":" {
						t.Fatalf("line %d of %q", i, field)
					}
				}
			}
		}
	}
}

func TestFormatParams(t *testing.T) {
	for _, name := range []string{
		"a.pdf", "My report (1).pdf", `a"b\c.pdf`, "Обращение.pdf", strings.Repeat("Обращение в налоговую инспекцию ", 6) + ".docx",
		strings.Repeat("x", 300) + ".pdf", "50% off.pdf", "", "=?x", "скан\r\nX: y",
	} {
		field := FormatParams("Content-Disposition", "attachment", "filename", name, "size", "7")
		checkField(t, field)
		p := parse([]byte(field+"\r\n"), Limits{}).Root
		if want := strings.ReplaceAll(name, "\r\n", "  "); p.Filename != want || p.Disposition != "attachment" {
			t.Errorf("%q came back as %q in %q", want, p.Filename, field)
		}
	}
}

func TestFormatDateAndIDs(t *testing.T) {
	at := time.Date(2026, 1, 5, 9, 30, 0, 0, time.FixedZone("MSK", 3*3600))
	if got := FormatDate(at); got != "Mon, 05 Jan 2026 09:30:00 +0300" {
		t.Error(got)
	}
	if got, ok := ParseDate(FormatDate(at)); !ok || !got.Equal(at) {
		t.Error(got)
	}
	if a, b := NewMessageID("x.example"), NewMessageID("x.example"); a == b || !strings.HasSuffix(a, "@x.example>") || a[0] != '<' {
		t.Errorf("%s %s", a, b)
	}
	if b := NewBoundary(); len(b) > 70 || b == NewBoundary() {
		t.Error(b)
	}
}
