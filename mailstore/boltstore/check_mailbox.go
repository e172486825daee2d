package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// boxRow checks a mailbox's record, and its counts in one snapshot.
func (c *inspector) boxRow(k, raw []byte) {
	id := mailstore.MailboxID(binary.BigEndian.Uint32(k[4:]))
	c.report.Mailboxes++
	b, err := c.v.box(id)
	if c.bad(bBox, k, err) {
		return
	}
	if name, err := normalName(b.Name); err != nil || name != b.Name {
		c.find(bBox, k, mailstore.DamageMismatch, "its name is not in normal form")
	}
	if at := c.get(bBoxName, c.v.nameKey(b.Name)); !bytes.Equal(at, k[4:]) {
		c.find(bBoxName, c.v.nameKey(b.Name), mailstore.DamageMissing, "the name of mailbox %d", id)
	}
	if c.get(bPurge, k) != nil {
		c.find(bPurge, k, mailstore.DamageMismatch, "a mailbox that is there is to be purged")
	}
	found, err := c.v.tally(b)
	if err != nil {
		return // its chunks and rows tell
	}
	if found.Messages != b.Messages || found.Unseen != b.Unseen || found.Deleted != b.Deleted || found.Octets != b.Octets {
		c.find(bBox, k, mailstore.DamageCount, "counts %d messages, %d unseen, %d deleted, %d octets; found %d, %d, %d, %d",
			b.Messages, b.Unseen, b.Deleted, b.Octets, found.Messages, found.Unseen, found.Deleted, found.Octets)
	}
	if found.UIDNext > b.UIDNext || found.HighestMod > b.HighestMod || b.uidMod > b.HighestMod || b.UIDNext == 0 {
		c.find(bBox, k, mailstore.DamageCount, "UIDNEXT %d, modseq %d and %d; in use are UID %d, modseq %d",
			b.UIDNext, b.HighestMod, b.uidMod, found.UIDNext-1, found.HighestMod)
	}
	if found.logCount != b.logCount {
		c.find(bBox, k, mailstore.DamageCount, "%d entries of the change log counted, found %d", b.logCount, found.logCount)
	}
	if b.NoSelect && found.Messages > 0 {
		c.find(bBox, k, mailstore.DamageMismatch, "%d messages in a name that takes none", found.Messages)
	}
	c.shared(k, b)
}

// tally counts what is in a mailbox. UIDNext is the least that it may be.
func (v *view) tally(b *boxRecord) (found boxRecord, err error) {
	prefix := boxKey(v.keys.num, b.ID)
	found.UIDNext = 1
	doomed := v.doomedIn(prefix, nil, nil)
	var flags []flagRow
	v.scan(bFlag, prefix, nil, func(k, raw []byte) bool {
		if flags, err = decodeChunk(flags[:0], binary.BigEndian.Uint32(k[8:]), raw); err != nil {
			return false
		}
		for _, f := range flags {
			delete(doomed, f.uid) // it stands
			found.Messages++
			found.countFlags(f.flags, 1)
			found.UIDNext = max(found.UIDNext, f.uid+1)
			found.HighestMod = max(found.HighestMod, f.mod)
		}
		return true
	})
	if err != nil {
		return found, err
	}
	var r row
	v.scan(bRow, prefix, nil, func(k, raw []byte) bool {
		if err = r.decode(raw); err != nil {
			return false
		}
		if !doomed[mailstore.UID(binary.BigEndian.Uint32(k[8:]))] {
			found.Octets += r.size
		}
		found.UIDNext = max(found.UIDNext, mailstore.UID(binary.BigEndian.Uint32(k[8:]))+1)
		found.HighestMod = max(found.HighestMod, r.createMod)
		return true
	})
	v.scan(bLog, prefix, nil, func(_, _ []byte) bool { found.logCount++; return true })
	return found, err
}

// shared compares the UIDs that are kept in memory with those on the disk.
func (c *inspector) shared(k []byte, b *boxRecord) {
	vk := vectorKey{c.v.keys.num, b.ID}
	c.s.vectors.mu.Lock()
	old, ok := c.s.vectors.of[vk]
	c.s.vectors.mu.Unlock()
	if !ok || old.mod > b.uidMod {
		return
	}
	shared := old.uids
	var err error
	if old.mod < b.uidMod {
		if shared, err = c.s.vectors.next(c.v, b, old, true); err != nil {
			return // the log tells
		}
	}
	if fresh, err := c.v.loadUIDs(b); err == nil && !slices.Equal(fresh, shared) {
		c.find(bBox, k, mailstore.DamageMismatch, "%d UIDs in memory differ from %d on the disk", len(shared), len(fresh))
	}
}

