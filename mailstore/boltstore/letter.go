package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"gosbridge/mailstore"
)

// encodeLetter seals and encodes a letter's row.
func encodeLetter(keys *accountKeys, k []byte, l mailstore.Letter) []byte {
	var e encoder
	e.string(l.Number)
	e.string(l.Type)
	e.string(l.State)
	e.time(l.At)
	e.uint(l.Version)
	e.raw(seal(keys.seal, bLetter, k, l.Data))
	return e.b
}

// decodeLetterHead reads what stands in the clear and returns the rest.
func decodeLetterHead(k, v []byte) (l mailstore.Letter, sealed []byte, err error) {
	d := decoder{b: k}
	d.fixed32()
	l.ID = d.id()
	l.Role = mailstore.LetterRole(d.byte())
	h := decoder{b: v}
	l.Number, l.Type, l.State = h.string(), h.string(), h.string()
	l.At = h.time()
	l.Version = h.uint()
	if d.bad || h.bad {
		return l, nil, fmt.Errorf("letter: %w", mailstore.ErrDamaged)
	}
	return l, h.b, nil
}

func letterKey(an uint32, id mailstore.ID, role mailstore.LetterRole) []byte {
	return key(an, id, role)
}

// Letter implements mailstore.Tx.
func (v *view) Letter(id mailstore.ID, role mailstore.LetterRole) (mailstore.Letter, error) {
	k := letterKey(v.keys.num, id, role)
	raw := v.get(bLetter, k)
	if raw == nil {
		return mailstore.Letter{}, mailstore.ErrNoLetter
	}
	return v.openLetter(k, raw)
}

func (v *view) openLetter(k, raw []byte) (mailstore.Letter, error) {
	l, sealed, err := decodeLetterHead(k, raw)
	if err != nil {
		return l, err
	}
	l.Data, err = unseal(v.keys.seal, bLetter, k, sealed)
	return l, err
}

// letterTimeKey is where a letter stands in the order of time.
func letterTimeKey(an uint32, l mailstore.Letter) []byte { return key(an, l.At, l.ID, l.Role) }

// PutLetter implements mailstore.LetterWriter.
func (u *update) PutLetter(l mailstore.Letter) (err error) {
	defer u.w.guard(u.w.writes, &err)
	k := letterKey(u.keys.num, l.ID, l.Role)
	raw := u.get(bLetter, k)
	if raw == nil && l.Version != 0 {
		return fmt.Errorf("letter %s is not there: %w", l.ID, mailstore.ErrConflict)
	}
	if raw != nil {
		old, _, err := decodeLetterHead(k, raw)
		if err != nil {
			return err
		}
		if old.Version != l.Version {
			return fmt.Errorf("letter %s has version %d, not %d: %w", l.ID, old.Version, l.Version, mailstore.ErrConflict)
		}
		if !old.At.Equal(l.At) {
			if err := u.w.del(bLetTime, letterTimeKey(u.keys.num, old)); err != nil {
				return err
			}
		}
	}
	l.Version++
	if err := u.w.put(bLetter, k, encodeLetter(u.keys, k, l)); err != nil {
		return err
	}
	if err := u.w.put(bLetTime, letterTimeKey(u.keys.num, l), nil); err != nil {
		return err
	}
	for _, word := range l.Keys {
		if err := u.w.put(bLetKey, key(u.keys.num, u.letterMAC(word), l.ID, l.Role), nil); err != nil {
			return err
		}
	}
	return nil
}

// letterMAC is the form in which a letter's lookup key is kept.
func (v *view) letterMAC(word string) mac { return v.s.keys.macSum("letter", v.keys.num, word) }

// Letters implements mailstore.Tx.
func (v *view) Letters(filter mailstore.LetterFilter) iter.Seq2[mailstore.Letter, error] {
	return func(yield func(mailstore.Letter, error) bool) {
		given := 0
		give := func(k []byte) bool {
			raw := v.get(bLetter, k)
			head, _, err := decodeLetterHead(k, raw)
			if err == nil && !matches(filter, head) {
				return true
			}
			if err == nil {
				head, err = v.openLetter(k, raw)
			}
			given++
			return yield(head, err) && err == nil && (filter.Limit == 0 || given < filter.Limit)
		}
		if filter.Key != "" {
			v.lettersByKey(filter.Key, give)
			return
		}
		v.lettersByTime(filter, give)
	}
}

// matches applies a filter, but for its Key.
func matches(f mailstore.LetterFilter, l mailstore.Letter) bool {
	return (f.Role == 0 || f.Role == l.Role) &&
		(len(f.States) == 0 || slices.Contains(f.States, l.State)) &&
		(f.Type == "" || f.Type == l.Type) &&
		(f.Since.IsZero() || !l.At.Before(f.Since)) &&
		(f.Until.IsZero() || l.At.Before(f.Until))
}

// lettersByKey gives the keys of the letters with a lookup key, newest first.
func (v *view) lettersByKey(word string, give func(k []byte) bool) {
	type found struct {
		k  []byte
		at uint64
	}
	var list []found
	prefix := key(v.keys.num, v.letterMAC(word))
	v.scan(bLetKey, prefix, nil, func(k, _ []byte) bool {
		lk := key(v.keys.num, k[len(prefix):])
		if l, _, err := decodeLetterHead(lk, v.get(bLetter, lk)); err == nil {
			list = append(list, found{lk, timeKey(l.At)})
		} else {
			list = append(list, found{lk, 0}) // give tells of the damage
		}
		return true
	})
	slices.SortStableFunc(list, func(a, b found) int {
		if a.at != b.at {
			if a.at > b.at {
				return -1
			}
			return 1
		}
		return bytes.Compare(b.k, a.k)
	})
	for _, f := range list {
		if !give(f.k) {
			return
		}
	}
}

// lettersByTime gives the keys of letters from the newest to the oldest that
// the filter's times allow. It looks each key up anew, so that the consumer may
// write letters meanwhile.
func (v *view) lettersByTime(filter mailstore.LetterFilter, give func(k []byte) bool) {
	prefix := key(v.keys.num)
	at := key(v.keys.num, ^uint64(0), bytes.Repeat([]byte{0xff}, 18))
	if !filter.Until.IsZero() {
		at = key(v.keys.num, filter.Until)
	}
	for {
		k := v.before(bLetTime, at)
		if !bytes.HasPrefix(k, prefix) {
			return
		}
		at = copied(k)
		if !filter.Since.IsZero() && binary.BigEndian.Uint64(k[4:]) < timeKey(filter.Since) {
			return
		}
		if !give(key(v.keys.num, at[12:])) {
			return
		}
	}
}

// before returns the greatest key of a bucket below limit.
func (t *txn) before(n bucket, limit []byte) []byte {
	c := t.b(n).Cursor()
	k, _ := c.Seek(limit)
	if k == nil {
		k, _ = c.Last()
		if bytes.Compare(k, limit) < 0 {
			return k
		}
		return nil
	}
	k, _ = c.Prev()
	return k
}
