package imapd

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// view is what the client was told of the selected mailbox: the mailbox as of
// modseq, with what has vanished since but was not yet reported.
type view struct {
	box      mailstore.MailboxID
	readOnly bool
	watch    mailstore.Watcher

	modseq   mailstore.ModSeq // changes up to here are known
	uidNext  mailstore.UID    // messages below it were announced
	exists   uint32           // how many messages the client counts
	keywords int              // how many of the mailbox's keywords were told
	aside    bool             // the last EXISTS came with the answer to a command that does not ask for it

	// uids is the UID of each sequence number. It is loaded by the first
	// command that needs one; until then exists is all there is. It may be
	// shared with other sessions: never written in place.
	uids   []mailstore.UID
	loaded bool
	// gone are announced messages that vanished, ascending. They keep their
	// sequence numbers until an EXPUNGE may be sent (RFC 3501 §7.4.1).
	gone []mailstore.UID
	// saved is the result that "$" stands for (RFC 5182). What of it vanished
	// falls out when it is resolved.
	saved mailstore.UIDSet
	// own is what this session's Updates changed since the last poll: it was
	// answered where it happened.
	own []ownChange
}

// span is a run of sequence numbers: indexes into view.uids, end excluded.
type span struct{ from, to int }

// load fetches the UID vector as the client knows it: what is there below
// uidNext, and what has vanished without having been reported.
func (v *view) load(tx mailstore.Tx) error {
	if v.loaded {
		return nil
	}
	uids, err := tx.UIDs(v.box)
	if err != nil {
		return try("load uids", err)
	}
	n, _ := slices.BinarySearch(uids, v.uidNext)
	uids = slices.Clip(uids[:n])
	if len(uids) != int(v.exists) {
		changes, err := tx.Changes(v.box, v.modseq)
		if err != nil {
			return try("load uids", err)
		}
		lost := slices.Clone(v.gone)
		lost = appendSet(lost, changes.Vanished, v.uidNext)
		uids = mergeUIDs(uids, lost)
		if len(uids) != int(v.exists) {
			// The log of expunges does not reach back: no numbering would
			// fit what the client counts.
			return errMailboxGone
		}
	}
	v.uids, v.loaded = uids, true
	return nil
}

// appendSet appends the UIDs of set below limit.
func appendSet(uids []mailstore.UID, set mailstore.UIDSet, limit mailstore.UID) []mailstore.UID {
	for _, r := range set {
		for uid := r.Start; uid <= r.Stop && uid < limit; uid++ {
			uids = append(uids, uid)
		}
	}
	return uids
}

// mergeUIDs joins a sorted vector with others into a new one.
func mergeUIDs(uids, more []mailstore.UID) []mailstore.UID {
	all := make([]mailstore.UID, 0, len(uids)+len(more))
	all = append(append(all, uids...), more...)
	slices.Sort(all)
	return slices.Compact(all)
}

// seq is the sequence number of a UID, 0 when the client does not know it.
func (v *view) seq(uid mailstore.UID) uint32 {
	i, found := slices.BinarySearch(v.uids, uid)
	if !found {
		return 0
	}
	return uint32(i + 1)
}

// resolve turns a sequence set, as the client sent it, into spans: ascending
// and apart. An empty set is "$": the saved result. Sequence numbers that do not exist are errBadNumber; UIDs that do
// not exist are passed over (RFC 3501 §6.4.8). The vector must be loaded.
func (v *view) resolve(set imap.SeqSet, uid bool) ([]span, error) {
	if len(set) == 0 {
		set, uid = make(imap.SeqSet, len(v.saved)), true
		for i, r := range v.saved {
			set[i] = imap.SeqRange{Start: uint32(r.Start), Stop: uint32(r.Stop)}
		}
	}
	spans := make([]span, 0, len(set))
	for _, r := range set {
		sp, err := v.resolveRange(r, uid)
		if err != nil {
			return nil, err
		}
		if sp.from < sp.to {
			spans = append(spans, sp)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	merged := spans[:0]
	for _, sp := range spans {
		if n := len(merged); n > 0 && sp.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, sp.to)
			continue
		}
		merged = append(merged, sp)
	}
	return merged, nil
}

func (v *view) resolveRange(r imap.SeqRange, uid bool) (span, error) {
	n := len(v.uids)
	if uid {
		last := uint32(0)
		if n > 0 {
			last = uint32(v.uids[n-1])
		}
		low, high := bounds(r, last)
		from, _ := slices.BinarySearch(v.uids, mailstore.UID(low))
		to, found := slices.BinarySearch(v.uids, mailstore.UID(high))
		if found {
			to++
		}
		return span{from, to}, nil
	}
	low, high := bounds(r, uint32(n))
	if n == 0 && (r.Start == 0 || r.Stop == 0) {
		return span{}, nil // "1:*" of an empty mailbox is none, not an error
	}
	if low > uint32(n) {
		return span{}, errBadNumber
	}
	return span{int(low) - 1, int(min(high, uint32(n)))}, nil
}

// bounds puts a range in order, with "*" as last: "559:*" holds the last
// message whatever its number (RFC 3501 §6.4.8).
func bounds(r imap.SeqRange, last uint32) (low, high uint32) {
	low, high = r.Start, r.Stop
	if low == 0 {
		low = last
	}
	if high == 0 {
		high = last
	}
	if low > high {
		low, high = high, low
	}
	return low, high
}

// count is the number of messages in spans.
func count(spans []span) int {
	n := 0
	for _, sp := range spans {
		n += sp.to - sp.from
	}
	return n
}

// cut takes up to n messages off the front of spans.
func cut(spans []span, n int) (head, rest []span) {
	for i, sp := range spans {
		size := sp.to - sp.from
		if size < n {
			n -= size
			continue
		}
		head = append(slices.Clip(spans[:i]), span{sp.from, sp.from + n})
		if size > n {
			return head, append([]span{{sp.from + n, sp.to}}, spans[i+1:]...)
		}
		return head, spans[i+1:]
	}
	return spans, nil
}

// set is the spans as UIDs. The UIDs between two neighbours of the vector do
// not exist, so a span is one range.
func (v *view) set(spans []span) mailstore.UIDSet {
	set := make(mailstore.UIDSet, len(spans))
	for i, sp := range spans {
		set[i] = imap.UIDRange{Start: v.uids[sp.from], Stop: v.uids[sp.to-1]}
	}
	return set
}

// uidSet gathers ascending UIDs into ranges of neighbours.
func uidSet(uids []mailstore.UID) mailstore.UIDSet {
	var set mailstore.UIDSet
	for _, uid := range uids {
		if n := len(set); n > 0 && set[n-1].Stop+1 == uid {
			set[n-1].Stop = uid
			continue
		}
		set = append(set, imap.UIDRange{Start: uid, Stop: uid})
	}
	return set
}

// numberSet renders ascending numbers as a sequence set.
func numberSet(nums []uint32) string {
	var set imap.SeqSet
	for _, n := range nums {
		if k := len(set); k > 0 && set[k-1].Stop+1 == n {
			set[k-1].Stop = n
			continue
		}
		set = append(set, imap.SeqRange{Start: n, Stop: n})
	}
	return set.String()
}
