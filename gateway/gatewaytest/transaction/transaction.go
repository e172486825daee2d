// Package transaction tells a test that something is done inside a store
// transaction that has no place there: waiting for a client, signing, opening
// a body, or asking the store from within itself (invariants 5 and 7 of
// docs/architecture.md).
//
// A Guard wraps the store and whatever must stay outside of its transactions.
// It keeps no state: that a call comes from inside shows in its call stack,
// which holds the function of this package that runs the transaction's.
package transaction

import (
	"context"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"gosbridge/certs"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// Guard wraps what a test works with. Safe for concurrent use.
type Guard struct {
	// Report is called for each thing that is done inside a transaction, with
	// what it is and the call stack; most often it is the test's Errorf.
	Report func(format string, args ...any)
}

// outside reports a call that comes from inside a transaction.
func (g Guard) outside(what string) {
	pcs := make([]uintptr, 256)
	pcs = pcs[:runtime.Callers(2, pcs)]
	inside := false
	for frames, more := runtime.CallersFrames(pcs), true; more && !inside; {
		var f runtime.Frame
		f, more = frames.Next()
		inside = strings.HasSuffix(f.Function, "gatewaytest/transaction.within")
	}
	if inside {
		g.Report("%s inside a store transaction, at\n%s", what, debug.Stack())
	}
}

// within runs a transaction's function. Its name in a call stack is the mark
// of a transaction.
//
//go:noinline
func within(fn func() error) error { return fn() }

// Store wraps a store.
func (g Guard) Store(inner mailstore.Store) mailstore.Store { return store{inner, g} }

type store struct {
	mailstore.Store
	guard Guard
}

func (s store) View(ctx context.Context, account mailstore.ID, fn func(mailstore.Tx) error) error {
	s.guard.outside("View")
	return s.Store.View(ctx, account, func(tx mailstore.Tx) error { return within(func() error { return fn(tx) }) })
}

func (s store) Update(ctx context.Context, account mailstore.ID, fn func(mailstore.UpdateTx) error) error {
	s.guard.outside("Update")
	return s.Store.Update(ctx, account, func(tx mailstore.UpdateTx) error { return within(func() error { return fn(tx) }) })
}

func (s store) Reserve(ctx context.Context, account mailstore.ID, octets int64) (release func(), err error) {
	s.guard.outside("Reserve")
	return s.Store.Reserve(ctx, account, octets)
}

func (s store) Queue() mailstore.Queue {
	s.guard.outside("Queue")
	return s.Store.Queue()
}

func (s store) Directory() mailstore.Directory {
	s.guard.outside("Directory")
	return s.Store.Directory()
}

func (s store) Texts() mailstore.Texts {
	s.guard.outside("Texts")
	return s.Store.Texts()
}

func (s store) Bodies() body.Store { return bodies{s.Store.Bodies(), s.guard} }

type bodies struct {
	body.Store
	guard Guard
}

func (b bodies) Put(ctx context.Context, r io.Reader) (body.Ref, error) {
	b.guard.outside("Put of a body")
	return b.Store.Put(ctx, r)
}

func (b bodies) Open(ctx context.Context, ref body.Ref, offset int64) (io.ReadCloser, error) {
	b.guard.outside("Open of a body")
	return b.Store.Open(ctx, ref, offset)
}

func (b bodies) Discard(ctx context.Context, ref body.Ref) error {
	b.guard.outside("Discard of a body")
	return b.Store.Discard(ctx, ref)
}

// Reader wraps what a client sends.
func (g Guard) Reader(r io.Reader) io.Reader { return reader{r, g} }

type reader struct {
	io.Reader
	guard Guard
}

func (r reader) Read(p []byte) (int, error) {
	r.guard.outside("reading from a client")
	return r.Reader.Read(p)
}

// Listener wraps a listener: nobody may wait for its connections.
func (g Guard) Listener(ln net.Listener) net.Listener { return &listener{ln, g} }

type listener struct {
	net.Listener
	guard Guard
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn{c, l.guard}, nil
}

type conn struct {
	net.Conn
	guard Guard
}

func (c conn) Read(p []byte) (int, error) { return c.guard.Reader(c.Conn).Read(p) }

func (c conn) Write(p []byte) (int, error) {
	c.guard.outside("writing to a client")
	return c.Conn.Write(p)
}

// Signer wraps a key, which may be far away.
func (g Guard) Signer(inner certs.DetachedSigner) certs.DetachedSigner { return signer{inner, g} }

type signer struct {
	certs.DetachedSigner
	guard Guard
}

func (s signer) Sign(ctx context.Context, content io.Reader, at time.Time) ([]byte, error) {
	s.guard.outside("signing")
	return s.DetachedSigner.Sign(ctx, content, at)
}

// Clock wraps the clock of what must be done outside: that it is asked for the
// time says that it is done.
func (g Guard) Clock(what string, now func() time.Time) func() time.Time {
	return func() time.Time {
		g.outside(what)
		return now()
	}
}
