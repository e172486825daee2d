package boltstore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gosbridge/mailstore"
)

// accountRecord is the row of bucket account.
type accountRecord struct {
	num       uint32
	holderNum uint32
	account   mailstore.Account
}

// state is what changes with nearly every Update of an account.
type state struct {
	modseq   mailstore.ModSeq
	nextBox  mailstore.MailboxID
	validity uint32 // counter part of the last UIDVALIDITY given
	boxes    uint32 // mailboxes that exist
	octets   int64
	messages int64
	journal  int64 // records
	hashes   int64 // tree hashes
}

func (st *state) encode() []byte {
	e := encoder{b: make([]byte, 0, 32)}
	e.uint(uint64(st.modseq))
	e.uint(uint64(st.nextBox))
	e.uint(uint64(st.validity))
	e.uint(uint64(st.boxes))
	e.int(st.octets)
	e.int(st.messages)
	e.int(st.journal)
	e.int(st.hashes)
	return e.b
}

func decodeState(v []byte) (*state, error) {
	d := decoder{b: v}
	st := &state{
		modseq:   mailstore.ModSeq(d.uint()),
		nextBox:  mailstore.MailboxID(d.uint()),
		validity: uint32(d.uint()),
		boxes:    uint32(d.uint()),
		octets:   d.int(),
		messages: d.int(),
		journal:  d.int(),
		hashes:   d.int(),
	}
	if d.bad {
		return nil, fmt.Errorf("account state: %w", mailstore.ErrDamaged)
	}
	return st, nil
}

// What stands in the clear of an account, as bits.
const (
	accountDisabled = 1 << iota
	accountHeld
)

func accountFlags(a mailstore.Account) (flags byte) {
	if a.Disabled {
		flags |= accountDisabled
	}
	if a.Held {
		flags |= accountHeld
	}
	return flags
}

// encodeAccount seals and encodes an account's row.
func encodeAccount(keys *accountKeys, a mailstore.Account) []byte {
	var hidden encoder
	hidden.strings(a.Addresses)
	hidden.string(a.Name)
	hidden.bytes(a.Data)
	var e encoder
	e.fixed32(keys.num)
	e.fixed32(keys.holder)
	e.id(a.Holder)
	e.time(a.Created)
	e.byte(accountFlags(a))
	e.int(a.Quota)
	e.raw(seal(keys.seal, bAccount, a.ID[:], hidden.b))
	return e.b
}

// decodeAccountHead reads what stands in the clear and returns the rest.
func decodeAccountHead(id mailstore.ID, v []byte) (rec accountRecord, sealed []byte, err error) {
	d := decoder{b: v}
	rec.num, rec.holderNum = d.fixed32(), d.fixed32()
	rec.account.ID = id
	rec.account.Holder = d.id()
	rec.account.Created = d.time()
	flags := d.byte()
	rec.account.Disabled, rec.account.Held = flags&accountDisabled != 0, flags&accountHeld != 0
	rec.account.Quota = d.int()
	if d.bad {
		return rec, nil, fmt.Errorf("account %s: %w", id, mailstore.ErrDamaged)
	}
	return rec, d.b, nil
}

// account reads an account.
func (t *txn) account(keys *accountKeys) (mailstore.Account, error) {
	v := t.get(bAccount, keys.id[:])
	if v == nil {
		return mailstore.Account{}, mailstore.ErrNoAccount
	}
	rec, sealed, err := decodeAccountHead(keys.id, v)
	if err != nil {
		return mailstore.Account{}, err
	}
	clear, err := unseal(keys.seal, bAccount, keys.id[:], sealed)
	if err != nil {
		return mailstore.Account{}, err
	}
	d := decoder{b: clear}
	rec.account.Addresses = d.strings()
	rec.account.Name = d.string()
	rec.account.Data = copied(d.bytes())
	return rec.account, d.err()
}

// copied returns a copy of v, nil when v is empty.
func copied(v []byte) []byte {
	if len(v) == 0 {
		return nil
	}
	return append([]byte(nil), v...)
}

// accountKeys returns an account's keys, ErrNoAccount when there is no such
// account. With share they are kept for all, which is right only when the
// account's creation is committed.
func (t *txn) accountKeys(id mailstore.ID, share bool) (*accountKeys, error) {
	if k, ok := t.s.accounts.Load(id); ok {
		return k.(*accountKeys), nil
	}
	v := t.get(bAccount, id[:])
	if v == nil {
		return nil, mailstore.ErrNoAccount
	}
	rec, _, err := decodeAccountHead(id, v)
	if err != nil {
		return nil, err
	}
	_, holderKey, err := t.holder(rec.account.Holder)
	if err != nil {
		return nil, err
	}
	keys, err := newAccountKeys(id, rec.num, rec.holderNum, holderKey)
	if err != nil {
		return nil, err
	}
	if share {
		t.s.accounts.Store(id, keys)
	}
	return keys, nil
}

// holder opens a holder's key; nil when there is none yet.
func (t *txn) holder(id mailstore.ID) (num uint32, holderKey []byte, err error) {
	v := t.get(bHolder, id[:])
	if v == nil {
		return 0, nil, nil
	}
	d := decoder{b: v}
	num = d.fixed32()
	if d.bad {
		return 0, nil, fmt.Errorf("holder %s: %w", id, mailstore.ErrDamaged)
	}
	wrap, err := t.wrap()
	if err != nil {
		return 0, nil, err
	}
	holderKey, err = unseal(wrap, bHolder, id[:], d.b)
	return num, holderKey, err
}

