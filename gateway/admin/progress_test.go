package admin

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"
)

// serveLong serves an operation "work" on a socket.
func serveLong(t *testing.T, work func(ctx context.Context, in int) (string, error)) (c *Client, end func()) {
	t.Helper()
	data, err := os.MkdirTemp("", "gb") // the path of a unix socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	s := New(Options{Logger: slog.New(slog.DiscardHandler)})
	s.operations["work"] = long(change(work))
	ln, err := Listen(data)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	if c, err = Dial(t.Context(), data); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return c, cancel
}

// The caller sees the last progress before the end, and the answer or the
// error with its kind.
func TestLongOperation(t *testing.T) {
	told := make(chan struct{})
	c, _ := serveLong(t, func(ctx context.Context, in int) (string, error) {
		if in == 0 {
			return "", ErrTooLate
		}
		for n := range int64(in) {
			report(ctx, Progress{Stage: "bodies", Done: n + 1, Total: int64(in), Unit: "octets"})
		}
		<-told
		return "done", nil
	})
	var last Progress
	ctx := WithProgress(t.Context(), func(p Progress) {
		if p.Done == p.Total {
			close(told)
		}
		last = p
	})
	var out string
	if err := c.Call(ctx, "work", 1000, &out); err != nil || out != "done" {
		t.Fatalf("%q, %v", out, err)
	}
	if want := (Progress{Stage: "bodies", Done: 1000, Total: 1000, Unit: "octets"}); last != want {
		t.Errorf("progress %+v", last)
	}
	if err := c.Call(t.Context(), "work", 0, &out); !errors.Is(err, ErrTooLate) {
		t.Errorf("error %v", err)
	}
}

// A long operation is given up when its caller goes, and when the service
// ends; the caller is told.
func TestLongOperationEnds(t *testing.T) {
	began, gone := make(chan struct{}), make(chan struct{}, 1)
	c, end := serveLong(t, func(ctx context.Context, _ int) (string, error) {
		began <- struct{}{}
		<-ctx.Done()
		gone <- struct{}{}
		return "", ctx.Err()
	})
	wait := func(ch <-chan struct{}) {
		t.Helper()
		select {
		case <-ch:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing happened")
		}
	}
	for _, stop := range []func(cancel func()){func(cancel func()) { cancel() }, func(func()) { end() }} {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			var out string
			failed <- c.Call(ctx, "work", 1, &out)
		}()
		wait(began)
		stop(cancel)
		wait(gone)
		if err := <-failed; err == nil {
			t.Error("no error")
		}
		cancel()
	}
}

// A caller that reads nothing does not hold the operation up.
func TestLongOperationSlowCaller(t *testing.T) {
	reported := make(chan struct{})
	c, _ := serveLong(t, func(ctx context.Context, _ int) (string, error) {
		for n := range int64(1_000_000) {
			report(ctx, Progress{Done: n})
		}
		close(reported)
		return "", nil
	})
	ctx := WithProgress(t.Context(), func(Progress) { <-reported })
	var out string
	if err := c.Call(ctx, "work", 1, &out); err != nil {
		t.Fatal(err)
	}
	<-reported
}
