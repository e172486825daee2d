package letter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// ErrTooLate says that a letter can no longer be taken back.
var ErrTooLate = errors.New("too late to recall")

// RecallResult is the answer to Recall.
type RecallResult struct {
	Number string
	// Pending says that the letter was handed over already: whether it comes
	// back is decided where it lies, by whether it was opened.
	Pending bool
}

// Recall takes a letter back for its sender. A letter that is held is
// cancelled at once; one that was dispatched is asked back from every
// recipient who has not opened it. ErrTooLate after the recall time, but for a
// letter that a restored store holds back (HeldBackClass), or when the letter is
// on its way this moment; ErrStale when it moves on all the time,
// so that it has to be tried again later. by tells in the journal who asked.
func (o *Office) Recall(ctx context.Context, account, id mailstore.ID, by journal.Details) (res RecallResult, err error) {
	err = Afresh(func() error {
		res, err = o.recall(ctx, account, id, by)
		return err
	})
	return res, err
}

func (o *Office) recall(ctx context.Context, account, id mailstore.ID, by journal.Details) (RecallResult, error) {
	rec, out, err := o.outgoing(ctx, account, id)
	if err != nil {
		return RecallResult{}, err
	}
	res := RecallResult{Number: rec.Number}
	now := o.now().UTC()
	late := out.Recall.IsZero() || !now.Before(out.Recall) || out.Settled()
	if late && out.Held() {
		held, err := o.heldBack(ctx, account, out)
		if err != nil {
			return res, fmt.Errorf("letter %s: %w", rec.Number, err)
		}
		late = !held
	}
	if late {
		return res, fmt.Errorf("letter %s: %w: %s", rec.Number, ErrTooLate, sinceWhen(out))
	}
	if out.State() == Accepted {
		if err := o.cancel(ctx, account, id, out, by, now); err == nil || !errors.Is(err, ErrTooLate) {
			return res, err
		}
		if !out.Hold.IsZero() {
			return res, fmt.Errorf("letter %s: %w: it is being delivered", rec.Number, ErrTooLate)
		}
	}
	res.Pending = true
	return res, o.askBack(ctx, account, rec, out, by, now)
}

// outgoing reads the sender's record.
func (o *Office) outgoing(ctx context.Context, account, id mailstore.ID) (rec mailstore.Letter, out Outgoing, err error) {
	err = o.store.View(ctx, account, func(tx mailstore.Tx) error {
		rec, err = tx.Letter(id, mailstore.Sender)
		return err
	})
	if err != nil {
		return rec, out, fmt.Errorf("letter %s: %w", id, err)
	}
	out, err = DecodeOutgoing(rec)
	return rec, out, err
}

// cancel takes back a letter that was not dispatched. The queue decides: an
// item that a worker ever had is gone, for the letter may lie in a mailbox
// even when the lease is over or the item was given back. In the same Update
// the letter is recalled, for all recipients; where they are more than one
// transition takes, the queue has the rest of their evidence and receipts.
func (o *Office) cancel(ctx context.Context, account, id mailstore.ID, out Outgoing, by journal.Details, now time.Time) error {
	t, err := o.prepare(ctx, account, id, func(b *builder) error { return b.cancel(now, by) })
	if err != nil {
		return err
	}
	return o.commit(ctx, account, t, func(tx mailstore.UpdateTx) error {
		it, err := tx.Item(out.Dispatch)
		if errors.Is(err, mailstore.ErrNoItem) || err == nil && it.Attempts > 0 {
			return fmt.Errorf("%w: dispatched", ErrTooLate)
		}
		if err != nil {
			return err
		}
		return tx.Cancel(out.Dispatch)
	}, nil)
}

