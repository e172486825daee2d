package gateway

import (
	"context"
	"errors"
	"time"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/recovery"
	"gosbridge/gateway/template"
	"gosbridge/mailstore"
	"gosbridge/policy/registry"
)

// Alone is the data folder of a gateway that does not serve, open for the
// commands. While it is open no gateway can start.
type Alone struct {
	store mailstore.Store
	admin *admin.Service
}

// OpenAlone opens a data folder for the commands; mailstore.ErrLocked when a
// gateway has it.
func OpenAlone(ctx context.Context, cfg config.Config, o Options) (_ *Alone, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	reg, err := LoadRegistry(cfg.Registry.File)
	if err != nil {
		return nil, err
	}
	rules, suffixes, err := cfg.Rules()
	if err != nil {
		return nil, err
	}
	maker, _, err := loadMaker(cfg, o.Now)
	if err != nil {
		return nil, err
	}
	key, err := cfg.MasterKey.Read()
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, cfg, key, o)
	if err != nil {
		return nil, err
	}
	rec, err := recovery.Open(ctx, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	backups := backups{store: store, file: o.File, cfg: func() config.Config { return cfg }, key: func() string { return config.Fingerprint(key) }}
	office := letter.NewOffice(letter.Options{Store: store, Maker: maker, Now: o.Now, Logger: o.Logger})
	known := func() *registry.Registry { return reg }
	return &Alone{store: store, admin: admin.New(admin.Options{
		Store: store, Checker: store, Office: office, Now: o.Now, Logger: o.Logger,
		Accounts: template.New(template.Options{
			Store: store, Book: func() template.Book {
				return template.Book{Rules: rules, Suffixes: suffixes, Registry: reg, Signs: cfg.Signs}
			},
			Default: config.DefaultType, Now: o.Now, Logger: o.Logger,
		}),
		RotateKey: func(ctx context.Context, key [32]byte) error { return rotateKey(ctx, store, key) },
		Backup:    backups.admin(),
		Recovery:  rec,
		Registry:  known,
		Types:     rules.Types,
		Check:     func(r *registry.Registry) error { return hasOrganisations(cfg, r) },
		Import:    func(_ context.Context, csv []byte) error { return replaceFile(cfg.Registry.File, csv) },
	})}, nil
}

// Admin does the operations of the commands.
func (a *Alone) Admin() *admin.Service { return a.admin }

// Store is the open store.
func (a *Alone) Store() mailstore.Store { return a.store }

// Close releases the data folder.
func (a *Alone) Close() error { return a.store.Close() }
