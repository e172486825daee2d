package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

// rotateKey exchanges the master key of a gateway that serves.
func (g *Gateway) rotateKey(ctx context.Context, key [32]byte) error {
	g.changing.Lock() // a reload compares the key in use
	defer g.changing.Unlock()
	err := rotateKey(ctx, g.store, key)
	// A key that is in use already may be that of an exchange whose outcome was
	// not known.
	if err == nil || errors.Is(err, admin.ErrConflict) {
		g.key = sha256.Sum256(key[:])
	}
	return err
}

// rotateKey answers ErrConflict when the key is in use already. What was begun
// is ended, also where the one who asked is gone: of half an exchange nobody
// would know which key opens the store.
func rotateKey(ctx context.Context, store *boltstore.Store, key [32]byte) error {
	err := store.RotateKey(context.WithoutCancel(ctx), key)
	if errors.Is(err, boltstore.ErrSameKey) {
		return fmt.Errorf("%w: %w", admin.ErrConflict, err)
	}
	return err
}

// NewKeyFile is where `store rotate-key` keeps the new key until it is in force:
// beside the file, also where the name given is that of a link to it.
func NewKeyFile(file string) string {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	return file + ".new"
}

// wrongKey says more about a master key that does not fit.
func wrongKey(err error, key config.MasterKey) error {
	if !errors.Is(err, mailstore.ErrKey) {
		return err
	}
	if key.File != "" {
		if _, none := os.Stat(NewKeyFile(key.File)); none == nil {
			return fmt.Errorf("%w in %s, but an exchange of the key was interrupted, end it with: gosbridge store rotate-key", err, key.Place())
		}
	}
	return fmt.Errorf("%w in %s: the folder was made with another one, or its key was exchanged", err, key.Place())
}
