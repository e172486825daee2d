// Package installation makes a fresh data folder that works at once: an own
// certificate authority, keys and certificates, a master key, the recipient
// registry, a configuration, accounts and their passwords.
//
// It is for trying things out and for tests. A folder appears complete or not
// at all: everything is made beside it and moved into place last. It holds the
// passwords of its accounts in the clear, in a file for its owner only, so that
// a second start can show them again; an installation for real letters deletes
// that file, and keeps authority and master key elsewhere.
package installation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// Party is one entry of the registry, with what it has on this gateway.
type Party struct {
	Entry    registry.Entry
	Key      bool // the gateway holds a signing key of theirs
	Accounts []Account
}

// Account is one account of a party.
type Account struct {
	Address     string
	Name        string
	Settings    auth.Settings // Registry is set by Create
	Credentials []Credential
}

// Credential is one credential of an account.
type Credential struct {
	Name     string
	Class    auth.Class
	Password string // "" to make one
}

// Plan says what to make.
type Plan struct {
	Hostname  string
	Operator  string // name
	Receipts  string // address that receipts come from
	Listeners []config.Listener
	Profiles  []policy.Profile     // over those shipped
	Limits    func(*config.Limits) // changes those shipped; nil for none
	Note      string               // said at the top of the configuration
	Parties   []Party
	// Settings are kept in the store's directory by name.
	Settings map[string]string
	Now      func() time.Time
}

// Login is a way into an account.
type Login struct {
	Address      string     `json:"address"`
	Organisation string     `json:"organisation"`
	Registry     string     `json:"registry"`
	Name         string     `json:"name"` // of the credential
	Class        auth.Class `json:"class"`
	Password     string     `json:"password"`
}

// Installation is a folder that was made.
type Installation struct {
	Dir      string   `json:"-"`
	Logins   []Login  `json:"accounts"`
	Registry []string `json:"registry"` // addresses that letters can go to
}

// ConfigFile, AuthorityFile: where things are in the folder.
func (i Installation) ConfigFile() string    { return filepath.Join(i.Dir, "config.toml") }
func (i Installation) AuthorityFile() string { return filepath.Join(i.Dir, "keys", "ca.pem") }

// passwordsFile keeps an Installation.
const passwordsFile = "passwords.json"

// Login returns the first login of a class at an address; ok is false when
// there is none.
func (i Installation) Login(address string, class auth.Class) (l Login, ok bool) {
	for _, l := range i.Logins {
		if l.Address == address && l.Class == class {
			return l, true
		}
	}
	return Login{}, false
}

// ErrForeign says that a folder is not empty and was not made by Create.
var ErrForeign = errors.New("folder is not empty and no installation")

// Load reads an installation that Create made; fs.ErrNotExist when the folder
// does not exist or is empty, ErrForeign when it holds something else.
func Load(dir string) (Installation, error) {
	i := Installation{Dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, passwordsFile))
	if errors.Is(err, fs.ErrNotExist) {
		entries, listErr := os.ReadDir(dir)
		if listErr == nil && len(entries) > 0 {
			return i, fmt.Errorf("%s: %w", dir, ErrForeign)
		}
		return i, fmt.Errorf("%s: %w", dir, fs.ErrNotExist)
	}
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(data, &i); err != nil {
		return i, fmt.Errorf("%s: %w", filepath.Join(dir, passwordsFile), err)
	}
	return i, nil
}

// Create makes an installation in a folder that does not exist or is empty.
// On an error, and after a crash, the folder is as it was; what was made
// beside it has a name that begins with the folder's and ".new-".
func Create(ctx context.Context, dir string, plan Plan) (_ Installation, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return Installation{}, err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return Installation{}, fmt.Errorf("%s: %w", dir, ErrForeign)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return Installation{}, err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".new-")
	if err != nil {
		return Installation{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	b := &builder{dir: work, plan: plan, made: Installation{Dir: dir}}
	for _, step := range []func(context.Context) error{b.keys, b.recipients, b.configure, b.accounts, b.passwords} {
		if err := step(ctx); err != nil {
			return Installation{}, fmt.Errorf("make %s: %w", dir, err)
		}
	}
	if err := syncAll(work); err != nil {
		return Installation{}, err
	}
	// Only an empty folder gives way; os.Rename replaces none.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Installation{}, err
	}
	if err := os.Rename(work, dir); err != nil {
		return Installation{}, err
	}
	return b.made, syncPath(filepath.Dir(dir))
}

// syncAll makes a folder and all in it durable, so that after a power failure
// it is complete wherever its name is.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(path)
	})
}

// syncPath makes a file, or the names in a folder, durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
