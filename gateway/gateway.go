// Package gateway is the running service: it puts the parts together from a
// configuration, opens the listeners, and runs until it is told to stop.
//
// It owns the order of starting and stopping. Every part below it gets what
// it needs from its constructor; none knows this package.
package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"gosbridge/certs/servertls"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/backup"
	"gosbridge/gateway/config"
	"gosbridge/gateway/delivery"
	"gosbridge/gateway/imapd"
	"gosbridge/gateway/intake"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/gateway/recovery"
	"gosbridge/gateway/searchtext"
	"gosbridge/gateway/session"
	"gosbridge/gateway/submission"
	"gosbridge/gateway/template"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

const (
	// sweepEvery is how often bodies that nothing names are looked for, and
	// sweepGrace how old they must be: longer than any letter is under way.
	sweepEvery = time.Hour
	sweepGrace = 24 * time.Hour
	// retainEvery is how often the terms of letters are looked after. They end
	// at midnight, and so an owner gets one notice a day at most.
	retainEvery = 6 * time.Hour
)

// Options are what New takes beside the configuration.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time // time.Now when nil
	// Load reads the configuration again, for a reload; nil when it has no
	// source.
	Load func() (config.Config, error)
	// File is what Load reads, for a reload that is refused to say all that is
	// wrong with it; "" when it is no file.
	File string
	// Level is that of Logger, for a reload to set; nil leaves it alone.
	Level *slog.LevelVar
	// Create makes the store when the data folder has none.
	Create bool
	// RetainEvery is how often the terms of letters are looked after; 0 is
	// every six hours.
	RetainEvery time.Duration
}

// Gateway is an open gateway: its store is locked and its listeners are bound.
// Run serves; Close releases what Run has not.
type Gateway struct {
	cfg       config.Config // as it started
	load      func() (config.Config, error)
	file      string // that load reads
	level     *slog.LevelVar
	key       [sha256.Size]byte // of the master key
	log       *slog.Logger
	now       func() time.Time
	retaining time.Duration // between two looks at the terms of letters
	store     *boltstore.Store
	office    *letter.Office
	intake    *intake.Intake
	templates *template.Provider
	courier   *delivery.Courier
	texts     *searchtext.Indexer
	recovery  *recovery.Recovery
	backups   backups
	schedule  *backup.Schedule
	login     *auth.Authenticator
	submit    *submission.Server
	imap      *imapd.Server
	admin     *admin.Service
	desk      net.Listener // the admin socket
	doors     []door

	// changing is held while files and what is made of them change together,
	// by an import or a reload.
	changing sync.Mutex
	set      set // in force
	closed   bool
}

// door is one bound listener.
type door struct {
	net.Listener
	config config.Listener
	tls    *servertls.Holder // nil without TLS
}

// openStore opens the store of a configuration.
func openStore(ctx context.Context, cfg config.Config, key [32]byte, o Options) (*boltstore.Store, error) {
	store, err := boltstore.Open(ctx, storeOptions(cfg, key, o))
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", cfg.Data, wrongKey(err, cfg.MasterKey))
	}
	return store, nil
}

func storeOptions(cfg config.Config, key [32]byte, o Options) boltstore.Options {
	return boltstore.Options{
		Dir: cfg.Data, MasterKey: key, Now: o.Now, Logger: o.Logger, Create: o.Create,
		MaxMailboxes: cfg.IMAP.Mailboxes, MaxKeywords: cfg.IMAP.MailboxKeywords,
	}
}

// New opens store and listeners. On an error nothing stays open. Nothing is
// served before Run.
func New(ctx context.Context, cfg config.Config, o Options) (_ *Gateway, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.RetainEvery == 0 {
		o.RetainEvery = retainEvery
	}
	key, noKey := cfg.MasterKey.Read()
	made, err := assemble(cfg, o.Now)
	if err := errors.Join(noKey, err); err != nil {
		return nil, err
	}
	store, err := openStore(ctx, cfg, key, o)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		cfg: cfg, load: o.Load, file: o.File, level: o.Level, key: sha256.Sum256(key[:]), log: o.Logger, now: o.Now, store: store, set: made,
		retaining: o.RetainEvery,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if cfg.MasterKey.Inside(cfg.Data) {
		o.Logger.Warn("the master key lies in the data folder: whoever copies the folder can read it", "file", cfg.MasterKey.File)
	}
	if g.recovery, err = recovery.Open(ctx, store); err != nil {
		return nil, err
	}
	g.backups = backups{store: store, file: o.File, cfg: g.inForce, key: g.fingerprint}
	g.schedule = g.backups.schedule(cfg, g.recovery.Waits, o.Now, o.Logger)
	g.office = letter.NewOffice(letter.Options{
		Store: store, Maker: made.maker, Gate: g.recovery.Gate(), Retention: retention(cfg), Resumed: g.recovery.Resumed,
		Now: o.Now, Logger: o.Logger,
	})
	g.intake = intake.New(intake.Options{
		Store: store, Office: g.office, Numbers: letter.NewNumbers(store.Directory()), Hostname: cfg.Hostname,
		Limits: message.Limits{}, Default: config.DefaultType, Book: made.book, Now: o.Now, Logger: o.Logger,
	})
	g.templates = template.New(template.Options{
		Store: store, Book: g.templateBook, Default: config.DefaultType, Now: o.Now, Logger: o.Logger,
	})
	g.courier = delivery.New(delivery.Options{
		Store: store, Office: g.office, Hostname: cfg.Hostname, Gate: g.recovery.Gate(), Now: o.Now, Logger: o.Logger,
	})
	g.texts = searchtext.NewIndexer(store, o.Logger)
	if err := g.servers(); err != nil {
		return nil, err
	}
	g.admin = g.operations()
	if err := g.listen(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// operations are what the commands can do to a gateway that serves.
func (g *Gateway) operations() *admin.Service {
	return admin.New(admin.Options{
		Store: g.store, Checker: g.store, Office: g.office, Accounts: g.templates, Now: g.now, Logger: g.log,
		Registry: g.intake.Registry, Types: func() []string { return g.intake.Book().Rules.Types() }, Import: g.importRegistry, Check: g.checkRegistry, Reload: g.Reload, RotateKey: g.rotateKey,
		Sessions: session.Tables{g.submit.Sessions(), g.imap.Sessions()},
		Backup:   g.backups.admin(), Recovery: g.recovery,
	})
}

// fingerprint is that of the master key in use.
func (g *Gateway) fingerprint() string {
	g.changing.Lock()
	defer g.changing.Unlock()
	return config.FingerprintOf(g.key)
}

// inForce is the configuration in force.
func (g *Gateway) inForce() config.Config {
	g.changing.Lock()
	defer g.changing.Unlock()
	return g.set.config
}

// Store is the open store, for the commands.
func (g *Gateway) Store() mailstore.Store { return g.store }

// Admin does the operations of the commands.
func (g *Gateway) Admin() *admin.Service { return g.admin }

// Addresses are where the listeners are bound, in the order of the
// configuration.
func (g *Gateway) Addresses() []net.Addr {
	out := make([]net.Addr, len(g.doors))
	for i, d := range g.doors {
		out[i] = d.Addr()
	}
	return out
}

// Close releases listeners and store. Run does so by itself.
func (g *Gateway) Close() error {
	g.changing.Lock() // a reload looks at the listeners
	defer g.changing.Unlock()
	g.closed = true
	var errs []error
	for _, d := range g.doors {
		if err := d.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	g.doors = nil
	if g.desk != nil {
		if err := g.desk.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, g.store.Close())...)
}
