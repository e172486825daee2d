package installation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gosbridge/certs"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/template"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// builder makes an installation in a folder beside the one it is for.
type builder struct {
	dir    string
	plan   Plan
	master [32]byte
	table  *registry.Registry
	config config.Config
	made   Installation
}

func (b *builder) path(parts ...string) string {
	return filepath.Join(append([]string{b.dir}, parts...)...)
}

// keys makes the authority and all that it issues, and the master key.
func (b *builder) keys(context.Context) error {
	if err := os.Mkdir(b.path("keys"), 0o700); err != nil {
		return err
	}
	if _, err := rand.Read(b.master[:]); err != nil {
		return err
	}
	if err := os.WriteFile(b.path("keys", "master.key"), []byte(config.FormatMasterKey(b.master)), 0o600); err != nil {
		return err
	}
	now := b.plan.Now()
	authority, err := certs.NewAuthority(b.plan.Operator+" CA", now)
	if err != nil {
		return err
	}
	if err := authority.Save(b.path("keys", "ca.key"), b.path("keys", "ca.pem")); err != nil {
		return err
	}
	requests := map[string]certs.Request{
		"listener": {Purpose: certs.Listener, Name: b.plan.Hostname, Hosts: hosts(b.plan.Hostname), At: now},
		"operator": {Purpose: certs.Signing, Name: b.plan.Operator, Organisation: b.plan.Operator, Emails: []string{b.plan.Receipts}, At: now},
	}
	for _, p := range b.plan.Parties {
		if p.Key {
			requests[p.Entry.ID] = certs.Request{
				Purpose: certs.Signing, Name: p.Entry.Name, Organisation: p.Entry.Name,
				INN: p.Entry.INN, OGRN: p.Entry.OGRN, Emails: signers(p), At: now,
			}
		}
	}
	for name, r := range requests {
		issued, err := authority.Issue(r)
		if err != nil {
			return err
		}
		if err := issued.Save(b.path("keys", name+".key"), b.path("keys", name+".pem")); err != nil {
			return err
		}
	}
	return nil
}

// hosts are the names that a listener on this machine is called by.
func hosts(hostname string) []string {
	all := []string{hostname, "localhost", "127.0.0.1", "::1"}
	slices.Sort(all)
	return slices.Compact(all)
}

// signers are the addresses that a party's key signs for. Mail programs call
// a signature valid only when its certificate names the sender's address.
func signers(p Party) []string {
	var out []string
	for _, a := range p.Accounts {
		out = append(out, a.Address)
	}
	return out
}

// registry writes the table of recipients.
func (b *builder) recipients(context.Context) (err error) {
	var entries []registry.Entry
	for _, p := range b.plan.Parties {
		entries = append(entries, p.Entry)
		b.made.Registry = append(b.made.Registry, p.Entry.Addresses...)
	}
	if b.table, err = registry.New(entries); err != nil {
		return err
	}
	f, err := os.Create(b.path("registry.csv"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return b.table.WriteCSV(f)
}

// config writes the configuration. Its paths are relative to its folder, so
// that the folder can be moved. Letter types stand there only as far as they
// differ from those shipped: what a later release changes reaches the folder.
func (b *builder) configure(context.Context) error {
	c := config.Default()
	c.Data, c.Hostname = "store", b.plan.Hostname
	c.MasterKey = config.MasterKey{File: "keys/master.key"}
	c.Operator = config.Operator{
		Name: b.plan.Operator, Address: b.plan.Receipts, Key: "keys/operator.key", Certificate: "keys/operator.pem",
	}
	c.Trust.Anchors = []string{"keys/ca.pem"}
	c.Registry.File = "registry.csv"
	c.Listeners = slices.Clone(b.plan.Listeners)
	for i := range c.Listeners {
		c.Listeners[i].Key, c.Listeners[i].Certificate = "keys/listener.key", "keys/listener.pem"
	}
	for _, p := range b.plan.Parties {
		if p.Key {
			c.Organisations = append(c.Organisations, config.Organisation{
				Registry: p.Entry.ID, Key: "keys/" + p.Entry.ID + ".key", Certificate: "keys/" + p.Entry.ID + ".pem",
			})
		}
	}
	c.Profiles = merge(c.Profiles, b.plan.Profiles)
	if b.plan.Limits != nil {
		b.plan.Limits(&c.Limits)
	}
	text, err := c.EncodeBrief()
	if err != nil {
		return err
	}
	if b.config, err = config.Parse(text, "config.toml"); err != nil {
		return err
	}
	return os.WriteFile(b.path("config.toml"), append(comment(b.plan.Note), text...), 0o644)
}

// comment makes lines of text comments of TOML.
func comment(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte("# " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n# ") + "\n\n")
}

// merge lays profiles over others of the same name.
func merge(base, over []policy.Profile) []policy.Profile {
	out := slices.DeleteFunc(slices.Clone(base), func(p policy.Profile) bool {
		return slices.ContainsFunc(over, func(o policy.Profile) bool { return o.Type == p.Type })
	})
	out = append(out, over...)
	slices.SortFunc(out, func(a, b policy.Profile) int { return strings.Compare(a.Type, b.Type) })
	return out
}

// accounts makes the store with its accounts and credentials.
func (b *builder) accounts(ctx context.Context) (err error) {
	store, err := boltstore.Open(ctx, boltstore.Options{Dir: b.path("store"), MasterKey: b.master, Now: b.plan.Now, Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for name, value := range b.plan.Settings {
		if err := store.Directory().PutSetting(ctx, name, []byte(value)); err != nil {
			return err
		}
	}
	rules, suffixes, err := b.config.Rules()
	if err != nil {
		return err
	}
	accounts := template.New(template.Options{
		Store: store, Book: func() template.Book {
			return template.Book{Rules: rules, Suffixes: suffixes, Registry: b.table, Signs: b.config.Signs}
		},
		Default: config.DefaultType, Now: b.plan.Now, Logger: slog.New(slog.DiscardHandler),
	})
	for _, p := range b.plan.Parties {
		for _, a := range p.Accounts {
			if err := b.account(ctx, store.Directory(), accounts, p, a); err != nil {
				return fmt.Errorf("account %s: %w", a.Address, err)
			}
		}
	}
	return nil
}

func (b *builder) account(ctx context.Context, dir mailstore.Directory, accounts *template.Provider, p Party, a Account) error {
	a.Settings.Registry = p.Entry.ID
	account, err := accounts.AddAccount(ctx, auth.NewAccount{
		Addresses: []string{a.Address}, Name: a.Name, Settings: a.Settings, Now: b.plan.Now(),
	})
	if err != nil {
		return err
	}
	for _, c := range a.Credentials {
		_, secret, err := auth.AddCredential(ctx, dir, account.ID, auth.NewCredential{
			Name: c.Name, Class: c.Class, Password: c.Password, Now: b.plan.Now(),
		})
		if err != nil {
			return err
		}
		b.made.Logins = append(b.made.Logins, Login{
			Address: a.Address, Organisation: p.Entry.Name, Registry: p.Entry.ID, Name: c.Name, Class: c.Class, Password: secret,
		})
	}
	return nil
}

// passwords keeps what a second start shows again.
func (b *builder) passwords(context.Context) error {
	data, err := json.MarshalIndent(b.made, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.path(passwordsFile), append(data, '\n'), 0o600)
}
