package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"gosbridge/mailstore"
)

var (
	// ErrCredentials says that user and password open nothing here. It never
	// says why.
	ErrCredentials = errors.New("wrong user or password")
	// ErrBlocked says that the password is right and the account disabled.
	ErrBlocked = errors.New("account blocked")
	// ErrInsecure says that a password came in the clear over a network.
	ErrInsecure = errors.New("password login without TLS")
)

// ErrTooMany says that too many attempts failed; the password was not looked at.
type ErrTooMany struct {
	RetryAfter time.Duration // until the next attempt is heard
}

// Error implements error.
func (e ErrTooMany) Error() string {
	return fmt.Sprintf("too many failed logins, next attempt in %s", e.RetryAfter)
}

// Client is where a login comes from.
type Client struct {
	Remote   netip.Addr
	TLS      bool
	Protocol Protocol
	Session  string // id in the logs
}

// Options are what an Authenticator needs.
type Options struct {
	Directory mailstore.Directory
	Limits    Limits           // zero fields take those of DefaultLimits
	Now       func() time.Time // time.Now when nil
	Logger    *slog.Logger     // discarded when nil
}

// Authenticator checks logins. It is safe for concurrent use; at most one
// derivation per processor runs at a time, others wait.
type Authenticator struct {
	dir      mailstore.Directory
	now      func() time.Time
	log      *slog.Logger
	throttle *throttle
	cache    *cache
	deriving chan struct{} // semaphore
	dummy    verifier      // stands in for accounts that do not exist
}

// New makes an Authenticator.
func New(o Options) (*Authenticator, error) {
	if o.Directory == nil {
		return nil, errors.New("authenticator needs a directory")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	dummy, err := newVerifier(newSecret(), nil, nil, time.Time{})
	if err != nil {
		return nil, err
	}
	return &Authenticator{
		dir: o.Directory, now: o.Now, log: o.Logger,
		throttle: newThrottle(o.Limits.orDefault()), cache: newCache(),
		deriving: make(chan struct{}, runtime.GOMAXPROCS(0)), dummy: dummy,
	}, nil
}

// SetLimits puts other limits in force at once. Failures that were counted
// stay counted; a delay that runs is never longer than the new longest one.
// Verified passwords do not depend on limits and stay known.
func (a *Authenticator) SetLimits(l Limits) {
	l = l.orDefault()
	a.throttle.limits.Store(&l)
}

// Plain checks a user, who is any address of an account, and a password
// against every live credential of the account. authzid is empty or again an
// address of that account. Errors: ErrCredentials, ErrBlocked, ErrInsecure,
// ErrTooMany; any other means that the check could not be made.
func (a *Authenticator) Plain(ctx context.Context, c Client, authzid, user, password string) (Identity, error) {
	if !c.TLS && !c.Remote.Unmap().IsLoopback() {
		return Identity{}, ErrInsecure
	}
	account, creds, err := a.find(ctx, user)
	if err != nil {
		return Identity{}, fmt.Errorf("login: %w", err)
	}
	// The limits are asked under the semaphore, so that a burst of guesses
	// cannot all start before the first has failed.
	select {
	case a.deriving <- struct{}{}:
		defer func() { <-a.deriving }()
	case <-ctx.Done():
		return Identity{}, ctx.Err()
	}
	now := a.now()
	if wait := a.throttle.wait(c.Remote, account.ID, now); wait > 0 {
		return Identity{}, ErrTooMany{RetryAfter: wait}
	}
	cred, ok := a.match(creds, c.Protocol, password, now)
	if !ok || (authzid != "" && !account.Owns(authzid)) {
		a.throttle.failed(c.Remote, account.ID, now)
		a.log.Info("login failed", "remote", c.Remote, "protocol", c.Protocol,
			"session", c.Session, "account", account.ID)
		return Identity{}, ErrCredentials
	}
	a.throttle.succeeded(c.Remote, account.ID, now)
	if account.Disabled {
		return Identity{}, ErrBlocked
	}
	settings, err := DecodeSettings(account.Data)
	if err != nil {
		return Identity{}, fmt.Errorf("login of %s: %w", account.ID, err)
	}
	// The record could be read: it has just matched.
	if v, err := decodeVerifier(cred.Data); err == nil && v.Type != "" {
		settings.Type = v.Type
	}
	settings.Password = "" // of no use to a session
	a.used(ctx, cred, now)
	return Identity{
		Account: account, Settings: settings, Credential: cred.ID, Name: cred.Name,
		Class: Class(cred.Class), Assurance: Password, Remote: c.Remote, Session: c.Session,
	}, nil
}

// usedEvery is how exact the last use of a credential is kept: so that mail
// programs that log in every few minutes do not write each time.
const usedEvery = time.Hour

// used notes a login. The login stands whether or not this can be written.
func (a *Authenticator) used(ctx context.Context, c mailstore.Credential, now time.Time) {
	if now.Sub(c.Used) < usedEvery {
		return
	}
	if err := a.dir.CredentialUsed(ctx, c.Account, c.ID, now); err != nil {
		a.log.Warn("use of credential not noted", "account", c.Account, "credential", c.ID, "err", err)
	}
}

// find loads the account with its credentials; the zero Account when the user
// is nobody.
func (a *Authenticator) find(ctx context.Context, user string) (mailstore.Account, []mailstore.Credential, error) {
	account, err := a.dir.AccountByAddress(ctx, user)
	if errors.Is(err, mailstore.ErrNoAccount) {
		return mailstore.Account{}, nil, nil
	}
	if err != nil {
		return mailstore.Account{}, nil, err
	}
	creds, err := a.dir.Credentials(ctx, account.ID)
	if err != nil {
		return mailstore.Account{}, nil, err
	}
	return account, creds, nil
}

// match finds the live credential that the password belongs to. It derives at
// least once, also for an account that does not exist or has no credential, so
// that time tells nothing; and usually exactly once, because the credentials
// of an account share their salt.
func (a *Authenticator) match(creds []mailstore.Credential, p Protocol, password string, now time.Time) (mailstore.Credential, bool) {
	prepared, err := prepare(password)
	usable := err == nil
	var live []mailstore.Credential
	var verifiers []verifier
	for _, c := range creds {
		v, err := decodeVerifier(c.Data)
		if err != nil {
			a.log.Error("credential unusable", "credential", c.ID, "account", c.Account, "err", err)
			continue
		}
		if !c.Revoked && v.allows(p, now) {
			live, verifiers = append(live, c), append(verifiers, v)
		}
	}
	for i, v := range verifiers {
		if usable && a.cache.knows(v, prepared, now) {
			return live[i], true
		}
	}
	found := -1
	var stored []byte
	for i, v := range verifiers {
		if i == 0 || !sameDerivation(v, verifiers[i-1]) {
			stored, _ = deriveKeys(prepared, v.Salt, v.Rounds)
		}
		if v.holds(stored) && usable && found < 0 {
			found = i
		}
	}
	if len(verifiers) == 0 {
		deriveKeys(prepared, a.dummy.Salt, a.dummy.Rounds)
	}
	if found < 0 {
		return mailstore.Credential{}, false
	}
	a.cache.learn(verifiers[found], prepared, now)
	return live[found], true
}

func sameDerivation(v, w verifier) bool {
	return v.Rounds == w.Rounds && bytes.Equal(v.Salt, w.Salt)
}
