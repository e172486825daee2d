package imapd

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// heap samples how much is on the heap, while it is kept small by a busy
// garbage collector: what is found was in use.
type heap struct {
	t      testing.TB
	before uint64
	peak   atomic.Uint64
	stop   chan struct{}
	done   chan struct{}
}

// heapBound is what the heap may grow by, whatever a client sends or asks for.
// The messages of these tests are four times as large.
const heapBound = 16 << 20

func onHeap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// watchHeap begins to sample; the test ends with a check of the bound.
func watchHeap(t testing.TB) *heap {
	percent := debug.SetGCPercent(10)
	runtime.GC()
	h := &heap{t: t, before: onHeap(), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(h.done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			h.sample()
			select {
			case <-h.stop:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		close(h.stop)
		<-h.done
		debug.SetGCPercent(percent)
		if grown := int64(h.peak.Load()) - int64(h.before); grown > heapBound {
			t.Errorf("the heap grew by %d MiB", grown>>20)
		}
	})
	return h
}

func (h *heap) sample() {
	for now := onHeap(); ; {
		was := h.peak.Load()
		if now <= was || h.peak.CompareAndSwap(was, now) {
			return
		}
	}
}

// Write samples between the octets that a client reads.
func (h *heap) Write(p []byte) (int, error) {
	h.sample()
	return len(p), nil
}

// repeated yields a line again and again, n octets in all.
type repeated struct {
	line string
	at   int
	n    int64
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.n <= 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.n)]
	for n := 0; n < len(p); {
		k := copy(p[n:], r.line[r.at:])
		r.at, n = (r.at+k)%len(r.line), n+k
	}
	r.n -= int64(len(p))
	return len(p), nil
}

// The parts of the large message, of half its size each.
const halfOctets = 32 << 20

var (
	textLine   = strings.Repeat("abcdefghi ", 7) + "123456\r\n" // 78 octets
	base64Line = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("xyz", 19))) + "\r\n"
)

// largeMail is a message with a text and a file in base64.
func largeMail() (octets io.Reader, size int64) {
	head := "From: a@a.example\r\nSubject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" +
		"--x\r\nContent-Type: text/plain\r\n\r\n"
	middle := "\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	end := "\r\n--x--\r\n"
	text, file := int64(halfOctets/len(textLine)*len(textLine)), int64(halfOctets/len(base64Line)*len(base64Line))
	return io.MultiReader(
		strings.NewReader(head), &repeated{line: textLine, n: text}, strings.NewReader(middle),
		&repeated{line: base64Line, n: file}, strings.NewReader(end),
	), int64(len(head)+len(middle)+len(end)) + text + file
}

// deliverLarge adds the large message without holding it.
func (w *world) deliverLarge() {
	w.t.Helper()
	octets, size := largeMail()
	pr, pw := io.Pipe()
	var summary []byte
	indexed := make(chan error, 1)
	go func() {
		var err error
		summary, err = message.Index(pr, message.Limits{})
		pr.CloseWithError(err)
		indexed <- err
	}()
	ref, err := w.store.Bodies().Put(context.Background(), io.TeeReader(octets, pw))
	pw.CloseWithError(err)
	if err = errors.Join(err, <-indexed); err != nil {
		w.t.Fatal(err)
	}
	id := mailstore.NewID()
	w.update(func(tx mailstore.UpdateTx) error {
		_, err := tx.Append(1, mailstore.NewMessage{EmailID: id, Summary: summary, Content: mailstore.Content{Body: ref, Length: size}})
		return err
	})
}

// pass reads responses up to the tag, without holding literals, and returns
// the octets of these and the tagged response.
func (l *line) pass(tag string, h *heap) (octets int64, tagged string) {
	l.t.Helper()
	for {
		l.conn.SetReadDeadline(time.Now().Add(time.Minute))
		text, err := l.r.ReadString('\n')
		if err != nil {
			l.t.Fatalf("read after %q: %v", text, err)
		}
		if rest, is := strings.CutPrefix(text, tag+" "); is {
			return octets, rest
		}
		var n int64
		if i := strings.LastIndexByte(text, '{'); i >= 0 {
			if _, err := fmt.Sscanf(text[i:], "{%d}\r\n", &n); err != nil {
				l.t.Fatalf("%q: %v", text, err)
			}
		}
		if _, err := io.CopyN(h, l.r, n); err != nil {
			l.t.Fatal(err)
		}
		octets += n
	}
}

// A body of 64 MiB is never held, whatever is asked of it: invariant 8.
func TestLargeBodiesStream(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverLarge()
	_, size := largeMail()
	lines := int64(halfOctets / len(base64Line))
	for _, tt := range []struct {
		command string
		octets  int64 // in literals
		lines   int   // found
	}{
		{"FETCH 1 BODY.PEEK[]", size, 0},
		{"FETCH 1 RFC822", size, 0},
		{"FETCH 1 BODY.PEEK[1]", int64(halfOctets / len(textLine) * len(textLine)), 0},
		{"FETCH 1 BODY.PEEK[]<1000000.40000000>", 40000000, 0},
		{"FETCH 1 BINARY.PEEK[2]", lines * 57, 0},
		{"FETCH 1 BINARY.PEEK[2]<1000000.20000000>", 20000000, 0},
		{"FETCH 1 BINARY.SIZE[2]", 0, 0},
		{"SEARCH BODY nowhere", 0, 0},
		{"SEARCH TEXT nowhere", 0, 0},
		{"SEARCH HEADER X-Nowhere nowhere", 0, 0},
	} {
		t.Run(tt.command, func(t *testing.T) {
			l := w.selected("INBOX")
			h := watchHeap(t)
			l.send("a " + tt.command + "\r\n")
			octets, tagged := l.pass("a", h)
			if octets != tt.octets || !strings.HasPrefix(tagged, "OK") {
				t.Errorf("%d octets, want %d; %s", octets, tt.octets, tagged)
			}
		})
	}
}

