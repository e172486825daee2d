package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"gosbridge/mailstore"
)

// mendMail mends accounts' states, mailboxes and messages.
func (m *mender) mendMail(d damageAt) (string, error) {
	u, err := m.update(d.k)
	if err != nil {
		return "", err
	}
	if d.n == bState {
		return m.mendState(u, d)
	}
	if _, err := u.state(); err != nil {
		return "", nil //nolint:nilerr // the next round has it
	}
	switch d.n {
	case bPurge:
		return m.mendPurge(u, d)
	case bDoomed:
		return m.mendDoomed(u, d)
	case bKeep:
		return m.mendKeep(u, d)
	case bVault:
		return m.mendVault(u, d)
	case bBox:
		return m.mendBox(u, d)
	}
	id := mailstore.MailboxID(binary.BigEndian.Uint32(d.k[4:]))
	b, err := u.box(id)
	if errors.Is(err, mailstore.ErrNoMailbox) {
		if d.n == bRow && d.Kind != mailstore.DamageOrphan {
			return m.purged(d)
		}
		return m.homeless(u, id, d)
	}
	if err != nil {
		return "", nil //nolint:nilerr // the mailbox is mended first
	}
	if d.Kind == mailstore.DamageOrphan {
		return "", nil // its mailbox was made again
	}
	switch d.n {
	case bRow:
		return m.mendRow(u, b, d)
	case bFlag:
		return m.mendFlags(u, b, d)
	}
	return m.resetLog(u, b)
}

// mendPurge lets the purge of a deleted mailbox go on. Without the record of the
// mailbox, what is kept of it goes into the vault without its name.
func (m *mender) mendPurge(u *update, d damageAt) (string, error) {
	raw := m.get(bPurge, d.k)
	if m.get(bBox, d.k) != nil {
		return m.removed(bPurge, d.k)
	}
	memory := copied(u.keys.id[:])
	if len(raw) > len(memory) {
		record := raw[len(memory):]
		if _, err := decodeBox(u.keys, mailstore.MailboxID(binary.BigEndian.Uint32(d.k[4:])), record); err == nil {
			memory = append(memory, record...)
		} else if err := m.setAside(d, raw); err != nil {
			return "", err
		}
	}
	return m.rebuilt(bPurge, d.k, memory)
}

// counterMargin is by how much a counter that was lost, or was too low, is raised
// above the greatest number in use: greater ones may have been given to what is
// gone, and must never be given again.
const counterMargin = 1 << 10

// mendState counts an account's state anew. Counters only ever go up.
func (m *mender) mendState(u *update, d damageAt) (string, error) {
	if !m.once(bState, d.k) {
		return "", nil
	}
	old, err := decodeState(m.get(bState, d.k))
	if err != nil {
		if raw := m.get(bState, d.k); raw != nil {
			if err := m.setAside(d, raw); err != nil {
				return "", err
			}
		}
		old = &state{nextBox: 1}
	}
	st := *old
	st.boxes, st.octets, st.messages = 0, 0, 0
	last := func(n bucket) mailstore.MailboxID {
		k, _ := m.last(n, d.k[:4])
		if len(k) < 8 {
			return 0
		}
		return mailstore.MailboxID(binary.BigEndian.Uint32(k[4:]))
	}
	vault, _ := m.vaultedFrom(d.k[:4], 0)
	st.nextBox = max(st.nextBox, last(bBox)+1, last(bPurge)+1, last(bRow)+1, last(bLog)+1, vault+1)
	m.scan(bBox, d.k[:4], nil, func(k, raw []byte) bool {
		st.boxes++
		b, err := decodeBox(u.keys, mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), raw)
		if err != nil {
			return true
		}
		st.octets += b.Octets
		st.messages += int64(b.Messages)
		st.modseq = max(st.modseq, b.HighestMod)
		st.validity = max(st.validity, validity(0, b.UIDValidity))
		return true
	})
	journal, hashes := m.journalled(d.k[:4])
	st.journal, st.hashes = max(st.journal, journal), max(st.hashes, hashes)
	if err == nil && st == *old {
		return "", nil
	}
	if err != nil || st.modseq > old.modseq || st.nextBox > old.nextBox || st.validity > old.validity {
		// What was given to mailboxes that are gone nobody knows any more.
		st.modseq += counterMargin
		st.nextBox += counterMargin
		st.validity += counterMargin
	}
	u.st, u.stDirty = &st, true
	return mailstore.MendRebuilt, nil
}

