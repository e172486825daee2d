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

// Hold puts a letter on legal hold, or releases it: all its copies, with the
// sender and with every recipient, also with those whom it has yet to reach. A
// copy that is held is not destroyed, and once in the vault does not leave it.
// Each account is an Update of its own; when one fails the others
// are done all the same, and repeating it does what is left. changed is how
// many copies were otherwise before. by tells in the journals who asked, and
// why.
func (o *Office) Hold(ctx context.Context, account, id mailstore.ID, hold bool, by journal.Details) (changed int, err error) {
	rec, out, err := o.outgoing(ctx, account, id)
	if err != nil {
		return 0, err
	}
	type place struct{ account, email mailstore.ID }
	places := []place{{account, out.Copy}}
	for _, r := range out.Recipients {
		places = append(places, place{r.Account, ArrivalID(id, r.Account)})
	}
	var errs []error
	for _, p := range places {
		if p.email == (mailstore.ID{}) {
			continue // a letter of before copies were noted
		}
		done, err := o.holdCopy(ctx, p.account, mailstore.Kept{EmailID: p.email, LetterID: id, Held: hold}, rec, by)
		if errors.Is(err, mailstore.ErrNoAccount) {
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("account %s: %w", p.account, err))
		}
		if done {
			changed++
		}
	}
	if err := errors.Join(errs...); err != nil {
		return changed, fmt.Errorf("hold on letter %s, which has to be repeated: %w", rec.Number, err)
	}
	return changed, nil
}

// holdCopy sets the hold of one copy, and reports whether it was otherwise.
func (o *Office) holdCopy(ctx context.Context, account mailstore.ID, want mailstore.Kept, rec mailstore.Letter, by journal.Details) (changed bool, err error) {
	kind := journal.Released
	if want.Held {
		kind = journal.LegalHold
	}
	details := journal.Details{
		"letter": rec.ID.String(), "number": rec.Number, "type": rec.Type, "copy": CopyName(roleOf(account, want)),
	}
	maps.Copy(details, by)
	entry := journal.NewEntry(o.now(), kind, details)
	err = o.store.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		changed = false
		k, err := tx.Kept(want.EmailID)
		if errors.Is(err, mailstore.ErrNotKept) {
			k, err = mailstore.Kept{EmailID: want.EmailID, LetterID: want.LetterID}, nil
			if gone, err := gone(tx, account, k); gone || err != nil {
				return err
			}
		}
		if err != nil || k.Held == want.Held {
			return err
		}
		// A notice of before does not count when the hold is over.
		k.Held, k.Warned, changed = want.Held, time.Time{}, true
		if err := tx.Keep(k); err != nil {
			return err
		}
		_, err = journal.Append(tx, entry)
		return err
	})
	return changed && err == nil, err
}

// gone reports whether a copy was and is no more: destroyed after its term, or
// taken back unread.
func gone(tx mailstore.Tx, account mailstore.ID, k mailstore.Kept) (bool, error) {
	role := roleOf(account, k)
	rec, err := tx.Letter(k.LetterID, role)
	if errors.Is(err, mailstore.ErrNoLetter) {
		return false, nil // it has yet to come
	}
	if err != nil {
		return false, fmt.Errorf("letter %s: %w", k.LetterID, err)
	}
	if role == mailstore.Recipient {
		in, err := DecodeIncoming(rec)
		return !in.Destroyed.IsZero() || in.State == Recalled, err
	}
	out, err := DecodeOutgoing(rec)
	return !out.Destroyed.IsZero(), err
}

// Copy is where one copy of a letter is, and how long it is kept.
type Copy struct {
	Account mailstore.ID
	Role    mailstore.LetterRole
	Kept    mailstore.Kept // zero when nothing is noted of it
	Noted   bool           // Kept is
	Rows    int            // in mailboxes
	Vaulted bool
	Gone    bool // destroyed after its term, or taken back
}

// Copies are the copies of a letter that the account sent: its own, and those
// of the recipients, limit of them at most.
func (o *Office) Copies(ctx context.Context, account mailstore.ID, rec mailstore.Letter, limit int) (list []Copy, err error) {
	out, err := DecodeOutgoing(rec)
	if err != nil {
		return nil, err
	}
	list = append(list, Copy{Account: account, Role: mailstore.Sender, Kept: mailstore.Kept{EmailID: out.Copy}})
	for _, r := range slices.Clone(out.Recipients)[:min(len(out.Recipients), limit)] {
		list = append(list, Copy{Account: r.Account, Role: mailstore.Recipient, Kept: mailstore.Kept{EmailID: ArrivalID(rec.ID, r.Account)}})
	}
	for i := range list {
		c := &list[i]
		err := o.store.View(ctx, c.Account, func(tx mailstore.Tx) error { return c.look(tx, rec.ID) })
		if err != nil && !errors.Is(err, mailstore.ErrNoAccount) {
			return nil, fmt.Errorf("copies of letter %s: %w", rec.Number, err)
		}
	}
	return list, nil
}

// look fills in what an account knows of a copy.
func (c *Copy) look(tx mailstore.Tx, letter mailstore.ID) error {
	c.Kept.LetterID = letter
	s, err := stands(tx, c.Kept.EmailID)
	if err != nil {
		return err
	}
	c.Rows, c.Vaulted = len(s.rows), s.vaulted
	kept, err := tx.Kept(c.Kept.EmailID)
	if err == nil {
		c.Kept, c.Noted = kept, true
		return nil
	}
	if !errors.Is(err, mailstore.ErrNotKept) {
		return err
	}
	c.Gone, err = gone(tx, c.Account, c.Kept)
	return err
}
