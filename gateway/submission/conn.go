package submission

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"gosbridge/mailstore"
)

const (
	// maxLine bounds a command line, in octets: AUTH may have 12,288 with an
	// initial response (RFC 4954 §4), everything else far less.
	maxLine = 12288
	// inputBuffer must hold a whole command line.
	inputBuffer = 16 << 10
	// outputBuffer is how many octets of replies are collected at most.
	outputBuffer = 4 << 10
	// writeTimeout is for a client that does not read its replies.
	writeTimeout = time.Minute
	// rateGrace is how long a message may be slower than the minimum rate.
	rateGrace = 30 * time.Second
)

// conn is a client's connection as go-smtp sees it, after TLS.
//
// Outside of a message Read returns at most one line, so that go-smtp never
// buffers what follows it; inside of one, dataReader takes the octets from
// the same buffer. Replies are collected and written when the next input has
// to be waited for, a pipelined batch of them at once. After the first error
// of reading there is nothing more to read: go-smtp goes on after a failed
// DATA, and must not take the rest of a message for commands.
//
// One goroutine reads and writes; drain and Close may come from others.
type conn struct {
	port    *port
	log     *slog.Logger
	session string     // id in the logs
	address netip.Addr // of the client
	secure  bool       // TLS is on
	greeted bool       // go-smtp's greeting was sent before STARTTLS

	raw       net.Conn // TCP
	transport net.Conn // the same, or TLS over it; changed once, before go-smtp
	in        *bufio.Reader
	line      []byte // rest of the line that go-smtp is being given
	failed    error  // first error of reading
	hangup    bool   // the next read closes the connection

	message *progress // of the message being received; nil outside

	outMu sync.Mutex
	out   []byte // replies not yet written

	mu        sync.Mutex // never held while writing
	upgrading bool       // STARTTLS was asked for
	draining  bool
	busy      bool // a message is being received or decided about
	closed    bool
}

func newConn(p *port, raw net.Conn, address netip.Addr) *conn {
	session := mailstore.NewID().String()
	c := &conn{
		port: p, session: session, address: address, raw: raw, transport: raw,
		log: p.server.log.With("session", session, "remote", address),
	}
	c.in = bufio.NewReaderSize(source{c}, inputBuffer)
	return c
}

// Read gives go-smtp the next line of commands, or a part of it.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.line) == 0 {
		if err := c.nextLine(); err != nil {
			c.failed = err
			return 0, err
		}
	}
	n := copy(p, c.line)
	c.line = c.line[n:]
	return n, nil
}

// nextLine reads a line and deals with those that go-smtp must not see.
func (c *conn) nextLine() error {
	if c.failed != nil {
		return c.failed
	}
	if c.hangup {
		return net.ErrClosed
	}
	c.message = nil
	c.setBusy(false)
	switch err := c.awaitUntil(time.Now().Add(c.port.server.cfg.CommandTimeout)); {
	case errors.Is(err, errDraining):
		return c.bye(replyClosing)
	case err != nil: // closed, after QUIT
		return net.ErrClosed
	}
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.isDraining():
		return c.bye(replyClosing)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.bye(replyIdle)
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine:
		return c.bye(replyLongLine)
	case err != nil:
		c.log.Debug("client gone", "err", err)
		return net.ErrClosed
	}
	switch verb := strings.ToUpper(string(line[:min(len(line), 16)])); {
	case strings.HasPrefix(verb, "BDAT "):
		// Not offered; and what follows is content, not commands.
		return c.bye(replyNoChunking)
	case strings.TrimSpace(verb) == "STARTTLS" && !c.secure && c.port.mode != Plaintext:
		if c.in.Buffered() > 0 { // sent in the clear, to be taken as if encrypted
			return c.bye(replyEarly)
		}
		c.mu.Lock()
		c.upgrading = true
		c.mu.Unlock()
		return io.EOF
	}
	c.line = line
	return nil
}

// bye says the last word and ends the connection.
func (c *conn) bye(r reply) error {
	c.log.Info("connection ended by us", "reply", r.code)
	c.outMu.Lock()
	defer c.outMu.Unlock()
	c.out = append(c.out, r.line()...)
	return net.ErrClosed
}

