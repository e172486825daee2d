package auth

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"gosbridge/mailstore"
)

// memory is a mailstore.Directory without a disk.
type memory struct {
	mu       sync.Mutex
	accounts map[mailstore.ID]mailstore.Account
	boxes    map[mailstore.ID][]mailstore.NewMailbox
	creds    map[mailstore.ID]mailstore.Credential
	settings map[string][]byte
	journal  map[mailstore.ID][]mailstore.JournalRecord
	numbers  uint64
	uses     int   // of credentials, that were noted
	broken   error // what every method fails with
}

func newMemory() *memory {
	return &memory{
		accounts: make(map[mailstore.ID]mailstore.Account),
		boxes:    make(map[mailstore.ID][]mailstore.NewMailbox),
		creds:    make(map[mailstore.ID]mailstore.Credential),
		settings: make(map[string][]byte),
		journal:  make(map[mailstore.ID][]mailstore.JournalRecord),
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

func (m *memory) CreateAccount(_ context.Context, a mailstore.Account, boxes []mailstore.NewMailbox, also ...func(mailstore.UpdateTx) error) error {
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
	return m.also(a.ID, also)
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

func (m *memory) PutCredential(_ context.Context, c mailstore.Credential, also ...func(mailstore.UpdateTx) error) error {
	defer m.lock()()
	m.creds[c.ID] = c
	return errors.Join(m.broken, m.also(c.Account, also))
}

func (m *memory) CredentialUsed(_ context.Context, _, credential mailstore.ID, at time.Time) error {
	defer m.lock()()
	c, ok := m.creds[credential]
	if ok && at.After(c.Used) {
		c.Used = at
		m.creds[credential] = c
		m.uses++
	}
	return m.broken
}

// also runs what belongs to a change; all it can do here is write the journal.
func (m *memory) also(account mailstore.ID, also []func(mailstore.UpdateTx) error) error {
	for _, fn := range also {
		if err := fn(pages{m: m, account: account}); err != nil {
			return err
		}
	}
	return nil
}

// pages is the journal of an account.
type pages struct {
	mailstore.UpdateTx
	m       *memory
	account mailstore.ID
}

func (p pages) JournalSize() (int64, error) { return int64(len(p.m.journal[p.account])), nil }

func (p pages) JournalHashes(indexes []int64) ([]mailstore.Hash, error) {
	return make([]mailstore.Hash, len(indexes)), nil
}

func (p pages) AppendJournal(rec mailstore.JournalRecord, _ []mailstore.Hash) error {
	p.m.journal[p.account] = append(p.m.journal[p.account], rec)
	return nil
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
