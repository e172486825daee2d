package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/servertls"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
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
	store, err := OpenStore(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	office, err := newOffice(cfg, o, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	known := func() *registry.Registry { return reg }
	return &Alone{store: store, admin: admin.New(admin.Options{
		Store: store, Office: office, Now: o.Now, Logger: o.Logger,
		Accounts: template.New(template.Options{
			Store: store, Rules: rules, Suffixes: suffixes, Registry: known, Default: config.DefaultType, Now: o.Now, Logger: o.Logger,
		}),
		Registry: known,
		Check:    func(r *registry.Registry) error { return hasOrganisations(cfg, r) },
		Import:   func(_ context.Context, csv []byte) error { return replaceFile(cfg.Registry.File, csv) },
	})}, nil
}

// Admin does the operations of the commands.
func (a *Alone) Admin() *admin.Service { return a.admin }

// Store is the open store.
func (a *Alone) Store() mailstore.Store { return a.store }

// Close releases the data folder.
func (a *Alone) Close() error { return a.store.Close() }

// importRegistry replaces the registry of a gateway that serves.
func (g *Gateway) importRegistry(_ context.Context, csv []byte) error {
	g.importing.Lock()
	defer g.importing.Unlock()
	reg, err := registry.Load(bytes.NewReader(csv))
	if err != nil {
		return err
	}
	book, err := newBook(g.cfg, reg)
	if err != nil {
		return err
	}
	if err := replaceFile(g.cfg.Registry.File, csv); err != nil {
		return err
	}
	g.intake.SetBook(book)
	g.log.Info("registry replaced", "entries", book.Registry.Len())
	return nil
}

// replaceFile writes a file beside the old one and puts it in its place in
// one step, so that a crash leaves one of them whole.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("replace %s: %w", path, err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Check looks at everything that a configuration names, as New would, without
// opening the store or a listener. It reports all faults.
func Check(cfg config.Config) error {
	var errs []error
	if _, err := cfg.MasterKey.Read(); err != nil {
		errs = append(errs, err)
	}
	if _, err := LoadBook(cfg); err != nil {
		errs = append(errs, err)
	}
	if _, err := certs.LoadSigner(cfg.Operator.Key, cfg.Operator.Certificate, "operator"); err != nil {
		errs = append(errs, fmt.Errorf("operator's key: %w", err))
	}
	for _, l := range cfg.Listeners {
		if l.TLS == config.NoTLS {
			continue
		}
		if _, err := servertls.Load(l.Certificate, l.Key); err != nil {
			errs = append(errs, fmt.Errorf("listener %s: %w", l.Address, err))
		}
	}
	return errors.Join(errs...)
}
