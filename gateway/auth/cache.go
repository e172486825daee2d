package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// cacheLife is how long a verified password saves the derivation: long
	// enough for a mail program that opens several connections at once.
	cacheLife = time.Minute
	cacheSize = 1024 // entries
)

// cache remembers verified passwords for a short while, as HMACs under a key
// of this process; a memory dump without the key gives nothing to guess
// against, and with the key the life of the entries bounds the loss. The
// directory is still asked at each login, so a revoked credential is closed at
// once. Safe for concurrent use.
type cache struct {
	key [sha256.Size]byte

	mu      sync.Mutex
	entries map[[sha256.Size]byte]time.Time // end of life
}

func newCache() *cache {
	c := &cache{entries: make(map[[sha256.Size]byte]time.Time)}
	rand.Read(c.key[:]) // never fails
	return c
}

// digest binds the password to the stored key, so that a changed credential
// is not known.
func (c *cache) digest(v verifier, prepared string) (d [sha256.Size]byte) {
	h := hmac.New(sha256.New, c.key[:])
	h.Write(v.StoredKey) // of fixed length
	h.Write([]byte(prepared))
	h.Sum(d[:0])
	return d
}

// knows reports whether the password was verified against v a moment ago.
func (c *cache) knows(v verifier, prepared string, now time.Time) bool {
	d := c.digest(v, prepared)
	c.mu.Lock()
	defer c.mu.Unlock()
	end, ok := c.entries[d]
	return ok && now.Before(end)
}

// learn remembers a verified password. A full cache is emptied: it refills
// within a login each.
func (c *cache) learn(v verifier, prepared string, now time.Time) {
	d := c.digest(v, prepared)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheSize {
		clear(c.entries)
	}
	c.entries[d] = now.Add(cacheLife)
}
