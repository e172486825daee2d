package auth

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// NewCredential is a credential to add to an account.
type NewCredential struct {
	Name  string // chosen by the owner: "laptop", "archive"
	Class Class  // default Person
	// Protocols that it opens; default all.
	Protocols []Protocol
	Expires   time.Time // never when zero
	// Type is the letter type of letters that name none; "" for the account's.
	Type string
	// Password is taken instead of a generated secret. Meant for test
	// folders: a password that a person thinks of is weak under 4,096 rounds.
	Password string
	Now      time.Time // of creation
	// By tells in the journal who made it.
	By journal.Details
}

// ErrInvalid says that an account or a credential to be made has no sense. The
// text names what.
var ErrInvalid = errors.New("invalid")

// secretOctets is the length of a generated secret: 128 bits, which no
// guessing reaches, whatever the rounds.
const secretOctets = 16

// AddCredential makes a credential for the account and returns it with its
// secret, which is kept nowhere and cannot be shown again. Errors wrap
// ErrInvalid or are those of the directory.
func AddCredential(ctx context.Context, dir mailstore.Directory, account mailstore.ID, n NewCredential) (mailstore.Credential, string, error) {
	if err := n.complete(); err != nil {
		return mailstore.Credential{}, "", err
	}
	if _, err := dir.Account(ctx, account); err != nil {
		return mailstore.Credential{}, "", fmt.Errorf("add credential: %w", err)
	}
	salt, err := accountSalt(ctx, dir, account)
	if err != nil {
		return mailstore.Credential{}, "", fmt.Errorf("add credential: %w", err)
	}
	secret := n.Password
	if secret == "" {
		secret = newSecret()
	}
	v, err := newVerifier(secret, salt, n.Protocols, n.Expires)
	if err != nil {
		return mailstore.Credential{}, "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	v.Type = n.Type
	data, err := v.encode()
	if err != nil {
		return mailstore.Credential{}, "", err
	}
	c := mailstore.Credential{
		ID: mailstore.NewID(), Account: account, Name: n.Name,
		Class: string(n.Class), Created: n.Now.UTC(), Data: data,
	}
	if err := dir.PutCredential(ctx, c, noted(credentialEntry("added", c, n.By, n.Now))); err != nil {
		return mailstore.Credential{}, "", fmt.Errorf("add credential: %w", err)
	}
	return c, secret, nil
}

// credentialEntry tells of a credential in the journal.
func credentialEntry(what string, c mailstore.Credential, by journal.Details, now time.Time) journal.Entry {
	return entryBy(now, journal.Credential, by, journal.Details{
		"change": what, "credential": c.Name, "credential-id": c.ID.String(), "class": c.Class,
	})
}

// FindCredential finds a credential of an account by its name or ID. A name
// means the live credential that has it, or else the last one revoked. Errors
// are ErrNoCredential, ErrInvalid when several live ones have the name, or
// those of the directory.
func FindCredential(ctx context.Context, dir mailstore.Directory, account mailstore.ID, name string) (mailstore.Credential, error) {
	all, err := dir.Credentials(ctx, account)
	if err != nil {
		return mailstore.Credential{}, fmt.Errorf("find credential: %w", err)
	}
	var live, revoked []mailstore.Credential
	for _, c := range all {
		switch {
		case c.ID.String() == name:
			return c, nil
		case c.Name != name:
		case c.Revoked:
			revoked = append(revoked, c)
		default:
			live = append(live, c)
		}
	}
	switch {
	case len(live) > 1:
		ids := make([]string, len(live))
		for i, c := range live {
			ids[i] = c.ID.String()
		}
		return mailstore.Credential{}, fmt.Errorf("%w: %d credentials are called %q, name one by its id: %s",
			ErrInvalid, len(live), name, strings.Join(ids, ", "))
	case len(live) == 1:
		return live[0], nil
	case len(revoked) > 0:
		return revoked[len(revoked)-1], nil
	}
	return mailstore.Credential{}, fmt.Errorf("credential %q: %w", name, ErrNoCredential)
}

// ErrNoCredential says that an account has no credential of that name.
var ErrNoCredential = mailstore.ErrNoCredential

// Revoke revokes a credential; one that is revoked already is left alone.
// Sessions that are open are the caller's.
func Revoke(ctx context.Context, dir mailstore.Directory, c mailstore.Credential, by journal.Details, now time.Time) (mailstore.Credential, error) {
	if c.Revoked {
		return c, nil
	}
	c.Revoked = true
	if err := dir.PutCredential(ctx, c, noted(credentialEntry("revoked", c, by, now))); err != nil {
		return c, fmt.Errorf("revoke credential: %w", err)
	}
	return c, nil
}

// complete fills the defaults and refuses what has no sense.
func (n *NewCredential) complete() error {
	if n.Class == "" {
		n.Class = Person
	}
	if len(n.Protocols) == 0 {
		n.Protocols = []Protocol{Submission, IMAP}
	}
	if !slices.Contains([]Class{Person, System, Archive}, n.Class) {
		return fmt.Errorf("%w: class %q is none of person, system, archive", ErrInvalid, n.Class)
	}
	for _, p := range n.Protocols {
		if p != Submission && p != IMAP {
			return fmt.Errorf("%w: protocol %q is none of submission, imap", ErrInvalid, p)
		}
	}
	if strings.TrimSpace(n.Name) == "" {
		return fmt.Errorf("%w: a credential needs a name", ErrInvalid)
	}
	if !oneLine(n.Name) {
		return fmt.Errorf("%w: name %q has control characters", ErrInvalid, n.Name)
	}
	if n.Now.IsZero() {
		return fmt.Errorf("%w: a credential needs the time of its creation", ErrInvalid)
	}
	if !n.Expires.IsZero() && !n.Expires.After(n.Now) {
		return fmt.Errorf("%w: the credential would have expired already", ErrInvalid)
	}
	return nil
}

// accountSalt returns the salt that the account's credentials share, nil when
// it has none yet.
func accountSalt(ctx context.Context, dir mailstore.Directory, account mailstore.ID) ([]byte, error) {
	creds, err := dir.Credentials(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, c := range creds {
		if v, err := decodeVerifier(c.Data); err == nil && v.Rounds == scramRounds {
			return v.Salt, nil
		}
	}
	return nil, nil
}

var secretEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newSecret makes a password that can be read aloud: 26 lower-case letters and
// digits without 0, 1, 8 and 9, in groups.
func newSecret() string {
	b := make([]byte, secretOctets)
	rand.Read(b) // never fails
	text := strings.ToLower(secretEncoding.EncodeToString(b))
	const group = 5
	var groups []string
	for len(text) > group+1 { // the last group has the odd one
		groups = append(groups, text[:group])
		text = text[group:]
	}
	return strings.Join(append(groups, text), "-")
}
