package boltstore

import (
	"errors"
	"fmt"

	"gosbridge/mailstore"
)

// CreateMailbox implements mailstore.MailboxWriter.
func (u *update) CreateMailbox(name string, role mailstore.Role) (m mailstore.Mailbox, err error) {
	defer u.w.guard(u.w.writes, &err)
	name, err = normalName(name)
	if err != nil {
		return m, err
	}
	old, err := u.boxByName(name)
	if err != nil && !errors.Is(err, mailstore.ErrNoMailbox) {
		return m, err
	}
	if old != nil && !old.NoSelect {
		return m, fmt.Errorf("create mailbox: %w", mailstore.ErrExists)
	}
	if role != "" {
		if _, err := u.MailboxByRole(role); err == nil {
			return m, fmt.Errorf("create mailbox with role %s: %w", role, mailstore.ErrExists)
		}
	}
	if old != nil {
		return u.revive(old, role)
	}
	if err := u.makeParents(name, 1); err != nil {
		return m, err
	}
	b, err := u.makeBox(name, role)
	if err != nil {
		return m, err
	}
	return u.public(b), nil
}

// makeParents makes the missing levels above name, after it has checked that
// they and more mailboxes are allowed.
func (u *update) makeParents(name string, more int) error {
	st, err := u.state()
	if err != nil {
		return err
	}
	var missing []string
	for _, parent := range parents(name) {
		if u.get(bBoxName, u.nameKey(parent)) == nil {
			missing = append(missing, parent)
		}
	}
	if int(st.boxes)+len(missing)+more > u.s.opts.MaxMailboxes {
		return fmt.Errorf("%d mailboxes: %w", st.boxes, mailstore.ErrLimit)
	}
	for _, parent := range missing {
		if _, err := u.makeBox(parent, ""); err != nil {
			return err
		}
	}
	return nil
}

// makeBox writes a new mailbox; its name is free and its parents are there.
func (u *update) makeBox(name string, role mailstore.Role) (*boxRecord, error) {
	validity, err := u.newValidity()
	if err != nil {
		return nil, err
	}
	mod, err := u.modseq()
	if err != nil {
		return nil, err
	}
	b := &boxRecord{uidMod: mod}
	b.ID = u.st.nextBox
	b.Name, b.Role = name, role
	b.UIDValidity, b.UIDNext, b.HighestMod = validity, 1, mod
	u.st.nextBox++
	u.st.boxes++
	if u.boxes == nil {
		u.boxes = map[mailstore.MailboxID]*boxRecord{}
	}
	u.boxes[b.ID] = b
	u.w.touch(u.keys.id, 0)
	if err := u.w.put(bBox, boxKey(u.keys.num, b.ID), b.encode(u.keys)); err != nil {
		return nil, err
	}
	return b, u.w.put(bBoxName, u.nameKey(name), key(b.ID))
}

// newValidity takes the account's next UIDVALIDITY.
func (u *update) newValidity() (uint32, error) {
	st, err := u.state()
	if err != nil {
		return 0, err
	}
	generation, err := u.generation()
	if err != nil {
		return 0, err
	}
	if st.validity+1 >= 1<<validityBits || generation >= generations {
		return 0, fmt.Errorf("UIDVALIDITY used up: %w", mailstore.ErrLimit)
	}
	st.validity++
	u.stDirty = true
	return validity(generation, st.validity), nil
}

// revive makes a mailbox of a name that only had children. The record has had
// no message under this UIDVALIDITY, but a client may remember the mailbox
// that was deleted, so it gets a new one.
func (u *update) revive(b *boxRecord, role mailstore.Role) (mailstore.Mailbox, error) {
	validity, err := u.newValidity()
	if err != nil {
		return mailstore.Mailbox{}, err
	}
	b.UIDValidity, b.NoSelect, b.Role = validity, false, role
	b.renamed = true
	u.w.touch(u.keys.id, 0)
	return u.public(b), nil
}

// Subscribe implements mailstore.MailboxWriter.
func (u *update) Subscribe(id mailstore.MailboxID, on bool) error {
	b, err := u.box(id)
	if err != nil {
		return err
	}
	if b.Subscribed != on {
		b.Subscribed, b.dirty = on, true
		u.w.touch(u.keys.id, 0)
	}
	return nil
}

