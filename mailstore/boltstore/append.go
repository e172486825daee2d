package boltstore

import (
	"errors"
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// emailRecord is the row of bucket email: where a message came in first, and
// where it stands now. With no place left it is a memory, for repetitions.
type emailRecord struct {
	uid mailstore.UID // first
	mod mailstore.ModSeq
	at  []mailstore.Location
}

func (r *emailRecord) encode() []byte {
	e := encoder{b: make([]byte, 0, 16+8*len(r.at))}
	e.uint(uint64(r.uid))
	e.uint(uint64(r.mod))
	for _, l := range r.at {
		e.uint(uint64(l.Mailbox))
		e.uint(uint64(l.UID))
	}
	return e.b
}

func decodeEmail(raw []byte) (*emailRecord, error) {
	d := decoder{b: raw}
	r := &emailRecord{uid: mailstore.UID(d.uint()), mod: mailstore.ModSeq(d.uint())}
	if len(d.b) > 0 {
		r.at = make([]mailstore.Location, 0, len(d.b)/2+1) // two octets each at least; room for one more
	}
	for len(d.b) > 0 && !d.bad {
		r.at = append(r.at, mailstore.Location{Mailbox: mailstore.MailboxID(d.uint()), UID: mailstore.UID(d.uint())})
	}
	if d.bad {
		return nil, fmt.Errorf("id index: %w", mailstore.ErrDamaged)
	}
	return r, nil
}

// email finds a message by its EmailID; nil when it is not known.
func (v *view) email(id mailstore.ID) (*emailRecord, error) {
	raw := v.get(bEmail, idKey(v.keys.num, id))
	if raw == nil {
		return nil, nil
	}
	return decodeEmail(raw)
}

// ByEmailID implements mailstore.Tx.
func (v *view) ByEmailID(id mailstore.ID) ([]mailstore.Location, error) {
	r, err := v.email(id)
	if r == nil || err != nil {
		return nil, err
	}
	var list []mailstore.Location
	for _, l := range r.at {
		if v.stands(l.Mailbox, l.UID) {
			list = append(list, l)
		}
	}
	return list, nil
}

// ByLetter implements mailstore.Tx.
func (v *view) ByLetter(letter mailstore.ID) ([]mailstore.Location, error) {
	return v.rowsIn(bShows, key(v.keys.num, letter))
}

// ByKey implements mailstore.Tx.
func (v *view) ByKey(word string) ([]mailstore.Location, error) {
	return v.rowsIn(bRowKey, key(v.keys.num, v.rowMAC(word)))
}

// rowMAC is the form in which a message's lookup key is kept.
func (v *view) rowMAC(word string) mac { return v.s.keys.macSum("message", v.keys.num, word) }

// rowsIn reads the places that an index has under a prefix.
func (v *view) rowsIn(index bucket, prefix []byte) ([]mailstore.Location, error) {
	var list []mailstore.Location
	var bad bool
	v.scan(index, prefix, nil, func(k, _ []byte) bool {
		d := decoder{b: k[len(prefix):]}
		l := mailstore.Location{Mailbox: mailstore.MailboxID(d.fixed32()), UID: mailstore.UID(d.fixed32())}
		if bad = d.bad; !bad && v.stands(l.Mailbox, l.UID) {
			list = append(list, l)
		}
		return !bad
	})
	if bad {
		return nil, fmt.Errorf("index %s: %w", bucketNames[index], mailstore.ErrDamaged)
	}
	return list, nil
}

// target returns a mailbox that takes messages.
func (u *update) target(id mailstore.MailboxID) (*boxRecord, error) {
	b, err := u.box(id)
	if err != nil {
		return nil, err
	}
	if b.NoSelect {
		return nil, fmt.Errorf("mailbox holds no messages: %w", mailstore.ErrNoMailbox)
	}
	return b, nil
}

// room checks that octets more fit into the account's quota.
func (u *update) room(octets int64) error {
	usage, err := u.Usage()
	if err != nil {
		return err
	}
	if usage.Quota > 0 && usage.Octets+octets > usage.Quota {
		return fmt.Errorf("%d octets more: %w", octets, mailstore.ErrQuota)
	}
	return nil
}

// Append implements mailstore.MessageWriter.
func (u *update) Append(box mailstore.MailboxID, m mailstore.NewMessage) (a mailstore.Appended, err error) {
	defer u.w.guard(u.w.writes, &err)
	known, err := u.email(m.EmailID)
	if err != nil {
		return a, err
	}
	if known != nil {
		return mailstore.Appended{UID: known.uid, ModSeq: known.mod, Repeat: true}, nil
	}
	b, err := u.target(box)
	if err != nil {
		return a, err
	}
	if !m.OverQuota {
		if err := u.room(m.Content.Size()); err != nil {
			return a, err
		}
	}
	if err := u.checkWords(b, m.Keywords); err != nil {
		return a, err
	}
	if b.UIDNext == ^mailstore.UID(0) {
		return a, fmt.Errorf("UIDs used up: %w", mailstore.ErrLimit)
	}
	if err := u.count(1); err != nil {
		return a, err
	}
	mod, err := u.modseq()
	if err != nil {
		return a, err
	}
	uid := b.UIDNext
	if err := u.insert(b, uid, mod, m); err != nil {
		return a, err
	}
	return mailstore.Appended{UID: uid, ModSeq: mod}, nil
}

// insert writes a new message under a UID that is not below UIDNext.
func (u *update) insert(b *boxRecord, uid mailstore.UID, mod mailstore.ModSeq, m mailstore.NewMessage) error {
	r := &row{
		email: m.EmailID, letter: m.LetterID,
		received: m.Received, saved: u.s.now(), size: m.Content.Size(),
		offset: m.Content.Offset, length: m.Content.Length,
	}
	if r.received.IsZero() {
		r.received = r.saved
	}
	if !m.Content.Body.IsZero() {
		c := m.Content
		if c.Offset < 0 || c.Length < 0 || c.Offset+c.Length > c.Body.Size {
			return fmt.Errorf("octets %d+%d of a body of %d: %w", c.Offset, c.Length, c.Body.Size, errRange)
		}
		var err error
		if r.body, err = u.w.useBody(u.keys, m.Content.Body); err != nil {
			return err
		}
	}
	for _, word := range m.Keys {
		if found := u.rowMAC(word); !slices.Contains(r.found, found) {
			r.found = append(r.found, found)
		}
	}
	k := rowKey(u.keys.num, b.ID, uid)
	r.seal(u.keys, k, m.Summary, m.Content.Prefix, m.Content.Suffix)
	learnWords(b, m.Keywords)
	f := flagRow{uid: uid, flags: m.Flags, mod: mod, keywords: b.wordIndexes(m.Keywords)}
	if err := u.addRow(b, r, k, f); err != nil {
		return err
	}
	return u.addFlags(b.ID, []flagRow{f})
}

// errRange says that a message names octets outside its body.
var errRange = errors.New("range outside body")

// addRow writes a row whose sealed parts and body are in order, its place in
// the indexes and the counts. Its flags f are counted here and written by the
// caller (addFlags).
func (u *update) addRow(b *boxRecord, r *row, k []byte, f flagRow) error {
	st, err := u.state()
	if err != nil {
		return err
	}
	log, err := u.changeBox(b)
	if err != nil {
		return err
	}
	r.createMod = u.mod
	if err := u.w.put(bRow, k, r.encode()); err != nil {
		return err
	}
	if err := u.indexRow(b.ID, f.uid, r); err != nil {
		return err
	}
	log.created = appendUID(log.created, f.uid)
	b.UIDNext = f.uid + 1
	b.uidMod = u.mod
	b.Messages++
	b.Octets += r.size
	b.countFlags(f.flags, 1)
	st.octets += r.size
	st.messages++
	u.stDirty = true
	return nil
}

// appendUID adds a UID that is greater than those in the set.
func appendUID(set mailstore.UIDSet, uid mailstore.UID) mailstore.UIDSet {
	s := uidSet{set}
	s.add(uid)
	return s.ranges
}

// countFlags adds n messages with these flags to the counts.
func (b *boxRecord) countFlags(f mailstore.Flags, n int) {
	if f&mailstore.Seen == 0 {
		b.Unseen += uint32(n)
	}
	if f&mailstore.Deleted != 0 {
		b.Deleted += uint32(n)
	}
}

// indexRow enters a row into the indexes by EmailID, by letter and by key.
func (u *update) indexRow(box mailstore.MailboxID, uid mailstore.UID, r *row) error {
	rec, err := u.email(r.email)
	if err != nil {
		return err
	}
	if rec == nil {
		rec = &emailRecord{uid: uid, mod: u.mod}
	}
	rec.at = append(rec.at, mailstore.Location{Mailbox: box, UID: uid})
	if err := u.w.put(bEmail, idKey(u.keys.num, r.email), rec.encode()); err != nil {
		return err
	}
	for _, found := range r.found {
		if err := u.w.put(bRowKey, placeKey(u.keys.num, found, box, uid), nil); err != nil {
			return err
		}
	}
	if r.letter == (mailstore.ID{}) {
		return nil
	}
	return u.w.put(bShows, placeKey(u.keys.num, r.letter, box, uid), nil)
}

// standsAt reports whether the message stands there.
func (r *emailRecord) standsAt(box mailstore.MailboxID, uid mailstore.UID) bool {
	if r == nil {
		return false
	}
	for _, l := range r.at {
		if l.Mailbox == box && l.UID == uid {
			return true
		}
	}
	return false
}
