package storetest

import (
	"fmt"
	"slices"
	"time"

	"gosbridge/mailstore"
)

var keepTests = []test{
	{"records", testKeptRecords},
	{"held", testHeld},
	{"every way out ends in the vault", testWaysIntoVault},
	{"a deleted mailbox of many", testVaultOfDeletedMailbox},
	{"restore", testRestore},
	{"unkeep destroys", testUnkeep},
	{"a crash", func(e *env) {
		a := e.account()
		m := e.kept(a, "INBOX", e.clock.Now())
		e.expungeAll(a, e.inbox(a))
		e.crash()
		e.eq(e.vault(a), []mailstore.ID{m.EmailID}, "vault after a crash")
	}},
}

// kept appends a letter that is kept until a time.
func (e *env) kept(a mailstore.ID, box string, until time.Time) mailstore.NewMessage {
	e.Helper()
	m := e.mail("text of " + box)
	m.LetterID, m.Keys = mailstore.NewID(), []string{"key"}
	m.Flags, m.Keywords = mailstore.Seen|mailstore.Deleted, []string{"Letter-Opened"}
	id := e.box(a, box).ID
	e.update(a, func(tx mailstore.UpdateTx) error {
		if err := tx.Keep(mailstore.Kept{EmailID: m.EmailID, LetterID: m.LetterID, Until: until}); err != nil {
			return err
		}
		_, err := tx.Append(id, m)
		return err
	})
	return m
}

func (e *env) expungeAll(a mailstore.ID, box mailstore.MailboxID) {
	e.Helper()
	e.update(a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Expunge(box, all(), false)
		return err
	})
}

// vault are the EmailIDs of what the vault has.
func (e *env) vault(a mailstore.ID) (ids []mailstore.ID) {
	e.Helper()
	e.view(a, func(tx mailstore.Tx) error {
		ids = []mailstore.ID{}
		for m, err := range tx.Vault(0) {
			if err != nil {
				return err
			}
			ids = append(ids, m.EmailID)
		}
		return nil
	})
	return ids
}

// until are the EmailIDs of what is kept up to a time.
func (e *env) until(a mailstore.ID, limit time.Time) (ids []mailstore.ID) {
	e.Helper()
	e.view(a, func(tx mailstore.Tx) error {
		ids = []mailstore.ID{}
		for k, err := range tx.KeptUntil(limit) {
			if err != nil {
				return err
			}
			ids = append(ids, k.EmailID)
		}
		return nil
	})
	return ids
}

func (e *env) keep(a mailstore.ID, k mailstore.Kept) {
	e.Helper()
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.Keep(k) })
}

func testKeptRecords(e *env) {
	a, b := e.account(), e.account()
	start := e.clock.Now()
	var ids []mailstore.ID
	for i := range 4 {
		k := mailstore.Kept{EmailID: mailstore.NewID(), LetterID: mailstore.NewID(), Until: start.Add(time.Duration(4-i) * time.Hour)}
		ids = append(ids, k.EmailID)
		e.keep(a, k)
	}
	e.eq(e.until(a, start.Add(3*time.Hour)), []mailstore.ID{ids[3], ids[2], ids[1]}, "the earliest first, the limit included")
	e.eq(e.until(b, start.Add(9*time.Hour)), []mailstore.ID{}, "of another account")
	changed := mailstore.Kept{EmailID: ids[3], LetterID: ids[0], Until: start.Add(90 * time.Hour), Warned: start}
	e.keep(a, changed)
	e.reopen()
	e.eq(e.until(a, start.Add(3*time.Hour)), []mailstore.ID{ids[2], ids[1]}, "after the term of one was changed")
	e.view(a, func(tx mailstore.Tx) error {
		got, err := tx.Kept(ids[3])
		e.eq([]any{got.LetterID, got.Until.Equal(changed.Until), got.Warned.Equal(start), got.Held}, []any{ids[0], true, true, false}, "kept")
		return err
	})
	e.update(a, func(tx mailstore.UpdateTx) error { // who walks may change what comes
		n := 0
		for k, err := range tx.KeptUntil(start.Add(9 * time.Hour)) {
			if err != nil {
				return err
			}
			k.Until = time.Time{}
			if err := tx.Keep(k); err != nil {
				return err
			}
			n++
		}
		e.eq(n, 3, "walked while changing")
		return nil
	})
	e.eq(e.until(a, start.Add(900*time.Hour)), []mailstore.ID{ids[3]}, "those without an end")
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.Unkeep(ids[3]) })
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.Unkeep(ids[3]) })
	e.view(a, func(tx mailstore.Tx) error {
		_, err := tx.Kept(ids[3])
		e.is(err, mailstore.ErrNotKept, "after Unkeep")
		return nil
	})
}

