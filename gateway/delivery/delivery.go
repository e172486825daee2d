// Package delivery carries accepted letters to their recipients: it leases
// what is due, hands it to a transport, and tells the letter what became of
// it.
//
// It owns retries and giving up. It never decides whether a letter may go
// (intake did), and never writes a letter record itself: it prepares
// transitions with package letter.
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
)

// Options are what a Courier works with.
type Options struct {
	Store    mailstore.Store
	Office   *letter.Office
	Hostname string // of this gateway, as in Received
	Gate     *worker.Gate
	Now      func() time.Time
	Logger   *slog.Logger
}

// Courier delivers letters. Create it with New and start it with Run.
type Courier struct {
	store  mailstore.Store
	office *letter.Office
	host   string
	gate   *worker.Gate
	now    func() time.Time
	log    *slog.Logger
}

// New returns a courier.
func New(o Options) *Courier {
	return &Courier{store: o.Store, office: o.Office, host: o.Hostname, gate: o.Gate, now: o.Now, log: o.Logger}
}

// Run delivers until ctx ends and the batch in hand is done. Letters that a
// restored store holds back have a class of their own, so that the gate can.
func (c *Courier) Run(ctx context.Context, owner string) error {
	workers, ctx := errgroup.WithContext(ctx)
	for _, class := range []string{letter.DispatchClass, letter.HeldBackClass} {
		workers.Go(func() error {
			return worker.Worker{
				Queue: c.store.Queue(), Class: class, Gate: c.gate, Owner: owner, Now: c.now, Logger: c.log, Handle: c.deliver,
			}.Run(ctx)
		})
	}
	return workers.Wait()
}

// consignment is one letter of a batch on its way.
type consignment struct {
	item    mailstore.Item
	record  mailstore.Letter
	out     letter.Outgoing
	sent    letter.Sendable
	taken   time.Time // when the batch was taken up
	changes []letter.Change
	retry   bool // a recipient is left for later
}

// deliver takes a batch: reads the letters, carries them to each recipient's
// account, and tells the senders' accounts. A crash between the two repeats
// the first, which then changes nothing.
func (c *Courier) deliver(ctx context.Context, items []mailstore.Item) {
	taken := c.now().UTC()
	var load []*consignment
	for _, it := range items {
		con, err := c.read(ctx, it, taken)
		if err != nil {
			c.log.Error("letter not read for delivery", "account", it.Account, "letter", it.Letter, "err", err)
			c.later(ctx, it)
			continue
		}
		load = append(load, con)
	}
	c.carry(ctx, load)
	c.tell(ctx, load)
}

// read gets the letter of an item.
func (c *Courier) read(ctx context.Context, it mailstore.Item, taken time.Time) (*consignment, error) {
	con := &consignment{item: it, taken: taken}
	err := c.store.View(ctx, it.Account, func(tx mailstore.Tx) (err error) {
		con.record, err = tx.Letter(it.Letter, mailstore.Sender)
		return err
	})
	if err != nil {
		return nil, err
	}
	if con.out, err = letter.DecodeOutgoing(con.record); err != nil {
		return nil, err
	}
	con.sent, err = letter.SentForm(it)
	return con, err
}

// delivered notes that a recipient has the letter. It may have come before
// this batch was taken up, from one that a crash ended.
func (con *consignment) delivered(index int, at time.Time) {
	taken := con.taken
	if at.Before(taken) {
		taken = at
	}
	con.changes = append(con.changes,
		letter.Change{Recipient: index, Event: letter.EventDispatch, At: taken},
		letter.Change{Recipient: index, Event: letter.EventRelay, At: taken},
		letter.Change{Recipient: index, Event: letter.EventDeliver, At: at})
}

// failed notes that a recipient will never have it, or that it is left for
// later when it has to be tried again.
func (con *consignment) failed(index int, at time.Time, permanent bool, reason receipt.Reason) {
	con.changes = append(con.changes, letter.Change{Recipient: index, Event: letter.EventDispatch, At: con.taken})
	if !permanent && at.Before(con.out.GiveUp) {
		con.retry = true
		return
	}
	con.changes = append(con.changes, letter.Change{Recipient: index, Event: letter.EventFail, At: at, Reason: reason})
}

// settle ends the item, or gives it back while a recipient is left. An item
// that is gone was settled by a commit whose answer was lost.
func (c *Courier) settle(tx mailstore.UpdateTx, con *consignment) error {
	if con.retry {
		return tx.Retry(con.item, c.now().Add(backoff(con.item.Attempts)))
	}
	if err := tx.Complete(con.item); !errors.Is(err, mailstore.ErrNoItem) {
		return err
	}
	return nil
}

// later gives an item back that could not be worked on.
func (c *Courier) later(ctx context.Context, it mailstore.Item) {
	err := c.store.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
		return tx.Retry(it, c.now().Add(backoff(it.Attempts)))
	})
	if err != nil && !worker.Lost(err) {
		c.log.Error("letter not given back", "account", it.Account, "item", it.ID, "err", err)
	}
}

// backoff is the wait before the next try: from 5 s doubling to 15 min, with a
// fifth of jitter, so that what failed together does not return together.
func backoff(attempts int) time.Duration {
	wait := 15 * time.Minute
	if attempts < 8 {
		wait = 5 * time.Second << max(attempts-1, 0)
	}
	return wait + time.Duration(rand.Int64N(int64(wait/5)))
}
