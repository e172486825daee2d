package boltstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// rootOf is the number of the page by which a bucket begins.
func rootOf(t *testing.T, dir, name string) (page int64) {
	t.Helper()
	raw(t, dir, func(tx *bolt.Tx) error {
		page = int64(tx.Bucket([]byte(name)).Root())
		return nil
	})
	return page
}

// overwrite puts junk in the place of a page.
func overwrite(t *testing.T, dir string, page int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, metaFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), page*4096); err != nil {
		t.Fatal(err)
	}
}

// filled makes a store with letters, closed and opened again: its pages lie where
// they lay when it was closed.
func filled(t *testing.T, dir string) (*Store, mailstore.ID) {
	t.Helper()
	s, a := testStore(t, Options{Dir: dir})
	for range 300 {
		must(t, letter(s, a, 1000))
	}
	must(t, s.Close())
	s, err := Open(ctx, Options{Dir: dir})
	must(t, err)
	return s, a
}

// readLetters reads rows of INBOX.
func readLetters(tx mailstore.Tx) error {
	for _, err := range tx.Messages(1, mailstore.UIDSet{{Start: 1, Stop: 300}}, mailstore.FieldMeta) {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestDamagedPage: a page of the metadata that makes no sense, or cannot be read,
// is an error of those who need it. The others are served, and what is done about
// it on the way (a Sweep, a compaction) does not end the process either.
func TestDamagedPage(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string, page int64){
		"makes no sense": overwrite,
		"cannot be read": func(t *testing.T, dir string, _ int64) {
			must(t, os.Truncate(filepath.Join(dir, metaFile), 2*4096))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, a := filled(t, dir)
			must(t, s.Close())
			page := rootOf(t, dir, bucketNames[bRow])
			s, err := Open(ctx, Options{Dir: dir})
			must(t, err)
			harm(t, dir, page)
			for what, do := range map[string]func() error{
				"view":   func() error { return s.View(ctx, a, readLetters) },
				"update": func() error { return s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return readLetters(tx) }) },
				"write": func() error {
					return s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
						_, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID()})
						return err
					})
				},
				"compact": func() error { _, err := s.Compact(ctx, mailstore.CompactOptions{}); return err },
			} {
				if err := do(); !errors.Is(err, mailstore.ErrDamaged) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if name == "makes no sense" { // of one bucket
				must(t, s.Directory().PutSetting(ctx, "name", []byte("value")))
				if v, err := s.Directory().Setting(ctx, "name"); err != nil || string(v) != "value" {
					t.Errorf("another bucket: %q, %v", v, err)
				}
			}
			_ = s.Close()
		})
	}
}

// TestBlind takes the pages away by which the file begins: every transaction ends
// with an error, and none waits for the locks that the first one left.
func TestBlind(t *testing.T) {
	dir := t.TempDir()
	s, a := filled(t, dir)
	must(t, os.Truncate(filepath.Join(dir, metaFile), 0))
	for range 3 {
		if err := s.View(ctx, a, readLetters); !errors.Is(err, mailstore.ErrDamaged) {
			t.Errorf("view: %v", err)
		}
		if err := letter(s, a, 10); !errors.Is(err, mailstore.ErrDamaged) {
			t.Errorf("update: %v", err)
		}
	}
	_ = s.Close()
}

// TestOpenDamaged opens files that make no sense: an error that says so, and the
// folder is free again.
func TestOpenDamaged(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"garbage": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, metaFile), bytes.Repeat([]byte("garbage!"), 4096), 0o600))
		},
		"cut short":  func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, metaFile), 2*4096)) },
		"first page": func(t *testing.T, dir string) { overwrite(t, dir, 0); overwrite(t, dir, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, _ := filled(t, dir)
			must(t, s.Close())
			harm(t, dir)
			for range 2 {
				if _, err := Open(ctx, Options{Dir: dir}); !errors.Is(err, mailstore.ErrDamaged) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}
