package boltstore

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// TestRepairKeepsCounters looks at what must never go down.
func TestRepairKeepsCounters(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	a := fullStore(t, opts)
	s, err := Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	look := func(s *Store) (m mailstore.Mailbox) {
		err := s.View(ctx, a, func(tx mailstore.Tx) (err error) { m, err = tx.Mailbox(2); return err })
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	// The newest message goes, so that no row tells of its UID, and so does the
	// newest mailbox.
	var gone mailstore.Mailbox
	err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Expunge(2, mailstore.UIDSet{{Start: 2, Stop: 2}}, false)
		if err != nil {
			return err
		}
		if gone, err = tx.CreateMailbox("Gone", ""); err != nil {
			return err
		}
		return tx.DeleteMailbox(gone.ID)
	})
	before := look(s)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	raw(t, opts.Dir, func(tx *bolt.Tx) error {
		if !damage(tx, bState, "removed") || !damage(tx, bFlag, "removed") || !damage(tx, bLog, "removed") {
			return errors.New("nothing to damage")
		}
		return nil
	})
	s = opened(t, opts)
	mend(t, s)
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	after := look(s)
	if after.UIDNext < before.UIDNext || after.HighestMod <= before.HighestMod || after.UIDValidity != before.UIDValidity {
		t.Errorf("%+v became %+v", before, after)
	}
	if ch := changesOf(t, s, a, before.HighestMod); ch.Complete {
		t.Errorf("a mail program need not compare: %+v", ch)
	}
	err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		again, err := tx.CreateMailbox("Gone", "")
		if again.UIDValidity <= gone.UIDValidity || again.ID <= gone.ID {
			t.Errorf("%+v was given again: %+v", gone, again)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRepairStoreCounters damages the store's own counters: they are raised above
// all that is in use, places of bodies that wait for the sweep included.
func TestRepairStoreCounters(t *testing.T) {
	for _, c := range []struct {
		counter     string
		value       []byte
		found, left string
	}{
		{counterAccount, nil, "count meta", ""},
		{counterHolder, key(uint64(1)), "count meta", ""},
		{counterInline, key(uint64(1)), "count meta", ""},
		{counterInline, []byte("abc"), "unreadable meta", ""},
		{counterNumber, []byte("abc"), "unreadable meta", "unreadable meta"}, // the gateway's
		{string(metaGeneration), []byte("ab"), "unreadable meta", "unreadable meta"},
	} {
		opts := Options{Dir: t.TempDir()}
		a := fullStore(t, opts)
		raw(t, opts.Dir, func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("meta"))
			if c.value == nil {
				return b.Delete([]byte(c.counter))
			}
			return b.Put([]byte(c.counter), c.value)
		})
		opts.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
		s := opened(t, opts)
		if _, found := inspect(t, s); !slices.Contains(found, c.found) {
			t.Errorf("%s: found %q", c.counter, found)
		}
		mend(t, s)
		_, left := inspect(t, s)
		if (c.left == "") != (len(left) == 0) || c.left != "" && !slices.Contains(left, c.left) {
			t.Errorf("%s: left %q", c.counter, left)
		}
		if c.counter != counterInline {
			continue
		}
		// What is written next must not be swept with what was dead before.
		if err := letterWithBody(s, a, "new"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sweep(ctx, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(ctx); err != nil {
			t.Error(err)
		}
	}
}

// letterWithBody appends a message with a small body.
func letterWithBody(s *Store, account mailstore.ID, text string) error {
	ref, err := s.Bodies().Put(ctx, strings.NewReader(text))
	if err != nil {
		return err
	}
	m := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: ref, Length: ref.Size}}
	return s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		_, err := tx.Append(1, m)
		return err
	})
}

// TestDamagedNeighbour damages the record of one account and an index of
// another: this one is mended, and of the first nothing is lost.
func TestDamagedNeighbour(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	a := fullStore(t, opts)
	s, err := Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	b := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"b@example.org"}}
	err = s.Directory().CreateAccount(ctx, b, nil)
	if err == nil {
		err = letterWithBody(s, b.ID, "text")
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	var was []byte
	count := func() (rows int) {
		raw(t, opts.Dir, func(tx *bolt.Tx) error {
			for _, n := range []bucket{bRow, bWrap, bInline, bItem, bEmail, bGone, bDead, bLetter, bCred, bAddress} {
				rows += tx.Bucket([]byte(bucketNames[n])).Stats().KeyN
			}
			return errUndo
		})
		return rows
	}
	before := count()
	raw(t, opts.Dir, func(tx *bolt.Tx) error {
		accounts := tx.Bucket([]byte("account"))
		was = copied(accounts.Get(a[:]))
		return errors.Join(accounts.Delete(a[:]), tx.Bucket([]byte("email")).Delete(firstOf(tx, bEmail, key(uint32(2)))))
	})
	s, err = Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if mends := mend(t, s); len(mends) != 1 || mends[0] != "rebuilt missing email" {
		t.Errorf("mends %q", mends)
	}
	if ids, err := s.AccountIDs(ctx); err != nil || len(ids) != 1 || ids[0] != b.ID {
		t.Errorf("accounts %v, %v", ids, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, opts.Dir, func(tx *bolt.Tx) error { return tx.Bucket([]byte("account")).Put(a[:], was) }) // from a backup
	if after := count(); after != before {
		t.Errorf("%d rows became %d", before, after)
	}
	if err := opened(t, opts).Check(ctx); err != nil {
		t.Error(err)
	}
}

// firstOf is the first key of a bucket with a prefix.
func firstOf(tx *bolt.Tx, n bucket, prefix []byte) []byte {
	k, _ := tx.Bucket([]byte(bucketNames[n])).Cursor().Seek(prefix)
	return copied(k)
}
