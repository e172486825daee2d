package storetest

import (
	"sync"

	"gosbridge/mailstore"
)

var concurrentTests = []test{
	{"a reader by modseq misses nothing", testCursorReader},
	{"one letter from two sessions", func(e *env) {
		a := e.account()
		for range 30 {
			m := e.mail("text")
			var wg sync.WaitGroup
			uids := make([]mailstore.UID, 4)
			for i, s := range []mailstore.Store{e.s, e.s2, e.s, e.s2} {
				wg.Add(1)
				go func() {
					defer wg.Done()
					err := s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
						got, err := tx.Append(1, m)
						uids[i] = got.UID
						return err
					})
					if err != nil {
						e.Errorf("append: %v", err)
					}
				}()
			}
			wg.Wait()
			for _, uid := range uids {
				e.eq(uid, uids[0], "UIDs")
			}
		}
		e.eq(e.box(a, "INBOX").Messages, 30, "messages")
	}},
	{"two workers share the queue", func(e *env) {
		a := e.account()
		const n = 200
		for range n / 50 {
			e.update(a, func(tx mailstore.UpdateTx) error {
				for range 50 {
					if err := tx.Enqueue(e.item(a, "delivery", "x", 0)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		var mu sync.Mutex
		done := map[mailstore.ID]int{}
		var wg sync.WaitGroup
		for i, s := range []mailstore.Store{e.s, e.s2, e.s, e.s2} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					list, err := s.Queue().Lease(e.ctx, "delivery", string(rune('a'+i)), 7, 1e12)
					if err != nil {
						e.Errorf("lease: %v", err)
					}
					if len(list) == 0 {
						return
					}
					err = s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
						for _, it := range list {
							if err := tx.Complete(it); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						e.Errorf("complete: %v", err)
						return
					}
					mu.Lock()
					for _, it := range list {
						done[it.ID]++
					}
					mu.Unlock()
				}
			}()
		}
		wg.Wait()
		e.eq(len(done), n, "items done")
		for id, times := range done {
			e.eq(times, 1, "times "+id.String())
		}
	}},
}

// follower knows a mailbox by its changes alone, as a client does.
type follower struct {
	*env
	a      mailstore.ID
	box    mailstore.MailboxID
	cursor mailstore.ModSeq
	last   mailstore.UID // the greatest that was ever seen
	known  map[mailstore.UID]seen
}

type seen struct {
	mod   mailstore.ModSeq
	flags mailstore.Flags
}

// look takes up what changed since the last look.
func (f *follower) look() {
	err := f.s2.View(f.ctx, f.a, func(tx mailstore.Tx) error {
		c, err := tx.Changes(f.box, f.cursor)
		if err != nil {
			return err
		}
		if c.HighestMod < f.cursor {
			f.Errorf("HIGHESTMODSEQ %d after %d", c.HighestMod, f.cursor)
		}
		if !c.Complete { // below the floor: compare
			f.known, c.Changed, c.Vanished = map[mailstore.UID]seen{}, all(), nil
		}
		newest := f.last
		for m, err := range tx.Messages(f.box, c.Changed, 0) {
			if err != nil {
				return err
			}
			if _, old := f.known[m.UID]; !old && c.Complete && m.UID <= f.last {
				f.Errorf("UID %d became visible after %d", m.UID, f.last)
			}
			newest = max(newest, m.UID)
			f.known[m.UID] = seen{m.ModSeq, m.Flags}
		}
		gone, _ := c.Vanished.Nums()
		for _, uid := range gone {
			if _, old := f.known[uid]; !old {
				f.Errorf("UID %d vanished, which came and went since the last look", uid)
			}
			delete(f.known, uid)
		}
		f.last = newest
		f.cursor = c.HighestMod
		return nil
	})
	if err != nil {
		f.Errorf("look: %v", err)
	}
}

// scribble changes a mailbox in all ways.
func (e *env) scribble(s mailstore.Store, a mailstore.ID, box mailstore.MailboxID, w int) {
	for i := range 40 {
		err := s.Update(e.ctx, a, func(tx mailstore.UpdateTx) (err error) {
			uid := mailstore.UID(w*37 + i*3 + 1)
			switch (w + i) % 3 {
			case 0:
				_, err = tx.Append(box, mailstore.NewMessage{EmailID: mailstore.NewID()})
			case 1:
				_, err = tx.SetFlags(box, mailstore.UIDSet{{Start: uid, Stop: uid + 5}}, mailstore.FlagChange{Op: mailstore.FlagsSet, Flags: mailstore.Flags(1 << (i % 5))})
			default:
				_, err = tx.Expunge(box, set(uid), false)
			}
			return err
		})
		if err != nil {
			e.Errorf("write: %v", err)
		}
	}
}

// testCursorReader writes to a mailbox from several sides while a reader
// follows by modseq; in the end the reader knows what the mailbox holds.
func testCursorReader(e *env) {
	a := e.account()
	f := &follower{env: e, a: a, box: e.inbox(a), known: map[mailstore.UID]seen{}}
	e.fill(a, f.box, 20)
	var wg sync.WaitGroup
	for w, s := range []mailstore.Store{e.s, e.s2, e.s, e.s2} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			e.scribble(s, a, f.box, w)
		}()
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		f.look()
	}
	list := e.messages(a, f.box, 0)
	e.eq(len(f.known), len(list), "messages the reader knows")
	for _, m := range list {
		e.eq(f.known[m.UID], seen{m.ModSeq, m.Flags}, "message the reader knows")
	}
}
