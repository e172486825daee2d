package auth

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"gosbridge/mailstore"
)

// memory is a mailstore.Directory without a disk.
type memory struct {
	mu       sync.Mutex
	accounts map[mailstore.ID]mailstore.Account
	boxes    map[mailstore.ID][]mailstore.NewMailbox
	creds    map[mailstore.ID]mailstore.Credential
	settings map[string][]byte
	numbers  uint64
	broken   error // what every method fails with
}

func newMemory() *memory {
	return &memory{
		accounts: make(map[mailstore.ID]mailstore.Account),
		boxes:    make(map[mailstore.ID][]mailstore.NewMailbox),
		creds:    make(map[mailstore.ID]mailstore.Credential),
		settings: make(map[string][]byte),
	}
}

func (m *memory) lock() func() {
	m.mu.Lock()
	return m.mu.Unlock
}

func (m *memory) taken(except mailstore.ID, addresses []string) error {
	for id, a := range m.accounts {
		for _, address := range addresses {
			if id != except && a.Owns(address) {
				return fmt.Errorf("%s: %w", address, mailstore.ErrExists)
			}
		}
	}
	return nil
}

func (m *memory) CreateAccount(_ context.Context, a mailstore.Account, boxes []mailstore.NewMailbox) error {
	defer m.lock()()
	if m.broken != nil {
		return m.broken
	}
	if _, ok := m.accounts[a.ID]; ok {
		return mailstore.ErrExists
	}
	if err := m.taken(a.ID, a.Addresses); err != nil {
		return err
	}
	m.accounts[a.ID], m.boxes[a.ID] = a, boxes
	return nil
}

func (m *memory) PutAddresses(_ context.Context, id mailstore.ID, addresses []string) error {
	defer m.lock()()
	if err := m.taken(id, addresses); err != nil {
		return err
	}
	a := m.accounts[id]
	a.Addresses = slices.Clone(addresses)
	m.accounts[id] = a
	return m.broken
}

func (m *memory) Account(_ context.Context, id mailstore.ID) (mailstore.Account, error) {
	defer m.lock()()
	a, ok := m.accounts[id]
	if !ok {
		return a, mailstore.ErrNoAccount
	}
	return a, m.broken
}

func (m *memory) AccountByAddress(_ context.Context, address string) (mailstore.Account, error) {
	defer m.lock()()
	if m.broken != nil {
		return mailstore.Account{}, m.broken
	}
	for _, a := range m.accounts {
		if a.Owns(address) {
			return a, nil
		}
	}
	return mailstore.Account{}, mailstore.ErrNoAccount
}

func (m *memory) Accounts(context.Context) iter.Seq2[mailstore.Account, error] {
	return func(yield func(mailstore.Account, error) bool) {
		for _, a := range m.accounts {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func (m *memory) PutCredential(_ context.Context, c mailstore.Credential) error {
	defer m.lock()()
	m.creds[c.ID] = c
	return m.broken
}

func (m *memory) Credentials(_ context.Context, account mailstore.ID) ([]mailstore.Credential, error) {
	defer m.lock()()
	var found []mailstore.Credential
	for _, c := range m.creds {
		if c.Account == account {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b mailstore.Credential) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return found, m.broken
}

func (m *memory) ReserveNumbers(_ context.Context, n uint64) (uint64, error) {
	defer m.lock()()
	first := m.numbers + 1
	m.numbers += n
	return first, m.broken
}

func (m *memory) Generation(context.Context) (uint32, error) { return 1, m.broken }

func (m *memory) Setting(_ context.Context, name string) ([]byte, error) {
	defer m.lock()()
	return m.settings[name], m.broken
}

func (m *memory) PutSetting(_ context.Context, name string, value []byte) error {
	defer m.lock()()
	m.settings[name] = value
	return m.broken
}
