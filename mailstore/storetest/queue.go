package storetest

import (
	"fmt"
	"strings"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

var queueTests = []test{
	{"lease in order of time", func(e *env) {
		a, b := e.account(), e.account()
		for i, hours := range []int{3, -1, 0, -2} {
			owner := a
			if i%2 == 1 {
				owner = b // any account may be named
			}
			e.enqueue(a, e.item(owner, "delivery", fmt.Sprint(hours), time.Duration(hours)*time.Hour))
		}
		e.enqueue(a, e.item(a, "term", "other class", -time.Hour))
		waiting, err := e.s.Queue().Waiting(e.ctx)
		e.no(err, "waiting")
		e.eq(waiting, map[string]int{"delivery": 4, "term": 1}, "waiting")
		e.eq(payloads(e.lease("delivery", "w1", 2)), "-2 -1", "first two")
		waiting, err = e.s.Queue().Waiting(e.ctx)
		e.no(err, "waiting")
		e.eq(waiting["delivery"], 4, "waiting, with those that are leased")
		e.eq(payloads(e.lease("delivery", "w2", 9)), "0", "the rest that is due")
		e.eq(payloads(e.lease("delivery", "w2", 9)), "", "nothing is due")
		e.clock.advance(3 * time.Hour)
		got := e.lease("delivery", "w3", 9)
		e.eq(len(got), 4, "after the leases have run out")
		e.eq(got[3].Attempts, 1, "attempts of what comes last")
		for _, it := range got[:3] {
			owner := a
			if string(it.Payload) != "0" {
				owner = b
			}
			e.eq([]any{it.Attempts, it.Owner, it.Account, it.Until.Equal(e.clock.Now().Add(10 * time.Minute))}, []any{2, "w3", owner, true}, "lease")
		}
	}},
	{"item", func(e *env) {
		a, b := e.account(), e.account()
		it := e.item(b, "delivery", "payload", time.Hour)
		it.Letter = mailstore.NewID()
		it.Bodies = []body.Ref{e.put("small"), e.put(strings.Repeat("large", 10000))}
		e.enqueue(a, it)
		e.reopen()
		got := e.itemOf(b, it.ID)
		e.eq([]any{got.Account, got.Class, got.Due.Equal(it.Due), got.Letter, string(got.Payload), got.Owner, got.Attempts},
			[]any{b, "delivery", true, it.Letter, "payload", "", 0}, "item")
		for i, ref := range got.Bodies {
			e.eq([]any{ref.Name, ref.Size, ref.Key == it.Bodies[i].Key}, []any{it.Bodies[i].Name, it.Bodies[i].Size, true}, "body")
		}
		e.is(e.s.View(e.ctx, a, func(tx mailstore.Tx) error {
			_, err := tx.Item(it.ID)
			return err
		}), mailstore.ErrNoItem, "item of another account")
		list, err := e.s.Queue().Items(e.ctx, "delivery", 0)
		e.no(err, "items")
		e.eq(len(list), 1, "items")
		err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			return tx.Enqueue(e.item(mailstore.NewID(), "delivery", "", 0))
		})
		e.is(err, mailstore.ErrNoAccount, "item of no account")
	}},
	{"enqueue is idempotent", func(e *env) {
		a := e.account()
		it := e.item(a, "delivery", "one", 0)
		e.enqueue(a, it)
		again := it
		again.Payload = []byte("two")
		e.enqueue(a, again)
		e.eq(payloads(e.lease("delivery", "w", 9)), "one", "after a repetition")
		e.clock.advance(time.Hour)
		got := e.lease("delivery", "w", 9)
		e.update(a, func(tx mailstore.UpdateTx) error { return tx.Complete(got[0]) })
		e.enqueue(a, it)
		e.clock.advance(mailstore.RepeatWindow - time.Minute)
		_, err := e.s.Sweep(e.ctx, 0)
		e.no(err, "sweep")
		e.enqueue(a, it)
		e.eq(payloads(e.lease("delivery", "w", 9)), "", "after it was completed")
		e.clock.advance(mailstore.RepeatWindow)
		_, err = e.s.Sweep(e.ctx, 0)
		e.no(err, "sweep")
	}},
	{"fencing", testFencing},
	{"cancel", func(e *env) {
		a, b := e.account(), e.account()
		first, second := e.item(a, "delivery", "1", 0), e.item(a, "delivery", "2", time.Minute)
		e.enqueue(a, first)
		e.enqueue(a, second)
		cancel := func(account, id mailstore.ID) error {
			return e.s.Update(e.ctx, account, func(tx mailstore.UpdateTx) error { return tx.Cancel(id) })
		}
		got := e.lease("delivery", "w", 1)
		e.is(cancel(a, first.ID), mailstore.ErrLeased, "cancel what is leased")
		e.is(cancel(b, second.ID), mailstore.ErrNoItem, "cancel for another account")
		e.no(cancel(a, second.ID), "cancel")
		e.is(cancel(a, second.ID), mailstore.ErrNoItem, "cancel twice")
		e.update(a, func(tx mailstore.UpdateTx) error { return tx.Retry(got[0], e.clock.Now()) })
		e.no(cancel(a, first.ID), "cancel after a retry")
		e.is(e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.Complete(got[0]) }), mailstore.ErrNoItem, "complete what was cancelled")
		e.enqueue(a, first)
		e.eq(payloads(e.lease("delivery", "w", 9)), "", "what was cancelled does not come back")
		third := e.item(a, "delivery", "3", 0)
		e.enqueue(a, third)
		e.lease("delivery", "w", 1)
		e.clock.advance(time.Hour)
		e.no(cancel(a, third.ID), "cancel when the lease is over")
	}},
	{"cancel against lease", testCancelLease},
	{"next and wake", func(e *env) {
		a := e.account()
		q := e.s.Queue()
		at, ok, err := q.Next(e.ctx, "delivery")
		e.eq([]any{ok, err, at.IsZero()}, []any{false, nil, true}, "nothing waits")
		wake, other := q.Wake("delivery"), q.Wake("term")
		e.enqueue(a, e.item(a, "delivery", "later", time.Hour))
		soon(e.T, wake)
		e.enqueue(a, e.item(a, "delivery", "now", -time.Minute))
		soon(e.T, wake)
		e.quiet(other, "another class")
		at, ok, err = q.Next(e.ctx, "delivery")
		e.eq([]any{ok, err, at.Equal(e.clock.Now().Add(-time.Minute))}, []any{true, nil, true}, "due time")
		got := e.lease("delivery", "w", 1)
		at, _, _ = q.Next(e.ctx, "delivery")
		e.eq(at.Equal(e.clock.Now().Add(10*time.Minute)), true, "end of the lease")
		e.no(q.Renew(e.ctx, got, 30*time.Minute), "renew")
		at, _, _ = q.Next(e.ctx, "delivery")
		e.eq(at.Equal(e.clock.Now().Add(30*time.Minute)), true, "end of the renewed lease")
		e.quiet(wake, "leases")
		e.update(a, func(tx mailstore.UpdateTx) error { return tx.Retry(got[0], e.clock.Now().Add(time.Minute)) })
		soon(e.T, wake)
	}},
	{"leases are durable", func(e *env) {
		a := e.account()
		e.enqueue(a, e.item(a, "delivery", "x", 0))
		got := e.lease("delivery", "w", 1)
		e.crash()
		e.eq(payloads(e.lease("delivery", "other", 1)), "", "leased before the crash")
		e.update(a, func(tx mailstore.UpdateTx) error { return tx.Complete(got[0]) })
		_, ok, err := e.s.Queue().Next(e.ctx, "delivery")
		e.eq([]any{ok, err}, []any{false, nil}, "completed")
	}},
	{"rolled back with its Update", func(e *env) {
		a := e.account()
		it := e.item(a, "delivery", "x", 0)
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			if err := tx.Enqueue(it); err != nil {
				return err
			}
			return errTest
		})
		e.is(err, errTest, "update")
		e.eq(payloads(e.lease("delivery", "w", 1)), "", "item of a failed update")
		e.enqueue(a, it)
		e.eq(payloads(e.lease("delivery", "w", 1)), "x", "item")
	}},
}

