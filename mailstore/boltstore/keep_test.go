package boltstore

import (
	"errors"
	"testing"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// TestPurgeWithoutRecord purges a mailbox that an earlier release deleted,
// which noted no more than the account: what is kept gets into the vault all
// the same, without the name of its mailbox.
func TestPurgeWithoutRecord(t *testing.T) {
	dir := t.TempDir()
	full := errors.New("disk full")
	s, a := testStore(t, Options{Dir: dir, Hook: func(step string) error {
		if step == "purge" {
			return full
		}
		return nil
	}})
	m := mailstore.NewMessage{EmailID: mailstore.NewID(), Keywords: []string{"word"}, Flags: mailstore.Seen}
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		box, err := tx.CreateMailbox("old", "")
		if err != nil {
			return err
		}
		_, err = tx.Append(box.ID, m)
		return errors.Join(err, tx.Keep(mailstore.Kept{EmailID: m.EmailID}), tx.DeleteMailbox(box.ID))
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	raw(t, dir, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketNames[bPurge]))
		k, v := b.Cursor().First()
		if len(v) <= 16 {
			t.Fatalf("nothing noted but %x", v)
		}
		return b.Put(copied(k), copied(v[:16]))
	})
	s, err = Open(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for more := true; more; {
		if more, err = s.purgeOne(ctx); err != nil {
			t.Fatal(err)
		}
	}
	err = s.View(ctx, a, func(tx mailstore.Tx) error {
		got, err := tx.Vaulted(m.EmailID, 0)
		if got.Flags != mailstore.Seen || got.Mailbox != "" || len(got.Keywords) > 0 {
			t.Errorf("in the vault: %+v", got)
		}
		return err
	})
	if err := errors.Join(err, s.Check(ctx)); err != nil {
		t.Error(err)
	}
}