// journalled counts the records and hashes of an account's journal.
func (t *txn) journalled(prefix []byte) (records, hashes int64) {
	t.scan(bJournal, prefix, nil, func(k, _ []byte) bool {
		if len(k) != keySizes[bJournal] || binary.BigEndian.Uint64(k[4:]) != uint64(records) {
			return false
		}
		records++
		return true
	})
	row := uint64(0)
	t.scan(bHash, prefix, nil, func(k, raw []byte) bool {
		if len(k) != keySizes[bHash] || binary.BigEndian.Uint64(k[4:]) != row {
			return false
		}
		row++
		hashes += int64(len(raw) / 32)
		return len(raw) == 32*hashesPerRow
	})
	return records, hashes
}

// mendBox counts a mailbox anew, or makes its record when it cannot be read.
func (m *mender) mendBox(u *update, d damageAt) (string, error) {
	id := mailstore.MailboxID(binary.BigEndian.Uint32(d.k[4:]))
	b, err := u.box(id)
	if errors.Is(err, mailstore.ErrDamaged) {
		if err := m.setAside(d, m.get(bBox, d.k)); err != nil {
			return "", err
		}
		return m.adopt(u, id)
	}
	if err != nil {
		return "", err
	}
	if d.Kind == mailstore.DamageMismatch {
		return m.mendValidity(u, b)
	}
	found, err := u.tally(b)
	if err != nil {
		return "", nil //nolint:nilerr // its rows are mended first
	}
	m.recount(b, &found)
	return mailstore.MendRebuilt, nil
}

// recount takes counts as they were found. UIDNEXT and modseqs only go up.
func (m *mender) recount(b *boxRecord, found *boxRecord) {
	b.Messages, b.Unseen, b.Deleted, b.Octets, b.logCount = found.Messages, found.Unseen, found.Deleted, found.Octets, found.logCount
	if found.UIDNext > b.UIDNext {
		b.UIDNext = mailstore.UID(min(uint64(found.UIDNext)+64*counterMargin, math.MaxUint32))
	}
	b.HighestMod = max(b.HighestMod, found.HighestMod, b.uidMod)
	if found.Messages > 0 {
		b.NoSelect = false
	}
	b.dirty = true
}

// mendValidity gives a mailbox that shares its UIDVALIDITY with another a new
// one, and opens a name that holds messages.
func (m *mender) mendValidity(u *update, b *boxRecord) (string, error) {
	if b.NoSelect && b.Messages > 0 {
		b.NoSelect, b.dirty = false, true
		return mailstore.MendRebuilt, nil
	}
	shared := false
	m.scan(bBox, key(u.keys.num), nil, func(k, raw []byte) bool {
		other, err := decodeBox(u.keys, mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), raw)
		shared = shared || err == nil && other.ID != b.ID && validity(0, other.UIDValidity) == validity(0, b.UIDValidity)
		return true
	})
	if !shared || !m.once(bBox, boxKey(u.keys.num, b.ID)) {
		return "", nil
	}
	fresh, err := u.newValidity()
	if err != nil {
		return "", err
	}
	b.UIDValidity, b.dirty = fresh, true
	return mailstore.MendRebuilt, nil
}

// homeless mends the rows of a mailbox that is not there: with messages it is
// made again, else they go.
func (m *mender) homeless(u *update, id mailstore.MailboxID, d damageAt) (string, error) {
	prefix := boxKey(u.keys.num, id)
	if m.get(bPurge, prefix) != nil {
		return "", nil
	}
	if k, _ := m.b(bRow).Cursor().Seek(prefix); len(k) >= 8 && string(k[:8]) == string(prefix) {
		return m.adopt(u, id)
	}
	var old [][]byte
	m.scan(d.n, prefix, nil, func(k, _ []byte) bool { old = append(old, copied(k)); return len(old) < 4*purgeSlice })
	for _, k := range old {
		if err := m.del(d.n, k); err != nil {
			return "", err
		}
	}
	return mailstore.MendRemoved, nil
}

