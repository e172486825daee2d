package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// chunkUIDs is how many UIDs share a row of bucket flag. Changing the flags of
// a whole mailbox then writes a hundredth of the rows, and the UIDs of
// a mailbox are read in one short scan.
const chunkUIDs = 128

// flagRow is what changes about one message. A message exists in its mailbox
// exactly when it has a flagRow.
type flagRow struct {
	uid      mailstore.UID
	flags    mailstore.Flags
	mod      mailstore.ModSeq
	keywords []byte // indexes into the mailbox's keywords, ascending varints
}

// chunkOf is the number of the chunk in which a UID stands.
func chunkOf(uid mailstore.UID) uint32 { return uint32(uid) / chunkUIDs }

func chunkKey(an uint32, box mailstore.MailboxID, chunk uint32) []byte {
	return rowKey(an, box, mailstore.UID(chunk))
}

// encodeChunk writes rows of one chunk, which ascend by UID.
func encodeChunk(rows []flagRow) []byte {
	return appendChunk(make([]byte, 0, 8*len(rows)+16), rows)
}

// appendChunk appends rows to what encodeChunk made of those before them.
func appendChunk(b []byte, rows []flagRow) []byte {
	for _, r := range rows {
		b = append(b, byte(uint32(r.uid)%chunkUIDs), byte(r.flags))
		b = binary.AppendUvarint(b, uint64(r.mod))
		b = binary.AppendUvarint(b, uint64(len(r.keywords)))
		b = append(b, r.keywords...)
	}
	return b
}

// decodeChunk appends the rows of a chunk; keywords point into raw.
func decodeChunk(rows []flagRow, chunk uint32, raw []byte) ([]flagRow, error) {
	first := mailstore.UID(chunk) * chunkUIDs
	for len(raw) > 0 {
		if len(raw) < 4 {
			return nil, fmt.Errorf("flags: %w", mailstore.ErrDamaged)
		}
		r := flagRow{uid: first + mailstore.UID(raw[0]), flags: mailstore.Flags(raw[1])}
		raw = raw[2:]
		mod, n := binary.Uvarint(raw)
		if n <= 0 {
			return nil, fmt.Errorf("flags: %w", mailstore.ErrDamaged)
		}
		r.mod = mailstore.ModSeq(mod)
		raw = raw[n:]
		size, n := binary.Uvarint(raw)
		if n <= 0 || size > uint64(len(raw)-n) {
			return nil, fmt.Errorf("flags: %w", mailstore.ErrDamaged)
		}
		r.keywords = raw[n : n+int(size) : n+int(size)]
		raw = raw[n+int(size):]
		rows = append(rows, r)
	}
	return rows, nil
}

// putChunk writes one chunk, or removes it when it is empty.
func (u *update) putChunk(box mailstore.MailboxID, chunk uint32, rows []flagRow) error {
	k := chunkKey(u.keys.num, box, chunk)
	if len(rows) == 0 {
		return u.w.del(bFlag, k)
	}
	return u.w.put(bFlag, k, encodeChunk(rows))
}

