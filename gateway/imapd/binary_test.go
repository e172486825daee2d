package imapd

import (
	"fmt"
	"strings"
	"testing"
)

const binaryMail = "From: a@a.example\r\nSubject: bin\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=D0=AF caf=C3=A9 soft=\r\n end\r\n" +
	"--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAAEC\r\nAwQF\r\n" +
	"--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin\r\n" +
	"--x\r\nContent-Type: text/plain\r\n\r\nas it is\r\n" +
	"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--x--\r\n"

// BINARY (RFC 3516): decoded octets, as literal8 where there are NULs, partial
// ones with the origin octet, exact sizes.
func TestBinary(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", binaryMail)
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	text := "Я café soft end"
	for item, want := range map[string]string{
		"BINARY.PEEK[2]":            "BINARY[2] ~{6}\r\n\x00\x01\x02\x03\x04\x05",
		"BINARY.PEEK[1]":            fmt.Sprintf("BINARY[1] {%d}\r\n%s", len(text), text),
		"BINARY.PEEK[2]<0.1>":       "BINARY[2]<0> ~{1}\r\n\x00",
		"BINARY.PEEK[2]<1.3>":       "BINARY[2]<1> {3}\r\n\x01\x02\x03",
		"BINARY.PEEK[2]<4.99>":      "BINARY[2]<4> {2}\r\n\x04\x05",
		"BINARY.PEEK[2]<6.1>":       `BINARY[2]<6> ""`,
		"BINARY.PEEK[2]<99.1>":      `BINARY[2]<99> ""`,
		"BINARY.PEEK[4]<3.2>":       "BINARY[4]<3> {2}\r\nit",
		"BINARY.PEEK[4]":            "BINARY[4] {8}\r\nas it is",
		"BINARY.PEEK[5.1]":          "BINARY[5.1] {5}\r\ninner",
		"BINARY.PEEK[9]":            "BINARY[9] NIL",
		"BINARY.SIZE[2]":            "BINARY.SIZE[2] 6",
		"BINARY.SIZE[1]":            fmt.Sprintf("BINARY.SIZE[1] %d", len(text)),
		"BINARY.SIZE[4]":            "BINARY.SIZE[4] 8",
		"BINARY.SIZE[]":             fmt.Sprintf("BINARY.SIZE[] %d", len(binaryMail)),
		"BINARY.SIZE[9]":            "BINARY.SIZE[9] 0",
		"BINARY.PEEK[]<0.4>":        "BINARY[]<0> {4}\r\nFrom",
		"(BINARY.SIZE[2] UID)":      "BINARY.SIZE[2] 6 UID 1",
		"(UID BINARY.PEEK[1]<0.2>)": "UID 1 BINARY[1]<0> {2}\r\nЯ",
	} {
		l.want("FETCH 1 "+item, "OK", "* 1 FETCH ("+want+")")
	}
	for _, item := range []string{"BINARY", "BINARY[1.HEADER]", "BINARY[TEXT]", "BINARY[0]", "BINARY[1.]", "BINARY.SIZE[1]<0.1>", "BINARY[1]<0.0>", "BINARY.PEEK[1", "BINARY.SIZE.PEEK[1]"} {
		l.want("FETCH 1 "+item, "BAD")
	}
	l.want("FETCH 1 FLAGS", "OK", "* 1 FETCH (FLAGS ())") // none of these is a reading
	if got := l.ok("FETCH 1 BINARY[2]"); len(got) != 2 || got[1] != `* 1 FETCH (UID 1 FLAGS (\Seen))` && !strings.Contains(got[1], `\Seen`) {
		t.Errorf("%q", got)
	}
}

// What cannot be decoded is NO [UNKNOWN-CTE]; other messages are served.
func TestBinaryUnknownEncoding(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", strings.ReplaceAll(binaryMail, "BASE64", "x-odd"))
	w.deliver("INBOX", binaryMail)
	l := w.selected("INBOX")
	l.want("FETCH 1:2 BINARY.SIZE[2]", "NO [UNKNOWN-CTE]", "* 2 FETCH (BINARY.SIZE[2] 6)")
	l.want("UID FETCH 1 BINARY[2]", "NO [UNKNOWN-CTE]")
	l.want("FETCH 1 (FLAGS BODY.PEEK[2])", "OK", "* 1 FETCH (FLAGS () BODY[2] {10}\r\nAAEC\r\nAwQF)")
}

