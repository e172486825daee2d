package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

var testLimits = Limits{Command: 1000, Literal: 100, Discard: 10_000, Ranges: 5}

// reader reads input; asked counts the continuation requests.
func reader(input string) (r *Reader, asked *int) {
	asked = new(int)
	return NewReader(strings.NewReader(input), testLimits, func() error { *asked++; return nil }), asked
}

func TestTokens(t *testing.T) {
	tests := []struct {
		input string
		read  func(*Reader) string
		want  string // "" for a syntax error
	}{
		{"abc", func(r *Reader) string { return r.Atom() }, "abc"},
		{"a]", func(r *Reader) string { return r.Text() }, "a]"},
		{"a]", func(r *Reader) string { v := r.Atom(); r.EOL(); return v }, ""},
		{"a+", func(r *Reader) string { v := r.Tag(); r.EOL(); return v }, ""},
		{"(x)", func(r *Reader) string { return r.Text() }, ""},
		{`"a\"b\\c"`, func(r *Reader) string { return r.String() }, `a"b\c`},
		{`"a\nb"`, func(r *Reader) string { return r.String() }, ""},
		{`"open`, func(r *Reader) string { return r.String() }, ""},
		{"\"a\x00b\"", func(r *Reader) string { return r.String() }, ""},
		{"{3}\r\na\nb", func(r *Reader) string { return r.String() }, "a\nb"},
		{"{3+}\r\nabc", func(r *Reader) string { return r.String() }, "abc"},
		{"{101}\r\n", func(r *Reader) string { return r.String() }, ""},
		{"{-1}\r\n", func(r *Reader) string { return r.String() }, ""},
		{"{3", func(r *Reader) string { return r.String() }, ""},
		{"4294967295", func(r *Reader) string { return fmt.Sprint(r.Number()) }, "4294967295"},
		{"4294967296", func(r *Reader) string { return fmt.Sprint(r.Number()) }, ""},
		{"9223372036854775807", func(r *Reader) string { return fmt.Sprint(r.Number64()) }, "9223372036854775807"},
		{"9223372036854775808", func(r *Reader) string { return fmt.Sprint(r.Number64()) }, ""},
		{"99999999999999999999999", func(r *Reader) string { return fmt.Sprint(r.Number64()) }, ""},
		{"1:3,5,7:*,*", func(r *Reader) string { return fmt.Sprint(r.Set()) }, "1:3,5,7:*,*"},
		{"*:4", func(r *Reader) string { return fmt.Sprint(r.Set()[0]) }, "{0 4}"},
		{"0", func(r *Reader) string { return fmt.Sprint(r.Set()) }, ""},
		{"1,", func(r *Reader) string { return fmt.Sprint(r.Set()) }, ""},
		{"1:2:3", func(r *Reader) string { v := r.Set().String(); r.EOL(); return v }, ""},
		{"1,2,3,4,5,6", func(r *Reader) string { return fmt.Sprint(r.Set()) }, ""},
		{`\Seen`, func(r *Reader) string { return string(r.Flag()) }, `\Seen`},
		{`\`, func(r *Reader) string { return string(r.Flag()) }, ""},
		{"2-Mar-2026", func(r *Reader) string { return r.Date().Format(time.DateOnly) }, "2026-03-02"},
		{`"02-mar-2026"`, func(r *Reader) string { return r.Date().Format(time.DateOnly) }, "2026-03-02"},
		{"31-Feb-2026", func(r *Reader) string { return r.Date().Format(time.DateOnly) }, ""},
		{`" 2-Mar-2026 03:04:05 +0300"`, func(r *Reader) string { return r.DateTime().Format(time.RFC3339) }, "2026-03-02T03:04:05+03:00"},
		{`"02-Mar-2026 03:04:05 -1130"`, func(r *Reader) string { return r.DateTime().Format(time.RFC3339) }, "2026-03-02T03:04:05-11:30"},
		{`"02-Mar-2026 25:04:05 +0000"`, func(r *Reader) string { return r.DateTime().Format(time.RFC3339) }, ""},
		{"&BB8-", func(r *Reader) string { return r.Mailbox() }, "П"},
		{"&BB8", func(r *Reader) string { return r.Mailbox() }, ""},
		{"a*%]", func(r *Reader) string { return r.Pattern() }, "a*%]"},
		{"body.peek[", func(r *Reader) string { return r.Label() }, "BODY.PEEK"},
		{"NIL", func(r *Reader) string { _, given := r.NString(); return fmt.Sprint(given) }, "false"},
	}
	for _, test := range tests {
		r, _ := reader(test.input + "\r\n")
		if err := r.Next(); err != nil {
			t.Errorf("%q: %v", test.input, err)
			continue
		}
		got := test.read(r)
		if r.Err() != nil {
			got = ""
		}
		if got != test.want {
			t.Errorf("%q: got %q (%v), want %q", test.input, got, r.Err(), test.want)
		}
	}
}

// An error is kept: what follows reads nothing, and Skip finds the next command.
func TestErrorIsKept(t *testing.T) {
	r, asked := reader("( {5+}\r\nx y\r\n more {3+}\r\nabc end\r\nnext\r\n")
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if r.Atom() != "" || r.Err() == nil {
		t.Fatal("no error")
	}
	first := r.Err()
	r.Number()
	r.SP()
	if r.Err() != first || r.Peek() != 0 || r.Rest() != "" {
		t.Error("the first error was not kept")
	}
	if err := r.Skip(); err != nil {
		t.Fatal(err)
	}
	if err := r.Next(); err != nil || r.Atom() != "next" {
		t.Errorf("did not find the next command: %v", err)
	}
	if *asked != 0 {
		t.Error("asked for a literal while skipping")
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", 1001)
	for _, input := range []string{long + "\r\n", strings.Repeat("x ", 5000) + "\r\n"} {
		r, _ := reader(input)
		if err := r.Next(); !errors.Is(err, ErrOverlong) || r.Broken() == nil {
			t.Errorf("line of %d: %v", len(input), err)
		}
	}
	// Literals count for the command, wherever they stand.
	var input strings.Builder
	for range 20 {
		fmt.Fprintf(&input, "{90}\r\n%s", strings.Repeat("y", 90))
	}
	r, _ := reader(input.String() + "\r\n")
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_ = r.String()
	}
	if !errors.Is(r.Err(), ErrTooBig) {
		t.Errorf("1800 octets of literals: %v", r.Err())
	}
	r, _ = reader("{10001+}\r\n" + strings.Repeat("z", 10_001) + "\r\n")
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _ = r.String(); !errors.Is(r.Err(), ErrTooBig) {
		t.Errorf("got %v", r.Err())
	}
	if err := r.Skip(); !errors.Is(err, ErrOverlong) {
		t.Errorf("skip: %v", err)
	}
}

func TestMessage(t *testing.T) {
	r, asked := reader("a {5}\r\n12345 tail\r\nb {5}\r\n12")
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Atom()
	r.SP()
	src, err := r.Message(r.Literal())
	if err != nil {
		t.Fatal(err)
	}
	if *asked != 1 {
		t.Error("the client was not asked")
	}
	data, err := io.ReadAll(src)
	if err != nil || string(data) != "12345" {
		t.Errorf("got %q, %v", data, err)
	}
	if err := r.Continue(); err != nil {
		t.Fatal(err)
	}
	if r.SP(); r.Atom() != "tail" {
		t.Error("tail not read")
	}
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Atom()
	r.SP()
	if src, err = r.Message(r.Literal()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(src); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a message cut short: %v", err)
	}
	if err := r.Skip(); err == nil {
		t.Error("skip found the end of what never came")
	}
}

func TestReset(t *testing.T) {
	r, _ := reader("first\r\nsmuggled\r\n")
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Reset(strings.NewReader("second\r\n"))
	if err := r.Next(); err != nil || r.Atom() != "second" {
		t.Errorf("what was read ahead survived: %v", err)
	}
}

func TestMailboxNames(t *testing.T) {
	for name, want := range map[string]string{
		"INBOX": "INBOX", "a&b": "a&-b", "&": "&-", "Письмо": "&BB8EOARBBEwEPAQ+-", "台北": "&U,BTFw-",
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "😀": "&2D3eAA-",
	} {
		if got := EncodeMailbox(name); got != want {
			t.Errorf("encode %q: %q, want %q", name, got, want)
		}
		if got, valid := DecodeMailbox(want); !valid || got != name {
			t.Errorf("decode %q: %q, %v", want, got, valid)
		}
	}
	for _, name := range []string{"&", "&AGE-", "&2D0-", "&3gA-", "&BB-", "&!!-", "&BB8=-", "&AAo-", "&AH8-", "\xff", "a\x1bb", "a\x7fb",
		"&U,BTFw-&ZeVnLIqe-", "&Jjo!", "a&BB8-&BB8-b"} {
		if got, valid := DecodeMailbox(name); valid {
			t.Errorf("decode %q: %q", name, got)
		}
	}
	for name, want := range map[string]string{
		"Почта & Co": "Почта & Co", "Почта &- Co": "Почта & Co", "Почта&BB8-": "ПочтаП", "П &AGE- &-": "П &AGE- &-",
		"&BB8-&-&BB8-": "П&П", "&BB8-a&BB8-": "ПaП", "&Jjo-!": "☺!",
	} {
		if got, valid := DecodeMailbox(name); !valid || got != want {
			t.Errorf("%q: %q, %v", name, got, valid)
		}
	}
	for name, want := range map[string]bool{"a&b": true, "&BB8-": true, "Письма & Co": true, "a\xffb": false, "a\x00b": false, "a\x7f": false} {
		if got, valid := RawMailbox(name); valid != want || valid && got != name {
			t.Errorf("raw %q: %q, %v", name, got, valid)
		}
	}
}

// A client that enabled UTF-8 quotes in it and names mailboxes in it; what is
// no UTF-8 is a syntax error in quotes, and an octet string in a literal.
func TestReaderUTF8(t *testing.T) {
	for _, test := range []struct {
		input string
		read  func(*Reader) string
		want  string // "" for a syntax error
	}{
		{`"Письма & Co"`, (*Reader).Mailbox, "Письма & Co"},
		{`a&b`, (*Reader).Mailbox, "a&b"},
		{`"&BB8-"`, (*Reader).Mailbox, "&BB8-"},
		{"\"\xff\"", (*Reader).Mailbox, ""},
		{"{1+}\r\n\xff", (*Reader).Mailbox, ""},
		{"{2+}\r\nП", (*Reader).Mailbox, "П"},
		{"a\x01", (*Reader).Mailbox, ""},
		{`"П&*"`, (*Reader).Pattern, "П&*"},
		{`a&%`, (*Reader).Pattern, "a&%"},
		{`"юг \"\\"`, (*Reader).String, `юг "\`},
		{"\"\xc1\x81\"", (*Reader).String, ""},
		{"\"\xed\xa0\x80\"", (*Reader).Text, ""},
		{"{1+}\r\n\xff", (*Reader).String, "\xff"},
		{"П", (*Reader).Text, ""}, // not in an atom
	} {
		r, _ := reader(test.input + "\r\n")
		r.UTF8()
		if err := r.Next(); err != nil {
			t.Fatal(err)
		}
		got := test.read(r)
		if r.EOL(); r.Err() != nil {
			got = ""
		}
		if got != test.want {
			t.Errorf("%q: got %q (%v), want %q", test.input, got, r.Err(), test.want)
		}
	}
}

func TestWriterUTF8(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, &Buffers{})
	w.UTF8()
	w.String(`юг "\`).Raw(" ").String("\xff").Raw(" ").String("а\nб").Raw(" ").Mailbox("Юг & a").Raw(" ").String(strings.Repeat("ю", 513))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `"юг \"\\" {1}` + "\r\n\xff {5}\r\nа\nб " + `"Юг & a" {1026}` + "\r\n" + strings.Repeat("ю", 513)
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, &Buffers{})
	w.String("a").Raw(" ").String(`q"\`).Raw(" ").String("юг").Raw(" ").String("x\r\ny").Raw(" ").Mailbox("Юг")
	w.Raw(" ").Number(7).Raw(" ").Date(time.Date(2026, 3, 2, 3, 4, 5, 0, time.FixedZone("", -5400))).CRLF()
	if err := w.Stream(strings.NewReader("streamed"), 8); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Error("written before Flush")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "\"a\" \"q\\\"\\\\\" {4}\r\nюг {4}\r\nx\r\ny \"&BC4EMw-\" 7 \"02-Mar-2026 03:04:05 -0130\"\r\n{8}\r\nstreamed"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if w.Pending() {
		t.Error("pending after Flush")
	}
}

// More than the buffer holds goes through in order, and a stream that is too
// short breaks the connection instead of lying.
func TestWriterLarge(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, &Buffers{})
	big := strings.Repeat("0123456789", 20_000)
	w.Raw("<").Raw(big).Bytes([]byte(big)).Raw(">")
	if err := w.Stream(strings.NewReader(big), int64(len(big))); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "<"+big+big+">{200000}\r\n"+big; got != want {
		t.Errorf("%d octets, want %d", len(got), len(want))
	}
	if err := w.Stream(strings.NewReader("short"), 6); !errors.Is(err, errShort) {
		t.Errorf("got %v", err)
	}
	before := out.Len()
	if w.Raw("more").Flush() == nil || out.Len() != before {
		t.Error("the connection went on")
	}
}
