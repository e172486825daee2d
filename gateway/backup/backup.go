// Package backup is a copy of a store in a folder: how it is made while the
// gateway serves, how it is known to be whole, and the schedule by which it is
// made.
//
// It owns the form of the folder. A backup holds what the store's files hold,
// sealed as they are, the manifest, and those files of the configuration that
// are no secrets. It never holds the master key or any other private key: who
// has only the backup can read no letter, and who wants to restore it needs
// those keys from elsewhere.
//
// A folder with a manifest is whole: it is built under another name, made
// durable, and renamed last.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gosbridge/mailstore/body"
	"gosbridge/mailstore/boltstore"
)

// What callers test for.
var (
	// ErrDamaged says that a backup is not as it was written.
	ErrDamaged = errors.New("backup damaged")
	// ErrNone says that a folder is no backup, or one that was never finished.
	ErrNone = errors.New("no finished backup")
	// ErrTaken says that the folder to back up to is there and not empty.
	ErrTaken = errors.New("folder is there and not empty")
	// ErrSpace says that the disk has too little room.
	ErrSpace = errors.New("too little space")
)

// filesFolder holds the files of the configuration.
const filesFolder = "files"

// Store is what is backed up.
type Store interface {
	BackupSize(ctx context.Context) (int64, error)
	Backup(ctx context.Context, dir string, o boltstore.BackupOptions) (boltstore.Snapshot, error)
}

// Source is a file that is no secret and belongs to a backup. Of one with
// Certificates nothing is taken but these: a private key may stand beside them.
type Source struct {
	Path         string
	Certificates bool
}

// Options say what to back up.
type Options struct {
	Store    Store
	Dir      string // folder to make; it is not there, or empty
	Sources  []Source
	Release  string // of this program
	Rate     int64  // octets per second; 0 without limit
	Progress Progress
}

// Progress tells how far a stage has come, in octets; nil for nobody.
type Progress func(stage string, done, total int64)

// The stages.
const (
	Copying   = "copy"
	Comparing = "compare" // what was written, read again
)

// of is the progress of one stage.
func (p Progress) of(stage string) func(done, total int64) {
	if p == nil {
		return nil
	}
	return func(done, total int64) { p(stage, done, total) }
}

// Make makes a backup, and reads it again before it counts as one. What ends it
// early, a crash too, leaves nothing that could be taken for one: at most a
// folder beside it whose name begins with a dot and has ".part-" in it.
func Make(ctx context.Context, o Options) (m Manifest, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("backup %s: %w", o.Dir, err)
		}
	}()
	if entries, err := os.ReadDir(o.Dir); err == nil && len(entries) > 0 {
		return m, ErrTaken
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	parent := filepath.Dir(o.Dir)
	if _, err := os.Stat(parent); err != nil {
		return m, fmt.Errorf("%w: only the last folder of the path is made", err)
	}
	if err := room(ctx, o.Store, parent); err != nil {
		return m, err
	}
	work, err := os.MkdirTemp(parent, partPattern(filepath.Base(o.Dir)))
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	snap, err := o.Store.Backup(ctx, work, boltstore.BackupOptions{Rate: o.Rate, Progress: o.Progress.of(Copying)})
	if err != nil {
		return m, err
	}
	m = newManifest(snap, o.Release)
	if err := m.addSources(work, o.Sources); err != nil {
		return m, err
	}
	if err := write(filepath.Join(work, manifestName), m.encode()); err != nil {
		return m, err
	}
	if err := body.SyncDir(work); err != nil {
		return m, err
	}
	if _, err := verify(ctx, work, o.Rate, o.Progress.of(Comparing)); err != nil {
		return m, err
	}
	// Only an empty folder gives way; os.Rename replaces none.
	if err := os.Remove(o.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w (name a folder that is to be made)", err)
	}
	if err := os.Rename(work, o.Dir); err != nil {
		return m, err
	}
	return m, body.SyncDir(parent)
}

// partPattern names the folder in which a backup is made (os.MkdirTemp).
func partPattern(name string) string { return "." + name + ".part-*" }

// slack is how much a store may grow while it is copied, in octets.
const slack = 64 << 20

// room looks whether there is space for a backup.
func room(ctx context.Context, s Store, parent string) error {
	need, err := s.BackupSize(ctx)
	if err != nil {
		return err
	}
	free, err := freeSpace(parent)
	if errors.Is(err, errUnknownSpace) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("space in %s: %w", parent, err)
	}
	if free < need+slack {
		return fmt.Errorf("%w: %s has %d MiB free, the backup takes %d MiB", ErrSpace, parent, free>>20, (need+slack)>>20)
	}
	return nil
}

// addSources copies the files of the configuration, each once.
func (m *Manifest) addSources(dir string, sources []Source) error {
	if len(sources) == 0 {
		return nil
	}
	if err := os.Mkdir(filepath.Join(dir, filesFolder), 0o700); err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, s := range sources {
		if taken[s.Path] {
			continue
		}
		text, err := os.ReadFile(s.Path)
		if err != nil {
			return err
		}
		if s.Certificates {
			text = certificates(text)
		}
		base := filepath.Base(s.Path)
		name := base
		for i := 2; taken[name]; i++ {
			name = strconv.Itoa(i) + "-" + base
		}
		taken[s.Path], taken[name] = true, true
		name = filesFolder + "/" + name
		if err := write(filepath.Join(dir, name), text); err != nil {
			return err
		}
		m.Files = append(m.Files, File{Name: name, From: s.Path, Size: int64(len(text)), SHA256: sum(sha256.Sum256(text))})
	}
	return body.SyncDir(filepath.Join(dir, filesFolder))
}

// certificates are those of a PEM file, without whatever else stands there.
func certificates(text []byte) []byte {
	var out bytes.Buffer
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out.Bytes()
		}
		if block.Type == "CERTIFICATE" {
			block.Headers = nil
			_ = pem.Encode(&out, block) // a buffer takes everything
		}
	}
}

// write makes a file for its owner only, and makes it durable.
func write(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// Remove removes a backup: the files that its manifest names, and nothing else.
// A folder that holds more stays, without its manifest, and is an error.
func Remove(dir string) error {
	m, err := Read(dir)
	if err != nil {
		return err
	}
	// The manifest first: what is left of a removal that was cut short is no
	// backup.
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil {
		return err
	}
	var errs []error
	for _, name := range append(m.names(), notesName) {
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, filesFolder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, os.Remove(dir))...)
}

// removeParts removes what backups with a prefix in their names have left in a
// folder when they were cut short.
func removeParts(folder, prefix string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "."+prefix) && strings.Contains(e.Name(), ".part-") {
			errs = append(errs, os.RemoveAll(filepath.Join(folder, e.Name())))
		}
	}
	return errors.Join(errs...)
}
