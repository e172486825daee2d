package boltstore

import (
	"context"
	"time"
)

// Pace holds long reading or writing back to so many octets per second, so that
// it leaves the disk to those who wait for a commit. It is for one goroutine.
type Pace struct {
	Rate  int64 // octets per second; 0 without limit
	since time.Time
	done  int64 // octets since then
}

// Took notes octets and waits until they keep within the rate. A copy that was
// slower than it may be does not make up for it later.
func (p *Pace) Took(ctx context.Context, octets int) error {
	if p.Rate <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	p.done += int64(octets)
	due := p.since.Add(time.Duration(float64(p.done) / float64(p.Rate) * float64(time.Second)))
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
