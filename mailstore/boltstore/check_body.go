package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// wrapped is a large body with its hold.
type wrapped struct {
	k   []byte
	ref body.Ref
}

// wrapRow checks a holder's hold on a body, and the body itself: a small one
// here, a large one after the slice.
func (c *inspector) wrapRow(k, raw []byte) {
	c.report.Bodies++
	wr, err := parseWrapping(raw)
	if c.unwrapped(k, err) {
		return
	}
	c.report.BodyOctets += wr.size
	name := body.Name(k[:16])
	keys := c.wrapKeys(binary.BigEndian.Uint32(k[16:]))
	if keys == nil {
		if c.once(bWrap, k[16:]) {
			c.find(bWrap, k, mailstore.DamageOrphan, "bodies held by holder number %d, which cannot be opened", binary.BigEndian.Uint32(k[16:]))
		}
		return
	}
	dataKey, err := keys.unwrapBody(k, wr.wrapped)
	if c.unwrapped(k, err) {
		return
	}
	if other, _, err := c.heldBy(name); err == nil && (other.place != wr.place || other.size != wr.size) {
		c.find(bWrap, k, mailstore.DamageMismatch, "another holder has the body elsewhere")
	}
	ref := body.Ref{Name: name, Key: dataKey, Size: wr.size, Place: wr.place}
	if !isInline(wr.place) {
		c.unread = append(c.unread, wrapped{copied(k), ref})
		return
	}
	sealed := c.get(bInline, key(wr.place))
	if sealed == nil {
		c.damage(name, body.ErrNotFound)
		return
	}
	if c.opts.Bodies {
		r, err := body.OpenSealed(ref, sealed, 0)
		c.damage(name, drain(r, err, ref.Size))
	}
}

// unwrapped tells of a hold that gives no key to its body; who uses the body is
// found at the end.
func (c *inspector) unwrapped(k []byte, err error) bool {
	c.damage(body.Name(k[:16]), err)
	return c.bad(bWrap, k, err)
}

// wrapKeys opens the key under which a holder's data keys are wrapped.
func (c *inspector) wrapKeys(num uint32) *accountKeys {
	if keys, ok := c.wraps[num]; ok {
		return keys
	}
	var keys *accountKeys
	c.scan(bHolder, nil, nil, func(k, raw []byte) bool {
		d := decoder{b: raw}
		if d.fixed32() != num || len(k) != len(mailstore.ID{}) {
			return true
		}
		if _, holderKey, err := c.holder(mailstore.ID(k)); err == nil {
			keys, _ = newAccountKeys(mailstore.ID{}, 0, num, holderKey)
		}
		return keys == nil
	})
	if keys != nil { // one that is not there may come
		c.wraps[num] = keys
	}
	return keys
}

// drain reads a body to its end.
func drain(r io.ReadCloser, err error, size int64) error {
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != size {
		err = fmt.Errorf("%d octets of %d: %w", n, size, body.ErrDamaged)
	}
	return errors.Join(err, r.Close())
}

// maxDamaged bounds how many bodies that cannot be read are kept in memory.
const maxDamaged = 20_000

// damage notes a body that cannot be read. Who uses it is found at the end.
func (c *inspector) damage(name body.Name, err error) {
	if err == nil || c.damaged[name] != "" {
		return
	}
	if len(c.damaged) == maxDamaged {
		c.overflow = true
		return
	}
	c.damaged[name] = err.Error()
}

// readLarge reads the large bodies of a slice, outside its snapshot. One that
// was let go meanwhile is no finding.
func (c *inspector) readLarge() error {
	for _, w := range c.unread {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if c.read += w.ref.Size; c.opts.Progress != nil && c.opts.Bodies {
			c.opts.Progress("reading bodies", c.read, 0, "octets")
		}
		size := w.ref.Size
		offset := size // opens nothing, but looks for the body
		if c.opts.Bodies {
			offset = 0
		}
		r, err := c.s.bodies.Open(c.ctx, w.ref, offset)
		err = drain(r, err, size-offset)
		if err == nil || errors.Is(err, c.ctx.Err()) {
			continue
		}
		cause := err
		lost := c.s.large.Lost(w.ref.Place)
		if lost != nil {
			cause = lost
		}
		still := false
		err = c.s.read(c.ctx, func(t *txn) error {
			wr, err := parseWrapping(t.get(bWrap, w.k))
			still = err == nil && wr.place == w.ref.Place
			return nil
		})
		if err != nil {
			return err
		}
		if still && lost != nil && c.mend != nil {
			continue // nothing to mend: the file may come back
		}
		if still {
			c.damage(w.ref.Name, cause)
		}
	}
	c.unread = c.unread[:0]
	return nil
}

