package auth

import (
	"context"
	"errors"
	"sync"

	"gosbridge/mailstore"
)

// ErrRevoked says that the credential of a login was revoked.
var ErrRevoked = errors.New("credential revoked")

// leashes end logins that are taken back: one context for each credential that
// is or was in use, which its sessions share. Safe for concurrent use.
//
// A login reads the directory first and takes its leash then. What is cut
// between the two would be missed, so every cut raises the epoch, and a leash
// is given only in the epoch in which the reading began.
type leashes struct {
	mu    sync.Mutex
	epoch uint64
	held  map[mailstore.ID]leash // by credential
}

// leash is what the sessions of one credential hang on.
type leash struct {
	account mailstore.ID
	live    context.Context
	end     context.CancelCauseFunc
}

func newLeashes() *leashes { return &leashes{held: make(map[mailstore.ID]leash)} }

// now is the epoch.
func (l *leashes) now() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// take gives the leash of a credential, unless something was cut since the
// epoch.
func (l *leashes) take(account, credential mailstore.ID, epoch uint64) (context.Context, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch != epoch {
		return nil, false
	}
	have, ok := l.held[credential]
	if !ok {
		have.account = account
		have.live, have.end = context.WithCancelCause(context.Background())
		l.held[credential] = have
	}
	return have.live, true
}

// cut ends the logins of one credential, or of all of the account.
func (l *leashes) cut(account, credential mailstore.ID, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	for id, have := range l.held {
		if have.account == account && (credential == mailstore.ID{} || credential == id) {
			have.end(cause)
			delete(l.held, id)
		}
	}
}

// End ends the logins of a credential that was revoked, or, when the
// credential is the zero ID, of an account that was blocked. Called after the
// commit that says so, no login that began before it lives on. The sessions
// learn the cause: ErrRevoked or ErrBlocked.
func (a *Authenticator) End(account, credential mailstore.ID, cause error) {
	a.leashes.cut(account, credential, cause)
}

// OnEnd calls f with the cause, once and in a goroutine of its own, when the
// login is taken back. stop gives it up. An identity that no Authenticator
// gave is never taken back.
func (id Identity) OnEnd(f func(cause error)) (stop func() bool) {
	if id.live == nil {
		return func() bool { return false }
	}
	return context.AfterFunc(id.live, func() { f(context.Cause(id.live)) })
}
