package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"gosbridge/mailstore"
)

var raceTests = []test{
	{"UNCHANGEDSINCE lets one of two win", testUnchangedRace},
	{"a whole accept whose context ends at any moment", testAcceptRepeat},
	{"no lease is given twice", testLeaseRace},
	{"each item is cancelled or leased", testCancelRace},
	{"a View sees no other commit, whatever it asks", testSnapshotAll},
	{"quota under concurrency", testQuotaRace},
	{"rename, delete and fill", testRenameRace},
	{"sweep beside everything", testSweepRace},
	{"delete 100,000 messages", testDeleteLarge},
}

// sides are the handles on which sessions of a race work.
func (e *env) sides() []mailstore.Store { return []mailstore.Store{e.s, e.s2, e.s, e.s2} }

// together runs fn on several sides at once.
func (e *env) together(fn func(n int, s mailstore.Store)) {
	var wg sync.WaitGroup
	for n, s := range e.sides() {
		wg.Go(func() { fn(n, s) })
	}
	wg.Wait()
}

// testUnchangedRace has sessions raise a number that is kept in the flags of
// one message, each by what it read before: no raise is lost.
func testUnchangedRace(e *env) {
	a := e.account()
	e.fill(a, 1, 3)
	const each = 8
	var mu sync.Mutex
	tried, won := 0, 0
	e.together(func(_ int, s mailstore.Store) {
		for range each {
			for {
				var row *mailstore.Message
				err := s.View(e.ctx, a, func(tx mailstore.Tx) error {
					for m, err := range tx.Messages(1, set(2), 0) {
						if row = m; err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil || row == nil {
					e.Errorf("read: %v", err)
					return
				}
				var r mailstore.FlagResult
				err = s.Update(e.ctx, a, func(tx mailstore.UpdateTx) (err error) {
					r, err = tx.SetFlags(1, set(2), mailstore.FlagChange{Flags: (row.Flags + 1) & 31, UnchangedSince: &row.ModSeq})
					return err
				})
				if err != nil || len(r.Changed)+len(r.Modified) != 1 {
					e.Errorf("store: %+v, %v", r, err)
					return
				}
				mu.Lock()
				tried++
				mu.Unlock()
				if len(r.Changed) == 1 {
					break
				}
			}
			mu.Lock()
			won++
			mu.Unlock()
		}
	})
	e.eq(e.messages(a, 1, 0)[1].Flags, won&31, fmt.Sprintf("raises of %d that tried %d times", won, tried))
}

// accept is what the acceptance of a letter writes, all of it with one ID.
func (e *env) accept(a, id mailstore.ID, m mailstore.NewMessage) func(mailstore.UpdateTx) error {
	return func(tx mailstore.UpdateTx) error {
		got, err := tx.Append(1, m)
		if err != nil || got.Repeat {
			return err
		}
		n, err := tx.JournalSize()
		if err != nil {
			return err
		}
		return errors.Join(
			tx.PutLetter(mailstore.Letter{ID: id, Role: mailstore.Sender, At: e.clock.Now()}),
			tx.PutEvidence(mailstore.Evidence{ID: id, Letter: id}),
			tx.AppendJournal(mailstore.JournalRecord{Index: n, Details: id[:]}, nil),
			tx.Enqueue(mailstore.Item{ID: id, Account: a, Class: "delivery", Due: e.clock.Now()}))
	}
}

// testAcceptRepeat ends the contexts of accepts at random moments, and repeats
// each until it is told that it was done: then it was done once.
func testAcceptRepeat(e *env) {
	a := e.account()
	const each = 25
	var mu sync.Mutex
	outcomes := map[string]int{}
	e.together(func(n int, s mailstore.Store) {
		rnd := rand.New(rand.NewPCG(uint64(n), 1))
		for range each {
			id := mailstore.NewID()
			m := mailstore.NewMessage{EmailID: id, LetterID: id, Content: mailstore.Content{Prefix: []byte("x")}}
			for {
				ctx, cancel := context.WithTimeout(e.ctx, time.Duration(rnd.IntN(1500))*time.Microsecond)
				err := s.Update(ctx, a, e.accept(a, id, m))
				cancel()
				mu.Lock()
				switch {
				case err == nil:
					outcomes["done"]++
				case errors.Is(err, mailstore.ErrMaybeCommitted):
					outcomes["unknown"]++
				case errors.Is(err, context.DeadlineExceeded):
					outcomes["not begun"]++
				default:
					e.Errorf("accept: %v", err)
				}
				mu.Unlock()
				if err == nil || e.Failed() {
					break
				}
			}
		}
	})
	want := each * len(e.sides())
	e.view(a, func(tx mailstore.Tx) error {
		rows, err := tx.UIDs(1)
		if err != nil {
			return err
		}
		records, err := tx.JournalSize()
		letters := 0
		for l, err := range tx.Letters(mailstore.LetterFilter{}) {
			if err != nil {
				return err
			}
			letters++
			evidence := 0
			for range tx.Evidence(l.ID) {
				evidence++
			}
			if _, err := tx.Item(l.ID); err != nil || evidence != 1 {
				e.Errorf("letter %s: %d evidence, item: %v", l.ID, evidence, err)
			}
		}
		e.eq([]any{len(rows), records, letters}, []any{want, want, want}, fmt.Sprintf("messages, records and letters after %v", outcomes))
		return err
	})
	list, err := e.s.Queue().Items(e.ctx, "delivery", 0)
	e.no(err, "items")
	e.eq(len(list), want, "items")
}

// testQuotaRace has sessions race for the last octets.
func testQuotaRace(e *env) {
	const quota, size = 1000, 70
	a := e.accountOf(mailstore.NewID(), quota)
	var mu sync.Mutex
	kept := 0
	e.together(func(n int, s mailstore.Store) {
		for range 8 {
			release, err := s.Reserve(e.ctx, a, size)
			if err == nil {
				m := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Prefix: make([]byte, size)}}
				err = s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { _, err := tx.Append(1, m); return err })
				release()
			}
			mu.Lock()
			if err == nil {
				kept++
			} else if !errors.Is(err, mailstore.ErrQuota) {
				e.Errorf("append: %v", err)
			}
			mu.Unlock()
		}
	})
	if kept > quota/size || kept == 0 {
		e.Errorf("%d messages of %d octets under a quota of %d", kept, size, quota)
	}
	e.usage(a, int64(kept*size), int64(kept), quota)
	for range quota/size - kept { // what was reserved in vain is free again
		e.append(a, 1, mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Prefix: make([]byte, size)}})
	}
}

