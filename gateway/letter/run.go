package letter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
)

// withdrawFor is how long a letter that was asked back is waited for, where it
// has not arrived yet, after the last try to deliver it: what is under way then
// has arrived or failed.
const withdrawFor = 24 * time.Hour

// rest is how long a notice that could not be worked on waits before it is
// tried again, by the tries so far: from 5 s doubling to 5 min.
func rest(attempts int) time.Duration {
	if attempts > 6 {
		return 5 * time.Minute
	}
	return 5 * time.Second << max(attempts-1, 0)
}

// Run works on the notices between the two sides of letters until ctx ends.
func (o *Office) Run(ctx context.Context, owner string) error {
	return worker.Worker{
		Queue: o.store.Queue(), Class: Class, Gate: o.gate, Owner: owner, Now: o.now, Logger: o.log, Handle: o.work,
	}.Run(ctx)
}

// work takes the notices of a batch one after the other: notices of one
// account are rarely more than one, and each is one Update.
func (o *Office) work(ctx context.Context, items []mailstore.Item) {
	for _, it := range items {
		err := Afresh(func() error { return o.notice(ctx, it) })
		if err == nil || worker.Lost(err) {
			continue
		}
		o.log.Error("notice failed", "account", it.Account, "letter", it.Letter, "item", it.ID, "err", err)
		o.later(ctx, it, rest(it.Attempts))
	}
}

// later gives an item back.
func (o *Office) later(ctx context.Context, it mailstore.Item, wait time.Duration) {
	err := o.store.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
		return tx.Retry(it, o.now().Add(wait))
	})
	if err != nil && !worker.Lost(err) {
		o.log.Error("notice not given back", "account", it.Account, "item", it.ID, "err", err)
	}
}

// notice works on one item.
func (o *Office) notice(ctx context.Context, it mailstore.Item) error {
	n, err := decodeNotice(it)
	if err != nil {
		return err
	}
	switch n.Kind {
	case noticeOpened:
		return o.event(ctx, it, Change{Recipient: n.Recipient, Event: EventOpen, At: n.At})
	case noticeWithdrawn:
		return o.event(ctx, it, Change{Recipient: n.Recipient, Event: EventWithdraw, At: n.At})
	case noticeCopy:
		return o.fileCopy(ctx, it, n)
	case noticeWithdraw:
		return o.withdraw(ctx, it, n)
	case noticeTooLate:
		return o.tooLate(ctx, it, n)
	case noticeCancel:
		return o.cancelRest(ctx, it, n)
	case noticeShow:
		return o.showRest(ctx, it)
	case noticeTakeOut:
		return o.takeOutRest(ctx, it)
	}
	return fmt.Errorf("notice %s: %w: kind %q", it.ID, mailstore.ErrVersion, n.Kind)
}

// event applies what the other side told.
func (o *Office) event(ctx context.Context, it mailstore.Item, c Change) error {
	t, err := o.Prepare(ctx, it.Account, it.Letter, []Change{c})
	if err != nil {
		return err
	}
	return o.commit(ctx, it.Account, t, nil, func(tx mailstore.UpdateTx) error { return tx.Complete(it) })
}

// fileCopy files a receipt that the other side's account sent along.
func (o *Office) fileCopy(ctx context.Context, it mailstore.Item, n notice) error {
	if n.Mail == nil || len(it.Bodies) != 1 {
		return fmt.Errorf("notice %s: %w: no mail", it.ID, mailstore.ErrDamaged)
	}
	m := filed{role: mailstore.RoleReceipts, message: mailstore.NewMessage{
		EmailID: n.Mail.EmailID, Received: n.At, Summary: n.Mail.Summary,
		Content: mailstore.Content{Body: it.Bodies[0], Length: n.Mail.Length}, OverQuota: true,
	}}
	return o.store.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
		if err := file(tx, m); err != nil {
			return err
		}
		return tx.Complete(it)
	})
}

// withdraw takes an unopened letter out of the recipient's mailboxes. Here,
// where the message lies, it is decided whether the sender or the reader was
// first.
func (o *Office) withdraw(ctx context.Context, it mailstore.Item, n notice) error {
	at := o.now().UTC()
	entry := journal.NewEntry(at, journal.Recalled, nil) // its salt is chosen once
	return o.store.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
		rec, err := tx.Letter(it.Letter, mailstore.Recipient)
		last := n.At
		if n.Until.After(last) {
			last = n.Until
		}
		if errors.Is(err, mailstore.ErrNoLetter) && at.Sub(last) > withdrawFor {
			return tx.Complete(it) // it never came: there is nothing to take back
		}
		if errors.Is(err, mailstore.ErrNoLetter) {
			return tx.Retry(it, at.Add(rest(it.Attempts))) // not there yet
		}
		if err != nil {
			return err
		}
		in, err := DecodeIncoming(rec)
		if err != nil {
			return err
		}
		kind := noticeTooLate
		if in.State == Delivered {
			kind = noticeWithdrawn
			if err := takeOut(tx, &rec, in, entry); err != nil {
				return err
			}
		}
		answer, err := newNotice(rec.ID, in.Sender, kind, n.Recipient, at)
		if err != nil {
			return err
		}
		if err := tx.Enqueue(answer); err != nil {
			return err
		}
		return tx.Complete(it)
	})
}

// takeOut records that a received letter was taken back, and expunges the rows
// that show it: more than a slice of them through the queue.
func takeOut(tx mailstore.UpdateTx, rec *mailstore.Letter, in Incoming, entry journal.Entry) error {
	account, err := tx.Account()
	if err != nil {
		return err
	}
	rows, err := tx.ByEmailID(ArrivalID(rec.ID, account.ID))
	if err != nil {
		return err
	}
	left, err := remove(tx, rows, rowsAtOnce)
	if err != nil {
		return err
	}
	if left {
		rest, err := newNotice(rec.ID, account.ID, noticeTakeOut, in.Recipient, entry.At)
		if err != nil {
			return err
		}
		if err := tx.Enqueue(rest); err != nil {
			return err
		}
	}
	in.State = Recalled
	in.Steps = append(in.Steps, Step{State: Recalled, At: entry.At})
	data, err := encode(in)
	if err != nil {
		return err
	}
	rec.Data, rec.State, rec.Keys = data, string(Recalled), nil
	if err := tx.PutLetter(*rec); err != nil {
		return err
	}
	entry.Details = journal.Details{
		"letter": rec.ID.String(), "number": rec.Number, "counterpart": in.Facts.Sender.Address,
	}
	_, err = journal.Append(tx, entry)
	return err
}

// tooLate records that a recipient had opened the letter before it could be
// taken back.
func (o *Office) tooLate(ctx context.Context, it mailstore.Item, n notice) error {
	entry := journal.NewEntry(n.At, journal.TooLate, journal.Details{
		"letter": it.Letter.String(), "recipient": fmt.Sprint(n.Recipient),
	})
	return o.store.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
		if _, err := journal.Append(tx, entry); err != nil {
			return err
		}
		return tx.Complete(it)
	})
}
