package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// doomedUIDs reads an entry of bucket doomed, which must stand under its first
// UID and name messages of one chunk in order.
func doomedUIDs(k, raw []byte) (account mailstore.ID, rows []flagRow, err error) {
	account, _, rows, err = decodeDoomed(k, raw)
	if err != nil {
		return account, nil, err
	}
	first := mailstore.UID(binary.BigEndian.Uint32(k[8:]))
	ascending := slices.IsSortedFunc(rows, func(a, b flagRow) int { return int(a.uid) - int(b.uid) })
	if len(rows) == 0 || rows[0].uid != first || !ascending || chunkOf(rows[len(rows)-1].uid) != chunkOf(first) {
		return account, nil, fmt.Errorf("UIDs of another place: %w", mailstore.ErrDamaged)
	}
	return account, rows, nil
}

// doomedIn is which messages of a mailbox left it and wait to be dropped,
// between two keys (nil: all). Entries that cannot be read tell of themselves.
func (t *txn) doomedIn(prefix, from, to []byte) map[mailstore.UID]bool {
	var in map[mailstore.UID]bool
	t.scan(bDoomed, prefix, from, func(k, raw []byte) bool {
		if to != nil && bytes.Compare(k, to) > 0 {
			return false
		}
		if len(k) != keySizes[bDoomed] {
			return true
		}
		_, rows, err := doomedUIDs(k, raw)
		for _, f := range rows {
			if in == nil {
				in = map[mailstore.UID]bool{}
			}
			in[f.uid] = err == nil
		}
		return true
	})
	return in
}

// isDoomed reports whether the message with a row's key waits to be dropped.
func (c *inspector) isDoomed(k []byte, uid mailstore.UID) bool {
	first := mailstore.UID(chunkOf(uid)) * chunkUIDs
	from := key(k[:8], uint32(first))
	if !bytes.Equal(c.last.doomedKey, from) {
		c.last.doomedKey = from
		c.last.doomed = c.doomedIn(k[:8], from, key(k[:8], uint32(first+chunkUIDs-1)))
	}
	return c.last.doomed[uid]
}

// goneFrom is what the change log of the mailbox in a row's key says to be gone.
func (c *inspector) goneFrom(k []byte) mailstore.UIDSet {
	if !bytes.Equal(c.last.goneKey, k[:8]) {
		c.last.goneKey, c.last.gone = copied(k[:8]), c.vanishedFrom(k[:8])
	}
	return c.last.gone
}

// vanishedFrom reads that from the log.
func (t *txn) vanishedFrom(prefix []byte) (gone mailstore.UIDSet) {
	t.scan(bLog, prefix, nil, func(_, raw []byte) bool {
		var l logEntry
		if decodeLog(&l, raw) == nil {
			gone = append(gone, l.vanished...)
		}
		return true
	})
	return gone
}

// doomedRow checks messages whose rows are still to be dropped: they have rows
// and no flags. What is left of a mailbox that was deleted since, the purge may
// have taken.
func (c *inspector) doomedRow(k, raw []byte) {
	account, rows, err := doomedUIDs(k, raw)
	if c.bad(bDoomed, k, err) {
		return
	}
	if account != c.v.keys.id {
		c.find(bDoomed, k, mailstore.DamageMismatch, "names another account")
	}
	if c.get(bBox, k[:8]) == nil {
		return
	}
	for _, f := range rows {
		if _, stands := c.flagsOf(k, f.uid); stands {
			c.find(bDoomed, k, mailstore.DamageMismatch, "message %d is to be dropped and is there", f.uid)
		}
		if c.get(bRow, key(k[:8], uint32(f.uid))) == nil {
			c.find(bDoomed, k, mailstore.DamageOrphan, "message %d has no row", f.uid)
		}
	}
}

// keepRow checks what is kept of a message, and its place in the order of the
// ends.
func (c *inspector) keepRow(k, raw []byte) {
	kept, err := decodeKept(mailstore.ID(k[4:]), raw)
	if c.bad(bKeep, k, err) {
		return
	}
	if end := keepEndKey(c.v.keys.num, kept); end != nil && c.get(bKeepEnd, end) == nil {
		c.find(bKeepEnd, end, mailstore.DamageMissing, "message %s", kept.EmailID)
	}
}

func (c *inspector) keepEndRow(k, _ []byte) {
	email := mailstore.ID(k[12:])
	kk := keepKey(c.v.keys.num, email)
	raw := c.get(bKeep, kk)
	if raw == nil {
		c.find(bKeep, kk, mailstore.DamageMissing, "message %s, whose term has an end", email)
		return
	}
	// A term that cannot be read tells of itself, and is made anew from its end.
	if kept, err := decodeKept(email, raw); err == nil && !bytes.Equal(keepEndKey(c.v.keys.num, kept), k) {
		c.find(bKeepEnd, k, mailstore.DamageOrphan, "message %s has another end, or none", email)
	}
}

// vaultRow checks a message of the vault: what is sealed under the key of its
// last row, its body, and that it is kept.
func (c *inspector) vaultRow(k, raw []byte) {
	e, err := decodeVaultEntry(mailstore.ID(k[4:]), raw)
	if c.bad(bVault, k, err) {
		return
	}
	if c.get(bKeep, k) == nil {
		c.find(bKeep, k, mailstore.DamageMissing, "message %s, which is in the vault", e.email)
	}
	rk := e.rowKey(c.v.keys.num)
	if c.get(bRow, rk) != nil {
		c.find(bVault, k, mailstore.DamageMismatch, "its row is there: message %d of mailbox %d", e.uid, e.box)
	}
	_, err = c.v.vaulted(e, mailstore.FieldMeta)
	c.bad(bVault, k, err)
	c.sealed(bVault, k, &e.row, rk)
	c.held(bVault, k, &e.row)
}
