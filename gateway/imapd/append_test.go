package imapd

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// append sends a message after the continuation.
func (l *line) append(args, msg string) string {
	l.t.Helper()
	l.send(fmt.Sprintf("p APPEND %s {%d}\r\n", args, len(msg)))
	if got := l.read(); !strings.HasPrefix(got, "+ ") {
		l.t.Fatalf("append: %s", got)
	}
	l.send(msg + "\r\n")
	_, tagged := l.until("p")
	return tagged
}

// What comes back is what was sent, whatever its size, with flags and date.
func TestAppend(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.selected("INBOX")
	big := plainMail + strings.Repeat("0123456789abcdef\r\n", 200_000)
	for i, msg := range []string{plainMail, multiMail, "x", big} {
		tagged := l.append(`INBOX (\Seen kw) " 2-Mar-2026 03:04:05 +0300"`, msg)
		if !strings.HasPrefix(tagged, "OK [APPENDUID ") || !strings.HasSuffix(strings.Fields(tagged)[3], fmt.Sprintf("%d]", i+1)) {
			t.Errorf("append %d: %s", i, tagged)
		}
		got := l.ok(fmt.Sprintf("UID FETCH %d (INTERNALDATE FLAGS RFC822.SIZE BODY.PEEK[])", i+1))
		want := fmt.Sprintf("* %d FETCH (UID %d INTERNALDATE \"02-Mar-2026 03:04:05 +0300\" FLAGS (\\Seen kw) RFC822.SIZE %d BODY[] {%d}\r\n%s)",
			i+1, i+1, len(msg), len(msg), msg)
		if len(got) != 1 || got[0] != want {
			t.Errorf("message %d of %d octets came back wrong (%d lines)", i, len(msg), len(got))
		}
	}
	l.want("SEARCH SUBJECT parts FROM a@a.example", "OK", "* SEARCH 2")
}

// Whatever can be refused is refused before the "+".
func TestAppendRefusedBeforeLiteral(t *testing.T) {
	w := newWorld(t, setup{quota: 10_000, config: func(c *Config) { c.AppendOctets = 20_000 }})
	l := w.dial()
	l.want("APPEND INBOX {10}", "BAD") // before the login
	l.ok("LOGIN u secret")
	for cmd, want := range map[string]string{
		"APPEND nowhere {10}":                            "NO [TRYCREATE]",
		"APPEND INBOX {20001}":                           "NO [TOOBIG]",
		"APPEND INBOX {99999999999999999999999}":         "NO [TOOBIG]",
		"APPEND INBOX {15000}":                           "NO [OVERQUOTA]",
		"APPEND INBOX {0}":                               "NO [CANNOT]",
		`APPEND INBOX (\Recent) {10}`:                    "BAD",
		`APPEND INBOX "32-Mar-2026 00:00:00 +0000" {10}`: "BAD",
		"APPEND INBOX":                                   "BAD",
		"APPEND INBOX ~{0}":                              "NO [CANNOT]",
		"APPEND INBOX ~x{10}":                            "BAD",
		"APPEND nowhere ~{10}":                           "NO [TRYCREATE]",
	} {
		l.want(cmd, want)
	}
	if got := l.append("INBOX", plainMail); !strings.HasPrefix(got, "OK [APPENDUID") {
		t.Error(got)
	}
}

