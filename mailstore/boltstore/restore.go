package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/mailstore/boltfile"
)

// ErrUnfinished says that a restore into the folder was cut short. It can be
// repeated; nothing else opens the folder before.
var ErrUnfinished = errors.New("a restore into this folder is under way or was cut short: repeat it")

// ErrGeneration says that the store was restored as often as UIDVALIDITY has
// room for.
var ErrGeneration = errors.New("no further generation")

// ErrNumbers says that there are not so many numbers.
var ErrNumbers = errors.New("no further numbers")

// RestoreOptions say what is restored, and to where.
type RestoreOptions struct {
	From  string       // folder of the backup
	Files []BackupFile // of the backup; they are checked while they are copied
	// Store opens the store that comes of it. Its Dir holds no store yet.
	Store Options
	// The generation of the store, and the next number it gives out, are at
	// least these: what was restored from the same backup before has used
	// those below. The generation is above the backup's in any case.
	Generation uint32
	NextNumber uint64
	// SkipNumbers is how many numbers are left out: at least as many as were
	// given out since the backup.
	SkipNumbers uint64
	// LastNumber is the greatest that there is, 0 for that of its type.
	LastNumber uint64
	// Then is called with the store before anybody else can see it; an error
	// leaves nothing of the restore. nil for nothing.
	Then     func(ctx context.Context, s *Store, r Restored) error
	Progress func(done, total int64) // octets; nil for none
}

// SkippedUIDs is how many UIDs a restore leaves out in each mailbox, for each
// generation that it goes on by: a restore before it has used the last. A client
// has to forget all UIDs when UIDVALIDITY changes (RFC 3501 §2.3.1.1), but some
// compare Message-IDs and keep what they know when most agree: mbsync does. To
// them the UIDs of messages that came after the backup must not name others.
const SkippedUIDs = 1 << 20

// Restored is what a restored store goes on with.
type Restored struct {
	Generation uint32
	NextNumber uint64
}

// Restore makes a store of a backup. Generation and numbers are raised, and UIDs
// left out, so that neither UIDs nor numbers name anything else than what they
// named before. The
// store appears whole or not at all; after a crash Restore is to be repeated.
// ErrExists when the folder holds a store, ErrKey when the master key does not
// fit, ErrDamaged when a file is not as it was written: then nothing changed.
func Restore(ctx context.Context, o RestoreOptions) (r Restored, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore %s: %w", o.From, err)
		}
	}()
	if err := o.check(); err != nil {
		return r, err
	}
	if err := checkBackupKey(o); err != nil {
		return r, err
	}
	st, err := stage(o.Store.Dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, st.close(err == nil)) }()
	if err := st.fill(ctx, o); err != nil {
		return r, err
	}
	opts := o.Store
	opts.Dir, opts.Create = st.path, false
	s, err := Open(ctx, opts)
	if err != nil {
		return r, err
	}
	r, last, err := s.raise(ctx, o)
	if err == nil {
		err = s.skipUIDs(ctx, mailstore.UID(r.Generation-last)*SkippedUIDs)
	}
	if err == nil && o.Then != nil {
		err = o.Then(ctx, s, r)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return r, err
	}
	return r, st.publish()
}

// checkBackupKey refuses a master key that does not fit, before anything is
// copied.
func checkBackupKey(o RestoreOptions) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { // bbolt's answer to pages without sense
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: %w: %v", metaFile, mailstore.ErrDamaged, p)
		}
	}()
	db, err := bolt.Open(filepath.Join(o.From, metaFile), 0, &bolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if err != nil {
		return fmt.Errorf("open %s: %w", metaFile, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte(bucketNames[bMeta]))
		if meta == nil {
			return fmt.Errorf("%s: %w", metaFile, mailstore.ErrDamaged)
		}
		return newStore(o.Store).checkFormat(meta)
	})
}

// generations is how many UIDVALIDITY has room for.
const generations = 1 << (32 - validityBits)

