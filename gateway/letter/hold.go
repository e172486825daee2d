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
	"gosbridge/policy"
)

// Hold puts a letter on legal hold, or releases it: all its copies, with the
// sender and with every recipient, also with those whom it has yet to reach. A
// copy that is held is not destroyed, and once in the vault does not leave it.
// When it is released a copy is kept as if it had never been held: what nothing
// else keeps is its owner's again, or goes. Each account is an Update of its own; when one fails the others
// are done all the same, and repeating it does what is left. changed is how
// many copies were otherwise before. by tells in the journals who asked, and
// why.
func (o *Office) Hold(ctx context.Context, account, id mailstore.ID, hold bool, by journal.Details) (changed int, err error) {
	rec, out, err := o.outgoing(ctx, account, id)
	if err != nil {
		return 0, err
	}
	places := []heldCopy{{account, mailstore.Kept{EmailID: out.Copy, LetterID: id, Held: hold}, out.KeepSent}}
	for _, r := range out.Recipients {
		k := mailstore.Kept{EmailID: ArrivalID(id, r.Account), LetterID: id, Held: hold}
		places = append(places, heldCopy{r.Account, k, out.KeepReceived})
	}
	var errs []error
	for _, p := range places {
		if p.want.EmailID == (mailstore.ID{}) {
			continue // a letter of before copies were noted
		}
		done, err := o.holdCopy(ctx, p, rec, by)
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

// heldCopy is a copy whose hold is to change.
type heldCopy struct {
	account mailstore.ID
	want    mailstore.Kept // without what a term has noted
	term    policy.Period  // that its letter came with
}

// holdCopy sets the hold of one copy, and reports whether it was otherwise.
func (o *Office) holdCopy(ctx context.Context, c heldCopy, rec mailstore.Letter, by journal.Details) (changed bool, err error) {
	kind := journal.Released
	if c.want.Held {
		kind = journal.LegalHold
	}
	details := journal.Details{
		"letter": rec.ID.String(), "number": rec.Number, "type": rec.Type, "copy": CopyName(roleOf(c.account, c.want)),
	}
	maps.Copy(details, by)
	entry := journal.NewEntry(o.now(), kind, details)
	err = o.store.Update(ctx, c.account, func(tx mailstore.UpdateTx) error {
		changed = false
		k, err := tx.Kept(c.want.EmailID)
		if errors.Is(err, mailstore.ErrNotKept) {
			k, err = mailstore.Kept{EmailID: c.want.EmailID, LetterID: c.want.LetterID}, nil
			if gone, err := gone(tx, c.account, k); gone || err != nil {
				return err
			}
		}
		if err != nil || k.Held == c.want.Held {
			return err
		}
		// A notice of before does not count when the hold is over.
		k.Held, k.Warned, changed = c.want.Held, time.Time{}, true
		if err := tx.Keep(k); err != nil {
			return err
		}
		if !k.Held {
			if err := c.letGo(tx, k, entry.At); err != nil {
				return err
			}
		}
		_, err = journal.Append(tx, entry)
		return err
	})
	return changed && err == nil, err
}

// letGo ends the keeping of a copy that only the hold has kept: that of a letter
// which came without a term or has yet to come, and one that was taken back
// unread, which is in no vault without a hold. An account that is held keeps it
// on; of what was taken back the term is over then.
func (c heldCopy) letGo(tx mailstore.UpdateTx, k mailstore.Kept, now time.Time) error {
	only, takenBack := k.Until.IsZero() && c.term.IsZero(), false
	if roleOf(c.account, k) == mailstore.Recipient {
		in, err := tx.Letter(k.LetterID, mailstore.Recipient)
		switch {
		case errors.Is(err, mailstore.ErrNoLetter):
			only = true
		case err != nil:
			return fmt.Errorf("letter %s: %w", k.LetterID, err)
		default:
			takenBack = in.State == string(Recalled)
		}
	}
	if !only && !takenBack {
		return nil
	}
	err := tx.Unkeep(k.EmailID)
	if errors.Is(err, mailstore.ErrHeld) && takenBack {
		k.Until = now
		return tx.Keep(k)
	}
	if errors.Is(err, mailstore.ErrHeld) {
		return nil
	}
	return err
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
