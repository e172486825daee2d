package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"gosbridge/mailstore"
)

// model is what an account should hold, kept in memory in the simplest way.
type model struct {
	boxes map[mailstore.MailboxID]*modelBox
	ids   map[mailstore.ID]mailstore.UID // of all messages that ever came in, and their first UIDs
}

type modelBox struct {
	name string
	next mailstore.UID
	rows []*modelRow
	past []modelLook
}

type modelRow struct {
	uid   mailstore.UID
	email mailstore.ID
	flags mailstore.Flags
	words []string
	size  int64
	keys  []string
}

// maxLooks is how many looks at a mailbox are kept.
const maxLooks = 10

// modelLook is what a reader saw of a mailbox at a modseq.
type modelLook struct {
	at   mailstore.ModSeq
	rows map[mailstore.UID]string
}

// newModel is the model of a new account, whose mailboxes count from 1.
func newModel(names ...string) model {
	m := model{boxes: map[mailstore.MailboxID]*modelBox{}, ids: map[mailstore.ID]mailstore.UID{}}
	for i, name := range names {
		m.boxes[mailstore.MailboxID(i+1)] = &modelBox{name: name, next: 1}
	}
	return m
}

// pick is one of the mailboxes, by turns.
func (m model) pick(n int) (mailstore.MailboxID, *modelBox) {
	ids := slices.Sorted(maps.Keys(m.boxes))
	id := ids[n%len(ids)]
	return id, m.boxes[id]
}

func (m model) byName(name string) (mailstore.MailboxID, *modelBox) {
	for id, b := range m.boxes {
		if b.name == name {
			return id, b
		}
	}
	return 0, nil
}

func (b *modelBox) state() map[mailstore.UID]string {
	s := map[mailstore.UID]string{}
	for _, r := range b.rows {
		s[r.uid] = r.String()
	}
	return s
}

func (r *modelRow) String() string { return fmt.Sprint(r.flags, sorted(r.words)) }

func (b *modelBox) add(r modelRow) mailstore.UID {
	r.uid = b.next
	b.next++
	b.rows = append(b.rows, &r)
	return r.uid
}

// inSet reports whether a set names a row; "*" is the last one (RFC 9051 §9).
func (b *modelBox) inSet(set mailstore.UIDSet, r *modelRow) bool {
	return set.Contains(r.uid) || set.Dynamic() && r == b.rows[len(b.rows)-1]
}

func (b *modelBox) setFlags(in mailstore.UIDSet, change mailstore.FlagChange) (changed, seen mailstore.UIDSet) {
	for _, r := range b.rows {
		if !b.inSet(in, r) {
			continue
		}
		flags, words := r.flags, r.words
		switch change.Op {
		case mailstore.FlagsSet:
			flags, words = change.Flags, change.Keywords
		case mailstore.FlagsAdd:
			flags, words = flags|change.Flags, slices.Compact(sorted(append(slices.Clone(words), change.Keywords...)))
		case mailstore.FlagsRemove:
			flags = flags &^ change.Flags
			words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(change.Keywords, w) })
		}
		if flags != r.flags || fmt.Sprint(sorted(words)) != fmt.Sprint(sorted(r.words)) {
			changed.AddNum(r.uid)
		}
		if flags&^r.flags&mailstore.Seen != 0 {
			seen.AddNum(r.uid)
		}
		r.flags, r.words = flags, words
	}
	return changed, seen
}

func (b *modelBox) expunge(in mailstore.UIDSet, only bool) (gone mailstore.UIDSet) {
	b.rows = slices.DeleteFunc(b.rows, func(r *modelRow) bool {
		if !b.inSet(in, r) || only && r.flags&mailstore.Deleted == 0 {
			return false
		}
		gone.AddNum(r.uid)
		return true
	})
	return gone
}

func (b *modelBox) copyTo(to *modelBox, in mailstore.UIDSet, move bool) (source, dest []mailstore.UID) {
	for _, r := range slices.Clone(b.rows) {
		if b.inSet(in, r) {
			source = append(source, r.uid)
			dest = append(dest, to.add(*r))
		}
	}
	if move {
		b.rows = slices.DeleteFunc(b.rows, func(r *modelRow) bool { return slices.Contains(source, r.uid) })
	}
	return source, dest
}

