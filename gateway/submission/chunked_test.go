package submission

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gosbridge/gateway/intake"
)

// TestVanishChunked cuts the connection after every octet of a message in
// chunks, commands and all: nothing is accepted.
func TestVanishChunked(t *testing.T) {
	const message = "BDAT 5\r\nA: b\rBDAT 0\r\nBDAT 3\r\n\n\r\nNOOP\r\nBDAT 4 LAST\r\n..a\n"
	for name, mode := range map[string]Mode{"plaintext": Plaintext, "tls": ImplicitTLS} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mode)
			for i := range len(message) {
				conn := r.dial()
				var stream = conn
				if mode == ImplicitTLS {
					stream = tls.Client(conn, clientTLS())
				}
				c := newClient(t, stream)
				c.login()
				c.address()
				if _, err := io.WriteString(stream, message[:i]); err != nil {
					t.Fatal(err)
				}
				if half, ok := stream.(interface{ CloseWrite() error }); ok && i%2 == 0 {
					half.CloseWrite()
					io.Copy(io.Discard, stream)
				}
				stream.Close()
			}
			if err := r.close(); err != nil {
				t.Fatal(err)
			}
			if n := len(r.office.kept()); n != 0 {
				t.Errorf("%d letters were accepted", n)
			}
			// From the CRLF of the first BDAT on there is a message. A reset may
			// overtake it, so only the clean ends are sure to be seen.
			begun := len(message) - len("BDAT 5\r\n")
			if n := strings.Count(r.log.String(), "client vanished within a message"); n < begun/2 || n > begun {
				t.Errorf("%d of %d vanished clients are in the log", n, begun)
			}
		})
	}
}

func TestTooLargeChunked(t *testing.T) {
	r := newRig(t, Plaintext)
	c := newClient(t, r.dial())
	c.login()
	half := strings.Repeat(strings.Repeat("x", 1022)+"\r\n", 512)
	c.address()
	c.say("BDAT 524288\r\n"+half, "250 2.0.0 524288 octets received")
	c.say("BDAT 524288 LAST\r\n"+half, "250 2.6.0 ") // the limit to the octet
	c.address()
	c.say("BDAT 524288\r\n"+half+"BDAT 524289\r\nx"+half+"BDAT 2 LAST\r\n\r\nNOOP\r\n", "250 2.0.0 524288")
	c.say("", "552 5.3.4 size-exceeded: ")
	c.say("", "503 5.5.1 ")
	c.say("", "250 ")
	c.address()
	c.say("BDAT 1048577 LAST\r\n"+half+half+"xNOOP\r\n", "552 5.3.4 size-exceeded: ")
	c.say("", "250 ")
	// More than is worth reading: the connection goes with it.
	c.address()
	c.say("BDAT 999999999999 LAST\r\n", "552 5.3.4 size-exceeded: ")
	c.ended()
	if n := len(r.office.kept()); n != 1 {
		t.Errorf("%d letters", n)
	}
}

// TestSpoilt: chunks that belong to no message are read up to a bound.
func TestSpoilt(t *testing.T) {
	r := newRig(t, Plaintext)
	c := newClient(t, r.dial())
	c.say("", "220 ")
	c.say("EHLO x\r\n", "250-")
	c.say("BDAT 1 LAST\r\nx", "503 5.5.1 chunk without ")
	c.say(fmt.Sprintf("BDAT %d\r\n", maxDrain), "503 5.5.1 chunk without ")
	c.ended()
}

// TestSilentChunk: within a chunk and between two the bounds of a message
// hold, not those of a client that waits.
func TestSilentChunk(t *testing.T) {
	for name, sent := range map[string]string{
		"within":   "BDAT 800000\r\n" + strings.Repeat("x", 400_000),
		"between":  "BDAT 400000\r\n" + strings.Repeat("x", 400_000),
		"command":  "BDAT 400000\r\n" + strings.Repeat("x", 400_000),
		"rejected": "BDAT 400000 LAST\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
				c := dial()
				c.login()
				if name != "rejected" {
					c.address()
				}
				io.WriteString(c.conn, sent)
				began := time.Now()
				if name == "between" || name == "command" {
					c.say("", "250 2.0.0 400000 octets received")
				}
				if name == "command" {
					io.WriteString(c.conn, "BDA")
				}
				c.say("", "421 4.4.2 message came too slowly")
				c.ended()
				if name == "rejected" {
					took(t, began, rateGrace, rateGrace+time.Second)
				} else {
					took(t, began, 3*time.Minute, 3*time.Minute)
				}
				if len(r.office.kept()) != 0 {
					t.Error("half a letter was accepted")
				}
			})
		})
	}
}

