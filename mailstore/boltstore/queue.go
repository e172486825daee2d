package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"gosbridge/mailstore"
)

// itemRecord is the row of bucket item.
type itemRecord struct {
	mailstore.Item
	bodies  []bodyRef
	owner   []byte // sealed; empty when not leased
	payload []byte // sealed
}

func (r *itemRecord) encode() []byte {
	e := encoder{b: make([]byte, 0, 128+len(r.payload))}
	e.id(r.Account)
	e.string(r.Class)
	e.time(r.Due)
	e.id(r.Letter)
	e.uint(uint64(r.Attempts))
	e.time(r.Until)
	e.uint(r.Token)
	e.uint(uint64(len(r.bodies)))
	for _, b := range r.bodies {
		e.bodyRef(b)
	}
	e.bytes(r.owner)
	e.bytes(r.payload)
	return e.b
}

func decodeItem(id mailstore.ID, raw []byte) (*itemRecord, error) {
	d := decoder{b: raw}
	r := &itemRecord{}
	r.ID = id
	r.Account = d.id()
	r.Class = d.string()
	r.Due = d.time()
	r.Letter = d.id()
	r.Attempts = int(d.uint())
	r.Until = d.time()
	r.Token = d.uint()
	for range d.uint() {
		if d.bad {
			break
		}
		r.bodies = append(r.bodies, d.bodyRef())
	}
	r.owner = d.bytes()
	r.payload = d.bytes()
	if d.bad {
		return nil, fmt.Errorf("queue item %s: %w", id, mailstore.ErrDamaged)
	}
	return r, nil
}

// leased reports whether somebody has the item, be his lease over or not.
func (r *itemRecord) leased() bool { return len(r.owner) > 0 }

// at is when the item can be leased: its due time, or the end of the lease.
func (r *itemRecord) at() time.Time {
	if r.leased() {
		return r.Until
	}
	return r.Due
}

// classKey begins the rows of a class in bucket due.
func classKey(class string) []byte {
	k := append(make([]byte, 0, 48), byte(len(class)))
	return append(k, class...)
}

func (r *itemRecord) dueKey() []byte { return key(classKey(r.Class), r.at(), r.ID) }

// item reads an item's row; nil when it is absent.
func (t *txn) item(id mailstore.ID) (*itemRecord, error) {
	raw := t.get(bItem, id[:])
	if raw == nil {
		return nil, nil
	}
	return decodeItem(id, raw)
}

// openItem makes the item that callers see.
func (t *txn) openItem(r *itemRecord, share bool) (mailstore.Item, error) {
	keys, err := t.accountKeys(r.Account, share)
	if err != nil {
		return mailstore.Item{}, fmt.Errorf("queue item %s: %w", r.ID, err)
	}
	it := r.Item
	if it.Payload, err = unseal(keys.seal, bItem, key(r.ID, byte('p')), r.payload); err != nil {
		return it, err
	}
	if r.leased() {
		owner, err := unseal(keys.seal, bItem, key(r.ID, byte('o')), r.owner)
		if err != nil {
			return it, err
		}
		it.Owner = string(owner)
	}
	v := view{txn: t, keys: keys}
	for _, b := range r.bodies {
		ref, err := v.openRef(b)
		if err != nil {
			return it, err
		}
		it.Bodies = append(it.Bodies, ref)
	}
	return it, nil
}

// Item implements mailstore.Tx.
func (v *view) Item(id mailstore.ID) (mailstore.Item, error) {
	r, err := v.item(id)
	if err != nil {
		return mailstore.Item{}, err
	}
	if r == nil || r.Account != v.keys.id {
		return mailstore.Item{}, mailstore.ErrNoItem
	}
	return v.openItem(r, v.up == nil)
}

