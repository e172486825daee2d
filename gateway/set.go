package gateway

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/certs/servertls"
	"gosbridge/gateway/config"
	"gosbridge/gateway/intake"
	"gosbridge/gateway/receipt"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// set is what the gateway makes of its configuration and the files that this
// names, and can swap while it runs.
type set struct {
	config   config.Config
	book     intake.Book
	maker    *receipt.Maker
	operator *x509.Certificate
	trust    *certs.TrustStore
	// pairs are the certificates of the configuration's listeners, in their
	// order; nil without TLS.
	pairs []*servertls.Holder
}

// assemble reads all that a configuration names, but for the master key and
// the data folder. The error joins everything that is wrong.
func assemble(cfg config.Config, now func() time.Time) (set, error) {
	s := set{config: cfg}
	var errs [4]error
	s.book, s.trust, errs[0] = loadBook(cfg)
	s.maker, s.operator, errs[1] = loadMaker(cfg, now)
	s.pairs, errs[2] = loadPairs(cfg.Listeners)
	errs[3] = imapConfig(cfg).Validate()
	return s, errors.Join(errs[:]...)
}

// loadBook reads what letters are judged by: profiles, registry, keys of the
// organisations and trust anchors.
func loadBook(cfg config.Config) (intake.Book, *certs.TrustStore, error) {
	var errs []error
	fault := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	book := intake.Book{Signers: map[string]certs.DetachedSigner{}}
	var err error
	book.Rules, book.Suffixes, err = cfg.Rules()
	fault(err)
	if err := keepable(cfg.Profiles); err != nil {
		fault(fmt.Errorf("letter types: %w", err))
	}
	book.Registry, err = LoadRegistry(cfg.Registry.File)
	if err == nil {
		if err = hasOrganisations(cfg, book.Registry); err != nil {
			err = fmt.Errorf("recipient registry %s: %w", cfg.Registry.File, err)
		}
	}
	fault(err)
	for _, o := range cfg.Organisations {
		signer, err := certs.LoadSigner(o.Key, o.Certificate, o.Registry)
		if err != nil {
			fault(fmt.Errorf("key of organisation %q: %w", o.Registry, err))
			continue
		}
		book.Signers[o.Registry] = cms.NewSigner(signer)
	}
	trust, err := certs.LoadTrustStore(certs.Signing, cfg.Trust.Anchors, nil)
	fault(err)
	book.Verifier = cms.NewVerifier(trust, certs.Signing)
	return book, trust, errors.Join(errs...)
}

// loadMaker loads the operator's key: it signs the evidence.
func loadMaker(cfg config.Config, now func() time.Time) (*receipt.Maker, *x509.Certificate, error) {
	key, err := certs.LoadSigner(cfg.Operator.Key, cfg.Operator.Certificate, "operator")
	if err != nil {
		return nil, nil, fmt.Errorf("operator's key: %w", err)
	}
	maker, err := receipt.New(receipt.Options{
		Signer: cms.NewSigner(key), From: cfg.Operator.Address, Name: cfg.Operator.Name, Now: now,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("receipts: %w", err)
	}
	return maker, key.Identity().Certificate, nil
}

// loadPairs reads the certificates of listeners.
func loadPairs(listeners []config.Listener) ([]*servertls.Holder, error) {
	pairs := make([]*servertls.Holder, len(listeners))
	var errs []error
	for i, l := range listeners {
		if l.TLS == config.NoTLS {
			continue
		}
		var err error
		if pairs[i], err = servertls.Load(l.Certificate, l.Key); err != nil {
			errs = append(errs, fmt.Errorf("listener %s: %w", l.Address, err))
		}
	}
	return pairs, errors.Join(errs...)
}

// keepable says which letter types promise what this release cannot keep. A
// letter without it would be worth less than its type says, so the gateway
// does not start.
func keepable(profiles []policy.Profile) error {
	var errs []error
	for _, p := range profiles {
		if p.Timestamp == policy.Required {
			errs = append(errs, fmt.Errorf("%s: timestamp = %q: there are no time-stamps yet", p.Type, p.Timestamp))
		}
		if p.Wrap {
			errs = append(errs, fmt.Errorf("%s: wrap = true: there are no covers yet", p.Type))
		}
	}
	return errors.Join(errs...)
}

// hasOrganisations says which of the organisations whose keys the gateway holds
// a registry lacks.
func hasOrganisations(cfg config.Config, reg *registry.Registry) error {
	var errs []error
	for _, o := range cfg.Organisations {
		if _, ok := reg.ByID(o.Registry); !ok {
			errs = append(errs, fmt.Errorf("no entry %q, whose key the configuration names", o.Registry))
		}
	}
	return errors.Join(errs...)
}

// CheckFile says all that is wrong with a configuration file and the files that
// it names. The error is that the file itself cannot be read.
func CheckFile(path string) ([]config.Fault, error) {
	found, err := config.Check(path)
	if err != nil {
		return nil, err
	}
	if cfg, ok := found.Config(); ok {
		found.Add(Check(cfg))
	}
	return found.Faults(), nil
}

// Check looks at everything that a configuration names, as New would, without
// opening the store or a listener. It reports all faults.
func Check(cfg config.Config) error {
	_, noKey := cfg.MasterKey.Read()
	_, err := assemble(cfg, time.Now)
	return errors.Join(noKey, err)
}