// testRenameRace renames, deletes, makes and fills mailboxes of few names from
// all sides: a name has one mailbox, a message that was filed stays in the
// mailbox where it was filed until that is deleted.
func testRenameRace(e *env) {
	a := e.account()
	var mu sync.Mutex
	filed := map[mailstore.MailboxID]int{}
	deleted := map[mailstore.MailboxID]bool{}
	e.together(func(n int, s mailstore.Store) {
		rnd := rand.New(rand.NewPCG(uint64(n), 3))
		name := func() string { return []string{"A", "B", "A/C", "B/C"}[rnd.IntN(4)] }
		for i := range 60 {
			var id mailstore.MailboxID
			what, from, to := i%4, name(), name()
			err := s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
				if what == 0 {
					_, err := tx.CreateMailbox(to, "")
					return err
				}
				m, err := tx.MailboxByName(from)
				if err != nil {
					return err
				}
				switch id = m.ID; what {
				case 1:
					return tx.RenameMailbox(id, to)
				case 2:
					_, err = tx.Append(id, mailstore.NewMessage{EmailID: mailstore.NewID()})
					return err
				default:
					return tx.DeleteMailbox(id)
				}
			})
			mu.Lock()
			switch {
			case err == nil && what == 2:
				filed[id]++
			case err == nil && what == 3:
				deleted[id] = true
			case err != nil && !slices.ContainsFunc([]error{mailstore.ErrNoMailbox, mailstore.ErrExists, mailstore.ErrReadOnly}, func(ok error) bool { return errors.Is(err, ok) }):
				e.Errorf("%d: %v", what, err)
			}
			mu.Unlock()
		}
	})
	e.view(a, func(tx mailstore.Tx) error {
		list, err := tx.Mailboxes()
		names, there := map[string]bool{}, map[mailstore.MailboxID]bool{}
		for _, m := range list {
			if names[m.Name] || deleted[m.ID] {
				e.Errorf("mailbox %d %q: name taken %v, deleted %v", m.ID, m.Name, names[m.Name], deleted[m.ID])
			}
			names[m.Name], there[m.ID] = true, true
			e.eq(m.Messages, filed[m.ID], "messages of "+m.Name)
		}
		for id := range filed {
			if !there[id] && !deleted[id] {
				e.Errorf("mailbox %d is gone", id)
			}
		}
		return err
	})
}

