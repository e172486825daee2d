package submission

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener gives connections in memory, whose deadlines follow the clock
// of the synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	writes atomic.Int64 // of the server
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- pipeConn{theirs, &l.writes}
	return ours
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// pipeConn comes from loopback.
type pipeConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c pipeConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func (pipeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// inBubble runs fn against a server with the clock of the bubble.
func inBubble(t *testing.T, mode Mode, fn func(t *testing.T, r *rig, dial func() *client)) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener()
		r := newRigOn(t, ln, mode)
		fn(t, r, func() *client { return newClient(t, ln.dial()) })
	})
}

func took(t *testing.T, since time.Time, low, high time.Duration) {
	t.Helper()
	if d := time.Since(since); d < low || d > high {
		t.Errorf("after %s, want between %s and %s", d, low, high)
	}
}

func TestIdleTimeout(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		time.Sleep(4 * time.Minute)
		c.say("NOOP\r\n", "250 ")
		began := time.Now()
		c.say("", "421 4.4.2 ")
		c.ended()
		took(t, began, 5*time.Minute, 5*time.Minute)
	})
}

// TestTrickledCommand: the timeout is for a whole line, not for its octets.
func TestTrickledCommand(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.say("", "220 ")
		began := time.Now()
		var sending sync.WaitGroup
		defer sending.Wait()
		sending.Go(func() {
			for range 100 {
				time.Sleep(time.Minute)
				if _, err := io.WriteString(c.conn, "N"); err != nil {
					return
				}
			}
		})
		c.say("", "421 4.4.2 ")
		c.ended()
		took(t, began, 5*time.Minute, 5*time.Minute)
		c.conn.Close()
	})
}

func TestHandshakeTimeout(t *testing.T) {
	inBubble(t, ImplicitTLS, func(t *testing.T, r *rig, dial func() *client) {
		began := time.Now()
		dial().ended()
		took(t, began, 30*time.Second, 30*time.Second)
	})
	inBubble(t, StartTLS, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.say("", "220 ")
		c.say("STARTTLS\r\n", "220 ")
		began := time.Now()
		c.ended()
		took(t, began, 30*time.Second, 30*time.Second)
	})
}

// TestSilentMessage: a client that falls silent within a message is cut, and
// what it sends after that is neither message nor command.
func TestSilentMessage(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		c.begin()
		// Fast at first, so that only the silence counts.
		io.WriteString(c.conn, strings.Repeat(strings.Repeat("x", 98)+"\r\n", 5000))
		began := time.Now()
		var sending sync.WaitGroup
		defer sending.Wait()
		sending.Go(func() {
			time.Sleep(3*time.Minute + time.Second)
			io.WriteString(c.conn, "MAIL FROM:<"+sender+">\r\nNOOP\r\n.\r\n")
		})
		c.say("", "421 4.4.2 message came too slowly")
		took(t, began, 3*time.Minute, 3*time.Minute)
		c.ended()
		if len(r.office.kept()) != 0 {
			t.Error("half a letter was accepted")
		}
	})
}

// TestSlowMessage: octets that keep coming below the minimum rate do not keep
// the connection.
func TestSlowMessage(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		c.begin()
		began := time.Now()
		var sending sync.WaitGroup
		defer sending.Wait()
		sending.Go(func() {
			for range 1000 { // 100 octets per second
				time.Sleep(time.Second)
				if _, err := io.WriteString(c.conn, strings.Repeat("x", 98)+"\r\n"); err != nil {
					return
				}
			}
		})
		c.say("", "421 4.4.2 message came too slowly")
		took(t, began, 30*time.Second, 36*time.Second)
		c.ended()
		if len(r.office.kept()) != 0 {
			t.Error("half a letter was accepted")
		}
		c.conn.Close()
	})
}

// TestSteadyMessage: one that takes long at a fair rate is fine; there is no
// deadline over the whole.
func TestSteadyMessage(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		c.begin()
		for range 400 { // 400 s at 2,000 octets per second
			time.Sleep(time.Second)
			io.WriteString(c.conn, strings.Repeat("x", 1998)+"\r\n")
		}
		c.say(".\r\n", "250 2.6.0 ")
		c.say("QUIT\r\n", "221 ")
	})
}

// TestSlowIntake: time that we take ourselves does not count against the
// client.
func TestSlowIntake(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.login()
		for range 2 {
			c.begin()
			r.office.hold = func(context.Context) error {
				time.Sleep(20 * time.Minute)
				return nil
			}
			c.say("x\r\n.\r\n", "250 2.6.0 ")
		}
	})
}

// TestCoalesced: the replies to a batch of commands leave in one write, and so
// do those of one command.
func TestCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener()
		newRigOn(t, ln, Plaintext)
		c := newClient(t, ln.dial())
		c.say("", "220 ")
		for _, batch := range []struct {
			commands string
			replies  int
		}{
			{"EHLO client.example\r\n", 1},
			{"NOOP\r\nRSET\r\nVRFY x\r\nNOOP\r\n", 4},
		} {
			before := ln.writes.Load()
			c.say(batch.commands, "2")
			for range batch.replies - 1 {
				c.say("", "2")
			}
			if n := ln.writes.Load() - before; n != 1 {
				t.Errorf("%q is answered in %d writes", batch.commands, n)
			}
		}
	})
}

// TestSilentLogin: the timeout within a login ends the connection once.
func TestSilentLogin(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		c.say("", "220 ")
		c.say("EHLO client.example\r\n", "250-")
		c.say("AUTH PLAIN\r\n", "334 ")
		began := time.Now()
		c.say("", "421 4.4.2 ")
		c.ended()
		took(t, began, 5*time.Minute, 5*time.Minute)
	})
}

// TestDeafClient: one that reads no replies holds up neither the server for
// ever nor its end.
func TestDeafClient(t *testing.T) {
	inBubble(t, Plaintext, func(t *testing.T, r *rig, dial func() *client) {
		c := dial()
		began := time.Now()
		time.Sleep(writeTimeout + time.Second)
		if _, err := c.conn.Write([]byte("NOOP\r\n")); err == nil {
			t.Error("a client that reads nothing is still served")
		}
		took(t, began, writeTimeout, writeTimeout+2*time.Second)

		deaf := dial()
		defer deaf.conn.Close()
		synctest.Wait()
		began = time.Now()
		if err := r.close(); err != nil {
			t.Error(err)
		}
		took(t, began, 0, testConfig().ShutdownTimeout)
	})
}
