package imapd

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"gosbridge/gateway/auth"
)

// rawMail is a letter of RFC 6532: UTF-8 in header, addresses and parameters.
const rawMail = "From: Иван <иван@почта.example>\r\nTo: b@b.example\r\nSubject: Привет, \"мир\" \\\r\n" +
	"Date: Mon, 2 Mar 2026 10:00:00 +0300\r\nContent-Type: text/plain; charset=utf-8; name=\"файл.txt\"\r\n\r\nтекст\r\n"

// ENABLE UTF8=ACCEPT is answered once, in any case of letters, and works only
// when logged in (RFC 6855 §3); UTF8=ONLY is nothing to enable (§6).
func TestEnableUTF8(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.dial()
	l.want("ENABLE UTF8=ACCEPT", "BAD")
	l.ok("LOGIN u secret")
	l.want("ENABLE utf8=accept CONDSTORE UTF8=ACCEPT UTF8=ONLY", "OK", "* ENABLED UTF8=ACCEPT CONDSTORE")
	l.want("ENABLE UTF8=ACCEPT", "OK", "* ENABLED")
}

// Names: modified UTF-7 for who did not enable UTF-8, UTF-8 for who did, and
// "&" right in both, for the same mailboxes.
func TestNamesUTF8(t *testing.T) {
	w := newWorld(t, setup{})
	old, l := w.login("u"), w.enabling("UTF8=ACCEPT")
	l.ok(`CREATE "Письма & Ко"`)
	l.ok(`CREATE R&D`)
	l.ok(`CREATE "&BB8-"`) // nothing but these six letters
	old.ok(`CREATE "a&-b/&BB8-"`)
	l.want(`LIST "" "П*"`, "OK", `* LIST (\HasNoChildren) "/" "Письма & Ко"`)
	old.want(`LIST "" "&BB8-*"`, "OK", `* LIST (\HasNoChildren) "/" "&BB8EOARBBEwEPAQw- &- &BBoEPg-"`)
	l.want(`LIST "" "R&*"`, "OK", `* LIST (\HasNoChildren) "/" "R&D"`)
	old.want(`LIST "" "R&-*"`, "OK", `* LIST (\HasNoChildren) "/" "R&-D"`)
	l.want(`LIST "" "&*"`, "OK", `* LIST (\HasNoChildren) "/" "&BB8-"`)
	old.want(`LIST "" "&-*"`, "OK", `* LIST (\HasNoChildren) "/" "&-BB8-"`)
	l.want(`LIST "a&b/" %`, "OK", `* LIST (\HasNoChildren) "/" "a&b/П"`)
	l.ok(`SUBSCRIBE "a&b/П"`)
	l.want(`LSUB "" "a*"`, "OK", `* LSUB () "/" "a&b/П"`)
	l.want(`STATUS "a&b/П" (MESSAGES)`, "OK", `* STATUS "a&b/П" (MESSAGES 0)`)
	l.want(`LIST "" "R&D" RETURN (STATUS (MESSAGES))`, "OK", `* LIST () "/" "R&D"`, `* STATUS "R&D" (MESSAGES 0)`)
	l.ok("RENAME R&D {24+}\r\nИсследования")
	old.want(`STATUS "&BBgEQQRBBDsENQQ0BD4EMgQwBD0EOARP-" (MESSAGES)`, "OK", `* STATUS "&BBgEQQRBBDsENQQ0BD4EMgQwBD0EOARP-" (MESSAGES 0)`)
	l.ok(`SELECT "Исследования"`)
	l.ok(`DELETE "Исследования"`)
	for _, cmd := range []string{"CREATE \"\xff\"", "CREATE {1+}\r\n\xff", "LIST \"\" \"\xc1\x81\"", "SELECT \"\xed\xa0\x80\"", "CREATE П"} {
		l.want(cmd, "BAD")
	}
}

