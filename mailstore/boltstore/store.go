package boltstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/mailstore/boltfile"
)

const (
	metaFile      = "meta.db"
	formatVersion = 2 // bucket doomed came with 2
	lockTimeout   = 200 * time.Millisecond
)

// Options are the settings of a Store. Dir and MasterKey are required.
type Options struct {
	// Dir is the data folder. With Create it is made when it is not there.
	Dir string
	// MasterKey wraps all other keys. It is not kept on the disk.
	MasterKey [32]byte
	// Create makes a new store where there is none. Without it a missing
	// store is an error (fs.ErrNotExist), so that a mistyped path never
	// starts an empty service.
	Create bool
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Logger is where the engine tells of what no caller sees; discarded
	// when nil.
	Logger *slog.Logger

	// MaxMailboxes limits the mailboxes of an account (2,000 when 0).
	MaxMailboxes int
	// MaxKeywords limits the keywords of a mailbox (500 when 0).
	MaxKeywords int
	// LogEntries is how many entries of the change log a mailbox keeps
	// (20,000 when 0). Readers that are further behind must compare.
	LogEntries int
	// MaxFile limits the metadata file, in octets; 0 without limit.
	MaxFile int64
	// BodyFiles is the number of files for large bodies (body.Options.Files).
	BodyFiles int

	// doomedFrom is from how many messages on those expunged are left to be
	// dropped behind (64 when 0); less in tests.
	doomedFrom int

	// Hook, for tests, is called at named steps ("commit", "committed",
	// "body", "purge", "drop", "sweep", "backup", and those of
	// boltfile.Compaction). An error makes the step fail before it has any
	// effect, but for "committed", which is over.
	Hook func(step string) error
}

// Store is an open data folder. It implements mailstore.Store.
type Store struct {
	opts   Options
	now    func() time.Time
	log    *slog.Logger
	db     *bolt.DB // replaced by the writer, under swap
	swap   sync.RWMutex
	large  *body.Bolt
	bodies *bodies
	keys   *keyring

	requests chan *request
	between  chan func() // what the writer is to do between two commits
	closing  chan struct{}
	stopped  chan struct{} // the writer has ended
	close    sync.Once
	closeErr error

	maintenance chan struct{} // buffer of one: somebody works on the files
	compacting  sync.Mutex    // held by Compact, and by Close once that has ended

	// Of the writer alone.
	failed  error             // after a failed sync: why nothing is taken any more
	wedged  bool              // a panic left bbolt's lock held
	changes *boltfile.Changes // where commits note what they changed; nil: nowhere

	first    sync.Mutex  // held by who begins a transaction
	blind    atomic.Bool // a panic at a transaction's beginning: no other can begin
	durable  *durable    // of db; replaced with it
	accounts sync.Map    // mailstore.ID -> *accountKeys
	vectors  vectors
	watchers hub
	wakes    wakes
	quota    reservations
	texts    *texts

	background sync.WaitGroup
	purging    chan struct{}   // buffer of one: a purge is asked for
	dropping   chan struct{}   // and so is the dropping of doomed messages
	doomed     atomic.Int64    // messages that wait for it
	stuck      map[string]bool // rows of bucket doomed that are damaged; the dropper's
	damaged    map[string]bool // rows of deleted mailboxes that are; the purger's
}

var _ mailstore.Store = (*Store)(nil)

// Open opens the store in opts.Dir. ErrLocked when another process has it
// open, ErrKey when the master key does not fit, ErrVersion when a newer
// release wrote it.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := newStore(opts)
	path := filepath.Join(opts.Dir, metaFile)
	if unfinished(opts.Dir) {
		return nil, fmt.Errorf("open store in %s: %w", opts.Dir, ErrUnfinished)
	}
	if opts.Create {
		if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
	} else if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.openFiles(path); err != nil {
		return nil, err
	}
	if err := s.countDoomed(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.large.Close(), s.db.Close())
	}
	s.texts.open()
	go s.write()
	s.background.Go(func() { s.behind(s.purging, s.purgeOne) })
	s.background.Go(func() { s.behind(s.dropping, s.dropOne) })
	s.startPurge()
	return s, nil
}