// adopt makes the record of a mailbox anew: its name, role and keywords are
// lost, unless the index still knows it for INBOX. It gets a UIDVALIDITY of its
// own, as mail programs may know another by any other.
func (m *mender) adopt(u *update, id mailstore.MailboxID) (string, error) {
	name, role := fmt.Sprintf("lost+found-%d", id), mailstore.Role("")
	if at := u.get(bBoxName, u.nameKey(inbox)); string(at) == string(key(id)) || at == nil && id == 1 {
		name, role = inbox, mailstore.RoleInbox
	}
	for u.get(bBoxName, u.nameKey(name)) != nil && string(u.get(bBoxName, u.nameKey(name))) != string(key(id)) {
		name += "-"
	}
	fresh, err := u.newValidity()
	if err != nil {
		return "", err
	}
	mod, err := u.modseq()
	if err != nil {
		return "", err
	}
	b := &boxRecord{uidMod: mod, floor: mod, dirty: true, renamed: true}
	b.ID, b.Name, b.Role, b.UIDValidity, b.Subscribed = id, name, role, fresh, true
	b.HighestMod, b.UIDNext = mod, 1
	if k, _ := m.last(bRow, boxKey(u.keys.num, id)); len(k) == keySizes[bRow] {
		b.UIDNext = mailstore.UID(binary.BigEndian.Uint32(k[8:])) + 1
	}
	_, vault := m.vaultedFrom(key(u.keys.num), id)
	b.UIDNext = max(b.UIDNext, vault+1)
	if u.boxes == nil {
		u.boxes = map[mailstore.MailboxID]*boxRecord{}
	}
	u.boxes[id] = b
	u.st.nextBox = max(u.st.nextBox, id+1)
	return m.rebuilt(bBoxName, u.nameKey(name), key(id))
}

// resetLog drops the change log of a mailbox: its floor rises, so that readers
// must compare.
func (m *mender) resetLog(u *update, b *boxRecord) (string, error) {
	if !m.once(bLog, boxKey(u.keys.num, b.ID)) {
		return "", nil
	}
	var old [][]byte
	m.scan(bLog, boxKey(u.keys.num, b.ID), nil, func(k, _ []byte) bool { old = append(old, copied(k)); return true })
	for _, k := range old {
		if err := m.del(bLog, k); err != nil {
			return "", err
		}
	}
	mod, err := u.modseq()
	if err != nil {
		return "", err
	}
	delete(u.logs, b.ID)
	b.floor, b.HighestMod, b.uidMod, b.logCount, b.dirty = mod, mod, mod, 0, true
	return mailstore.MendRebuilt, nil
}

// mendRow mends a message: what its body or its sealed parts tell is taken from
// there, and one that cannot be read is set aside and vanishes.
func (m *mender) mendRow(u *update, b *boxRecord, d damageAt) (string, error) {
	uid := mailstore.UID(binary.BigEndian.Uint32(d.k[8:]))
	raw := m.get(bRow, d.k)
	if d.Kind == mailstore.DamageMissing { // flags of a message without a row
		return mailstore.MendRemoved, m.vanish(u, b, uid)
	}
	if raw == nil {
		return "", nil
	}
	if d.Kind == mailstore.DamageMismatch {
		if fixed, ok := m.readjusted(u, d.k, raw); ok {
			return m.rebuilt(bRow, d.k, fixed)
		}
	}
	if err := m.setAside(d, raw); err != nil {
		return "", err
	}
	if err := m.del(bRow, d.k); err != nil {
		return "", err
	}
	return mailstore.MendSetAside, m.vanish(u, b, uid)
}

// readjusted corrects what a row says of its body and its size, where its sealed
// parts can be opened.
func (m *mender) readjusted(u *update, k, raw []byte) ([]byte, bool) {
	var r row
	if r.decode(raw) != nil || !m.readjust(u, copied(k), &r) {
		return nil, false
	}
	return r.encode(), true
}

// readjust does that with a row that stands, or stood, under k.
func (m *mender) readjust(u *update, k []byte, r *row) bool {
	if !r.body.name.IsZero() {
		wr, err := parseWrapping(m.get(bWrap, wrapKey(r.body.name, u.keys.holder)))
		if err != nil {
			return false
		}
		r.body.place, r.body.size = wr.place, wr.size
	}
	prefix, suffix, err := r.openContent(u.keys, k)
	if err != nil || r.offset < 0 || r.length < 0 || r.offset+r.length > r.body.size {
		return false
	}
	r.size = int64(len(prefix)) + r.length + int64(len(suffix))
	return true
}

