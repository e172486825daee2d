package admin

import (
	"context"
	"encoding/hex"
	"fmt"
)

// OpStoreRotateKey exchanges the master key.
const OpStoreRotateKey = "store/rotate-key"

// RotateKey names the new master key. It travels over the socket, which only
// the service's user can open, and is never logged.
type RotateKey struct {
	Key string `json:"key"` // 64 hex digits
}

// KeyRotated says that from now on only the new key opens the store.
type KeyRotated struct{}

// storeRotateKey answers ErrConflict when the key is the one in use.
func (s *Service) storeRotateKey(ctx context.Context, in RotateKey) (KeyRotated, error) {
	var key [32]byte
	if n, err := hex.Decode(key[:], []byte(in.Key[:min(len(in.Key), 2*len(key))])); err != nil || n != len(key) || len(in.Key) != 2*len(key) {
		return KeyRotated{}, fmt.Errorf("%w: a master key has 64 hex digits", ErrInvalid)
	}
	return KeyRotated{}, s.o.RotateKey(ctx, key)
}
