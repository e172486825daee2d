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
	"slices"
	"strings"
	"sync"
	"time"

	sessions "gosbridge/gateway/session"
)

const (
	// maxLine bounds a command line, in octets: AUTH may have 12,288 with an
	// initial response (RFC 4954 §4), everything else far less.
	maxLine = 12288
	// maxParameters is more than MAIL or RCPT have known ones.
	maxParameters = 16
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
// One goroutine reads and writes; End, Cut and Close may come from others.
type conn struct {
	port    *port
	cfg     *Config // of when it came
	log     *slog.Logger
	entry   *sessions.Session
	address netip.Addr // of the client
	secure  bool       // TLS is on
	greeted bool       // go-smtp's greeting was sent before STARTTLS

	raw       net.Conn // TCP
	transport net.Conn // the same, or TLS over it; changed once, before go-smtp
	in        *bufio.Reader
	line      []byte // rest of the line that go-smtp is being given
	command   []byte // that line, whole
	failed    error  // first error of reading
	hangup    bool   // the next read closes the connection
	challenge bool   // a login waits for a response, which is no command

	state   *session  // since EHLO
	message *progress // of the message being received; nil outside
	chunk   *chunk    // the first one of a message, until the session takes it
	held    []byte    // a command that ended a message, for go-smtp to answer
	mute    bool      // the next reply of go-smtp is not for the client
	spoilt  int64     // octets of chunks that belonged to no message

	outMu  sync.Mutex
	out    []byte // replies not yet written
	outErr error  // first error of writing

	mu        sync.Mutex      // never held while writing
	upgrading bool            // STARTTLS was asked for
	ending    sessions.Reason // why no further command is heard; 0 while it is
	busy      bool            // a message is being received or decided about
	closed    bool
}

func newConn(p *port, cfg *Config, raw net.Conn, entry *sessions.Session) *conn {
	c := &conn{
		port: p, cfg: cfg, entry: entry, address: entry.Remote(), raw: raw, transport: raw,
		log: p.server.log.With("session", entry.ID(), "remote", entry.Remote()),
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

// nextLine reads lines and deals with those that go-smtp must not see.
func (c *conn) nextLine() error {
	switch {
	case c.failed != nil:
		return c.failed
	case c.hangup, c.chunk != nil: // a chunk that nobody took: what follows is content
		return net.ErrClosed
	}
	c.pause()
	if c.held != nil {
		c.line, c.command, c.held = c.held, c.held, nil
		return nil
	}
	for {
		line, err := c.readCommand()
		if err != nil {
			return err
		}
		if given, err := c.hear(line); given || err != nil {
			return err
		}
	}
}

// readCommand reads a line; its error is one for go-smtp, which closes.
func (c *conn) readCommand() ([]byte, error) {
	c.entry.Wait(false)
	switch err := c.awaitUntil(time.Now().Add(c.cfg.CommandTimeout)); {
	case errors.Is(err, errEnding):
		return nil, c.bye(c.goodbye())
	case err != nil: // closed, after QUIT
		return nil, net.ErrClosed
	}
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine:
		return nil, c.bye(replyLongLine)
	case err != nil:
		return nil, c.cannotRead(err, replyIdle)
	}
	c.entry.Command()
	return line, nil
}

// cannotRead ends the connection after an error of reading; late is what a
// client hears that was waited for.
func (c *conn) cannotRead(err error, late reply) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.goodbye() != reply{}:
		return c.bye(c.goodbye())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.bye(late)
	}
	c.log.Debug("client gone", "err", err)
	return net.ErrClosed
}

// hear gives go-smtp a line, or deals with it and reports that it is not for
// go-smtp.
func (c *conn) hear(line []byte) (given bool, err error) {
	word := verb(line)
	switch {
	case c.challenge: // base64 may begin like any command
		c.challenge = false
	case strings.HasPrefix(word, "BDAT"):
		return c.bdat(line)
	case word == "STARTTLS" && len(bytes.TrimSpace(line)) == len(word) && !c.secure && c.port.mode != Plaintext:
		if c.in.Buffered() > 0 { // sent in the clear, to be taken as if encrypted
			return false, c.bye(replyEarly)
		}
		c.mu.Lock()
		c.upgrading = true
		c.mu.Unlock()
		return false, io.EOF
	}
	if (word == "MAIL" || word == "RCPT") && twice(line) {
		return false, c.say(replyTwice)
	}
	c.line, c.command = line, line
	return true, nil
}

// twice reports whether a parameter of MAIL or RCPT is given more than once: it
// means nothing then (501 by RFC 5321 §4.2.2), and go-smtp would take the last.
func twice(line []byte) bool {
	var seen []string
	for _, p := range strings.Fields(string(behindPath(line))) {
		name, _, _ := strings.Cut(p, "=")
		if name = strings.ToUpper(name); slices.Contains(seen, name) {
			return true
		}
		if seen = append(seen, name); len(seen) > maxParameters {
			return false // one of them is unknown, which go-smtp says
		}
	}
	return false
}

// behindPath is what follows the path of MAIL or RCPT: the first > that is not
// within quotes ends it (RFC 5321 §4.1.2).
func behindPath(line []byte) []byte {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return line[i+1:]
		}
	}
	return nil
}

