package boltstore

import (
	"encoding/binary"
	"fmt"

	"gosbridge/mailstore"
)

// logEntry is what one Update did to one mailbox.
type logEntry struct {
	created, changed, vanished mailstore.UIDSet
}

func (l *logEntry) empty() bool {
	return len(l.created)+len(l.changed)+len(l.vanished) == 0
}

// encode writes each set as its ranges, each relative to the one before.
func (l *logEntry) encode() []byte {
	var e encoder
	for _, set := range []mailstore.UIDSet{l.created, l.changed, l.vanished} {
		ranges := mergeRanges(append([]mailstore.UIDRange(nil), set...))
		e.uint(uint64(len(ranges)))
		var at mailstore.UID
		for _, r := range ranges {
			e.uint(uint64(r.Start - at))
			e.uint(uint64(r.Stop - r.Start))
			at = r.Stop
		}
	}
	return e.b
}

// decodeLog appends an entry's ranges to into.
func decodeLog(into *logEntry, raw []byte) error {
	d := decoder{b: raw}
	for _, set := range []*mailstore.UIDSet{&into.created, &into.changed, &into.vanished} {
		var at mailstore.UID
		for range d.uint() {
			start := at + mailstore.UID(d.uint())
			at = start + mailstore.UID(d.uint())
			if d.bad {
				return fmt.Errorf("change log: %w", mailstore.ErrDamaged)
			}
			*set = append(*set, mailstore.UIDRange{Start: start, Stop: at})
		}
	}
	return d.err()
}

func logKey(an uint32, box mailstore.MailboxID, mod mailstore.ModSeq) []byte {
	k := make([]byte, 16)
	binary.BigEndian.PutUint32(k, an)
	binary.BigEndian.PutUint32(k[4:], uint32(box))
	binary.BigEndian.PutUint64(k[8:], uint64(mod))
	return k
}

// pruneSlice is how many old entries of the log one new entry removes at most.
const pruneSlice = 4

// writeLog writes the Update's entry for a mailbox and prunes behind.
func (u *update) writeLog(b *boxRecord, l *logEntry) error {
	if l.empty() {
		return nil
	}
	if err := u.w.put(bLog, logKey(u.keys.num, b.ID, u.mod), l.encode()); err != nil {
		return err
	}
	b.logCount++
	b.dirty = true
	excess := min(int(b.logCount)-u.s.opts.LogEntries, pruneSlice)
	if excess <= 0 {
		return nil
	}
	var old [][]byte
	u.scan(bLog, boxKey(u.keys.num, b.ID), nil, func(k, _ []byte) bool {
		old = append(old, copied(k))
		return len(old) < excess
	})
	for _, k := range old {
		if err := u.w.del(bLog, k); err != nil {
			return err
		}
		b.logCount--
		b.floor = mailstore.ModSeq(binary.BigEndian.Uint64(k[8:]))
	}
	return nil
}

// since sums up the log after a modseq, the running Update's part included.
func (v *view) since(box mailstore.MailboxID, since mailstore.ModSeq) (*logEntry, error) {
	sum := &logEntry{}
	if since < ^mailstore.ModSeq(0) {
		var err error
		v.scan(bLog, boxKey(v.keys.num, box), logKey(v.keys.num, box, since+1), func(_, raw []byte) bool {
			err = decodeLog(sum, raw)
			return err == nil
		})
		if err != nil {
			return nil, err
		}
	}
	if v.up != nil && v.up.mod > since {
		if l := v.up.logs[box]; l != nil {
			sum.created = append(sum.created, l.created...)
			sum.changed = append(sum.changed, l.changed...)
			sum.vanished = append(sum.vanished, l.vanished...)
		}
	}
	return sum, nil
}

// Changes implements mailstore.Tx. A message that came and went after since is
// in neither set: who asks has never seen it.
func (v *view) Changes(box mailstore.MailboxID, since mailstore.ModSeq) (mailstore.Changes, error) {
	b, err := v.box(box)
	if err != nil {
		return mailstore.Changes{}, err
	}
	c := mailstore.Changes{HighestMod: b.HighestMod, Complete: since >= b.floor}
	if since >= b.HighestMod {
		return c, nil
	}
	sum, err := v.since(box, since)
	if err != nil {
		return c, err
	}
	created, vanished := mergeRanges(sum.created), mergeRanges(sum.vanished)
	changed := mergeRanges(append(append([]mailstore.UIDRange(nil), created...), sum.changed...))
	c.Changed = subtract(changed, vanished)
	c.Vanished = subtract(vanished, created)
	return c, nil
}
