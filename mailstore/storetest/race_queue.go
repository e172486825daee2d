package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gosbridge/mailstore"
)

// testLeaseRace leases from many sides while the clock runs: at no time have
// two a lease of one item, tokens are never given twice, and only the last
// holder can complete.
func testLeaseRace(e *env) {
	a := e.account()
	const items, ttl = 6, time.Minute
	for range items {
		e.enqueue(a, e.item(a, "delivery", "x", 0))
	}
	var mu sync.Mutex
	held := map[mailstore.ID]mailstore.Item{} // the last lease of each
	completed := 0
	e.together(func(n int, s mailstore.Store) {
		rnd := rand.New(rand.NewPCG(uint64(n), 2))
		for range 40 {
			before := e.clock.Now()
			list, err := s.Queue().Lease(e.ctx, "delivery", fmt.Sprint("w", n), 2, ttl)
			if err != nil {
				e.Errorf("lease: %v", err)
				return
			}
			mu.Lock()
			for _, it := range list {
				// The lease was taken at Until-ttl, which is now or a little ago.
				if at := it.Until.Add(-ttl); at.Before(before) || at.Before(held[it.ID].Until) && it.Token > held[it.ID].Token {
					e.Errorf("item leased at %v, the lease before ends at %v", at, held[it.ID].Until)
				}
				if it.Token == held[it.ID].Token {
					e.Errorf("token %d given twice", it.Token)
				}
				if it.Token > held[it.ID].Token {
					held[it.ID] = it
				}
			}
			mu.Unlock()
			if rnd.IntN(3) == 0 {
				e.clock.advance(time.Duration(rnd.IntN(80)) * time.Second)
			}
			for _, it := range list {
				if rnd.IntN(12) > 0 {
					continue
				}
				err := s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.Complete(it) })
				mu.Lock()
				if err == nil {
					completed++
				} else if !errors.Is(err, mailstore.ErrLeased) && !errors.Is(err, mailstore.ErrNoItem) {
					e.Errorf("complete: %v", err)
				}
				mu.Unlock()
			}
		}
	})
	left, err := e.s.Queue().Items(e.ctx, "delivery", 0)
	e.no(err, "items")
	e.eq(len(left)+completed, items, "items left and completed")
	for _, it := range left {
		if it.Token < held[it.ID].Token {
			e.Errorf("token went back from %d to %d", held[it.ID].Token, it.Token)
		}
	}
}

// testCancelRace races those who cancel against those who lease and complete.
func testCancelRace(e *env) {
	a := e.account()
	const n = 60
	var items []mailstore.Item
	for i := range n {
		items = append(items, e.item(a, "delivery", fmt.Sprint(i), 0))
		e.enqueue(a, items[i])
	}
	var mu sync.Mutex
	got := map[mailstore.ID][]string{}
	note := func(id mailstore.ID, what string) {
		mu.Lock()
		defer mu.Unlock()
		got[id] = append(got[id], what)
	}
	e.together(func(w int, s mailstore.Store) {
		for i := range n {
			if w%2 == 0 {
				id := items[(i+w*7)%n].ID
				err := s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.Cancel(id) })
				if err == nil {
					note(id, "cancelled")
				} else if !errors.Is(err, mailstore.ErrLeased) && !errors.Is(err, mailstore.ErrNoItem) {
					e.Errorf("cancel: %v", err)
				}
				continue
			}
			list, err := s.Queue().Lease(e.ctx, "delivery", "w", 1, time.Hour)
			for _, it := range list {
				note(it.ID, "leased")
				err = s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.Complete(it) })
			}
			if err != nil {
				e.Errorf("lease and complete: %v", err)
			}
		}
	})
	for _, it := range items {
		e.eq(len(got[it.ID]), 1, fmt.Sprintf("what became of an item: %v", got[it.ID]))
	}
}
