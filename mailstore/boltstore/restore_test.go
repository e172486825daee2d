package boltstore

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"gosbridge/mailstore"
)

// TestRestoreRaises: neither a UIDVALIDITY nor a number comes again, also when
// one backup is restored twice.
func TestRestoreRaises(t *testing.T) {
	opts := Options{MasterKey: [32]byte{9}}
	s, a := testStore(t, opts)
	if _, err := appendBody(s, a, "text"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Directory().ReserveNumbers(ctx, 1000); err != nil {
		t.Fatal(err)
	}
	before := validities(t, s, a)
	dir, snap := backUp(t, s, BackupOptions{})
	after, err := s.Directory().ReserveNumbers(ctx, 500) // lost with the store
	if err != nil {
		t.Fatal(err)
	}
	restore, r := restored(t, dir, snap, opts)
	other, _ := testStore(t, opts)
	if name := restore.Name(); name != snap.Store || len(name) != 8 || name == other.Name() {
		t.Errorf("name %q, in the backup %q, of another store %q", name, snap.Store, other.Name())
	}
	if r.Generation != snap.Generation+1 {
		t.Errorf("generation %d, in the backup %d", r.Generation, snap.Generation)
	}
	for name, v := range validities(t, restore, a) {
		if v <= before[name] {
			t.Errorf("%s has UIDVALIDITY %d, before the backup %d", name, v, before[name])
		}
	}
	uid, err := appendBody(restore, a, "after")
	if err != nil || uid != 2+SkippedUIDs {
		t.Errorf("UID %d, %v: one of a message that came after the backup", uid, err)
	}
	if err := restore.View(ctx, a, func(tx mailstore.Tx) error {
		list, err := tx.Mailboxes()
		for _, m := range list {
			if m.UIDNext <= SkippedUIDs {
				t.Errorf("%s has UIDNEXT %d", m.Name, m.UIDNext)
			}
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	first, err := restore.Directory().ReserveNumbers(ctx, 1)
	if err != nil || first != r.NextNumber || first < after+500 {
		t.Errorf("number %d, %v, told %d; given out after the backup: up to %d", first, err, r.NextNumber, after+499)
	}
	again := RestoreOptions{
		From: dir, Files: snap.Files, Store: opts, SkipNumbers: 10, Generation: r.Generation + 1, NextNumber: r.NextNumber + 1000,
	}
	again.Store.Dir = t.TempDir()
	r2, err := Restore(ctx, again)
	if err != nil || r2.Generation != r.Generation+1 || r2.NextNumber != r.NextNumber+1000 {
		t.Errorf("second restore: %+v, %v", r2, err)
	}
	again.Store.Dir, again.Generation = t.TempDir(), 1<<10
	if _, err := Restore(ctx, again); !errors.Is(err, ErrGeneration) {
		t.Errorf("no room for a generation: %v", err)
	}
	// Only the backup itself tells that these are too many.
	again.Generation, again.NextNumber, again.SkipNumbers = 0, 0, math.MaxUint64-100
	if _, err := Restore(ctx, again); !errors.Is(err, ErrNumbers) {
		t.Errorf("around past the greatest number: %v", err)
	}
	again.SkipNumbers, again.LastNumber = 10, 1010
	if _, err := Restore(ctx, again); !errors.Is(err, ErrNumbers) {
		t.Errorf("above the last number: %v", err)
	}
	again.LastNumber = 1011
	if r, err := Restore(ctx, again); err != nil || r.NextNumber != 1011 {
		t.Errorf("up to the last number: %+v, %v", r, err)
	}
}

// TestRestoreRefused: what is wrong with a backup, the key or the folder is
// said, and nothing is changed.
func TestRestoreRefused(t *testing.T) {
	opts := Options{MasterKey: [32]byte{9}}
	s, a := testStore(t, opts)
	if _, err := appendBody(s, a, string(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		do   func(dir string, o *RestoreOptions) error
		want error
	}{
		{"wrong key", func(_ string, o *RestoreOptions) error { o.Store.MasterKey[0]++; return nil }, mailstore.ErrKey},
		{"a bit of the metadata", func(dir string, _ *RestoreOptions) error { return flip(dir, metaFile) }, mailstore.ErrDamaged},
		{"a bit of the bodies", func(dir string, _ *RestoreOptions) error { return flip(dir, "bodies-0.db") }, mailstore.ErrDamaged},
		{"cut short", func(dir string, _ *RestoreOptions) error {
			return os.Truncate(filepath.Join(dir, "bodies-0.db"), 1<<20)
		}, mailstore.ErrDamaged},
		{"no metadata", func(_ string, o *RestoreOptions) error { o.Files = o.Files[1:]; return nil }, mailstore.ErrDamaged},
		{"file missing", func(dir string, _ *RestoreOptions) error { return os.Remove(filepath.Join(dir, "bodies-0.db")) }, fs.ErrNotExist},
		{"path for a name", func(_ string, o *RestoreOptions) error {
			o.Files = append(o.Files, BackupFile{Name: "../bodies-0.db"})
			return nil
		}, mailstore.ErrDamaged},
		{"store there", func(_ string, o *RestoreOptions) error {
			return os.WriteFile(filepath.Join(o.Store.Dir, metaFile), nil, 0o600)
		}, mailstore.ErrExists},
		{"bodies there", func(_ string, o *RestoreOptions) error {
			return os.WriteFile(filepath.Join(o.Store.Dir, "bodies-1.db"), nil, 0o600)
		}, mailstore.ErrExists},
		{"then fails", func(_ string, o *RestoreOptions) error {
			o.Then = func(context.Context, *Store, Restored) error { return errThen }
			return nil
		}, errThen},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, snap := backUp(t, s, BackupOptions{})
			o := RestoreOptions{From: dir, Files: snap.Files, Store: opts}
			o.Store.Dir = t.TempDir()
			if err := c.do(dir, &o); err != nil {
				t.Fatal(err)
			}
			before := names(t, o.Store.Dir)
			if _, err := Restore(ctx, o); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if after := names(t, o.Store.Dir); after != before {
				t.Errorf("the folder holds %s, before %s", after, before)
			}
		})
	}
}

var errThen = errors.New("no journal")

// flip changes a bit in the middle of a file.
func flip(dir, name string) error {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text[len(text)/2] ^= 1
	return os.WriteFile(path, text, 0o600)
}

// names are those of all files in a folder.
func names(t *testing.T, dir string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all += " " + e.Name()
	}
	return all
}

// TestRestoreCutShort: what a crash leaves of a restore is no store, nothing
// makes one of it but the next restore, and no second one runs beside it.
func TestRestoreCutShort(t *testing.T) {
	opts := Options{MasterKey: [32]byte{9}}
	s, a := testStore(t, opts)
	uid, err := appendBody(s, a, string(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	dir, snap := backUp(t, s, BackupOptions{})
	o := RestoreOptions{From: dir, Files: snap.Files, Store: opts}
	o.Store.Dir = t.TempDir()
	beside := o
	o.Then = func(context.Context, *Store, Restored) error {
		if _, err := Restore(ctx, beside); !errors.Is(err, ErrUnfinished) {
			t.Errorf("a second restore beside it: %v", err)
		}
		create := o.Store
		create.Create = true
		if _, err := Open(ctx, create); !errors.Is(err, ErrUnfinished) {
			t.Errorf("a start beside it: %v", err)
		}
		return errThen
	}
	if _, err := Restore(ctx, o); !errors.Is(err, errThen) {
		t.Fatal(err)
	}
	// As after a crash among the last steps: the bodies are in place already.
	stage := filepath.Join(o.Store.Dir, stageName)
	if err := os.Mkdir(stage, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(o.Store.Dir, "bodies-0.db"), filepath.Join(stage, metaFile)} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	create := o.Store
	create.Create = true
	if _, err := Open(ctx, create); !errors.Is(err, ErrUnfinished) {
		t.Errorf("a start after the crash: %v", err)
	}
	o.Then = nil
	if _, err := Restore(ctx, o); err != nil {
		t.Fatal(err)
	}
	restore := reopen(t, o.Store)
	if got, err := bodyOf(restore, a, uid); err != nil || len(got) != 1<<20 {
		t.Errorf("%d octets, %v", len(got), err)
	}
}
