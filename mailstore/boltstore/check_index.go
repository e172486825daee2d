package boltstore

import (
	"bytes"
	"encoding/binary"
	"slices"

	"gosbridge/mailstore"
)

// emailRow checks that the id index names only rows that are there. Those that
// are only remembered are counted with the totals.
func (c *inspector) emailRow(k, raw []byte) {
	rec, err := decodeEmail(raw)
	if c.bad(bEmail, k, err) {
		return
	}
	for _, l := range rec.at {
		if !c.isEmail(k, l) {
			c.find(bEmail, k, mailstore.DamageOrphan, "message %d of mailbox %d is not there", l.UID, l.Mailbox)
		}
	}
}

// isEmail reports whether the row at a place has the EmailID of a key.
func (t *txn) isEmail(k []byte, l mailstore.Location) bool {
	raw := t.get(bRow, rowKey(binary.BigEndian.Uint32(k), l.Mailbox, l.UID))
	return len(raw) > 17 && bytes.Equal(raw[1:17], k[4:])
}

func (c *inspector) showsRow(k, _ []byte) {
	if !c.rowHas(k, func(r *row) bool { return bytes.Equal(r.letter[:], k[4:20]) }) {
		c.find(bShows, k, mailstore.DamageOrphan, "no such message of the letter")
	}
}

func (c *inspector) rowKeyRow(k, _ []byte) {
	if !c.rowHas(k, func(r *row) bool { return slices.Contains(r.found, mac(k[4:20])) }) {
		c.find(bRowKey, k, mailstore.DamageOrphan, "no message with the key")
	}
}

// rowHas asks the row that an index's key ends with. A row that makes no sense
// tells of itself.
func (t *txn) rowHas(k []byte, has func(*row) bool) bool {
	raw := t.get(bRow, key(k[:4], k[20:28]))
	if raw == nil {
		return false
	}
	var r row
	return r.decode(raw) != nil || has(&r)
}

func (c *inspector) letterRow(k, raw []byte) {
	c.report.Letters++
	l, err := c.v.openLetter(k, raw)
	if c.bad(bLetter, k, err) {
		return
	}
	if tk := letterTimeKey(c.v.keys.num, l); c.get(bLetTime, tk) == nil {
		c.find(bLetTime, tk, mailstore.DamageMissing, "letter %s", l.ID)
	}
}

func (c *inspector) letTimeRow(k, _ []byte) {
	lk := key(k[:4], k[12:])
	raw := c.get(bLetter, lk)
	l, _, err := decodeLetterHead(lk, raw)
	switch {
	case raw == nil:
		c.find(bLetTime, k, mailstore.DamageOrphan, "letter %s is not there", l.ID)
	case err == nil && !bytes.Equal(letterTimeKey(c.v.keys.num, l), k):
		c.find(bLetTime, k, mailstore.DamageOrphan, "letter %s has another time", l.ID)
	}
}

func (c *inspector) letKeyRow(k, _ []byte) {
	if c.get(bLetter, key(k[:4], k[20:])) == nil {
		c.find(bLetKey, k, mailstore.DamageOrphan, "letter %s is not there", mailstore.ID(k[20:36]))
	}
}

func (c *inspector) evidenceRow(k, raw []byte) {
	_, err := c.v.openEvidence(mailstore.ID(k[4:20]), k, raw)
	c.bad(bEvidence, k, err)
	if n := binary.BigEndian.Uint32(k[20:]); n > 0 {
		if before := key(k[:20], n-1); c.get(bEvidence, before) == nil {
			c.find(bEvidence, before, mailstore.DamageMissing, "evidence %d of the letter", n-1)
		}
	}
}

func (c *inspector) journalRow(k, _ []byte) {
	index := binary.BigEndian.Uint64(k[4:])
	_, err := c.v.journalRecord(int64(index))
	c.bad(bJournal, k, err)
	if st, err := c.v.state(); err == nil && int64(index) > st.journal {
		c.find(bJournal, k, mailstore.DamageOrphan, "record %d of a journal of %d", index, st.journal)
	}
}

