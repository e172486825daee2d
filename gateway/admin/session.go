package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gosbridge/gateway/session"
	"gosbridge/mailstore"
)

// Sessions are those that clients have open.
type Sessions interface {
	// List shows every one, the oldest first.
	List() []session.Info
	// Kick ends those that a filter names and returns how many there were. It
	// waits until they are gone, session.Grace at most; when ctx ends it waits
	// no longer, and they end all the same. An account that was disabled, or a
	// credential that was revoked, before Kick has no session after it.
	Kick(ctx context.Context, f session.Filter) int
}

// SessionList asks for the sessions that are open.
type SessionList struct {
	Account string `json:"account,omitempty"` // an address; "" for all
}

// SessionKick names sessions to end: those that all of its fields fit.
type SessionKick struct {
	IDs        []string `json:"ids,omitempty"`
	Account    string   `json:"account,omitempty"`    // an address
	Credential string   `json:"credential,omitempty"` // a name
}

// SessionKicked is the answer to session/kick.
type SessionKicked struct {
	Sessions int `json:"sessions"`
}

func (s *Service) sessionList(ctx context.Context, in SessionList) ([]session.Info, error) {
	out := []session.Info{}
	if s.o.Sessions != nil {
		out = s.o.Sessions.List()
	}
	if in.Account == "" {
		return out, nil
	}
	account, err := s.accountOf(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(i session.Info) bool { return i.AccountID != account }), nil
}

func (s *Service) sessionKick(ctx context.Context, in SessionKick) (SessionKicked, error) {
	f := session.Filter{IDs: in.IDs, Name: in.Credential}
	if len(in.IDs) == 0 && in.Account == "" && in.Credential == "" {
		return SessionKicked{}, fmt.Errorf("%w: name sessions by id, account or credential", ErrInvalid)
	}
	if s.o.Sessions == nil {
		return SessionKicked{}, ErrNotServing
	}
	if in.Account != "" {
		var err error
		if f.Account, err = s.accountOf(ctx, in.Account); err != nil {
			return SessionKicked{}, err
		}
	}
	out := SessionKicked{Sessions: s.kick(ctx, f)}
	if len(in.IDs) > 0 && out.Sessions == 0 {
		return out, fmt.Errorf("%w: no such session", ErrNotFound)
	}
	return out, nil
}

// kick ends sessions; on a stopped gateway there are none.
func (s *Service) kick(ctx context.Context, f session.Filter) int {
	if s.o.Sessions == nil {
		return 0
	}
	n := s.o.Sessions.Kick(ctx, f)
	s.o.Logger.Info("sessions ended by the operator", "sessions", n, "account", f.Account, "ids", f.IDs)
	return n
}

// accountOf is the id of the account with an address.
func (s *Service) accountOf(ctx context.Context, address string) (mailstore.ID, error) {
	a, err := s.o.Store.Directory().AccountByAddress(ctx, address)
	if errors.Is(err, mailstore.ErrNoAccount) {
		return mailstore.ID{}, fmt.Errorf("%w: no account has the address %q", ErrNotFound, address)
	}
	return a.ID, err
}
