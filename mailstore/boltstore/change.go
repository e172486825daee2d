package boltstore

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gosbridge/mailstore"
)

// counted returns how many messages of the set exist, at most limit+1.
func (v *view) counted(box mailstore.MailboxID, set mailstore.UIDSet, limit int) (int, error) {
	n := 0
	err := v.eachChunk(box, set, func(_ uint32, _ []flagRow, in []int) error {
		if n += len(in); n > limit {
			return errStop
		}
		return nil
	})
	if err == errStop { //nolint:errorlint // our own value, never wrapped
		err = nil
	}
	return n, err
}

// SetFlags implements mailstore.MessageWriter.
func (u *update) SetFlags(box mailstore.MailboxID, set mailstore.UIDSet, change mailstore.FlagChange) (res mailstore.FlagResult, err error) {
	defer u.w.guard(u.w.writes, &err)
	b, err := u.target(box)
	if err != nil {
		return res, err
	}
	n, err := u.counted(box, set, mailstore.MaxMessagesPerUpdate)
	if err != nil {
		return res, err
	}
	words := change.Keywords
	if change.Protect != nil {
		words = slices.DeleteFunc(slices.Clone(words), change.Protect)
	}
	if change.Op != mailstore.FlagsRemove {
		if err := u.checkWords(b, words); err != nil {
			return res, err
		}
	}
	if err := u.count(n); err != nil {
		return res, err
	}
	if change.Op != mailstore.FlagsRemove && n > 0 {
		before := len(b.Keywords)
		learnWords(b, words)
		if len(b.Keywords) != before {
			b.dirty = true
		}
	}
	c := &flagChange{FlagChange: change, u: u, b: b, words: b.wordIndexes(words), res: &res}
	if change.Protect != nil {
		for i, k := range b.Keywords {
			if change.Protect(k) {
				c.kept = append(c.kept, i)
			}
		}
	}
	if err := u.eachChunk(box, set, c.chunk); err != nil {
		return mailstore.FlagResult{}, err
	}
	return res, nil
}

// flagChange is a SetFlags under way.
type flagChange struct {
	mailstore.FlagChange
	u     *update
	b     *boxRecord
	words []byte // indexes of the keywords to set, add or remove
	kept  []int  // indexes that no change touches
	res   *mailstore.FlagResult
}

// chunk changes the messages of one chunk.
func (c *flagChange) chunk(number uint32, rows []flagRow, in []int) error {
	var log *logEntry
	for _, i := range in {
		r := &rows[i]
		if c.UnchangedSince != nil && r.mod > *c.UnchangedSince {
			c.res.Modified = appendUID(c.res.Modified, r.uid)
			continue
		}
		flags, words := c.apply(r)
		if flags == r.flags && bytes.Equal(words, r.keywords) {
			continue
		}
		if log == nil {
			var err error
			if log, err = c.u.changeBox(c.b); err != nil {
				return err
			}
		}
		if flags&^r.flags&mailstore.Seen != 0 {
			c.res.NewSeen = appendUID(c.res.NewSeen, r.uid)
		}
		c.b.countFlags(r.flags, -1)
		c.b.countFlags(flags, 1)
		r.flags, r.keywords, r.mod = flags, words, c.u.mod
		log.changed = appendUID(log.changed, r.uid)
		c.res.Changed = appendUID(c.res.Changed, r.uid)
	}
	if log == nil {
		return nil
	}
	c.res.ModSeq = c.u.mod
	return c.u.putChunk(c.b.ID, number, rows)
}

// apply returns what the flags and keywords of a message become.
func (c *flagChange) apply(r *flagRow) (mailstore.Flags, []byte) {
	switch c.Op {
	case mailstore.FlagsAdd:
		if len(c.words) == 0 {
			return r.flags | c.Flags, r.keywords
		}
		return r.flags | c.Flags, encodeIndexes(append(decodeIndexes(r.keywords), decodeIndexes(c.words)...))
	case mailstore.FlagsRemove:
		if len(c.words) == 0 {
			return r.flags &^ c.Flags, r.keywords
		}
		drop := decodeIndexes(c.words)
		rest := slices.DeleteFunc(decodeIndexes(r.keywords), func(i int) bool { return slices.Contains(drop, i) })
		return r.flags &^ c.Flags, encodeIndexes(rest)
	default:
		if len(r.keywords) == 0 {
			return c.Flags, c.words
		}
		words := decodeIndexes(c.words)
		for _, i := range decodeIndexes(r.keywords) {
			if slices.Contains(c.kept, i) {
				words = append(words, i)
			}
		}
		return c.Flags, encodeIndexes(words)
	}
}

