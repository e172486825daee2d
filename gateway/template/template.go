// Package template makes the mailbox Templates: ready-made beginnings of
// letters, one for each type that the account can send, with a short guidance
// and the limits in force.
//
// It owns their texts, and the rule by which an account gets them: once. What
// its owner makes of mailbox and templates afterwards is the owner's. A
// template is an ordinary message: no draft, and no letter before a person
// writes one of it.
package template

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// Options are what a Provider works with.
type Options struct {
	Store   mailstore.Store
	Book    func() Book // what is in force
	Default string      // letter type where nothing names one
	Now     func() time.Time
	Logger  *slog.Logger
}

// Book is what templates are made by.
type Book struct {
	Rules    *policy.Rules
	Suffixes *policy.Suffixes // of addresses; nil for none
	Registry *registry.Registry
	// Signs reports whether the gateway has a key to sign with for a registry
	// entry; nil: for none.
	Signs func(entry string) bool
}

// Provider gives accounts their templates. Safe for concurrent use.
type Provider struct{ o Options }

// New returns a provider.
func New(o Options) *Provider { return &Provider{o: o} }

// AddAccount makes an account with its mailboxes and its templates: the one way
// in which accounts are made. Errors are those of auth.AddAccount; where only
// the templates failed the account is returned too, and has them after the
// next start.
func (p *Provider) AddAccount(ctx context.Context, n auth.NewAccount) (mailstore.Account, error) {
	a, err := auth.AddAccount(ctx, p.o.Store.Directory(), n)
	if err != nil {
		return a, err
	}
	if err := p.Provide(ctx, a); err != nil {
		return a, fmt.Errorf("account %s is made, its templates are not yet: %w", a.Addresses[0], err)
	}
	return a, nil
}

// ProvideAll gives their templates to the accounts that were made before there
// were any. It ends early with ctx; what fails is logged, and tried again by
// the next call.
func (p *Provider) ProvideAll(ctx context.Context) {
	for a, err := range p.o.Store.Directory().Accounts(ctx) {
		if err == nil {
			err = p.Provide(ctx, a)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.o.Logger.Error("templates not made", "account", a.ID, "err", err)
		}
	}
}

// Provide gives an account its templates unless it had them once: the
// settings say so, whatever became of them. A mailbox of that name which has
// held messages is its owner's and gets none. All of it is one Update, so it
// can be repeated, and called by several at once.
func (p *Provider) Provide(ctx context.Context, a mailstore.Account) error {
	set, err := auth.DecodeSettings(a.Data)
	if err != nil || set.Templates {
		return err
	}
	list, err := p.messages(ctx, a, set)
	if err != nil {
		return fmt.Errorf("templates of %s: %w", a.ID, err)
	}
	used := false
	err = p.o.Store.Update(ctx, a.ID, func(tx mailstore.UpdateTx) (err error) {
		used, err = fill(tx, list)
		return err
	})
	if (!used || err != nil) && !errors.Is(err, mailstore.ErrMaybeCommitted) {
		for _, m := range list {
			err = errors.Join(err, p.o.Store.Bodies().Discard(context.WithoutCancel(ctx), m.Content.Body))
		}
	}
	if err != nil {
		return fmt.Errorf("templates of %s: %w", a.ID, err)
	}
	return nil
}

// fill makes the mailbox, puts the templates into it and notes that it did. It
// is pure on tx.
func fill(tx mailstore.UpdateTx, list []mailstore.NewMessage) (used bool, err error) {
	a, err := tx.Account()
	if err != nil {
		return false, err
	}
	set, err := auth.DecodeSettings(a.Data)
	if err != nil || set.Templates {
		return false, err
	}
	box, err := tx.MailboxByName(auth.Templates)
	if errors.Is(err, mailstore.ErrNoMailbox) {
		if box, err = tx.CreateMailbox(auth.Templates, ""); err == nil {
			err = tx.Subscribe(box.ID, true)
		}
	}
	if err != nil {
		return false, err
	}
	if box.UIDNext == 1 && !box.NoSelect {
		for _, m := range list {
			if _, err := tx.Append(box.ID, m); err != nil {
				return false, err
			}
		}
		used = true
	}
	set.Templates = true
	a.Data = set.Encode()
	return used, tx.PutAccount(a)
}

// messages composes and stores the templates of an account.
func (p *Provider) messages(ctx context.Context, a mailstore.Account, set auth.Settings) (list []mailstore.NewMessage, err error) {
	at := p.o.Now()
	for _, d := range p.drafts(a, set) {
		octets := d.compose(at)
		parser := message.NewParser(message.Limits{})
		if _, err := parser.Write(octets); err != nil {
			return nil, err
		}
		ref, err := p.o.Store.Bodies().Put(ctx, bytes.NewReader(octets))
		if err != nil {
			return nil, err
		}
		list = append(list, mailstore.NewMessage{
			EmailID: mailstore.NewID(), Received: at, Flags: mailstore.Seen, Summary: parser.Close().Summary(),
			Content: mailstore.Content{Body: ref, Length: ref.Size}, OverQuota: true,
		})
	}
	return list, nil
}