// TestSlowChunks: many small chunks do not come around the minimum rate.
func TestSlowChunks(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		c.address()
		began := time.Now()
		var sending, reading sync.WaitGroup
		sending.Go(func() {
			for range 1000 {
				time.Sleep(time.Second)
				if _, err := io.WriteString(c.conn, "BDAT 1\r\nx"); err != nil {
					return
				}
			}
		})
		reading.Go(func() {
			for {
				line, err := c.in.ReadString('\n')
				if err != nil || strings.HasPrefix(line, "421 4.4.2 ") {
					break
				}
			}
			took(t, began, 30*time.Second, 32*time.Second)
			c.conn.Close()
		})
		reading.Wait()
		sending.Wait()
	})
}

// TestShutdownChunked: a message in chunks has the time of one on its way, and
// no other is begun.
func TestShutdownChunked(t *testing.T) {
	r := newRig(t, Plaintext)
	c := newClient(t, r.dial())
	c.login()
	c.address()
	c.say("BDAT 3\r\na\r\n", "250 2.0.0 3 octets received")
	r.stop()
	c.say("BDAT 3 LAST\r\nb\r\n", "250 2.6.0 accepted as ")
	c.say("", "421 4.3.2 ")
	c.ended()
	if err := r.close(); err != nil {
		t.Error(err)
	}
	if len(r.office.kept()) != 1 {
		t.Error("the letter on its way was lost")
	}
}

// TestEarlyChunks: replies to pipelined chunks leave together, and before the
// server waits.
func TestEarlyChunks(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		c.say("MAIL FROM:<"+sender+">\r\nRCPT TO:<fns@gov.example>\r\nBDAT 3\r\na\r\nBDAT 3\r\nb\r\n", "250 ")
		for range 3 {
			c.say("", "250 ")
		}
		c.say("BDAT 0 LAST\r\n", "250 2.6.0 ")
		if body := string(r.office.kept()[0].body); body != "a\r\nb\r\n" {
			t.Errorf("the letter is %q", body)
		}
	})
}

// TestChunksStream is TestStreams for chunks, small ones and a large one.
func TestChunksStream(t *testing.T) {
	mebi := strings.Repeat(strings.Repeat("x", 1022)+"\r\n", 1024)
	for name, size := range map[string]int{"small": 64 << 10, "large": 64 << 20} {
		t.Run(name, func(t *testing.T) {
			in := &reader{}
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			in.peak.Store(before.HeapAlloc)
			cfg := testConfig()
			cfg.MaxSize = 256 << 20
			c, stop := serve(t, cfg, in)
			defer stop()
			c.login()
			c.address()
			for sent := 0; sent < 64<<20; sent += size {
				fmt.Fprintf(c.conn, "BDAT %d\r\n", size)
				for left := size; left > 0; {
					n, err := io.WriteString(c.conn, mebi[:min(left, len(mebi))])
					if err != nil {
						t.Fatal(err)
					}
					left -= n
				}
				c.say("", fmt.Sprintf("250 2.0.0 %d octets received", size))
			}
			c.say("BDAT 0 LAST\r\n", "250 2.6.0 ")
			if in.bytes.Load() != 64<<20 {
				t.Errorf("%d octets came through", in.bytes.Load())
			}
			if grown := int64(in.peak.Load()) - int64(before.HeapAlloc); grown > 16<<20 {
				t.Errorf("the heap grew by %d MiB for a message of 64 MiB", grown>>20)
			}
		})
	}
}

// hasty accepts without reading.
type hasty struct{ office }