// Expunge implements mailstore.MessageWriter.
func (u *update) Expunge(box mailstore.MailboxID, set mailstore.UIDSet, onlyDeleted bool) (gone mailstore.UIDSet, err error) {
	defer u.w.guard(u.w.writes, &err)
	b, err := u.target(box)
	if err != nil {
		return nil, err
	}
	n := 0
	err = u.eachChunk(box, set, func(_ uint32, rows []flagRow, in []int) error {
		for _, i := range in {
			if !onlyDeleted || rows[i].flags&mailstore.Deleted != 0 {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := u.count(n); err != nil {
		return nil, err
	}
	how := atOnce
	if u.s.mayWait(n) {
		how = behind
	}
	return u.remove(b, set, func(f flagRow) bool { return !onlyDeleted || f.flags&mailstore.Deleted != 0 }, how)
}

// remove takes the messages of set that which selects out of a mailbox. What
// becomes of their rows is how.
func (u *update) remove(b *boxRecord, set mailstore.UIDSet, which func(flagRow) bool, how fate) (gone mailstore.UIDSet, err error) {
	st, err := u.state()
	if err != nil {
		return nil, err
	}
	err = u.eachChunk(b.ID, set, func(number uint32, rows []flagRow, in []int) error {
		stay := make([]flagRow, 0, len(rows))
		var doomed []flagRow
		at := 0
		for i, f := range rows {
			if at == len(in) || in[at] != i {
				stay = append(stay, f)
				continue
			}
			if at++; !which(f) {
				stay = append(stay, f)
				continue
			}
			size, left, err := u.removeRow(b, f, how)
			if err != nil {
				return err
			}
			if left {
				doomed = append(doomed, f)
			}
			gone = appendUID(gone, f.uid)
			b.Messages--
			b.Octets -= size
			b.countFlags(f.flags, -1)
			st.octets -= size
			st.messages--
		}
		if len(stay) == len(rows) {
			return nil
		}
		if len(doomed) > 0 {
			if err := u.w.doom(u.keys, b.ID, doomed); err != nil {
				return err
			}
		}
		return u.putChunk(b.ID, number, stay)
	})
	if err != nil || len(gone) == 0 {
		return gone, err
	}
	log, err := u.changeBox(b)
	if err != nil {
		return gone, err
	}
	log.vanished = append(log.vanished, gone...)
	b.uidMod = u.mod
	return gone, nil
}

// fate is what becomes of the rows of messages that leave a mailbox.
type fate uint8

const (
	atOnce fate = iota // they are dropped in this commit
	behind             // and behind it, but for those that are kept
	moved              // all of them behind it: their messages stand elsewhere
)

// removeRow drops a message's row unless it may be left, and returns its size.
// What is kept is not left: its last row is in the vault with this commit.
func (u *update) removeRow(b *boxRecord, f flagRow, how fate) (size int64, left bool, err error) {
	if how != atOnce {
		var r row
		if _, err := u.readRow(&r, b.ID, f.uid); err != nil {
			return 0, false, err
		}
		if how == moved || u.get(bKeep, keepKey(u.keys.num, r.email)) == nil {
			return r.size, true, nil
		}
	}
	size, err = u.w.dropRow(&u.view, b, f)
	return size, false, err
}

// dropRow removes a message's row, its place in the indexes and its use of the
// body, and returns its size; a message that is kept and stands nowhere else
// goes into the vault. Flags and counts are the caller's.
func (w *work) dropRow(v *view, b *boxRecord, f flagRow) (int64, error) {
	box, uid := b.ID, f.uid
	var r row
	k, err := v.readRow(&r, box, uid)
	if err != nil {
		return 0, err
	}
	size := r.size
	rec, err := v.email(r.email)
	if err != nil {
		return 0, err
	}
	if rec == nil {
		return 0, fmt.Errorf("message %d not in the id index: %w", uid, mailstore.ErrDamaged)
	}
	rec.at = slices.DeleteFunc(rec.at, func(l mailstore.Location) bool { return l.Mailbox == box && l.UID == uid })
	ek := idKey(v.keys.num, r.email)
	if err := w.put(bEmail, ek, rec.encode()); err != nil {
		return 0, err
	}
	if len(rec.at) == 0 {
		if err := w.remember(goneEmail, ek, w.s.now()); err != nil {
			return 0, err
		}
	}
	vaulted, err := w.intoVault(v, b, f, &r, rec)
	if err != nil {
		return 0, err
	}
	if !vaulted && !r.body.name.IsZero() {
		if err := w.releaseBody(v.keys, r.body); err != nil {
			return 0, err
		}
	}
	for _, found := range r.found {
		if err := w.del(bRowKey, placeKey(v.keys.num, found, box, uid)); err != nil {
			return 0, err
		}
	}
	if r.letter != (mailstore.ID{}) {
		if err := w.del(bShows, placeKey(v.keys.num, r.letter, box, uid)); err != nil {
			return 0, err
		}
	}
	return size, w.del(bRow, k)
}

// Copy implements mailstore.MessageWriter.
func (u *update) Copy(src mailstore.MailboxID, set mailstore.UIDSet, dst mailstore.MailboxID) (c mailstore.Copied, err error) {
	defer u.w.guard(u.w.writes, &err)
	return u.copy(src, set, dst, true)
}

// Move implements mailstore.MessageWriter.
func (u *update) Move(src mailstore.MailboxID, set mailstore.UIDSet, dst mailstore.MailboxID) (c mailstore.Copied, err error) {
	defer u.w.guard(u.w.writes, &err)
	from, err := u.target(src)
	if err != nil {
		return c, err
	}
	if c, err = u.copy(src, set, dst, false); err != nil {
		return c, err
	}
	var old mailstore.UIDSet
	for _, uid := range c.Source {
		old = appendUID(old, uid)
	}
	how := atOnce
	if u.s.mayWait(len(c.Source)) {
		how = moved
	}
	_, err = u.remove(from, old, func(flagRow) bool { return true }, how)
	return c, err
}

// copy gives the messages of set new rows in dst. Only a copy needs room: a
// move takes the old rows away again.
func (u *update) copy(src mailstore.MailboxID, set mailstore.UIDSet, dst mailstore.MailboxID, needRoom bool) (c mailstore.Copied, err error) {
	from, err := u.target(src)
	if err != nil {
		return c, err
	}
	to, err := u.target(dst)
	if err != nil {
		return c, err
	}
	all, err := u.gather(src, set)
	if err != nil {
		return c, err
	}
	u.copies += len(all)
	if err := u.fits(from, to, all, needRoom); err != nil {
		u.copies -= len(all)
		return c, err
	}
	flags := make([]flagRow, 0, len(all))
	for i := range all {
		f, err := u.copyOne(from, to, &all[i])
		if err != nil {
			return mailstore.Copied{}, err
		}
		flags = append(flags, f)
		c.Source = append(c.Source, all[i].uid)
		c.Dest = append(c.Dest, f.uid)
	}
	c.UIDValidity = to.UIDValidity
	return c, u.addFlags(to.ID, flags)
}

// source is a message that is to be copied.
type source struct {
	flagRow
	row row
	key []byte
}

// gather reads the messages of a set before their mailbox is written.
func (u *update) gather(box mailstore.MailboxID, set mailstore.UIDSet) (all []source, err error) {
	limit := mailstore.MaxCopyPerUpdate - u.copies
	err = u.eachChunk(box, set, func(_ uint32, rows []flagRow, in []int) error {
		if len(all)+len(in) > limit {
			return fmt.Errorf("copy of more than %d messages: %w", limit, mailstore.ErrTooLarge)
		}
		for _, i := range in {
			all = append(all, source{flagRow: rows[i]})
		}
		return nil
	})
	for i := range all {
		if err == nil {
			all[i].key, err = u.readRow(&all[i].row, box, all[i].uid)
		}
	}
	return all, err
}

// fits checks quota and keywords before anything is copied.
func (u *update) fits(from, to *boxRecord, all []source, needRoom bool) error {
	var octets int64
	words := map[int]bool{}
	for i := range all {
		for _, w := range decodeIndexes(all[i].keywords) {
			words[w] = true
		}
		octets += all[i].row.size
	}
	if needRoom && octets > 0 {
		if err := u.room(octets); err != nil {
			return err
		}
	}
	var list []string
	for i := range words {
		if i < len(from.Keywords) {
			list = append(list, from.Keywords[i])
		}
	}
	slices.SortFunc(list, strings.Compare)
	return u.checkWords(to, list)
}

// copyOne gives one message a new row and returns its flags, not yet written.
func (u *update) copyOne(from, to *boxRecord, m *source) (f flagRow, err error) {
	r := &m.row
	summary, err := r.openSummary(u.keys, m.key)
	if err != nil {
		return f, err
	}
	prefix, suffix, err := r.openContent(u.keys, m.key)
	if err != nil {
		return f, err
	}
	words, err := from.words(m.keywords)
	if err != nil {
		return f, err
	}
	mod, err := u.modseq()
	if err != nil {
		return f, err
	}
	if !r.body.name.IsZero() {
		if err := u.w.reuseBody(u.keys, r.body); err != nil {
			return f, err
		}
	}
	learnWords(to, words)
	f = flagRow{uid: to.UIDNext, flags: m.flags, mod: mod, keywords: to.wordIndexes(words)}
	k := rowKey(u.keys.num, to.ID, f.uid)
	r.seal(u.keys, k, summary, prefix, suffix)
	r.saved = u.s.now()
	return f, u.addRow(to, r, k, f)
}
