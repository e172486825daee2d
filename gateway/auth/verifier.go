package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/xdg-go/stringprep"
)

// Protocol is a way in that a credential may be limited to.
type Protocol string

// The protocols.
const (
	Submission Protocol = "submission"
	IMAP       Protocol = "imap"
)

const (
	verifierVersion = 1
	// scramRounds is the iteration count that RFC 7677 §4 asks for. The
	// secrets are random and 128 bits long, so more would only cost logins.
	scramRounds = 4096
	// maxRounds bounds what one login can be made to cost by a stored record.
	maxRounds = 100_000
	saltSize  = 16
	keySize   = sha256.Size
)

// errVerifier says that a stored credential has no sense.
var errVerifier = errors.New("credential record unusable")

// verifier is what is kept of a password: the SCRAM-SHA-256 keys (RFC 5802
// §3), which do not open anything by themselves, and the limits of its use. It
// is the Data of mailstore.Credential, as JSON.
//
// All credentials of an account share salt and rounds: SCRAM names one salt
// before the client proves which secret it has, and a PLAIN login costs one
// derivation however many credentials there are.
type verifier struct {
	Version   int        `json:"v"`
	Rounds    int        `json:"rounds"`
	Salt      []byte     `json:"salt"`
	StoredKey []byte     `json:"stored_key"`
	ServerKey []byte     `json:"server_key"`
	Protocols []Protocol `json:"protocols"`
	Expires   time.Time  `json:"expires,omitzero"` // never when zero
	Type      string     `json:"type,omitempty"`   // letter type; the account's when empty
}

// newSalt returns a fresh random salt.
func newSalt() []byte {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return salt
}

// newVerifier makes the record for a password. An empty salt means a fresh one.
func newVerifier(password string, salt []byte, protocols []Protocol, expires time.Time) (verifier, error) {
	prepared, err := prepare(password)
	if err != nil {
		return verifier{}, err
	}
	if len(salt) == 0 {
		salt = newSalt()
	}
	stored, server := deriveKeys(prepared, salt, scramRounds)
	return verifier{
		Version: verifierVersion, Rounds: scramRounds, Salt: salt,
		StoredKey: stored, ServerKey: server,
		Protocols: protocols, Expires: expires,
	}, nil
}

// encode gives the form that is stored.
func (v verifier) encode() ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode credential: %w", err)
	}
	return b, nil
}

// decodeVerifier reads what encode wrote. Records of a newer release are
// refused rather than half understood: an unknown limit must not be ignored.
func decodeVerifier(data []byte) (verifier, error) {
	var v verifier
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return verifier{}, fmt.Errorf("%w: %w", errVerifier, err)
	}
	switch {
	case v.Version != verifierVersion:
		return verifier{}, fmt.Errorf("%w: version %d", errVerifier, v.Version)
	case v.Rounds < scramRounds || v.Rounds > maxRounds:
		return verifier{}, fmt.Errorf("%w: %d rounds", errVerifier, v.Rounds)
	case len(v.Salt) < saltSize || len(v.Salt) > 64:
		return verifier{}, fmt.Errorf("%w: salt of %d octets", errVerifier, len(v.Salt))
	case len(v.StoredKey) != keySize || len(v.ServerKey) != keySize:
		return verifier{}, fmt.Errorf("%w: keys of wrong length", errVerifier)
	}
	return v, nil
}

// holds reports whether the stored key of a password that was derived with the
// salt and rounds of v is the one of v. It takes the same time either way.
func (v verifier) holds(stored []byte) bool {
	return subtle.ConstantTimeCompare(v.StoredKey, stored) == 1
}

// allows reports whether the credential may be used for the protocol now.
func (v verifier) allows(p Protocol, now time.Time) bool {
	return slices.Contains(v.Protocols, p) && (v.Expires.IsZero() || now.Before(v.Expires))
}

// deriveKeys computes StoredKey and ServerKey (RFC 5802 §3).
func deriveKeys(prepared string, salt []byte, rounds int) (stored, server []byte) {
	salted, err := pbkdf2.Key(sha256.New, prepared, salt, rounds, keySize)
	if err != nil { // only for a key length or, in FIPS mode, a salt that we never use
		return make([]byte, keySize), make([]byte, keySize)
	}
	client := mac(salted, "Client Key")
	sum := sha256.Sum256(client)
	return sum[:], mac(salted, "Server Key")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// prepare brings a password into the one form that both sides derive from
// (RFC 5802 §2.2, RFC 4013). Empty ones and those with control characters are
// none.
func prepare(password string) (string, error) {
	const maxPassword = 1024 // octets; PBKDF2 takes any, a login needs not
	if password == "" || len(password) > maxPassword {
		return "", errPassword
	}
	p, err := stringprep.SASLprep.Prepare(password)
	if err != nil || p == "" {
		return "", errPassword
	}
	return p, nil
}

var errPassword = errors.New("password is empty, too long or has characters that cannot be used")