func (c *inspector) boxNameRow(k, raw []byte) {
	if len(raw) != 4 {
		c.find(bBoxName, k, mailstore.DamageUnreadable, "no number of a mailbox")
		return
	}
	id := mailstore.MailboxID(binary.BigEndian.Uint32(raw))
	switch b, err := c.v.box(id); {
	case c.get(bBox, boxKey(c.v.keys.num, id)) == nil:
		c.find(bBoxName, k, mailstore.DamageOrphan, "the name of mailbox %d, which is not there", id)
	case err == nil && !bytes.Equal(c.v.nameKey(b.Name), k):
		c.find(bBoxName, k, mailstore.DamageOrphan, "not the name of mailbox %d", id)
	}
}

// purgeRow checks the memory of a deleted mailbox: its account, and its record,
// which an earlier release did not keep.
func (c *inspector) purgeRow(k, raw []byte) {
	record, mine := bytes.CutPrefix(raw, c.v.keys.id[:])
	if !mine {
		c.find(bPurge, k, mailstore.DamageMismatch, "names another account")
		return
	}
	if len(record) > 0 {
		_, err := decodeBox(c.v.keys, mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), record)
		c.bad(bPurge, k, err)
	}
}

// home returns the mailbox of a row; nil when the mailbox is being purged, does
// not exist, which is told once, or cannot be read, of which its own row tells.
func (c *inspector) home(n bucket, k []byte) (b *boxRecord, purging bool) {
	id := mailstore.MailboxID(binary.BigEndian.Uint32(k[4:]))
	if b, ok := c.v.boxes[id]; ok {
		return b, false
	}
	if c.get(bBox, k[:8]) == nil {
		if c.get(bPurge, k[:8]) != nil {
			return nil, true
		}
		if c.once(n, k[:8]) {
			c.find(n, k, mailstore.DamageOrphan, "records of mailbox %d, which is not there", id)
		}
		return nil, false
	}
	b, err := c.v.box(id)
	if err != nil {
		return nil, false
	}
	return b, false
}

// messageRow checks a message: its sealed parts, its body, its flags, its place
// in the indexes and in the change log.
func (c *inspector) messageRow(k, raw []byte) {
	var r row
	if c.bad(bRow, k, r.decode(raw)) {
		return
	}
	box, uid := mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), mailstore.UID(binary.BigEndian.Uint32(k[8:]))
	c.indexed(k, &r, box, uid)
	c.held(bRow, k, &r)
	b, _ := c.home(bRow, k)
	if b == nil {
		return
	}
	c.sealed(bRow, k, &r, copied(k))
	f, ok := c.flagsOf(k, uid)
	if c.isDoomed(k, uid) {
		return // it left its mailbox; that its flags are gone is looked at from bucket doomed
	}
	if !ok && c.goneFrom(k).Contains(uid) {
		c.find(bDoomed, k, mailstore.DamageMissing, "message %d is gone, and its row is not to be dropped", uid)
		return
	}
	if !ok {
		c.find(bFlag, chunkKey(c.v.keys.num, box, chunkOf(uid)), mailstore.DamageMissing, "flags of message %d", uid)
		return
	}
	if r.createMod > b.floor && !c.logAt(k, r.createMod).created.Contains(uid) {
		c.find(bLog, logKey(c.v.keys.num, box, r.createMod), mailstore.DamageMissing, "coming of message %d", uid)
	}
	if f.mod > r.createMod && f.mod > b.floor && !c.logAt(k, f.mod).changed.Contains(uid) {
		c.find(bLog, logKey(c.v.keys.num, box, f.mod), mailstore.DamageMissing, "change of message %d", uid)
	}
}

// sealed checks the sealed parts of a row that stands, or stood, under rk.
func (c *inspector) sealed(n bucket, k []byte, r *row, rk []byte) {
	_, err := r.openSummary(c.v.keys, rk)
	c.bad(n, k, err)
	prefix, suffix, err := r.openContent(c.v.keys, rk)
	if size := int64(len(prefix)) + r.length + int64(len(suffix)); !c.bad(n, k, err) && size != r.size {
		c.find(n, k, mailstore.DamageMismatch, "%d octets, says %d", size, r.size)
	}
}

// indexed looks for a message in the indexes.
func (c *inspector) indexed(k []byte, r *row, box mailstore.MailboxID, uid mailstore.UID) {
	ek := key(c.v.keys.num, r.email)
	if rec, err := c.v.email(r.email); err != nil || !rec.standsAt(box, uid) {
		c.find(bEmail, ek, mailstore.DamageMissing, "message %d of mailbox %d", uid, box)
	}
	for _, m := range r.found {
		if ik := key(c.v.keys.num, m, box, uid); c.get(bRowKey, ik) == nil {
			c.find(bRowKey, ik, mailstore.DamageMissing, "message %d of mailbox %d", uid, box)
		}
	}
	if r.letter != (mailstore.ID{}) {
		if ik := key(c.v.keys.num, r.letter, box, uid); c.get(bShows, ik) == nil {
			c.find(bShows, ik, mailstore.DamageMissing, "message %d of mailbox %d", uid, box)
		}
	}
}