// check refuses what there is no room for, before anything is copied.
func (o RestoreOptions) check() error {
	if o.Generation >= generations {
		return fmt.Errorf("generation %d: %w", o.Generation, ErrGeneration)
	}
	_, err := o.nextNumber(1)
	return err
}

// nextNumber is the next number of a store whose backup goes on with next.
func (o RestoreOptions) nextNumber(next uint64) (uint64, error) {
	last := o.LastNumber
	if last == 0 {
		last = math.MaxUint64
	}
	if o.NextNumber > last {
		return 0, fmt.Errorf("next number %d, the last is %d: %w", o.NextNumber, last, ErrNumbers)
	}
	if o.SkipNumbers > last || next > last-o.SkipNumbers {
		return 0, fmt.Errorf("%d numbers left out from %d on, the last is %d: %w", o.SkipNumbers, next, last, ErrNumbers)
	}
	return max(next+o.SkipNumbers, o.NextNumber), nil
}

// raise gives the store a generation, and numbers, that were never in use. last
// is the generation of the backup.
func (s *Store) raise(ctx context.Context, o RestoreOptions) (r Restored, last uint32, err error) {
	err = s.submit(ctx, func(w *work) (err error) {
		if last, err = w.generation(); err != nil {
			return err
		}
		if last >= generations-1 {
			return fmt.Errorf("above generation %d: %w", last, ErrGeneration)
		}
		r.Generation = max(last+1, o.Generation)
		next, err := w.txn.counter(counterNumber)
		if err != nil {
			return err
		}
		if r.NextNumber, err = o.nextNumber(next); err != nil {
			return err
		}
		if _, err := w.counter(counterNumber, r.NextNumber-next); err != nil {
			return err
		}
		return w.put(bMeta, metaGeneration, key(r.Generation))
	})
	return r, last, err
}

// skipUIDs leaves n UIDs out in every mailbox, an account after the other: the
// store is not seen by anybody before all have it.
func (s *Store) skipUIDs(ctx context.Context, n mailstore.UID) error {
	accounts, ctx := errgroup.WithContext(ctx)
	accounts.SetLimit(batchRequests / 8) // they share commits
	for a, err := range s.Directory().Accounts(ctx) {
		if err != nil {
			accounts.Go(func() error { return err })
			break
		}
		accounts.Go(func() error {
			err := s.Update(ctx, a.ID, func(tx mailstore.UpdateTx) error { return tx.(*update).skipUIDs(n) })
			if err != nil {
				return fmt.Errorf("UIDs of %s: %w", a.ID, err)
			}
			return nil
		})
	}
	return accounts.Wait()
}

// skipUIDs leaves UIDs out in the account's mailboxes. One that has no room for
// it is left as it is.
func (u *update) skipUIDs(n mailstore.UID) error {
	list, err := u.Mailboxes()
	if err != nil {
		return err
	}
	for _, m := range list {
		b, err := u.box(m.ID)
		if err != nil {
			return err
		}
		if next := b.UIDNext + n; next > b.UIDNext {
			b.UIDNext, b.dirty = next, true
		}
	}
	return nil
}

// stageName is the folder, in the data folder, in which a restored store is
// made. While it is there and the metadata is not, the store cannot be opened.
const (
	stageName = ".restore"
	stageLock = "lock"
)

