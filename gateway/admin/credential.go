package admin

import (
	"context"
	"errors"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/session"
	"gosbridge/mailstore"
)

// CredentialAdd asks for a new credential of the account with an address.
type CredentialAdd struct {
	Account string     `json:"account"` // address
	Name    string     `json:"name"`
	Class   auth.Class `json:"class,omitempty"`
	Type    string     `json:"type,omitempty"` // letter type; the account's when empty
}

// NewCredential is a credential just made: the only time its secret is shown.
type NewCredential struct {
	Credential
	Account string `json:"account"`
	Secret  string `json:"secret"`
}

// CredentialList asks for the credentials of the account with an address; "" for
// those of all accounts.
type CredentialList struct {
	Account string `json:"account,omitempty"`
}

// AccountCredential is a credential with the account that it opens.
type AccountCredential struct {
	Credential
	Account string `json:"account"` // main address
}

// CredentialName names a credential of the account with an address, by its
// name or id.
type CredentialName struct {
	Account    string `json:"account"`
	Credential string `json:"credential"`
}

func credential(c mailstore.Credential) Credential {
	return Credential{ID: c.ID, Name: c.Name, Class: c.Class, Revoked: c.Revoked, Created: c.Created, Used: c.Used}
}

func (s *Service) credentialAdd(ctx context.Context, in CredentialAdd) (NewCredential, error) {
	a, err := s.owner(ctx, in.Account)
	if err != nil {
		return NewCredential{}, err
	}
	if err := s.hasType(in.Type); err != nil {
		return NewCredential{}, err
	}
	c, secret, err := auth.AddCredential(ctx, s.o.Store.Directory(), a.ID, auth.NewCredential{
		Name: in.Name, Class: in.Class, Type: in.Type, Now: s.o.Now(), By: by(ctx),
	})
	if err != nil {
		return NewCredential{}, err
	}
	return NewCredential{Credential: credential(c), Account: a.Addresses[0], Secret: secret}, nil
}

func (s *Service) credentialList(ctx context.Context, in CredentialList) ([]AccountCredential, error) {
	out := []AccountCredential{}
	add := func(a mailstore.Account) error {
		list, err := s.o.Store.Directory().Credentials(ctx, a.ID)
		for _, c := range list {
			out = append(out, AccountCredential{Credential: credential(c), Account: a.Addresses[0]})
		}
		return err
	}
	if in.Account != "" {
		a, err := s.owner(ctx, in.Account)
		if err != nil {
			return nil, err
		}
		err = add(a)
		return out, err
	}
	for a, err := range s.o.Store.Directory().Accounts(ctx) {
		if err != nil {
			return nil, err
		}
		if err := add(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) credentialRevoke(ctx context.Context, in CredentialName) (AccountCredential, error) {
	ctx = context.WithoutCancel(ctx) // as for accountDisable
	a, err := s.owner(ctx, in.Account)
	if err != nil {
		return AccountCredential{}, err
	}
	c, err := auth.FindCredential(ctx, s.o.Store.Directory(), a.ID, in.Credential)
	if err == nil {
		c, err = auth.Revoke(ctx, s.o.Store.Directory(), c, by(ctx), s.o.Now())
	}
	if err == nil || errors.Is(err, mailstore.ErrMaybeCommitted) && c.ID != (mailstore.ID{}) {
		s.kick(ctx, session.Filter{Account: a.ID, Credential: c.ID, Why: session.Revoked}) // again, too: somebody wants to be sure
	}
	if err != nil {
		return AccountCredential{}, err
	}
	return AccountCredential{Credential: credential(c), Account: a.Addresses[0]}, nil
}
