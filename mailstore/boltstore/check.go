package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// Check reads the whole store and returns what breaks a rule: bbolt's own
// structure, counts against rows, indexes both ways, the change log, the uses
// of bodies, and every sealed record and body. It may run beside everything
// else; it is for tests and for the operator who doubts a disk.
func (s *Store) Check(ctx context.Context) error {
	c := &checker{ctx: ctx, uses: map[string]uint64{}, refs: map[body.Name]body.Ref{}}
	// bbolt's list of free pages is the writer's, so its own check is too.
	err := s.submit(ctx, func(w *work) error {
		c.errs = nil
		for err := range w.tx.Check() {
			c.add("bbolt: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = s.read(ctx, func(t *txn) error {
		c.txn = t
		c.accounts()
		c.items()
		c.wraps()
		c.loose()
		c.texts()
		return nil
	})
	if err != nil {
		return err
	}
	for _, ref := range c.refs {
		c.body(s, ref)
	}
	return errors.Join(c.errs...)
}

// checker gathers what is wrong.
type checker struct {
	*txn
	ctx  context.Context
	uses map[string]uint64 // key in bucket wrap -> rows and items that name it
	refs map[body.Name]body.Ref
	errs []error
}

// maxFindings bounds the report about a store that is broken all over.
const maxFindings = 50

func (c *checker) add(format string, args ...any) {
	if len(c.errs) < maxFindings {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// must notes an error.
func (c *checker) must(err error, what string, args ...any) bool {
	if err != nil {
		c.add("%s: %w", fmt.Sprintf(what, args...), err)
	}
	return err == nil
}

// accounts checks everything that hangs on accounts.
func (c *checker) accounts() {
	addresses := 0
	c.scan(bAccount, nil, nil, func(k, _ []byte) bool {
		id := mailstore.ID(k)
		keys, err := c.accountKeys(id, false)
		if !c.must(err, "account %s", id) {
			return true
		}
		a, err := c.account(keys)
		c.must(err, "account %s", id)
		for _, address := range a.Addresses {
			addresses++
			if owner, err := c.accountByAddress(address); err != nil || owner != id {
				c.add("account %s: address not in the index", id)
			}
		}
		(&accountChecker{checker: c, v: &view{txn: c.txn, keys: keys}}).check()
		return true
	})
	if n := c.size(bAddress, nil); n != addresses {
		c.add("%d addresses in the index, %d in accounts", n, addresses)
	}
}

// size counts the rows with a prefix.
func (c *checker) size(n bucket, prefix []byte) (rows int) {
	c.scan(n, prefix, nil, func(_, _ []byte) bool { rows++; return true })
	return rows
}

// items checks queue items against their order by time.
func (c *checker) items() {
	c.scan(bItem, nil, nil, func(k, raw []byte) bool {
		r, err := decodeItem(mailstore.ID(k), raw)
		if !c.must(err, "item") {
			return true
		}
		if c.get(bDue, r.dueKey()) == nil {
			c.add("item %s not in the order of its class", r.ID)
		}
		it, err := c.openItem(r, false)
		c.must(err, "item %s", r.ID)
		keys, err := c.accountKeys(r.Account, false)
		if !c.must(err, "item %s", r.ID) {
			return true
		}
		for _, b := range r.bodies {
			c.uses[string(wrapKey(b.name, keys.holder))]++
		}
		for _, ref := range it.Bodies {
			c.refs[ref.Name] = ref
		}
		return true
	})
	if items, due := c.size(bItem, nil), c.size(bDue, nil); items != due {
		c.add("%d items, %d in order", items, due)
	}
}

// wraps checks that the uses of bodies are what rows and items say.
func (c *checker) wraps() {
	places := map[uint64]bool{}
	c.scan(bWrap, nil, nil, func(k, raw []byte) bool {
		wr, err := decodeWrapping(raw)
		c.must(err, "wrapping %x", k)
		if wr.uses != c.uses[string(k)] {
			c.add("body %x of holder %x: %d uses kept, %d found", k[:16], k[16:], wr.uses, c.uses[string(k)])
		}
		delete(c.uses, string(k))
		places[wr.place] = true
		if isInline(wr.place) && c.get(bInline, key(wr.place)) == nil {
			c.add("body %x: not there", k[:16])
		}
		return true
	})
	for k, n := range c.uses {
		c.add("body %x of holder %x: no wrapping for %d uses", k[:16], k[16:], n)
	}
	c.scan(bDead, nil, nil, func(k, _ []byte) bool {
		places[binary.BigEndian.Uint64(k[8:])] = true
		return true
	})
	c.scan(bInline, nil, nil, func(k, _ []byte) bool {
		if !places[binary.BigEndian.Uint64(k)] {
			c.add("small body %x: neither held nor dead", k)
		}
		return true
	})
}

// loose checks the rows that belong to no account: settings and memories.
func (c *checker) loose() {
	c.scan(bSetting, nil, nil, func(k, raw []byte) bool {
		_, err := unseal(c.s.keys.setting, bSetting, k, raw)
		c.must(err, "setting")
		return true
	})
	past := 0
	c.scan(bGone, nil, nil, func(k, _ []byte) bool {
		if len(k) > 9 && k[8] == goneItem {
			past++
			if c.get(bPast, k[9:]) == nil {
				c.add("completed item %x not remembered", k[9:])
			}
		}
		return true
	})
	if n := c.size(bPast, nil); n != past {
		c.add("%d completed items remembered, %d to be forgotten", n, past)
	}
	c.scan(bHolder, nil, nil, func(k, _ []byte) bool {
		_, _, err := c.holder(mailstore.ID(k))
		c.must(err, "holder")
		return true
	})
	c.orphans()
}

// orphans finds rows of mailboxes that are neither there nor to be purged.
func (c *checker) orphans() {
	for _, n := range []bucket{bRow, bFlag, bLog} {
		var last []byte
		c.scan(n, nil, nil, func(k, _ []byte) bool {
			if bytes.Equal(k[:8], last) {
				return true
			}
			last = copied(k[:8])
			if c.get(bBox, last) == nil && c.get(bPurge, last) == nil {
				c.add("%s: rows of no mailbox %x", bucketNames[n], last)
			}
			return true
		})
	}
}

// body reads a body to its end.
func (c *checker) body(s *Store, ref body.Ref) {
	r, err := s.bodies.Open(c.ctx, ref, 0)
	if !c.must(err, "body %s", ref.Name) {
		return
	}
	defer func() { c.must(r.Close(), "body %s", ref.Name) }()
	n, err := io.Copy(io.Discard, r)
	if c.must(err, "body %s", ref.Name) && n != ref.Size {
		c.add("body %s: %d octets of %d", ref.Name, n, ref.Size)
	}
}