// compare looks at everything through the second handle, and at the changes
// since every earlier look.
func (p *player) compare() error {
	return p.s2.View(p.ctx, p.a, func(tx mailstore.Tx) error {
		list, err := tx.Mailboxes()
		if err != nil {
			return err
		}
		var messages, octets int64
		for _, m := range list {
			b := p.m.boxes[m.ID]
			if b == nil || b.name != m.Name {
				return fmt.Errorf("mailbox %d %q is not in the model", m.ID, m.Name)
			}
			if err := compareBox(tx, m, b); err != nil {
				return fmt.Errorf("mailbox %s: %w", b.name, err)
			}
			messages, octets = messages+int64(m.Messages), octets+m.Octets
		}
		usage, err := tx.Usage()
		return errors.Join(err, differ("mailboxes", len(list), len(p.m.boxes)), p.m.compareKeys(tx),
			differ("usage", []any{usage.Messages, usage.Octets}, []any{messages, octets}))
	})
}

// compareKeys looks for the messages by each of their keys.
func (m model) compareKeys(tx mailstore.Tx) error {
	for _, k := range historyWords {
		want := map[mailstore.Location]bool{}
		for id, b := range m.boxes {
			for _, r := range b.rows {
				if slices.Contains(r.keys, k) {
					want[mailstore.Location{Mailbox: id, UID: r.uid}] = true
				}
			}
		}
		list, err := tx.ByKey(k)
		if err != nil {
			return err
		}
		got := map[mailstore.Location]bool{}
		for _, l := range list {
			got[l] = true
		}
		if err := differ("messages by key "+k, []any{len(list), got}, []any{len(want), want}); err != nil {
			return err
		}
	}
	return nil
}

func compareBox(tx mailstore.Tx, m mailstore.Mailbox, b *modelBox) error {
	var unseen, deleted, octets int64
	var got, want []string
	var uids []mailstore.UID
	for row, err := range tx.Messages(m.ID, all(), mailstore.FieldMeta) {
		if err != nil {
			return err
		}
		r := modelRow{flags: row.Flags, words: row.Keywords}
		got = append(got, fmt.Sprint(row.UID, row.EmailID, row.Size, &r))
		uids = append(uids, row.UID)
	}
	for _, r := range b.rows {
		want = append(want, fmt.Sprint(r.uid, r.email, r.size, r))
		if r.flags&mailstore.Seen == 0 {
			unseen++
		}
		if r.flags&mailstore.Deleted != 0 {
			deleted++
		}
		octets += r.size
	}
	vector, err := tx.UIDs(m.ID)
	err = errors.Join(err, differ("messages", got, want), differ("UIDs", vector, uids),
		differ("counts", []any{m.Messages, m.UIDNext, m.Unseen, m.Deleted, m.Octets}, []any{len(b.rows), b.next, unseen, deleted, octets}))
	if err != nil {
		return err
	}
	now := b.state()
	for _, look := range b.past {
		c, err := tx.Changes(m.ID, look.at)
		if err == nil && c.Complete {
			err = compareChanges(c, look.rows, now)
		}
		if err != nil {
			return fmt.Errorf("changes since %d: %w", look.at, err)
		}
	}
	if b.past = append(b.past, modelLook{m.HighestMod, now}); len(b.past) > maxLooks {
		b.past = slices.Delete(b.past, 1, 2) // the first and the last ones stay
	}
	return nil
}

// compareChanges expects that changes lead from one state to the other.
func compareChanges(c mailstore.Changes, from, to map[mailstore.UID]string) error {
	var vanished []mailstore.UID
	for _, uid := range slices.Sorted(maps.Keys(from)) {
		if _, ok := to[uid]; !ok {
			vanished = append(vanished, uid)
		}
	}
	gone, _ := c.Vanished.Nums()
	if err := differ("vanished", gone, vanished); err != nil {
		return err
	}
	for uid, now := range to {
		if before, ok := from[uid]; (!ok || before != now) && !c.Changed.Contains(uid) {
			return fmt.Errorf("message %d changed unseen: %v", uid, c.Changed)
		}
	}
	named, _ := c.Changed.Nums() // more than changed: what was changed and changed back
	for _, uid := range named {
		if _, ok := to[uid]; !ok {
			return fmt.Errorf("message %d is named as changed and is not there", uid)
		}
	}
	return nil
}