// bye says the last word and ends the connection.
func (c *conn) bye(r reply) error {
	c.log.Info("connection ended by us", "reply", r.code)
	c.say(r) // a client that is gone hears nothing
	return net.ErrClosed
}

// say collects a reply of our own. Its error is none of reading, though it may
// be a timeout.
func (c *conn) say(r reply) error {
	if err := c.collect(r.line()); err != nil {
		return fmt.Errorf("%w: %v", net.ErrClosed, err)
	}
	return nil
}

// Write collects replies. go-smtp writes them line by line.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.collect(c.edit(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// collect takes a reply, or a line of one, and notes in the log what refuses
// a command: its codes, never its text, which may repeat what a client sent.
func (c *conn) collect(text []byte) error {
	if len(text) > 3 && text[0] >= '4' && text[3] == ' ' {
		code, rest, _ := bytes.Cut(bytes.TrimSpace(text), []byte(" "))
		enhanced, _, _ := bytes.Cut(rest, []byte(" "))
		c.log.Debug("smtp command refused", "reply", string(code), "enhanced", string(enhanced))
	}
	c.outMu.Lock()
	defer c.outMu.Unlock()
	c.out = append(c.out, text...)
	if len(c.out) < outputBuffer {
		return c.outErr
	}
	return c.flushLocked()
}

// edit changes the lines of go-smtp that have no setting: it offers SIZE only
// together with a check that is ours, STARTTLS only with a handshake that is
// its own, and greets by the client's name instead of ours; reword has its other
// texts. It writes each line by itself.
func (c *conn) edit(line []byte) []byte {
	switch {
	case c.mute:
		c.mute = false
		return nil
	case c.chunk != nil && bytes.HasPrefix(line, []byte("354 ")): // to a DATA that was BDAT
		return nil
	case bytes.HasPrefix(line, []byte("334 ")):
		c.challenge = true
	case c.greeted && bytes.HasPrefix(line, []byte("220 ")):
		c.greeted = false
		return nil
	case bytes.HasPrefix(line, []byte("220 ")): // RFC 5321 §4.2: "220 " Domain, then text
		return []byte("220 " + c.cfg.Hostname + " ESMTP ready\r\n")
	case bytes.HasPrefix(line, []byte("250-Hello ")): // RFC 5321 §4.1.1.1: "250-" Domain
		return []byte("250-" + c.cfg.Hostname + "\r\n")
	case bytes.HasPrefix(line, []byte("250 2.0.0 Hello ")): // to HELO
		return []byte("250 " + c.cfg.Hostname + "\r\n")
	case string(line) == "250-CHUNKING\r\n" && !c.secure && c.port.mode != Plaintext:
		return []byte("250-CHUNKING\r\n250-STARTTLS\r\n")
	case string(line) == "250 SIZE\r\n":
		return sizeLine(c.cfg.MaxSize)
	}
	if ours, ok := c.reword(string(line)); ok {
		return ours
	}
	return line
}

func isASCII(line []byte) bool {
	for _, b := range line {
		if b >= 0x80 {
			return false
		}
	}
	return true
}

func (c *conn) flush() error {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	return c.flushLocked()
}

func (c *conn) flushLocked() error {
	if len(c.out) == 0 || c.outErr != nil {
		return c.outErr
	}
	c.transport.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.transport.Write(c.out)
	c.entry.Sent(n)
	c.outErr = err // half a reply must not be followed by another
	c.out = c.out[:0]
	return c.outErr
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
		n, err := c.transport.Read(p)
		c.entry.Received(n)
		return n, err
	}
	begin := time.Now()
	if err := c.transport.SetReadDeadline(c.message.deadline(begin)); err != nil {
		return 0, err
	}
	n, err := c.transport.Read(p)
	c.entry.Received(n)
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
	cfg := c.cfg
	c.message = &progress{silence: cfg.DataTimeout, rate: cfg.MinRate}
}

// pause switches back to commands.
func (c *conn) pause() {
	c.message = nil
	c.setBusy(false)
}

// content is what gives the octets of the message that was begun.
func (c *conn) content(limit int64) content {
	if c.chunk == nil {
		return newDataReader(c.in, limit)
	}
	first := *c.chunk
	c.chunk = nil
	return newChunkReader(c, first, limit)
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

// errEnding says that no further command is heard.
var errEnding = errors.New("session ends")

// awaitUntil sets the deadline for the next command, unless the connection is
// to be closed.
func (c *conn) awaitUntil(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.ending != 0:
		return errEnding
	}
	return c.transport.SetReadDeadline(t)
}

// goodbye is the last word of a session that was told to end; none before.
func (c *conn) goodbye() reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	return goodbyes[c.ending]
}

// End implements sessions.Conn: it wakes a client that waits for nothing but
// its own next command.
func (c *conn) End(why sessions.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = why
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
	c.entry.Leave()
	c.port.connections.Done()
	return err
}

// Cut implements sessions.Conn: no last word is said.
func (c *conn) Cut() {
	c.log.Warn("connection cut")
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
