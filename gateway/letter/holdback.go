package letter

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"gosbridge/mailstore"
)

// HeldBackClass is the queue class of letters that were held for their recall in
// a backup that was restored. A recall may have come after the backup, and the
// time for one is over when a store is restored: so they go out, by the same
// courier, only when the operator lets them, and can be recalled until then.
const HeldBackClass = "deliver-restored"

const (
	// heldBackAtOnce is how many letters one Update holds back.
	heldBackAtOnce = 100
	// heldBackTogether is how many accounts are written at once, to share commits.
	heldBackTogether = 64
)

// HoldBack moves the letters of a store that wait for their recall time to end,
// and that no courier ever had, to HeldBackClass. It is for a store that was
// restored and that nobody else sees yet.
func HoldBack(ctx context.Context, store mailstore.Store) error {
	items, err := store.Queue().Items(ctx, DispatchClass, 0)
	if err != nil {
		return fmt.Errorf("letters that wait: %w", err)
	}
	waiting := map[mailstore.ID][]mailstore.ID{} // items by account
	for _, it := range items {
		if it.Attempts == 0 {
			waiting[it.Account] = append(waiting[it.Account], it.ID)
		}
	}
	writers, ctx := errgroup.WithContext(ctx)
	writers.SetLimit(heldBackTogether)
	for account, ids := range waiting {
		writers.Go(func() error {
			for slice := range slices.Chunk(ids, heldBackAtOnce) {
				err := store.Update(ctx, account, func(tx mailstore.UpdateTx) error { return holdBack(tx, slice) })
				if err != nil {
					return fmt.Errorf("hold letters of %s back: %w", account, err)
				}
			}
			return nil
		})
	}
	return writers.Wait()
}

func holdBack(tx mailstore.UpdateTx, ids []mailstore.ID) error {
	for _, id := range ids {
		it, err := tx.Item(id)
		if err != nil {
			return err
		}
		rec, err := tx.Letter(it.Letter, mailstore.Sender)
		var out Outgoing
		if err == nil {
			out, err = DecodeOutgoing(rec)
		}
		if unreadable(err) {
			continue // nor can a courier read it
		}
		if err != nil {
			return err
		}
		if !out.Held() {
			continue
		}
		// The queue takes no ID twice. What is new comes first: it may be the
		// last that keeps the body.
		it.ID, it.Class = derive(rec.ID, HeldBackClass), HeldBackClass
		if err := tx.Enqueue(it); err != nil {
			return err
		}
		if err := tx.Cancel(id); err != nil {
			return err
		}
		out.Dispatch = it.ID
		if rec.Data, err = encode(out); err != nil {
			return err
		}
		rec.Keys = nil
		if err := tx.PutLetter(rec); err != nil {
			return err
		}
	}
	return nil
}

// unreadable reports whether an error says that one record cannot be read,
// whatever is tried.
func unreadable(err error) bool {
	return errors.Is(err, mailstore.ErrNoLetter) || errors.Is(err, mailstore.ErrDamaged) || errors.Is(err, mailstore.ErrVersion)
}

// heldBack reports whether a letter waits in HeldBackClass, and no courier had
// it yet.
func (o *Office) heldBack(ctx context.Context, account mailstore.ID, out Outgoing) (held bool, err error) {
	err = o.store.View(ctx, account, func(tx mailstore.Tx) error {
		it, err := tx.Item(out.Dispatch)
		if errors.Is(err, mailstore.ErrNoItem) {
			return nil
		}
		held = err == nil && it.Class == HeldBackClass && it.Attempts == 0
		return err
	})
	return held, err
}
