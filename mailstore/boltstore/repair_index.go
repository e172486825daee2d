package boltstore

import (
	"encoding/binary"
	"slices"

	"gosbridge/mailstore"
)

// mendIndex mends what follows from other rows.
func (m *mender) mendIndex(d damageAt) (string, error) {
	missing := d.Kind == mailstore.DamageMissing
	switch d.n {
	case bAddress:
		return m.mendAddress(d)
	case bBoxName:
		return m.mendBoxName(d)
	case bEmail:
		return m.mendEmail(d)
	case bPast:
		now := m.s.now()
		if err := m.remember(goneItem, d.k, now); err != nil {
			return "", err
		}
		return m.rebuilt(bPast, d.k, key(now))
	case bInline:
		if d.Kind != mailstore.DamageOrphan {
			return "", nil
		}
		// The sweep removes it in a day, as it does what is let go.
		return m.rebuilt(bDead, key(m.s.now(), d.k, make([]byte, 16)), nil)
	}
	if missing {
		return m.rebuilt(d.n, d.k, nil)
	}
	return m.removed(d.n, d.k)
}

// mendAddress enters all addresses of all accounts, once, where nobody else has
// them.
func (m *mender) mendAddress(d damageAt) (string, error) {
	if d.Kind != mailstore.DamageMissing {
		return m.removed(bAddress, d.k)
	}
	if !m.once(bAddress, nil) {
		return mailstore.MendRebuilt, nil
	}
	type entry struct{ k, id []byte }
	var all []entry
	m.scan(bAccount, nil, nil, func(k, _ []byte) bool {
		if len(k) != len(mailstore.ID{}) {
			return true
		}
		keys, err := m.freshKeys(mailstore.ID(k))
		if err != nil {
			return true
		}
		if a, err := m.account(keys); err == nil {
			for _, address := range a.Addresses {
				all = append(all, entry{m.addressKey(address), copied(k)})
			}
		}
		return true
	})
	for _, e := range all {
		if m.get(bAddress, e.k) == nil {
			if err := m.put(bAddress, e.k, e.id); err != nil {
				return "", err
			}
		}
	}
	return mailstore.MendRebuilt, nil
}

// mendBoxName enters the names of all mailboxes of an account, once.
func (m *mender) mendBoxName(d damageAt) (string, error) {
	if d.Kind != mailstore.DamageMissing {
		return m.removed(bBoxName, d.k)
	}
	if !m.once(bBoxName, d.k[:4]) {
		return mailstore.MendRebuilt, nil
	}
	u, err := m.update(d.k)
	if err != nil {
		return "", err
	}
	var ids []mailstore.MailboxID
	m.scan(bBox, d.k[:4], nil, func(k, _ []byte) bool {
		ids = append(ids, mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])))
		return true
	})
	for _, id := range ids {
		b, err := u.box(id)
		if err != nil {
			continue // one that cannot be read gets a name of its own
		}
		if err := m.put(bBoxName, u.nameKey(b.Name), key(id)); err != nil {
			return "", err
		}
	}
	return mailstore.MendRebuilt, nil
}

// mendEmail mends an entry of the id index: rows that are not there go, the row
// from which it was missed comes.
func (m *mender) mendEmail(d damageAt) (string, error) {
	rec, err := decodeEmail(m.get(bEmail, d.k))
	if d.Kind == mailstore.DamageUnreadable {
		if err == nil {
			return "", nil
		}
		return m.removed(bEmail, d.k) // its rows miss it in the next round
	}
	if d.Kind == mailstore.DamageMissing {
		if len(d.from) != keySizes[bRow] {
			return "", nil
		}
		var r row
		if err := r.decode(m.get(bRow, d.from)); err != nil {
			return "", nil //nolint:nilerr // its own row tells
		}
		l := mailstore.Location{Mailbox: mailstore.MailboxID(binary.BigEndian.Uint32(d.from[4:])), UID: mailstore.UID(binary.BigEndian.Uint32(d.from[8:]))}
		if m.get(bEmail, d.k) == nil || err != nil {
			rec = &emailRecord{uid: l.UID, mod: r.createMod}
		}
		if rec.standsAt(l.Mailbox, l.UID) {
			return "", nil
		}
		rec.at = append(rec.at, l)
		return m.rebuilt(bEmail, d.k, rec.encode())
	}
	if err != nil {
		return "", nil //nolint:nilerr // told apart
	}
	before := len(rec.at)
	rec.at = slices.DeleteFunc(rec.at, func(l mailstore.Location) bool { return !m.isEmail(d.k, l) })
	if len(rec.at) == before && before > 0 {
		return "", nil
	}
	if len(rec.at) == 0 {
		if err := m.remember(goneEmail, d.k, m.s.now()); err != nil {
			return "", err
		}
	}
	return m.rebuilt(bEmail, d.k, rec.encode())
}
