package boltstore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// view implements mailstore.Tx. In an Update it sees what the Update wrote,
// for the records of state and mailboxes are changed in place here and go to
// the disk at the end.
type view struct {
	*txn
	keys  *accountKeys
	st    *state
	boxes map[mailstore.MailboxID]*boxRecord
	up    *update // of which this is a part; nil in a View
	spare []flagRow
}

var _ mailstore.Tx = (*view)(nil)

// state returns the account's counters.
func (v *view) state() (*state, error) {
	if v.st == nil {
		st, err := decodeState(v.get(bState, key(v.keys.num)))
		if err != nil {
			return nil, err
		}
		v.st = st
	}
	return v.st, nil
}

// box returns a mailbox's record.
func (v *view) box(id mailstore.MailboxID) (*boxRecord, error) {
	if b, ok := v.boxes[id]; ok {
		if b.gone {
			return nil, mailstore.ErrNoMailbox
		}
		return b, nil
	}
	raw := v.get(bBox, boxKey(v.keys.num, id))
	if raw == nil {
		return nil, mailstore.ErrNoMailbox
	}
	return v.keepBox(id, raw)
}

// keepBox decodes a mailbox's row and keeps the record for the transaction.
func (v *view) keepBox(id mailstore.MailboxID, raw []byte) (*boxRecord, error) {
	b, err := decodeBox(v.keys, id, raw)
	if err != nil {
		return nil, err
	}
	generation, err := v.generation()
	if err != nil {
		return nil, err
	}
	b.UIDValidity = validity(generation, b.UIDValidity)
	if v.boxes == nil {
		v.boxes = map[mailstore.MailboxID]*boxRecord{}
	}
	v.boxes[id] = b
	return b, nil
}

// allBoxes returns the records of all mailboxes.
func (v *view) allBoxes() (list []*boxRecord, err error) {
	v.scan(bBox, key(v.keys.num), nil, func(k, raw []byte) bool {
		id := mailstore.MailboxID(binary.BigEndian.Uint32(k[4:]))
		b, ok := v.boxes[id]
		if !ok {
			b, err = v.keepBox(id, raw)
		}
		if err == nil && !b.gone {
			list = append(list, b)
		}
		return err == nil
	})
	return list, err
}

// nameKey is where a name stands in the bucket boxname.
func (v *view) nameKey(name string) []byte {
	return key(v.keys.num, v.s.keys.macSum("mailbox", v.keys.num, name))
}

// boxByName finds a mailbox by its normal name.
func (v *view) boxByName(name string) (*boxRecord, error) {
	raw := v.get(bBoxName, v.nameKey(name))
	if raw == nil {
		return nil, mailstore.ErrNoMailbox
	}
	if len(raw) != 4 {
		return nil, fmt.Errorf("name index: %w", mailstore.ErrDamaged)
	}
	return v.box(mailstore.MailboxID(binary.BigEndian.Uint32(raw)))
}

// boxExists tells without decoding; rows of deleted mailboxes linger.
func (v *view) boxExists(id mailstore.MailboxID) bool {
	if b, ok := v.boxes[id]; ok {
		return !b.gone
	}
	return v.get(bBox, boxKey(v.keys.num, id)) != nil
}

// Account implements mailstore.Tx.
func (v *view) Account() (mailstore.Account, error) { return v.account(v.keys) }

// Credential implements mailstore.Tx.
func (v *view) Credential(id mailstore.ID) (mailstore.Credential, error) {
	k := key(v.keys.num, id)
	raw := v.get(bCred, k)
	if raw == nil {
		return mailstore.Credential{}, fmt.Errorf("credential %s: %w", id, mailstore.ErrNoCredential)
	}
	return decodeCredential(v.keys, k, raw)
}

// Usage implements mailstore.Tx.
func (v *view) Usage() (mailstore.Usage, error) {
	st, err := v.state()
	if err != nil {
		return mailstore.Usage{}, err
	}
	quota, err := v.quota()
	return mailstore.Usage{Octets: st.octets, Messages: st.messages, Quota: quota}, err
}

// quota reads the account's quota without opening the sealed part.
func (v *view) quota() (int64, error) {
	rec, _, err := decodeAccountHead(v.keys.id, v.get(bAccount, v.keys.id[:]))
	return rec.account.Quota, err
}

// public returns a mailbox's record as callers may keep it.
func (v *view) public(b *boxRecord) mailstore.Mailbox {
	m := b.Mailbox
	m.Keywords = append([]string(nil), b.Keywords...)
	m.Full = len(b.Keywords) >= v.s.opts.MaxKeywords
	return m
}

// Mailboxes implements mailstore.Tx.
func (v *view) Mailboxes() ([]mailstore.Mailbox, error) {
	all, err := v.allBoxes()
	if err != nil {
		return nil, err
	}
	list := make([]mailstore.Mailbox, 0, len(all))
	for _, b := range all {
		list = append(list, v.public(b))
	}
	slices.SortFunc(list, func(a, b mailstore.Mailbox) int {
		if (a.Name == inbox) != (b.Name == inbox) {
			if a.Name == inbox {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return list, nil
}

// Mailbox implements mailstore.Tx.
func (v *view) Mailbox(id mailstore.MailboxID) (mailstore.Mailbox, error) {
	b, err := v.box(id)
	if err != nil {
		return mailstore.Mailbox{}, err
	}
	return v.public(b), nil
}

// MailboxByName implements mailstore.Tx.
func (v *view) MailboxByName(name string) (mailstore.Mailbox, error) {
	normal, err := normalName(name)
	if err != nil {
		return mailstore.Mailbox{}, mailstore.ErrNoMailbox
	}
	b, err := v.boxByName(normal)
	if err != nil {
		return mailstore.Mailbox{}, err
	}
	return v.public(b), nil
}

// MailboxByRole implements mailstore.Tx. Roles are sealed, so a search opens
// every mailbox: where the last one ended is tried first. At most one mailbox
// has the role, so one that has it in this snapshot is the one.
func (v *view) MailboxByRole(role mailstore.Role) (mailstore.Mailbox, error) {
	if role == "" {
		return mailstore.Mailbox{}, mailstore.ErrNoMailbox
	}
	if id, ok := v.keys.roles.Load(role); ok {
		b, err := v.box(id.(mailstore.MailboxID))
		if err == nil && b.Role == role {
			return v.public(b), nil
		}
		if err != nil && !errors.Is(err, mailstore.ErrNoMailbox) {
			return mailstore.Mailbox{}, err
		}
	}
	all, err := v.allBoxes()
	if err != nil {
		return mailstore.Mailbox{}, err
	}
	for _, b := range all {
		if b.Role == role {
			v.keys.roles.Store(role, b.ID)
			return v.public(b), nil
		}
	}
	return mailstore.Mailbox{}, mailstore.ErrNoMailbox
}
