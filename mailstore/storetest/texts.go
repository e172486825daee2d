package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gosbridge/mailstore"
)

var textTests = []test{
	{"kept and scanned", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 5)
		e.eq(len(e.lacking(a, 100)), 5, "rows without text")
		e.eq(len(e.lacking(a, 3)), 3, "rows without text, limited")
		lacking := e.lacking(a, 100)
		e.no(e.s.Texts().Put(e.ctx, texts(a, lacking[1:4])), "put")
		e.eq(uidsOf(e.lacking(a, 100)), []mailstore.UID{1, 5}, "rows still without text")
		e.scanned(a, box, set(1, 2, 3, 4, 5), lacking[1:4])
		e.scanned(a, box, set(1, 3, 5), lacking[2:3])
		e.scanned(a, box, set(5), nil)
		e.scanned(a, box, set(4, 2), []mailstore.Lacking{lacking[1], lacking[3]})
		for _, part := range []mailstore.TextParts{mailstore.TextHead, mailstore.TextBody} {
			for text, err := range e.s2.Texts().Scan(e.ctx, a, box, set(2), part) {
				e.no(err, "scan")
				e.eq(text.Head != nil, part == mailstore.TextHead, "head loaded")
				e.eq(text.Body != nil, part == mailstore.TextBody, "body loaded")
			}
		}
		for range e.s.Texts().Scan(e.ctx, a, box, set(2, 3), mailstore.TextHead) {
			break
		}
		e.reopen()
		e.scanned(a, box, set(1, 2, 3, 4, 5), lacking[1:4])
	}},
	{"repetition and strangers", func(e *env) {
		a, b := e.account(), e.account()
		box := e.inbox(a)
		e.fill(a, box, 2)
		lacking := e.lacking(a, 100)
		first := texts(a, lacking)
		e.no(e.s.Texts().Put(e.ctx, first), "put")
		other := texts(a, lacking)
		other[0].Head, other[1].Body = []byte("other"), []byte("other")
		e.no(e.s.Texts().Put(e.ctx, other), "put again")
		e.scanned(a, box, set(1, 2), lacking)
		e.no(e.s.Texts().Put(e.ctx, texts(b, lacking)), "put for an account without these messages")
		e.no(e.s.Texts().Put(e.ctx, texts(mailstore.NewID(), lacking)), "put for no account")
		e.scanned(b, e.inbox(b), set(1, 2), nil)
		_, err := e.s.Texts().Settle(e.ctx, mailstore.NewID(), 1)
		e.is(err, mailstore.ErrNoAccount, "settle no account")
		for _, err = range e.s.Texts().Scan(e.ctx, mailstore.NewID(), 1, set(1), mailstore.TextHead) {
			break
		}
		e.is(err, mailstore.ErrNoAccount, "scan no account")
	}},
	{"copies and moves share", func(e *env) {
		a := e.account()
		box, archive := e.inbox(a), e.box(a, "Archive").ID
		e.fill(a, box, 4)
		lacking := e.lacking(a, 100)
		e.no(e.s.Texts().Put(e.ctx, texts(a, lacking)), "put")
		e.update(a, func(tx mailstore.UpdateTx) error {
			if _, err := tx.Copy(box, set(1, 2), archive); err != nil {
				return err
			}
			_, err := tx.Move(box, set(3), archive)
			return err
		})
		e.eq(len(e.lacking(a, 100)), 0, "rows without text")
		e.scanned(a, box, set(1, 2, 4), []mailstore.Lacking{lacking[0], lacking[1], lacking[3]})
		e.scanned(a, archive, set(1, 2, 3), lacking[:3])
		e.update(a, func(tx mailstore.UpdateTx) error { _, err := tx.Expunge(box, all(), false); return err })
		e.eq(len(e.lacking(a, 100)), 0, "rows without text")
		e.scanned(a, archive, set(1, 2, 3), lacking[:3])
	}},
	{"forgotten with the last row", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		other := e.create(a, "Other")
		m, n := e.mail(""), e.mail("")
		e.append(a, box, m)
		e.append(a, other.ID, n)
		lacking := e.lacking(a, 100)
		e.no(e.s.Texts().Put(e.ctx, texts(a, lacking)), "put")
		e.update(a, func(tx mailstore.UpdateTx) error {
			if _, err := tx.Expunge(box, all(), false); err != nil {
				return err
			}
			return tx.DeleteMailbox(other.ID)
		})
		e.no(e.s.Texts().Put(e.ctx, texts(a, lacking)), "put for messages that are gone")
		e.eq(len(e.lacking(a, 100)), 0, "rows without text")
		// Once the IDs are not remembered any more, the same ones are new messages.
		e.clock.advance(2 * mailstore.RepeatWindow)
		_, err := e.s.Sweep(e.ctx, time.Hour)
		e.no(err, "sweep")
		e.eq(e.append(a, box, m).Repeat, false, "repetition")
		e.eq(len(e.lacking(a, 100)), 1, "rows without text")
	}},
	{"behind", testBehind},
	{"dropped and made anew", func(e *env) {
		a, b := e.account(), e.account()
		box := e.inbox(a)
		e.fill(a, box, 3)
		e.fill(b, e.inbox(b), 1)
		lacking, others := e.lacking(a, 100), e.lacking(b, 100)
		e.no(e.s.Texts().Put(e.ctx, append(texts(a, lacking), texts(b, others)...)), "put")
		e.behind()
		e.no(e.s.Texts().Drop(e.ctx, a), "drop")
		e.eq(e.behind(), []mailstore.ID{a}, "behind")
		e.scanned(a, box, set(1, 2, 3), nil)
		e.scanned(b, e.inbox(b), set(1), others)
		e.eq(e.lacking(a, 100), lacking, "rows without text")
		e.no(e.s.Texts().Put(e.ctx, texts(a, lacking)), "put")
		e.scanned(a, box, set(1, 2, 3), lacking)
	}},
	{"after a crash", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 3)
		lacking := e.lacking(a, 100)
		e.no(e.s.Texts().Put(e.ctx, texts(a, lacking[:2])), "put")
		e.crash()
		e.catchUp(a)
		e.scanned(a, box, set(1, 2, 3), lacking)
	}},
	{"beside changes", testTextsBeside},
	{"random 1", func(e *env) { testTextHistory(e, 1) }},
	{"random 2", func(e *env) { testTextHistory(e, 2) }},
}

