package boltstore

import (
	"context"
	"time"
)

// pace holds a long copy back to so many octets per second, so that it leaves
// the disk to those who wait for a commit.
type pace struct {
	rate  int64 // octets per second; 0 without limit
	since time.Time
	done  int64 // octets since then
}

// took notes octets and waits until they keep within the rate. A copy that was
// slower than it may be does not make up for it later.
func (p *pace) took(ctx context.Context, octets int) error {
	if p.rate <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	p.done += int64(octets)
	due := p.since.Add(time.Duration(float64(p.done) / float64(p.rate) * float64(time.Second)))
	if !due.After(now) {
		p.since, p.done = now, 0
		return ctx.Err()
	}
	timer := time.NewTimer(due.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