// testSweepRace sweeps without pause while bodies are put, named, shared and
// let go, and time passes: no body goes that a message names.
func testSweepRace(e *env) {
	a := e.account()
	const grace = time.Hour
	stop := make(chan struct{})
	var sweeper sync.WaitGroup
	sweeps := 0
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := e.s2.Sweep(e.ctx, grace); err != nil {
				e.Errorf("sweep: %v", err)
				return
			}
			sweeps++
		}
	})
	e.together(func(n int, s mailstore.Store) {
		rnd := rand.New(rand.NewPCG(uint64(n), 4))
		for i := range 25 {
			text := strings.Repeat("text ", []int{10, 6000}[rnd.IntN(2)])
			ref, err := s.Bodies().Put(e.ctx, strings.NewReader(text))
			if err != nil {
				e.Errorf("put: %v", err)
				return
			}
			// All sides together stay within the time of grace.
			e.clock.advance(time.Duration(rnd.IntN(int(grace / 8))))
			err = s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
				got, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: ref, Length: ref.Size}})
				if err != nil || i%3 > 0 {
					return err
				}
				_, err1 := tx.Copy(1, set(got.UID), 2)
				_, err2 := tx.Expunge(1, set(got.UID), false)
				return errors.Join(err1, err2)
			})
			if err != nil {
				e.Errorf("append: %v", err)
			}
		}
	})
	close(stop)
	sweeper.Wait()
	e.clock.advance(48 * time.Hour)
	_, err := e.s.Sweep(e.ctx, grace)
	e.no(err, "sweep")
	for _, box := range []mailstore.MailboxID{1, 2} {
		for _, m := range e.messages(a, box, mailstore.FieldContent) {
			if _, err := e.read(m.Content, 0); err != nil {
				e.Fatalf("message %d after %d sweeps: %v", m.UID, sweeps, err)
			}
		}
	}
}

// testDeleteLarge deletes a large mailbox while others work: none of them, nor
// the deletion itself, waits for long, measured by how long it took to fill.
func testDeleteLarge(e *env) {
	a, b := e.account(), e.account()
	big := e.create(a, "Big")
	start := time.Now()
	e.no(e.s.Import(e.ctx, a, big.ID, func(yield func(mailstore.NewMessage, error) bool) {
		for range largeMailbox {
			if !yield(mailstore.NewMessage{EmailID: mailstore.NewID()}, nil) {
				return
			}
		}
	}), "fill")
	filling := time.Since(start)
	e.eq(e.box(a, "Big").Messages, largeMailbox, "messages")
	var worst time.Duration
	timed := func(what func()) {
		begin := time.Now()
		what()
		worst = max(worst, time.Since(begin))
	}
	begun := time.Now()
	timed(func() { e.remove(a, big.ID) })
	e.usage(a, 0, 0, 0)
	for time.Since(begun) < filling {
		timed(func() { e.append(b, 1, mailstore.NewMessage{EmailID: mailstore.NewID()}) })
		timed(func() { e.append(a, 1, mailstore.NewMessage{EmailID: mailstore.NewID()}) })
	}
	if worst > filling/3 {
		e.Errorf("somebody waited for %v; filling the mailbox took %v", worst, filling)
	}
	if again := e.create(a, "Big"); again.ID == big.ID || again.UIDValidity <= big.UIDValidity {
		e.Errorf("made again: %+v after %+v", again, big)
	}
}
