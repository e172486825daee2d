package boltstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"sync"
	"sync/atomic"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// Keys form a tree. The master key wraps (encrypts) the store's own key and
// one random key for each holder; the store's key gives the key of the MACs
// and of the settings; a holder's key gives one key for wrapping the data keys
// of bodies, and for each account one for its records and one for the texts of
// its messages. Nothing is sealed under
// the master key but keys, so that it can be exchanged.

// sealOverhead is what sealing adds: nonce and tag, in octets.
const sealOverhead = 12 + 16

// newAEAD makes AES-256-GCM that puts a random nonce before each sealed text.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return a, nil
}

// derive makes a 32-octet key for a purpose out of another key.
func derive(key, salt []byte, purpose string) ([]byte, error) {
	k, err := hkdf.Key(sha256.New, key, salt, "gosbridge/"+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return k, nil
}

// additional is the associated data that ties a sealed value to its row.
func additional(b bucket, key []byte) []byte {
	ad := make([]byte, 0, 64)
	ad = append(ad, byte(b))
	return append(ad, key...)
}

// seal encrypts a value that stands in bucket b under key.
func seal(a cipher.AEAD, b bucket, key, clear []byte) []byte {
	return a.Seal(make([]byte, 0, len(clear)+sealOverhead), nil, clear, additional(b, key))
}

// unseal is the reverse of seal; ErrDamaged when the tag does not fit.
func unseal(a cipher.AEAD, b bucket, key, sealed []byte) ([]byte, error) {
	clear, err := a.Open(nil, nil, sealed, additional(b, key))
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", bucketNames[b], mailstore.ErrDamaged)
	}
	return clear, nil
}

// keyring holds what is derived from the master key.
type keyring struct {
	wrappers atomic.Pointer[[]wrapper] // seal holders' keys and the store's key
	setting  cipher.AEAD
	mac      []byte
}

// newWrapper derives the wrapping key and the check value of a master key.
func newWrapper(master [32]byte, salt []byte) (cipher.AEAD, []byte, error) {
	wrapKey, err := derive(master[:], salt, "wrap")
	if err != nil {
		return nil, nil, err
	}
	check, err := derive(master[:], salt, "check")
	if err != nil {
		return nil, nil, err
	}
	a, err := newAEAD(wrapKey)
	return a, check, err
}

// setStoreKey derives what hangs on the store's own key.
func (k *keyring) setStoreKey(storeKey []byte) error {
	var err error
	if k.mac, err = derive(storeKey, nil, "mac"); err != nil {
		return err
	}
	settingKey, err := derive(storeKey, nil, "setting")
	if err != nil {
		return err
	}
	k.setting, err = newAEAD(settingKey)
	return err
}

// sameKey compares check values in constant time.
func sameKey(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// mac is what is kept of a lookup key.
type mac = [16]byte

// macSum is the keyed MAC of a lookup key, 128 bits. The kind keeps the MACs
// of different indexes apart.
func (k *keyring) macSum(kind string, account uint32, text string) mac {
	h := hmac.New(sha256.New, k.mac)
	e := encoder{b: make([]byte, 0, 128)}
	e.string(kind)
	e.fixed32(account)
	e.raw([]byte(text))
	h.Write(e.b)
	return [16]byte(h.Sum(nil)[:16])
}

// randomKey returns 32 random octets.
func randomKey() []byte {
	k := make([]byte, 32)
	_, _ = rand.Read(k) // never fails (crypto/rand)
	return k
}

// accountKeys is what is needed to work on an account. It never changes once
// the account's creation is committed, so it is shared; roles are guesses only.
type accountKeys struct {
	id     mailstore.ID
	num    uint32
	holder uint32
	seal   cipher.AEAD // records of the account
	wrap   cipher.AEAD // data keys of bodies, for the account's holder
	text   cipher.AEAD // texts of the account's messages
	roles  sync.Map    // mailstore.Role -> mailstore.MailboxID, where it was last
}

// newAccountKeys derives an account's keys from its holder's.
func newAccountKeys(id mailstore.ID, num, holder uint32, holderKey []byte) (*accountKeys, error) {
	k := &accountKeys{id: id, num: num, holder: holder}
	sealKey, err := derive(holderKey, id[:], "account")
	if err != nil {
		return nil, err
	}
	if k.seal, err = newAEAD(sealKey); err != nil {
		return nil, err
	}
	wrapKey, err := derive(holderKey, nil, "body")
	if err != nil {
		return nil, err
	}
	if k.wrap, err = newAEAD(wrapKey); err != nil {
		return nil, err
	}
	textKey, err := derive(holderKey, id[:], "text")
	if err != nil {
		return nil, err
	}
	k.text, err = newAEAD(textKey)
	return k, err
}

// unwrapBody opens a body's data key.
func (k *accountKeys) unwrapBody(key, wrapped []byte) (body.Key, error) {
	clear, err := unseal(k.wrap, bWrap, key, wrapped)
	if err != nil {
		return body.Key{}, err
	}
	if len(clear) != len(body.Key{}) {
		return body.Key{}, fmt.Errorf("data key of %d octets: %w", len(clear), mailstore.ErrDamaged)
	}
	return body.Key(clear), nil
}