func (c *inspector) hashRow(k, raw []byte) {
	if len(raw) == 0 || len(raw)%32 != 0 || len(raw) > 32*hashesPerRow {
		c.find(bHash, k, mailstore.DamageUnreadable, "%d octets are no hashes", len(raw))
	}
	row := binary.BigEndian.Uint64(k[4:])
	if st, err := c.v.state(); err == nil && int64(row*hashesPerRow) > st.hashes {
		c.find(bHash, k, mailstore.DamageOrphan, "hashes from %d on of %d", row*hashesPerRow, st.hashes)
	}
}

// itemRow checks a queue item and its place in the order of time.
func (c *inspector) itemRow(k, raw []byte) {
	r, err := decodeItem(mailstore.ID(k), raw)
	if c.bad(bItem, k, err) {
		return
	}
	if c.get(bDue, r.dueKey()) == nil {
		c.find(bDue, r.dueKey(), mailstore.DamageMissing, "item %s", r.ID)
	}
	if c.get(bAccount, r.Account[:]) == nil {
		c.find(bItem, k, mailstore.DamageOrphan, "item of account %s, which is not there", r.Account)
		return
	}
	keys, err := c.freshKeys(r.Account)
	if err != nil {
		return // the account's row tells
	}
	for _, ref := range r.bodies {
		c.holds(bItem, k, keys.holder, ref)
	}
	if _, err = unseal(keys.seal, bItem, key(r.ID, byte('p')), r.payload); err == nil && r.leased() {
		_, err = unseal(keys.seal, bItem, key(r.ID, byte('o')), r.owner)
	}
	c.bad(bItem, k, err)
}

// dueID is the item of a row of bucket due; false when the key has no sense.
func dueID(k []byte) (id mailstore.ID, ok bool) {
	if len(k) < 1 || len(k) != 1+int(k[0])+8+len(id) {
		return id, false
	}
	return mailstore.ID(k[len(k)-len(id):]), true
}

func (c *inspector) dueRow(k, _ []byte) {
	id, ok := dueID(k)
	if !ok {
		c.find(bDue, k, mailstore.DamageUnreadable, "key of %d octets", len(k))
		return
	}
	raw := c.get(bItem, id[:])
	if raw == nil {
		c.find(bDue, k, mailstore.DamageOrphan, "item %s is not there", id)
		return
	}
	if r, err := decodeItem(id, raw); err == nil && !bytes.Equal(r.dueKey(), k) {
		c.find(bDue, k, mailstore.DamageOrphan, "item %s is due at another time", id)
	}
}

// pastRow checks that a completed item will be forgotten.
func (c *inspector) pastRow(k, raw []byte) {
	if len(raw) != 8 {
		c.find(bPast, k, mailstore.DamageUnreadable, "time of %d octets", len(raw))
		return
	}
	if gk := key(raw, goneItem, k); c.get(bGone, gk) == nil {
		c.find(bGone, gk, mailstore.DamageMissing, "item %x is remembered for ever", k)
	}
}

func (c *inspector) goneRow(k, _ []byte) {
	switch {
	case len(k) == 8+1+16 && k[8] == goneItem:
		if c.get(bPast, k[9:]) == nil {
			c.find(bGone, k, mailstore.DamageOrphan, "completed item %x is not remembered", k[9:])
		}
	case len(k) == 8+1+20 && k[8] == goneEmail:
		if _, ok := c.accounts[binary.BigEndian.Uint32(k[9:])]; !ok {
			if c.loadAccounts(); c.accounts[binary.BigEndian.Uint32(k[9:])] == (mailstore.ID{}) {
				c.find(bGone, k, mailstore.DamageOrphan, "a message of no account")
			}
		}
	default:
		c.find(bGone, k, mailstore.DamageUnreadable, "key of %d octets", len(k))
	}
}
