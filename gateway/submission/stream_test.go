package submission

import (
	"context"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gosbridge/gateway/intake"
)

// reader takes a letter without keeping it.
type reader struct {
	office
	peak  atomic.Uint64
	bytes atomic.Int64
}

func (r *reader) Accept(_ context.Context, _ intake.Envelope, octets io.Reader) (intake.Accepted, error) {
	buf := make([]byte, 32<<10)
	var n int64
	for i := 0; ; i++ {
		m, err := octets.Read(buf)
		n += int64(m)
		if err == io.EOF {
			break
		}
		if err != nil {
			return intake.Accepted{}, err
		}
		if r.peak.Load() > 0 && i%256 == 0 {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			r.peak.Store(max(r.peak.Load(), stats.HeapAlloc))
		}
	}
	r.bytes.Add(n)
	return intake.Accepted{Number: "GP-202603-00000001-0", Type: "simple", Recipients: 1}, nil
}

// TestStreams sends a message that is far larger than what may be held of it,
// by DATA, in chunks, and in one chunk.
func TestStreams(t *testing.T) {
	part := strings.Repeat(strings.Repeat("x", 1022)+"\r\n", 1024)
	for _, tt := range []struct {
		name  string
		begin func(c *client)
		part  func(c *client) // sends a MiB
		end   func(c *client)
	}{
		{"DATA", (*client).begin, func(c *client) { c.send(part) }, func(c *client) { c.say(".\r\n", "250 2.6.0 ") }},
		{
			"BDAT in chunks", (*client).address,
			func(c *client) { c.say("BDAT 1048576\r\n"+part, "250 2.0.0 1048576 octets") },
			func(c *client) { c.say("BDAT 0 LAST\r\n", "250 2.6.0 ") },
		},
		{
			"BDAT at once", func(c *client) { c.address(); c.send("BDAT 67108864 LAST\r\n") },
			func(c *client) { c.send(part) }, func(c *client) { c.say("", "250 2.6.0 ") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) { streams(t, tt.begin, tt.part, tt.end) })
	}
}

func streams(t *testing.T, begin, part, end func(*client)) {
	in := &reader{}
	// What is found on the heap shall be in use.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	in.peak.Store(before.HeapAlloc)
	cfg := testConfig()
	cfg.MaxSize = 256 << 20
	c, stop := serve(t, cfg, in)
	defer stop()
	c.login()
	begin(c)
	for range 64 {
		part(c)
	}
	end(c)
	if in.bytes.Load() != 64<<20 {
		t.Errorf("%d octets came through", in.bytes.Load())
	}
	if grown := int64(in.peak.Load()) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap grew by %d MiB for a message of 64 MiB", grown>>20)
	}
}

// send sends without waiting for a reply.
func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// serve starts a server with another Intake and connects to it.
func serve(t testing.TB, cfg Config, in Intake) (*client, func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg, doorman{}, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln, Plaintext, nil) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn), func() {
		conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkSession is one session that sends letters of 4 KiB to an Intake
// that reads and forgets them.
func BenchmarkSession(b *testing.B) { benchmarkSessions(b, 1) }

// BenchmarkSessions16 is the same with sixteen.
func BenchmarkSessions16(b *testing.B) { benchmarkSessions(b, 16) }

func benchmarkSessions(b *testing.B, n int) {
	message := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 52) + ".\r\n"
	b.SetBytes(int64(len(message)))
	first, stop := serve(b, testConfig(), &reader{})
	defer stop()
	clients := []*client{first}
	for range n - 1 {
		conn, err := net.Dial("tcp", first.conn.RemoteAddr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		clients = append(clients, newClient(b, conn))
	}
	for _, c := range clients {
		c.login()
	}
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var running sync.WaitGroup
	for _, c := range clients {
		running.Go(func() {
			for left.Add(-1) >= 0 {
				c.say("MAIL FROM:<"+sender+">\r\nRCPT TO:<fns@gov.example>\r\nDATA\r\n", "250 ")
				c.say("", "250 ")
				c.say("", "354 ")
				c.say(message, "250 2.6.0 ")
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "letters/s")
}