// Enqueue implements mailstore.Outbox.
func (u *update) Enqueue(it mailstore.Item) (err error) {
	defer u.w.guard(u.w.writes, &err)
	if len(it.Class) == 0 || len(it.Class) > 255 {
		return fmt.Errorf("queue class of %d octets: %w", len(it.Class), mailstore.ErrLimit)
	}
	if u.get(bItem, it.ID[:]) != nil || u.get(bPast, it.ID[:]) != nil {
		return nil
	}
	keys := u.keys
	if it.Account != u.keys.id {
		if keys, err = u.w.accountKeys(it.Account, !u.w.created); err != nil {
			return err
		}
	}
	r := &itemRecord{Item: mailstore.Item{ID: it.ID, Account: it.Account, Class: it.Class, Due: it.Due, Letter: it.Letter}}
	r.payload = seal(keys.seal, bItem, key(it.ID, byte('p')), it.Payload)
	for _, ref := range it.Bodies {
		b, err := u.w.useBody(keys, ref)
		if err != nil {
			return err
		}
		r.bodies = append(r.bodies, b)
	}
	u.w.wake(it.Class)
	return u.w.putItem(r)
}

// putItem writes an item and its place in the order of time.
func (w *work) putItem(r *itemRecord) error {
	if err := w.put(bItem, copied(r.ID[:]), r.encode()); err != nil {
		return err
	}
	return w.put(bDue, r.dueKey(), nil)
}

// owned returns an item of this account that the caller holds the lease of.
func (u *update) owned(it mailstore.Item) (*itemRecord, error) {
	r, err := u.item(it.ID)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Account != u.keys.id {
		return nil, mailstore.ErrNoItem
	}
	if !r.leased() || r.Token != it.Token {
		return nil, fmt.Errorf("queue item %s: %w", it.ID, mailstore.ErrLeased)
	}
	return r, nil
}

// Complete implements mailstore.Outbox. A lease that is over but was not taken
// by another still counts: the work is done, and once.
func (u *update) Complete(it mailstore.Item) (err error) {
	defer u.w.guard(u.w.writes, &err)
	r, err := u.owned(it)
	if err != nil {
		return err
	}
	return u.removeItem(r)
}

// removeItem takes an item away and remembers its ID.
func (u *update) removeItem(r *itemRecord) error {
	if err := u.w.del(bDue, r.dueKey()); err != nil {
		return err
	}
	if err := u.w.del(bItem, r.ID[:]); err != nil {
		return err
	}
	for _, b := range r.bodies {
		if err := u.w.releaseBody(u.keys, b); err != nil {
			return err
		}
	}
	now := u.s.now()
	if err := u.w.put(bPast, copied(r.ID[:]), key(now)); err != nil {
		return err
	}
	return u.w.remember(goneItem, r.ID[:], now)
}

// Retry implements mailstore.Outbox.
func (u *update) Retry(it mailstore.Item, due time.Time) (err error) {
	defer u.w.guard(u.w.writes, &err)
	r, err := u.owned(it)
	if err != nil {
		return err
	}
	if err := u.w.del(bDue, r.dueKey()); err != nil {
		return err
	}
	r.owner, r.Until, r.Due = nil, time.Time{}, due
	r.payload = seal(u.keys.seal, bItem, key(r.ID, byte('p')), it.Payload)
	u.w.wake(r.Class)
	return u.w.putItem(r)
}

// Cancel implements mailstore.Outbox.
func (u *update) Cancel(id mailstore.ID) (err error) {
	defer u.w.guard(u.w.writes, &err)
	r, err := u.item(id)
	if err != nil {
		return err
	}
	if r == nil || r.Account != u.keys.id {
		return mailstore.ErrNoItem
	}
	if r.leased() && r.Until.After(u.s.now()) {
		return fmt.Errorf("queue item %s: %w", id, mailstore.ErrLeased)
	}
	return u.removeItem(r)
}

// queue implements mailstore.Queue.
type queue struct{ s *Store }

