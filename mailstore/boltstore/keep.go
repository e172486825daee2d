package boltstore

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"gosbridge/mailstore"
)

func keepKey(an uint32, email mailstore.ID) []byte { return key(an, email) }

// keepEndKey is where a Kept stands in the order of the ends of terms; nil
// when it does not, because it is held or has no end.
func keepEndKey(an uint32, k mailstore.Kept) []byte {
	if k.Held || k.Until.IsZero() {
		return nil
	}
	return key(an, k.Until, k.EmailID)
}

func encodeKept(k mailstore.Kept) []byte {
	e := encoder{b: make([]byte, 0, 40)}
	e.id(k.LetterID)
	e.time(k.Until)
	e.time(k.Warned)
	e.bool(k.Held)
	return e.b
}

func decodeKept(email mailstore.ID, raw []byte) (mailstore.Kept, error) {
	d := decoder{b: raw}
	k := mailstore.Kept{EmailID: email, LetterID: d.id(), Until: d.time(), Warned: d.time(), Held: d.bool()}
	if d.bad || len(d.b) > 0 {
		return k, fmt.Errorf("kept %s: %w", email, mailstore.ErrDamaged)
	}
	return k, nil
}

// Kept implements mailstore.Tx.
func (v *view) Kept(email mailstore.ID) (mailstore.Kept, error) {
	raw := v.get(bKeep, keepKey(v.keys.num, email))
	if raw == nil {
		return mailstore.Kept{}, mailstore.ErrNotKept
	}
	return decodeKept(email, raw)
}

// KeptUntil implements mailstore.Tx. It looks each key up anew, so that the
// consumer may write meanwhile; what it writes into the range is seen.
func (v *view) KeptUntil(limit time.Time) iter.Seq2[mailstore.Kept, error] {
	return func(yield func(mailstore.Kept, error) bool) {
		prefix := key(v.keys.num)
		from := prefix
		for {
			var email mailstore.ID
			found := false
			v.scan(bKeepEnd, prefix, from, func(k, _ []byte) bool {
				d := decoder{b: k[len(prefix):]}
				if d.fixed64() > timeKey(limit) {
					return false
				}
				email, found, from = d.id(), true, append(copied(k), 0)
				return false
			})
			if !found {
				return
			}
			k, err := v.Kept(email)
			if !yield(k, err) || err != nil {
				return
			}
		}
	}
}

// Keep implements mailstore.UpdateTx.
func (u *update) Keep(k mailstore.Kept) (err error) {
	defer u.w.guard(u.w.writes, &err)
	if err := u.dropKeepEnd(k.EmailID); err != nil {
		return err
	}
	if err := u.w.put(bKeep, keepKey(u.keys.num, k.EmailID), encodeKept(k)); err != nil {
		return err
	}
	if end := keepEndKey(u.keys.num, k); end != nil {
		return u.w.put(bKeepEnd, end, nil)
	}
	return nil
}

// dropKeepEnd takes what is kept of a message out of the order of the ends.
func (u *update) dropKeepEnd(email mailstore.ID) error {
	old, err := u.Kept(email)
	if errors.Is(err, mailstore.ErrNotKept) {
		return nil
	}
	if err != nil {
		return err
	}
	if end := keepEndKey(u.keys.num, old); end != nil {
		return u.w.del(bKeepEnd, end)
	}
	return nil
}

// free returns ErrHeld when a message or its account is held.
func (v *view) free(k mailstore.Kept) error {
	owner, _, err := decodeAccountHead(v.keys.id, v.get(bAccount, v.keys.id[:]))
	if err != nil {
		return err
	}
	if k.Held || owner.account.Held {
		return fmt.Errorf("message %s: %w", k.EmailID, mailstore.ErrHeld)
	}
	return nil
}

// Unkeep implements mailstore.UpdateTx.
func (u *update) Unkeep(email mailstore.ID) (err error) {
	defer u.w.guard(u.w.writes, &err)
	old, err := u.Kept(email)
	if errors.Is(err, mailstore.ErrNotKept) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := u.free(old); err != nil {
		return err
	}
	if err := u.dropKeepEnd(email); err != nil {
		return err
	}
	if err := u.w.del(bKeep, keepKey(u.keys.num, email)); err != nil {
		return err
	}
	e, err := u.vaultEntry(email)
	if e == nil || err != nil {
		return err
	}
	if !e.row.body.name.IsZero() {
		if err := u.w.releaseBody(u.keys, e.row.body); err != nil {
			return err
		}
	}
	return u.w.del(bVault, keepKey(u.keys.num, email))
}
