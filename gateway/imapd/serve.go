package imapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// TLSMode says how a listener's connections are protected.
type TLSMode uint8

// The modes.
const (
	ImplicitTLS TLSMode = iota + 1 // from the first octet (RFC 8314)
	StartTLS                       // by command; no login before
	NoTLS                          // no login at all unless Mode.Plaintext
)

// Mode is what a listener offers.
type Mode struct {
	TLS TLSMode
	// Plaintext allows logins without TLS. Only on a loopback listener.
	Plaintext bool
}

// ErrPlaintext says that plain-text logins were asked for on a listener that
// others than this host can reach.
var ErrPlaintext = errors.New("plain-text logins are allowed on loopback listeners only")

// Serve accepts connections until ctx ends and returns once they are gone:
// running commands get Config.DrainTimeout to finish, then every client gets
// a BYE. It closes ln. The error is nil unless accepting failed for another
// reason or the mode does not fit the listener. config may be nil with NoTLS.
func (s *Server) Serve(ctx context.Context, ln net.Listener, mode Mode, config *tls.Config) error {
	defer ln.Close()
	// Judged by where we listen, never by the peer's address.
	if mode.Plaintext && !loopback(ln.Addr()) {
		return fmt.Errorf("imap on %s: %w", ln.Addr(), ErrPlaintext)
	}
	if mode.TLS != NoTLS && config == nil {
		return fmt.Errorf("imap on %s: no TLS configuration", ln.Addr())
	}
	// work outlives ctx by the time to drain.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var sessions sync.WaitGroup
	stop := context.AfterFunc(ctx, func() {
		ln.Close()
		s.conns.Stop(ln)
	})
	defer stop()
	err := s.accept(ctx, ln, func(conn net.Conn) {
		sessions.Go(func() { s.serveConn(ctx, work, ln, conn, mode, config) })
	})
	s.conns.Stop(ln)
	late := time.AfterFunc(s.cfg.Load().DrainTimeout, func() {
		cancel()
		s.conns.Cut(ln)
	})
	defer late.Stop()
	sessions.Wait()
	s.conns.Forget(ln)
	return err
}

// accept hands every connection to start until the listener is closed.
func (s *Server) accept(ctx context.Context, ln net.Listener, start func(net.Conn)) error {
	var pause time.Duration
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			start(conn)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("imap on %s: %w", ln.Addr(), err)
		default:
			// Out of descriptors, most likely: wait instead of spinning.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("imap accept failed", "err", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func loopback(addr net.Addr) bool {
	if _, ok := addr.(*net.UnixAddr); ok {
		return true
	}
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
