package boltstore

import (
	"errors"
	"fmt"
	"iter"

	"gosbridge/mailstore"
)

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
