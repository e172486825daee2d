package boltstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// TestCheckOnline checks a store that is written to all the time, whose texts are
// put together and of which backups are made: none of it is a finding.
func TestCheckOnline(t *testing.T) {
	s, a := testStore(t, Options{BodyFiles: 2})
	var done sync.WaitGroup
	stop := make(chan struct{})
	for n := range 4 {
		done.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := churn(s, a, n, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	beside := func(do func() error) {
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := do(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	beside(func() error { return caughtUp(s, a) })
	dir := t.TempDir()
	var backups atomic.Int64
	beside(func() error {
		to := filepath.Join(dir, strconv.FormatInt(backups.Add(1), 10))
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		_, err := s.Backup(ctx, to, BackupOptions{})
		return errors.Join(err, os.RemoveAll(to))
	})
	// Until something of everything was there, which the writers see to.
	for n := 0; n < 6 || n < 500 && (backups.Load() < 3 || inVault(t, s, a) < 20); n++ {
		findings, _ := inspect(t, s)
		for _, f := range findings {
			t.Errorf("%+v", f)
		}
	}
	close(stop)
	done.Wait()
	if b, v := backups.Load(), inVault(t, s, a); b < 3 || v < 20 {
		t.Errorf("beside the checks were %d backups, and %d messages came into the vault", b, v)
	}
}

// inVault counts the messages in the vault.
func inVault(t *testing.T, s *Store, a mailstore.ID) (n int) {
	t.Helper()
	err := s.View(ctx, a, func(tx mailstore.Tx) error {
		for _, err := range tx.Vault(0) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// churn does something of everything.
func churn(s *Store, a mailstore.ID, n, i int) error {
	size := 100
	if i%4 == 0 {
		size = 40000
	}
	ref, err := s.Bodies().Put(ctx, bytes.NewReader(make([]byte, size)))
	if err != nil {
		return err
	}
	letter := mailstore.NewID()
	item := mailstore.Item{ID: mailstore.NewID(), Account: a, Class: "c", Bodies: []body.Ref{ref}}
	err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		m := mailstore.NewMessage{EmailID: mailstore.NewID(), LetterID: letter, Keys: []string{"k"}, Keywords: []string{"w"}, Content: mailstore.Content{Body: ref, Length: ref.Size}}
		if i%8 == 0 {
			if err := tx.Keep(mailstore.Kept{EmailID: m.EmailID, LetterID: letter, Until: time.Now()}); err != nil {
				return err
			}
		}
		got, err := tx.Append(1, m)
		if err != nil {
			return err
		}
		one := mailstore.UIDSet{{Start: got.UID, Stop: got.UID}}
		if _, err := tx.Copy(1, one, 2); err != nil {
			return err
		}
		size, err := tx.JournalSize()
		if err != nil {
			return err
		}
		return errors.Join(tx.Enqueue(item), tx.PutLetter(mailstore.Letter{ID: letter, Role: 1, At: time.Now(), Keys: []string{"k"}}),
			tx.AppendJournal(mailstore.JournalRecord{Index: size, Details: []byte("x")}, []mailstore.Hash{{}}))
	})
	if err != nil || i%2 == 0 {
		return err
	}
	return s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		box := mailstore.MailboxID(1 + n%2)
		all := mailstore.UIDSet{{Start: 1, Stop: 0}}
		uids, err := tx.UIDs(box)
		if err != nil {
			return err
		}
		if len(uids) > 500 {
			// Most are doomed, those that are kept go into the vault with their last row.
			_, err = tx.Expunge(box, mailstore.UIDSet{{Start: uids[0], Stop: uids[400]}}, false)
			return err
		}
		_, err = tx.SetFlags(box, all, mailstore.FlagChange{Op: mailstore.FlagOp(1 + i%4/2), Flags: mailstore.Seen})
		return errors.Join(err, tx.Cancel(item.ID))
	})
}
