package boltstore

import (
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// update implements mailstore.UpdateTx.
type update struct {
	view
	w       *work
	stDirty bool
	mod     mailstore.ModSeq // of this Update; 0 until it changed a mailbox
	logs    map[mailstore.MailboxID]*logEntry
	touched int // messages touched so far
	copies  int // messages copied so far
}

var _ mailstore.UpdateTx = (*update)(nil)

func newUpdate(w *work, keys *accountKeys) *update {
	u := &update{w: w}
	u.view = view{txn: w.txn, keys: keys, up: u}
	return u
}

// modseq takes the Update's modification sequence at its first change.
func (u *update) modseq() (mailstore.ModSeq, error) {
	if u.mod == 0 {
		st, err := u.state()
		if err != nil {
			return 0, err
		}
		st.modseq++
		u.stDirty = true
		u.mod = st.modseq
	}
	return u.mod, nil
}

// changeBox notes that a mailbox's messages change in this Update, and returns
// the log entry in which to say how.
func (u *update) changeBox(b *boxRecord) (*logEntry, error) {
	mod, err := u.modseq()
	if err != nil {
		return nil, err
	}
	b.dirty = true
	b.HighestMod = mod
	u.w.touch(u.keys.id, b.ID)
	if u.logs == nil {
		u.logs = map[mailstore.MailboxID]*logEntry{}
	}
	if u.logs[b.ID] == nil {
		u.logs[b.ID] = &logEntry{}
	}
	return u.logs[b.ID], nil
}

// count adds n to the messages that the Update touched.
func (u *update) count(n int) error {
	if u.touched+n > mailstore.MaxMessagesPerUpdate {
		return fmt.Errorf("%d messages: %w", u.touched+n, mailstore.ErrTooLarge)
	}
	u.touched += n
	return nil
}

// flush writes the records that were changed in memory.
func (u *update) flush() error {
	for _, id := range sortedKeys(u.logs) {
		if b := u.boxes[id]; !b.gone {
			if err := u.writeLog(b, u.logs[id]); err != nil {
				return err
			}
		}
	}
	for _, id := range sortedKeys(u.boxes) {
		b := u.boxes[id]
		if b.gone || !b.dirty && !b.renamed {
			continue
		}
		if err := u.w.put(bBox, boxKey(u.keys.num, id), b.encode(u.keys)); err != nil {
			return err
		}
		b.dirty, b.renamed = false, false
	}
	if u.stDirty {
		u.stDirty = false
		return u.w.put(bState, key(u.keys.num), u.st.encode())
	}
	return nil
}

func sortedKeys[V any](m map[mailstore.MailboxID]V) []mailstore.MailboxID {
	list := make([]mailstore.MailboxID, 0, len(m))
	for id := range m {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// PutAccount implements mailstore.UpdateTx.
func (u *update) PutAccount(a mailstore.Account) (err error) {
	defer u.w.guard(u.w.writes, &err)
	old, err := u.Account()
	if err != nil {
		return err
	}
	a.ID, a.Holder, a.Addresses = old.ID, old.Holder, old.Addresses
	return u.w.put(bAccount, copied(u.keys.id[:]), encodeAccount(u.keys, a))
}
