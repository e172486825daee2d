package submission

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	sessions "gosbridge/gateway/session"
)

// port is one listener being served. It makes connections ready (limits, TLS)
// before go-smtp sees them: go-smtp has no limits, and its TLS handshake no
// deadline.
type port struct {
	server *Server
	ln     net.Listener
	mode   Mode
	tls    *tls.Config     // nil in mode Plaintext
	work   context.Context // of transactions; ends when they must
	smtp   *smtp.Server
	ready  *handover

	connections sync.WaitGroup // until each transport is closed
}

func newPort(s *Server, ln net.Listener, mode Mode, config *tls.Config, work context.Context) *port {
	p := &port{
		server: s, ln: ln, mode: mode, tls: config, work: work, ready: newHandover(),
	}
	p.smtp = newLibraryServer(p)
	return p
}

// accept takes connections until the listener fails or is closed.
func (p *port) accept(ctx context.Context, ln net.Listener) error {
	var pause time.Duration
	for {
		transport, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("submission on %s: %w", ln.Addr(), err)
			}
			// Out of file descriptors, most likely: it passes.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			p.server.log.Error("cannot accept", "listener", ln.Addr(), "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		p.enter(transport)
	}
}

// enter counts the connection and gets it ready in the background.
func (p *port) enter(transport net.Conn) {
	cfg := p.server.cfg.Load()
	limits := sessions.Limits{Connections: cfg.MaxConnections, PerAddress: cfg.MaxConnectionsPerAddr}
	entry, ok := p.server.conns.Enter(limits, p.ln, transport.RemoteAddr())
	if !ok {
		p.server.log.Warn("connection refused: too many", "remote", sessions.Address(transport.RemoteAddr()))
		if p.mode != ImplicitTLS { // where it is, nothing can be said yet
			transport.SetWriteDeadline(time.Now().Add(time.Second))
			transport.Write(replyTooMany.line())
		}
		transport.Close()
		return
	}
	p.connections.Add(1)
	c := newConn(p, cfg, transport, entry)
	if !entry.Bind(c) {
		c.Close()
		return
	}
	if p.mode == ImplicitTLS {
		go p.encrypt(c)
		return
	}
	go p.ready.give(c)
}

// encrypt runs the TLS handshake and hands the connection on.
func (p *port) encrypt(c *conn) {
	ctx, cancel := context.WithTimeout(p.work, c.cfg.HandshakeTimeout)
	defer cancel()
	t := tls.Server(c.raw, p.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		c.log.Info("TLS handshake failed", "err", err)
		c.Close()
		return
	}
	c.encrypted(t)
	c.entry.Secured(t.ConnectionState().Version)
	p.ready.give(c)
}

// upgrade answers STARTTLS and begins anew over TLS: a fresh go-smtp
// connection without greeting, so that nothing said before is remembered
// (RFC 3207 §4.2).
func (p *port) upgrade(old *conn) {
	c := newConn(p, old.cfg, old.raw, old.entry)
	c.greeted = true
	if !c.entry.Bind(c) {
		c.Close()
		return
	}
	go func() {
		c.raw.SetDeadline(time.Now().Add(c.cfg.HandshakeTimeout))
		if _, err := c.raw.Write(replyStartTLS.line()); err != nil {
			c.Close()
			return
		}
		c.raw.SetDeadline(time.Time{})
		p.encrypt(c)
	}()
}

// handover is the listener that go-smtp accepts ready connections from.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give waits until go-smtp takes the connection.
func (h *handover) give(c *conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }
