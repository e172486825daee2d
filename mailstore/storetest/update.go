package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"gosbridge/mailstore"
)

var updateTests = []test{
	{"no account", func(e *env) {
		err := e.s.View(e.ctx, mailstore.NewID(), func(mailstore.Tx) error { return nil })
		e.is(err, mailstore.ErrNoAccount, "view")
		err = e.s.Update(e.ctx, mailstore.NewID(), func(mailstore.UpdateTx) error { return nil })
		e.is(err, mailstore.ErrNoAccount, "update")
	}},
	{"errors unchanged", func(e *env) {
		a := e.account()
		if err := e.s.View(e.ctx, a, func(mailstore.Tx) error { return errTest }); err != errTest { //nolint:errorlint // identity is what is tested
			e.Fatalf("view: %v", err)
		}
		if err := e.s.Update(e.ctx, a, func(mailstore.UpdateTx) error { return errTest }); err != errTest { //nolint:errorlint // identity is what is tested
			e.Fatalf("update: %v", err)
		}
	}},
	{"nothing kept after an error", func(e *env) {
		a := e.account()
		box, m := e.inbox(a), e.mail("text")
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			if _, err := tx.Append(box, m); err != nil {
				return err
			}
			if _, err := tx.CreateMailbox("New", ""); err != nil {
				return err
			}
			return errTest
		})
		e.is(err, errTest, "update")
		e.eq(e.box(a, "INBOX").Messages, 0, "messages")
		e.is(e.s.View(e.ctx, a, func(tx mailstore.Tx) error {
			_, err := tx.MailboxByName("New")
			return err
		}), mailstore.ErrNoMailbox, "mailbox of a failed update")
		e.eq(e.append(a, box, m).UID, 1, "UID after a failed update")
	}},
	{"own writes are seen", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		m := e.mail("text")
		e.update(a, func(tx mailstore.UpdateTx) error {
			before, err := tx.Mailbox(box)
			if err != nil {
				return err
			}
			if _, err := tx.Append(box, m); err != nil {
				return err
			}
			after, err := tx.Mailbox(box)
			if err != nil {
				return err
			}
			uids, err := tx.UIDs(box)
			if err != nil {
				return err
			}
			c, err := tx.Changes(box, before.HighestMod)
			if err != nil {
				return err
			}
			where, err := tx.ByEmailID(m.EmailID)
			if err != nil {
				return err
			}
			if after.Messages != before.Messages+1 || len(uids) != 1 || c.Changed.String() != "1" || len(where) != 1 {
				e.Errorf("messages %d, UIDs %v, changed %q, at %v", after.Messages, uids, c.Changed, where)
			}
			return nil
		})
	}},
	{"panic is an error", testPanic},
	{"panic in a view", testPanicInView},
	{"ignored error after a write", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		text := e.mail("text")
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			if _, err := tx.Append(box, text); err != nil {
				return err
			}
			// A refusal that wrote nothing may be ignored.
			if _, err := tx.Append(99, e.mail("")); !errors.Is(err, mailstore.ErrNoMailbox) {
				e.Errorf("append to no mailbox: %v", err)
			}
			return nil
		})
		e.no(err, "update that ignored a refusal")
		e.eq(e.box(a, "INBOX").Messages, 1, "messages")
	}},
	{"view is a snapshot", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 3)
		e.view(a, func(tx mailstore.Tx) error {
			before, err := tx.Mailbox(box)
			if err != nil {
				return err
			}
			done := make(chan error)
			go func() {
				done <- e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
					if _, err := tx.Expunge(box, all(), false); err != nil {
						return err
					}
					_, err := tx.CreateMailbox("New", "")
					return err
				})
			}()
			if err := <-done; err != nil {
				return err
			}
			after, err := tx.Mailbox(box)
			if err != nil {
				return err
			}
			uids, err := tx.UIDs(box)
			if err != nil {
				return err
			}
			n := 0
			for _, err := range tx.Messages(box, all(), mailstore.FieldMeta|mailstore.FieldSummary) {
				if err != nil {
					return err
				}
				n++
			}
			e.eq(after, before, "mailbox in the snapshot")
			e.eq(len(uids), 3, "UIDs in the snapshot")
			e.eq(n, 3, "messages in the snapshot")
			return nil
		})
		e.eq(e.box(a, "INBOX").Messages, 0, "messages after")
	}},
	{"context ended before", func(e *env) {
		a := e.account()
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		ran := false
		err := e.s.Update(ctx, a, func(mailstore.UpdateTx) error { ran = true; return nil })
		e.is(err, context.Canceled, "update")
		if errors.Is(err, mailstore.ErrMaybeCommitted) || ran {
			e.Fatalf("ended context: %v, ran %v", err, ran)
		}
		e.is(e.s.View(ctx, a, func(mailstore.Tx) error { return nil }), context.Canceled, "view")
	}},
	{"context ended in the queue", testQueuedContext},
	{"context ended while running", testMaybeCommitted},
	{"failures among others", testFailuresAmongOthers},
	{"too large", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive").ID
		e.fill(a, box, mailstore.MaxMessagesPerUpdate+1)
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.SetFlags(box, all(), mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen})
			return err
		})
		e.is(err, mailstore.ErrTooLarge, "SetFlags")
		err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Expunge(box, all(), false)
			return err
		})
		e.is(err, mailstore.ErrTooLarge, "Expunge")
		e.update(a, func(tx mailstore.UpdateTx) error { // a copy of as many is allowed
			c, err := tx.Copy(box, all(), other)
			e.eq(len(c.Dest), mailstore.MaxMessagesPerUpdate+1, "copied")
			return err
		})
		err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			for range mailstore.MaxMessagesPerUpdate + 1 {
				m := mailstore.NewMessage{EmailID: mailstore.NewID()}
				if _, err := tx.Append(box, m); err != nil {
					return err
				}
			}
			return nil
		})
		e.is(err, mailstore.ErrTooLarge, "Append")
	}},
	{"closed", func(e *env) {
		a := e.account()
		e.close()
		e.is(e.s.Update(e.ctx, a, func(mailstore.UpdateTx) error { return nil }), mailstore.ErrClosed, "update")
		e.is(e.s.View(e.ctx, a, func(mailstore.Tx) error { return nil }), mailstore.ErrClosed, "view")
		e.no(e.s.Close(), "close twice")
		e.open()
	}},
	{"survives a crash", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		for i := range 20 {
			e.append(a, box, e.mail("text"))
			if i == 10 {
				e.crash()
			}
		}
		e.crash()
		e.eq(e.box(a, "INBOX").Messages, 20, "messages")
	}},
}

