package letter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// RetentionTerms is how the ends of retention are named to a worker.Gate.
const RetentionTerms = "retention"

const (
	// retainAtOnce is how many copies one slice looks after, and how many
	// letters one notice lists: their numbers fit into one journal entry.
	retainAtOnce = 250
	// noticeTime is how long after the notice a copy stays at least, in hours
	// of the clock, unless the notice comes later than that by the rules: after
	// an outage nobody is told of the end on the day itself.
	noticeTime = 7 * 24 * time.Hour
)

// act is what is due for a copy.
type act int

const (
	actNone act = iota
	actWarn
	actExtend
	actDestroy
)

// dueCopy is a copy for which something is due.
type dueCopy struct {
	kept mailstore.Kept
	act  act
	tell receipt.Expiring // with actWarn
}

// Retain looks after the terms of all letters once: it tells owners of copies
// whose term ends soon, prolongs those that they want, and destroys what is
// over. Each step is an Update of its own and is found to be done when it is
// looked for again, so that it goes on after a crash. Of an account that is
// held, or blocked, so that its owner can read no notice, nothing is destroyed,
// and no notice of before counts. An account that fails is logged and does not
// keep the others waiting.
func (o *Office) Retain(ctx context.Context) error {
	for a, err := range o.store.Directory().Accounts(ctx) {
		if err != nil {
			return fmt.Errorf("terms of letters: %w", err)
		}
		look := o.retain
		if a.Disabled || a.Held {
			look = o.unwarn
		}
		if err := look(ctx, a); err != nil && ctx.Err() == nil {
			o.log.Error("terms of letters not looked after", "account", a.ID, "err", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// retain looks after the copies of one account, slice by slice. What was done
// is not due any more. A copy whose record cannot be read is logged and left
// out; any other failure ends the walk.
func (o *Office) retain(ctx context.Context, a mailstore.Account) error {
	bad := map[mailstore.ID]bool{}
	for {
		due, err := o.due(ctx, a, bad)
		if err != nil || len(due) == 0 {
			return err
		}
		var warn []dueCopy
		for _, d := range due {
			switch d.act {
			case actWarn:
				warn = append(warn, d)
			case actExtend:
				err = o.extend(ctx, a, d.kept)
			case actDestroy:
				err = o.destroy(ctx, a, d.kept)
			}
			if errors.Is(err, mailstore.ErrHeld) {
				return nil // the account is, since a moment ago
			}
			if err = o.leaveOut(bad, a, d.kept, err); err != nil {
				return err
			}
		}
		if len(warn) > 0 {
			if err := o.warn(ctx, a, warn); err != nil {
				return err
			}
		}
	}
}

// leaveOut notes a copy whose record cannot be read; other errors it returns.
func (o *Office) leaveOut(bad map[mailstore.ID]bool, a mailstore.Account, k mailstore.Kept, err error) error {
	if !unreadable(err) {
		return err
	}
	bad[k.EmailID] = true
	o.log.Error("term of a letter not looked after", "account", a.ID, "letter", k.LetterID, "err", err)
	return nil
}

// unwarn forgets that the owner of an account was told of the ends of terms, so
// that they are told again when that has a meaning.
func (o *Office) unwarn(ctx context.Context, a mailstore.Account) error {
	return forgetNotices(ctx, o.store, a.ID, o.rules.Load().Warning.After(o.now()))
}

// due finds the first copies of an account for which something is due, but for
// the bad ones.
func (o *Office) due(ctx context.Context, a mailstore.Account, bad map[mailstore.ID]bool) (list []dueCopy, err error) {
	now, rules := o.now(), *o.rules.Load()
	err = o.store.View(ctx, a.ID, func(tx mailstore.Tx) error {
		for k, err := range tx.KeptUntil(rules.Warning.After(now)) {
			if err != nil {
				return err
			}
			if bad[k.EmailID] {
				continue
			}
			d := dueCopy{kept: k}
			if d.act, err = o.dueAct(tx, k, rules, now); err != nil {
				return err
			}
			if d.act == actWarn {
				d.tell, err = expiring(tx, a, k, lastDay(now, rules.Warning))
				if err = o.leaveOut(bad, a, k, err); err != nil {
					return err
				}
				if bad[k.EmailID] {
					continue
				}
			}
			if d.act != actNone {
				if list = append(list, d); len(list) == retainAtOnce {
					return nil
				}
			}
		}
		return nil
	})
	return list, err
}

// dueAct is what is due for a copy. One that its owner has expunged ends
// without notice: it is no longer theirs to extend. A flag keeps a copy, so
// that nothing is to be told of one that has it. In a store that was restored a
// copy may be in the vault, or without its hold, only because what was done
// after the backup is lost: the first week is there to do it again.
func (o *Office) dueAct(tx mailstore.Tx, k mailstore.Kept, rules Retention, now time.Time) (act, error) {
	s, err := stands(tx, k.EmailID)
	if err != nil {
		return actNone, err
	}
	over := !now.Before(k.Until)
	switch {
	case s.vaulted && over && !now.Before(o.resumed().Add(noticeTime)):
		return actDestroy, nil
	case len(s.rows) == 0: // or its rows are just being removed with their mailbox
		return actNone, nil
	case s.flagged && over:
		return actExtend, nil
	case s.flagged:
		return actNone, nil
	case k.Warned.IsZero():
		return actWarn, nil
	case over && !now.Before(lastDay(k.Warned, rules.Warning)):
		return actDestroy, nil
	}
	return actNone, nil
}

// lastDay is when a copy may be destroyed at the earliest that was told of at a
// time.
func lastDay(warned time.Time, warning policy.Period) time.Time {
	week := warned.Add(noticeTime)
	if end := warning.After(warned); end.Before(week) {
		return end
	}
	return week
}

// expiring is what the notice says of a copy: also of one whose term is over or
// short that it stays until last.
func expiring(tx mailstore.Tx, a mailstore.Account, k mailstore.Kept, last time.Time) (e receipt.Expiring, err error) {
	role := roleOf(a.ID, k)
	rec, err := tx.Letter(k.LetterID, role)
	if err != nil {
		return e, fmt.Errorf("letter %s: %w", k.LetterID, err)
	}
	e = receipt.Expiring{Number: rec.Number, Sent: role == mailstore.Sender, Until: k.Until}
	if e.Until.Before(last) {
		e.Until = last
	}
	if !e.Sent {
		in, err := DecodeIncoming(rec)
		e.Subject, e.Counterpart = in.Subject, in.Facts.Sender.Address
		return e, err
	}
	out, err := DecodeOutgoing(rec)
	if err != nil {
		return e, err
	}
	e.Subject = out.Subject
	if len(out.Recipients) > 0 {
		e.Counterpart = out.Recipients[0].Party.Address
		e.More = len(out.Recipients) - 1
	}
	return e, nil
}

// warn files one notice of copies whose term ends, and notes with each that its
// owner was told.
func (o *Office) warn(ctx context.Context, a mailstore.Account, due []dueCopy) error {
	now := o.now().UTC()
	set, err := auth.DecodeSettings(a.Data)
	if err != nil {
		return err
	}
	n := receipt.ExpiryNotice{
		ID: mailstore.NewID(), To: a.Addresses[0], Language: set.Language, At: now, Extension: o.rules.Load().Extension,
	}
	var numbers []string
	for _, d := range due {
		n.Letters = append(n.Letters, d.tell)
		numbers = append(numbers, d.tell.Number)
	}
	var octets bytes.Buffer
	if err := o.maker.Load().TellExpiry(&octets, n); err != nil {
		return err
	}
	mail, err := storeMail(ctx, o.store, n.ID, octets.Bytes(), now)
	if err != nil {
		return err
	}
	entry := journal.NewEntry(now, journal.Warned, journal.Details{"numbers": strings.Join(numbers, "\n")})
	err = o.store.Update(ctx, a.ID, func(tx mailstore.UpdateTx) error {
		for _, d := range due {
			k, err := tx.Kept(d.kept.EmailID)
			if errors.Is(err, mailstore.ErrNotKept) {
				continue // destroyed with its recall, since a moment ago
			}
			if err != nil {
				return err
			}
			k.Warned = now
			if err := tx.Keep(k); err != nil {
				return err
			}
		}
		if err := file(tx, filed{role: mailstore.RoleReceipts, message: mail}); err != nil {
			return err
		}
		_, err := journal.Append(tx, entry)
		return err
	})
	if err != nil && !errors.Is(err, mailstore.ErrMaybeCommitted) {
		err = errors.Join(err, o.store.Bodies().Discard(context.WithoutCancel(ctx), mail.Content.Body))
	}
	if err != nil {
		return fmt.Errorf("notice of ends of terms: %w", err)
	}
	return nil
}

// extend keeps a copy longer, for its owner has flagged it: from the end of its
// term, or from now where that was long ago.
func (o *Office) extend(ctx context.Context, a mailstore.Account, k mailstore.Kept) error {
	now, by := o.now(), o.rules.Load().Extension
	var until time.Time
	if !by.Unlimited {
		if until = by.After(k.Until.In(Moscow)).UTC(); !until.After(now) {
			until = TermEnd(now, by)
		}
	}
	entry := journal.NewEntry(now, journal.Extended, nil) // its salt is chosen once
	err := o.store.Update(ctx, a.ID, func(tx mailstore.UpdateTx) error {
		fresh, err := tx.Kept(k.EmailID)
		if errors.Is(err, mailstore.ErrNotKept) || err == nil && !fresh.Until.Equal(k.Until) {
			return nil
		}
		if err != nil {
			return err
		}
		role := roleOf(a.ID, k)
		rec, err := tx.Letter(k.LetterID, role)
		if err != nil {
			return err
		}
		entry.Details = journal.Details{
			"letter": rec.ID.String(), "number": rec.Number, "type": rec.Type, "copy": CopyName(role), "until": untilText(until),
		}
		fresh.Until, fresh.Warned = until, time.Time{}
		if err := tx.Keep(fresh); err != nil {
			return err
		}
		_, err = journal.Append(tx, entry)
		return err
	})
	if err != nil {
		return fmt.Errorf("extend the term of letter %s: %w", k.LetterID, err)
	}
	return nil
}

// untilText is the end of a term for the journal.
func untilText(t time.Time) string {
	if t.IsZero() {
		return "unlimited"
	}
	return t.UTC().Format(time.RFC3339)
}

// destroy ends a copy after its term: its rows and what the vault has. Record,
// evidence and journal stay. More rows than one Update takes go in slices, the
// last of which ends the keeping: until then the copy stands in the order of
// the ends of terms. Whether it is still so is looked at in each Update.
func (o *Office) destroy(ctx context.Context, a mailstore.Account, k mailstore.Kept) error {
	now := o.now().UTC()
	entry := journal.NewEntry(now, journal.Destroyed, nil) // its salt is chosen once
	for left := true; left; {
		err := o.store.Update(ctx, a.ID, func(tx mailstore.UpdateTx) (err error) {
			left, err = o.destroySlice(tx, a, k, entry)
			return err
		})
		if err != nil {
			return fmt.Errorf("destroy copy of letter %s: %w", k.LetterID, err)
		}
	}
	return nil
}

func (o *Office) destroySlice(tx mailstore.UpdateTx, a mailstore.Account, k mailstore.Kept, entry journal.Entry) (left bool, err error) {
	fresh, err := tx.Kept(k.EmailID)
	if errors.Is(err, mailstore.ErrNotKept) {
		return false, nil
	}
	if err != nil || fresh.Held || !fresh.Until.Equal(k.Until) {
		return false, err
	}
	owner, err := tx.Account()
	if err == nil && owner.Held {
		err = mailstore.ErrHeld
	}
	if err != nil {
		return false, err
	}
	if due, err := o.dueAct(tx, fresh, *o.rules.Load(), entry.At); err != nil || due != actDestroy {
		return false, err
	}
	rows, err := tx.ByEmailID(k.EmailID)
	if err != nil {
		return false, err
	}
	if left = len(rows) > rowsAtOnce; !left {
		if err := tx.Unkeep(k.EmailID); err != nil {
			return false, err
		}
	}
	if _, err := remove(tx, rows, rowsAtOnce); err != nil || left {
		return left, err
	}
	return false, noteDestroyed(tx, a, fresh, entry)
}

// noteDestroyed writes into record and journal that a copy is no more. What is
// left of the letter's own octets in the record, its header, goes with it.
func noteDestroyed(tx mailstore.UpdateTx, a mailstore.Account, k mailstore.Kept, entry journal.Entry) error {
	role := roleOf(a.ID, k)
	rec, err := tx.Letter(k.LetterID, role)
	if err != nil {
		return err
	}
	entry.Details = journal.Details{
		"letter": rec.ID.String(), "number": rec.Number, "type": rec.Type, "copy": CopyName(role), "until": untilText(k.Until),
	}
	if role == mailstore.Sender {
		out, err := DecodeOutgoing(rec)
		if err != nil {
			return err
		}
		out.Destroyed, out.Header = entry.At, nil
		entry.Details["sha256"] = out.Facts.Submitted.SHA256.String()
		rec.Data, err = encode(out)
		if err != nil {
			return err
		}
	} else {
		in, err := DecodeIncoming(rec)
		if err != nil {
			return err
		}
		in.Destroyed = entry.At
		entry.Details["sha256"] = in.Facts.Submitted.SHA256.String()
		if rec.Data, err = encode(in); err != nil {
			return err
		}
	}
	rec.Keys = nil
	if err := tx.PutLetter(rec); err != nil {
		return err
	}
	_, err = journal.Append(tx, entry)
	return err
}