// cancel recalls the letter for recipients who still stand at Accepted, as
// many as one transition takes; where it begins with a part of them, it marks
// the letter as recalled and queues the rest.
func (b *builder) cancel(at time.Time, by journal.Details) error {
	if b.out.Cancelled.IsZero() && len(b.out.Recipients) > MaxChanges {
		b.out.Cancelled = at
		details := journal.Details{
			"letter": b.rec.ID.String(), "number": b.rec.Number, "type": b.rec.Type,
			"recipients": fmt.Sprint(len(b.out.Recipients)), "state": string(Recalled),
		}
		maps.Copy(details, by)
		b.t.journal = append(b.t.journal, journal.NewEntry(at, journal.Recalled, details))
		rest, err := noticeItem(b.rec.ID, b.owner.ID, notice{Kind: noticeCancel, At: at, By: by})
		if err != nil {
			return err
		}
		b.t.items = append(b.t.items, rest)
	}
	n := 0
	for i, r := range b.out.Recipients {
		if r.State != Accepted {
			continue
		}
		if n++; n > MaxChanges {
			break
		}
		if err := b.change(Change{Recipient: i, Event: EventRecall, At: at, By: by}); err != nil {
			return err
		}
	}
	return nil
}

// waiting reports whether a recipient still stands at Accepted.
func (o Outgoing) waiting() bool {
	return slices.ContainsFunc(o.Recipients, func(r Recipient) bool { return r.State == Accepted })
}

// cancelRest works on a slice of what is left of a cancelled letter.
func (o *Office) cancelRest(ctx context.Context, it mailstore.Item, n notice) error {
	left := false
	t, err := o.prepare(ctx, it.Account, it.Letter, func(b *builder) error {
		err := b.cancel(b.out.Cancelled, n.By)
		left = b.out.waiting()
		return err
	})
	if err != nil {
		return err
	}
	return o.commit(ctx, it.Account, t, nil, func(tx mailstore.UpdateTx) error { return o.goOn(tx, it, left) })
}

// askBack sends a notice to every recipient who may still give the letter
// back.
func (o *Office) askBack(ctx context.Context, account mailstore.ID, rec mailstore.Letter, out Outgoing, by journal.Details, now time.Time) error {
	var asked []mailstore.Item
	for i, r := range out.Recipients {
		if r.State.Final() {
			continue
		}
		it, err := noticeItem(rec.ID, r.Account, notice{Kind: noticeWithdraw, Recipient: i, At: now, Until: out.GiveUp})
		if err != nil {
			return err
		}
		asked = append(asked, it)
	}
	details := journal.Details{"letter": rec.ID.String(), "number": rec.Number}
	maps.Copy(details, by)
	entry := journal.NewEntry(now, journal.RecallAsked, details)
	err := o.store.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		if _, err := journal.Append(tx, entry); err != nil {
			return err
		}
		for _, it := range asked {
			if err := tx.Enqueue(it); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recall letter %s: %w", rec.Number, err)
	}
	return nil
}

// sinceWhen tells why it is too late.
func sinceWhen(out Outgoing) string {
	if out.Recall.IsZero() {
		return "it was sent without recall"
	}
	if out.Settled() {
		return "it is " + string(out.State())
	}
	return "since " + out.Recall.In(Moscow).Format("15:04:05 MST")
}

// Find returns the account and record of a letter that was sent under a
// number, ErrNoLetter when there is none. It looks through all accounts.
func Find(ctx context.Context, store mailstore.Store, number string) (mailstore.Account, mailstore.Letter, error) {
	for account, err := range store.Directory().Accounts(ctx) {
		if err != nil {
			return account, mailstore.Letter{}, fmt.Errorf("find letter %s: %w", number, err)
		}
		var found *mailstore.Letter
		err := store.View(ctx, account.ID, func(tx mailstore.Tx) error {
			for rec, err := range tx.Letters(mailstore.LetterFilter{Role: mailstore.Sender, Key: NumberKey(number), Limit: 1}) {
				if err != nil {
					return err
				}
				found = &rec
			}
			return nil
		})
		if err != nil {
			return account, mailstore.Letter{}, fmt.Errorf("find letter %s: %w", number, err)
		}
		if found != nil {
			return account, *found, nil
		}
	}
	return mailstore.Account{}, mailstore.Letter{}, fmt.Errorf("letter %s: %w", number, mailstore.ErrNoLetter)
}
