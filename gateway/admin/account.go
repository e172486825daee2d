package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

// Account is an account as the commands show it.
type Account struct {
	ID          mailstore.ID `json:"id"`
	Addresses   []string     `json:"addresses"`
	Name        string       `json:"name"`
	Registry    string       `json:"registry"` // id of the registry entry
	Sign        auth.Signing `json:"sign"`
	Type        string       `json:"type,omitempty"` // default letter type
	Language    string       `json:"language"`
	Receipts    string       `json:"receipts"`
	Disabled    bool         `json:"disabled,omitempty"`
	Quota       int64        `json:"quota,omitempty"` // octets; 0 without limit
	Credentials []Credential `json:"credentials"`
	Created     time.Time    `json:"created"`
}

// Credential is a credential as the commands show it: never its secret.
type Credential struct {
	ID      mailstore.ID `json:"id"`
	Name    string       `json:"name"`
	Class   string       `json:"class"`
	Revoked bool         `json:"revoked,omitempty"`
	Created time.Time    `json:"created"`
}

// AccountAdd asks for a new account.
type AccountAdd struct {
	Addresses []string     `json:"addresses"`
	Name      string       `json:"name"`
	Registry  string       `json:"registry"`
	Sign      auth.Signing `json:"sign,omitempty"`
	Type      string       `json:"type,omitempty"`
	Language  string       `json:"language,omitempty"`
	Receipts  string       `json:"receipts,omitempty"`
	Phone     string       `json:"phone,omitempty"`
	SNILS     string       `json:"snils,omitempty"`
	Quota     int64        `json:"quota,omitempty"`
}

// AccountList asks for all accounts.
type AccountList struct{}

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

func (s *Service) accountAdd(ctx context.Context, in AccountAdd) (Account, error) {
	if _, ok := s.o.Registry().ByID(in.Registry); !ok {
		return Account{}, fmt.Errorf("%w: the registry has no entry %q; see gosbridge registry show", ErrInvalid, in.Registry)
	}
	a, err := s.o.Accounts.AddAccount(ctx, auth.NewAccount{
		Addresses: in.Addresses, Name: in.Name, Quota: in.Quota, Now: s.o.Now(),
		Settings: auth.Settings{
			Registry: in.Registry, Sign: in.Sign, Type: in.Type, Language: in.Language, Receipts: in.Receipts,
			Phone: in.Phone, SNILS: in.SNILS,
		},
	})
	if err != nil {
		return Account{}, invalid(err)
	}
	return s.account(ctx, a)
}

// invalid gives the errors of package auth their kind.
func invalid(err error) error {
	if errors.Is(err, auth.ErrInvalid) {
		return errors.Join(ErrInvalid, err)
	}
	return err
}

func (s *Service) accountList(ctx context.Context, _ AccountList) ([]Account, error) {
	out := []Account{}
	for a, err := range s.o.Store.Directory().Accounts(ctx) {
		if err != nil {
			return nil, err
		}
		shown, err := s.account(ctx, a)
		if err != nil {
			return nil, err
		}
		out = append(out, shown)
	}
	return out, nil
}

// account is an account with its credentials, for an answer.
func (s *Service) account(ctx context.Context, a mailstore.Account) (Account, error) {
	set, err := auth.DecodeSettings(a.Data)
	if err != nil {
		return Account{}, fmt.Errorf("account %s: %w", a.ID, err)
	}
	list, err := s.o.Store.Directory().Credentials(ctx, a.ID)
	if err != nil {
		return Account{}, err
	}
	out := Account{
		ID: a.ID, Addresses: a.Addresses, Name: a.Name, Registry: set.Registry, Sign: set.Sign, Type: set.Type,
		Language: set.Language, Receipts: set.Receipts, Disabled: a.Disabled, Quota: a.Quota, Created: a.Created,
		Credentials: []Credential{},
	}
	for _, c := range list {
		out.Credentials = append(out.Credentials, credential(c))
	}
	return out, nil
}

func credential(c mailstore.Credential) Credential {
	return Credential{ID: c.ID, Name: c.Name, Class: c.Class, Revoked: c.Revoked, Created: c.Created}
}

func (s *Service) credentialAdd(ctx context.Context, in CredentialAdd) (NewCredential, error) {
	a, err := s.o.Store.Directory().AccountByAddress(ctx, in.Account)
	if err != nil {
		return NewCredential{}, fmt.Errorf("account %s: %w", in.Account, err)
	}
	c, secret, err := auth.AddCredential(ctx, s.o.Store.Directory(), a.ID, auth.NewCredential{
		Name: in.Name, Class: in.Class, Type: in.Type, Now: s.o.Now(),
	})
	if err != nil {
		return NewCredential{}, invalid(err)
	}
	return NewCredential{Credential: credential(c), Account: a.Addresses[0], Secret: secret}, nil
}