// RenameMailbox implements mailstore.MailboxWriter.
func (u *update) RenameMailbox(id mailstore.MailboxID, name string) (err error) {
	defer u.w.guard(u.w.writes, &err)
	if name, err = normalName(name); err != nil {
		return err
	}
	b, err := u.box(id)
	if err != nil {
		return err
	}
	if u.get(bBoxName, u.nameKey(name)) != nil {
		return fmt.Errorf("rename mailbox: %w", mailstore.ErrExists)
	}
	if b.Name == inbox {
		return u.renameInbox(b, name)
	}
	if below(name, b.Name) {
		return fmt.Errorf("rename mailbox below itself: %w", mailstore.ErrReadOnly)
	}
	all, err := u.allBoxes()
	if err != nil {
		return err
	}
	moving := []*boxRecord{b}
	for _, c := range all {
		if below(c.Name, b.Name) {
			if len(c.Name)-len(b.Name)+len(name) > maxName {
				return fmt.Errorf("rename makes a name too long: %w", mailstore.ErrReadOnly)
			}
			moving = append(moving, c)
		}
	}
	if err := u.makeParents(name, 0); err != nil {
		return err
	}
	old := b.Name
	for _, c := range moving {
		if err := u.setName(c, name+c.Name[len(old):]); err != nil {
			return err
		}
	}
	return u.dropEmptyParents(old)
}

// setName moves one mailbox to another name.
func (u *update) setName(b *boxRecord, name string) error {
	if err := u.w.del(bBoxName, u.nameKey(b.Name)); err != nil {
		return err
	}
	b.Name, b.renamed = name, true
	u.w.touch(u.keys.id, 0)
	return u.w.put(bBoxName, u.nameKey(name), key(b.ID))
}

// renameInbox moves INBOX's messages into a new mailbox (RFC 9051 §6.3.6).
// What stands below INBOX stays.
func (u *update) renameInbox(b *boxRecord, name string) error {
	if u.copies+int(b.Messages) > mailstore.MaxCopyPerUpdate {
		return fmt.Errorf("rename INBOX of %d messages: %w", b.Messages, mailstore.ErrTooLarge)
	}
	if err := u.makeParents(name, 1); err != nil {
		return err
	}
	to, err := u.makeBox(name, "")
	if err != nil {
		return err
	}
	_, err = u.Move(b.ID, mailstore.UIDSet{{Start: 1, Stop: 0}}, to.ID)
	return err
}

// DeleteMailbox implements mailstore.MailboxWriter.
func (u *update) DeleteMailbox(id mailstore.MailboxID) (err error) {
	defer u.w.guard(u.w.writes, &err)
	b, err := u.box(id)
	if err != nil {
		return err
	}
	if b.Name == inbox || b.Role.Lasting() {
		return fmt.Errorf("delete mailbox with a role: %w", mailstore.ErrReadOnly)
	}
	children, err := u.hasChildren(b.Name)
	if err != nil {
		return err
	}
	if children && b.NoSelect { // RFC 9051 §6.3.5
		return fmt.Errorf("delete name with children: %w", mailstore.ErrReadOnly)
	}
	if err := u.removeBox(b); err != nil {
		return err
	}
	if !children {
		return u.dropEmptyParents(b.Name)
	}
	// The rows stay behind under the old ID, so the name goes on under another.
	stay, err := u.makeBox(b.Name, "")
	if err != nil {
		return err
	}
	stay.NoSelect, stay.Subscribed, stay.dirty = true, b.Subscribed, true
	return nil
}

// removeBox takes a mailbox off the list; its rows are removed by the purge.
func (u *update) removeBox(b *boxRecord) error {
	st, err := u.state()
	if err != nil {
		return err
	}
	k := boxKey(u.keys.num, b.ID)
	if err := u.w.del(bBox, k); err != nil {
		return err
	}
	if err := u.w.del(bBoxName, u.nameKey(b.Name)); err != nil {
		return err
	}
	// The record names mailbox and keywords, for what goes into the vault.
	if err := u.w.put(bPurge, k, append(copied(u.keys.id[:]), b.encode(u.keys)...)); err != nil {
		return err
	}
	st.boxes--
	st.octets -= b.Octets
	st.messages -= int64(b.Messages)
	u.stDirty = true
	b.gone = true
	u.w.purge = true
	u.w.touch(u.keys.id, 0)
	return nil
}

func (u *update) hasChildren(name string) (bool, error) {
	all, err := u.allBoxes()
	if err != nil {
		return false, err
	}
	for _, c := range all {
		if below(c.Name, name) {
			return true, nil
		}
	}
	return false, nil
}

// dropEmptyParents removes the names above name that were kept only for the
// sake of children and have none any more.
func (u *update) dropEmptyParents(name string) error {
	above := parents(name)
	for i := len(above) - 1; i >= 0; i-- {
		b, err := u.boxByName(above[i])
		if errors.Is(err, mailstore.ErrNoMailbox) {
			continue
		}
		if err != nil {
			return err
		}
		children, err := u.hasChildren(b.Name)
		if err != nil || children || !b.NoSelect {
			return err
		}
		if err := u.removeBox(b); err != nil {
			return err
		}
	}
	return nil
}
