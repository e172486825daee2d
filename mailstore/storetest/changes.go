package storetest

import (
	"gosbridge/mailstore"
)

var changesTests = []test{
	{"what happened", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 10)
		since := e.box(a, "INBOX").HighestMod
		e.changes(a, box, since, "", "")
		e.flag(a, box, set(3), mailstore.FlagsAdd, mailstore.Seen)
		e.changes(a, box, since, "3", "")
		e.fill(a, box, 2)
		e.changes(a, box, since, "3,11:12", "")
		e.expunge(a, box, set(3, 5), false, "3,5")
		e.changes(a, box, since, "11:12", "3,5")
		e.flag(a, box, set(7, 8), mailstore.FlagsSet, mailstore.Answered)
		e.reopen()
		e.changes(a, box, since, "7:8,11:12", "3,5")
		e.changes(a, box, 0, "1:2,4,6:12", "")
		e.changes(a, box, e.box(a, "INBOX").HighestMod, "", "")
		e.changes(a, box, e.box(a, "INBOX").HighestMod+5, "", "")
		e.changes(a, box, ^mailstore.ModSeq(0), "", "")
	}},
	{"came and went between two looks", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 3)
		since := e.box(a, "INBOX").HighestMod
		e.fill(a, box, 3)
		middle := e.box(a, "INBOX").HighestMod
		e.expunge(a, box, set(1, 5), false, "1,5")
		e.changes(a, box, since, "4,6", "1")
		e.changes(a, box, middle, "", "1,5")
	}},
	{"several in one Update", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 5)
		since := e.box(a, "INBOX").HighestMod
		m := e.mail("")
		e.update(a, func(tx mailstore.UpdateTx) error {
			if _, err := tx.SetFlags(box, set(1, 2), mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen}); err != nil {
				return err
			}
			n, err := tx.Append(box, m)
			if err != nil {
				return err
			}
			_, err = tx.Expunge(box, set(2, 4, n.UID), false)
			return err
		})
		e.changes(a, box, since, "1", "2,4")
	}},
	{"other mailboxes", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive").ID
		since := e.box(a, "INBOX").HighestMod
		e.fill(a, other, 3)
		e.changes(a, box, since, "", "")
		e.eq(e.box(a, "INBOX").HighestMod, since, "HIGHESTMODSEQ of an untouched mailbox")
	}},
	{"below the floor", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 5)
		since := e.box(a, "INBOX").HighestMod
		e.flag(a, box, set(2), mailstore.FlagsAdd, mailstore.Flagged)
		last := since
		for i := range e.f.LogEntries + 50 {
			op := mailstore.FlagsAdd
			if i%2 == 1 {
				op = mailstore.FlagsRemove
			}
			last = e.box(a, "INBOX").HighestMod
			e.flag(a, box, set(1), op, mailstore.Seen)
		}
		e.view(a, func(tx mailstore.Tx) error {
			c, err := tx.Changes(box, since)
			if err != nil {
				return err
			}
			if c.Complete {
				if !c.Changed.Contains(2) || !c.Changed.Contains(1) {
					e.Errorf("complete, but changed %v", c.Changed)
				}
			} else if !c.Changed.Contains(1) {
				e.Errorf("what is still known is missing: %v", c.Changed)
			}
			if c, err = tx.Changes(box, last); err == nil && (!c.Complete || c.Changed.String() != "1") {
				e.Errorf("since the last but one: %+v", c)
			}
			return err
		})
	}},
}

// changes expects what happened since a modseq.
func (e *env) changes(a mailstore.ID, box mailstore.MailboxID, since mailstore.ModSeq, changed, vanished string) {
	e.Helper()
	e.view(a, func(tx mailstore.Tx) error {
		c, err := tx.Changes(box, since)
		if err != nil {
			return err
		}
		m, err := tx.Mailbox(box)
		if err != nil {
			return err
		}
		if c.Changed.String() != changed || c.Vanished.String() != vanished || !c.Complete || c.HighestMod != m.HighestMod {
			e.Fatalf("changes since %d: %+v, want %q and %q", since, c, changed, vanished)
		}
		return nil
	})
}
