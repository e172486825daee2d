// Package boltfile is a bbolt file that serves for years: opened under its
// lock, and made small again while it is read and written.
//
// It owns the way such a file is opened and the copy that takes its place. It
// never knows what the file holds, and starts no transaction that changes it:
// those are its one writer's, of whom it asks to be let in between two commits.
package boltfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// mapSize is address space, not memory. A file that outgrows its map has to be
// mapped anew, for which every reader must be out.
const mapSize = int64(256) << 30

// openTries is how often a file is opened that another process replaces.
const openTries = 3

// Open opens the bbolt file with that name, or makes it, and what a compaction
// that was cut off has left beside it is removed. The lock of another process
// is waited for as opts say; then the error is bbolt's ErrTimeout. ErrDamaged when
// the file makes no sense.
func Open(path string, opts bolt.Options) (*bolt.DB, error) {
	db, err := open(path, opts)
	if err != nil {
		return nil, err
	}
	// Only who has the lock may do that: to others it is a copy at work.
	place, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = os.Remove(place + Suffix)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("remove the rest of a compaction: %w", err), db.Close())
	}
	return db, nil
}

// open opens a file and makes sure that it still bears the name. A process that
// compacts puts a new file in the place of the old one, whose lock it then
// lets go: who waited for that lock would have a file that nobody finds.
func open(path string, opts bolt.Options) (*bolt.DB, error) {
	for range openTries {
		db, file, err := mapped(path, opts)
		if err != nil {
			return nil, err
		}
		same, err := bears(file, path)
		if err == nil && same {
			return db, nil
		}
		if err = errors.Join(err, db.Close()); err != nil {
			return nil, err
		}
	}
	return nil, bolterrors.ErrTimeout
}

// mapped opens a file with as large a map as there is room for.
func mapped(path string, opts bolt.Options) (db *bolt.DB, file *os.File, err error) {
	opts.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, perm)
		file = f
		return f, err
	}
	opts.InitialMmapSize = initialMap()
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &opts)
		if errors.Is(err, syscall.ENOMEM) {
			// Address space is rationed here (ulimit -v): let the map grow.
			opts.InitialMmapSize = 0
			db, err = bolt.Open(path, 0o600, &opts)
		}
		return err
	})
	switch {
	case errors.Is(err, ErrDamaged) && file != nil:
		_ = unlock(file) // bbolt has let go of nothing, and the map holds the file
		_ = file.Close()
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, file, err
}

func initialMap() int {
	// Windows makes the file as long as the map; 32 bits have no such room.
	if runtime.GOOS == "windows" || strconv.IntSize < 64 {
		return 0
	}
	size := mapSize
	return int(size)
}

// bears reports whether an open file is the one with that name.
func bears(file *os.File, path string) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, named), err
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
