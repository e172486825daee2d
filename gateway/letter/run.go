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

// work takes the notices of a batch, those of different accounts at the same time.
func (o *Office) work(ctx context.Context, items []mailstore.Item) {
	var order []mailstore.ID
	notices := map[mailstore.ID][]mailstore.Item{}
	for _, it := range items {
		if notices[it.Account] == nil {
			order = append(order, it.Account)
		}
		notices[it.Account] = append(notices[it.Account], it)
	}
	worker.Parallel(order, func(account mailstore.ID) { o.workFor(ctx, account, notices[account]) })
}

// workFor takes the notices of one account: the copies of receipts, of which each
// delivery makes one, in one Update; the others, which are few, one after the
// other, and the copies too where one of them fails all.
func (o *Office) workFor(ctx context.Context, account mailstore.ID, items []mailstore.Item) {
	var copies []enclosure
	var left []mailstore.Item
	for _, it := range items {
		n, err := decodeNotice(it)
		if err == nil && n.Kind == noticeCopy {
			var c enclosure
			if c, err = copyOf(it, n); err == nil {
				copies = append(copies, c)
				continue
			}
		}
		left = append(left, it)
	}
	if err := o.fileCopies(ctx, account, copies...); err != nil {
		left = items
	}
	for _, it := range left {
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
		c, err := copyOf(it, n)
		if err != nil {
			return err
		}
		return o.fileCopies(ctx, it.Account, c)
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

// enclosure is a mail to file, with the notice that brought it.
type enclosure struct {
	item mailstore.Item
	mail filed
}

// copyOf is the receipt that a notice brings from the other side's account.
func copyOf(it mailstore.Item, n notice) (enclosure, error) {
	if n.Mail == nil || len(it.Bodies) != 1 {
		return enclosure{}, fmt.Errorf("notice %s: %w: no mail", it.ID, mailstore.ErrDamaged)
	}
	return enclosure{it, filed{role: mailstore.RoleReceipts, message: mailstore.NewMessage{
		EmailID: n.Mail.EmailID, Received: n.At, Summary: n.Mail.Summary, OverQuota: true,
		Content: mailstore.Content{
			Prefix: n.Mail.Prefix, Body: it.Bodies[0], Offset: n.Mail.Offset, Length: n.Mail.Length,
		},
	}}}, nil
}

// fileCopies files receipts in one Update.
func (o *Office) fileCopies(ctx context.Context, account mailstore.ID, list ...enclosure) error {
	if len(list) == 0 {
		return nil
	}
	return o.store.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		for _, f := range list {
			if err := file(tx, f.mail); err != nil {
				return err
			}
			if err := tx.Complete(f.item); err != nil {
				return err
			}
		}
		return nil
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
	// Its owner has not read it and is not to have it: no vault keeps it, but
	// one that is held. That goes on being kept, where nobody sees it.
	id := ArrivalID(rec.ID, account.ID)
	if err := tx.Unkeep(id); err != nil && !errors.Is(err, mailstore.ErrHeld) {
		return err
	}
	rows, err := tx.ByEmailID(id)
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
