package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gosbridge/mailstore"
)

// snapshot asks everything that a Tx can tell, and writes it down.
func snapshot(tx mailstore.Tx, known snapshotKeys) (string, error) {
	var b strings.Builder
	var errs []error
	note := func(what string, v any, err error) {
		fmt.Fprintf(&b, "%s: %+v, %v\n", what, v, err)
	}
	account, err := tx.Account()
	note("account", account, err)
	credential, err := tx.Credential(known.credential)
	note("credential", credential, err)
	usage, err := tx.Usage()
	note("usage", usage, err)
	boxes, err := tx.Mailboxes()
	note("mailboxes", boxes, err)
	named, err := tx.MailboxByName("INBOX")
	note("by name", named, err)
	sent, err := tx.MailboxByRole(mailstore.RoleSent)
	note("by role", sent, err)
	for _, m := range boxes {
		one, err := tx.Mailbox(m.ID)
		note("mailbox", one, err)
		uids, err := tx.UIDs(m.ID)
		note("UIDs", uids, err)
		changes, err := tx.Changes(m.ID, known.since)
		note("changes", changes, err)
		for row, err := range tx.Messages(m.ID, all(), mailstore.FieldMeta|mailstore.FieldSummary) {
			errs = append(errs, err)
			if err == nil {
				note("message", *row, nil)
			}
		}
	}
	where, err := tx.ByEmailID(known.id)
	note("by id", where, err)
	where, err = tx.ByLetter(known.id)
	note("by letter", where, err)
	where, err = tx.ByKey("key")
	note("by key", where, err)
	letter, err := tx.Letter(known.id, mailstore.Sender)
	note("letter", letter, err)
	for l, err := range tx.Letters(mailstore.LetterFilter{}) {
		note("letters", l, err)
	}
	for ev, err := range tx.Evidence(known.id) {
		note("evidence", ev, err)
	}
	size, err := tx.JournalSize()
	note("journal", size, err)
	for rec, err := range tx.Journal(0, 0) {
		note("record", rec, err)
	}
	hashes, err := tx.JournalHashes([]int64{0})
	note("hashes", hashes, err)
	item, err := tx.Item(known.id)
	item.Bodies = nil
	note("item", item, err)
	return b.String(), errors.Join(errs...)
}

// snapshotKeys are what a snapshot asks for.
type snapshotKeys struct {
	id, credential mailstore.ID
	since          mailstore.ModSeq
}

// testSnapshotAll asks a View for everything, changes everything through other
// handles, and asks again.
func testSnapshotAll(e *env) {
	a := e.account()
	known := snapshotKeys{id: mailstore.NewID(), credential: mailstore.NewID()}
	cred := mailstore.Credential{ID: known.credential, Account: a, Name: "one"}
	e.no(e.s.Directory().PutCredential(e.ctx, cred), "credential")
	m := e.mail("text")
	m.EmailID, m.LetterID, m.Keys = known.id, known.id, []string{"key"}
	e.update(a, e.accept(a, known.id, m))
	e.fill(a, 1, 300)
	known.since = e.box(a, "INBOX").HighestMod - 1
	archive := e.box(a, "Archive").ID
	n := 0
	change := func(s mailstore.Store) error {
		n++
		cred.Name = fmt.Sprint("name", n)
		err := s.Directory().PutCredential(e.ctx, cred)
		return errors.Join(err, s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			account, err := tx.Account()
			if err != nil {
				return err
			}
			account.Name, account.Quota = fmt.Sprint("name", n), int64(n)<<40
			l, err := tx.Letter(known.id, mailstore.Sender)
			if err != nil {
				return err
			}
			l.State = fmt.Sprint(n)
			size, err := tx.JournalSize()
			if err != nil {
				return err
			}
			_, err1 := tx.CreateMailbox(fmt.Sprint("New", n), "")
			_, err2 := tx.SetFlags(1, all(), mailstore.FlagChange{Flags: mailstore.Flags(n % 32), Keywords: []string{fmt.Sprint("k", n)}})
			_, err3 := tx.Copy(1, set(1, 5), archive)
			_, err4 := tx.Expunge(1, set(mailstore.UID(n*3), mailstore.UID(n*3+1)), false)
			_, err5 := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID(), Keys: []string{"key"}})
			return errors.Join(err1, err2, err3, err4, err5, tx.PutAccount(account), tx.PutLetter(l),
				tx.PutEvidence(mailstore.Evidence{ID: mailstore.NewID(), Letter: known.id}),
				tx.AppendJournal(mailstore.JournalRecord{Index: size}, []mailstore.Hash{{byte(n)}}))
		}))
	}
	for range 3 {
		e.view(a, func(tx mailstore.Tx) error {
			before, err := snapshot(tx, known)
			if err != nil {
				return err
			}
			done := make(chan error)
			go func() {
				for _, s := range e.sides() {
					if err := change(s); err != nil {
						done <- err
						return
					}
				}
				_, err := e.s.Queue().Lease(e.ctx, "delivery", "w", 1, time.Minute)
				e.clock.advance(time.Hour)
				done <- err
			}()
			if err := <-done; err != nil {
				return err
			}
			after, err := snapshot(tx, known)
			old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
			for i := range min(len(old), len(now)) {
				if old[i] != now[i] {
					e.Fatalf("the snapshot changed:\n%s\n%s", old[i], now[i])
				}
			}
			e.eq(len(now), len(old), "answers")
			return err
		})
	}
	e.view(a, func(tx mailstore.Tx) error {
		if u, err := tx.Usage(); err != nil || u.Quota == 0 {
			e.Errorf("nothing has changed: %+v, %v", u, err)
		}
		return nil
	})
}
