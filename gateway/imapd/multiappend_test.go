package imapd

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// several sends an APPEND of several messages, each after its "+".
func (l *line) several(box string, msgs ...string) string {
	l.t.Helper()
	l.send("p APPEND " + box)
	for _, msg := range msgs {
		l.send(fmt.Sprintf(" {%d}\r\n", len(msg)))
		if got := l.read(); !strings.HasPrefix(got, "+ ") {
			return strings.TrimPrefix(got, "p ")
		}
		l.send(msg)
	}
	l.send("\r\n")
	_, tagged := l.until("p")
	return tagged
}

// clean wants no message in INBOX and no body in the store.
func (w *world) clean() {
	w.t.Helper()
	w.login("u").want("STATUS INBOX (MESSAGES SIZE)", "OK", `* STATUS "INBOX" (MESSAGES 0 SIZE 0)`)
	report, err := w.store.Sweep(w.t.Context(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	if report.Kept+report.Removed != 0 {
		w.t.Errorf("bodies left behind: %+v", report)
	}
}

// MULTIAPPEND (RFC 3502): every message with its own flags and date, whatever
// its size, under one mod-sequence, and one APPENDUID.
func TestMultiAppend(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.selected("INBOX")
	big := plainMail + strings.Repeat("0123456789abcdef\r\n", 50_000)
	l.send(fmt.Sprintf("a APPEND INBOX (\\Seen kw) \" 2-Mar-2026 03:04:05 +0300\" {%d+}\r\n%s \"03-Mar-2026 00:00:00 +0000\" {%d+}\r\n%s (\\Draft) {%d+}\r\n%s\r\n",
		len(multiMail), multiMail, len(big), big, len(plainMail), plainMail))
	got, tagged := l.until("a")
	if !strings.HasPrefix(tagged, "OK [APPENDUID ") || !strings.HasSuffix(strings.Fields(tagged)[3], "1:3]") {
		t.Error(tagged)
	}
	if got[len(got)-1] != "* 3 EXISTS" {
		t.Errorf("untagged %q", got)
	}
	l.want("FETCH 1:3 (FLAGS RFC822.SIZE)", "OK",
		fmt.Sprintf(`* 1 FETCH (FLAGS (\Seen kw) RFC822.SIZE %d)`, len(multiMail)),
		fmt.Sprintf(`* 2 FETCH (FLAGS () RFC822.SIZE %d)`, len(big)),
		fmt.Sprintf(`* 3 FETCH (FLAGS (\Draft) RFC822.SIZE %d)`, len(plainMail)))
	l.want("FETCH 1:2 INTERNALDATE", "OK",
		`* 1 FETCH (INTERNALDATE "02-Mar-2026 03:04:05 +0300")`, `* 2 FETCH (INTERNALDATE "03-Mar-2026 00:00:00 +0000")`)
	if got := l.ok("FETCH 2 BODY.PEEK[]"); !strings.Contains(got[0], big) {
		t.Error("the large message came back wrong")
	}
	first := modseq(t, l.ok("FETCH 1 MODSEQ"))
	if last := modseq(t, l.ok("FETCH 3 MODSEQ")); first != last {
		t.Errorf("mod-sequences %s and %s: not one Update", first, last)
	}
	if tagged := l.several("INBOX", plainMail, plainMail); !strings.HasSuffix(strings.Fields(tagged)[3], "4:5]") {
		t.Error(tagged)
	}
}

// All of the messages or none (RFC 3502 §6.3.11), and what can be refused is
// refused before its "+".
func TestMultiAppendAtomic(t *testing.T) {
	big := strings.Repeat("0123456789abcdef\r\n", 2000)
	for name, c := range map[string]struct {
		quota int64
		send  func(*line) string
		want  string
	}{
		"given up": {0, func(l *line) string { return l.several("INBOX", plainMail, big, "") }, "NO [CANNOT]"},
		"too big":  {0, func(l *line) string { return l.several("INBOX", big, strings.Repeat("x", 100_001)) }, "NO [TOOBIG]"},
		"quota":    {60_000, func(l *line) string { return l.several("INBOX", big, plainMail, big) }, "NO [OVERQUOTA]"},
		"flags": {0, func(l *line) string {
			_, tagged := l.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s (\\Bogus) {10+}\r\nx DELETE d", len(big), big))
			return tagged
		}, "BAD"},
		"no literal": {0, func(l *line) string {
			_, tagged := l.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s (\\Seen)", len(big), big))
			return tagged
		}, "BAD"},
		"space": {0, func(l *line) string {
			_, tagged := l.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s ", len(big), big))
			return tagged
		}, "BAD"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{quota: c.quota, config: func(cfg *Config) { cfg.AppendOctets = 100_000 }})
			l := w.login("u")
			if got := c.send(l); !strings.HasPrefix(got, c.want) {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			l.ok("NOOP")
			w.clean()
		})
	}
}

// The number of messages, and what they keep in memory, is bounded.
func TestMultiAppendLimit(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	small := " {5+}\r\n12345"
	got, tagged := l.do("APPEND INBOX" + strings.Repeat(small, maxAppendMessages) + small)
	if len(got) != 0 || !strings.HasPrefix(tagged, "NO [LIMIT]") {
		t.Errorf("%q %s", got, tagged)
	}
	w.clean()
	if _, tagged = l.do("APPEND INBOX" + strings.Repeat(small, maxAppendMessages)); !strings.HasPrefix(tagged, "OK") {
		t.Error(tagged)
	}
}

// A client that vanishes in the second message leaves nothing of the first.
func TestMultiAppendVanishes(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	big := strings.Repeat("0123456789abcdef\r\n", 2000)
	l.send(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s {%d+}\r\nhalf", len(big), big, len(big)))
	time.Sleep(50 * time.Millisecond)
	l.conn.Close()
	for deadline := time.Now().Add(5 * time.Second); len(w.server.Sessions().List()) > 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	w.clean()
}

// Complete APPENDs that were read ahead share an Update; one that cannot be
// done does not take the others with it, and answers come in order.
func TestAppendPipelined(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.selected("INBOX")
	one := func(tag, args string) string { return fmt.Sprintf("%s APPEND %s {5+}\r\n12345\r\n", tag, args) }
	l.send(one("a", "INBOX") + one("b", `INBOX (\Seen)`) + one("c", "Trash") + "d NOOP\r\n")
	for i, want := range []string{"* 2 EXISTS", "a OK [APPENDUID", "b OK [APPENDUID", "c OK [APPENDUID", "d OK"} {
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
	first := modseq(t, l.ok("FETCH 1 MODSEQ"))
	if second := modseq(t, l.ok("FETCH 2 MODSEQ")); first != second {
		t.Errorf("mod-sequences %s and %s: not one Update", first, second)
	}
	l.send(one("a", "INBOX") + one("b", "nowhere") + one("c", "INBOX") + one("d", "INBOX (\\Bogus)") + one("e", "INBOX") + "f NOOP\r\n")
	answers := ""
	for !strings.HasSuffix(answers, "f OK ") {
		got := l.read()
		if !strings.HasPrefix(got, "*") {
			answers += strings.Join(strings.Fields(got)[:2], " ") + " "
		}
	}
	if answers != "a OK b NO c OK d BAD e OK f OK " {
		t.Errorf("answers %q", answers)
	}
	l.want("STATUS INBOX (MESSAGES)", "OK", `* STATUS "INBOX" (MESSAGES 5)`)
}

// BenchmarkAppend adds 100 messages of 2 KB: one by one, pipelined, and with
// MULTIAPPEND.
func BenchmarkAppend(b *testing.B) {
	const n = 100
	msg := plainMail + strings.Repeat("0123456789abcde\r\n", 100)
	literal := fmt.Sprintf(" {%d+}\r\n%s", len(msg), msg)
	single := "APPEND INBOX" + literal
	for name, cmds := range map[string][]string{
		"single":    strings.Split(strings.Repeat("\x00"+single, n)[1:], "\x00"),
		"pipelined": {strings.Repeat(single+"\r\np ", n-2) + single + "\r\nq " + single},
		"multi":     {"APPEND INBOX" + strings.Repeat(literal, n)},
	} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, setup{})
			l := w.login("u")
			l.conn.SetDeadline(time.Time{})
			for b.Loop() {
				for _, cmd := range cmds {
					l.drain(cmd)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// FuzzAppend: whatever follows "APPEND INBOX", the session answers and goes on
// or ends, and no octet of a literal is a command.
func FuzzAppend(f *testing.F) {
	w := newWorld(f, setup{config: func(c *Config) {
		c.ReadTimeout, c.AppendOctets = time.Second, 1000
	}})
	f.Add(" {3+}\r\nabc {3+}\r\nabc")
	f.Add(" UTF8 (~{3+}\r\nabc) (x) UTF8 (~{7+}\r\na: ю\r\n) {1+}\r\nx")
	f.Add(" (\\Seen) \"02-Mar-2026 03:04:05 +0300\" {3+}\r\nabc (x) {0+}\r\n {2000+}\r\n")
	f.Add(" {3+}\r\nabc\r\nb APPEND Trash {1+}\r\nx\r\nb APPEND none {1+}\r\nx")
	f.Fuzz(func(t *testing.T, input string) {
		client, server := net.Pipe()
		ses := w.server.newSession(t.Context(), w.server.cfg.Load(), w.entry(t), server, Mode{TLS: NoTLS, Plaintext: true}, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close()
			defer ses.end()
			ses.run() // its error is the end of the input
		}()
		answers := make(chan string, 1)
		go func() {
			all, _ := io.ReadAll(client)
			answers <- string(all)
		}()
		client.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(client, "0 LOGIN u secret\r\na APPEND INBOX"+input+"\r\nz LOGOUT\r\n")
		select {
		case <-done:
		case <-time.After(300 * time.Millisecond):
			client.Close() // it waits for the rest of a literal, or was cut short
			<-done
			<-answers
			return
		}
		client.Close()
		if all := <-answers; !strings.HasPrefix(all, "* OK ") || !strings.HasSuffix(all, "\r\n") {
			t.Errorf("%q: answered %q", input, all)
		}
	})
}
