package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// own makes the account of a row the one in hand; false when there is none, or
// none that can be opened, of which its own row tells.
func (c *inspector) own(n bucket, k []byte) bool {
	num := binary.BigEndian.Uint32(k)
	if c.v != nil && c.v.keys.num == num {
		return true
	}
	id, ok := c.accounts[num]
	if !ok {
		c.loadAccounts()
		if id, ok = c.accounts[num]; !ok {
			if c.once(n, k[:4]) {
				c.find(n, k, mailstore.DamageOrphan, "records of account number %d, which is not there", num)
			}
			return false
		}
	}
	keys, err := c.freshKeys(id)
	if err != nil || keys.num != num {
		return false
	}
	c.v = &view{txn: c.txn, keys: keys}
	return true
}

// freshKeys opens an account's keys from what stands on the disk.
func (t *txn) freshKeys(id mailstore.ID) (*accountKeys, error) {
	raw := t.get(bAccount, id[:])
	if raw == nil {
		return nil, mailstore.ErrNoAccount
	}
	rec, _, err := decodeAccountHead(id, raw)
	if err != nil {
		return nil, err
	}
	num, holderKey, err := t.holder(rec.account.Holder)
	if err == nil && (holderKey == nil || num != rec.holderNum) {
		err = fmt.Errorf("holder %s: not there under number %d: %w", rec.account.Holder, rec.holderNum, mailstore.ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	return newAccountKeys(id, rec.num, rec.holderNum, holderKey)
}

// loadAccounts reads which accounts and holders there are, once in a snapshot.
func (c *inspector) loadAccounts() {
	if !c.freshened {
		c.freshened = true
		c.accounts, c.holders = c.numbered()
	}
}

// numbered reads which accounts have which numbers, and which holders they name.
// Of two accounts with one number it is the one whose record opens.
func (t *txn) numbered() (accounts map[uint32]mailstore.ID, holders map[mailstore.ID]bool) {
	accounts, holders = map[uint32]mailstore.ID{}, map[mailstore.ID]bool{}
	t.scan(bAccount, nil, nil, func(k, raw []byte) bool {
		if len(k) != len(mailstore.ID{}) {
			return true
		}
		id := mailstore.ID(k)
		rec, _, err := decodeAccountHead(id, raw)
		if err != nil {
			return true
		}
		holders[rec.account.Holder] = true
		if _, twice := accounts[rec.num]; twice {
			keys, err := t.freshKeys(id)
			if err == nil {
				_, err = t.account(keys)
			}
			if err != nil {
				return true
			}
		}
		accounts[rec.num] = id
		return true
	})
	return accounts, holders
}

// counters checks the counters against the numbers in use.
func (c *inspector) counters() error {
	return c.guard(bMeta, new([]byte), func() error {
		c.loadAccounts()
		for _, used := range c.used() {
			next, err := c.readCounter(used.counter)
			k := []byte(used.counter)
			switch {
			case err != nil:
				c.find(bMeta, k, mailstore.DamageUnreadable, "%v", err)
			case next <= used.max:
				c.find(bMeta, k, mailstore.DamageCount, "counter says %d is next, %d is in use", next, used.max)
			}
			if used.counter == counterNumber {
				c.report.NextNumber = next
			}
		}
		if _, err := c.generation(); err != nil {
			c.find(bMeta, metaGeneration, mailstore.DamageUnreadable, "%v", err)
		}
		return nil
	})
}

// usedUp is the greatest number in use of a counter.
type usedUp struct {
	counter string
	max     uint64
}

// used finds the greatest numbers in use. That of letters is the gateway's.
func (t *txn) used() []usedUp {
	var accounts, holders, inline uint64
	t.scan(bAccount, nil, nil, func(_, raw []byte) bool {
		d := decoder{b: raw}
		accounts = max(accounts, uint64(d.fixed32()))
		return true
	})
	t.scan(bHolder, nil, nil, func(_, raw []byte) bool {
		d := decoder{b: raw}
		holders = max(holders, uint64(d.fixed32()))
		return true
	})
	if k, _ := t.b(bInline).Cursor().Last(); len(k) == 8 {
		inline = binary.BigEndian.Uint64(k) &^ inlinePlace
	}
	// The sweep removes what is dead by its place: it must not be given again.
	t.scan(bDead, nil, nil, func(k, _ []byte) bool {
		if len(k) == keySizes[bDead] && isInline(binary.BigEndian.Uint64(k[8:])) {
			inline = max(inline, binary.BigEndian.Uint64(k[8:])&^inlinePlace)
		}
		return true
	})
	return []usedUp{{counterAccount, accounts}, {counterHolder, holders}, {counterInline, inline}, {counterNumber, 0}}
}

// readCounter is what a counter gives next.
func (t *txn) readCounter(name string) (uint64, error) {
	v := t.get(bMeta, []byte(name))
	if v == nil {
		return 1, nil
	}
	d := decoder{b: v}
	if n := d.fixed64(); !d.bad && len(d.b) == 0 {
		return n, nil
	}
	return 0, fmt.Errorf("counter %s: %w", name, mailstore.ErrDamaged)
}

// metaRow checks the store's own key. Format, salt and check value let the store
// open; counters were compared with what is in use.
func (c *inspector) metaRow(k, v []byte) {
	if bytes.Equal(k, metaStoreKey) {
		wrap, err := c.wrap()
		if err == nil {
			_, err = unseal(wrap, bMeta, metaStoreKey, v)
		}
		c.bad(bMeta, k, err)
	}
}

func (c *inspector) holderRow(k, v []byte) {
	id := mailstore.ID(k)
	num, _, err := c.holder(id)
	if c.bad(bHolder, k, err) {
		return
	}
	if !c.holders[id] {
		if c.loadAccounts(); !c.holders[id] {
			c.find(bHolder, k, mailstore.DamageOrphan, "no account has this holder")
			return
		}
	}
	same := 0
	c.scan(bHolder, nil, nil, func(_, raw []byte) bool {
		d := decoder{b: raw}
		if d.fixed32() == num {
			same++
		}
		return same < 2
	})
	if same > 1 {
		c.find(bHolder, k, mailstore.DamageMismatch, "another holder has number %d too", num)
	}
}

func (c *inspector) accountRow(k, v []byte) {
	id := mailstore.ID(k)
	c.report.Accounts++
	rec, sealed, err := decodeAccountHead(id, v)
	if c.bad(bAccount, k, err) {
		return
	}
	keys, err := c.freshKeys(id)
	if err != nil {
		c.find(bAccount, k, mailstore.DamageUnreadable, "%v; nothing of the account can be opened", err)
		return
	}
	if other := c.accounts[rec.num]; other != id {
		if c.loadAccounts(); c.accounts[rec.num] != id {
			c.find(bAccount, k, mailstore.DamageMismatch, "account %s has number %d too", c.accounts[rec.num], rec.num)
			return
		}
	}
	if c.get(bState, key(rec.num)) == nil {
		c.find(bState, key(rec.num), mailstore.DamageMissing, "state of account %s", id)
	}
	clear, err := unseal(keys.seal, bAccount, k, sealed)
	if c.bad(bAccount, k, err) {
		return
	}
	d := decoder{b: clear}
	for _, address := range d.strings() {
		if owner, err := c.accountByAddress(address); err != nil || owner != id {
			c.find(bAddress, c.addressKey(address), mailstore.DamageMissing, "an address of account %s", id)
		}
	}
	c.bad(bAccount, k, d.err())
}

func (c *inspector) addressRow(k, v []byte) {
	if len(v) != len(mailstore.ID{}) {
		c.find(bAddress, k, mailstore.DamageUnreadable, "no account id")
		return
	}
	id := mailstore.ID(v)
	if c.get(bAccount, id[:]) == nil {
		c.find(bAddress, k, mailstore.DamageOrphan, "an address of account %s, which is not there", id)
		return
	}
	keys, err := c.freshKeys(id)
	if err != nil {
		return // the account's row tells
	}
	a, err := c.account(keys)
	if err != nil {
		return // its own row tells
	}
	if !slices.ContainsFunc(a.Addresses, func(s string) bool { return bytes.Equal(c.addressKey(s), k) }) {
		c.find(bAddress, k, mailstore.DamageOrphan, "account %s has no such address", id)
	}
}

func (c *inspector) credRow(k, v []byte) {
	_, err := decodeCredential(c.v.keys, k, v)
	c.bad(bCred, k, err)
}

func (c *inspector) settingRow(k, v []byte) {
	_, err := unseal(c.s.keys.setting, bSetting, k, v)
	c.bad(bSetting, k, err)
}

// stateRow checks an account's counts against its mailboxes and its journal.
func (c *inspector) stateRow(k, v []byte) {
	st, err := decodeState(v)
	if c.bad(bState, k, err) {
		return
	}
	var octets, messages int64
	boxes, used := uint32(0), map[uint32]mailstore.MailboxID{}
	c.scan(bBox, k, nil, func(bk, raw []byte) bool {
		boxes++
		b, err := decodeBox(c.v.keys, mailstore.MailboxID(binary.BigEndian.Uint32(bk[4:])), raw)
		if err != nil {
			boxes = 1 << 31 // its own row tells
			return false
		}
		octets += b.Octets
		messages += int64(b.Messages)
		part := validity(0, b.UIDValidity)
		if other, twice := used[part]; twice {
			c.find(bBox, bk, mailstore.DamageMismatch, "mailbox %d has the same UIDVALIDITY", other)
		}
		used[part] = b.ID
		if b.HighestMod > st.modseq || b.ID >= st.nextBox || part > st.validity {
			c.find(bState, k, mailstore.DamageCount, "mailbox %d: modseq %d, id %d and UIDVALIDITY %d are beyond the counters %d, %d, %d",
				b.ID, b.HighestMod, b.ID, part, st.modseq, st.nextBox, st.validity)
		}
		return true
	})
	c.report.Messages += messages
	if boxes < 1<<31 && (octets != st.octets || messages != st.messages || boxes != st.boxes) {
		c.find(bState, k, mailstore.DamageCount, "usage %d octets, %d messages, %d mailboxes; found %d, %d, %d",
			st.octets, st.messages, st.boxes, octets, messages, boxes)
	}
	c.journalCounts(k, st)
}

// journalCounts checks that an account's journal has no gap and the length that
// its state says.
func (c *inspector) journalCounts(k []byte, st *state) {
	next := uint64(0)
	c.scan(bJournal, k, nil, func(jk, _ []byte) bool {
		if len(jk) != keySizes[bJournal] || binary.BigEndian.Uint64(jk[4:]) != next {
			return false
		}
		next++
		return true
	})
	switch {
	case int64(next) < st.journal:
		c.find(bJournal, key(c.v.keys.num, next), mailstore.DamageMissing, "journal record %d of %d", next, st.journal)
	case int64(next) > st.journal:
		c.find(bState, k, mailstore.DamageCount, "%d journal records counted, found %d", st.journal, next)
	}
	row, hashes := uint64(0), int64(0)
	c.scan(bHash, k, nil, func(hk, raw []byte) bool {
		if len(hk) != keySizes[bHash] || binary.BigEndian.Uint64(hk[4:]) != row {
			return false
		}
		row++
		hashes += int64(len(raw) / 32)
		return len(raw) == 32*hashesPerRow
	})
	switch {
	case hashes < st.hashes:
		c.find(bHash, key(c.v.keys.num, uint64(hashes)/hashesPerRow), mailstore.DamageMissing, "tree hash %d of %d", hashes, st.hashes)
	case hashes > st.hashes:
		c.find(bState, k, mailstore.DamageCount, "%d tree hashes counted, found %d", st.hashes, hashes)
	}
}
