package storetest

import (
	"gosbridge/mailstore"
)

var copyTests = []test{
	{"copy", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive")
		m := e.mail("Текст")
		m.LetterID = mailstore.NewID()
		m.Flags, m.Keywords = mailstore.Flagged, []string{"Letter-Sent"}
		e.append(a, box, m)
		e.fill(a, box, 2)
		e.fill(a, other.ID, 4)
		c := e.copy(a, box, set(1, 3, 77), other.ID)
		e.eq([]any{c.UIDValidity, c.Source, c.Dest}, []any{other.UIDValidity, []int{1, 3}, []int{5, 6}}, "copied")
		from, to := e.messages(a, box, 7)[0], e.messages(a, other.ID, 7)[4]
		e.eq([]any{to.EmailID, to.LetterID, to.Flags, to.Keywords, to.Received, to.Size, string(to.Summary)},
			[]any{from.EmailID, from.LetterID, from.Flags, from.Keywords, from.Received, from.Size, string(from.Summary)}, "the copy")
		text, err := e.read(to.Content, 0)
		e.no(err, "read the copy")
		e.eq(text, string(m.Content.Prefix)+"Текст", "octets of the copy")
		e.eq(e.box(a, "INBOX").Messages, 3, "messages left")
		e.expunge(a, box, all(), false, "1:3")
		text, err = e.read(e.messages(a, other.ID, 7)[4].Content, 0)
		e.no(err, "read the copy after the original went")
		e.eq(text, string(m.Content.Prefix)+"Текст", "octets of the copy")
	}},
	{"move", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive")
		e.fill(a, box, 5)
		since := e.box(a, "INBOX").HighestMod
		var c mailstore.Copied
		e.update(a, func(tx mailstore.UpdateTx) (err error) {
			c, err = tx.Move(box, set(2, 4), other.ID)
			return err
		})
		e.eq([]any{c.Source, c.Dest}, []any{[]int{2, 4}, []int{1, 2}}, "moved")
		e.eq(e.box(a, "INBOX").Messages, 3, "messages left")
		e.eq(e.box(a, "Archive").Messages, 2, "messages there")
		e.view(a, func(tx mailstore.Tx) error {
			left, err := tx.Changes(box, since)
			if err != nil {
				return err
			}
			came, err := tx.Changes(other.ID, since)
			e.eq([]any{left.Changed, left.Vanished, came.Changed, came.Vanished}, []any{"", "2,4", "1:2", ""}, "changes")
			return err
		})
	}},
	{"within one mailbox", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 2)
		c := e.copy(a, box, set(1), box)
		e.eq(c.Dest, []int{3}, "copied")
		e.update(a, func(tx mailstore.UpdateTx) (err error) {
			c, err = tx.Move(box, set(1, 2), box)
			return err
		})
		e.eq(c.Dest, []int{4, 5}, "moved")
		e.view(a, func(tx mailstore.Tx) error {
			uids, err := tx.UIDs(box)
			e.eq(uids, []int{3, 4, 5}, "UIDs")
			return err
		})
	}},
	{"no mailbox", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 1)
		for _, pair := range [][2]mailstore.MailboxID{{box, 99}, {99, box}} {
			for _, move := range []bool{false, true} {
				err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
					var err error
					if move {
						_, err = tx.Move(pair[0], all(), pair[1])
					} else {
						_, err = tx.Copy(pair[0], all(), pair[1])
					}
					return err
				})
				e.is(err, mailstore.ErrNoMailbox, "copy or move")
			}
		}
		e.eq(e.box(a, "INBOX").Messages, 1, "messages")
	}},
	{"limit", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive").ID
		e.fill(a, box, 2600)
		e.copy(a, box, all(), box)
		e.copy(a, box, all(), box) // 10,400
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Copy(box, all(), other)
			return err
		})
		e.is(err, mailstore.ErrTooLarge, "copy")
		err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Move(box, all(), other)
			return err
		})
		e.is(err, mailstore.ErrTooLarge, "move")
	}},
}

// copy copies messages.
func (e *env) copy(a mailstore.ID, src mailstore.MailboxID, uids mailstore.UIDSet, dst mailstore.MailboxID) (c mailstore.Copied) {
	e.Helper()
	e.update(a, func(tx mailstore.UpdateTx) (err error) {
		c, err = tx.Copy(src, uids, dst)
		return err
	})
	return c
}