// After ENABLE UTF8=ACCEPT a search is in UTF-8, and one with a charset is BAD
// (RFC 6855 §3), without touching "$".
func TestSearchUTF8(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	w.deliver("INBOX", rawMail)
	l := w.enabling("UTF8=ACCEPT")
	l.ok("SELECT INBOX")
	l.want(`SEARCH SUBJECT "ПРИВЕТ"`, "OK", "* SEARCH 1 2")
	l.want(`SEARCH FROM "иван@почта"`, "OK", "* SEARCH 2")
	l.want("SEARCH TEXT {10+}\r\nтекст", "OK", "* SEARCH 1 2")
	l.want("SEARCH RETURN (SAVE) 2", "OK")
	l.want(`SEARCH RETURN (SAVE) CHARSET UTF-8 SUBJECT "x"`, "BAD")
	l.want("SEARCH CHARSET KOI8-R SUBJECT {3+}\r\nxyz", "BAD")
	l.want("SEARCH $", "OK", "* SEARCH 2")
	l.want("SEARCH SUBJECT \"\xcf\xd2\"", "BAD") // KOI8-R in quotes
}

// UTF-8 of a message goes to who did not enable it within literals only; the
// octets are the same for all (RFC 6855 §3).
func TestFetchUTF8(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", rawMail)
	old, l := w.selected("INBOX"), w.enabling("UTF8=ACCEPT")
	l.ok("SELECT INBOX")
	for _, item := range []string{"ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[HEADER.FIELDS (Subject)]", "BINARY.PEEK[1]"} {
		plain, enabled := old.ok("FETCH 1 "+item), l.ok("FETCH 1 "+item)
		if got := strings.Join(plain, "\n"); eightBitQuoted(got) {
			t.Errorf("%s: 8-bit in quotes: %q", item, got)
		}
		for _, got := range [][]string{plain, enabled} {
			if strings.HasPrefix(item, "BODY.PEEK[]") && !strings.HasSuffix(got[0], rawMail+")") {
				t.Errorf("%s: octets changed: %q", item, got)
			}
		}
		if strings.Join(plain, "") != strings.Join(enabled, "") {
			t.Errorf("%s: %q, enabled %q", item, plain, enabled)
		}
	}
	if got := old.ok("FETCH 1 ENVELOPE")[0]; !strings.Contains(got, "{24}\r\nПривет, \"мир\" \\") {
		t.Errorf("envelope %q", got)
	}
}

// eightBitQuoted looks for octets above 127 outside of literals.
func eightBitQuoted(response string) bool {
	for response != "" {
		switch c := response[0]; {
		case c >= 0x80:
			return true
		case c == '{':
			response = afterLiteral(response)
		default:
			response = response[1:]
		}
	}
	return false
}

// afterLiteral is what follows the literal that text begins with, or the brace
// if it begins with none.
func afterLiteral(text string) string {
	size, rest, found := strings.Cut(text[1:], "}\r\n")
	n, err := strconv.Atoi(size)
	if !found || err != nil || n > len(rest) {
		return text[1:]
	}
	return rest[n:]
}

