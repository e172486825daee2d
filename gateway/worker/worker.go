// Package worker takes queue items of one class and hands them to whoever
// works on them, in batches: the loop that packages delivery and letter share.
//
// It owns leasing, renewal and waiting. What an item means, and whether it is
// completed or given back, is the handler's, in an Update of its own.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gosbridge/mailstore"
)

const (
	// Batch is how many items are leased at once.
	Batch = 64
	// lease is how long a batch is a worker's. A batch that takes longer is
	// renewed at a third of it; after a crash its letters wait so long.
	lease = 30 * time.Second
	// pause is how long to wait after the store failed.
	pause = time.Second
	// nap bounds how long a worker sleeps, so that a lost hint or a clock that
	// jumped costs no more than this.
	nap = time.Minute
	// gather is how long after a lease the next one may come: what is due
	// meanwhile shares a batch and its commits, for which the acceptances of the
	// next letters wait too. The first item after a rest waits for nothing, nor
	// does what a full batch has left.
	gather = 10 * time.Millisecond
)

// Handler works on leased items. It completes or retries each item in the
// Update that does its work; an item it leaves alone comes back when its lease
// ends. Items belong to any number of accounts.
type Handler func(ctx context.Context, items []mailstore.Item)

// Worker leases the items of one class.
type Worker struct {
	Queue  mailstore.Queue
	Class  string
	Gate   *Gate  // holds classes back; there must be one
	Owner  string // of the leases; unique to this process
	Handle Handler
	Now    func() time.Time
	Logger *slog.Logger
}

// Run works until ctx ends, and returns when the batch in hand is done. A lease
// under way when ctx ends counts as in hand: items leased for nobody would
// wait until the lease ends.
func (w Worker) Run(ctx context.Context) error {
	if w.Gate == nil {
		return fmt.Errorf("worker of class %s: no gate", w.Class)
	}
	wake := w.Queue.Wake(w.Class)
	for {
		if w.Gate.Pass(ctx, w.Class); ctx.Err() != nil {
			return nil
		}
		next := time.Now().Add(gather)
		items, err := w.Queue.Lease(context.WithoutCancel(ctx), w.Class, w.Owner, Batch, lease)
		switch {
		case err != nil:
			w.Logger.Error("lease failed", "class", w.Class, "err", err)
			sleep(ctx, pause, nil)
		case len(items) > 0:
			w.work(context.WithoutCancel(ctx), items)
			if len(items) < Batch {
				sleep(ctx, time.Until(next), nil)
			}
		default:
			sleep(ctx, w.idle(ctx), wake)
		}
	}
}

// work hands a batch over and renews its lease meanwhile.
func (w Worker) work(ctx context.Context, items []mailstore.Item) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Handle(ctx, items)
	}()
	tick := time.NewTicker(lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if items = w.renew(ctx, items); len(items) == 0 {
				tick.Stop() // all that is left has its outcome: only wait
			}
		}
	}
}

// renew prolongs the leases of a batch and returns the items that are still
// ours. Together while all of them are; one by one once the handler has
// completed some, which are no longer there to renew.
func (w Worker) renew(ctx context.Context, items []mailstore.Item) (ours []mailstore.Item) {
	err := w.Queue.Renew(ctx, items, lease)
	if !Lost(err) {
		w.complain(err)
		return items
	}
	for _, it := range items {
		if err := w.Queue.Renew(ctx, []mailstore.Item{it}, lease); !Lost(err) {
			w.complain(err)
			ours = append(ours, it)
		}
	}
	return ours
}

// Lost reports whether an error says that an item is done, or somebody else's by
// now.
func Lost(err error) bool {
	return errors.Is(err, mailstore.ErrLeased) || errors.Is(err, mailstore.ErrNoItem)
}

// complain logs a store that failed: the next renewal may come in time.
func (w Worker) complain(err error) {
	if err != nil {
		w.Logger.Warn("lease not renewed", "class", w.Class, "err", err)
	}
}

// idle is how long nothing will be due.
func (w Worker) idle(ctx context.Context) time.Duration {
	at, ok, err := w.Queue.Next(ctx, w.Class)
	if err != nil {
		return pause
	}
	if !ok {
		return nap
	}
	return min(max(at.Sub(w.Now()), 0), nap)
}

// sleep waits for d, a hint, or the end.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// atOnce is how many accounts are worked on at the same time, so that their
// Updates share commits.
const atOnce = 16

// Parallel runs f for each account, a bounded number at a time, and returns when
// all are done.
func Parallel(accounts []mailstore.ID, f func(mailstore.ID)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, a := range accounts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(a)
		})
	}
	wg.Wait()
}
