package auth

import (
	"context"
	"fmt"
	"maps"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// entryBy is a journal entry with who did it.
func entryBy(at time.Time, kind string, by, details journal.Details) journal.Entry {
	all := journal.Details{}
	maps.Copy(all, details)
	maps.Copy(all, by)
	return journal.NewEntry(at, kind, all)
}

// noted writes a journal entry with what it belongs to.
func noted(e journal.Entry) func(mailstore.UpdateTx) error {
	return func(tx mailstore.UpdateTx) error {
		_, err := journal.Append(tx, e)
		return err
	}
}

// change changes an account's record with its journal entry, in one Update. fn
// says whether there is anything to change; it may run more than once.
func change(ctx context.Context, store mailstore.Store, account mailstore.ID, e journal.Entry, fn func(*mailstore.Account) (bool, error)) (changed bool, err error) {
	err = store.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		a, err := tx.Account()
		if err != nil {
			return err
		}
		if changed, err = fn(&a); err != nil || !changed {
			return err
		}
		if err := tx.PutAccount(a); err != nil {
			return err
		}
		return noted(e)(tx)
	})
	if err != nil {
		return false, fmt.Errorf("account %s: %w", account, err)
	}
	return changed, nil
}

// SetDisabled blocks an account or opens it again, and reports whether it was
// otherwise before. Sessions that are open are the caller's.
func SetDisabled(ctx context.Context, store mailstore.Store, account mailstore.ID, disabled bool, by journal.Details, now time.Time) (bool, error) {
	kind := journal.Enabled
	if disabled {
		kind = journal.Disabled
	}
	mark := func(a *mailstore.Account) *bool { return &a.Disabled }
	return set(ctx, store, account, entryBy(now, kind, by, nil), mark, disabled)
}

// SetHeld puts an account on legal hold, or releases it, and reports whether it
// was otherwise before. Of one that is held nothing is destroyed.
func SetHeld(ctx context.Context, store mailstore.Store, account mailstore.ID, held bool, by journal.Details, now time.Time) (bool, error) {
	kind := journal.Released
	if held {
		kind = journal.LegalHold
	}
	mark := func(a *mailstore.Account) *bool { return &a.Held }
	return set(ctx, store, account, entryBy(now, kind, by, nil), mark, held)
}

// set changes one mark of an account.
func set(ctx context.Context, store mailstore.Store, account mailstore.ID, e journal.Entry, mark func(*mailstore.Account) *bool, on bool) (bool, error) {
	return change(ctx, store, account, e, func(a *mailstore.Account) (bool, error) {
		was := *mark(a)
		*mark(a) = on
		return was != on, nil
	})
}
