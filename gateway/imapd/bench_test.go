package imapd

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/message"
)

// indexed is the summary of a message.
func indexed(t testing.TB, raw string) []byte {
	t.Helper()
	summary, err := message.Index(strings.NewReader(raw), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// drain sends a command and drops the answer: a client that costs little.
func (l *line) drain(cmd string) {
	l.send("q " + cmd + "\r\n")
	tail := make([]byte, 0, 128<<10)
	buf := make([]byte, 64<<10)
	for {
		n, err := l.conn.Read(buf)
		if err != nil {
			l.t.Fatal(err)
		}
		tail = append(tail, buf[:n]...)
		if bytes.HasSuffix(tail, []byte("\r\n")) {
			last := tail[bytes.LastIndexByte(tail[:len(tail)-2], '\n')+1:]
			if bytes.HasPrefix(last, []byte("q OK")) {
				return
			}
			if bytes.HasPrefix(last, []byte("q ")) {
				l.t.Fatalf("%s: %s", cmd, last)
			}
		}
		if keep := 4 << 10; len(tail) > keep {
			tail = append(tail[:0], tail[len(tail)-keep:]...)
		}
	}
}

const benchMessages = 10_000

func benchCommand(b *testing.B, per int, cmds ...string) {
	w := newWorld(b, setup{})
	w.deliverAll("INBOX", plainMail, benchMessages)
	l := w.selected("INBOX")
	l.drain("FETCH 1 UID")
	l.conn.SetDeadline(time.Time{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.drain(cmds[i%len(cmds)])
	}
	b.ReportMetric(float64(per)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkFetchFlags(b *testing.B) { benchCommand(b, benchMessages, "FETCH 1:* (UID FLAGS)") }
func BenchmarkFetchMetadata(b *testing.B) {
	benchCommand(b, benchMessages, "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
}
func BenchmarkFetchHeaders(b *testing.B) {
	benchCommand(b, benchMessages, "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Subject Date Message-ID References)])")
}
func BenchmarkFetchBodies(b *testing.B) { benchCommand(b, benchMessages, "FETCH 1:* BODY.PEEK[]") }
func BenchmarkSelect(b *testing.B)      { benchCommand(b, 1, "SELECT INBOX") }
func BenchmarkStatus(b *testing.B) {
	benchCommand(b, 1, "STATUS INBOX (MESSAGES UIDNEXT UNSEEN HIGHESTMODSEQ)")
}
func BenchmarkStoreOne(b *testing.B) {
	benchCommand(b, 1, `STORE 1 +FLAGS (\Seen)`, `STORE 1 -FLAGS (\Seen)`)
}
func BenchmarkStoreAllSilent(b *testing.B) {
	benchCommand(b, benchMessages, `STORE 1:* +FLAGS.SILENT (\Seen)`, `STORE 1:* -FLAGS.SILENT (\Seen)`)
}

// BenchmarkMoveOne moves a message to the mailbox in which it is, beside many:
// what it takes must not depend on them.
func BenchmarkMoveOne(b *testing.B) {
	for _, n := range []int{benchMessages, 10 * benchMessages} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			w := newWorld(b, setup{})
			w.deliverAll("INBOX", plainMail, n)
			l := w.selected("INBOX")
			l.drain("FETCH 1 UID")
			l.conn.SetDeadline(time.Time{})
			for b.Loop() {
				l.drain("MOVE 1 INBOX")
			}
		})
	}
}

func BenchmarkNoop(b *testing.B) { benchCommand(b, 1, "NOOP") }

// BenchmarkStorePipelined sends 100 STOREs without waiting.
func BenchmarkStorePipelined(b *testing.B) {
	var cmds [2]strings.Builder
	for i := range 99 {
		fmt.Fprintf(&cmds[0], "STORE %d +FLAGS (\\Seen)\r\np ", i+1)
		fmt.Fprintf(&cmds[1], "STORE %d -FLAGS (\\Seen)\r\np ", i+1)
	}
	text := func(i int) string {
		s := cmds[i].String()
		return strings.TrimSuffix(s, "\r\np ") + "\r\nq STORE 100 +FLAGS (\\Draft)"
	}
	benchCommand(b, 100, text(0), text(1))
}

// BenchmarkIdlePush measures from the start of a commit to the line at an
// idling client.
func BenchmarkIdlePush(b *testing.B) {
	w := newWorld(b, setup{})
	l := w.selected("INBOX")
	l.send("i IDLE\r\n")
	l.read()
	for b.Loop() {
		w.deliver("INBOX", plainMail)
		l.read()
	}
}

// BenchmarkIdleMemory reports what one idle connection keeps, client's end of
// the socket included.
func BenchmarkIdleMemory(b *testing.B) {
	for name, mode := range map[string]Mode{"plain": {TLS: NoTLS, Plaintext: true}, "tls": {TLS: ImplicitTLS}} {
		b.Run(name, func(b *testing.B) {
			const n = 500
			with := setup{mode: mode, config: func(c *Config) { c.Connections, c.ConnectionsPerAddress, c.ConnectionsPerAccount = 2*n, 2*n, 2*n }}
			if mode.TLS == ImplicitTLS {
				with.tls = certificate(b)
			}
			w := newWorld(b, with)
			w.deliverAll("INBOX", plainMail, 1000)
			for b.Loop() {
				before := inUse()
				var conns []net.Conn
				for range n {
					conns = append(conns, w.park(mode))
				}
				b.ReportMetric(float64(inUse()-before)/n/1024, "KiB/conn")
				for _, c := range conns {
					c.Close()
				}
			}
		})
	}
}

// park brings a connection into IDLE and keeps nothing but the socket. Under
// TLS the client's state counts too.
func (w *world) park(mode Mode) net.Conn {
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	if mode.TLS == ImplicitTLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	buf := make([]byte, 4096)
	for _, step := range []struct{ send, until string }{{"", "ready\r\n"}, {"a LOGIN u secret\r\n", "logged in\r\n"}, {"b SELECT INBOX\r\n", "it is\r\n"}, {"c IDLE\r\n", "idling\r\n"}} {
		if _, err := conn.Write([]byte(step.send)); err != nil {
			w.t.Fatal(err)
		}
		for got := ""; !strings.HasSuffix(got, step.until); {
			n, err := conn.Read(buf)
			if err != nil {
				w.t.Fatal(err)
			}
			got += string(buf[:n])
		}
	}
	return conn
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
