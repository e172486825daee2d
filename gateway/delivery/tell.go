package delivery

import (
	"context"
	"errors"
	"slices"

	"gosbridge/gateway/letter"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
)

// outcome is a consignment with the transition that what became of it makes of
// the letter; nil when it has to be prepared anew.
type outcome struct {
	con  *consignment
	move *letter.Transition
}

// tell applies what became of the letters in their senders' accounts.
func (c *Courier) tell(ctx context.Context, load []*consignment) {
	var order []mailstore.ID
	senders := map[mailstore.ID][]*consignment{}
	for _, con := range load {
		if senders[con.item.Account] == nil {
			order = append(order, con.item.Account)
		}
		senders[con.item.Account] = append(senders[con.item.Account], con)
	}
	worker.Parallel(order, func(sender mailstore.ID) { c.tellSender(ctx, sender, senders[sender]) })
}

// tellSender records the letters of one sender, in one Update as many as it
// takes messages.
func (c *Courier) tellSender(ctx context.Context, sender mailstore.ID, load []*consignment) {
	var batch []outcome
	weight := 0
	for _, con := range load {
		move, err := c.prepare(ctx, con)
		if err != nil {
			c.unrecorded(ctx, con, err)
			continue
		}
		if weight+move.Weight() > mailstore.MaxMessagesPerUpdate {
			c.record(ctx, sender, batch)
			batch, weight = nil, 0
		}
		batch = append(batch, outcome{con, move})
		weight += move.Weight()
	}
	c.record(ctx, sender, batch)
}

// prepare builds the last transition of a consignment. Those before it, of a
// letter to many, it applies.
func (c *Courier) prepare(ctx context.Context, con *consignment) (*letter.Transition, error) {
	rest := con.changes
	for len(rest) > letter.MaxChanges {
		err := letter.Afresh(func() error { return c.slice(ctx, con, rest[:letter.MaxChanges]) })
		if err != nil {
			return nil, err
		}
		rest = rest[letter.MaxChanges:]
	}
	return c.office.Prepare(ctx, con.item.Account, con.item.Letter, rest)
}

// slice applies a part of the changes of a letter to many ahead of the rest.
func (c *Courier) slice(ctx context.Context, con *consignment, changes []letter.Change) error {
	t, err := c.office.Prepare(ctx, con.item.Account, con.item.Letter, changes)
	if err != nil || t.Empty() {
		return err
	}
	err = c.store.Update(ctx, con.item.Account, func(tx mailstore.UpdateTx) error { return letter.Apply(tx, t) })
	if err != nil && !errors.Is(err, mailstore.ErrMaybeCommitted) {
		return errors.Join(err, t.Discard(ctx, c.store.Bodies()))
	}
	return err
}

// record applies the outcomes of a batch together. A letter that fails does
// not hold up the others, and they keep what was signed for them.
func (c *Courier) record(ctx context.Context, sender mailstore.ID, batch []outcome) {
	for len(batch) > 0 {
		at, err := c.apply(ctx, sender, batch)
		if err == nil {
			return
		}
		if at < 0 { // it was the commit: each shows by itself whether it is the cause
			for _, one := range batch {
				c.recordAlone(ctx, sender, one, err)
			}
			return
		}
		c.recordAlone(ctx, sender, batch[at], err)
		batch = slices.Delete(batch, at, at+1)
	}
}

// recordAlone applies one outcome whose batch failed with an error, and leaves
// it for later where that fails too.
func (c *Courier) recordAlone(ctx context.Context, sender mailstore.ID, one outcome, failed error) {
	// Receipts of a commit whose outcome is unknown may have their places in
	// mailboxes: only the sweep can tell.
	unknown := errors.Is(failed, mailstore.ErrMaybeCommitted)
	drop := func(err error) error {
		if one.move != nil && !unknown {
			err = errors.Join(err, one.move.Discard(ctx, c.store.Bodies()))
		}
		one.move, unknown = nil, false
		return err
	}
	err := letter.Afresh(func() (err error) {
		if was := failed; errors.Is(was, letter.ErrStale) {
			failed = nil
			return drop(was)
		}
		if one.move == nil {
			if one.move, err = c.prepare(ctx, one.con); err != nil {
				return err
			}
		}
		if _, err = c.apply(ctx, sender, []outcome{one}); err == nil {
			return nil
		}
		unknown = unknown || errors.Is(err, mailstore.ErrMaybeCommitted)
		return drop(err)
	})
	if err != nil {
		c.unrecorded(ctx, one.con, err)
	}
}

// unrecorded leaves a letter whose outcome could not be recorded for later.
func (c *Courier) unrecorded(ctx context.Context, con *consignment, err error) {
	c.log.Error("delivery not recorded", "account", con.item.Account, "letter", con.item.Letter, "err", err)
	c.later(ctx, con.item)
}

// apply is the sender's Update of a batch. at is the outcome that failed, -1
// when it was none of them but the commit.
func (c *Courier) apply(ctx context.Context, sender mailstore.ID, batch []outcome) (at int, err error) {
	at = -1
	err = c.store.Update(ctx, sender, func(tx mailstore.UpdateTx) error {
		for i, one := range batch {
			at = i
			if err := letter.Apply(tx, one.move); err != nil {
				return err
			}
			if err := c.settle(tx, one.con); err != nil {
				return err
			}
		}
		at = -1
		return nil
	})
	return at, err
}