// addFlags writes the flags of new messages, whose UIDs ascend and are greater
// than all in their mailbox: what stands before them is not read.
func (u *update) addFlags(box mailstore.MailboxID, rows []flagRow) error {
	for len(rows) > 0 {
		number, n := chunkOf(rows[0].uid), 1
		for n < len(rows) && chunkOf(rows[n].uid) == number {
			n++
		}
		k := chunkKey(u.keys.num, box, number)
		before := u.get(bFlag, k)
		all := append(make([]byte, 0, len(before)+8*n+16), before...)
		if err := u.w.put(bFlag, k, appendChunk(all, rows[:n])); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// eachChunk calls fn for the chunks that hold UIDs of the set, ascending, with
// the rows that are in the set as indexes. It works on the chunks as they were
// before, so that fn may write them.
func (v *view) eachChunk(box mailstore.MailboxID, set mailstore.UIDSet, fn func(chunk uint32, rows []flagRow, in []int) error) error {
	ranges, err := v.ranges(box, set)
	if err != nil || len(ranges) == 0 {
		return err
	}
	prefix := boxKey(v.keys.num, box)
	next := chunkOf(ranges[0].Start)
	at := 0 // ranges before it lie behind
	rows, in := v.scratch(), make([]int, 0, chunkUIDs)
	defer func() { v.spare = rows }()
	for {
		k, raw := v.seek(bFlag, chunkKey(v.keys.num, box, next))
		if !bytes.HasPrefix(k, prefix) {
			return nil
		}
		next = binary.BigEndian.Uint32(k[8:])
		if rows, err = decodeChunk(rows[:0], next, raw); err != nil {
			return err
		}
		in = in[:0]
		for i, r := range rows {
			for at < len(ranges) && ranges[at].Stop < r.uid {
				at++
			}
			if at == len(ranges) {
				break
			}
			if ranges[at].Start <= r.uid {
				in = append(in, i)
			}
		}
		if len(in) > 0 {
			if err := fn(next, rows, in); err != nil {
				return err
			}
		}
		if at == len(ranges) {
			return nil
		}
		next = max(next+1, chunkOf(ranges[at].Start))
		if next > chunkOf(^mailstore.UID(0)) {
			return nil
		}
	}
}

// scratch returns room for the rows of one chunk. It is the view's own, which
// most transactions need several times, unless somebody up the stack has it.
func (v *view) scratch() []flagRow {
	rows := v.spare
	if v.spare = nil; rows == nil {
		rows = make([]flagRow, 0, chunkUIDs)
	}
	return rows[:0]
}

// ranges resolves "*" and sorts. RFC 9051 §9: "*" is the greatest UID in use,
// and n:* contains it whatever n is.
func (v *view) ranges(box mailstore.MailboxID, set mailstore.UIDSet) ([]mailstore.UIDRange, error) {
	list := make([]mailstore.UIDRange, 0, len(set))
	var last mailstore.UID
	if set.Dynamic() {
		var err error
		if last, err = v.lastUID(box); err != nil || last == 0 {
			return nil, err
		}
	}
	for _, r := range set {
		if r.Start == 0 {
			r.Start = last
		}
		if r.Stop == 0 {
			r.Stop = last
		}
		if r.Start > r.Stop {
			r.Start, r.Stop = r.Stop, r.Start
		}
		list = append(list, r)
	}
	return mergeRanges(list), nil
}

// lastUID is the greatest UID in use, 0 in an empty mailbox.
func (v *view) lastUID(box mailstore.MailboxID) (mailstore.UID, error) {
	k, raw := v.last(bFlag, boxKey(v.keys.num, box))
	if k == nil {
		return 0, nil
	}
	rows, err := decodeChunk(nil, binary.BigEndian.Uint32(k[8:]), raw)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[len(rows)-1].uid, nil
}

// mergeRanges sorts ranges and joins those that touch.
func mergeRanges(list []mailstore.UIDRange) []mailstore.UIDRange {
	slices.SortFunc(list, func(a, b mailstore.UIDRange) int {
		if a.Start != b.Start {
			if a.Start < b.Start {
				return -1
			}
			return 1
		}
		return 0
	})
	out := list[:0]
	for _, r := range list {
		if n := len(out); n > 0 && (r.Start <= out[n-1].Stop || r.Start == out[n-1].Stop+1) {
			out[n-1].Stop = max(out[n-1].Stop, r.Stop)
			continue
		}
		out = append(out, r)
	}
	return out
}

// uidSet collects UIDs that ascend into ranges.
type uidSet struct{ ranges mailstore.UIDSet }

func (s *uidSet) add(uid mailstore.UID) {
	if n := len(s.ranges); n > 0 && s.ranges[n-1].Stop+1 == uid {
		s.ranges[n-1].Stop = uid
		return
	}
	s.ranges = append(s.ranges, mailstore.UIDRange{Start: uid, Stop: uid})
}

// subtract returns the UIDs of a that are not in b; both are merged ranges.
func subtract(a, b []mailstore.UIDRange) []mailstore.UIDRange {
	var out []mailstore.UIDRange
	for _, r := range a {
		for len(b) > 0 && b[0].Stop < r.Start {
			b = b[1:]
		}
		start, done := r.Start, false
		for _, cut := range b {
			if cut.Start > r.Stop {
				break
			}
			if cut.Start > start {
				out = append(out, mailstore.UIDRange{Start: start, Stop: cut.Start - 1})
			}
			if cut.Stop >= r.Stop {
				done = true
				break
			}
			start = cut.Stop + 1
		}
		if !done && start <= r.Stop {
			out = append(out, mailstore.UIDRange{Start: start, Stop: r.Stop})
		}
	}
	return out
}

// words turns the keyword indexes of a row into words.
func (b *boxRecord) words(indexes []byte) ([]string, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	words := make([]string, 0, 4)
	for len(indexes) > 0 {
		i, n := binary.Uvarint(indexes)
		if n <= 0 || i >= uint64(len(b.Keywords)) {
			return nil, fmt.Errorf("keyword index: %w", mailstore.ErrDamaged)
		}
		words = append(words, b.Keywords[i])
		indexes = indexes[n:]
	}
	return words, nil
}

// wordIndexes returns the indexes of words that the mailbox knows, ascending.
func (b *boxRecord) wordIndexes(words []string) []byte {
	list := make([]int, 0, len(words))
	for _, w := range words {
		if i, ok := b.keyword(w); ok {
			list = append(list, i)
		}
	}
	return encodeIndexes(list)
}

func encodeIndexes(list []int) []byte {
	slices.Sort(list)
	list = slices.Compact(list)
	var raw []byte
	for _, i := range list {
		raw = binary.AppendUvarint(raw, uint64(i))
	}
	return raw
}

func decodeIndexes(raw []byte) (list []int) {
	for len(raw) > 0 {
		i, n := binary.Uvarint(raw)
		if n <= 0 {
			return list
		}
		list = append(list, int(i))
		raw = raw[n:]
	}
	return list
}

// checkWords reports ErrLimit when the mailbox cannot take the new ones of words.
func (u *update) checkWords(b *boxRecord, words []string) error {
	unknown := 0
	for _, w := range words {
		if _, ok := b.keyword(w); !ok {
			unknown++
		}
	}
	if unknown > 0 && len(b.Keywords)+unknown > u.s.opts.MaxKeywords {
		return fmt.Errorf("%d keywords: %w", len(b.Keywords)+unknown, mailstore.ErrLimit)
	}
	return nil
}

// learnWords adds the words that the mailbox does not know yet.
func learnWords(b *boxRecord, words []string) {
	for _, w := range words {
		if _, ok := b.keyword(w); !ok {
			b.Keywords = append(b.Keywords, w)
			b.renamed = true
		}
	}
}
