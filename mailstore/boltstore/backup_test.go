package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// appendBody appends a message whose body is text and returns its UID.
func appendBody(s *Store, account mailstore.ID, text string) (uid mailstore.UID, err error) {
	ref, err := s.Bodies().Put(ctx, strings.NewReader(text))
	if err != nil {
		return 0, err
	}
	m := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: ref, Length: ref.Size}}
	err = s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		got, err := tx.Append(1, m)
		uid = got.UID
		return err
	})
	return uid, err
}

// bodyOf reads the body of a message in INBOX.
func bodyOf(s *Store, account mailstore.ID, uid mailstore.UID) (string, error) {
	var ref body.Ref
	err := s.View(ctx, account, func(tx mailstore.Tx) error {
		for m, err := range tx.Messages(1, mailstore.UIDSet{{Start: uid, Stop: uid}}, mailstore.FieldContent) {
			if err != nil {
				return err
			}
			ref = m.Content.Body
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	r, err := s.Bodies().Open(ctx, ref, 0)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), errors.Join(err, r.Close())
}

func expunge(s *Store, account mailstore.ID, uid mailstore.UID) error {
	return s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		_, err := tx.Expunge(1, mailstore.UIDSet{{Start: uid, Stop: uid}}, false)
		return err
	})
}

func backUp(t *testing.T, s *Store, o BackupOptions) (string, Snapshot) {
	t.Helper()
	dir := t.TempDir()
	snap, err := s.Backup(ctx, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return dir, snap
}

// restored opens what comes of a backup. It is checked when the test ends.
func restored(t *testing.T, from string, snap Snapshot, opts Options) (*Store, Restored) {
	t.Helper()
	opts.Dir = t.TempDir()
	r, err := Restore(ctx, RestoreOptions{From: from, Files: snap.Files, Store: opts, SkipNumbers: 1000})
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(opts.Dir)
	if err != nil || len(names) != len(snap.Files) {
		t.Errorf("the folder holds %v, %v", names, err)
	}
	return reopen(t, opts), r
}

// TestBackupUnderLoad has writers, deletions and sweeps at work while a backup
// is made: the restored store keeps every rule and has every message that was
// there before the backup began.
func TestBackupUnderLoad(t *testing.T) {
	opts := Options{MasterKey: [32]byte{3}, BodyFiles: 2}
	s, a := testStore(t, opts)
	kept := map[mailstore.UID]string{}
	for i := range 40 {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("x", 1<<(i%20)))
		uid, err := appendBody(s, a, text)
		if err != nil {
			t.Fatal(err)
		}
		kept[uid] = text
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				uid, err := appendBody(s, a, fmt.Sprintf("%d/%d %s", w, i, strings.Repeat("y", 1<<(i%19))))
				if err == nil && i%2 == 0 {
					err = expunge(s, a, uid)
				}
				if err == nil && w == 0 {
					_, err = s.Sweep(ctx, 0)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var told, total int64
	dir, snap := backUp(t, s, BackupOptions{Rate: 32 << 20, Progress: func(done, of int64) { told, total = done, of }})
	close(stop)
	work.Wait()
	if told != total || told == 0 {
		t.Errorf("progress ends at %d of %d", told, total)
	}
	restore, _ := restored(t, dir, snap, opts)
	if err := restore.Check(ctx); err != nil {
		t.Errorf("restored: %v", err)
	}
	for uid, text := range kept {
		if got, err := bodyOf(restore, a, uid); err != nil || got != text {
			t.Errorf("message %d: %d octets of %d, %v", uid, len(got), len(text), err)
		}
	}
}

// TestBackupKeepsSweepOut: what dies after the metadata was copied is still in
// the files of the bodies, because the sweep waits.
func TestBackupKeepsSweepOut(t *testing.T) {
	now := time.Now()
	text := strings.Repeat("large", 10_000)
	var s *Store
	var a mailstore.ID
	var uid mailstore.UID
	tried := 0
	opts := Options{Now: func() time.Time { return now }}
	opts.Hook = func(step string) error {
		if step != "backup" {
			return nil
		}
		if err := expunge(s, a, uid); err != nil {
			return err
		}
		now = now.Add(25 * time.Hour)
		for _, sweep := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := s.Sweep(ctx, time.Hour); return err },
			func(ctx context.Context) error {
				none := func(_ context.Context, names []body.Name) ([]bool, error) { return make([]bool, len(names)), nil }
				_, err := s.Bodies().Sweep(ctx, none, time.Hour)
				return err
			},
		} {
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			if err := sweep(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a sweep during the backup: %v", err)
			}
			cancel()
			tried++
		}
		return nil
	}
	s, a = testStore(t, opts)
	var err error
	if uid, err = appendBody(s, a, text); err != nil {
		t.Fatal(err)
	}
	dir, snap := backUp(t, s, BackupOptions{})
	if tried != 2 {
		t.Fatalf("%d sweeps were tried", tried)
	}
	opts.Hook = nil
	restore, _ := restored(t, dir, snap, opts)
	if got, err := bodyOf(restore, a, uid); err != nil || got != text {
		t.Errorf("%d octets, %v", len(got), err)
	}
	if report, err := s.Sweep(ctx, time.Hour); err != nil || report.Removed != 1 {
		t.Errorf("a sweep after the backup: %+v, %v", report, err)
	}
}

