package letter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"gosbridge/mailstore"
)

// ForgetNotices forgets that the owner of an account was told of the ends of
// terms. It is for a store that was restored: a copy that its owner has flagged
// or prolonged after the backup would else be destroyed on the notice of before.
func ForgetNotices(ctx context.Context, store mailstore.Store, account mailstore.ID) error {
	return forgetNotices(ctx, store, account, time.Unix(0, math.MaxInt64))
}

// forgetNotices forgets that the owner of an account was told of the ends of
// terms up to a limit.
func forgetNotices(ctx context.Context, store mailstore.Store, account mailstore.ID, limit time.Time) error {
	var told []mailstore.ID // no more than there can be notices of
	err := store.View(ctx, account, func(tx mailstore.Tx) error {
		for k, err := range tx.KeptUntil(limit) {
			if err != nil {
				return err
			}
			if !k.Warned.IsZero() {
				told = append(told, k.EmailID)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget notices: %w", err)
	}
	for emails := range slices.Chunk(told, retainAtOnce) {
		err := store.Update(ctx, account, func(tx mailstore.UpdateTx) error {
			for _, email := range emails {
				k, err := tx.Kept(email)
				if errors.Is(err, mailstore.ErrNotKept) {
					continue
				}
				if err != nil {
					return err
				}
				k.Warned = time.Time{}
				if err := tx.Keep(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("forget notices: %w", err)
		}
	}
	return nil
}
