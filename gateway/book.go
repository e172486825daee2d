package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gosbridge/gateway/template"
	"gosbridge/mailstore/body"
	"gosbridge/policy/registry"
)

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

// templateBook is what templates of new accounts are made by.
func (g *Gateway) templateBook() template.Book {
	b := g.intake.Book()
	return template.Book{Rules: b.Rules, Suffixes: b.Suffixes, Registry: b.Registry, Signs: func(entry string) bool {
		_, ok := b.Signers[entry]
		return ok
	}}
}

// importRegistry replaces the registry of a gateway that serves.
func (g *Gateway) importRegistry(_ context.Context, csv []byte) error {
	g.changing.Lock()
	defer g.changing.Unlock()
	reg, err := registry.Load(bytes.NewReader(csv))
	if err != nil {
		return err
	}
	if err := hasOrganisations(g.set.config, reg); err != nil {
		return err
	}
	if err := replaceFile(g.set.config.Registry.File, csv); err != nil {
		return err
	}
	g.set.book.Registry = reg
	g.intake.SetBook(g.set.book)
	g.log.Info("registry replaced", "entries", reg.Len())
	return nil
}

// checkRegistry says what a registry lacks that the gateway cannot do without.
func (g *Gateway) checkRegistry(reg *registry.Registry) error {
	g.changing.Lock()
	defer g.changing.Unlock()
	return hasOrganisations(g.set.config, reg)
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
	return body.SyncDir(filepath.Dir(path))
}
