package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
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
func (v *view) letterMAC(word string) [16]byte { return v.s.keys.macSum("letter", v.keys.num, word) }

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

// Evidence implements mailstore.Tx.
func (v *view) Evidence(letter mailstore.ID) iter.Seq2[mailstore.Evidence, error] {
	return func(yield func(mailstore.Evidence, error) bool) {
		var list []mailstore.Evidence
		var failed error
		v.scan(bEvidence, key(v.keys.num, letter), nil, func(k, raw []byte) bool {
			var ev mailstore.Evidence
			ev, failed = v.openEvidence(letter, k, raw)
			list = append(list, ev)
			return failed == nil
		})
		if failed != nil {
			yield(mailstore.Evidence{}, failed)
			return
		}
		for _, ev := range list {
			if !yield(ev, nil) {
				return
			}
		}
	}
}

func (v *view) openEvidence(letter mailstore.ID, k, raw []byte) (mailstore.Evidence, error) {
	d := decoder{b: raw}
	ev := mailstore.Evidence{ID: d.id(), Letter: letter, Event: d.string(), At: d.time()}
	copy(ev.Hash[:], d.raw(len(ev.Hash)))
	if d.bad {
		return ev, fmt.Errorf("evidence: %w", mailstore.ErrDamaged)
	}
	var err error
	ev.Data, err = unseal(v.keys.seal, bEvidence, k, d.b)
	return ev, err
}

// PutEvidence implements mailstore.LetterWriter.
func (u *update) PutEvidence(ev mailstore.Evidence) (err error) {
	defer u.w.guard(u.w.writes, &err)
	n := uint32(0)
	there := false
	prefix := key(u.keys.num, ev.Letter)
	u.scan(bEvidence, prefix, nil, func(k, raw []byte) bool {
		n = binary.BigEndian.Uint32(k[len(prefix):]) + 1
		there = bytes.HasPrefix(raw, ev.ID[:])
		return !there
	})
	if there {
		return nil
	}
	k := key(u.keys.num, ev.Letter, n)
	var e encoder
	e.id(ev.ID)
	e.string(ev.Event)
	e.time(ev.At)
	e.raw(ev.Hash[:])
	e.raw(seal(u.keys.seal, bEvidence, k, ev.Data))
	return u.w.put(bEvidence, k, e.b)
}

// hashesPerRow is how many tree hashes share a row.
const hashesPerRow = 16

// JournalSize implements mailstore.Tx.
func (v *view) JournalSize() (int64, error) {
	st, err := v.state()
	if err != nil {
		return 0, err
	}
	return st.journal, nil
}

// Journal implements mailstore.Tx.
func (v *view) Journal(from int64, limit int) iter.Seq2[mailstore.JournalRecord, error] {
	return func(yield func(mailstore.JournalRecord, error) bool) {
		size, err := v.JournalSize()
		if err != nil {
			yield(mailstore.JournalRecord{}, err)
			return
		}
		end := size
		if limit > 0 && from+int64(limit) < end {
			end = from + int64(limit)
		}
		for i := max(from, 0); i < end; i++ {
			rec, err := v.journalRecord(i)
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

func (v *view) journalRecord(index int64) (mailstore.JournalRecord, error) {
	rec := mailstore.JournalRecord{Index: index}
	k := key(v.keys.num, uint64(index))
	d := decoder{b: v.get(bJournal, k)}
	rec.At = d.time()
	rec.Kind = d.string()
	copy(rec.Commit[:], d.raw(len(rec.Commit)))
	if d.bad {
		return rec, fmt.Errorf("journal record %d: %w", index, mailstore.ErrDamaged)
	}
	if len(d.b) == 0 {
		return rec, nil // details destroyed
	}
	clear, err := unseal(v.keys.seal, bJournal, k, d.b)
	if err != nil {
		return rec, err
	}
	h := decoder{b: clear}
	rec.Salt = copied(h.bytes())
	rec.Details = h.b
	return rec, h.err()
}

// JournalHashes implements mailstore.Tx.
func (v *view) JournalHashes(indexes []int64) ([]mailstore.Hash, error) {
	st, err := v.state()
	if err != nil {
		return nil, err
	}
	list := make([]mailstore.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= st.hashes {
			return nil, fmt.Errorf("tree hash %d of %d: %w", index, st.hashes, errNoHash)
		}
		raw := v.get(bHash, key(v.keys.num, uint64(index)/hashesPerRow))
		at := int(index%hashesPerRow) * len(list[i])
		if len(raw) < at+len(list[i]) {
			return nil, fmt.Errorf("tree hash %d: %w", index, mailstore.ErrDamaged)
		}
		copy(list[i][:], raw[at:])
	}
	return list, nil
}

// errNoHash says that a tree hash is asked for that does not exist yet.
var errNoHash = errors.New("beyond the journal")

// AppendJournal implements mailstore.JournalWriter.
func (u *update) AppendJournal(rec mailstore.JournalRecord, hashes []mailstore.Hash) (err error) {
	defer u.w.guard(u.w.writes, &err)
	st, err := u.state()
	if err != nil {
		return err
	}
	if rec.Index != st.journal {
		return fmt.Errorf("journal has %d records, not %d: %w", st.journal, rec.Index, mailstore.ErrConflict)
	}
	k := key(u.keys.num, uint64(rec.Index))
	var e encoder
	e.time(rec.At)
	e.string(rec.Kind)
	e.raw(rec.Commit[:])
	if rec.Details != nil || rec.Salt != nil {
		var hidden encoder
		hidden.bytes(rec.Salt)
		hidden.raw(rec.Details)
		e.raw(seal(u.keys.seal, bJournal, k, hidden.b))
	}
	if err := u.w.put(bJournal, k, e.b); err != nil {
		return err
	}
	st.journal++
	u.stDirty = true
	return u.appendHashes(st, hashes)
}

// appendHashes adds tree hashes behind those present.
func (u *update) appendHashes(st *state, hashes []mailstore.Hash) error {
	for len(hashes) > 0 {
		k := key(u.keys.num, uint64(st.hashes)/hashesPerRow)
		used := int(st.hashes % hashesPerRow)
		raw := make([]byte, 0, hashesPerRow*32)
		if used > 0 {
			raw = append(raw, u.get(bHash, k)...)
		}
		n := min(hashesPerRow-used, len(hashes))
		for _, h := range hashes[:n] {
			raw = append(raw, h[:]...)
		}
		if err := u.w.put(bHash, k, raw); err != nil {
			return err
		}
		hashes = hashes[n:]
		st.hashes += int64(n)
	}
	return nil
}
