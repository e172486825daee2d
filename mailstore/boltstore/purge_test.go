package boltstore

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// TestPurgeDamaged: damaged rows of deleted mailboxes are told once and stay. All
// others go: those of the same mailbox and those of the mailboxes behind it, out
// of which kept messages come into the vault.
func TestPurgeDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		damaged int // messages that the id index does not know
		left    int // rows
		lines   int
	}{
		"one":  {1, 1, 1},
		"many": {purgeDamaged + 10, purgeDamaged + 10 + 2, purgeDamaged + 1}, // then the mailbox is left as it is
	} {
		t.Run(name, func(t *testing.T) {
			var log logBuffer
			opts := Options{Dir: t.TempDir(), Hook: func(step string) error {
				if step == "purge" {
					return errors.New("not yet")
				}
				return nil
			}}
			s, a := testStore(t, opts)
			b := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"b@example.org"}}
			must(t, s.Directory().CreateAccount(ctx, b, nil))
			bad := map[string]bool{}
			for range c.damaged {
				id := mailstore.NewID()
				bad[string(id[:])] = true
			}
			kept := mailstore.NewID()
			must(t, s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return deleteWith(tx, bad, mailstore.NewID()) }))
			must(t, s.Update(ctx, b.ID, func(tx mailstore.UpdateTx) error { return deleteWith(tx, nil, kept) }))
			must(t, s.Close())
			raw(t, opts.Dir, func(tx *bolt.Tx) error {
				emails := tx.Bucket([]byte(bucketNames[bEmail]))
				for _, k := range keysOf(emails) {
					if bad[k[4:]] {
						if err := emails.Delete([]byte(k)); err != nil {
							return err
						}
					}
				}
				return nil
			})
			asked := make(chan struct{}, 1)
			opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
			opts.Hook = func(step string) error {
				if step == "purge" {
					hint(asked)
				}
				return nil
			}
			s, err := Open(ctx, opts)
			must(t, err)
			for range 3000 { // it goes on behind
				if err = vaulted(s, b.ID, kept); err == nil {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			must(t, err)
			rows := 0
			must(t, s.read(ctx, func(x *txn) error { rows = len(keysOf(x.b(bRow))); return nil }))
			if rows != c.left {
				t.Errorf("%d rows are left, want %d", rows, c.left)
			}
			for len(asked) > 0 {
				<-asked
			}
			_, err = s.Sweep(ctx, time.Hour) // asks again
			must(t, err)
			<-asked
			must(t, s.Close())
			if n := log.count("row of a deleted mailbox not removed"); n != c.lines {
				t.Errorf("%d lines in the log, want %d", n, c.lines)
			}
		})
	}
}

// deleteWith makes a mailbox with two messages, behind those with the ids of bad,
// and deletes it. The last one is kept.
func deleteWith(tx mailstore.UpdateTx, bad map[string]bool, kept mailstore.ID) error {
	box, err := tx.CreateMailbox("old", "")
	if err != nil {
		return err
	}
	for id := range bad {
		if _, err := tx.Append(box.ID, mailstore.NewMessage{EmailID: mailstore.ID([]byte(id))}); err != nil {
			return err
		}
	}
	for _, id := range []mailstore.ID{mailstore.NewID(), kept} {
		if _, err := tx.Append(box.ID, mailstore.NewMessage{EmailID: id}); err != nil {
			return err
		}
	}
	return errors.Join(tx.Keep(mailstore.Kept{EmailID: kept}), tx.DeleteMailbox(box.ID))
}

// vaulted is nil when the vault has the message.
func vaulted(s *Store, account, id mailstore.ID) error {
	return s.View(ctx, account, func(tx mailstore.Tx) error {
		_, err := tx.Vaulted(id, 0)
		return err
	})
}

// keysOf are the keys of a bucket.
func keysOf(b *bolt.Bucket) (keys []string) {
	_ = b.ForEach(func(k, _ []byte) error { keys = append(keys, string(k)); return nil })
	return keys
}
