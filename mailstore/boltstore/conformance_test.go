package boltstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, newFixture)
}

func newFixture(t *testing.T) storetest.Fixture {
	dir := filepath.Join(t.TempDir(), "data")
	return storetest.Fixture{
		Open: func(ctx context.Context, now func() time.Time) (mailstore.Store, error) {
			return Open(ctx, Options{Dir: dir, MasterKey: [32]byte{1}, Create: true, Now: now, LogEntries: 64})
		},
		Crash: func(s mailstore.Store) error {
			image := filepath.Join(t.TempDir(), "data")
			// The open transaction keeps the pages of the copied state, while
			// a purge may still be writing.
			err := s.(*Store).read(context.Background(), func(*txn) error { return copyFolder(dir, image) })
			if err != nil {
				return err
			}
			dir = image
			return s.Close()
		},
		Check:      func(ctx context.Context, s mailstore.Store) error { return s.(*Store).Check(ctx) },
		Dir:        func() string { return dir },
		LogEntries: 64,
	}
}

// forgetful is a store with a bug: an Expunge of several messages leaves the
// last of them where it is.
type forgetful struct{ mailstore.Store }

func (f forgetful) Update(ctx context.Context, account mailstore.ID, fn func(mailstore.UpdateTx) error) error {
	return f.Store.Update(ctx, account, func(tx mailstore.UpdateTx) error { return fn(forgetfulTx{tx}) })
}

type forgetfulTx struct{ mailstore.UpdateTx }

func (f forgetfulTx) Expunge(box mailstore.MailboxID, set mailstore.UIDSet, onlyDeleted bool) (mailstore.UIDSet, error) {
	var there mailstore.UIDSet
	for m, err := range f.Messages(box, set, 0) {
		if err != nil {
			return nil, err
		}
		if !onlyDeleted || m.Flags&mailstore.Deleted != 0 {
			there.AddNum(m.UID)
		}
	}
	uids, _ := there.Nums()
	if len(uids) < 2 {
		return f.UpdateTx.Expunge(box, set, onlyDeleted)
	}
	_, err := f.UpdateTx.Expunge(box, mailstore.UIDSet{{Start: uids[0], Stop: uids[len(uids)-2]}}, onlyDeleted)
	return there, err
}

// TestHistoryShrinks plays histories on a store with a bug: it is found, with
// the few steps that show it, and these can be read back and played again.
func TestHistoryShrinks(t *testing.T) {
	right := func() storetest.Fixture { return newFixture(t) }
	wrong := func() storetest.Fixture {
		f := newFixture(t)
		open, check := f.Open, f.Check
		f.Open = func(ctx context.Context, now func() time.Time) (mailstore.Store, error) {
			s, err := open(ctx, now)
			return forgetful{s}, err
		}
		f.Check = func(ctx context.Context, s mailstore.Store) error { return check(ctx, s.(forgetful).Store) }
		f.Crash = nil
		return f
	}
	var failure *storetest.HistoryFailure
	if err := storetest.PlayHistory(wrong, 1, storetest.NewHistory(1, 100)); !errors.As(err, &failure) {
		t.Fatalf("the bug was not found: %v", err)
	}
	if len(failure.Steps) > 3 {
		t.Errorf("%d steps are left", len(failure.Steps))
	}
	t.Log(failure)
	again, err := storetest.ReadHistory([]byte(failure.Error()))
	if err != nil || fmt.Sprint(again) != fmt.Sprint(failure.Steps) {
		t.Fatalf("read back: %+v, %v", again, err)
	}
	if err := storetest.PlayHistory(wrong, 1, again); err == nil {
		t.Error("the steps do not show the bug")
	}
	if err := storetest.PlayHistory(right, 1, again); err != nil {
		t.Errorf("a store without the bug: %v", err)
	}
}

// copyFolder takes the files as the death of the process would leave them.
func copyFolder(from, to string) error {
	return os.CopyFS(to, os.DirFS(from))
}
