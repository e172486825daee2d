package boltstore

import (
	"bytes"
	"encoding/binary"
	"slices"

	"gosbridge/mailstore"
)

// accountChecker checks what belongs to one account.
type accountChecker struct {
	*checker
	v *view
}

func (a *accountChecker) check() {
	id, num := a.v.keys.id, a.v.keys.num
	st, err := a.v.state()
	if !a.must(err, "account %s", id) {
		return
	}
	boxes, err := a.v.allBoxes()
	if !a.must(err, "mailboxes of %s", id) {
		return
	}
	var octets, messages int64
	for _, b := range boxes {
		octets += b.Octets
		messages += int64(b.Messages)
		if b.HighestMod > st.modseq || b.ID >= st.nextBox {
			a.add("mailbox %d of %s: beyond the account's counters", b.ID, id)
		}
		if found, err := a.v.boxByName(b.Name); err != nil || found != b {
			a.add("mailbox %d of %s: not found by its name", b.ID, id)
		}
		a.box(b)
	}
	if octets != st.octets || messages != st.messages || len(boxes) != int(st.boxes) {
		a.add("account %s: usage %d octets, %d messages, %d mailboxes; found %d, %d, %d",
			id, st.octets, st.messages, st.boxes, octets, messages, len(boxes))
	}
	if n := a.size(bBoxName, key(num)); n != len(boxes) {
		a.add("account %s: %d names, %d mailboxes", id, n, len(boxes))
	}
	a.rows()
	a.emails()
	a.checkKept()
	a.letters()
	a.journal(st)
	a.scan(bCred, key(num), nil, func(k, raw []byte) bool {
		_, err := decodeCredential(a.v.keys, k, raw)
		a.must(err, "credential")
		return true
	})
}

// box checks counts and flags of a mailbox against its rows and its log.
func (a *accountChecker) box(b *boxRecord) {
	num := a.v.keys.num
	logs := map[mailstore.ModSeq]*logEntry{}
	a.scan(bLog, boxKey(num, b.ID), nil, func(k, raw []byte) bool {
		l := &logEntry{}
		a.must(decodeLog(l, raw), "log of mailbox %d", b.ID)
		logs[mailstore.ModSeq(binary.BigEndian.Uint64(k[8:]))] = l
		return true
	})
	for mod := range logs {
		if mod > b.HighestMod || mod <= b.floor {
			a.add("mailbox %d: log at %d outside %d..%d", b.ID, mod, b.floor, b.HighestMod)
		}
	}
	if len(logs) != int(b.logCount) {
		a.add("mailbox %d: %d log entries, %d counted", b.ID, len(logs), b.logCount)
	}
	var found boxRecord
	err := a.v.eachChunk(b.ID, mailstore.UIDSet{{Start: 1, Stop: ^mailstore.UID(0)}}, func(_ uint32, rows []flagRow, _ []int) error {
		for _, f := range rows {
			a.message(b, f, &found, logs)
		}
		return nil
	})
	a.must(err, "flags of mailbox %d", b.ID)
	if found.Messages != b.Messages || found.Unseen != b.Unseen || found.Deleted != b.Deleted || found.Octets != b.Octets {
		a.add("mailbox %d: counts %d %d %d %d, found %d %d %d %d", b.ID, b.Messages, b.Unseen, b.Deleted, b.Octets,
			found.Messages, found.Unseen, found.Deleted, found.Octets)
	}
	if found.UIDNext >= b.UIDNext {
		a.add("mailbox %d: UID %d not below UIDNEXT %d", b.ID, found.UIDNext, b.UIDNext)
	}
	doomed := a.doomed(b)
	if n := a.size(bRow, boxKey(num, b.ID)); n != int(b.Messages)+doomed {
		a.add("mailbox %d: %d rows, %d messages, %d doomed", b.ID, n, b.Messages, doomed)
	}
	a.vector(b)
}

// doomed counts the messages that left the mailbox and whose rows are still to
// be dropped.
func (a *accountChecker) doomed(b *boxRecord) (n int) {
	a.scan(bDoomed, boxKey(a.v.keys.num, b.ID), nil, func(k, raw []byte) bool {
		account, _, rows, err := decodeDoomed(k, raw)
		if !a.must(err, "doomed messages of mailbox %d", b.ID) {
			return true
		}
		if account != a.v.keys.id {
			a.add("doomed messages of mailbox %d: of another account", b.ID)
		}
		for _, f := range rows {
			n++
			if a.v.stands(b.ID, f.uid) {
				a.add("message %d of mailbox %d: doomed and not gone", f.uid, b.ID)
			}
		}
		return true
	})
	return n
}

// vector checks the shared UIDs.
func (a *accountChecker) vector(b *boxRecord) {
	fresh, err := a.v.loadUIDs(b)
	a.must(err, "UIDs of mailbox %d", b.ID)
	shared, err := a.v.UIDs(b.ID)
	a.must(err, "UIDs of mailbox %d", b.ID)
	if !slices.Equal(fresh, shared) {
		a.add("mailbox %d: %d shared UIDs differ from %d on the disk", b.ID, len(shared), len(fresh))
	}
}