func (*hasty) Accept(context.Context, intake.Envelope, io.Reader) (intake.Accepted, error) {
	return intake.Accepted{Number: "GP-202603-00000001-0"}, nil
}

// TestHasty: what was not read to its end is not accepted, whatever an Intake
// says.
func TestHasty(t *testing.T) {
	c, stop := serve(t, testConfig(), &hasty{})
	defer stop()
	c.login()
	c.address()
	c.say("BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\n", "451 4.3.0 ")
	c.say("", "503 5.5.1 ")
	c.begin()
	c.say("a\r\n.\r\n", "451 4.3.0 ")
	c.say("NOOP\r\n", "250 ")
}

// TestPanicChunked: a fault within a message in chunks ends the connection;
// its octets are no commands.
func TestPanicChunked(t *testing.T) {
	c, stop := serve(t, testConfig(), &faulty{})
	defer stop()
	c.login()
	c.address()
	c.say("BDAT 6\r\nNOOP\r\nBDAT 6\r\nNOOP\r\n", "421 4.3.0 ")
	c.ended()
}

func TestEnvelopeUTF8(t *testing.T) {
	r := newRig(t, Plaintext)
	c := newClient(t, r.dial())
	c.login()
	c.say("MAIL FROM:<"+senderUTF8+"> SMTPUTF8\r\n", "250 ")
	c.say("RCPT TO:<почта@госорган.example> ORCPT=utf-8;почта@госорган.example\r\n", "250 ")
	c.say("BDAT 3 LAST\r\na\r\n", "250 2.6.0 ")
	c.address()
	c.say("BDAT 3 LAST\r\nb\r\n", "250 2.6.0 ")
	kept := r.office.kept()
	if env := kept[0].env; !env.UTF8 || env.From != senderUTF8 || env.Recipients[0].Address != "почта@госорган.example" ||
		env.Recipients[0].Original != "utf-8;почта@госорган.example" {
		t.Errorf("envelope %+v", env)
	}
	if kept[1].env.UTF8 {
		t.Error("SMTPUTF8 outlives its message")
	}
}

// TestSegments: how the octets of a conversation are parted on their way
// changes nothing of its replies.
func TestSegments(t *testing.T) {
	const begin = "MAIL FROM:<" + sender + ">\r\nRCPT TO:<fns@gov.example>\r\n"
	const said = begin + "BDAT 3\r\na\r\nNOOP\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\n" +
		begin + "BDAT 3\r\na\r\nDATA\r\n" + begin + "BDAT 6\r\nRSET\r\nBDAT 0 LAST\r\n" +
		begin + "BDAT 2\r\na\rHELO x\r\n" + begin + "DATA\r\nBDAT 1\r\n.\r\n" + "BDAT 1\r\nxQUIT\r\n"
	converse := func(pieces ...string) string {
		r := newRig(t, Plaintext)
		defer r.close()
		c := newClient(t, r.dial())
		c.login()
		var sending sync.WaitGroup
		sending.Go(func() {
			for _, piece := range pieces {
				io.WriteString(c.conn, piece)
				time.Sleep(time.Millisecond)
			}
		})
		replies, err := io.ReadAll(c.in)
		sending.Wait()
		if err != nil {
			t.Fatal(err)
		}
		return string(replies)
	}
	want := converse(said)
	var codes []string
	for line := range strings.Lines(want) {
		codes = append(codes, line[:3])
	}
	if got := strings.Join(codes, " "); got != "250 250 250 250 250 503 "+"250 250 250 503 "+"250 250 250 250 "+"250 250 250 250 "+"250 250 354 250 "+"503 221" {
		t.Fatalf("replies %s:\n%s", got, want)
	}
	for i := 1; i < len(said); i++ {
		if got := converse(said[:i], said[i:]); got != want {
			t.Fatalf("parted at %d %q:\n%s\nwant\n%s", i, said[:i], got, want)
		}
	}
	octets := strings.Split(said, "")
	if got := converse(octets...); got != want {
		t.Fatalf("octet by octet:\n%s\nwant\n%s", got, want)
	}
}
