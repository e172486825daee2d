package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// The costs of argon2id: the second recommendation of RFC 9106 §4. Memory is in
// KiB.
const (
	argonTime    = 3
	argonMemory  = 64 << 10
	argonThreads = 4
	argonSalt    = 16 // octets
	argonKey     = 32 // octets
	// argonMost bounds what one stored password may cost to check.
	argonMost = 1 << 20
	// argonAtOnce is how many derivations run at a time: each takes its memory.
	argonAtOnce = 2
)

// The shortest password, in characters.
const passwordMin = 8

// Passwords derives and checks the accounts' own passwords with argon2id, at
// most two at a time; others wait. Such a password is thought of by a person,
// and opens neither SMTP nor IMAP, for which it would be too weak and too slow
// to check: that is what credentials are for. Safe for concurrent use.
type Passwords struct {
	slots chan struct{}
}

// NewPasswords returns a Passwords.
func NewPasswords() *Passwords { return &Passwords{slots: make(chan struct{}, argonAtOnce)} }

// derive is argon2id under the limit.
func (p *Passwords) derive(ctx context.Context, password string, h passwordHash) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, argonKey), nil
}

// holds reports whether a password is the one of a hash.
func (p *Passwords) holds(ctx context.Context, h passwordHash, password string) (bool, error) {
	prepared, err := prepare(password)
	if err != nil {
		return false, nil
	}
	key, err := p.derive(ctx, prepared, h)
	return subtle.ConstantTimeCompare(key, h.key) == 1, err
}

// Set gives an account its own password. Errors wrap ErrInvalid when the
// password is too weak or the one that the account has.
func (p *Passwords) Set(ctx context.Context, store mailstore.Store, account mailstore.ID, password string, by journal.Details, now time.Time) error {
	if err := strong(password); err != nil {
		return err
	}
	prepared, err := prepare(password)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := p.fresh(ctx, store, account, password); err != nil {
		return err
	}
	h := passwordHash{time: argonTime, memory: argonMemory, threads: argonThreads, salt: make([]byte, argonSalt)}
	rand.Read(h.salt) // never fails
	if h.key, err = p.derive(ctx, prepared, h); err != nil {
		return err
	}
	_, err = change(ctx, store, account, entryBy(now, journal.Password, by, nil), func(a *mailstore.Account) (bool, error) {
		settings, err := DecodeSettings(a.Data)
		settings.Password = h.String()
		a.Data = settings.Encode()
		return true, err
	})
	return err
}

// fresh refuses the password that the account has already.
func (p *Passwords) fresh(ctx context.Context, store mailstore.Store, account mailstore.ID, password string) error {
	a, err := store.Directory().Account(ctx, account)
	if err != nil {
		return err
	}
	settings, err := DecodeSettings(a.Data)
	if err != nil || settings.Password == "" {
		return err
	}
	h, err := parsePasswordHash(settings.Password)
	if err != nil {
		return err
	}
	same, err := p.holds(ctx, h, password)
	if err == nil && same {
		err = fmt.Errorf("%w: that is the account's password already", ErrInvalid)
	}
	return err
}

// strong wants eight characters of all four classes.
func strong(password string) error {
	var upper, lower, digit, other bool
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsLower(r):
			lower = true
		case unicode.IsDigit(r):
			digit = true
		default:
			other = true
		}
	}
	if utf8.RuneCountInString(password) < passwordMin || !upper || !lower || !digit || !other {
		return fmt.Errorf("%w: a password has at least %d characters, among them a capital and a small letter, a digit and another sign",
			ErrInvalid, passwordMin)
	}
	return nil
}

// passwordHash is a password as it is kept, in the string form that argon2's
// reference implementation writes.
type passwordHash struct {
	time, memory uint32 // memory in KiB
	threads      uint8
	salt, key    []byte
}

var errPasswordHash = errors.New("stored password unusable")

var hashEncoding = base64.RawStdEncoding.Strict()

// String gives $argon2id$v=19$m=65536,t=3,p=4$salt$key.
func (h passwordHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads,
		hashEncoding.EncodeToString(h.salt), hashEncoding.EncodeToString(h.key))
}

// parsePasswordHash reads what String wrote.
func parsePasswordHash(text string) (passwordHash, error) {
	var h passwordHash
	fields := strings.Split(text, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, errPasswordHash
	}
	var threads uint32
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &threads); err != nil {
		return h, errPasswordHash
	}
	h.threads = uint8(min(threads, math.MaxUint8))
	var err, err2 error
	h.salt, err = hashEncoding.DecodeString(fields[4])
	h.key, err2 = hashEncoding.DecodeString(fields[5])
	switch {
	case err != nil || err2 != nil || len(h.key) != argonKey || len(h.salt) < argonSalt || len(h.salt) > 64,
		h.time < 1 || h.time > 16 || h.threads < 1 || h.memory < 8*uint32(h.threads) || h.memory > argonMost,
		h.String() != text:
		return h, errPasswordHash
	}
	return h, nil
}