func testHeld(e *env) {
	a := e.account()
	m := e.kept(a, "INBOX", e.clock.Now())
	unkeep := func() error {
		return e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.Unkeep(m.EmailID) })
	}
	hold := func(letter, account bool) {
		e.Helper()
		e.update(a, func(tx mailstore.UpdateTx) error {
			k, err := tx.Kept(m.EmailID)
			if err != nil {
				return err
			}
			owner, err := tx.Account()
			if err != nil {
				return err
			}
			k.Held, owner.Held = letter, account
			if err := tx.PutAccount(owner); err != nil {
				return err
			}
			return tx.Keep(k)
		})
	}
	hold(true, false)
	e.is(unkeep(), mailstore.ErrHeld, "unkeep a held letter")
	e.eq(len(e.until(a, e.clock.Now())), 0, "a held letter at the end of its term")
	e.expungeAll(a, e.inbox(a))
	e.is(unkeep(), mailstore.ErrHeld, "unkeep a held letter in the vault")
	restore := func() error {
		return e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Restore(m.EmailID, 1)
			return err
		})
	}
	e.is(restore(), mailstore.ErrHeld, "restore a held letter")
	hold(false, true)
	e.reopen()
	e.is(restore(), mailstore.ErrHeld, "restore in a held account")
	e.is(unkeep(), mailstore.ErrHeld, "unkeep in a held account")
	e.view(a, func(tx mailstore.Tx) error {
		owner, err := tx.Account()
		e.eq([]any{owner.Held, owner.Disabled}, []any{true, false}, "account")
		return err
	})
	e.eq(e.vault(a), []mailstore.ID{m.EmailID}, "vault of a held account")
	hold(false, false)
	e.no(unkeep(), "unkeep what is released")
	e.eq(len(e.vault(a)), 0, "vault after all")
}

