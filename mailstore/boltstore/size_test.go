package boltstore

import (
	"testing"

	"github.com/google/uuid"

	"gosbridge/mailstore"
)

// TestRandomIDs bounds what stays empty in the buckets that are keyed by ids
// of the callers, which derive many of them from others: without order.
func TestRandomIDs(t *testing.T) {
	s, a := testStore(t, Options{})
	for range 100 {
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			for range 20 {
				if _, err := tx.Append(1, mailstore.NewMessage{EmailID: uuid.New()}); err != nil {
					return err
				}
				it := mailstore.Item{ID: uuid.New(), Account: a, Class: "c"}
				if err := tx.Enqueue(it); err != nil {
					return err
				}
				if err := tx.Cancel(it.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.read(ctx, func(tx *txn) error {
		for _, n := range []bucket{bEmail, bPast} {
			st := tx.b(n).Stats()
			if used := 100 * st.LeafInuse / st.LeafAlloc; used < 50 {
				t.Errorf("%s: %d%% of %d pages used", bucketNames[n], used, st.LeafPageN)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
