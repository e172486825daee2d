package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"

	"gosbridge/mailstore"
)

var historyTests = []test{
	{"random 1", func(e *env) { testHistory(e, 1) }},
	{"random 2", func(e *env) { testHistory(e, 2) }},
	{"random 3", func(e *env) { testHistory(e, 3) }},
}

// model is what an account should hold, kept in memory in the simplest way.
type model struct {
	boxes map[mailstore.MailboxID]*modelBox
}

type modelBox struct {
	name  string
	next  mailstore.UID
	rows  []*modelRow
	past  []modelState // after every step
	since []mailstore.ModSeq
}

type modelRow struct {
	uid   mailstore.UID
	email mailstore.ID
	flags mailstore.Flags
	words []string
	size  int64
	keys  []string
}

// modelState is what a reader saw at a modseq.
type modelState map[mailstore.UID]string

func (b *modelBox) state() modelState {
	s := modelState{}
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

// history drives the store and the model together.
type history struct {
	*env
	rnd *rand.Rand
	a   mailstore.ID
	m   model
	ids []mailstore.ID
}

func testHistory(e *env, seed uint64) {
	h := &history{env: e, rnd: rand.New(rand.NewPCG(seed, 0)), a: e.account(), m: model{boxes: map[mailstore.MailboxID]*modelBox{}}}
	for _, name := range []string{"INBOX", "Sent", "Archive"} {
		h.m.boxes[e.box(h.a, name).ID] = &modelBox{name: name, next: 1}
	}
	for step := range 250 {
		h.step(step)
		if step%10 == 9 {
			h.compare()
		}
		if step%60 == 59 {
			e.crash()
			e.verify()
		}
	}
	h.compare()
}

// pick is one of the model's mailboxes.
func (h *history) pick() (mailstore.MailboxID, *modelBox) {
	ids := make([]mailstore.MailboxID, 0, len(h.m.boxes))
	for id := range h.m.boxes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	id := ids[h.rnd.IntN(len(ids))]
	return id, h.m.boxes[id]
}

// some is a random set, of UIDs that exist and others.
func (h *history) some(b *modelBox) (s mailstore.UIDSet) {
	for range h.rnd.IntN(4) + 1 {
		start := mailstore.UID(h.rnd.IntN(int(b.next)+3) + 1)
		s.AddRange(start, start+mailstore.UID(h.rnd.IntN(6)))
	}
	return s
}

func (h *history) step(step int) {
	id, b := h.pick()
	dst, to := h.pick()
	in := h.some(b)
	switch h.rnd.IntN(12) {
	case 0, 1, 2:
		h.appendSome(id, b)
	case 3, 4, 5:
		h.changeFlags(id, b, in)
	case 6:
		h.expungeSome(id, b, in)
	case 7, 8:
		move := h.rnd.IntN(2) == 0
		h.copySome(id, b, in, dst, to, move)
	case 9:
		name := fmt.Sprint("Box", step)
		h.m.boxes[h.create(h.a, name).ID] = &modelBox{name: name, next: 1}
	case 10:
		if len(h.m.boxes) > 4 && b.name[0] == 'B' {
			h.remove(h.a, id)
			delete(h.m.boxes, id)
		}
	case 11:
		if b.name[0] == 'B' {
			b.name = fmt.Sprint("Box-renamed-", step)
			h.update(h.a, func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(id, b.name) })
		}
	}
}

func (h *history) appendSome(id mailstore.MailboxID, b *modelBox) {
	var list []mailstore.NewMessage
	for range h.rnd.IntN(5) + 1 {
		m := h.mail([]string{"", "text", "more text"}[h.rnd.IntN(3)])
		m.Flags = mailstore.Flags(h.rnd.IntN(32))
		m.Keywords, m.Keys = h.words(), h.words()
		if len(h.ids) > 0 && h.rnd.IntN(5) == 0 {
			m.EmailID = h.ids[h.rnd.IntN(len(h.ids))] // a repetition
		}
		list = append(list, m)
	}
	var got []mailstore.Appended
	h.update(h.a, func(tx mailstore.UpdateTx) error {
		got = got[:0]
		for _, m := range list {
			a, err := tx.Append(id, m)
			if err != nil {
				return err
			}
			got = append(got, a)
		}
		return nil
	})
	for i, m := range list {
		if known := slices.Contains(h.ids, m.EmailID); known != got[i].Repeat {
			h.Fatalf("append: repetition %v, want %v", got[i].Repeat, known)
		} else if known {
			continue
		}
		h.ids = append(h.ids, m.EmailID)
		h.eq(got[i].UID, b.add(modelRow{email: m.EmailID, flags: m.Flags, words: m.Keywords, size: m.Content.Size(), keys: m.Keys}), "UID")
	}
}

// historyWords are the keywords and the keys of messages.
var historyWords = []string{"a", "b", "c", "d"}

func (h *history) words() (w []string) {
	for _, k := range historyWords {
		if h.rnd.IntN(3) == 0 {
			w = append(w, k)
		}
	}
	return w
}