func testFencing(e *env) {
	a, b := e.account(), e.account()
	e.enqueue(a, e.item(a, "delivery", "x", 0))
	q := e.s.Queue()
	do := func(account mailstore.ID, fn func(tx mailstore.UpdateTx) error) error {
		return e.s.Update(e.ctx, account, fn)
	}
	old := e.lease("delivery", "w1", 1)
	e.clock.advance(time.Hour)
	now := e.lease("delivery", "w2", 1)
	if now[0].Token <= old[0].Token {
		e.Fatalf("token %d after %d", now[0].Token, old[0].Token)
	}
	e.is(do(a, func(tx mailstore.UpdateTx) error { return tx.Complete(old[0]) }), mailstore.ErrLeased, "complete with an old token")
	e.is(do(a, func(tx mailstore.UpdateTx) error { return tx.Retry(old[0], e.clock.Now()) }), mailstore.ErrLeased, "retry with an old token")
	e.is(q.Renew(e.ctx, old, time.Hour), mailstore.ErrLeased, "renew with an old token")
	e.is(do(b, func(tx mailstore.UpdateTx) error { return tx.Complete(now[0]) }), mailstore.ErrNoItem, "complete for another account")
	now[0].Payload = []byte("new payload")
	e.no(do(a, func(tx mailstore.UpdateTx) error { return tx.Retry(now[0], e.clock.Now().Add(time.Minute)) }), "retry")
	e.is(do(a, func(tx mailstore.UpdateTx) error { return tx.Complete(now[0]) }), mailstore.ErrLeased, "complete what was given back")
	e.eq(payloads(e.lease("delivery", "w1", 1)), "", "not due yet")
	e.clock.advance(time.Minute)
	third := e.lease("delivery", "w1", 1)
	e.eq([]any{payloads(third), third[0].Attempts, third[0].Token > now[0].Token}, []any{"new payload", 3, true}, "after the retry")
	e.no(do(a, func(tx mailstore.UpdateTx) error { return tx.Complete(third[0]) }), "complete")
	e.is(do(a, func(tx mailstore.UpdateTx) error { return tx.Complete(third[0]) }), mailstore.ErrNoItem, "complete twice")
	e.is(do(a, func(tx mailstore.UpdateTx) error { return tx.Retry(third[0], e.clock.Now()) }), mailstore.ErrNoItem, "retry what is gone")
	e.is(q.Renew(e.ctx, third, time.Hour), mailstore.ErrLeased, "renew what is gone")
}

