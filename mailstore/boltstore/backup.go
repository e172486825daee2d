package boltstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
)

// BackupOptions are the settings of a backup. The zero value is right.
type BackupOptions struct {
	Rate     int64                   // octets per second; 0 without limit
	Progress func(done, total int64) // octets; nil for none
}

// BackupFile is one file of a backup.
type BackupFile struct {
	Name   string
	Size   int64 // octets
	SHA256 [sha256.Size]byte
}

// Snapshot is what a backup holds.
type Snapshot struct {
	// At is the time of the snapshot: what was committed before is in it.
	At         time.Time
	Store      string // see Store.Name
	Generation uint32
	NextNumber uint64 // that no letter of the snapshot has, nor any above it
	Files      []BackupFile
}

// Name tells the store from others: a MAC under its own key, which a restored
// one shares, and which stays when the master key is exchanged. It is no secret.
func (s *Store) Name() string {
	mac := s.keys.macSum("store", 0, "name")
	return hex.EncodeToString(mac[:4])
}

// BackupSize is how many octets a backup would take now.
func (s *Store) BackupSize(ctx context.Context) (octets int64, err error) {
	err = s.read(ctx, func(t *txn) error { octets = t.tx.Size(); return nil })
	if err != nil {
		return 0, err
	}
	bodies, err := s.large.Size()
	return octets + bodies, err
}

// Backup writes the store's files, as of one moment, into a folder that is
// there and empty, and makes them durable. It may run beside everything else;
// sweeps wait. On an error it removes what it wrote.
//
// The metadata comes first: a body is durable before the commit that names it,
// so the files of the bodies, copied later, have each that the metadata names.
// Those that it does not name yet are swept after a restore.
//
// A file grows by what is written while its snapshot is open, because pages
// that come free have to wait: a slow backup of a busy store costs space that
// only compaction gives back. Where the address space is rationed, so that the
// map is small, a file that has to be mapped anew waits for the backup.
func (s *Store) Backup(ctx context.Context, dir string, o BackupOptions) (snap Snapshot, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up to %s: %w", dir, err)
		}
	}()
	if entries, err := os.ReadDir(dir); err != nil {
		return snap, err
	} else if len(entries) > 0 {
		return snap, fmt.Errorf("%s is there: %w", entries[0].Name(), mailstore.ErrExists)
	}
	release, err := s.maintain(ctx)
	if err != nil {
		return snap, err
	}
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // Close waits for open transactions
		select {
		case <-s.closing:
			cancel(mailstore.ErrClosed)
		case <-ctx.Done():
		}
	}()
	c := &copier{ctx: ctx, dir: dir, pace: Pace{Rate: o.Rate}, progress: o.Progress}
	if c.total, err = s.BackupSize(ctx); err != nil {
		return snap, err
	}
	if err := s.copyFiles(c, &snap); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return snap, errors.Join(err, c.remove())
	}
	snap.Files = c.files
	return snap, nil
}

// copyFiles copies the metadata, then the bodies.
func (s *Store) copyFiles(c *copier, snap *Snapshot) error {
	snap.At = s.now()
	err := s.read(c.ctx, func(t *txn) (err error) {
		snap.Store = s.Name()
		if snap.Generation, err = t.generation(); err != nil {
			return err
		}
		if snap.NextNumber, err = t.counter(counterNumber); err != nil {
			return err
		}
		return c.copy(metaFile, t.tx.Size(), t.tx)
	})
	if err != nil {
		return err
	}
	if err := s.hook("backup"); err != nil {
		return err
	}
	if err := s.large.Copy(c.ctx, c.copy); err != nil {
		return err
	}
	return boltfile.SyncDir(c.dir)
}

// syncEvery is after how many octets a copy is synced: were it only at the
// end, all of it would stand in the way of the commits at once.
const syncEvery = 64 << 20

// copier writes files of a backup, or of a store that is restored.
type copier struct {
	ctx      context.Context
	dir      string
	pace     Pace
	progress func(done, total int64)
	done     int64
	total    int64
	files    []BackupFile

	file   *os.File
	hash   hash.Hash
	synced int64 // octets that are not synced yet
	failed error // of a write: bbolt does not pass the chain on
}

// copy writes one file and makes it durable.
func (c *copier) copy(name string, octets int64, from io.WriterTo) (err error) {
	c.file, err = os.OpenFile(filepath.Join(c.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	c.hash, c.synced = sha256.New(), 0
	c.files = append(c.files, BackupFile{Name: name})
	n, err := from.WriteTo(c)
	switch {
	case c.failed != nil:
		err = c.failed
	case err == nil && n != octets:
		err = fmt.Errorf("%d octets of %d", n, octets)
	}
	if err = errors.Join(err, c.file.Sync(), c.file.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	c.files[len(c.files)-1] = BackupFile{Name: name, Size: n, SHA256: [sha256.Size]byte(c.hash.Sum(nil))}
	return nil
}

// Write implements io.Writer for the file that is being copied.
func (c *copier) Write(p []byte) (n int, err error) {
	defer func() { c.failed = err }()
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err = c.file.Write(p)
	c.hash.Write(p[:n])
	c.done += int64(n)
	if c.synced += int64(n); err == nil && c.synced >= syncEvery {
		c.synced = 0
		err = c.file.Sync()
	}
	if c.progress != nil {
		c.progress(c.done, max(c.total, c.done))
	}
	if err == nil {
		err = c.pace.Took(c.ctx, n)
	}
	return n, err
}

// remove takes away what was written.
func (c *copier) remove() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, os.Remove(filepath.Join(c.dir, f.Name)))
	}
	return errors.Join(errs...)
}
