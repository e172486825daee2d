package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
)

const (
	textsFile    = "search.db"
	textsVersion = 1

	// textsPage is larger than bbolt's own: a text of a small letter takes a
	// page of 4 KiB and a little of the next.
	textsPage = 16 << 10
)

// errTextsDamaged says that the file makes no sense: it is made anew.
var errTextsDamaged = fmt.Errorf("texts: %w", mailstore.ErrDamaged)

func isDamage(err error) bool { return errors.Is(err, errTextsDamaged) }

// guarded makes errTextsDamaged of what a damaged file does to its reader.
func guarded(fn func() error) error { return boltfile.Guard(errTextsDamaged, fn) }

// open opens the file, and makes it anew when it is of no use: texts are never
// a reason not to start.
func (t *texts) open() {
	t.path = filepath.Join(t.s.opts.Dir, textsFile)
	file, err := t.openFile()
	if err != nil {
		t.s.log.Warn("texts for searching are made anew", "file", textsFile, "err", err)
		file = t.fresh()
	}
	t.file.Store(file)
}

// fresh makes an empty file in the place of one that is of no use; nil when it
// cannot. The old one is not closed when it is open: who reads it may go on,
// and after a panic closing could wait for ever.
func (t *texts) fresh() *bolt.DB {
	err := os.Remove(t.path)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		var file *bolt.DB
		if file, err = t.openFile(); err == nil {
			return file
		}
	}
	t.s.log.Error("no texts for searching are kept", "file", textsFile, "err", err)
	return nil
}

// lose gives a damaged file up; every account is then behind.
func (t *texts) lose(bad *bolt.DB, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.s.isClosing() || t.file.Load() != bad {
		return // somebody was faster
	}
	t.s.log.Error("texts for searching are damaged and made anew", "file", textsFile, "err", cause)
	t.file.Store(t.fresh())
	clear(t.settled)
	t.all = true
	hint(t.wake)
}

// openFile opens or makes the file, and checks that it is ours.
func (t *texts) openFile() (file *bolt.DB, err error) {
	opts := bolt.Options{Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, NoStatistics: true, PageSize: textsPage}
	if file, err = boltfile.Open(t.path, opts); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	err = guarded(func() error { return t.checkFile(file) })
	if err != nil && !isDamage(err) {
		_ = file.Close()
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// checkFile lays a new file out. One that has another version, or belongs to
// another store or an earlier generation of this one, is an error: UIDs may
// name other messages there.
func (t *texts) checkFile(file *bolt.DB) error {
	var format []byte
	err := t.s.read(context.Background(), func(rows *txn) error {
		generation, err := rows.generation()
		if err != nil {
			return err
		}
		mac := t.s.keys.macSum("texts", generation, textsFile)
		format = key(uint32(textsVersion), mac)
		return nil
	})
	if err != nil {
		return err
	}
	isNew := false
	err = file.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte(tMeta))
		if isNew = meta == nil; !isNew && !bytes.Equal(meta.Get([]byte("format")), format) {
			return errors.New("of another version or another store")
		}
		return nil
	})
	if err != nil || !isNew {
		return err
	}
	// The first commit that matters syncs this one too.
	file.NoSync = true
	defer func() { file.NoSync = false }()
	return file.Update(func(tx *bolt.Tx) error {
		for _, name := range textBuckets {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return fmt.Errorf("bucket %s: %w", name, err)
			}
		}
		return tx.Bucket([]byte(tMeta)).Put([]byte("format"), format)
	})
}

// close keeps the marks and closes the file. What fails is made again.
func (t *texts) close() {
	t.mu.Lock() // or lose, that has seen the store open, puts another one there
	file := t.file.Swap(nil)
	t.mu.Unlock()
	if file == nil {
		return
	}
	err := guarded(func() error {
		t.mu.Lock()
		idle := len(t.settled) == 0
		t.mu.Unlock()
		if idle {
			return file.Close()
		}
		err := file.Update(func(tx *bolt.Tx) error {
			t.mu.Lock()
			defer t.mu.Unlock()
			for at, mod := range t.settled {
				if err := tx.Bucket([]byte(tMark)).Put(boxKey(at.account, at.box), key(mod)); err != nil {
					return fmt.Errorf("keep mark: %w", err)
				}
			}
			return nil
		})
		return errors.Join(err, file.Close())
	})
	if err != nil {
		t.s.log.Warn("texts for searching not closed", "file", textsFile, "err", err)
	}
}
