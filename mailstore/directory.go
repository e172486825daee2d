package mailstore

import (
	"context"
	"iter"
	"strings"
	"time"
)

// Account is a mailbox owner. What its settings mean is the gateway's.
type Account struct {
	ID ID
	// Holder is the organisation under whose key the account's data is
	// wrapped. Accounts of one organisation share it.
	Holder ID
	// Addresses are what the account receives and sends under, lower case;
	// the first is its main one. Unique in the store.
	Addresses []string
	Name      string // as people see it
	Created   time.Time
	Disabled  bool
	Held      bool   // nothing that it keeps may be destroyed: Keeper
	Quota     int64  // octets; 0 without limit
	Data      []byte // settings, sealed
}

// Credential opens an account for one class of program.
type Credential struct {
	ID      ID
	Account ID
	Name    string // chosen by the owner: "laptop", "archive"
	Class   string // person, system or archive; in the clear
	Created time.Time
	Revoked bool
	Used    time.Time // last login that was noted; zero: none
	Data    []byte    // verifier and limits, sealed
}

// NewMailbox is a mailbox that a new account starts with.
type NewMailbox struct {
	Name string
	Role Role
}

// Directory keeps accounts, credentials and number blocks. Its changes are
// durable when it returns. All methods are safe for concurrent use.
//
// What is given as also belongs to the change: an Update of the account in the
// same commit, under the rules of Store.Update.
type Directory interface {
	// CreateAccount makes an account with its first mailboxes, all of them
	// subscribed; INBOX is always made. ErrExists when the ID or an address is
	// taken.
	CreateAccount(ctx context.Context, a Account, boxes []NewMailbox, also ...func(UpdateTx) error) error
	// PutAddresses replaces the account's addresses. ErrExists.
	PutAddresses(ctx context.Context, account ID, addresses []string) error
	// Account and AccountByAddress: ErrNoAccount when absent. Addresses are
	// compared in lower case.
	Account(ctx context.Context, id ID) (Account, error)
	AccountByAddress(ctx context.Context, address string) (Account, error)
	// Accounts yields all, ordered by ID. It holds no transaction while the
	// caller works.
	Accounts(ctx context.Context) iter.Seq2[Account, error]

	// PutCredential adds or replaces by ID.
	PutCredential(ctx context.Context, c Credential, also ...func(UpdateTx) error) error
	// CredentialUsed notes a login, and changes nothing else. One that is not
	// there, or was used later, is left alone.
	CredentialUsed(ctx context.Context, account, credential ID, at time.Time) error
	// Credentials returns those of an account, the revoked ones included.
	Credentials(ctx context.Context, account ID) ([]Credential, error)

	// ReserveNumbers durably takes the next n human numbers and returns the
	// first. Gaps may appear, reuse never.
	ReserveNumbers(ctx context.Context, n uint64) (first uint64, err error)
	// Generation is raised whenever a backup is restored, and every UIDVALIDITY
	// with it.
	Generation(ctx context.Context) (uint32, error)
	// Setting and PutSetting keep small named values of the installation,
	// sealed (the mark of a test folder, the id of a node). Absent: nil, nil.
	Setting(ctx context.Context, name string) ([]byte, error)
	PutSetting(ctx context.Context, name string, value []byte) error
}

// Owns reports whether address, in any case, is one of the account's.
func (a Account) Owns(address string) bool {
	for _, own := range a.Addresses {
		if strings.EqualFold(own, address) {
			return true
		}
	}
	return false
}