// APPEND "UTF8 (...)" (RFC 6855 §4), also among others in one command and with
// a literal that waits, and plain ones (RFC 9755 §4).
func TestAppendUTF8(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.enabling("UTF8=ACCEPT")
	l.ok("SELECT INBOX")
	wrapped := fmt.Sprintf("UTF8 (~{%d+}\r\n%s)", len(rawMail), rawMail)
	l.ok("APPEND INBOX " + wrapped)
	l.ok(`APPEND INBOX (\Seen) " 2-Mar-2026 03:04:05 +0300" utf8` + wrapped[4:])
	l.ok(fmt.Sprintf("APPEND INBOX %s {%d+}\r\n%s %s", wrapped, len(rawMail), rawMail, wrapped))
	l.send(fmt.Sprintf("p APPEND INBOX UTF8 (~{%d}\r\n", len(rawMail)))
	l.read()
	l.send(rawMail + ")\r\nq APPEND INBOX " + wrapped + "\r\nr NOOP\r\n")
	for _, tag := range []string{"p", "q", "r"} {
		if _, tagged := l.until(tag); !strings.HasPrefix(tagged, "OK") {
			t.Errorf("%s %s", tag, tagged)
		}
	}
	got := l.ok("FETCH 1:* BODY.PEEK[]")
	if len(got) != 7 {
		t.Fatalf("%d messages", len(got))
	}
	for _, g := range got {
		if !strings.HasSuffix(g, fmt.Sprintf("{%d}\r\n%s)", len(rawMail), rawMail)) {
			t.Errorf("came back as %q", g)
		}
	}
	evil := "x DELETE Trash\r\nx LOGOUT\r\n"
	lit := fmt.Sprintf("~{%d+}\r\n%s", len(evil), evil)
	for args, want := range map[string]string{
		"INBOX UTF8 (" + lit: "BAD", "INBOX UTF8 (" + lit + "))": "BAD", "INBOX UTF8 (" + lit[1:] + ")": "BAD", "INBOX UTF8 " + lit: "BAD",
		"INBOX UTF7 (" + lit + ")": "BAD", "INBOX UTF8(" + lit + ")": "BAD", "INBOX UTF8 (" + lit + " )": "BAD", "nowhere UTF8 (" + lit + ")": "NO [TRYCREATE]",
		"INBOX UTF8 (~{0+}\r\n)": "NO [CANNOT]", "INBOX UTF8 (~{99999999})": "BAD", "INBOX UTF8 (~{99999999}": "NO [TOOBIG]",
	} {
		l.want("APPEND "+args, want)
	}
	l.want(`LIST "" Trash`, "OK", `* LIST (\HasNoChildren \Trash) "/" "Trash"`)
	l.want("STATUS INBOX (MESSAGES)", "OK", `* STATUS "INBOX" (MESSAGES 7)`)
}

// A message with 8-bit characters in its header is taken from everybody and
// keeps its octets, whatever its size and charset: a program that syncs both
// ways brings back what it got, and archives are old.
func TestAppendEightBitHeader(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	koi8 := "Subject: \xf0\xc9\xd3\xd8\xcd\xcf\r\n\r\n\xd4\xc5\xcb\xd3\xd4\r\n"
	big := strings.Repeat("0123456789abcdef\r\n", 2000)
	all := []string{rawMail, rawMail + big, koi8, koi8 + big, "Ю"}
	for _, msg := range all {
		l.ok(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(msg), msg))
		l.ok(fmt.Sprintf("APPEND INBOX ~{%d+}\r\n%s", len(msg), msg))
		l.ok(fmt.Sprintf("APPEND INBOX UTF8 (~{%d+}\r\n%s)", len(msg), msg))
	}
	l.ok("SELECT INBOX")
	got := l.ok("FETCH 1:* BODY.PEEK[]")
	if len(got) != 3*len(all) {
		t.Fatalf("%d messages", len(got))
	}
	for i, g := range got {
		if msg := all[i/3]; !strings.HasSuffix(g, fmt.Sprintf("{%d}\r\n%s)", len(msg), msg)) {
			t.Errorf("%d came back as %q", i, g)
		}
	}
}

// named lets everybody in and notes who came.
type named struct {
	gate
	users *[]string
}

func (n named) Plain(ctx context.Context, from auth.Client, authzid, user, pass string) (auth.Identity, error) {
	*n.users = append(*n.users, user)
	return n.gate.Plain(ctx, from, authzid, user, pass)
}

// User names come in UTF-8 by AUTHENTICATE (RFC 6855 §5), and by LOGIN too.
func TestLoginUTF8(t *testing.T) {
	w := newWorld(t, setup{})
	var users []string
	w.server.auth = named{gate{w.account}, &users}
	user := "иван@почта.example"
	w.dial().ok("AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00secret")))
	w.dial().ok(`LOGIN "` + user + `" secret`)
	w.dial().ok(fmt.Sprintf("LOGIN {%d+}\r\n%s secret", len(user), user))
	if got := strings.Join(users, " "); got != user+" "+user+" "+user {
		t.Errorf("came in as %q", got)
	}
}