// inlineRow checks the key of a small body; who holds it is counted with the
// totals, and its octets are read from its hold.
func (c *inspector) inlineRow(k, _ []byte) {
	if !isInline(binary.BigEndian.Uint64(k)) {
		c.find(bInline, k, mailstore.DamageUnreadable, "no place of a small body")
	}
}

// deadRow checks a body that nobody holds any more. It may have been swept. That
// its place was given out is looked at with the counters.
func (c *inspector) deadRow(k, _ []byte) {
	if binary.BigEndian.Uint64(k[8:]) == 0 {
		c.find(bDead, k, mailstore.DamageMismatch, "a body without a place")
	}
}

// files checks the files of large bodies.
func (c *inspector) files() error {
	c.progress("body files", 0)
	rest := func() { c.rest(checkTime / 20) }
	_, err := c.s.large.Check(c.ctx, c.opts.Pages, rest, func(f body.Fault) {
		finding := mailstore.Finding{Kind: mailstore.DamageBody, File: f.File, Bucket: f.Bucket, Text: f.Text}
		if f.Page {
			finding.Kind = mailstore.DamagePage
		}
		if f.Place != 0 {
			finding.Key = fmt.Sprintf("%016x", f.Place)
		}
		if !f.Name.IsZero() {
			finding.Body = f.Name.String()
		}
		c.found(finding)
	})
	return err
}

// maxCounted is how many uses, places or memories are counted in one pass, 8
// octets each.
const maxCounted = 4 << 20

