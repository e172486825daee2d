package boltstore

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// TestKeptDamage plants damage to what is kept, in the vault and doomed, that
// TestCheckFinds cannot: it is about what stands elsewhere.
func TestKeptDamage(t *testing.T) {
	const vault, crowd = 4, 5 // UIDs in INBOX: see leave
	crowdKey := rowKey(1, 1, crowd)
	for _, c := range []struct {
		name  string
		do    func(w *work, a mailstore.ID) error
		found string
	}{
		{"doomed and not gone", func(w *work, a mailstore.ID) error {
			w.doomed++
			return w.put(bDoomed, rowKey(1, 1, 2), appendChunk(a[:], []flagRow{{uid: 2}}))
		}, "mismatch doomed"},
		{"doomed without a row", func(w *work, a mailstore.ID) error {
			w.doomed++
			return w.put(bDoomed, rowKey(1, 1, vault), appendChunk(a[:], []flagRow{{uid: vault}}))
		}, "orphan doomed"},
		{"doomed in another order", func(w *work, a mailstore.ID) error {
			_, _, rows, err := decodeDoomed(crowdKey, w.get(bDoomed, crowdKey))
			rows[1], rows[2] = rows[2], rows[1]
			return errors.Join(err, w.put(bDoomed, crowdKey, appendChunk(copied(a[:]), rows)))
		}, "missing doomed, unreadable doomed"},
		{"row of a vaulted message", func(w *work, _ mailstore.ID) error {
			e, err := decodeVaultEntry(mailstore.ID{15: 1}, w.get(bVault, keepKey(1, mailstore.ID{15: 1})))
			if err != nil {
				return err
			}
			e.uid = 2
			return w.put(bVault, keepKey(1, e.email), e.encode())
		}, "mismatch vault, unreadable vault"},
		{"size of a vaulted message", func(w *work, _ mailstore.ID) error {
			e, err := decodeVaultEntry(mailstore.ID{15: 1}, w.get(bVault, keepKey(1, mailstore.ID{15: 1})))
			if err != nil {
				return err
			}
			e.row.size++
			return w.put(bVault, keepKey(1, e.email), e.encode())
		}, "mismatch vault"},
		{"record of a deleted mailbox", func(w *work, a mailstore.ID) error {
			return w.put(bPurge, boxKey(1, 9), append(copied(a[:]), "no record"...))
		}, "unreadable purge"},
		{"account of a deleted mailbox", func(w *work, _ mailstore.ID) error {
			return w.put(bPurge, boxKey(1, 9), make([]byte, 16))
		}, "mismatch purge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := heldDrops(t.TempDir())
			drops := opts.Hook
			opts.Hook = func(step string) error {
				if step == "purge" {
					return errHeld
				}
				return drops(step)
			}
			a := fullStore(t, opts)
			s := opened(t, opts)
			if err := s.submit(ctx, func(w *work) error { return c.do(w, mailstore.ID(copied(a[:]))) }); err != nil {
				t.Fatal(err)
			}
			if findings, found := inspect(t, s); strings.Join(found, ", ") != c.found {
				t.Errorf("found %q, want %q\n%+v", found, c.found, findings)
			}
			mend(t, s)
			if err := s.Check(ctx); err != nil {
				t.Error(err)
			}
			if n := messages(t, s, a); n != 2 {
				t.Errorf("%d messages in INBOX: one was lost, or an expunged one came back", n)
			}
			dropNow(t, s)
			if err := s.Check(ctx); err != nil {
				t.Errorf("after the drop: %v", err)
			}
			if n := s.doomed.Load(); n != 0 {
				t.Errorf("%d messages counted that wait to be dropped", n)
			}
		})
	}
}