// A large part is decoded as a stream; a part that is damaged is sent as far
// as it has sense, and exactly as long as was announced.
func TestBinaryLarge(t *testing.T) {
	w := newWorld(t, setup{})
	chunk := strings.Repeat("AAEC", 19) + "\r\n"
	head := "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	w.deliver("INBOX", head+strings.Repeat(chunk, 20_000))
	w.deliver("INBOX", head+"AAEC!!\r\n=\r\nAw")
	l := w.selected("INBOX")
	l.want("FETCH 1 BINARY.SIZE[1]", "OK", fmt.Sprintf("* 1 FETCH (BINARY.SIZE[1] %d)", 20_000*57))
	want := fmt.Sprintf("* 1 FETCH (BINARY[1] ~{%d}\r\n%s)", 20_000*57, strings.Repeat("\x00\x01\x02", 20_000*19))
	if got := l.ok("FETCH 1 BINARY.PEEK[1]"); got[0] != want {
		t.Errorf("%d octets came back wrong", len(got[0]))
	}
	l.want("FETCH 1 BINARY.PEEK[1]<1000000.3>", "OK", "* 1 FETCH (BINARY[1]<1000000> ~{3}\r\n\x01\x02\x00)")
	l.ok("FETCH 2 (BINARY.SIZE[1] BINARY.PEEK[1])")
	l.ok("NOOP")
}

// A message with NULs comes by literal8 and goes by literal8 (RFC 3516 §4.4).
func TestAppendLiteral8(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.selected("INBOX")
	msg := "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\na\x00b"
	l.ok(fmt.Sprintf("APPEND INBOX (\\Seen) ~{%d+}\r\n%s", len(msg), msg))
	l.send(fmt.Sprintf("p APPEND INBOX ~{%d}\r\n", len(msg)))
	l.read()
	l.send(msg + "\r\n")
	l.until("p")
	l.want("FETCH 2 (BINARY.PEEK[1] BINARY.SIZE[1])", "OK", "* 2 FETCH (BINARY[1] ~{3}\r\na\x00b BINARY.SIZE[1] 3)")
	// Elsewhere NUL cannot stand (RFC 3501 §4.3.1); sizes stay.
	nuls := "Subject: s\r\nX-Nul: a\x00b\r\nX-Other: \x00\r\n\r\nc\x00\x00d"
	l.ok(fmt.Sprintf("APPEND INBOX ~{%d+}\r\n%s", len(nuls), nuls))
	l.want("FETCH 2 BODY.PEEK[1]", "OK", "* 2 FETCH (BODY[1] {3}\r\na\x80b)")
	l.want("FETCH 3 (RFC822.SIZE BODY.PEEK[] BODY.PEEK[TEXT])", "OK", fmt.Sprintf("* 3 FETCH (RFC822.SIZE %d BODY[] {%[1]d}\r\n%s BODY[TEXT] {4}\r\nc\x80\x80d)",
		len(nuls), strings.ReplaceAll(nuls, "\x00", "\x80")))
	l.want("FETCH 3 (BODY.PEEK[]<19.3> BODY.PEEK[HEADER.FIELDS (X-Nul)] BODY.PEEK[HEADER.FIELDS.NOT (Subject X-Nul)])", "OK",
		"* 3 FETCH (BODY[]<19> {3}\r\na\x80b BODY[HEADER.FIELDS (X-Nul)] {14}\r\nX-Nul: a\x80b\r\n\r\n BODY[HEADER.FIELDS.NOT (Subject X-Nul)] {14}\r\nX-Other: \x80\r\n\r\n)")
	l.want("FETCH 3 BINARY.PEEK[]", "OK", fmt.Sprintf("* 3 FETCH (BINARY[] ~{%d}\r\n%s)", len(nuls), nuls))
	evil := "x DELETE Trash\r\n"
	l.want(fmt.Sprintf("APPEND nowhere ~{%d+}\r\n%s", len(evil), evil), "NO [TRYCREATE]")
	l.want("NOOP", "OK")
}
