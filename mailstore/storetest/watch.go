package storetest

import (
	"gosbridge/mailstore"
)

var watchTests = []test{
	{"only what was touched", func(e *env) {
		a, b := e.account(), e.account()
		box, other := e.inbox(a), e.box(a, "Archive").ID
		w, elsewhere, every := e.s2.Watch(a, box), e.s2.Watch(a, other), e.s2.Watch(a)
		defer w.Close()
		defer elsewhere.Close()
		defer every.Close()
		m := e.mail("")
		e.append(a, box, m)
		soon(e.T, w.C())
		soon(e.T, every.C())
		e.flag(a, box, set(1), mailstore.FlagsAdd, mailstore.Seen)
		soon(e.T, w.C())
		soon(e.T, every.C())
		e.quiet(elsewhere.C(), "another mailbox")
		e.flag(a, box, set(1), mailstore.FlagsAdd, mailstore.Seen)
		e.append(a, box, m)
		e.quiet(w.C(), "nothing new")
		m = e.mail("")
		e.append(b, e.inbox(b), e.mail(""))
		e.quiet(w.C(), "another account")
		e.quiet(every.C(), "another account")
		_ = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			if _, err := tx.Append(box, m); err != nil {
				return err
			}
			return errTest
		})
		e.quiet(w.C(), "an Update that failed")
		e.update(a, func(tx mailstore.UpdateTx) error { _, err := tx.Move(box, set(1), other); return err })
		soon(e.T, w.C())
		soon(e.T, elsewhere.C())
		soon(e.T, every.C())
	}},
	{"coalesced", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		w := e.s2.Watch(a, box)
		defer w.Close()
		for range 10 {
			e.append(a, box, e.mail(""))
		}
		soon(e.T, w.C())
		e.quiet(w.C(), "what was told already")
		e.append(a, box, e.mail(""))
		soon(e.T, w.C())
	}},
	{"mailbox list", func(e *env) {
		a := e.account()
		w := e.s2.Watch(a, e.box(a, "Archive").ID)
		defer w.Close()
		m := e.create(a, "New")
		soon(e.T, w.C())
		e.update(a, func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(m.ID, "Newer") })
		soon(e.T, w.C())
		e.remove(a, m.ID)
		soon(e.T, w.C())
	}},
	{"set and close", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive").ID
		w := e.s2.Watch(a, box)
		w.Set(other)
		e.append(a, box, e.mail(""))
		e.quiet(w.C(), "what is not watched any more")
		e.append(a, other, e.mail(""))
		soon(e.T, w.C())
		w.Set()
		e.append(a, box, e.mail(""))
		soon(e.T, w.C())
		w.Close()
		e.append(a, box, e.mail(""))
		e.quiet(w.C(), "a closed watcher")
		w.Close()
	}},
	{"seen by a look after the hint", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		w := e.s2.Watch(a, box)
		defer w.Close()
		const n = 50
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range n {
				err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
					_, err := tx.Append(box, mailstore.NewMessage{EmailID: mailstore.NewID()})
					return err
				})
				if err != nil {
					e.Errorf("append: %v", err)
				}
			}
		}()
		for seen := uint32(0); seen < n && !e.Failed(); {
			soon(e.T, w.C())
			seen = e.box(a, "INBOX").Messages
		}
		<-done
	}},
}