// testWaysIntoVault takes the last row away in every way that there is, and
// checks that no other way puts anything there.
func testWaysIntoVault(e *env) {
	for _, tc := range []struct {
		name string
		want int // messages in the vault of the one that is kept
		do   func(tx mailstore.UpdateTx, box, other mailstore.MailboxID) error
	}{
		{"expunge", 1, func(tx mailstore.UpdateTx, box, _ mailstore.MailboxID) error {
			_, err := tx.Expunge(box, all(), false)
			return err
		}},
		{"expunge of what is flagged", 1, func(tx mailstore.UpdateTx, box, _ mailstore.MailboxID) error {
			if _, err := tx.SetFlags(box, all(), mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Deleted}); err != nil {
				return err
			}
			_, err := tx.Expunge(box, all(), true)
			return err
		}},
		{"move", 0, func(tx mailstore.UpdateTx, box, other mailstore.MailboxID) error {
			_, err := tx.Move(box, all(), other)
			return err
		}},
		{"move to the same mailbox", 0, func(tx mailstore.UpdateTx, box, _ mailstore.MailboxID) error {
			_, err := tx.Move(box, all(), box)
			return err
		}},
		{"copy, then expunge of the first", 0, func(tx mailstore.UpdateTx, box, other mailstore.MailboxID) error {
			if _, err := tx.Copy(box, all(), other); err != nil {
				return err
			}
			_, err := tx.Expunge(box, all(), false)
			return err
		}},
		{"copy, then expunge of both", 1, func(tx mailstore.UpdateTx, box, other mailstore.MailboxID) error {
			if _, err := tx.Copy(box, all(), other); err != nil {
				return err
			}
			if _, err := tx.Expunge(box, all(), false); err != nil {
				return err
			}
			_, err := tx.Expunge(other, all(), false)
			return err
		}},
		{"deletion of the mailbox", 1, func(tx mailstore.UpdateTx, box, _ mailstore.MailboxID) error { return tx.DeleteMailbox(box) }},
		{"copy, then deletion of the mailbox", 0, func(tx mailstore.UpdateTx, box, other mailstore.MailboxID) error {
			if _, err := tx.Copy(box, all(), other); err != nil {
				return err
			}
			return tx.DeleteMailbox(box)
		}},
		{"renaming", 0, func(tx mailstore.UpdateTx, box, _ mailstore.MailboxID) error { return tx.RenameMailbox(box, "New") }},
	} {
		a := e.account()
		box := e.create(a, "Box").ID
		m := e.kept(a, "Box", e.clock.Now())
		e.append(a, box, e.mail("not kept"))
		before := e.clock.Now()
		e.update(a, func(tx mailstore.UpdateTx) error { return tc.do(tx, box, e.inbox(a)) })
		e.purged(a, tc.name, tc.want)
		if tc.want == 0 {
			continue
		}
		e.view(a, func(tx mailstore.Tx) error {
			got, err := tx.Vaulted(m.EmailID, mailstore.FieldSummary|mailstore.FieldContent)
			e.no(err, tc.name)
			text, err := e.read(got.Content, 0)
			e.no(err, tc.name)
			e.eq([]any{got.LetterID, got.Flags, got.Keywords, got.Received.Equal(m.Received), string(got.Summary), text, got.At.Equal(before)},
				[]any{m.LetterID, m.Flags, m.Keywords, true, string(m.Summary), string(m.Content.Prefix) + "text of Box", true}, tc.name)
			rows, err := tx.ByLetter(m.LetterID)
			e.eq(len(rows), 0, tc.name+": rows by letter")
			usage, err2 := tx.Usage()
			e.eq([]any{usage.Messages, usage.Octets, err, err2}, []any{0, 0, nil, nil}, tc.name+": usage")
			return nil
		})
	}
}

// purged waits until the rows of deleted mailboxes are gone, and checks how
// many messages the vault has.
func (e *env) purged(a mailstore.ID, what string, want int) {
	e.Helper()
	for range 1000 {
		if len(e.vault(a)) == want {
			break
		}
		time.Sleep(2 * time.Millisecond) // the purge tells nobody that it is through
	}
	e.eq(len(e.vault(a)), want, what+": messages in the vault")
}

