package boltstore

import (
	"errors"
	"strings"
	"sync/atomic"
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

// TestKeptAmongMany expunges kept messages together with so many others that
// these are dropped behind the commit: the kept ones are in the vault with it,
// with the flags of their last row, also where an earlier row of theirs still
// waits to be dropped.
func TestKeptAmongMany(t *testing.T) {
	var held atomic.Bool
	held.Store(true)
	s, a := testStore(t, Options{Dir: t.TempDir(), doomedFrom: 1, Hook: hold(&held)})
	ref, err := s.Bodies().Put(ctx, strings.NewReader("text"))
	if err != nil {
		t.Fatal(err)
	}
	all := mailstore.UIDSet{{Start: 1}}
	content := mailstore.Content{Body: ref, Length: 4}
	kept := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: content}
	other := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: content}
	for _, step := range []func(tx mailstore.UpdateTx) error{
		func(tx mailstore.UpdateTx) error {
			_, err1 := tx.Append(1, kept)
			_, err2 := tx.Append(1, other)
			return errors.Join(err1, err2, tx.Keep(mailstore.Kept{EmailID: kept.EmailID}))
		},
		func(tx mailstore.UpdateTx) error { _, err := tx.Move(1, all, 2); return err },
		func(tx mailstore.UpdateTx) error {
			_, err := tx.SetFlags(2, all, mailstore.FlagChange{Flags: mailstore.Answered})
			return err
		},
		func(tx mailstore.UpdateTx) error { _, err := tx.Expunge(2, all, false); return err },
	} {
		if err := s.Update(ctx, a, step); err != nil {
			t.Fatal(err)
		}
	}
	look := func() {
		t.Helper()
		err := s.View(ctx, a, func(tx mailstore.Tx) error {
			got, err := tx.Vaulted(kept.EmailID, mailstore.FieldContent)
			if got.Flags != mailstore.Answered || got.Mailbox != "Archive" || got.Content.Body.Name != ref.Name {
				t.Errorf("in the vault: %+v", got)
			}
			if _, err := tx.Vaulted(other.EmailID, 0); !errors.Is(err, mailstore.ErrNoMessage) {
				t.Errorf("what is not kept: %v", err)
			}
			return err
		})
		if err := errors.Join(err, s.Check(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	look()
	dropNow(t, s)
	look()
	if err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return tx.Unkeep(kept.EmailID) }); err != nil {
		t.Fatal(err)
	}
	if got := left(t, s); got != "doomed 0, row 0, flag 0, shows 0, rowkey 0, wrap 0" {
		t.Error(got)
	}
}