// Lease implements mailstore.Queue.
func (q queue) Lease(ctx context.Context, class, owner string, n int, ttl time.Duration) (list []mailstore.Item, err error) {
	if owner == "" {
		return nil, fmt.Errorf("lease without owner: %w", mailstore.ErrLeased)
	}
	var unread []error
	err = q.s.submit(ctx, func(w *work) error {
		list, unread = nil, nil
		now := q.s.now()
		for _, k := range w.due(class, now, n) {
			it, err := w.lease(k, owner, now.Add(ttl))
			switch {
			case w.broken != nil:
				return w.broken
			case err != nil:
				unread = append(unread, err)
			default:
				list = append(list, it)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, err := range unread {
		q.s.log.Error("queue item left out until its lease would end", "class", class, "err", err)
	}
	return list, nil
}

// due returns the keys of up to n items of a class that can be leased, the
// earliest first.
func (t *txn) due(class string, now time.Time, n int) (keys [][]byte) {
	prefix := classKey(class)
	limit := timeKey(now)
	t.scan(bDue, prefix, nil, func(k, _ []byte) bool {
		if len(keys) >= n || binary.BigEndian.Uint64(k[len(prefix):]) > limit {
			return false
		}
		keys = append(keys, copied(k))
		return true
	})
	return keys
}

// lease gives the item with a key in bucket due to an owner. An item that
// cannot be read must not keep the others from being worked on: it is due
// again when its lease would end. One that is not there is due no more.
func (w *work) lease(k []byte, owner string, until time.Time) (mailstore.Item, error) {
	id := mailstore.ID(k[len(k)-len(mailstore.ID{}):])
	if err := w.del(bDue, k); err != nil {
		return mailstore.Item{}, err
	}
	r, err := w.item(id)
	if err == nil && r == nil {
		return mailstore.Item{}, fmt.Errorf("due item %s is not there: %w", id, mailstore.ErrDamaged)
	}
	var keys *accountKeys
	if err == nil {
		keys, err = w.accountKeys(r.Account, !w.created)
	}
	if err != nil {
		again := key(k[:1+int(k[0])], until, id)
		return mailstore.Item{}, errors.Join(fmt.Errorf("due item: %w", err), w.put(bDue, again, nil))
	}
	r.owner = seal(keys.seal, bItem, key(id, byte('o')), []byte(owner))
	r.Until = until
	r.Attempts++
	r.Token++
	if err := w.putItem(r); err != nil {
		return mailstore.Item{}, err
	}
	return w.openItem(r, false)
}

// Renew implements mailstore.Queue.
func (q queue) Renew(ctx context.Context, items []mailstore.Item, ttl time.Duration) error {
	return q.s.submit(ctx, func(w *work) error {
		records := make([]*itemRecord, 0, len(items))
		for _, it := range items {
			r, err := w.item(it.ID)
			if err != nil {
				return err
			}
			if r == nil || !r.leased() || r.Token != it.Token {
				return fmt.Errorf("queue item %s: %w", it.ID, mailstore.ErrLeased)
			}
			records = append(records, r)
		}
		for _, r := range records {
			if err := w.del(bDue, r.dueKey()); err != nil {
				return err
			}
			r.Until = q.s.now().Add(ttl)
			if err := w.putItem(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// Next implements mailstore.Queue.
func (q queue) Next(ctx context.Context, class string) (at time.Time, ok bool, err error) {
	prefix := classKey(class)
	err = q.s.read(ctx, func(t *txn) error {
		t.scan(bDue, prefix, nil, func(k, _ []byte) bool {
			at, ok = keyTime(binary.BigEndian.Uint64(k[len(prefix):])), true
			return false
		})
		return nil
	})
	return at, ok, err
}

// Wake implements mailstore.Queue.
func (q queue) Wake(class string) <-chan struct{} { return q.s.wakes.channel(class) }

// Items implements mailstore.Queue.
func (q queue) Items(ctx context.Context, class string, limit int) (list []mailstore.Item, err error) {
	prefix := classKey(class)
	err = q.s.read(ctx, func(t *txn) error {
		var failed error
		t.scan(bDue, prefix, nil, func(k, _ []byte) bool {
			var r *itemRecord
			id := mailstore.ID(bytes.Clone(k[len(prefix)+8:]))
			if r, failed = t.item(id); failed != nil || r == nil {
				return failed == nil
			}
			var it mailstore.Item
			if it, failed = t.openItem(r, true); failed != nil {
				return false
			}
			list = append(list, it)
			return limit == 0 || len(list) < limit
		})
		return failed
	})
	return list, err
}

// Waiting implements mailstore.Queue.
func (q queue) Waiting(ctx context.Context) (map[string]int, error) {
	count := map[string]int{}
	err := q.s.read(ctx, func(t *txn) error {
		t.scan(bDue, nil, nil, func(k, _ []byte) bool {
			count[string(k[1:1+int(k[0])])]++
			return true
		})
		return nil
	})
	return count, err
}
