package boltstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gosbridge/mailstore"
)

// The master key is exchanged while accounts are made and opened; then the new
// key opens everything and the old one nothing. No body is rewritten.
func TestRotateKey(t *testing.T) {
	dir := t.TempDir()
	old, fresh := [32]byte{1}, [32]byte{2}
	s, account := testStore(t, Options{Dir: dir, MasterKey: old})
	ref, err := s.Bodies().Put(ctx, strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	m := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: ref, Length: ref.Size}}
	if err := s.Update(ctx, account, func(tx mailstore.UpdateTx) error { _, err := tx.Append(1, m); return err }); err != nil {
		t.Fatal(err)
	}
	bodies := filepath.Join(dir, "bodies-0.db")
	before, err := os.ReadFile(bodies)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RotateKey(ctx, old); !errors.Is(err, ErrSameKey) {
		t.Errorf("the key in use: %v", err)
	}
	var load sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID()}
				if err := s.Directory().CreateAccount(ctx, a, nil); err != nil {
					t.Errorf("create account: %v", err)
					return
				}
				s.accounts.Delete(account) // as after a start
				if n := messages(t, s, account); n != 1 {
					t.Errorf("%d messages", n)
				}
			}
		})
	}
	for n := range byte(5) {
		if err := s.RotateKey(ctx, [32]byte{9, n}); err != nil {
			t.Fatal(err)
		}
	}
	err = s.RotateKey(ctx, fresh)
	close(stop)
	load.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Check(ctx), s.Close()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(bodies); err != nil || string(after) != string(before) {
		t.Errorf("body file changed: %v", err)
	}
	for _, key := range [][32]byte{old, {9, 4}} {
		if _, err := Open(ctx, Options{Dir: dir, MasterKey: key}); !errors.Is(err, mailstore.ErrKey) {
			t.Errorf("an old key: %v", err)
		}
	}
	s = reopen(t, Options{Dir: dir, MasterKey: fresh})
	if n := messages(t, s, account); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// A snapshot from before the exchange is read to its end.
func TestRotateKeySnapshot(t *testing.T) {
	s, account := testStore(t, Options{MasterKey: [32]byte{1}})
	err := s.read(ctx, func(before *txn) error {
		if err := s.RotateKey(ctx, [32]byte{2}); err != nil {
			return err
		}
		s.accounts.Delete(account)
		_, err := before.accountKeys(account, false)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	s.accounts.Delete(account)
	if n := messages(t, s, account); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// Where the commit fails the old key stays the one that opens the store.
func TestRotateKeyFails(t *testing.T) {
	dir := t.TempDir()
	fail := errors.New("no luck")
	var failing bool
	s, account := testStore(t, Options{Dir: dir, MasterKey: [32]byte{1}, Hook: func(step string) error {
		if failing && step == "commit" {
			return fail
		}
		return nil
	}})
	failing = true
	if err := s.RotateKey(ctx, [32]byte{2}); !errors.Is(err, fail) {
		t.Fatal(err)
	}
	failing = false
	s.accounts.Delete(account)
	if n := messages(t, s, account); n != 0 {
		t.Errorf("%d messages", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, Options{Dir: dir, MasterKey: [32]byte{2}}); !errors.Is(err, mailstore.ErrKey) {
		t.Errorf("the key that was not taken: %v", err)
	}
	reopen(t, Options{Dir: dir, MasterKey: [32]byte{1}})
}