func testVaultOfDeletedMailbox(e *env) {
	a := e.account()
	box := e.create(a, "Many").ID
	const n = 1200 // more than a purge removes at once
	for range n / 400 {
		var part []mailstore.NewMessage
		for i := range 400 {
			m := e.mail("")
			m.LetterID, m.Keywords = mailstore.NewID(), []string{fmt.Sprint("word", i%3)}
			part = append(part, m)
		}
		e.update(a, func(tx mailstore.UpdateTx) error {
			for _, m := range part {
				if err := tx.Keep(mailstore.Kept{EmailID: m.EmailID, LetterID: m.LetterID}); err != nil {
					return err
				}
				if _, err := tx.Append(box, m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(box) })
	e.purged(a, "deleted mailbox", n)
	e.view(a, func(tx mailstore.Tx) error {
		words := map[string]int{}
		for m, err := range tx.Vault(0) {
			if err != nil {
				return err
			}
			words[m.Mailbox+" "+m.Keywords[0]]++
		}
		e.eq(len(words), 3, "mailbox and keywords in the vault")
		e.eq(words["Many word0"], 402, "letters with the first keyword")
		return nil
	})
}

func testRestore(e *env) {
	a := e.accountOf(mailstore.NewID(), 1)
	m := e.mail("text")
	m.LetterID, m.Keys, m.OverQuota = mailstore.NewID(), []string{"key"}, true
	m.Flags, m.Keywords = mailstore.Seen|mailstore.Deleted, []string{"Letter-Opened"}
	in := e.inbox(a)
	e.keep(a, mailstore.Kept{EmailID: m.EmailID, LetterID: m.LetterID})
	first := e.append(a, in, m)
	e.expungeAll(a, in)
	e.clock.advance(2 * mailstore.RepeatWindow) // the memory of its EmailID is over
	_, err := e.s.Sweep(e.ctx, 0)
	e.no(err, "sweep")
	to := e.create(a, "Restored").ID
	e.is(e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Restore(m.EmailID, 999)
		return err
	}), mailstore.ErrNoMailbox, "restore to no mailbox")
	var got mailstore.Appended
	e.update(a, func(tx mailstore.UpdateTx) (err error) {
		got, err = tx.Restore(m.EmailID, to)
		return err
	})
	e.eq([]any{first.UID, got.UID, len(e.vault(a))}, []any{1, 1, 0}, "restored")
	rows := e.messages(a, to, mailstore.FieldMeta|mailstore.FieldSummary|mailstore.FieldContent)
	e.eq(len(rows), 1, "restored rows")
	text, err := e.read(rows[0].Content, 0)
	e.no(err, "read what was restored")
	e.eq([]any{rows[0].EmailID, rows[0].LetterID, rows[0].Flags, rows[0].Keywords, string(rows[0].Summary), text, rows[0].ModSeq > first.ModSeq},
		[]any{m.EmailID, m.LetterID, mailstore.Seen, m.Keywords, string(m.Summary), string(m.Content.Prefix) + "text", true}, "restored")
	e.is(e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Restore(m.EmailID, to)
		return err
	}), mailstore.ErrNoMessage, "restore again")
	e.view(a, func(tx mailstore.Tx) error {
		byID, err := tx.ByEmailID(m.EmailID)
		e.no(err, "by id")
		byLetter, err := tx.ByLetter(m.LetterID)
		e.no(err, "by letter")
		byKey, err := tx.ByKey("key")
		e.no(err, "by key")
		e.eq([]int{len(byID), len(byLetter), len(byKey)}, []int{1, 1, 1}, "found again")
		usage, err := tx.Usage()
		e.eq(usage.Messages, 1, "usage")
		return err
	})
	e.expungeAll(a, to)
	e.eq(e.vault(a), []mailstore.ID{m.EmailID}, "expunged again")
}

func testUnkeep(e *env) {
	a := e.account()
	in := e.inbox(a)
	gone, stays := e.kept(a, "INBOX", e.clock.Now()), e.kept(a, "INBOX", e.clock.Now())
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.Unkeep(stays.EmailID) })
	e.update(a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Expunge(in, set(1), false)
		return err
	})
	e.eq(e.vault(a), []mailstore.ID{gone.EmailID}, "vault")
	var c mailstore.Content
	e.view(a, func(tx mailstore.Tx) error {
		m, err := tx.Vaulted(gone.EmailID, mailstore.FieldContent)
		c = m.Content
		return err
	})
	e.clock.advance(48 * time.Hour)
	_, err := e.s.Sweep(e.ctx, time.Hour)
	e.no(err, "sweep while in the vault")
	_, err = e.read(c, 0)
	e.no(err, "read what is in the vault")
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.Unkeep(gone.EmailID) })
	e.eq(len(e.vault(a)), 0, "vault")
	e.clock.advance(48 * time.Hour)
	_, err = e.s.Sweep(e.ctx, time.Hour)
	e.no(err, "sweep")
	if text, err := e.read(c, int64(len(c.Prefix))); err == nil {
		e.Fatalf("destroyed, and still read: %q", text)
	}
	e.eq(slices.Collect(func(yield func(mailstore.UID) bool) {
		for _, m := range e.messages(a, in, 0) {
			if !yield(m.UID) {
				return
			}
		}
	}), []mailstore.UID{2}, "the row of what is kept no longer")
	e.expungeAll(a, in)
	e.eq(len(e.vault(a)), 0, "vault after the expunge of an ordinary message")
}