// newStore fills in the defaults.
func newStore(opts Options) *Store {
	if opts.MaxMailboxes == 0 {
		opts.MaxMailboxes = 2000
	}
	if opts.MaxKeywords == 0 {
		opts.MaxKeywords = 500
	}
	if opts.LogEntries == 0 {
		opts.LogEntries = 20000
	}
	if opts.doomedFrom == 0 {
		opts.doomedFrom = doomedFrom
	}
	s := &Store{
		opts: opts, now: opts.Now, log: opts.Logger,
		requests:    make(chan *request, batchRequests),
		between:     make(chan func()),
		closing:     make(chan struct{}),
		stopped:     make(chan struct{}),
		purging:     make(chan struct{}, 1),
		dropping:    make(chan struct{}, 1),
		stuck:       map[string]bool{},
		damaged:     map[string]bool{},
		maintenance: make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.bodies = &bodies{s: s}
	s.texts = newTexts(s)
	return s
}

// openFiles opens the metadata file and the bodies, and closes what it opened
// when it fails.
func (s *Store) openFiles(path string) (err error) {
	err = s.openMeta(path)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("%s: %w", path, mailstore.ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, asFull(err))
	}
	defer func() {
		if err != nil {
			_ = s.db.Close()
		}
	}()
	err = guardPages(func() error {
		if err := s.openFormat(); err != nil {
			return err
		}
		s.durable = &durable{}
		return s.durable.open(s.db)
	})
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.large, err = body.Open(s.opts.Dir, body.Options{
		Now: s.now, Logger: s.log, Files: s.opts.BodyFiles,
		BeforeCommit: func(int) error { return s.hook("body") }, Hook: s.opts.Hook,
	})
	if err != nil {
		return fmt.Errorf("open bodies in %s: %w", s.opts.Dir, err)
	}
	return nil
}

// fileOptions are how bbolt opens the metadata file.
func (s *Store) fileOptions() bolt.Options {
	return bolt.Options{
		Timeout:        lockTimeout,
		FreelistType:   bolt.FreelistMapType,
		NoFreelistSync: true,
		NoStatistics:   true,
		MaxSize:        int(s.opts.MaxFile),
	}
}

