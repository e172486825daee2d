// Package gateway is the running service: it puts the parts together from a
// configuration, opens the listeners, and runs until it is told to stop.
//
// It owns the order of starting and stopping. Every part below it gets what
// it needs from its constructor; none knows this package.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/certs/servertls"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/delivery"
	"gosbridge/gateway/imapd"
	"gosbridge/gateway/intake"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/gateway/submission"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy/registry"
)

const (
	// defaultType is the letter type where neither letter nor account names
	// one.
	defaultType = "simple"
	// sweepEvery is how often bodies that nothing names are looked for, and
	// sweepGrace how old they must be: longer than any letter is under way.
	sweepEvery = time.Hour
	sweepGrace = 24 * time.Hour
)

// Options are what New takes beside the configuration.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time // time.Now when nil
	// Create makes the store when the data folder has none.
	Create bool
}

// Gateway is an open gateway: its store is locked and its listeners are bound.
// Run serves; Close releases what Run has not.
type Gateway struct {
	cfg     config.Config
	log     *slog.Logger
	now     func() time.Time
	store   *boltstore.Store
	office  *letter.Office
	intake  *intake.Intake
	courier *delivery.Courier
	login   *auth.Authenticator
	submit  *submission.Server
	imap    *imapd.Server
	admin   *admin.Service
	desk    net.Listener // the admin socket
	doors   []door

	importing sync.Mutex // file and book change together
}

// door is one bound listener.
type door struct {
	net.Listener
	config config.Listener
	tls    *servertls.Holder // nil without TLS
}

// OpenStore opens the store of a configuration, alone: for the commands that
// work on a stopped gateway, and for New.
func OpenStore(ctx context.Context, cfg config.Config, o Options) (*boltstore.Store, error) {
	key, err := cfg.MasterKey.Read()
	if err != nil {
		return nil, err
	}
	store, err := boltstore.Open(ctx, boltstore.Options{
		Dir: cfg.Data, MasterKey: key, Now: o.Now, Logger: o.Logger, Create: o.Create,
	})
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", cfg.Data, err)
	}
	return store, nil
}

// New opens store and listeners. On an error nothing stays open. Nothing is
// served before Run.
func New(ctx context.Context, cfg config.Config, o Options) (_ *Gateway, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	book, err := LoadBook(cfg)
	if err != nil {
		return nil, err
	}
	store, err := OpenStore(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, log: o.Logger, now: o.Now, store: store}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if g.office, err = newOffice(cfg, o, store); err != nil {
		return nil, err
	}
	g.intake = intake.New(intake.Options{
		Store: store, Office: g.office, Numbers: letter.NewNumbers(store.Directory()), Hostname: cfg.Hostname,
		Limits: message.Limits{}, Default: defaultType, Book: book, Now: o.Now, Logger: o.Logger,
	})
	g.courier = delivery.New(delivery.Options{Store: store, Office: g.office, Now: o.Now, Logger: o.Logger})
	g.admin = admin.New(admin.Options{
		Store: store, Office: g.office, Now: o.Now, Logger: o.Logger,
		Registry: g.intake.Registry, Import: g.importRegistry,
		Check: func(r *registry.Registry) error { return hasOrganisations(cfg, r) },
		End:   func(account, credential mailstore.ID, cause error) { g.login.End(account, credential, cause) },
	})
	if err := g.listen(ctx); err != nil {
		return nil, err
	}
	return g, g.servers()
}

// newOffice loads the operator's key: it signs the evidence.
func newOffice(cfg config.Config, o Options, store mailstore.Store) (*letter.Office, error) {
	key, err := certs.LoadSigner(cfg.Operator.Key, cfg.Operator.Certificate, "operator")
	if err != nil {
		return nil, fmt.Errorf("operator's key: %w", err)
	}
	maker, err := receipt.New(receipt.Options{
		Signer: cms.NewSigner(key), From: cfg.Operator.Address, Name: cfg.Operator.Name, Now: o.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("receipts: %w", err)
	}
	return letter.NewOffice(letter.Options{Store: store, Maker: maker, Now: o.Now, Logger: o.Logger}), nil
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
