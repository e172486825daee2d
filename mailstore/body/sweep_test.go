package body_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"gosbridge/mailstore/body"
)

// clock is set by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// liveIf asks about each body.
func liveIf(one func(body.Name) (bool, error)) body.Live {
	return func(_ context.Context, names []body.Name) ([]bool, error) {
		keep := make([]bool, len(names))
		for i, n := range names {
			var err error
			if keep[i], err = one(n); err != nil {
				return nil, err
			}
		}
		return keep, nil
	}
}

func TestSweep(t *testing.T) {
	const grace = 24 * time.Hour
	clk := newClock()
	s := openStore(t, t.TempDir(), body.Options{Now: clk.Now, Files: 2})
	var old []body.Ref
	live := make(map[body.Name]bool)
	for i := range 300 { // several slices in each file
		ref := put(t, s, random(body.InlineLimit+1+i))
		old = append(old, ref)
		live[ref.Name] = i%3 == 0
	}
	clk.advance(grace - time.Second)
	young := put(t, s, random(2*seg))
	asked := 0
	isLive := liveIf(func(n body.Name) (bool, error) {
		asked++
		if n == young.Name {
			t.Error("asked for a body within its grace")
		}
		return live[n], nil
	})
	report, err := s.Sweep(ctx, isLive, grace)
	if err != nil || report.Removed != 0 || report.Kept != 301 || asked != 0 {
		t.Fatalf("within the grace: %+v, %v, asked %d times", report, err, asked)
	}
	clk.advance(time.Second)
	report, err = s.Sweep(ctx, isLive, grace)
	if err != nil || report.Removed != 200 || report.Kept != 101 {
		t.Fatalf("after the grace: %+v, %v", report, err)
	}
	var want int64
	for i, ref := range old {
		got, err := read(s, ref, 0)
		if live[ref.Name] {
			if err != nil || !bytes.Equal(got, random(body.InlineLimit+1+i)) {
				t.Errorf("live body %d: %d octets, %v", i, len(got), err)
			}
			continue
		}
		want += body.SealedSize(ref.Size)
		if !errors.Is(err, body.ErrNotFound) {
			t.Errorf("dead body %d: %v", i, err)
		}
	}
	if report.Octets != want {
		t.Errorf("%d octets reported, %d removed", report.Octets, want)
	}
	// The clock of the machine may be set back: nobody is older for that.
	clk.advance(-48 * time.Hour)
	if report, err = s.Sweep(ctx, isLive, grace); err != nil || report.Removed != 0 || report.Kept != 101 {
		t.Errorf("clock set back: %+v, %v", report, err)
	}
}

func TestSweepErrors(t *testing.T) {
	s := openStore(t, t.TempDir(), body.Options{})
	ref := put(t, s, random(seg))
	boom := errors.New("metadata not readable")
	_, err := s.Sweep(ctx, liveIf(func(body.Name) (bool, error) { return false, boom }), 0)
	if !errors.Is(err, boom) {
		t.Errorf("error %v, want that of live", err)
	}
	end, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Sweep(end, nil, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after cancel", err)
	}
	checkBody(t, s, ref, random(seg))
}

// A sweep takes nothing of a Put that is under way, however old its first
// octets are.
func TestSweepSparesPut(t *testing.T) {
	clk := newClock()
	dir := t.TempDir()
	s := openStore(t, dir, body.Options{Now: clk.Now})
	clear := random(40 * seg)
	pipe, client := io.Pipe()
	type result struct {
		ref body.Ref
		err error
	}
	done := make(chan result)
	go func() {
		ref, err := s.Put(ctx, pipe)
		done <- result{ref, err}
	}()
	none := liveIf(func(body.Name) (bool, error) { return false, nil })
	for i := 0; i < len(clear); i += 10 * seg {
		if _, err := client.Write(clear[i : i+10*seg]); err != nil {
			t.Fatal(err)
		}
		clk.advance(1000 * time.Hour)
		if report, err := s.Sweep(ctx, none, 0); err != nil || report != (body.SweepReport{}) {
			t.Fatalf("sweep during a put: %+v, %v", report, err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	res := <-done
	if res.err != nil {
		t.Fatal(res.err)
	}
	checkBody(t, s, res.ref, clear)
}