// testCancelLease races Cancel against Lease: one of them gets each item.
func testCancelLease(e *env) {
	a := e.account()
	const n = 40
	var items []mailstore.Item
	e.update(a, func(tx mailstore.UpdateTx) error {
		items = items[:0]
		for i := range n {
			it := e.item(a, "delivery", fmt.Sprint(i), 0)
			items = append(items, it)
			if err := tx.Enqueue(it); err != nil {
				return err
			}
		}
		return nil
	})
	cancelled := make(chan int)
	go func() {
		done := 0
		for _, it := range items {
			if e.s2.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.Cancel(it.ID) }) == nil {
				done++
			}
		}
		cancelled <- done
	}()
	leased := 0
	for range n {
		leased += len(e.lease("delivery", "w", 1))
	}
	e.eq(leased+<-cancelled+len(e.lease("delivery", "w", n)), n, "leased and cancelled")
}

// item is a queue item that is due after a delay.
func (e *env) item(account mailstore.ID, class, payload string, delay time.Duration) mailstore.Item {
	return mailstore.Item{ID: mailstore.NewID(), Account: account, Class: class, Due: e.clock.Now().Add(delay), Payload: []byte(payload)}
}

func (e *env) enqueue(account mailstore.ID, it mailstore.Item) {
	e.Helper()
	e.update(account, func(tx mailstore.UpdateTx) error { return tx.Enqueue(it) })
}

// lease takes items for ten minutes.
func (e *env) lease(class, owner string, n int) []mailstore.Item {
	e.Helper()
	list, err := e.s.Queue().Lease(e.ctx, class, owner, n, 10*time.Minute)
	e.no(err, "lease")
	return list
}

func (e *env) itemOf(account, id mailstore.ID) (it mailstore.Item) {
	e.Helper()
	e.view(account, func(tx mailstore.Tx) (err error) {
		it, err = tx.Item(id)
		return err
	})
	return it
}

func payloads(list []mailstore.Item) string {
	var p []string
	for _, it := range list {
		p = append(p, string(it.Payload))
	}
	return strings.Join(p, " ")
}

// quiet expects no hint. Hints are given before the call that causes them
// returns, or never.
func (e *env) quiet(c <-chan struct{}, what string) {
	e.Helper()
	select {
	case <-c:
		e.Fatalf("hint for %s", what)
	default:
	}
}