// totals counts what no single row can tell, in one snapshot: uses of bodies,
// small bodies that nobody has, and messages that are remembered for ever. It
// goes through the rows as often as their number asks for, and keeps 8 octets of
// each.
func (c *inspector) totals() error {
	return c.guard(bWrap, new([]byte), func() error {
		c.loadAccounts()
		passes := uint64(1 + c.report.Messages/maxCounted)
		seed := maphash.MakeSeed()
		for pass := range passes {
			mine := func(h uint64) bool { return h%passes == pass }
			c.countUses(seed, mine)
			c.countPlaces(mine)
			c.countMemories(seed, mine)
			if err := c.ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// holdersOf maps the numbers of accounts to those of their holders.
func (t *txn) holdersOf() map[uint32]uint32 {
	of := map[uint32]uint32{}
	t.scan(bAccount, nil, nil, func(k, raw []byte) bool {
		d := decoder{b: raw}
		num, holder := d.fixed32(), d.fixed32()
		of[num] = holder
		return true
	})
	return of
}

// eachUse calls fn for each use of a body by a row, an entry of the vault or an
// item that can be read.
func (t *txn) eachUse(fn func(n bucket, k []byte, holder uint32, ref bodyRef)) {
	of := t.holdersOf()
	var r row
	t.scan(bRow, nil, nil, func(k, raw []byte) bool {
		if len(k) == keySizes[bRow] && r.decode(raw) == nil && !r.body.name.IsZero() {
			fn(bRow, k, of[binary.BigEndian.Uint32(k)], r.body)
		}
		return true
	})
	t.scan(bVault, nil, nil, func(k, raw []byte) bool {
		if len(k) != keySizes[bVault] {
			return true
		}
		if e, err := decodeVaultEntry(mailstore.ID(k[4:]), raw); err == nil && !e.row.body.name.IsZero() {
			fn(bVault, k, of[binary.BigEndian.Uint32(k)], e.row.body)
		}
		return true
	})
	t.scan(bItem, nil, nil, func(k, raw []byte) bool {
		if len(k) != keySizes[bItem] {
			return true
		}
		it, err := decodeItem(mailstore.ID(k), raw)
		if err != nil || len(it.bodies) == 0 {
			return true
		}
		if rec, _, err := decodeAccountHead(it.Account, t.get(bAccount, it.Account[:])); err == nil {
			for _, ref := range it.bodies {
				fn(bItem, k, rec.holderNum, ref)
			}
		}
		return true
	})
}

// countUses compares the uses that are kept with those that are found. Uses are
// told apart by a hash; what then looks wrong is counted exactly.
func (c *inspector) countUses(seed maphash.Seed, mine func(uint64) bool) {
	var uses []uint64
	c.eachUse(func(_ bucket, _ []byte, holder uint32, ref bodyRef) {
		if h := maphash.Bytes(seed, wrapKey(ref.name, holder)); mine(h) {
			uses = append(uses, h)
		}
	})
	slices.Sort(uses)
	limit := maxFindings
	if c.mend != nil {
		limit = repairMemory
	}
	suspects := map[string]uint64{}
	c.scan(bWrap, nil, nil, func(k, raw []byte) bool {
		h := maphash.Bytes(seed, k)
		if !mine(h) || len(suspects) > limit {
			return true
		}
		from, _ := slices.BinarySearch(uses, h)
		n := uint64(0)
		for ; from < len(uses) && uses[from] == h; from++ {
			n++
		}
		if wr, err := parseWrapping(raw); err == nil && wr.uses != n {
			suspects[string(k)] = 0
		}
		return true
	})
	if len(suspects) == 0 {
		return
	}
	c.eachUse(func(_ bucket, _ []byte, holder uint32, ref bodyRef) {
		k := string(wrapKey(ref.name, holder))
		if n, ok := suspects[k]; ok {
			suspects[k] = n + 1
		}
	})
	for k, n := range suspects {
		wr, err := parseWrapping(c.get(bWrap, []byte(k)))
		if err == nil && wr.uses != n {
			c.uses = n
			c.find(bWrap, []byte(k), mailstore.DamageCount, "%d uses kept, %d found", wr.uses, n)
		}
	}
}

// countPlaces looks for small bodies that are neither held nor dead.
func (c *inspector) countPlaces(mine func(uint64) bool) {
	var places []uint64
	add := func(place uint64) {
		if isInline(place) && mine(place) {
			places = append(places, place)
		}
	}
	c.scan(bWrap, nil, nil, func(_, raw []byte) bool {
		if wr, err := parseWrapping(raw); err == nil {
			add(wr.place)
		}
		return true
	})
	c.scan(bDead, nil, nil, func(k, _ []byte) bool {
		if len(k) == keySizes[bDead] {
			add(binary.BigEndian.Uint64(k[8:]))
		}
		return true
	})
	slices.Sort(places)
	c.scan(bInline, nil, nil, func(k, _ []byte) bool {
		if len(k) != keySizes[bInline] || !mine(binary.BigEndian.Uint64(k)) {
			return true
		}
		if _, ok := slices.BinarySearch(places, binary.BigEndian.Uint64(k)); !ok {
			c.find(bInline, k, mailstore.DamageOrphan, "a small body that is neither held nor dead")
		}
		return true
	})
}

// countMemories looks for messages that are gone and will never be forgotten.
func (c *inspector) countMemories(seed maphash.Seed, mine func(uint64) bool) {
	var forget []uint64
	c.scan(bGone, nil, nil, func(k, _ []byte) bool {
		if len(k) == 8+1+20 && k[8] == goneEmail {
			if h := maphash.Bytes(seed, k[9:]); mine(h) {
				forget = append(forget, h)
			}
		}
		return true
	})
	slices.Sort(forget)
	c.scan(bEmail, nil, nil, func(k, raw []byte) bool {
		h := maphash.Bytes(seed, k)
		if rec, err := decodeEmail(raw); err != nil || len(rec.at) > 0 || !mine(h) {
			return true
		}
		if _, ok := slices.BinarySearch(forget, h); !ok {
			c.find(bEmail, k, mailstore.DamageOrphan, "a message that is gone is remembered for ever")
		}
		return true
	})
}

// users tells which messages and items use the bodies that cannot be read.
func (c *inspector) users() error {
	return c.guard(bRow, new([]byte), func() error {
		c.tellUsers()
		return nil
	})
}

func (c *inspector) tellUsers() {
	c.loadAccounts()
	used := map[body.Name]bool{}
	tell := func(n bucket, k []byte, name body.Name, place uint64) {
		used[name] = true
		f := mailstore.Finding{Kind: mailstore.DamageBody, File: metaFile, Bucket: bucketNames[n], Key: fmt.Sprintf("%x", k), Text: c.damaged[name]}
		if !isInline(place) {
			f.File = body.FileName(place)
		}
		f = c.placed(n, k, f)
		f.Body = name.String()
		c.tell(n, k, f)
	}
	c.eachUse(func(n bucket, k []byte, _ uint32, ref bodyRef) {
		if c.damaged[ref.name] != "" {
			tell(n, k, ref.name, ref.place)
		}
	})
	c.scan(bWrap, nil, nil, func(k, raw []byte) bool {
		if name := body.Name(k[:16]); c.damaged[name] != "" && !used[name] {
			wr, _ := parseWrapping(raw)
			tell(bWrap, k, name, wr.place)
		}
		return true
	})
}