// TestLostTerm expects that a message whose term is lost or makes no sense has
// the end in whose order it stands, or is held.
func TestLostTerm(t *testing.T) {
	opts := heldDrops(t.TempDir())
	a := fullStore(t, opts)
	s := opened(t, opts)
	vaulted, gone, end := mailstore.ID{15: 1}, mailstore.NewID(), time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	var standing mailstore.Message
	err := s.View(ctx, a, func(tx mailstore.Tx) error {
		for m, err := range tx.Messages(1, mailstore.UIDSet{{Start: 2, Stop: 2}}, mailstore.FieldMeta) {
			standing = *m
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.submit(ctx, func(w *work) error {
		return errors.Join(
			w.del(bKeep, keepKey(1, vaulted)),
			w.put(bKeep, keepKey(1, standing.EmailID), []byte("no sense")),
			w.put(bKeep, keepKey(1, gone), []byte("no sense")))
	})
	if err != nil {
		t.Fatal(err)
	}
	mend(t, s)
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	err = s.View(ctx, a, func(tx mailstore.Tx) error {
		k, err := tx.Kept(vaulted)
		if err != nil || k.Held || k.Until.IsZero() || k.LetterID != standing.LetterID {
			t.Errorf("kept: %+v, %v", k, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = s.submit(ctx, func(w *work) error { // now nothing tells of its end
		return errors.Join(w.del(bKeep, keepKey(1, vaulted)), w.del(bKeepEnd, w.endOf(key(uint32(1)), vaulted)))
	})
	if err != nil {
		t.Fatal(err)
	}
	mend(t, s)
	for _, id := range []mailstore.ID{vaulted, standing.EmailID} {
		err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			k, err := tx.Kept(id)
			if err != nil || !k.Held || !k.Until.IsZero() || k.LetterID != standing.LetterID {
				t.Errorf("kept: %+v, %v", k, err)
			}
			return tx.Unkeep(id)
		})
		if !errors.Is(err, mailstore.ErrHeld) {
			t.Errorf("not held: %v", err)
		}
	}
	err = s.submit(ctx, func(w *work) error { // one without sense that has an end
		k := mailstore.Kept{EmailID: standing.EmailID, Until: end}
		return errors.Join(w.put(bKeep, keepKey(1, standing.EmailID), []byte("no sense")), w.put(bKeepEnd, keepEndKey(1, k), nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	mend(t, s)
	err = s.View(ctx, a, func(tx mailstore.Tx) error {
		k, err := tx.Kept(standing.EmailID)
		if err != nil || k.Held || !k.Until.Equal(end) {
			t.Errorf("kept: %+v, %v", k, err)
		}
		_, err = tx.Kept(gone)
		return err
	})
	if !errors.Is(err, mailstore.ErrNotKept) {
		t.Errorf("the term of a message that is not there: %v", err)
	}
}

// TestVaultedNumbers loses an account's state and the record of INBOX: neither
// the mailbox's number nor the UID of a message in the vault is given again.
func TestVaultedNumbers(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s, a := testStore(t, opts)
	m := mailstore.NewMessage{EmailID: mailstore.NewID()}
	var box mailstore.Mailbox
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) (err error) {
		if box, err = tx.CreateMailbox("last", ""); err != nil {
			return err
		}
		for _, id := range []mailstore.MailboxID{1, box.ID} {
			m.EmailID = mailstore.NewID()
			if err := tx.Keep(mailstore.Kept{EmailID: m.EmailID}); err != nil {
				return err
			}
			if _, err := tx.Append(id, m); err != nil {
				return err
			}
		}
		if _, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1}}, false); err != nil {
			return err
		}
		return tx.DeleteMailbox(box.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = s.purgeOne(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, opts.Dir, func(tx *bolt.Tx) error {
		return errors.Join(tx.Bucket([]byte("state")).Delete(key(uint32(1))), tx.Bucket([]byte("box")).Put(boxKey(1, 1), []byte("no sense")))
	})
	s = opened(t, opts)
	mend(t, s)
	err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		inbox, err := tx.Mailbox(1)
		if err != nil || inbox.UIDNext <= 1 {
			t.Errorf("INBOX: UIDNEXT %d, %v", inbox.UIDNext, err)
		}
		fresh, err := tx.CreateMailbox("fresh", "")
		if fresh.ID <= box.ID {
			t.Errorf("mailbox %d, and the vault has a message of %d", fresh.ID, box.ID)
		}
		return err
	})
	if err := errors.Join(err, s.Check(ctx)); err != nil {
		t.Error(err)
	}
}

// TestDamagedTexts damages search.db: the check tells of it as a kind of its
// own, and a repair removes the file, which fills again.
func TestDamagedTexts(t *testing.T) {
	flip := func(tx *bolt.Tx, name string, at int) error {
		b := tx.Bucket([]byte(name))
		k, v := b.Cursor().Last()
		v = copied(v)
		v[(at+len(v))%len(v)] ^= 1
		return b.Put(copied(k), v)
	}
	remove := func(tx *bolt.Tx, name string) error {
		b := tx.Bucket([]byte(name))
		k, _ := b.Cursor().Last()
		return b.Delete(copied(k))
	}
	for name, harm := range map[string]struct {
		do    func(tx *bolt.Tx) error
		found string
	}{
		"head flipped":    {func(tx *bolt.Tx) error { return flip(tx, tHead, -1) }, "text head"},
		"message flipped": {func(tx *bolt.Tx) error { return flip(tx, tHead, 3) }, "text place"},
		"head removed":    {func(tx *bolt.Tx) error { return remove(tx, tHead) }, "text body, text place"},
		"head cut": {func(tx *bolt.Tx) error {
			k, v := tx.Bucket([]byte(tHead)).Cursor().Last()
			return tx.Bucket([]byte(tHead)).Put(copied(k), copied(v[:9]))
		}, "text head, text place"},
		"body flipped":  {func(tx *bolt.Tx) error { return flip(tx, tBody, 9) }, "text body"},
		"body removed":  {func(tx *bolt.Tx) error { return remove(tx, tBody) }, "text body"},
		"place flipped": {func(tx *bolt.Tx) error { return flip(tx, tPlace, 0) }, "text head, text place"},
		"place removed": {func(tx *bolt.Tx) error { return remove(tx, tPlace) }, "text head"},
		"of no account": {func(tx *bolt.Tx) error {
			return errors.Join(tx.Bucket([]byte(tPlace)).Put(rowKey(99, 1, 1), key(uint64(1))),
				tx.Bucket([]byte(tHead)).Put(key(uint32(99), uint64(1)), make([]byte, 60)), tx.Bucket([]byte(tBody)).Put(key(uint32(99), uint64(1)), make([]byte, 60)))
		}, "text head"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := Options{Dir: t.TempDir()}
			a := withTexts(t, opts, 3)
			db, err := bolt.Open(filepath.Join(opts.Dir, textsFile), 0o600, &bolt.Options{Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(harm.do), db.Close()); err != nil {
				t.Fatal(err)
			}
			s := opened(t, opts)
			findings, found := inspect(t, s)
			if strings.Join(found, ", ") != harm.found || findings[0].File != textsFile {
				t.Errorf("found %q, want %q: %+v", found, harm.found, findings)
			}
			if mends := mend(t, s); len(mends) != 1 || !strings.HasPrefix(mends[0], "removed text ") {
				t.Errorf("mends %q", mends)
			}
			if err := errors.Join(s.Check(ctx), settleAll(s, a), s.Check(ctx)); err != nil {
				t.Error(err)
			}
			if n := textsOf(t, s, a); n != 3 {
				t.Errorf("%d texts after the repair", n)
			}
		})
	}
}
