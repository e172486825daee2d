package boltstore

import (
	"testing"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// validities are the UIDVALIDITYs of an account's mailboxes.
func validities(t *testing.T, s *Store, account mailstore.ID) map[string]uint32 {
	t.Helper()
	all := map[string]uint32{}
	err := s.View(ctx, account, func(tx mailstore.Tx) error {
		list, err := tx.Mailboxes()
		for _, m := range list {
			all[m.Name] = m.UIDValidity
			one, err := tx.Mailbox(m.ID)
			if err != nil {
				return err
			}
			if one.UIDValidity != m.UIDValidity {
				t.Errorf("%s has UIDVALIDITY %d, and %d in the list", m.Name, one.UIDValidity, m.UIDValidity)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestGeneration: a store that was restored from a backup gives UIDs that it
// has given before, to other messages. So the store's generation stands in
// every UIDVALIDITY, and once it is raised all are larger than what any client
// could have seen: those of mailboxes that are there, used since or not, and
// those of new ones.
func TestGeneration(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s, a := testStore(t, opts)
	create := func(name string) {
		t.Helper()
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.CreateMailbox(name, "")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var before map[string]uint32
	for generation := uint32(1); generation <= 3; generation++ {
		if g, err := s.Directory().Generation(ctx); err != nil || g != generation {
			t.Fatalf("generation %d, %v, want %d", g, err, generation)
		}
		if err := letter(s, a, 10); err != nil { // writes INBOX's row anew
			t.Fatal(err)
		}
		create(string(rune('a' + generation)))
		highest := uint32(0)
		for _, v := range before {
			highest = max(highest, v)
		}
		now := validities(t, s, a)
		seen := map[uint32]string{}
		for name, v := range now {
			if v>>validityBits != generation {
				t.Errorf("generation %d: UIDVALIDITY %d of %s is of generation %d", generation, v, name, v>>validityBits)
			}
			if v <= highest {
				t.Errorf("generation %d: UIDVALIDITY %d of %s is not above %d, which was there before", generation, v, name, highest)
			}
			if other, twice := seen[v]; twice {
				t.Errorf("generation %d: %s and %s have the same UIDVALIDITY %d", generation, name, other, v)
			}
			seen[v] = name
		}
		if len(now) < len(before)+1 {
			t.Fatalf("generation %d: mailboxes %v, before %v", generation, now, before)
		}
		before = now
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// As a restore will do it.
		raw(t, opts.Dir, func(tx *bolt.Tx) error {
			return tx.Bucket([]byte(bucketNames[bMeta])).Put(metaGeneration, key(generation+1))
		})
		s = reopen(t, opts)
		after := validities(t, s, a)
		for name, v := range before {
			if after[name] <= v {
				t.Errorf("%s has UIDVALIDITY %d in generation %d, and %d in the next", name, v, generation, after[name])
			}
		}
		// What APPEND and COPY answer is the same.
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			c, err := tx.Copy(1, mailstore.UIDSet{{Start: 1, Stop: 1}}, 1)
			if c.UIDValidity != after["INBOX"] {
				t.Errorf("COPY answers UIDVALIDITY %d, not %d", c.UIDValidity, after["INBOX"])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
