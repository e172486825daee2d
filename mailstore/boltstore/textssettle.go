package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// settleSlice is how many places one commit of Settle changes at most.
const settleSlice = 2000

// Settle implements mailstore.Texts.
func (t *texts) Settle(ctx context.Context, account mailstore.ID, limit int) (lacking []mailstore.Lacking, err error) {
	for {
		more := false
		err := t.change(ctx, func(w *textWork) error {
			keys, err := w.rows.accountKeys(account, true)
			if err != nil {
				return err
			}
			c := &settling{textWork: w, v: &view{txn: w.rows, keys: keys}, limit: limit}
			err = c.account()
			lacking, more = c.lacking, c.wrote >= settleSlice
			return err
		})
		if errors.Is(err, errNoTexts) {
			return nil, nil // which the log said when it came to that
		}
		if err != nil || !more {
			return lacking, err
		}
	}
}

// settling is a Settle under way.
type settling struct {
	*textWork
	v       *view
	limit   int
	lacking []mailstore.Lacking
}

// full reports that the rest is for the next commit.
func (c *settling) full() bool { return c.wrote >= settleSlice }

func (c *settling) account() error {
	boxes, err := c.v.allBoxes()
	if err != nil {
		return err
	}
	exists := map[mailstore.MailboxID]bool{}
	for _, b := range boxes {
		exists[b.ID] = true
	}
	if err := c.deleted(exists); err != nil {
		return err
	}
	// What went comes first, of all mailboxes: a text that a moved message had
	// is then found at its new row.
	moved := make([]movement, 0, len(boxes))
	for _, b := range boxes {
		m, err := c.gone(b)
		if err != nil || c.full() {
			return err
		}
		if m.b != nil {
			moved = append(moved, m)
		}
	}
	for _, m := range moved {
		if len(c.lacking) >= c.limit {
			return nil
		}
		if err := c.came(m); err != nil || c.full() {
			return err
		}
	}
	return nil
}

// movement is a mailbox in which something happened since the mark.
type movement struct {
	b     *boxRecord
	mark  mailstore.ModSeq
	there mailstore.UIDSet // came or changed
}

// deleted forgets the rows of mailboxes that are deleted.
func (c *settling) deleted(exists map[mailstore.MailboxID]bool) error {
	an := c.v.keys.num
	for box := mailstore.MailboxID(0); !c.full(); {
		k, _ := c.place.Cursor().Seek(boxKey(an, box))
		if !bytes.HasPrefix(k, key(an)) {
			return nil
		}
		box = mailstore.MailboxID(binary.BigEndian.Uint32(k[4:]))
		if exists[box] {
			if box++; box == 0 {
				return nil
			}
			continue
		}
		if err := c.leave(box, mailstore.UIDSet{{Start: 1, Stop: ^mailstore.UID(0)}}); err != nil {
			return err
		}
		if !c.full() {
			if err := c.del(c.mark, boxKey(an, box)); err != nil {
				return err
			}
			c.t.mu.Lock()
			delete(c.t.settled, boxPlace{an, box})
			c.t.mu.Unlock()
		}
	}
	return nil
}

// gone forgets the rows of a mailbox that went since the mark; the movement is
// zero when nothing happened.
func (c *settling) gone(b *boxRecord) (movement, error) {
	mark := c.settledTo(boxPlace{c.v.keys.num, b.ID})
	if mark == b.HighestMod {
		return movement{}, nil
	}
	there, gone, err := c.since(b, mark)
	if err != nil {
		return movement{}, err
	}
	return movement{b, mark, there}, c.leave(b.ID, gone)
}

// came looks at the rows that came, and moves the mark.
func (c *settling) came(m movement) error {
	first, err := c.arrive(m.b, m.there)
	if err != nil || c.full() {
		return err
	}
	at := boxPlace{c.v.keys.num, m.b.ID}
	if first == nil {
		c.marks[at] = m.b.HighestMod
	} else if first.createMod > m.mark+1 {
		// The rows before the first one that lacks its text are looked at. UIDs
		// and modseqs ascend together.
		c.marks[at] = first.createMod - 1
	}
	return nil
}

// since are the rows that came or changed after the mark and are there, and
// those that went. A row that came and went after the mark may have a place: a
// text is put without waiting for the mark.
func (c *settling) since(b *boxRecord, mark mailstore.ModSeq) (there, gone mailstore.UIDSet, err error) {
	if mark < b.floor || mark > b.HighestMod {
		return c.compared(b)
	}
	sum, err := c.v.since(b.ID, mark)
	if err != nil {
		return nil, nil, err
	}
	gone = mergeRanges(sum.vanished)
	return subtract(mergeRanges(append(sum.created, sum.changed...)), gone), gone, nil
}

// compared is since for a mark to which the log does not reach back: all rows,
// and the places without one.
func (c *settling) compared(b *boxRecord) (there, gone mailstore.UIDSet, err error) {
	uids, err := c.v.UIDs(b.ID)
	if err != nil {
		return nil, nil, err
	}
	var changed, vanished uidSet
	for _, uid := range uids {
		changed.add(uid)
	}
	prefix := boxKey(c.v.keys.num, b.ID)
	cur := c.place.Cursor()
	for k, _ := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cur.Next() {
		uid := mailstore.UID(binary.BigEndian.Uint32(k[8:]))
		if _, found := slices.BinarySearch(uids, uid); !found {
			vanished.add(uid)
		}
	}
	return changed.ranges, vanished.ranges, nil
}