// The octets of a refused non-synchronising literal are never commands.
func TestNonSyncLiteralNeverCommands(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	evil := "x DELETE Trash\r\nx LOGOUT\r\n"
	for _, cmd := range []string{
		"APPEND nowhere {%d+}", "BOGUS {%d+}", "CREATE \"a\" {%d+}", "APPEND INBOX (\\Bad {%d+}", "SELECT {%d+}",
		"LIST \"\" \"un{closed {%d+}",
	} {
		l.send("a " + fmt.Sprintf(cmd, len(evil)) + "\r\n" + evil + "\r\n")
		if got := l.read(); !strings.HasPrefix(got, "a NO") && !strings.HasPrefix(got, "a BAD") {
			t.Errorf("%s: got %q", cmd, got)
		}
	}
	l.want(`LIST "" Trash`, "OK", `* LIST (\HasNoChildren \Trash) "/" "Trash"`)
	// Large ones are dropped all the same, as long as all together are no more
	// than the largest message.
	large := strings.Repeat("x DELETE Trash\r\n", 10_000)
	for cmd, want := range map[string]string{"APPEND nowhere": "b NO [TRYCREATE]", "SELECT": "b NO [TOOBIG]", "BOGUS": "b BAD", "SEARCH TEXT": "b BAD"} {
		l.send(fmt.Sprintf("b %s {%d+}\r\n%s {%[2]d+}\r\n%[3]s\r\n", cmd, len(large), large))
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q", cmd, got)
		}
	}
	l.want("STATUS INBOX (MESSAGES)", "OK", `* STATUS "INBOX" (MESSAGES 0)`)
	// Too large to be worth reading: the connection ends.
	l.send("c APPEND INBOX {999999999999+}\r\nd DELETE Trash\r\n")
	l.closed("c NO [TOOBIG]", "* BYE [TOOBIG]")
	m := w.login("u")
	m.send("c CREATE {99999999999999999999999+}\r\nd DELETE Trash\r\n")
	m.closed("c NO [TOOBIG]", "* BYE [TOOBIG]")
	w.login("u").want(`LIST "" Trash`, "OK", `* LIST (\HasNoChildren \Trash) "/" "Trash"`)
}

// What is dropped of one command is bounded, however many literals it comes
// in; and a stranger's far sooner.
func TestNonSyncLiteralsBounded(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.AppendOctets = 2 << 20 }})
	l := w.login("u")
	chunk := strings.Repeat("x DELETE Trash\r\n", 1<<16) // 1 MiB
	part := fmt.Sprintf(" {%d+}\r\n%s", len(chunk), chunk)
	go io.WriteString(l.conn, "a BOGUS"+strings.Repeat(part, 5)) // may be cut off
	l.closed("a BAD", "* BYE [TOOBIG]")
	l = w.dial()
	go io.WriteString(l.conn, fmt.Sprintf("a LOGIN u {%d+}\r\n%s\r\n", 9<<10, chunk[:9<<10]))
	l.closed("a NO [TOOBIG]", "* BYE [TOOBIG]")
	l = w.dial()
	l.send(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s\r\n", 4<<10, chunk[:4<<10]))
	if got := l.read(); !strings.HasPrefix(got, "a BAD") {
		t.Errorf("before the login: %q", got)
	}
	w.login("u").want(`LIST "" Trash`, "OK", `* LIST (\HasNoChildren \Trash) "/" "Trash"`)
}

// LITERAL+ (RFC 7888): literals of any size may come without waiting.
func TestNonSyncLiteral(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.send(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s\r\nb STATUS {5+}\r\nINBOX (MESSAGES)\r\n", len(plainMail), plainMail))
	for _, want := range []string{"a OK [APPENDUID", `* STATUS "INBOX" (MESSAGES 1)`, "b OK"} {
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	large := plainMail + strings.Repeat("x DELETE Trash\r\n", 50_000)
	l.send(fmt.Sprintf("c APPEND INBOX {%d+}\r\n%s\r\nd STATUS INBOX (SIZE)\r\n", len(large), large))
	for _, want := range []string{"c OK [APPENDUID", `* STATUS "INBOX" (SIZE ` + decimal(len(large)+len(plainMail)) + `)`, "d OK"} {
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// An oversize synchronising literal is refused at once.
func TestSyncLiteralTooBig(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.LiteralOctets = 100 }})
	l := w.login("u")
	l.want("SELECT {101}", "NO [TOOBIG]")
	l.want("SELECT {99999999999999999999999}", "NO [TOOBIG]")
	l.ok("NOOP")
}

// A client that vanishes in a literal leaves nothing behind.
func TestAppendVanishes(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.send("a APPEND INBOX {100000}\r\n")
	l.read()
	l.send(strings.Repeat("x", 50_000))
	l.conn.Close()
	m := w.login("u")
	m.send("a APPEND INBOX {5}\r\n")
	m.read()
	m.send("12345 and more\r\n")
	if got := m.read(); !strings.HasPrefix(got, "a BAD") {
		t.Errorf("got %q", got)
	}
	m.want("STATUS INBOX (MESSAGES)", "OK", `* STATUS "INBOX" (MESSAGES 0)`)
	deadline := time.Now().Add(5 * time.Second)
	for len(w.server.Sessions().List()) > 1 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	report, err := w.store.Sweep(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if report.Kept+report.Removed != 0 {
		t.Errorf("bodies left behind: %+v", report)
	}
}