// purged removes what cannot be read of a mailbox that is going anyway.
func (m *mender) purged(d damageAt) (string, error) {
	raw := m.get(bRow, d.k)
	if raw == nil || d.Kind == mailstore.DamageMissing {
		return "", nil
	}
	if err := m.setAside(d, raw); err != nil {
		return "", err
	}
	return mailstore.MendSetAside, m.del(bRow, d.k)
}

// vanish takes a message out of the flags and tells mail programs. Counts and
// indexes are mended in the next round.
func (m *mender) vanish(u *update, b *boxRecord, uid mailstore.UID) error {
	log, err := u.changeBox(b)
	if err != nil {
		return err
	}
	b.uidMod = u.mod
	rows, err := decodeChunk(nil, chunkOf(uid), u.get(bFlag, chunkKey(u.keys.num, b.ID, chunkOf(uid))))
	if err != nil {
		return nil //nolint:nilerr // the chunk is mended by itself
	}
	left := slices.DeleteFunc(rows, func(f flagRow) bool { return f.uid == uid })
	if len(left) == len(rows) {
		return nil
	}
	if uid < b.UIDNext {
		log.vanished = append(log.vanished, mailstore.UIDRange{Start: uid, Stop: uid})
	}
	return u.putChunk(b.ID, chunkOf(uid), left)
}

// mendFlags brings a chunk of flags into order, or gives a message flags that has
// none.
func (m *mender) mendFlags(u *update, b *boxRecord, d damageAt) (string, error) {
	number := binary.BigEndian.Uint32(d.k[8:])
	raw := m.get(bFlag, d.k)
	rows, err := decodeChunk(nil, number, raw)
	if d.Kind == mailstore.DamageMissing {
		if err != nil || len(d.from) != keySizes[bRow] {
			return "", nil //nolint:nilerr // the chunk is mended first
		}
		return m.flagless(u, b, number, rows, mailstore.UID(binary.BigEndian.Uint32(d.from[8:])))
	}
	if raw == nil {
		return "", nil
	}
	if err := m.setAside(d, raw); err != nil {
		return "", err
	}
	if err != nil { // its messages miss it in the next round
		if _, err := m.resetLog(u, b); err != nil {
			return "", err
		}
		return mailstore.MendSetAside, m.del(bFlag, d.k)
	}
	slices.SortStableFunc(rows, func(a, b flagRow) int { return int(a.uid) - int(b.uid) })
	rows = slices.CompactFunc(rows, func(a, b flagRow) bool { return a.uid == b.uid })
	rows = slices.DeleteFunc(rows, func(f flagRow) bool { return chunkOf(f.uid) != number })
	if _, err := u.changeBox(b); err != nil {
		return "", err
	}
	for i := range rows {
		words := slices.DeleteFunc(decodeIndexes(rows[i].keywords), func(w int) bool { return w < 0 || w >= len(b.Keywords) })
		rows[i].keywords, rows[i].mod = encodeIndexes(words), u.mod
	}
	if _, err := m.resetLog(u, b); err != nil {
		return "", err
	}
	return mailstore.MendRebuilt, u.putChunk(b.ID, number, rows)
}

// flagless gives a message flags: none are known.
func (m *mender) flagless(u *update, b *boxRecord, number uint32, rows []flagRow, uid mailstore.UID) (string, error) {
	if slices.ContainsFunc(rows, func(f flagRow) bool { return f.uid == uid }) {
		return "", nil
	}
	if _, err := m.resetLog(u, b); err != nil {
		return "", err
	}
	mod, err := u.modseq()
	if err != nil {
		return "", err
	}
	b.HighestMod, b.uidMod, b.dirty = mod, mod, true
	b.floor = max(b.floor, mod)
	rows = append(rows, flagRow{uid: uid, mod: mod})
	slices.SortFunc(rows, func(a, b flagRow) int { return int(a.uid) - int(b.uid) })
	return mailstore.MendRebuilt, u.putChunk(b.ID, number, rows)
}