// unfinished reports whether a restore into a folder has not come to its end.
func unfinished(dir string) bool {
	return exists(filepath.Join(dir, stageName)) && !exists(filepath.Join(dir, metaFile))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// staging is where a restored store is made.
type staging struct {
	dir  string   // of the store to be
	path string   // of this
	lock *bolt.DB // keeps a second restore out
}

// stage begins a restore into a folder, or begins one again that was cut short.
func stage(dir string) (st *staging, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	st = &staging{dir: dir, path: filepath.Join(dir, stageName)}
	again := exists(st.path)
	if there, err := storeFiles(dir); err != nil {
		return nil, err
	} else if len(there) > 0 && !(again && !exists(filepath.Join(dir, metaFile))) {
		return nil, fmt.Errorf("%s holds a store (%s): %w", dir, there[0], mailstore.ErrExists)
	}
	if err := os.Mkdir(st.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Nothing is kept in it: it is a lock that works on every system.
	if st.lock, err = bolt.Open(filepath.Join(st.path, stageLock), 0o600, &bolt.Options{Timeout: lockTimeout}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	if err := st.clear(); err != nil {
		return nil, errors.Join(err, st.lock.Close())
	}
	return st, nil
}

// storeFiles are the names of a store's files in a folder.
func storeFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == metaFile || body.IsFile(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// clear removes what a restore that was cut short has left. As long as the
// metadata is missing, the bodies beside this folder came from there.
func (st *staging) clear() error {
	dirs := []string{st.path}
	if !exists(filepath.Join(st.dir, metaFile)) {
		dirs = append(dirs, st.dir)
	}
	var errs []error
	for _, dir := range dirs {
		names, err := storeFiles(dir)
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, os.Remove(filepath.Join(dir, name)))
		}
		errs = append(errs, dropTexts(dir))
	}
	return errors.Join(errs...)
}

// dropTexts removes the texts for searching, which no backup has and every
// start makes anew.
func dropTexts(dir string) error {
	err := os.Remove(filepath.Join(dir, textsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fill copies the files of the backup, and compares them with what was written.
func (st *staging) fill(ctx context.Context, o RestoreOptions) error {
	c := &copier{ctx: ctx, dir: st.path, progress: o.Progress}
	for _, f := range o.Files {
		c.total += f.Size
	}
	for _, f := range o.Files {
		if err := c.take(o.From, f); err != nil {
			return err
		}
	}
	if !exists(filepath.Join(st.path, metaFile)) {
		return fmt.Errorf("no %s: %w", metaFile, mailstore.ErrDamaged)
	}
	return nil
}

// take copies a file of a backup and compares it with what was written.
func (c *copier) take(dir string, f BackupFile) (err error) {
	if f.Name != metaFile && !body.IsFile(f.Name) {
		return fmt.Errorf("%q is no file of a store: %w", f.Name, mailstore.ErrDamaged)
	}
	from, err := os.Open(filepath.Join(dir, f.Name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if info, err := from.Stat(); err != nil {
		return err
	} else if info.Size() != f.Size {
		return fmt.Errorf("%s has %d octets, %d were written: %w", f.Name, info.Size(), f.Size, mailstore.ErrDamaged)
	}
	if err := c.copy(f.Name, f.Size, writerTo{from}); err != nil {
		return err
	}
	if c.files[len(c.files)-1] != f {
		return fmt.Errorf("%s has another SHA-256 than when it was written: %w", f.Name, mailstore.ErrDamaged)
	}
	return nil
}

// writerTo hands a file to a copier.
type writerTo struct{ io.Reader }

// WriteTo implements io.WriterTo.
func (r writerTo) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r.Reader})
}

// publish moves the store into its folder, the metadata last: with it the
// store is there.
func (st *staging) publish() error {
	if exists(filepath.Join(st.dir, metaFile)) {
		return fmt.Errorf("%s holds a store by now: %w", st.dir, mailstore.ErrExists)
	}
	names, err := storeFiles(st.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == metaFile {
			continue
		}
		if err := os.Rename(filepath.Join(st.path, name), filepath.Join(st.dir, name)); err != nil {
			return err
		}
	}
	if err := boltfile.SyncDir(st.dir); err != nil {
		return err
	}
	if err := dropTexts(st.path); err != nil {
		return err
	}
	if err := dropTexts(st.path); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(st.path, metaFile), filepath.Join(st.dir, metaFile)); err != nil {
		return err
	}
	return boltfile.SyncDir(st.dir)
}

// close ends the restore: with a store, or with nothing.
func (st *staging) close(done bool) error {
	var errs []error
	if !done {
		errs = append(errs, st.clear())
	}
	errs = append(errs, st.lock.Close(), os.Remove(filepath.Join(st.path, stageLock)), os.Remove(st.path), boltfile.SyncDir(st.dir))
	return errors.Join(errs...)
}