// leave takes the places of rows that are gone, those of a set that there are.
// A message that stands elsewhere takes its text there; else it is forgotten.
func (c *settling) leave(box mailstore.MailboxID, gone mailstore.UIDSet) error {
	for _, r := range gone {
		for !c.full() {
			// A cursor does not outlive a write.
			k, v := c.place.Cursor().Seek(rowKey(c.v.keys.num, box, r.Start))
			if k == nil || bytes.Compare(k, rowKey(c.v.keys.num, box, r.Stop)) > 0 {
				break
			}
			number, err := numberOf(v)
			if err != nil {
				return err
			}
			r.Start = mailstore.UID(binary.BigEndian.Uint32(k[8:]))
			if err := c.release(number); err != nil {
				return err
			}
			if err := c.del(c.place, copied(k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// release leads to a text from the rows that its message has now, or forgets
// it.
func (c *settling) release(number uint64) error {
	k := key(c.v.keys.num, number)
	head := c.head.Get(k)
	if head == nil {
		return nil // it went with another row of the message
	}
	if len(head) < 16 {
		return errTextsDamaged
	}
	at, err := c.v.ByEmailID(mailstore.ID(head[:16]))
	if err != nil {
		return err
	}
	keep := uint64(0)
	for _, l := range at {
		// A text may have been put for the new row before this one was found.
		if n := c.number(c.v.keys.num, l); n > 0 && n != number {
			keep = n
		}
	}
	if len(at) > 0 && keep == 0 {
		return c.link(c.v.keys.num, at, number)
	}
	if err := c.link(c.v.keys.num, at, keep); err != nil {
		return err
	}
	if err := c.del(c.head, k); err != nil {
		return err
	}
	return c.del(c.body, k)
}

// arrive gives rows their text, where their message has one, and gathers the
// others. It returns the first of those.
func (c *settling) arrive(b *boxRecord, set mailstore.UIDSet) (first *row, err error) {
	without, err := c.without(b.ID, set)
	if err != nil {
		return nil, err
	}
	for _, uid := range without {
		if c.full() {
			return first, nil
		}
		if c.number(c.v.keys.num, mailstore.Location{Mailbox: b.ID, UID: uid}) > 0 {
			continue // linked meanwhile, with another row of the message
		}
		r := &row{}
		if _, err := c.v.readRow(r, b.ID, uid); err != nil {
			return nil, err
		}
		at, err := c.v.ByEmailID(r.email)
		if err != nil {
			return nil, err
		}
		if number := c.shared(c.v.keys.num, at); number > 0 {
			if err := c.link(c.v.keys.num, at, number); err != nil {
				return nil, err
			}
			continue
		}
		if first == nil {
			first = r
		}
		if len(c.lacking) >= c.limit {
			return first, nil
		}
		c.lacking = append(c.lacking, mailstore.Lacking{Location: mailstore.Location{Mailbox: b.ID, UID: uid}, EmailID: r.email})
	}
	return first, nil
}

// without are the UIDs of a set, which exist, that have no place.
func (c *settling) without(box mailstore.MailboxID, set mailstore.UIDSet) (list []mailstore.UID, err error) {
	places := placeCursor{c: c.place.Cursor(), an: c.v.keys.num, box: box}
	err = c.v.eachChunk(box, set, func(_ uint32, rows []flagRow, in []int) error {
		for _, i := range in {
			if v := places.get(rows[i].uid); v == nil {
				list = append(list, rows[i].uid)
			}
		}
		return nil
	})
	return list, err
}

// placeCursor looks places of ascending UIDs up; neighbours cost one step.
type placeCursor struct {
	c    *bolt.Cursor
	an   uint32
	box  mailstore.MailboxID
	k, v []byte // where the cursor is, nil at first
	end  bool
}

// get returns the value of a place, nil when there is none.
func (p *placeCursor) get(uid mailstore.UID) []byte {
	want := rowKey(p.an, p.box, uid)
	if p.k != nil && !p.end && bytes.Compare(p.k, want) < 0 {
		p.k, p.v = p.c.Next()
		p.end = p.k == nil
	}
	if p.k == nil && !p.end || !p.end && bytes.Compare(p.k, want) < 0 {
		p.k, p.v = p.c.Seek(want)
		p.end = p.k == nil
	}
	if !p.end && bytes.Equal(p.k, want) {
		return p.v
	}
	return nil
}

// Drop implements mailstore.Texts.
func (t *texts) Drop(ctx context.Context, account mailstore.ID) error {
	for {
		more := false
		err := t.change(ctx, func(w *textWork) error {
			keys, err := w.rows.accountKeys(account, true)
			if err != nil {
				return err
			}
			more, err = w.drop(key(keys.num))
			return err
		})
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	t.touched(map[mailstore.ID]*touch{account: nil})
	return nil
}

// drop deletes a slice of all that begins with an account's prefix, the marks
// first: without them everything is looked at again.
func (w *textWork) drop(prefix []byte) (more bool, err error) {
	an := binary.BigEndian.Uint32(prefix)
	w.t.mu.Lock()
	for at := range w.t.settled {
		if at.account == an {
			delete(w.t.settled, at)
		}
	}
	w.t.mu.Unlock()
	for _, b := range []*bolt.Bucket{w.mark, w.place, w.head, w.body} {
		for {
			k, _ := b.Cursor().Seek(prefix)
			if !bytes.HasPrefix(k, prefix) {
				break
			}
			if w.wrote >= settleSlice {
				return true, nil
			}
			if err := w.del(b, copied(k)); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}
