package boltstore

import (
	"encoding/binary"
	"slices"

	"gosbridge/mailstore"
)

// mendDoomed mends what waits to be dropped: messages that are gone and were not
// noted come, those that stand or have no row go, and an entry without sense is
// set aside: its messages are missed in the next round.
func (m *mender) mendDoomed(u *update, d damageAt) (string, error) {
	raw := m.get(bDoomed, d.k)
	if d.Kind == mailstore.DamageMissing {
		uid := mailstore.UID(binary.BigEndian.Uint32(d.k[8:]))
		if raw != nil || m.get(bRow, d.k) == nil || u.stands(mailstore.MailboxID(binary.BigEndian.Uint32(d.k[4:])), uid) {
			return "", nil
		}
		return mailstore.MendRebuilt, m.doom(u.keys, mailstore.MailboxID(binary.BigEndian.Uint32(d.k[4:])), []flagRow{{uid: uid}})
	}
	if raw == nil {
		return "", nil
	}
	_, box, before, counted := decodeDoomed(d.k, raw)
	if counted == nil {
		m.doomed -= len(before)
	}
	_, rows, err := doomedUIDs(d.k, raw)
	if err != nil {
		if err := m.setAside(d, raw); err != nil {
			return "", err
		}
		return mailstore.MendSetAside, m.del(bDoomed, d.k)
	}
	rows = slices.DeleteFunc(rows, func(f flagRow) bool {
		return m.get(bRow, rowKey(u.keys.num, box, f.uid)) == nil || u.stands(box, f.uid)
	})
	if err := m.del(bDoomed, copied(d.k)); err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return mailstore.MendRemoved, nil
	}
	return mailstore.MendRebuilt, m.doom(u.keys, box, rows)
}

// mendKeep makes anew what is kept of a message whose term is lost, where the
// message is there. One that stands in the order of the ends has that end and was
// not held. Of others nobody knows: so they are held, without an end, until an
// operator releases them.
func (m *mender) mendKeep(u *update, d damageAt) (string, error) {
	id := mailstore.ID(d.k[4:])
	raw := m.get(bKeep, d.k)
	if raw != nil {
		if _, err := decodeKept(id, raw); err == nil {
			return "", nil
		}
		if err := m.setAside(d, raw); err != nil {
			return "", err
		}
	}
	end := d.from
	if len(end) != keySizes[bKeepEnd] {
		end = m.endOf(d.k, id)
	}
	letter, there := u.letterOf(id)
	switch {
	case !there && raw != nil:
		return mailstore.MendSetAside, m.del(bKeep, d.k)
	case !there:
		return m.removed(bKeepEnd, end)
	}
	kept := mailstore.Kept{EmailID: id, LetterID: letter, Held: true}
	if end != nil {
		until := decoder{b: end[4:]}
		kept.Held, kept.Until = false, until.time()
	}
	return m.rebuilt(bKeep, d.k, encodeKept(kept))
}

// endOf is where a message stands in the order of the ends, nil when it does not.
func (t *txn) endOf(k []byte, id mailstore.ID) (end []byte) {
	t.scan(bKeepEnd, k[:4], nil, func(ek, _ []byte) bool {
		if len(ek) == keySizes[bKeepEnd] && mailstore.ID(ek[12:]) == id {
			end = copied(ek)
		}
		return end == nil
	})
	return end
}

// letterOf is the letter of a message that has a row or is in the vault.
func (v *view) letterOf(email mailstore.ID) (letter mailstore.ID, there bool) {
	if e, err := v.vaultEntry(email); err == nil && e != nil {
		return e.row.letter, true
	}
	rec, err := v.email(email)
	if err != nil || rec == nil {
		return letter, false
	}
	for _, l := range rec.at {
		var r row
		if _, err := v.readRow(&r, l.Mailbox, l.UID); err == nil && r.email == email {
			return r.letter, true
		}
	}
	return letter, false
}

// mendVault corrects what an entry of the vault says of its body and size, and
// sets one aside that cannot be opened, or whose row is there.
func (m *mender) mendVault(u *update, d damageAt) (string, error) {
	raw := m.get(bVault, d.k)
	if raw == nil {
		return "", nil
	}
	e, err := decodeVaultEntry(mailstore.ID(d.k[4:]), raw)
	if err == nil && d.Kind == mailstore.DamageMismatch && m.get(bRow, e.rowKey(u.keys.num)) == nil {
		if m.readjust(u, e.rowKey(u.keys.num), &e.row) {
			return m.rebuilt(bVault, d.k, e.encode())
		}
	}
	if err := m.setAside(d, raw); err != nil {
		return "", err
	}
	return mailstore.MendSetAside, m.del(bVault, d.k)
}

// vaultedFrom is the greatest mailbox of which an account's vault has a message,
// and the greatest UID of those of one mailbox: neither may be given again, as
// what is in the vault stays sealed under the key of its row.
func (t *txn) vaultedFrom(prefix []byte, box mailstore.MailboxID) (last mailstore.MailboxID, uid mailstore.UID) {
	t.scan(bVault, prefix, nil, func(k, raw []byte) bool {
		if len(k) != keySizes[bVault] {
			return true
		}
		if e, err := decodeVaultEntry(mailstore.ID(k[4:]), raw); err == nil {
			last = max(last, e.box)
			if e.box == box {
				uid = max(uid, e.uid)
			}
		}
		return true
	})
	return last, uid
}