// held checks that the holder of a message holds its body.
func (c *inspector) held(n bucket, k []byte, r *row) {
	if r.body.name.IsZero() {
		return
	}
	if r.offset < 0 || r.length < 0 || r.offset+r.length > r.body.size {
		c.find(n, k, mailstore.DamageMismatch, "octets %d+%d of a body of %d", r.offset, r.length, r.body.size)
	}
	c.holds(n, k, c.v.keys.holder, r.body)
}

// holds checks what a row or item says of a body against the holder's hold.
func (c *inspector) holds(n bucket, k []byte, holder uint32, ref bodyRef) {
	raw := c.get(bWrap, wrapKey(ref.name, holder))
	if raw == nil {
		c.find(n, k, mailstore.DamageBody, "body %s: its holder does not hold it", ref.name)
		return
	}
	if wr, err := parseWrapping(raw); err == nil && (wr.place != ref.place || wr.size != ref.size) {
		c.find(n, k, mailstore.DamageMismatch, "body %s: %d octets at %x, kept are %d at %x", ref.name, ref.size, ref.place, wr.size, wr.place)
	}
}

// flagsOf finds the flags of the message with a row's key.
func (c *inspector) flagsOf(k []byte, uid mailstore.UID) (flagRow, bool) {
	ck := chunkKey(binary.BigEndian.Uint32(k), mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), chunkOf(uid))
	if !bytes.Equal(c.last.chunkKey, ck) {
		c.last.chunkKey = ck
		rows, err := decodeChunk(c.last.chunk[:0], chunkOf(uid), c.get(bFlag, ck))
		if err != nil {
			rows = nil // its own row tells
		}
		c.last.chunk = rows
	}
	i, ok := slices.BinarySearchFunc(c.last.chunk, uid, func(f flagRow, uid mailstore.UID) int { return int(f.uid) - int(uid) })
	if !ok {
		return flagRow{}, false
	}
	return c.last.chunk[i], true
}

// logAt is an entry of the change log of the mailbox in a row's key, empty when
// there is none.
func (c *inspector) logAt(k []byte, mod mailstore.ModSeq) *logEntry {
	lk := logKey(binary.BigEndian.Uint32(k), mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), mod)
	if !bytes.Equal(c.last.logKey, lk) {
		c.last.logKey, c.last.log = lk, &logEntry{}
		if raw := c.get(bLog, lk); raw != nil {
			if err := decodeLog(c.last.log, raw); err != nil {
				c.last.log = &logEntry{}
			}
		}
	}
	return c.last.log
}

// flagRow checks a chunk of flags: order, keywords, and that each is one of a
// message.
func (c *inspector) flagRow(k, raw []byte) {
	number := binary.BigEndian.Uint32(k[8:])
	rows, err := decodeChunk(nil, number, raw)
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("empty: %w", mailstore.ErrDamaged)
	}
	if c.bad(bFlag, k, err) {
		return
	}
	b, _ := c.home(bFlag, k)
	if b == nil {
		return
	}
	for i, f := range rows {
		if chunkOf(f.uid) != number || i > 0 && rows[i-1].uid >= f.uid {
			c.find(bFlag, k, mailstore.DamageUnreadable, "UID %d out of order", f.uid)
			return
		}
		if _, err := b.words(f.keywords); err != nil {
			c.find(bFlag, k, mailstore.DamageUnreadable, "message %d: %v", f.uid, err)
		}
		if c.get(bRow, rowKey(c.v.keys.num, b.ID, f.uid)) == nil {
			c.find(bRow, rowKey(c.v.keys.num, b.ID, f.uid), mailstore.DamageMissing, "message %d, which has flags", f.uid)
		}
	}
}

// logRow checks an entry of the change log.
func (c *inspector) logRow(k, raw []byte) {
	var l logEntry
	if c.bad(bLog, k, decodeLog(&l, raw)) {
		return
	}
	b, _ := c.home(bLog, k)
	if b == nil {
		return
	}
	mod := mailstore.ModSeq(binary.BigEndian.Uint64(k[8:]))
	if mod > b.HighestMod || mod <= b.floor {
		c.find(bLog, k, mailstore.DamageMismatch, "entry at %d outside %d..%d", mod, b.floor, b.HighestMod)
	}
	for _, set := range []mailstore.UIDSet{l.created, l.changed, l.vanished} {
		for _, r := range set {
			if r.Start == 0 || r.Stop < r.Start || r.Stop >= b.UIDNext {
				c.find(bLog, k, mailstore.DamageMismatch, "UIDs %d to %d, UIDNEXT is %d", r.Start, r.Stop, b.UIDNext)
				return
			}
		}
	}
	if len(l.vanished) == 0 {
		return
	}
	// A damaged chunk tells of itself.
	_ = c.v.eachChunk(b.ID, l.vanished, func(_ uint32, rows []flagRow, in []int) error {
		c.find(bLog, k, mailstore.DamageMismatch, "message %d vanished and is there", rows[in[0]].uid)
		return errStop
	})
}