func (e *env) lacking(a mailstore.ID, limit int) []mailstore.Lacking {
	e.Helper()
	list, err := e.s.Texts().Settle(e.ctx, a, limit)
	e.no(err, "settle")
	return list
}

func uidsOf(list []mailstore.Lacking) (uids []mailstore.UID) {
	for _, l := range list {
		uids = append(uids, l.UID)
	}
	return uids
}

// texts are what the tests keep of messages: it names them.
func texts(a mailstore.ID, of []mailstore.Lacking) (list []mailstore.Text) {
	for _, l := range of {
		list = append(list, mailstore.Text{Account: a, EmailID: l.EmailID, Head: []byte("head of " + l.EmailID.String()), Body: []byte("body of " + l.EmailID.String())})
	}
	return list
}

// scanned fails the test unless the texts of a set are those of these messages.
func (e *env) scanned(a mailstore.ID, box mailstore.MailboxID, in mailstore.UIDSet, want []mailstore.Lacking) {
	e.Helper()
	var got []string
	var last mailstore.UID
	for text, err := range e.s2.Texts().Scan(e.ctx, a, box, in, mailstore.TextHead|mailstore.TextBody) {
		e.no(err, "scan")
		if text.UID <= last {
			e.Fatalf("UID %d after %d", text.UID, last)
		}
		last = text.UID
		got = append(got, fmt.Sprintf("%s, %s", text.Head, text.Body))
	}
	var texts []string
	for _, l := range want {
		texts = append(texts, fmt.Sprintf("head of %s, body of %s", l.EmailID, l.EmailID))
	}
	e.eq(got, texts, "texts")
}

// behind takes the accounts that are behind, which there must be.
func (e *env) behind() []mailstore.ID {
	e.Helper()
	list, err := e.s.Texts().Behind(e.ctx)
	e.no(err, "behind")
	return list
}

// catchUp puts what an account lacks.
func (e *env) catchUp(a mailstore.ID) {
	e.Helper()
	for range 1000 {
		lacking := e.lacking(a, 7)
		if len(lacking) == 0 {
			return
		}
		e.no(e.s.Texts().Put(e.ctx, texts(a, lacking)), "put")
	}
	e.Fatal("an account that is never caught up")
}

func testBehind(e *env) {
	a, b := e.account(), e.account()
	e.eq(len(e.behind()), 2, "accounts behind after opening")
	box := e.inbox(a)
	e.fill(a, box, 1)
	e.eq(e.behind(), []mailstore.ID{a}, "behind after an append")
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := e.s.Texts().Behind(ctx)
	e.is(err, context.Canceled, "behind without a commit")
	got := make(chan []mailstore.ID)
	go func() {
		list, err := e.s.Texts().Behind(e.ctx)
		if err != nil {
			e.Error(err)
		}
		got <- list
	}()
	e.fill(b, e.inbox(b), 1)
	e.eq(<-got, []mailstore.ID{b}, "behind while it waits")
	e.reopen()
	e.eq(len(e.behind()), 2, "accounts behind after opening again")
	closed := make(chan error)
	go func() {
		_, err := e.s.Texts().Behind(e.ctx)
		closed <- err
	}()
	e.close()
	e.is(<-closed, mailstore.ErrClosed, "behind a closed store")
	e.open()
}

