package boltstore

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	"gosbridge/mailstore"
)

// ErrSameKey says that the new master key is the one in use.
var ErrSameKey = errors.New("this is the master key in use")

// wrapper seals keys under one master key; the salt in meta says under which.
type wrapper struct {
	salt []byte
	aead cipher.AEAD
}

// addWrapper makes one more master key usable.
func (k *keyring) addWrapper(w wrapper) {
	for {
		old := k.wrappers.Load()
		var list []wrapper
		if old != nil {
			list = append(list, *old...)
		}
		list = append(list, w)
		if k.wrappers.CompareAndSwap(old, &list) {
			return
		}
	}
}

// wrap is what seals keys in this snapshot. One that began before the master
// key was exchanged goes on with the old one.
func (t *txn) wrap() (cipher.AEAD, error) {
	salt := t.get(bMeta, metaSalt)
	for _, w := range *t.s.keys.wrappers.Load() {
		if bytes.Equal(w.salt, salt) {
			return w.aead, nil
		}
	}
	return nil, fmt.Errorf("salt of the master key: %w", mailstore.ErrDamaged)
}

// RotateKey exchanges the master key: the store's own key and the holders' are
// wrapped anew, in one commit; records and bodies stay as they are. When it
// returns nil, only the new key opens the store. On ErrMaybeCommitted one of the
// two does: keep both. ErrSameKey when the key is in use already. What is in
// free pages of the file, and in backups, stays wrapped under the old key.
func (s *Store) RotateKey(ctx context.Context, master [32]byte) error {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	aead, check, err := newWrapper(master, salt)
	if err != nil {
		return err
	}
	s.keys.addWrapper(wrapper{salt, aead})
	err = s.submit(ctx, func(w *work) error {
		_, inUse, err := newWrapper(master, w.get(bMeta, metaSalt))
		if err != nil {
			return err
		}
		if sameKey(inUse, w.get(bMeta, metaCheck)) {
			return ErrSameKey
		}
		return w.rewrap(salt, aead, check)
	})
	if err != nil {
		return fmt.Errorf("exchange master key: %w", err)
	}
	return nil
}

// rewrap seals what the old master key seals under the new one.
func (w *work) rewrap(salt []byte, fresh cipher.AEAD, check []byte) error {
	old, err := w.wrap()
	if err != nil {
		return err
	}
	storeKey, err := unseal(old, bMeta, metaStoreKey, w.get(bMeta, metaStoreKey))
	if err != nil {
		return err
	}
	type holderRow struct {
		id, num, key []byte
	}
	var rows []holderRow
	w.scan(bHolder, nil, nil, func(k, v []byte) bool {
		r := holderRow{id: copied(k)}
		if len(v) < 4 {
			err = fmt.Errorf("holder %x: %w", k, mailstore.ErrDamaged)
			return false
		}
		r.num = copied(v[:4])
		r.key, err = unseal(old, bHolder, k, v[4:])
		rows = append(rows, r)
		return err == nil
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.put(bHolder, r.id, append(r.num, seal(fresh, bHolder, r.id, r.key)...)); err != nil {
			return err
		}
	}
	for _, kv := range []struct{ k, v []byte }{
		{metaStoreKey, seal(fresh, bMeta, metaStoreKey, storeKey)}, {metaSalt, salt}, {metaCheck, check},
	} {
		if err := w.put(bMeta, kv.k, kv.v); err != nil {
			return err
		}
	}
	return nil
}