// openMeta opens the metadata file. A file whose pages make no sense, or that is
// cut short, is ErrDamaged.
func (s *Store) openMeta(path string) error {
	var err error
	s.db, err = boltfile.Open(path, s.fileOptions())
	if errors.Is(err, boltfile.ErrDamaged) {
		err = fmt.Errorf("%w: %w", mailstore.ErrDamaged, err)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err == nil {
		err = guardPages(func() error {
			return s.db.View(func(tx *bolt.Tx) error {
				if info.Size() < tx.Size() {
					return fmt.Errorf("%d octets where %d were written: %w", info.Size(), tx.Size(), mailstore.ErrDamaged)
				}
				return nil
			})
		})
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// guardPages makes ErrDamaged of the panics by which bbolt, and the memory map
// under it, answer pages that make no sense or cannot be read.
func guardPages(fn func() error) error { return boltfile.Guard(mailstore.ErrDamaged, fn) }

// hook calls the test's hook.
func (s *Store) hook(step string) error {
	if s.opts.Hook == nil {
		return nil
	}
	return s.opts.Hook(step)
}

// Close implements mailstore.Store.
func (s *Store) Close() error {
	s.close.Do(func() {
		close(s.closing)
		<-s.stopped
		s.compacting.Lock()
		defer s.compacting.Unlock()
		s.background.Wait()
		s.texts.close()
		errBodies := s.large.Close()
		if s.failed == nil && !s.blind.Load() {
			s.writeFree()
		}
		var errMeta error
		if !s.wedged && !s.blind.Load() {
			errMeta = s.db.Close() // waits for open transactions
		}
		if err := errors.Join(errMeta, errBodies); err != nil {
			s.closeErr = fmt.Errorf("close store: %w", err)
		}
	})
	return s.closeErr
}

// writeFree writes the list of free pages, which every other commit leaves out.
// Without it the next Open goes through the whole file: 0.1 s for 300 MB when
// the file is in memory.
func (s *Store) writeFree() {
	s.db.NoFreelistSync = false
	tx, err := s.db.Begin(true)
	if err == nil {
		err = s.commit(tx)
	}
	if err != nil {
		s.log.Warn("list of free pages not written", "err", err)
	}
}

// View implements mailstore.Store.
func (s *Store) View(ctx context.Context, account mailstore.ID, fn func(mailstore.Tx) error) error {
	return s.read(ctx, func(t *txn) error {
		keys, err := t.accountKeys(account, true)
		if err != nil {
			return err
		}
		return fn(&view{txn: t, keys: keys})
	})
}

// read runs fn on a snapshot of the whole store. ErrDamaged when it meets pages
// that make no sense.
func (s *Store) read(ctx context.Context, fn func(*txn) error) error {
	return boltfile.Guard(mailstore.ErrDamaged, func() error { return s.readOpen(ctx, fn) })
}

// readOpen is read without a guard.
func (s *Store) readOpen(ctx context.Context, fn func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.closing:
		return mailstore.ErrClosed
	default:
	}
	tx, durable, err := s.begin()
	if err != nil {
		if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return mailstore.ErrClosed
		}
		return fmt.Errorf("begin view: %w", err)
	}
	defer s.end(tx)
	if err := durable.wait(ctx, tx); err != nil {
		return err
	}
	return fn(&txn{s: s, tx: tx})
}

// begin begins a read transaction. It ends on the file on which it began, even
// when another one has taken that one's place meanwhile.
func (s *Store) begin() (*bolt.Tx, *durable, error) {
	s.swap.RLock()
	defer s.swap.RUnlock()
	tx, err := s.beginGuarded(false)
	return tx, s.durable, err
}

// errBlind says that the pages by which a file begins cannot be read.
var errBlind = fmt.Errorf("first pages of the file: %w", mailstore.ErrDamaged)

// beginGuarded begins a transaction on the file in use. A panic there leaves
// locks of bbolt's held, for which others would wait for ever; so they wait for
// one of ours first.
func (s *Store) beginGuarded(writable bool) (tx *bolt.Tx, err error) {
	s.first.Lock()
	defer s.first.Unlock()
	if s.blind.Load() {
		return nil, errBlind
	}
	err = boltfile.Guard(errBlind, func() (err error) { tx, err = s.db.Begin(writable); return err })
	if errors.Is(err, errBlind) {
		s.blind.Store(true)
	}
	return tx, err
}

// end ends a read transaction. It must not wait for who begins one: that may
// wait for a larger map, and so for this end.
func (s *Store) end(tx *bolt.Tx) {
	if !s.blind.Load() { // else bbolt's lock is lost, and nothing ends any more
		_ = tx.Rollback()
	}
}

// Update implements mailstore.Store.
func (s *Store) Update(ctx context.Context, account mailstore.ID, fn func(mailstore.UpdateTx) error) error {
	return s.submit(ctx, func(w *work) error {
		keys, err := w.accountKeys(account, !w.created)
		if err != nil {
			return err
		}
		u := newUpdate(w, keys)
		if err := fn(u); err != nil {
			return err
		}
		if w.broken != nil {
			return w.broken
		}
		return u.flush()
	})
}

// Watch implements mailstore.Store.
func (s *Store) Watch(account mailstore.ID, mailboxes ...mailstore.MailboxID) mailstore.Watcher {
	return s.watchers.add(account, mailboxes)
}

// Queue implements mailstore.Store.
func (s *Store) Queue() mailstore.Queue { return queue{s} }

// Directory implements mailstore.Store.
func (s *Store) Directory() mailstore.Directory { return directory{s} }

// Bodies implements mailstore.Store.
func (s *Store) Bodies() body.Store { return s.bodies }

// Texts implements mailstore.Store.
func (s *Store) Texts() mailstore.Texts { return s.texts }

// isClosing reports whether the store was closed.
func (s *Store) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}
