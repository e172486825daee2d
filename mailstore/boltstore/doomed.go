package boltstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosbridge/mailstore"
)

// Who expunges or moves many messages waits only until they are out of their
// mailbox: flags, counts and the change log. What else is theirs lies all over
// the file (the id index, the uses of bodies), so it is dropped behind the
// commit, in slices, from rows of bucket doomed that the same commit wrote.
// Until then indexes may name a message that does not stand where they say.

const (
	// doomedFrom is from how many messages on it pays to leave them behind.
	doomedFrom = 64
	// doomedMost is how many may wait. Beyond it who expunges drops them
	// himself, so that nobody makes them faster than they go.
	doomedMost = 50_000
	// doomedSlice is how many messages one commit drops, and doomedPause the
	// time that others have between two of them.
	doomedSlice = 2 * chunkUIDs
	doomedPause = 20 * time.Millisecond
)

// mayWait reports whether n messages may be left to be dropped behind.
func (s *Store) mayWait(n int) bool { return n >= s.opts.doomedFrom && s.doomed.Load() < doomedMost }

// doom notes messages of one chunk that left their mailbox.
func (w *work) doom(keys *accountKeys, box mailstore.MailboxID, rows []flagRow) error {
	e := encoder{b: make([]byte, 0, 16+8*len(rows)+16)}
	e.id(keys.id)
	w.doomed += len(rows)
	return w.put(bDoomed, rowKey(keys.num, box, rows[0].uid), appendChunk(e.b, rows))
}

// decodeDoomed reads what doom wrote under k.
func decodeDoomed(k, raw []byte) (account mailstore.ID, box mailstore.MailboxID, rows []flagRow, err error) {
	at := decoder{b: k}
	at.fixed32()
	box = mailstore.MailboxID(at.fixed32())
	first := at.fixed32()
	d := decoder{b: raw}
	account = d.id()
	if at.bad || d.bad {
		return account, box, nil, fmt.Errorf("doomed: %w", mailstore.ErrDamaged)
	}
	rows, err = decodeChunk(nil, chunkOf(mailstore.UID(first)), d.b)
	return account, box, rows, err
}

// countDoomed counts what the last run left. What is damaged is told by the
// drop.
func (s *Store) countDoomed(ctx context.Context) error {
	return s.read(ctx, func(t *txn) error {
		t.scan(bDoomed, nil, nil, func(k, raw []byte) bool {
			if _, _, rows, err := decodeDoomed(k, raw); err == nil {
				s.doomed.Add(int64(len(rows)))
			}
			return true
		})
		return nil
	})
}

// dropOne drops one slice and reports whether there may be more. What is
// damaged is told once and left where it is: it must not keep the rest.
func (s *Store) dropOne(ctx context.Context) (more bool, err error) {
	if more, err = s.waiting(ctx, bDoomed); err != nil || !more {
		return false, err
	}
	select {
	case <-s.closing:
		return false, nil
	case <-time.After(doomedPause):
	}
	if err := s.hook("drop"); err != nil {
		return false, err
	}
	slice := dropping{skip: s.stuck}
	err = s.submit(ctx, slice.run)
	if errors.Is(err, mailstore.ErrDamaged) && slice.at != nil {
		s.stuck[string(slice.at)] = true
		s.log.Error("expunged messages not dropped", "err", err)
		return true, nil
	}
	return slice.count > 0, err
}

// waiting reports whether a bucket has rows.
func (s *Store) waiting(ctx context.Context, n bucket) (found bool, err error) {
	err = s.read(ctx, func(t *txn) error {
		k, _ := t.b(n).Cursor().First()
		found = k != nil
		return nil
	})
	return found, err
}

// dropping drops some of the doomed messages.
type dropping struct {
	skip  map[string]bool // rows that are damaged
	at    []byte          // the row that is worked on
	count int             // messages dropped
}

func (d *dropping) run(w *work) error {
	d.at, d.count = []byte{0}, 0
	for d.count < doomedSlice {
		k, raw := w.seek(bDoomed, d.at)
		if k == nil {
			return nil
		}
		d.at = copied(k)
		if !d.skip[string(d.at)] {
			n, err := w.dropDoomed(d.at, copied(raw))
			if err != nil {
				return err
			}
			d.count += n
		}
		d.at = append(d.at, 0) // what follows
	}
	return nil
}

// dropDoomed drops the messages of one row of bucket doomed, and the row.
func (w *work) dropDoomed(k, raw []byte) (int, error) {
	account, box, rows, err := decodeDoomed(k, raw)
	if err != nil {
		return 0, err
	}
	keys, err := w.accountKeys(account, !w.created)
	if err != nil {
		return 0, err
	}
	v := &view{txn: w.txn, keys: keys}
	b, err := v.box(box)
	if errors.Is(err, mailstore.ErrNoMailbox) { // what is kept of it was not left here
		b, err = &boxRecord{}, nil
		b.ID = box
	}
	if err != nil {
		return 0, err
	}
	for _, f := range rows {
		if w.get(bRow, rowKey(keys.num, box, f.uid)) == nil {
			continue // it went with its mailbox
		}
		if _, err := w.dropRow(v, b, f); err != nil {
			return 0, fmt.Errorf("drop: %w", err)
		}
	}
	w.doomed -= len(rows)
	return len(rows), w.del(bDoomed, k)
}

// stands reports whether the message is where an index says: in a mailbox
// that was not deleted, and not doomed.
func (v *view) stands(box mailstore.MailboxID, uid mailstore.UID) bool {
	if !v.boxExists(box) {
		return false
	}
	var buf [chunkUIDs]flagRow
	rows, err := decodeChunk(buf[:0], chunkOf(uid), v.get(bFlag, chunkKey(v.keys.num, box, chunkOf(uid))))
	if err != nil {
		return true // who reads it finds the damage
	}
	for _, f := range rows {
		if f.uid == uid {
			return true
		}
	}
	return false
}
