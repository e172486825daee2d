package boltstore

import (
	"bytes"
	"crypto/rand"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// Names in the bucket meta.
var (
	metaFormat     = []byte("format")
	metaSalt       = []byte("salt")
	metaCheck      = []byte("check")
	metaStoreKey   = []byte("storekey")
	metaGeneration = []byte("generation")
)

// Counters in the bucket meta.
const (
	counterAccount = "next-account"
	counterHolder  = "next-holder"
	counterNumber  = "next-number"
	counterInline  = "next-inline"
)

// openFormat checks version and master key of a store, or lays out a new one.
// Buckets that came to the format later are made where they are missing: empty
// is what they are there. From then on the store is one of the present format,
// which an older release does not open.
func (s *Store) openFormat() error {
	present := true
	err := s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte(bucketNames[bMeta]))
		if meta == nil {
			return errNew
		}
		for _, name := range bucketNames {
			present = present && tx.Bucket([]byte(name)) != nil
		}
		present = present && bytes.Equal(meta.Get(metaFormat), key(uint32(formatVersion)))
		return s.checkFormat(meta)
	})
	if err == nil && !present {
		err = asFull(s.db.Update(raise))
	}
	if err != errNew { //nolint:errorlint // our own value, never wrapped
		return err
	}
	if !s.opts.Create {
		return fmt.Errorf("empty file: %w", mailstore.ErrDamaged)
	}
	if err := asFull(s.db.Update(s.layOut)); err != nil {
		return fmt.Errorf("lay out: %w", err)
	}
	return nil
}

// errNew says that the file holds no store yet.
var errNew = fmt.Errorf("new store")

// checkFormat reads what openFormat needs of an existing store.
func (s *Store) checkFormat(meta *bolt.Bucket) error {
	d := decoder{b: meta.Get(metaFormat)}
	switch version := d.fixed32(); {
	case d.bad:
		return fmt.Errorf("format version: %w", mailstore.ErrDamaged)
	case version > formatVersion:
		return fmt.Errorf("format %d, this release knows %d: %w", version, formatVersion, mailstore.ErrVersion)
	}
	salt := copied(meta.Get(metaSalt))
	wrap, check, err := newWrapper(s.opts.MasterKey, salt)
	if err != nil {
		return err
	}
	if !sameKey(check, meta.Get(metaCheck)) {
		return mailstore.ErrKey
	}
	storeKey, err := unseal(wrap, bMeta, metaStoreKey, meta.Get(metaStoreKey))
	if err != nil {
		return err
	}
	s.keys = &keyring{}
	s.keys.addWrapper(wrapper{salt, wrap})
	return s.keys.setStoreKey(storeKey)
}

// raise brings a store of an older format to the present one.
func raise(tx *bolt.Tx) error {
	if err := makeBuckets(tx); err != nil {
		return err
	}
	if err := tx.Bucket([]byte(bucketNames[bMeta])).Put(metaFormat, key(uint32(formatVersion))); err != nil {
		return fmt.Errorf("write %s: %w", metaFormat, err)
	}
	return nil
}

// makeBuckets makes the buckets that are not there.
func makeBuckets(tx *bolt.Tx) error {
	for _, name := range bucketNames {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	return nil
}

// layOut makes the buckets and the keys of a new store.
func (s *Store) layOut(tx *bolt.Tx) error {
	if err := makeBuckets(tx); err != nil {
		return err
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	wrap, check, err := newWrapper(s.opts.MasterKey, salt)
	if err != nil {
		return err
	}
	storeKey := randomKey()
	s.keys = &keyring{}
	s.keys.addWrapper(wrapper{salt, wrap})
	if err := s.keys.setStoreKey(storeKey); err != nil {
		return err
	}
	meta := tx.Bucket([]byte(bucketNames[bMeta]))
	for _, kv := range []struct{ k, v []byte }{
		{metaFormat, key(uint32(formatVersion))},
		{metaSalt, salt},
		{metaCheck, check},
		{metaStoreKey, seal(wrap, bMeta, metaStoreKey, storeKey)},
		{metaGeneration, key(uint32(1))},
	} {
		if err := meta.Put(kv.k, kv.v); err != nil {
			return fmt.Errorf("write %s: %w", kv.k, err)
		}
	}
	return nil
}

// counter is the next number of a counter kept in meta; counters start at 1.
func (t *txn) counter(name string) (uint64, error) {
	v := t.get(bMeta, []byte(name))
	if v == nil {
		return 1, nil
	}
	d := decoder{b: v}
	next := d.fixed64()
	if d.bad {
		return 0, fmt.Errorf("counter %s: %w", name, mailstore.ErrDamaged)
	}
	return next, nil
}

// generation reads the store's generation.
func (t *txn) generation() (uint32, error) {
	d := decoder{b: t.get(bMeta, metaGeneration)}
	g := d.fixed32()
	if d.bad {
		return 0, fmt.Errorf("generation: %w", mailstore.ErrDamaged)
	}
	return g, nil
}
