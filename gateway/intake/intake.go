package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// inspectBudget is the memory that all sessions together may use for checks
// that need random access, in octets. Others wait.
const inspectBudget = 128 << 20

// Book is what letters are judged by. It is swapped as a whole.
type Book struct {
	Rules    *policy.Rules
	Suffixes *policy.Suffixes // of addresses; nil for none
	Registry *registry.Registry
	// Signers are the organisations' keys, by registry id.
	Signers map[string]certs.DetachedSigner
	// Verifier checks the signatures of clients.
	Verifier *cms.Verifier
}

// Options are what an Intake works with.
type Options struct {
	Store    mailstore.Store
	Office   *letter.Office
	Numbers  *letter.Numbers
	Hostname string // of this gateway, as in Authentication-Results
	Limits   message.Limits
	Default  string // letter type where nothing names one
	Book     Book
	Now      func() time.Time
	Logger   *slog.Logger
}

// Intake accepts letters. Safe for concurrent use.
type Intake struct {
	store    mailstore.Store
	office   *letter.Office
	numbers  *letter.Numbers
	hostname string
	limits   message.Limits
	usual    string
	book     atomic.Pointer[Book]
	budget   *semaphore.Weighted
	now      func() time.Time
	log      *slog.Logger
}

// New returns an intake.
func New(o Options) *Intake {
	in := &Intake{
		store: o.Store, office: o.Office, numbers: o.Numbers, hostname: o.Hostname, limits: o.Limits,
		usual: o.Default, budget: semaphore.NewWeighted(inspectBudget), now: o.Now, log: o.Logger,
	}
	in.book.Store(&o.Book)
	return in
}

// SetBook swaps rules, registry and keys; letters under way keep the old ones.
func (in *Intake) SetBook(b Book) { in.book.Store(&b) }

// Book is what letters are judged by now.
func (in *Intake) Book() Book { return *in.book.Load() }

// Registry is the recipient registry in force.
func (in *Intake) Registry() *registry.Registry { return in.book.Load().Registry }

// Sender decides whether who may send under from, and whether a letter of
// that many octets (0 when not announced) fits their quota. Errors are a
// *policy.Refusal or internal.
func (in *Intake) Sender(ctx context.Context, who auth.Identity, from string, size int64) error {
	name, ok := in.book.Load().name(from, who.Owns)
	if !ok {
		return policy.NewRefusal(policy.New(policy.SenderNotOwned, from))
	}
	if name.unknown() {
		return policy.NewRefusal(policy.New(policy.TypeUnknown, name.word))
	}
	var usage mailstore.Usage
	err := in.store.View(ctx, who.Account.ID, func(tx mailstore.Tx) (err error) {
		usage, err = tx.Usage()
		return err
	})
	if err != nil {
		return fmt.Errorf("quota of %s: %w", who.Account.ID, err)
	}
	if usage.Quota > 0 && usage.Octets+size > usage.Quota {
		return policy.NewRefusal(policy.New(policy.Quota, policy.Octets(usage.Quota)))
	}
	return nil
}

// Recipient looks a recipient up in the registry, without the suffix that
// chooses a letter type, and finds their account. Errors are a *policy.Refusal
// or internal.
func (in *Intake) Recipient(ctx context.Context, _ auth.Identity, r Recipient) (Recipient, error) {
	return in.recipient(ctx, in.book.Load(), r)
}

// recipient is Recipient by one book.
func (in *Intake) recipient(ctx context.Context, book *Book, r Recipient) (Recipient, error) {
	name, ok := book.recipient(r.Address)
	if !ok {
		return r, policy.NewRefusal(policy.Unknown(name.address, book.Registry.Suggest(name.address)))
	}
	if name.unknown() {
		return r, policy.NewRefusal(policy.New(policy.TypeUnknown, name.word))
	}
	entry, _ := book.Registry.Lookup(name.address)
	if v, ok := policy.Unreachable(name.address, entry, in.now()); ok {
		return r, policy.NewRefusal(v)
	}
	r.Entry, r.Choice, r.book = entry, name.choice, book
	account, err := in.account(ctx, entry, name.address)
	if errors.Is(err, mailstore.ErrNoAccount) {
		return r, policy.NewRefusal(policy.New(policy.RecipientNoRoute, name.address))
	}
	if err != nil {
		return r, fmt.Errorf("account of recipient: %w", err)
	}
	if account.Disabled {
		return r, policy.NewRefusal(policy.New(policy.RecipientBlocked, name.address))
	}
	r.Account = account.ID
	return r, nil
}

// account finds whose mailbox on this gateway an entry's letters go to: the
// account of the address that was used, or else of one of the entry's.
func (in *Intake) account(ctx context.Context, entry registry.Entry, address string) (mailstore.Account, error) {
	account, err := in.store.Directory().AccountByAddress(ctx, address)
	for _, a := range entry.Addresses {
		if !errors.Is(err, mailstore.ErrNoAccount) {
			break
		}
		account, err = in.store.Directory().AccountByAddress(ctx, a)
	}
	return account, err
}