// message checks one message against the log and adds it to the counts.
func (a *accountChecker) message(b *boxRecord, f flagRow, found *boxRecord, logs map[mailstore.ModSeq]*logEntry) {
	found.Messages++
	found.countFlags(f.flags, 1)
	if f.uid <= found.UIDNext {
		a.add("mailbox %d: UID %d does not ascend", b.ID, f.uid)
	}
	found.UIDNext = f.uid // the greatest so far
	_, err := b.words(f.keywords)
	a.must(err, "message %d of mailbox %d", f.uid, b.ID)
	var r row
	k, err := a.v.readRow(&r, b.ID, f.uid)
	if !a.must(err, "message %d of mailbox %d", f.uid, b.ID) {
		return
	}
	found.Octets += r.size
	c, err := a.v.content(&r, k)
	a.must(err, "message %d of mailbox %d", f.uid, b.ID)
	if err == nil && c.Size() != r.size {
		a.add("message %d of mailbox %d: %d octets, says %d", f.uid, b.ID, c.Size(), r.size)
	}
	if !c.Body.IsZero() {
		a.refs[c.Body.Name] = c.Body
	}
	_, err = r.openSummary(a.v.keys, k)
	a.must(err, "summary of message %d of mailbox %d", f.uid, b.ID)
	if r.createMod > b.floor && (logs[r.createMod] == nil || !logs[r.createMod].created.Contains(f.uid)) {
		a.add("message %d of mailbox %d: creation at %d not in the log", f.uid, b.ID, r.createMod)
	}
	if f.mod > r.createMod && f.mod > b.floor && (logs[f.mod] == nil || !logs[f.mod].changed.Contains(f.uid)) {
		a.add("message %d of mailbox %d: change at %d not in the log", f.uid, b.ID, f.mod)
	}
}

// rows counts the uses of bodies by all rows, those to be purged included, and
// looks for each row in the indexes.
func (a *accountChecker) rows() {
	shows, found := 0, 0
	a.scan(bRow, key(a.v.keys.num), nil, func(k, raw []byte) bool {
		var r row
		if !a.must(r.decode(raw), "row %x", k) {
			return true
		}
		if !r.body.name.IsZero() {
			a.uses[string(wrapKey(r.body.name, a.v.keys.holder))]++
		}
		box, uid := mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), mailstore.UID(binary.BigEndian.Uint32(k[8:]))
		rec, err := a.v.email(r.email)
		if err != nil || !rec.standsAt(box, uid) {
			a.add("row %x: not in the id index", k)
		}
		for _, m := range r.found {
			found++
			if a.get(bRowKey, key(a.v.keys.num, m, box, uid)) == nil {
				a.add("row %x: not found by its key", k)
			}
		}
		if r.letter != (mailstore.ID{}) {
			shows++
			if a.get(bShows, key(a.v.keys.num, r.letter, box, uid)) == nil {
				a.add("row %x: not found by its letter", k)
			}
		}
		return true
	})
	if n := a.size(bShows, key(a.v.keys.num)); n != shows {
		a.add("%d rows by letter, %d found", n, shows)
	}
	if n := a.size(bRowKey, key(a.v.keys.num)); n != found {
		a.add("%d rows by key, %d found", n, found)
	}
}

// emails checks that the id index names only rows that are there, and that
// what it only remembers will be forgotten.
func (a *accountChecker) emails() {
	forget := map[string]bool{}
	a.scan(bGone, nil, nil, func(k, _ []byte) bool {
		if k[8] == goneEmail {
			forget[string(k[9:])] = true
		}
		return true
	})
	a.scan(bEmail, key(a.v.keys.num), nil, func(k, raw []byte) bool {
		rec, err := decodeEmail(raw)
		if !a.must(err, "id %x", k) {
			return true
		}
		for _, l := range rec.at {
			if raw := a.get(bRow, rowKey(a.v.keys.num, l.Mailbox, l.UID)); raw == nil || !bytes.Equal(raw[1:17], k[4:]) {
				a.add("id %x: no row %d in mailbox %d", k[4:], l.UID, l.Mailbox)
			}
		}
		if len(rec.at) == 0 && !forget[string(k)] {
			a.add("id %x: remembered for ever", k[4:])
		}
		return true
	})
}

// letters checks letters, their order, their lookup keys and their evidence.
func (a *accountChecker) letters() {
	prefix := key(a.v.keys.num)
	letters := 0
	a.scan(bLetter, prefix, nil, func(k, raw []byte) bool {
		letters++
		l, err := a.v.openLetter(k, raw)
		if a.must(err, "letter") && a.get(bLetTime, letterTimeKey(a.v.keys.num, l)) == nil {
			a.add("letter %s: not in the order of time", l.ID)
		}
		return true
	})
	if n := a.size(bLetTime, prefix); n != letters {
		a.add("%d letters, %d in order", letters, n)
	}
	a.scan(bLetKey, prefix, nil, func(k, _ []byte) bool {
		if a.get(bLetter, key(a.v.keys.num, k[20:])) == nil {
			a.add("lookup key of no letter %x", k[20:])
		}
		return true
	})
	a.scan(bEvidence, prefix, nil, func(k, raw []byte) bool {
		_, err := a.v.openEvidence(mailstore.ID(k[4:20]), k, raw)
		a.must(err, "evidence")
		return true
	})
}

// journal checks that all records and hashes are there.
func (a *accountChecker) journal(st *state) {
	for rec, err := range a.v.Journal(0, 0) {
		a.must(err, "journal record %d", rec.Index)
	}
	if n := a.size(bJournal, key(a.v.keys.num)); int64(n) != st.journal {
		a.add("%d journal records, %d counted", n, st.journal)
	}
	hashes := int64(0)
	a.scan(bHash, key(a.v.keys.num), nil, func(_, raw []byte) bool {
		hashes += int64(len(raw) / 32)
		return true
	})
	if hashes != st.hashes {
		a.add("%d tree hashes, %d counted", hashes, st.hashes)
	}
}
