package gateway

import (
	"errors"
	"fmt"
	"os"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/gateway/config"
	"gosbridge/gateway/intake"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// LoadBook reads what letters are judged by: profiles, registry, keys of the
// organisations and trust anchors.
func LoadBook(cfg config.Config) (intake.Book, error) {
	reg, err := LoadRegistry(cfg.Registry.File)
	if err != nil {
		return intake.Book{}, err
	}
	return newBook(cfg, reg)
}

// newBook is LoadBook with a registry that need not be in its file yet.
func newBook(cfg config.Config, reg *registry.Registry) (intake.Book, error) {
	rules, suffixes, err := cfg.Rules()
	if err != nil {
		return intake.Book{}, err
	}
	if err := keepable(cfg.Profiles); err != nil {
		return intake.Book{}, fmt.Errorf("letter types: %w", err)
	}
	if err := hasOrganisations(cfg, reg); err != nil {
		return intake.Book{}, fmt.Errorf("recipient registry %s: %w", cfg.Registry.File, err)
	}
	signers := map[string]certs.DetachedSigner{}
	for _, o := range cfg.Organisations {
		signer, err := certs.LoadSigner(o.Key, o.Certificate, o.Registry)
		if err != nil {
			return intake.Book{}, fmt.Errorf("key of organisation %q: %w", o.Registry, err)
		}
		signers[o.Registry] = cms.NewSigner(signer)
	}
	trust, err := certs.LoadTrustStore(certs.Signing, cfg.Trust.Anchors, nil)
	if err != nil {
		return intake.Book{}, err
	}
	return intake.Book{
		Rules: rules, Suffixes: suffixes, Registry: reg, Signers: signers, Verifier: cms.NewVerifier(trust, certs.Signing),
	}, nil
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

// LoadRegistry reads the recipient registry.
func LoadRegistry(path string) (_ *registry.Registry, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("recipient registry: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	reg, err := registry.Load(f)
	if err != nil {
		return nil, fmt.Errorf("recipient registry %s: %w", path, err)
	}
	return reg, nil
}