// TestBackupEnds: a backup that cannot be finished leaves nothing, and neither
// a caller nor Close waits for one that is slow.
func TestBackupEnds(t *testing.T) {
	failed := errors.New("disk on fire")
	opts := Options{Hook: func(step string) error {
		if step == "backup" {
			return failed
		}
		return nil
	}}
	s, _ := testStore(t, opts)
	dir := t.TempDir()
	empty := func(what string) {
		t.Helper()
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s left %v, %v", what, left, err)
		}
	}
	if _, err := s.Backup(ctx, dir, BackupOptions{}); !errors.Is(err, failed) {
		t.Errorf("failed backup: %v", err)
	}
	empty("a failed backup")
	ending := func(what string, by func(cancel func()), want error) {
		t.Helper()
		under, cancel := context.WithCancel(ctx)
		defer cancel()
		begun := make(chan struct{})
		var once sync.Once
		go func() {
			<-begun
			by(cancel)
		}()
		_, err := s.Backup(under, dir, BackupOptions{Rate: 1, Progress: func(int64, int64) { once.Do(func() { close(begun) }) }})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		empty(what)
	}
	ending("cancel", func(cancel func()) { cancel() }, context.Canceled)
	ending("close", func(func()) {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}, mailstore.ErrClosed)
	if err := os.WriteFile(filepath.Join(dir, "letter.eml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(ctx, dir, BackupOptions{}); !errors.Is(err, mailstore.ErrExists) {
		t.Errorf("into a folder with a file: %v", err)
	}
}

// TestBackupHoldsNoKey: the master key is in none of its files, nor is what it
// seals.
func TestBackupHoldsNoKey(t *testing.T) {
	opts := Options{MasterKey: [32]byte([]byte("0123456789abcdef0123456789ABCDEF"))}
	s, a := testStore(t, opts)
	secret := strings.Repeat("a secret text, ", 2000)
	if _, err := appendBody(s, a, secret); err != nil {
		t.Fatal(err)
	}
	dir, snap := backUp(t, s, BackupOptions{})
	if len(snap.Files) != 2 {
		t.Errorf("files %v", snap.Files)
	}
	for _, f := range snap.Files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil || len(text) == 0 || int64(len(text)) != f.Size {
			t.Fatalf("%s: %d octets, %v", f.Name, len(text), err)
		}
		for _, hidden := range [][]byte{opts.MasterKey[:], []byte("a secret text"), []byte("a@example.org")} {
			if bytes.Contains(text, hidden) {
				t.Errorf("%s holds %q", f.Name, hidden)
			}
		}
		info, err := os.Stat(filepath.Join(dir, f.Name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", f.Name, info.Mode(), err)
		}
	}
}

// TestPace: a copy keeps to its rate, and does not make up for a pause.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := Pace{Rate: 1000}
		took := func(octets int, want time.Duration) {
			t.Helper()
			if err := p.Took(t.Context(), octets); err != nil {
				t.Error(err)
			}
			if at := time.Since(start); at != want {
				t.Errorf("after %s, want %s", at, want)
			}
		}
		took(500, 500*time.Millisecond)
		took(1500, 2*time.Second)
		time.Sleep(10 * time.Second)
		took(1000, 12*time.Second) // it was late: not held back
		took(1000, 13*time.Second)
		p = Pace{}
		took(1<<30, 13*time.Second)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		for _, p := range []Pace{{}, {Rate: 1}} {
			if err := p.Took(cancelled, 10); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		}
	})
}
