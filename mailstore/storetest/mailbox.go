package storetest

import (
	"fmt"
	"strings"

	"gosbridge/mailstore"
)

var mailboxTests = []test{
	{"of a new account", func(e *env) {
		a := e.account()
		e.view(a, func(tx mailstore.Tx) error {
			list, err := tx.Mailboxes()
			if err != nil {
				return err
			}
			e.eq(names(list), "INBOX Archive Sent", "names")
			for _, m := range list {
				if m.UIDNext != 1 || m.HighestMod < 1 || m.UIDValidity == 0 || m.Messages != 0 {
					e.Errorf("new mailbox: %+v", m)
				}
			}
			sent, err := tx.MailboxByRole(mailstore.RoleSent)
			e.eq(sent.Name, "Sent", "by role")
			if err != nil {
				return err
			}
			in, err := tx.MailboxByRole(mailstore.RoleInbox)
			e.eq(in.Name, "INBOX", "by role")
			if err != nil {
				return err
			}
			_, err = tx.MailboxByRole(mailstore.RoleJunk)
			e.is(err, mailstore.ErrNoMailbox, "by absent role")
			lower, err := tx.MailboxByName("inbox")
			e.eq(lower.ID, in.ID, "INBOX in another case")
			if err != nil {
				return err
			}
			_, err = tx.MailboxByName("sent")
			e.is(err, mailstore.ErrNoMailbox, "other names have a case")
			_, err = tx.Mailbox(99)
			e.is(err, mailstore.ErrNoMailbox, "absent ID")
			return nil
		})
	}},
	{"create", func(e *env) {
		a := e.account()
		m := e.create(a, "Дела/2026/Март")
		e.eq(m.Name, "Дела/2026/Март", "name")
		e.eq(e.box(a, "Дела/2026").NoSelect, false, "level above")
		for _, name := range []string{"Дела/2026/Март", "Дела", "INBOX", "inBox"} {
			e.refused(a, name, mailstore.ErrExists)
		}
		for _, name := range []string{"", "/", "a//b", "/a", "a/", "a\x00b", "a\r\nb", "\xff"} {
			e.refused(a, name, mailstore.ErrReadOnly)
		}
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.CreateMailbox("Another", mailstore.RoleSent)
			return err
		})
		e.is(err, mailstore.ErrExists, "second mailbox of a role")
		// U+0438 U+0306 is й written as two code points.
		e.create(a, "Черновой")
		e.eq(e.box(a, "Черново\u0438\u0306").Name, "Черновой", "found by another composition")
	}},
	{"delete", func(e *env) {
		a := e.account()
		old := e.create(a, "Work")
		e.fill(a, old.ID, 3)
		e.remove(a, old.ID)
		e.view(a, func(tx mailstore.Tx) error {
			_, err := tx.MailboxByName("Work")
			e.is(err, mailstore.ErrNoMailbox, "by name")
			_, err = tx.Mailbox(old.ID)
			e.is(err, mailstore.ErrNoMailbox, "by ID")
			_, err = tx.UIDs(old.ID)
			e.is(err, mailstore.ErrNoMailbox, "UIDs")
			_, err = tx.Changes(old.ID, 0)
			e.is(err, mailstore.ErrNoMailbox, "changes")
			u, err := tx.Usage()
			e.eq(u.Messages, 0, "usage")
			return err
		})
		for range 3 {
			m := e.create(a, "Work")
			if m.UIDValidity <= old.UIDValidity || m.ID == old.ID {
				e.Fatalf("made again: %+v after %+v", m, old)
			}
			e.eq(m.Messages, 0, "messages")
			e.remove(a, m.ID)
			old = m
			e.reopen()
		}
		for _, name := range []string{"INBOX", "Sent"} {
			err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
				m, err := tx.MailboxByName(name)
				if err != nil {
					return err
				}
				return tx.DeleteMailbox(m.ID)
			})
			e.is(err, mailstore.ErrReadOnly, "delete "+name)
		}
		// A role that does not last goes with its mailbox, and may come back.
		e.create(a, "Archive/Old")
		e.remove(a, e.box(a, "Archive").ID)
		e.eq([]any{e.box(a, "Archive").NoSelect, e.box(a, "Archive").Role}, []any{true, mailstore.Role("")}, "archive")
		e.update(a, func(tx mailstore.UpdateTx) error {
			_, err := tx.CreateMailbox("Elsewhere", mailstore.RoleArchive)
			return err
		})
		e.reopen()
		e.view(a, func(tx mailstore.Tx) error {
			m, err := tx.MailboxByRole(mailstore.RoleArchive)
			e.eq(m.Name, "Elsewhere", "archive")
			return err
		})
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(99) })
		e.is(err, mailstore.ErrNoMailbox, "delete absent")
	}},
	{"delete with children", func(e *env) {
		a := e.account()
		parent := e.create(a, "Parent")
		e.create(a, "Parent/Child")
		e.fill(a, parent.ID, 2)
		e.remove(a, parent.ID)
		stays := e.box(a, "Parent")
		if !stays.NoSelect || stays.Messages != 0 {
			e.Fatalf("parent: %+v", stays)
		}
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Append(stays.ID, mailstore.NewMessage{EmailID: mailstore.NewID()})
			return err
		})
		e.is(err, mailstore.ErrNoMailbox, "append to a name without mailbox")
		again := e.create(a, "Parent")
		if again.NoSelect || again.UIDValidity <= parent.UIDValidity {
			e.Fatalf("made again: %+v after %+v", again, parent)
		}
		e.fill(a, again.ID, 1)
	}},
	{"rename", func(e *env) {
		a := e.account()
		work := e.create(a, "Work")
		e.create(a, "Work/A")
		e.create(a, "Workshop")
		e.fill(a, work.ID, 2)
		e.update(a, func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(work.ID, "Old/Job") })
		e.view(a, func(tx mailstore.Tx) error {
			list, err := tx.Mailboxes()
			e.eq(names(list), "INBOX Archive Old Old/Job Old/Job/A Sent Workshop", "names")
			return err
		})
		now := e.box(a, "Old/Job")
		e.eq(now.ID, work.ID, "ID")
		e.eq(now.Messages, 2, "messages")
		for name, want := range map[string]error{
			"Sent": mailstore.ErrExists, "Old/Job": mailstore.ErrExists, "INBOX": mailstore.ErrExists,
			"Old/Job/B": mailstore.ErrReadOnly, "": mailstore.ErrReadOnly,
		} {
			err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(work.ID, name) })
			e.is(err, want, fmt.Sprintf("rename to %q", name))
		}
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(99, "New") })
		e.is(err, mailstore.ErrNoMailbox, "rename absent")
	}},
	{"rename INBOX", func(e *env) {
		a := e.account()
		in := e.box(a, "INBOX")
		child := e.create(a, "INBOX/Child")
		e.fill(a, in.ID, 5)
		e.update(a, func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(in.ID, "Old") })
		e.eq(e.box(a, "INBOX").Messages, 0, "messages in INBOX")
		old := e.box(a, "Old")
		e.eq(old.Messages, 5, "messages in the new mailbox")
		e.eq(old.Role, "", "role of the new mailbox")
		e.eq(e.box(a, "INBOX").Role, mailstore.RoleInbox, "role of INBOX")
		e.eq(e.box(a, "INBOX/Child").ID, child.ID, "child of INBOX stays")
		if next := e.append(a, e.inbox(a), e.mail("")); e.box(a, "INBOX").UIDValidity == in.UIDValidity && next.UID <= 5 {
			e.Fatalf("UID %d of INBOX used again", next.UID)
		}
	}},
	{"subscribe", func(e *env) {
		a := e.account()
		id := e.create(a, "List").ID
		e.eq(e.box(a, "List").Subscribed, false, "at first")
		for _, on := range []bool{true, true, false} {
			e.update(a, func(tx mailstore.UpdateTx) error { return tx.Subscribe(id, on) })
			e.reopen()
			e.eq(e.box(a, "List").Subscribed, on, "subscribed")
		}
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.Subscribe(99, true) })
		e.is(err, mailstore.ErrNoMailbox, "subscribe absent")
	}},
	{"limit", func(e *env) {
		a := e.account()
		var made int
		var err error
		for made = 0; err == nil && made < 200; made++ {
			err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
				for i := range 100 {
					if _, err := tx.CreateMailbox(fmt.Sprintf("M%d-%d", made, i), ""); err != nil {
						return err
					}
				}
				return nil
			})
		}
		e.is(err, mailstore.ErrLimit, "ever more mailboxes")
	}},
	{"delete a large one", func(e *env) {
		a := e.account()
		big := e.create(a, "Big")
		m := e.mail("shared text")
		e.append(a, big.ID, m)
		e.fill(a, big.ID, 2500)
		e.remove(a, big.ID)
		e.view(a, func(tx mailstore.Tx) error {
			where, err := tx.ByEmailID(m.EmailID)
			e.eq(len(where), 0, "places of a deleted message")
			return err
		})
		e.crash()
		e.verify()
		e.eq(e.append(a, e.inbox(a), m).Repeat, true, "repetition of a deleted message")
	}},
}

// refused expects that a name cannot be created.
func (e *env) refused(a mailstore.ID, name string, want error) {
	e.Helper()
	err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
		_, err := tx.CreateMailbox(name, "")
		return err
	})
	e.is(err, want, fmt.Sprintf("create %q", name))
}

// remove deletes a mailbox.
func (e *env) remove(a mailstore.ID, box mailstore.MailboxID) {
	e.Helper()
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(box) })
}

func names(list []mailstore.Mailbox) string {
	var n []string
	for _, m := range list {
		n = append(n, m.Name)
	}
	return strings.Join(n, " ")
}