// A message of 64 MiB that comes in is never held either, whether it is taken
// or not.
func TestLargeAppendStreams(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.AppendOctets = 80 << 20 }})
	for _, tt := range []struct{ what, command, answer string }{
		{"taken", "a APPEND INBOX {%d+}\r\n", "OK [APPENDUID"},

		{"refused", "a APPEND Nowhere {%d+}\r\n", "NO [TRYCREATE]"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			l := w.login("u")
			h := watchHeap(t)
			octets, size := largeMail()
			l.send(fmt.Sprintf(tt.command, size))
			l.conn.SetWriteDeadline(time.Now().Add(time.Minute))
			if _, err := io.Copy(l.conn, io.TeeReader(octets, h)); err != nil {
				t.Fatal(err)
			}
			l.send("\r\n")
			if _, tagged := l.pass("a", h); !strings.HasPrefix(tagged, tt.answer) {
				t.Error(tagged)
			}
		})
	}
}

// A client that sends many commands and reads slowly is not worked ahead for.
func TestSlowReader(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail+strings.Repeat(textLine, (1<<20)/len(textLine)))
	w.deliverAll("INBOX", plainMail, 2000)
	for _, tt := range []struct {
		command string
		times   int
	}{
		{"FETCH 1 BODY.PEEK[]", 64},
		{"FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)", 32},
		{"FETCH 1:* FLAGS", 800},
	} {
		t.Run(tt.command, func(t *testing.T) {
			l := w.selected("INBOX")
			h := watchHeap(t)
			l.conn.SetWriteDeadline(time.Now().Add(time.Minute))
			sent := make(chan error, 1)
			go func() {
				out := bufio.NewWriter(l.conn)
				for range tt.times {
					fmt.Fprintf(out, "a %s\r\n", tt.command)
				}
				fmt.Fprint(out, "b NOOP\r\n")
				sent <- out.Flush()
			}()
			for range 8 { // meanwhile the server fills what takes its answers
				runtime.GC()
				h.sample()
			}
			l.conn.SetReadDeadline(time.Now().Add(time.Minute))
			answers := 0
			for {
				text, err := l.r.ReadSlice('\n')
				if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
					t.Fatal(err)
				}
				if strings.HasPrefix(string(text), "a OK") {
					answers++
				}
				if strings.HasPrefix(string(text), "b OK") {
					break
				}
			}
			if err := <-sent; err != nil || answers != tt.times {
				t.Errorf("%d answers, %v", answers, err)
			}
		})
	}
}

// No command that writes much, or reads from the client in its midst, does so
// inside a transaction (invariant 7): the world's guard sees it. What is
// written here is more than the writer gathers.
func TestOutsideTransactions(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", multiMail, 1500)
	large := strings.Repeat("k", 60)
	l := w.selected("INBOX")
	for _, command := range []string{
		"FETCH 1:* (UID FLAGS INTERNALDATE)",
		"FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
		"FETCH 1:* (BODY[] BINARY[3])",
		"SEARCH OR BODY hello HEADER X-Odd yes",
		"UID SEARCH RETURN (ALL) TEXT parts",
		"STORE 1:* +FLAGS (" + large + ")",
		"STORE 1:* (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)",
		"UID STORE 1:* -FLAGS.SILENT (" + large + ")",
		"CREATE copies", "COPY 1:* copies", "UID MOVE 1:700 copies",
		"STORE 1:* +FLAGS.SILENT (\\Deleted)", "EXPUNGE", "SELECT copies (CONDSTORE)", "FETCH 1:* (FLAGS) (CHANGEDSINCE 1)",
		"LIST (SUBSCRIBED) \"\" * RETURN (STATUS (MESSAGES UNSEEN))", "RENAME copies moved", "DELETE moved",
	} {
		l.ok(command)
	}
	l.ok("SELECT INBOX")
	for _, size := range []int{100, 100_000} { // inside and outside of the metadata
		mail := plainMail + strings.Repeat(textLine, size/len(textLine))
		l.send(fmt.Sprintf("x APPEND INBOX {%d}\r\n", len(mail)))
		l.until("+")
		l.send(mail + "\r\n")
		if _, tagged := l.until("x"); !strings.HasPrefix(tagged, "OK") {
			t.Fatal(tagged)
		}
	}
	l.send("i IDLE\r\n")
	l.until("+")
	w.deliverAll("INBOX", plainMail, 900)
	w.flag("INBOX", mailstore.UIDSet{{Start: 1, Stop: 1 << 30}}, mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Flagged, Keywords: []string{large}})
	for n := 0; n < 900; { // each is told
		if strings.Contains(l.read(), "FETCH") {
			n++
		}
	}
	l.send("DONE\r\n")
	l.until("i")
}
