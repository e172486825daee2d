package letter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"gosbridge/mailstore"
)

// A letter can have any number of rows in an account: its owner copies it as
// often as he likes. What is decided about a letter never waits for them: the
// Update that decides changes a few rows, and the queue the rest, in slices.

const (
	// shownAtOnce is how many rows of a letter show its new state in the Update
	// of the change itself. It is small, since many letters share an Update.
	shownAtOnce = 5
	// rowsAtOnce is how many rows a slice changes. Showing a state touches a row
	// twice, and both together stay well below mailstore.MaxMessagesPerUpdate.
	rowsAtOnce = 250
)

// boxes yields the mailboxes of rows with the UIDs there, in the order of rows.
func boxes(rows []mailstore.Location) iter.Seq2[mailstore.MailboxID, []mailstore.UID] {
	return func(yield func(mailstore.MailboxID, []mailstore.UID) bool) {
		for len(rows) > 0 {
			box := rows[0].Mailbox
			var uids []mailstore.UID
			for ; len(rows) > 0 && rows[0].Mailbox == box; rows = rows[1:] {
				uids = append(uids, rows[0].UID)
			}
			if !yield(box, uids) {
				return
			}
		}
	}
}

// place appends a message. A mailbox whose owner has used up its keywords takes
// it without those of letters.
func place(tx mailstore.UpdateTx, box mailstore.MailboxID, m mailstore.NewMessage) error {
	_, err := tx.Append(box, m)
	if errors.Is(err, mailstore.ErrLimit) && slices.ContainsFunc(m.Keywords, Owns) {
		m.Keywords = slices.DeleteFunc(slices.Clone(m.Keywords), Owns)
		_, err = tx.Append(box, m)
	}
	return err
}

// show sets the status keywords on the rows of the account that show the
// letter and have others, limit at most; left reports whether that left some.
// It looks at all rows that show the letter, in each slice: cheap for the few
// copies that people make, milliseconds for thousands.
// Where a mailbox has no room for one more keyword its rows show no state.
func show(tx mailstore.UpdateTx, letter mailstore.ID, want []string, limit int) (left bool, err error) {
	rows, err := tx.ByLetter(letter)
	if err != nil {
		return false, fmt.Errorf("rows of letter: %w", err)
	}
	for box, uids := range boxes(rows) {
		shown, more, err := showIn(tx, box, uids, want, limit)
		if errors.Is(err, mailstore.ErrLimit) {
			shown, more, err = showIn(tx, box, uids, nil, limit)
		}
		if err != nil || more {
			return more, err
		}
		limit -= shown
	}
	return false, nil
}

// showIn is show for the rows of one mailbox; shown is how many it changed.
// ErrLimit, before anything is written, when the mailbox has no room for the
// keywords.
func showIn(tx mailstore.UpdateTx, box mailstore.MailboxID, uids []mailstore.UID, want []string, limit int) (shown int, left bool, err error) {
	wrong, err := otherwise(tx, box, uids, want, limit+1)
	if err != nil {
		return 0, false, err
	}
	if left = len(wrong) > limit; left {
		wrong = wrong[:limit]
	}
	if len(wrong) == 0 {
		return 0, left, nil
	}
	var set mailstore.UIDSet
	set.AddNum(wrong...)
	drop := slices.DeleteFunc(slices.Clone(statusKeywords), func(k string) bool { return containsFold(want, k) })
	for _, change := range []mailstore.FlagChange{
		{Op: mailstore.FlagsAdd, Keywords: want}, {Op: mailstore.FlagsRemove, Keywords: drop},
	} {
		if _, err := tx.SetFlags(box, set, change); err != nil {
			return 0, false, fmt.Errorf("status keywords: %w", err)
		}
	}
	return len(wrong), left, nil
}

// otherwise returns the first of the messages, limit at most, that have other
// status keywords than those wanted.
func otherwise(tx mailstore.Tx, box mailstore.MailboxID, uids []mailstore.UID, want []string, limit int) (wrong []mailstore.UID, err error) {
	var set mailstore.UIDSet
	set.AddNum(uids...)
	for m, err := range tx.Messages(box, set, 0) {
		if err != nil {
			return nil, fmt.Errorf("rows of letter: %w", err)
		}
		if shows(m.Keywords, want) {
			continue
		}
		if wrong = append(wrong, m.UID); len(wrong) == limit {
			break
		}
	}
	return wrong, nil
}

// shows reports whether a row has the status keywords that are wanted, and no
// others.
func shows(have, want []string) bool {
	for _, k := range statusKeywords {
		if containsFold(have, k) != containsFold(want, k) {
			return false
		}
	}
	return true
}

// remove expunges rows, limit at most; left reports whether that left some.
func remove(tx mailstore.UpdateTx, rows []mailstore.Location, limit int) (left bool, err error) {
	if left = len(rows) > limit; left {
		rows = rows[:limit]
	}
	for box, uids := range boxes(rows) {
		var set mailstore.UIDSet
		set.AddNum(uids...)
		if _, err := tx.Expunge(box, set, false); err != nil {
			return false, fmt.Errorf("take letter out: %w", err)
		}
	}
	return left, nil
}

// showRest shows the present state of a letter on a slice of the rows that do
// not show it yet. An item that an earlier state has left does the same, and
// copies that were made meanwhile are found, for every slice looks at all.
func (o *Office) showRest(ctx context.Context, it mailstore.Item) error {
	return o.store.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
		rec, err := tx.Letter(it.Letter, mailstore.Sender)
		if err != nil {
			return err
		}
		out, err := DecodeOutgoing(rec)
		if err != nil {
			return err
		}
		left, err := show(tx, rec.ID, keywords(out.State(), out.Held()), rowsAtOnce)
		if err != nil {
			return err
		}
		return o.goOn(tx, it, left)
	})
}

// takeOutRest takes a slice of the rows that are left of a letter out of the
// recipient's mailboxes.
func (o *Office) takeOutRest(ctx context.Context, it mailstore.Item) error {
	return o.store.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
		rows, err := tx.ByEmailID(ArrivalID(it.Letter, it.Account))
		if err != nil {
			return err
		}
		left, err := remove(tx, rows, rowsAtOnce)
		if err != nil {
			return err
		}
		return o.goOn(tx, it, left)
	})
}

// goOn gives an item back for its next slice, behind what else is due, or ends
// it.
func (o *Office) goOn(tx mailstore.UpdateTx, it mailstore.Item, left bool) error {
	if left {
		return tx.Retry(it, o.now())
	}
	return tx.Complete(it)
}
