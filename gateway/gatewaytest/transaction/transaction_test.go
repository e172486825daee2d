package transaction

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/certs"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/mailstore/boltstore"
)

type key struct{ certs.DetachedSigner }

func (key) Sign(context.Context, io.Reader, time.Time) ([]byte, error) { return nil, nil }

// Everything that is guarded is reported inside of View and Update, also from
// deep below, and nothing outside of them.
func TestGuard(t *testing.T) {
	var reports []string
	g := Guard{Report: func(format string, args ...any) { reports = append(reports, fmt.Sprintf(format, args...)) }}
	inner, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	s := g.Store(inner)
	a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"a@a.example"}}
	if err := s.Directory().CreateAccount(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := g.Listener(ln).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	guarded := map[string]func(ctx context.Context){
		"View":                  func(ctx context.Context) { _ = s.View(ctx, a.ID, func(mailstore.Tx) error { return nil }) },
		"Reserve":               func(ctx context.Context) { _, _ = s.Reserve(ctx, a.ID, 1) },
		"Queue":                 func(context.Context) { s.Queue() },
		"Directory":             func(context.Context) { s.Directory() },
		"Put of a body":         func(ctx context.Context) { _, _ = s.Bodies().Put(ctx, strings.NewReader("")) },
		"Open of a body":        func(ctx context.Context) { _, _ = s.Bodies().Open(ctx, body.Ref{}, 0) },
		"Discard of a body":     func(ctx context.Context) { _ = s.Bodies().Discard(ctx, body.Ref{}) },
		"reading from a client": func(context.Context) { _, _ = io.ReadAll(g.Reader(strings.NewReader(""))) },
		"writing to a client":   func(context.Context) { _, _ = conn.Write([]byte("x")) },
		"signing":               func(ctx context.Context) { _, _ = g.Signer(key{}).Sign(ctx, nil, time.Time{}) },
		"telling the time":      func(context.Context) { g.Clock("telling the time", time.Now)() },
	}
	for what, do := range guarded {
		do(t.Context())
		if len(reports) > 0 {
			t.Errorf("%s outside is reported: %q", what, reports)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel() // whatever is asked of the store inside ends at once
		err := s.View(t.Context(), a.ID, func(mailstore.Tx) error { do(ended); return nil })
		err = errors.Join(err, s.Update(t.Context(), a.ID, func(mailstore.UpdateTx) error { do(ended); return nil }))
		if err != nil {
			t.Fatal(err)
		}
		if len(reports) < 2 || slices.ContainsFunc(reports, func(r string) bool {
			return !strings.HasPrefix(r, what+" inside a store transaction") || !strings.Contains(r, "TestGuard")
		}) {
			t.Errorf("%s inside: reports %q", what, reports)
		}
		reports = nil
	}
}