// Write collects replies. go-smtp writes them line by line.
func (c *conn) Write(p []byte) (int, error) {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	c.out = append(c.out, c.edit(p)...)
	if len(c.out) >= outputBuffer {
		if err := c.flushLocked(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// edit changes the lines of go-smtp that have no setting: it always offers
// CHUNKING, SIZE only together with a check that is ours, and greets by the
// client's name instead of ours. It writes each line by itself.
func (c *conn) edit(line []byte) []byte {
	switch {
	case c.greeted && bytes.HasPrefix(line, []byte("220 ")):
		c.greeted = false
		return nil
	case bytes.HasPrefix(line, []byte("250-Hello ")): // RFC 5321 §4.1.1.1: "250-" Domain
		return []byte("250-" + c.port.server.cfg.Hostname + "\r\n")
	case bytes.HasPrefix(line, []byte("250 2.0.0 Hello ")): // to HELO
		return []byte("250 " + c.port.server.cfg.Hostname + "\r\n")
	case string(line) == "250-CHUNKING\r\n":
		if !c.secure && (c.port.mode == StartTLS || c.port.mode == OptionalTLS) {
			return []byte("250-STARTTLS\r\n")
		}
		return nil
	case string(line) == "250 SIZE\r\n":
		return sizeLine(c.port.server.cfg.MaxSize)
	}
	return line
}

func (c *conn) flush() error {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	return c.flushLocked()
}

func (c *conn) flushLocked() error {
	if len(c.out) == 0 {
		return nil
	}
	c.transport.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.transport.Write(c.out)
	c.out = c.out[:0]
	return err
}

// source is the input below the buffer: it writes the replies that are due
// before it waits, and keeps the pace of a message.
type source struct{ c *conn }

// Read implements io.Reader.
func (s source) Read(p []byte) (int, error) {
	c := s.c
	if err := c.flush(); err != nil {
		// Not as it is: a timeout of writing is none of reading.
		return 0, fmt.Errorf("%w: %v", net.ErrClosed, err)
	}
	if c.message == nil {
		return c.transport.Read(p)
	}
	begin := time.Now()
	if err := c.transport.SetReadDeadline(c.message.deadline(begin)); err != nil {
		return 0, err
	}
	n, err := c.transport.Read(p)
	c.message.add(n, time.Since(begin))
	return n, err
}

// progress is the pace of a message on its way. Only the time spent waiting
// for the client counts.
type progress struct {
	silence  time.Duration // longest between two reads
	rate     int64         // octets per second
	received int64
	waited   time.Duration
}

// deadline is when the next octets must be there.
func (p *progress) deadline(now time.Time) time.Time {
	earned := rateGrace + time.Duration(float64(p.received)/float64(p.rate)*float64(time.Second))
	return now.Add(min(p.silence, earned-p.waited))
}

func (p *progress) add(n int, waited time.Duration) {
	p.received += int64(n)
	p.waited += waited
}

// encrypted puts TLS between the client and what follows.
func (c *conn) encrypted(t net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transport, c.secure = t, true
}

// begin switches from commands to the octets of a message.
func (c *conn) begin() {
	c.setBusy(true)
	cfg := c.port.server.cfg
	c.message = &progress{silence: cfg.DataTimeout, rate: cfg.MinRate}
}

// end switches back after a message that was read to its end, which go-smtp,
// reading what it takes for the rest, is then given.
func (c *conn) end() { c.line = []byte(".\r\n") }

// fail ends the connection after a message that has no end.
func (c *conn) fail() { c.failed = net.ErrClosed }

func (c *conn) setBusy(busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = busy
}

// errDraining says that no further command is heard.
var errDraining = errors.New("service closing")

// awaitUntil sets the deadline for the next command, unless the connection is
// to be closed.
func (c *conn) awaitUntil(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.draining:
		return errDraining
	}
	return c.transport.SetReadDeadline(t)
}

func (c *conn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// drain wakes a client that waits for nothing but its own next command.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.busy {
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// Close writes what is left to say and ends the connection; after STARTTLS it
// hands the transport on instead. It may be called again.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	upgrading, transport := c.upgrading, c.transport
	c.mu.Unlock()
	c.flush() // a client that is gone hears nothing
	if upgrading {
		c.port.upgrade(c)
		return nil
	}
	err := transport.Close()
	c.port.remove(c)
	c.port.server.dismiss(c.address)
	c.port.connections.Done()
	return err
}

// cut ends the connection without a last word, whatever it is at.
func (c *conn) cut() {
	c.raw.Close() // unblocks a write that nobody reads
	c.Close()
}

// The rest of net.Conn. Deadlines are ours, so those of go-smtp are ignored.

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.transport.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.transport.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