func (h *history) changeFlags(id mailstore.MailboxID, b *modelBox, in mailstore.UIDSet) {
	change := mailstore.FlagChange{Op: mailstore.FlagOp(h.rnd.IntN(3)), Flags: mailstore.Flags(h.rnd.IntN(32)), Keywords: h.words()}
	var got mailstore.FlagResult
	h.update(h.a, func(tx mailstore.UpdateTx) (err error) {
		got, err = tx.SetFlags(id, in, change)
		return err
	})
	var changed, seen mailstore.UIDSet
	for _, r := range b.rows {
		if !in.Contains(r.uid) {
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
	h.eq([]any{got.Changed, got.NewSeen, got.Modified}, []any{changed, seen, ""}, "flags")
}

func (h *history) expungeSome(id mailstore.MailboxID, b *modelBox, in mailstore.UIDSet) {
	only := h.rnd.IntN(2) == 0
	var want mailstore.UIDSet
	b.rows = slices.DeleteFunc(b.rows, func(r *modelRow) bool {
		if !in.Contains(r.uid) || only && r.flags&mailstore.Deleted == 0 {
			return false
		}
		want.AddNum(r.uid)
		return true
	})
	h.expunge(h.a, id, in, only, want.String())
}

func (h *history) copySome(id mailstore.MailboxID, b *modelBox, in mailstore.UIDSet, dst mailstore.MailboxID, to *modelBox, move bool) {
	var got mailstore.Copied
	h.update(h.a, func(tx mailstore.UpdateTx) (err error) {
		if move {
			got, err = tx.Move(id, in, dst)
		} else {
			got, err = tx.Copy(id, in, dst)
		}
		return err
	})
	var source, dest []mailstore.UID
	for _, r := range slices.Clone(b.rows) {
		if in.Contains(r.uid) {
			source = append(source, r.uid)
			dest = append(dest, to.add(*r))
		}
	}
	if move {
		b.rows = slices.DeleteFunc(b.rows, func(r *modelRow) bool { return slices.Contains(source, r.uid) })
	}
	h.eq([]any{got.Source, got.Dest}, []any{source, dest}, "copied")
}

// compare looks at everything through the second handle, and at the changes
// since every earlier look.
func (h *history) compare() {
	h.Helper()
	h.view(h.a, func(tx mailstore.Tx) error {
		list, err := tx.Mailboxes()
		if err != nil {
			return err
		}
		h.eq(len(list), len(h.m.boxes), "mailboxes")
		for _, m := range list {
			b := h.m.boxes[m.ID]
			if b == nil || b.name != m.Name {
				h.Fatalf("mailbox %d %q is not in the model", m.ID, m.Name)
			}
			if err := h.compareBox(tx, m, b); err != nil {
				return err
			}
		}
		return h.compareKeys(tx)
	})
}

// compareKeys looks for the messages by each of their keys.
func (h *history) compareKeys(tx mailstore.Tx) error {
	for _, k := range historyWords {
		want := map[mailstore.Location]bool{}
		for id, b := range h.m.boxes {
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
		h.eq([]any{len(list), got}, []any{len(want), want}, "messages by key "+k)
	}
	return nil
}

func (h *history) compareBox(tx mailstore.Tx, m mailstore.Mailbox, b *modelBox) error {
	var unseen, deleted, octets int64
	i := 0
	for row, err := range tx.Messages(m.ID, all(), mailstore.FieldMeta) {
		if err != nil {
			return err
		}
		if i >= len(b.rows) {
			h.Fatalf("message %d of %s is not in the model", row.UID, b.name)
		}
		want := b.rows[i]
		got := modelRow{flags: row.Flags, words: row.Keywords}
		h.eq([]any{row.UID, row.EmailID, row.Size, got.String()}, []any{want.uid, want.email, want.size, want.String()}, "message of "+b.name)
		if row.Flags&mailstore.Seen == 0 {
			unseen++
		}
		if row.Flags&mailstore.Deleted != 0 {
			deleted++
		}
		octets += row.Size
		i++
	}
	h.eq([]any{m.Messages, m.UIDNext, m.Unseen, m.Deleted, m.Octets}, []any{len(b.rows), b.next, unseen, deleted, octets}, "counts of "+b.name)
	now := b.state()
	for k, since := range b.since {
		c, err := tx.Changes(m.ID, since)
		if err != nil {
			return err
		}
		if c.Complete {
			h.compareChanges(c, b.past[k], now)
		}
	}
	b.past, b.since = append(b.past, now), append(b.since, m.HighestMod)
	return nil
}

// compareChanges expects that changes lead from one state to the other.
func (h *history) compareChanges(c mailstore.Changes, from, to modelState) {
	h.Helper()
	var changed, vanished []mailstore.UID
	for uid := range from {
		if _, ok := to[uid]; !ok {
			vanished = append(vanished, uid)
		}
	}
	sort.Slice(vanished, func(i, j int) bool { return vanished[i] < vanished[j] })
	gone, _ := c.Vanished.Nums()
	h.eq(gone, vanished, "vanished")
	for uid, now := range to {
		if before, ok := from[uid]; !ok || before != now {
			changed = append(changed, uid)
		}
	}
	for _, uid := range changed {
		if !c.Changed.Contains(uid) {
			h.Fatalf("message %d changed unseen: %v", uid, c.Changed)
		}
	}
	named, _ := c.Changed.Nums() // more than changed: what was changed and changed back
	for _, uid := range named {
		if _, ok := to[uid]; !ok {
			h.Fatalf("message %d is named as changed and is not there", uid)
		}
	}
}