// ensureHolder opens a holder's key, and makes it the first time.
func (w *work) ensureHolder(id mailstore.ID) (num uint32, holderKey []byte, err error) {
	num, holderKey, err = w.holder(id)
	if err != nil || holderKey != nil {
		return num, holderKey, err
	}
	wrap, err := w.wrap()
	if err != nil {
		return 0, nil, err
	}
	n, err := w.counter(counterHolder, 1)
	if err != nil {
		return 0, nil, err
	}
	holderKey = randomKey()
	var e encoder
	e.fixed32(uint32(n))
	e.raw(seal(wrap, bHolder, id[:], holderKey))
	return uint32(n), holderKey, w.put(bHolder, id[:], e.b)
}

// addressKey is where an address stands in the bucket address.
func (t *txn) addressKey(address string) []byte {
	mac := t.s.keys.macSum("address", 0, strings.ToLower(address))
	return mac[:]
}

// accountByAddress finds the owner of an address.
func (t *txn) accountByAddress(address string) (mailstore.ID, error) {
	d := decoder{b: t.get(bAddress, t.addressKey(address))}
	if d.b == nil {
		return mailstore.ID{}, mailstore.ErrNoAccount
	}
	id := d.id()
	if d.bad {
		return mailstore.ID{}, fmt.Errorf("address index: %w", mailstore.ErrDamaged)
	}
	return id, nil
}

// lowered returns the addresses in lower case, ErrExists when one stands
// twice or belongs to another account.
func (t *txn) lowered(owner mailstore.ID, addresses []string) ([]string, error) {
	low := make([]string, 0, len(addresses))
	seen := map[string]bool{}
	for _, a := range addresses {
		a = strings.ToLower(a)
		if seen[a] {
			return nil, fmt.Errorf("address given twice: %w", mailstore.ErrExists)
		}
		seen[a] = true
		low = append(low, a)
		if v := t.get(bAddress, t.addressKey(a)); v != nil && string(v) != string(owner[:]) {
			return nil, fmt.Errorf("address in use: %w", mailstore.ErrExists)
		}
	}
	return low, nil
}

// createAccount makes an account and its mailboxes, and does what belongs to it.
func (w *work) createAccount(a mailstore.Account, boxes []mailstore.NewMailbox, now time.Time, also []func(mailstore.UpdateTx) error) error {
	if w.get(bAccount, a.ID[:]) != nil {
		return fmt.Errorf("account %s: %w", a.ID, mailstore.ErrExists)
	}
	var err error
	if a.Addresses, err = w.lowered(a.ID, a.Addresses); err != nil {
		return err
	}
	if a.Created.IsZero() {
		a.Created = now
	}
	w.created = true
	holderNum, holderKey, err := w.ensureHolder(a.Holder)
	if err != nil {
		return err
	}
	n, err := w.counter(counterAccount, 1)
	if err != nil {
		return err
	}
	keys, err := newAccountKeys(a.ID, uint32(n), holderNum, holderKey)
	if err != nil {
		return err
	}
	if err := w.put(bAccount, a.ID[:], encodeAccount(keys, a)); err != nil {
		return err
	}
	for _, address := range a.Addresses {
		if err := w.put(bAddress, w.addressKey(address), copied(a.ID[:])); err != nil {
			return err
		}
	}
	return w.firstMailboxes(keys, boxes, also)
}

// firstMailboxes makes INBOX and the mailboxes of a new account, subscribed:
// many mail programs show nothing else.
func (w *work) firstMailboxes(keys *accountKeys, boxes []mailstore.NewMailbox, also []func(mailstore.UpdateTx) error) error {
	u := newUpdate(w, keys)
	u.st = &state{nextBox: 1}
	u.stDirty = true
	boxes = slices.DeleteFunc(slices.Clone(boxes), func(b mailstore.NewMailbox) bool {
		return strings.EqualFold(b.Name, "INBOX")
	})
	boxes = append([]mailstore.NewMailbox{{Name: "INBOX", Role: mailstore.RoleInbox}}, boxes...)
	for _, b := range boxes {
		made, err := u.CreateMailbox(b.Name, b.Role)
		if err == nil {
			err = u.Subscribe(made.ID, true)
		}
		if err != nil {
			return fmt.Errorf("mailbox of new account: %w", err)
		}
	}
	return w.also(u, also)
}

// putAddresses replaces the addresses of an account.
func (w *work) putAddresses(keys *accountKeys, addresses []string) error {
	a, err := w.account(keys)
	if err != nil {
		return err
	}
	low, err := w.lowered(a.ID, addresses)
	if err != nil {
		return err
	}
	for _, old := range a.Addresses {
		if err := w.del(bAddress, w.addressKey(old)); err != nil {
			return err
		}
	}
	for _, address := range low {
		if err := w.put(bAddress, w.addressKey(address), copied(a.ID[:])); err != nil {
			return err
		}
	}
	a.Addresses = low
	return w.put(bAccount, a.ID[:], encodeAccount(keys, a))
}
