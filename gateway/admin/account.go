package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/session"
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
	Held        bool         `json:"held,omitempty"`     // on legal hold
	Password    bool         `json:"password,omitempty"` // it has its own password
	Quota       int64        `json:"quota,omitempty"`    // octets; 0 without limit
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
	Used    time.Time    `json:"last_used,omitzero"` // to the hour
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

// AccountPassword gives the account with an address its own password.
type AccountPassword struct {
	Account  string `json:"account"` // address
	Password string `json:"password"`
}

// AccountName names the account that is to be blocked or opened again.
type AccountName struct {
	Account string `json:"account"` // address
}

func (s *Service) accountAdd(ctx context.Context, in AccountAdd) (Account, error) {
	if _, ok := s.o.Registry().ByID(in.Registry); !ok {
		return Account{}, fmt.Errorf("%w: the registry has no entry %q; see gosbridge registry show", ErrInvalid, in.Registry)
	}
	if err := s.hasType(in.Type); err != nil {
		return Account{}, err
	}
	a, err := s.o.Accounts.AddAccount(ctx, auth.NewAccount{
		Addresses: in.Addresses, Name: in.Name, Quota: in.Quota, Now: s.o.Now(),
		Settings: auth.Settings{
			Registry: in.Registry, Sign: in.Sign, Type: in.Type, Language: in.Language, Receipts: in.Receipts,
			Phone: in.Phone, SNILS: in.SNILS,
		},
		By: by(ctx),
	})
	if err != nil {
		return Account{}, err
	}
	return s.account(ctx, a)
}

// hasType refuses a letter type that is not in force; "" is none.
func (s *Service) hasType(name string) error {
	if types := s.o.Types(); name != "" && !slices.Contains(types, name) {
		return fmt.Errorf("%w: letter type %q is none of %s", ErrInvalid, name, strings.Join(types, ", "))
	}
	return nil
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
		Language: set.Language, Receipts: set.Receipts, Disabled: a.Disabled, Held: a.Held, Password: set.Password != "", Quota: a.Quota, Created: a.Created,
		Credentials: []Credential{},
	}
	for _, c := range list {
		out.Credentials = append(out.Credentials, credential(c))
	}
	return out, nil
}

// owner is the account with an address.
func (s *Service) owner(ctx context.Context, address string) (mailstore.Account, error) {
	a, err := s.o.Store.Directory().AccountByAddress(ctx, address)
	if err != nil {
		return a, fmt.Errorf("account %s: %w", address, err)
	}
	return a, nil
}

// again is an account as it is after a change.
func (s *Service) again(ctx context.Context, id mailstore.ID) (Account, error) {
	a, err := s.o.Store.Directory().Account(ctx, id)
	if err != nil {
		return Account{}, err
	}
	return s.account(ctx, a)
}

func (s *Service) accountPassword(ctx context.Context, in AccountPassword) (Account, error) {
	a, err := s.owner(ctx, in.Account)
	if err != nil {
		return Account{}, err
	}
	if err := s.passwords.Set(ctx, s.o.Store, a.ID, in.Password, by(ctx), s.o.Now()); err != nil {
		return Account{}, err
	}
	return s.again(ctx, a.ID)
}

func (s *Service) accountDisable(ctx context.Context, in AccountName) (Account, error) {
	// It is not left half done when the caller goes away, the outcome is not
	// known, or the account cannot be shown: the sessions end.
	ctx = context.WithoutCancel(ctx)
	id, err := s.setDisabled(ctx, in, true)
	if err == nil || errors.Is(err, mailstore.ErrMaybeCommitted) {
		s.kick(ctx, session.Filter{Account: id, Why: session.Blocked})
	}
	if err != nil {
		return Account{}, err
	}
	return s.again(ctx, id)
}

func (s *Service) accountEnable(ctx context.Context, in AccountName) (Account, error) {
	id, err := s.setDisabled(ctx, in, false)
	if err != nil {
		return Account{}, err
	}
	return s.again(ctx, id)
}

func (s *Service) setDisabled(ctx context.Context, in AccountName, disabled bool) (mailstore.ID, error) {
	a, err := s.owner(ctx, in.Account)
	if err != nil {
		return mailstore.ID{}, err
	}
	_, err = auth.SetDisabled(ctx, s.o.Store, a.ID, disabled, by(ctx), s.o.Now())
	return a.ID, err
}