func testPanic(e *env) {
	a := e.account()
	box := e.inbox(a)
	for _, write := range []bool{false, true} {
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			if write {
				if _, err := tx.Append(box, mailstore.NewMessage{EmailID: mailstore.NewID()}); err != nil {
					return err
				}
			}
			panic("of the test")
		})
		if err == nil {
			e.Fatal("panic was lost")
		}
	}
	e.eq(e.box(a, "INBOX").Messages, 0, "messages")
	e.fill(a, box, 1)
}

// testPanicInView: a panic of the caller's own goes on, as the value that it was,
// from fn as from the body of a loop; and the store serves on.
func testPanicInView(e *env) {
	a := e.account()
	box := e.inbox(a)
	e.fill(a, box, 2)
	var none []int
	all := mailstore.UIDSet{{Start: 1, Stop: 0}}
	for name, fn := range map[string]func(mailstore.Tx) error{
		"fn": func(mailstore.Tx) error { panic("of the test") },
		"a loop": func(tx mailstore.Tx) error {
			for range tx.Messages(box, all, mailstore.FieldMeta) {
				panic("of the test")
			}
			return nil
		},
		"the runtime": func(tx mailstore.Tx) error {
			for range tx.Messages(box, all, mailstore.FieldMeta) {
				none[len(none)] = 1
			}
			return nil
		},
	} {
		var got any
		err := func() error {
			defer func() { got = recover() }()
			return e.s.View(e.ctx, a, fn)
		}()
		if _, ofRuntime := got.(runtime.Error); err != nil || ofRuntime != (name == "the runtime") || !ofRuntime && got != "of the test" {
			e.Errorf("%s: panic %v, error %v", name, got, err)
		}
	}
	e.fill(a, box, 1)
}

// testQueuedContext ends the context of an Update that waits behind another.
func testQueuedContext(e *env) {
	a := e.account()
	started, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	first := make(chan error, 1)
	go func() {
		first <- e.s.Update(e.ctx, a, func(mailstore.UpdateTx) error {
			once.Do(func() { close(started) })
			<-release
			return nil
		})
	}()
	<-started
	ctx, cancel := context.WithCancel(e.ctx)
	second := make(chan error, 1)
	go func() {
		second <- e.s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			e.Error("an Update ran whose context had ended")
			return nil
		})
	}()
	cancel()
	err := <-second
	e.is(err, context.Canceled, "queued update")
	if errors.Is(err, mailstore.ErrMaybeCommitted) {
		e.Fatalf("queued update: %v", err)
	}
	close(release)
	e.no(<-first, "first update")
}

// testMaybeCommitted ends the context of an Update that runs, then repeats it.
func testMaybeCommitted(e *env) {
	a := e.account()
	box, m := e.inbox(a), e.mail("text")
	ctx, cancel := context.WithCancel(e.ctx)
	append1 := func(tx mailstore.UpdateTx) error {
		_, err := tx.Append(box, m)
		cancel()
		return err
	}
	err := e.s.Update(ctx, a, append1)
	if err != nil {
		e.is(err, mailstore.ErrMaybeCommitted, "update")
	}
	again := e.append(a, box, m)
	e.eq(again.UID, 1, "UID of the repetition")
	e.eq(e.box(a, "INBOX").Messages, 1, "messages")
}

// testFailuresAmongOthers runs failing, panicking and good Updates together:
// the good ones are kept once, the others not at all.
func testFailuresAmongOthers(e *env) {
	const workers, rounds = 8, 20
	accounts := []mailstore.ID{e.account(), e.account()}
	boxes := []mailstore.MailboxID{e.inbox(accounts[0]), e.inbox(accounts[1])}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range rounds {
				a := (w + i) % 2
				kind := (w + i/2) % 4
				m := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Prefix: []byte("x")}}
				err := e.s.Update(e.ctx, accounts[a], func(tx mailstore.UpdateTx) error {
					if kind == 1 {
						return errTest
					}
					if _, err := tx.Append(boxes[a], m); err != nil {
						return err
					}
					if kind == 2 {
						return errTest
					}
					if kind == 3 {
						panic("of the test")
					}
					return nil
				})
				if (err == nil) != (kind == 0) {
					e.Errorf("kind %d: %v", kind, err)
				}
			}
		}()
	}
	wg.Wait()
	total := 0
	for i, a := range accounts {
		n := int(e.box(a, "INBOX").Messages)
		total += n
		e.eq(len(e.messages(a, boxes[i], mailstore.FieldContent)), n, "messages of one account")
	}
	want := 0
	for w := range workers {
		for i := range rounds {
			if (w+i/2)%4 == 0 {
				want++
			}
		}
	}
	e.eq(total, want, "messages kept")
}

// soon waits for a channel, with a bound that only a failing test meets.
func soon[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("waited for nothing")
	}
	return v
}
