package letter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
)

// Options are what an Office works with.
type Options struct {
	Store mailstore.Store
	Maker *receipt.Maker
	Gate  *worker.Gate // for Run; nil where nothing runs
	// Retention is how the ends of letters' terms are told and put off.
	Retention Retention
	// Resumed is when a store that was restored was resumed, zero for never; nil
	// where no terms end.
	Resumed func() time.Time
	Now     func() time.Time
	Logger  *slog.Logger
}

// Office prepares transitions: it builds and signs their evidence and
// receipts. Safe for concurrent use.
type Office struct {
	store mailstore.Store
	maker atomic.Pointer[receipt.Maker]
	rules atomic.Pointer[Retention]
	// resumed is Options.Resumed.
	resumed func() time.Time
	gate    *worker.Gate
	now     func() time.Time
	log     *slog.Logger
}

// NewOffice returns an office over a store.
func NewOffice(o Options) *Office {
	office := &Office{store: o.Store, gate: o.Gate, resumed: o.Resumed, now: o.Now, log: o.Logger}
	if office.resumed == nil {
		office.resumed = func() time.Time { return time.Time{} }
	}
	office.maker.Store(o.Maker)
	office.SetRetention(o.Retention)
	return office
}

// SetMaker swaps the operator's key and name. A transition that is being
// prepared keeps those that it began with; letters keep the terms that they
// were accepted with, which stand in their records.
func (o *Office) SetMaker(m *receipt.Maker) { o.maker.Store(m) }

// Change is one event for one recipient of a letter.
type Change struct {
	Recipient int // index in Outgoing.Recipients
	Event     Event
	At        time.Time
	Reason    receipt.Reason  // of a failure
	By        journal.Details // who did it by command, for the journal
}

// MaxChanges is how many changes one transition takes, so that the Update of
// a letter to many stays short.
const MaxChanges = 100

// Prepare builds the transition that changes make to a letter that the
// account sent. Changes that say nothing new are left out; the transition may
// be Empty. Signing happens here, outside of any transaction.
func (o *Office) Prepare(ctx context.Context, account, id mailstore.ID, changes []Change) (*Transition, error) {
	return o.prepare(ctx, account, id, func(b *builder) error {
		for _, c := range changes {
			if err := b.change(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// prepare builds a transition on the letter as it is.
func (o *Office) prepare(ctx context.Context, account, id mailstore.ID, build func(*builder) error) (*Transition, error) {
	var rec mailstore.Letter
	var owner mailstore.Account
	err := o.store.View(ctx, account, func(tx mailstore.Tx) (err error) {
		if rec, err = tx.Letter(id, mailstore.Sender); err != nil {
			return err
		}
		owner, err = tx.Account()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare letter %s: %w", id, err)
	}
	out, err := DecodeOutgoing(rec)
	if err != nil {
		return nil, err
	}
	b := &builder{office: o, maker: o.maker.Load(), ctx: ctx, rec: rec, out: out, owner: owner, t: &Transition{}}
	if err = build(b); err == nil {
		err = b.finish()
	}
	if err != nil {
		b.abandon()
		return nil, fmt.Errorf("prepare letter %s: %w", rec.Number, err)
	}
	return b.t, nil
}

// commit applies a transition in an Update of its account, between what before
// and after do there; either may be nil. It discards what was not applied.
func (o *Office) commit(ctx context.Context, account mailstore.ID, t *Transition, before, after func(mailstore.UpdateTx) error) error {
	err := o.store.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		if before != nil {
			if err := before(tx); err != nil {
				return err
			}
		}
		if err := Apply(tx, t); err != nil || after == nil {
			return err
		}
		return after(tx)
	})
	if err != nil && !errors.Is(err, mailstore.ErrMaybeCommitted) {
		return errors.Join(err, t.Discard(context.WithoutCancel(ctx), o.store.Bodies()))
	}
	return err
}

// posted is a receipt mail that can be appended, and what it was made of.
type posted struct {
	message mailstore.NewMessage
	octets  []byte
	to      receipt.Mailing
}

// mail makes a receipt into a message that can be appended. Its body is
// sealed but not named by any commit yet.
func (b *builder) mail(s receipt.Sealed, to receipt.Mailing) (posted, error) {
	octets, err := b.maker.Mail(b.ctx, s, to)
	if err != nil {
		return posted{}, err
	}
	msg, err := storeMail(b.ctx, b.office.store, derive(s.ID, "mail"), octets, s.Evidence.Issued)
	if err != nil {
		return posted{}, err
	}
	b.t.bodies = append(b.t.bodies, msg.Content.Body)
	return posted{message: msg, octets: octets, to: to}, nil
}

// readdress makes of a receipt mail the one that another party gets, in full
// depth. Where the first is in full depth too, all but the header is the same, and
// both share the body and the signature in it; else it is a mail of its own.
func (b *builder) readdress(s receipt.Sealed, first posted, address string) (mailstore.NewMessage, error) {
	to := first.to
	to.To, to.Depth = address, receipt.Full
	if first.to.Depth != receipt.Full {
		own, err := b.mail(s, to)
		return own.message, err
	}
	old, err := b.maker.Header(s, first.to)
	if err != nil {
		return mailstore.NewMessage{}, err
	}
	header, err := b.maker.Header(s, to)
	if err != nil {
		return mailstore.NewMessage{}, err
	}
	rest := first.octets[len(old):]
	summary, err := message.Index(io.MultiReader(bytes.NewReader(header), bytes.NewReader(rest)), message.Limits{})
	if err != nil {
		return mailstore.NewMessage{}, fmt.Errorf("readdress receipt: %w", err)
	}
	msg := first.message
	msg.Summary = summary
	msg.Content = mailstore.Content{
		Prefix: header, Body: msg.Content.Body, Offset: int64(len(old)), Length: int64(len(rest)),
	}
	return msg, nil
}

// storeMail seals a mail of our own making: it is indexed for lists, and not
// decoded as what comes from outside is.
func storeMail(ctx context.Context, store mailstore.Store, id mailstore.ID, octets []byte, at time.Time) (mailstore.NewMessage, error) {
	ref, err := store.Bodies().Put(ctx, bytes.NewReader(octets))
	if err != nil {
		return mailstore.NewMessage{}, fmt.Errorf("store mail: %w", err)
	}
	summary, err := message.Index(bytes.NewReader(octets), message.Limits{})
	if err != nil {
		return mailstore.NewMessage{}, fmt.Errorf("store mail: %w", err)
	}
	return mailstore.NewMessage{
		EmailID: id, Received: at, Summary: summary,
		Content: mailstore.Content{Body: ref, Length: ref.Size}, OverQuota: true,
	}, nil
}