// testTextsBeside puts, settles and scans while messages come and go: no text
// is ever given for another message, and at the end all have theirs.
func testTextsBeside(e *env) {
	a := e.account()
	box, archive := e.inbox(a), e.box(a, "Archive").ID
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for {
				list, err := e.s.Texts().Settle(e.ctx, a, 5)
				if err == nil {
					err = e.s2.Texts().Put(e.ctx, texts(a, list))
				}
				if err != nil {
					e.Errorf("settle and put: %v", err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		}()
		go func() {
			defer wg.Done()
			for {
				e.right(a, box)
				e.right(a, archive)
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	for i := range 60 {
		m := e.mail("")
		e.update(a, func(tx mailstore.UpdateTx) error {
			got, err := tx.Append(box, m)
			if err != nil {
				return err
			}
			switch i % 4 {
			case 1:
				_, err = tx.Copy(box, set(got.UID-1), archive)
			case 2:
				_, err = tx.Move(box, set(got.UID-1), archive)
			case 3:
				_, err = tx.Expunge(archive, all(), false)
			}
			return err
		})
	}
	close(done)
	wg.Wait()
	e.catchUp(a)
	e.complete(a, box)
	e.complete(a, archive)
}

// right fails the test when a text is not that of its message.
func (e *env) right(a mailstore.ID, box mailstore.MailboxID) (texts int) {
	ids := map[mailstore.UID]mailstore.ID{}
	err := e.s2.View(e.ctx, a, func(tx mailstore.Tx) error {
		for m, err := range tx.Messages(box, all(), mailstore.FieldMeta) {
			if err != nil {
				return err
			}
			ids[m.UID] = m.EmailID
		}
		return nil
	})
	if err != nil {
		e.Errorf("view: %v", err)
	}
	var in mailstore.UIDSet
	for uid := range ids {
		in.AddNum(uid)
	}
	for text, err := range e.s2.Texts().Scan(e.ctx, a, box, in, mailstore.TextHead|mailstore.TextBody) {
		if err != nil {
			e.Errorf("scan: %v", err)
			return texts
		}
		if want := "head of " + ids[text.UID].String(); string(text.Head) != want {
			e.Errorf("UID %d has %q, want %q", text.UID, text.Head, want)
		}
		texts++
	}
	return texts
}

// complete fails the test unless every message of a mailbox has its text.
func (e *env) complete(a mailstore.ID, box mailstore.MailboxID) {
	e.Helper()
	e.eq(e.right(a, box), len(e.messages(a, box, 0)), "texts")
}

// testTextHistory settles now and then in a random history, crashes, and looks
// at every mailbox.
func testTextHistory(e *env, seed uint64) {
	a := e.account()
	rnd := rand.New(rand.NewPCG(seed, 1))
	boxes := []mailstore.MailboxID{e.inbox(a), e.box(a, "Sent").ID, e.box(a, "Archive").ID}
	for step := range 300 {
		i := rnd.IntN(3)
		src, dst := boxes[i], boxes[(i+1+rnd.IntN(2))%3]
		var some mailstore.UIDSet
		from := mailstore.UID(1 + rnd.IntN(40))
		some.AddRange(from, from+mailstore.UID(rnd.IntN(8)))
		m := e.mail("")
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) (err error) {
			switch rnd.IntN(6) {
			case 0, 1:
				_, err = tx.Append(src, m)
			case 2:
				_, err = tx.Copy(src, some, dst)
			case 3:
				_, err = tx.Move(src, some, dst)
			case 4:
				_, err = tx.Expunge(src, some, false)
			case 5:
				_, err = tx.SetFlags(src, some, mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen})
			}
			return err
		})
		if err != nil && !errors.Is(err, mailstore.ErrNoMailbox) {
			e.Fatalf("step %d: %v", step, err)
		}
		if rnd.IntN(40) == 0 {
			e.no(e.s.Texts().Put(e.ctx, texts(a, e.lacking(a, 5))), "put")
		}
		if step%90 == 89 {
			e.crash()
		}
		if step == 150 {
			extra := e.create(a, "Extra")
			e.update(a, func(tx mailstore.UpdateTx) error { _, err := tx.Move(src, all(), extra.ID); return err })
			e.catchUp(a)
			e.update(a, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(extra.ID) })
		}
		if step%75 == 74 {
			for _, box := range boxes {
				e.right(a, box)
			}
			e.catchUp(a)
			for _, box := range boxes {
				e.complete(a, box)
			}
		}
	}
	e.catchUp(a)
}
