package imapd

import (
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// pollKind says which changes are sent behind a command.
type pollKind uint8

const (
	// pollNever: nothing is sent.
	pollNever pollKind = iota
	// pollKeep: FETCH, STORE and SEARCH by sequence number. No EXPUNGE (RFC
	// 3501 §7.4.1, RFC 9051 §7.5.1); looks only when the store gave a hint.
	pollKeep
	// pollHint: all changes, if the store gave a hint. With more commands
	// already sent by the client EXPUNGE waits, since they may go by number.
	pollHint
	// pollAll: all changes, and looks whatever the hints say.
	pollAll
)

// news is what a look at the mailbox found, gathered inside a View and
// written outside.
type news struct {
	box     mailstore.Mailbox
	changed mailstore.UIDSet // announced before, changed since
	since   mailstore.ModSeq
	fresh   bool // there are new messages
}

// poll sends what changed in the selected mailbox since the last one.
func (s *session) poll(kind pollKind) error {
	v := s.view
	hinted := false
	select {
	case <-v.watch.C():
		hinted = true
	default:
	}
	if kind == pollAll || hinted {
		if err := s.catchUp(); err != nil {
			return err
		}
	}
	if len(v.gone) > 0 && (kind == pollAll || kind == pollHint && !s.r.Buffered()) {
		return s.sendExpunges()
	}
	return s.w.Err()
}

// catchUp brings the view to the present and tells the client, but for
// EXPUNGE, which waits in view.gone.
func (s *session) catchUp() error {
	var n news
	err := s.see(func(tx mailstore.Tx) error {
		var err error
		n, err = s.view.look(tx)
		return err
	})
	switch {
	case errors.Is(err, mailstore.ErrNoMailbox):
		return errMailboxGone
	case err != nil:
		return err
	}
	return s.tell(n)
}

// look compares the mailbox with the view and moves the view on. A message
// that came and went between two looks is neither new nor vanished, so it is
// never reported.
func (v *view) look(tx mailstore.Tx) (news, error) {
	box, err := tx.Mailbox(v.box)
	n := news{box: box, since: v.modseq}
	if err != nil || box.HighestMod <= v.modseq {
		return n, err
	}
	changes, err := tx.Changes(v.box, v.modseq)
	if err != nil {
		return n, try("changes", err)
	}
	var fresh mailstore.UIDSet
	n.changed, fresh = split(changes.Changed, v.uidNext)
	if !changes.Complete || len(n.changed) > 0 || len(changes.Vanished) > 0 {
		// All of these need sequence numbers.
		if err := v.load(tx); err != nil {
			return n, err
		}
	}
	if !changes.Complete {
		// The log does not reach back: compare with what is there.
		if n.changed, fresh, err = v.compare(tx, box.UIDNext); err != nil {
			return n, err
		}
	} else {
		v.gone = mergeUIDs(v.gone, v.announced(changes.Vanished))
	}
	// The record counts what is there; the client counts what it was not
	// told the end of, too.
	exists := box.Messages + uint32(len(v.gone))
	n.fresh = exists > v.exists
	v.modseq, v.uidNext, v.exists = box.HighestMod, box.UIDNext, exists
	if v.loaded {
		v.uids = appendSet(slices.Clip(v.uids), fresh, v.uidNext)
		if len(v.uids) != int(exists) {
			return n, fmt.Errorf("uid vector of %d for %d messages: %w", len(v.uids), exists, mailstore.ErrDamaged)
		}
	}
	return n, nil
}

// announced is the part of set that the client knows. The vector is loaded
// when set is not empty.
func (v *view) announced(set mailstore.UIDSet) []mailstore.UID {
	var known []mailstore.UID
	for _, r := range set {
		from, _ := slices.BinarySearch(v.uids, r.Start)
		for ; from < len(v.uids) && v.uids[from] <= r.Stop; from++ {
			known = append(known, v.uids[from])
		}
	}
	return known
}

// compare finds what vanished by looking at all messages, and calls all
// others changed.
func (v *view) compare(tx mailstore.Tx, uidNext mailstore.UID) (changed, fresh mailstore.UIDSet, err error) {
	live, err := tx.UIDs(v.box)
	if err != nil {
		return nil, nil, try("compare uids", err)
	}
	var gone []mailstore.UID
	for _, uid := range v.uids {
		if _, found := slices.BinarySearch(live, uid); !found {
			gone = append(gone, uid)
		}
	}
	v.gone = gone
	old, _ := slices.BinarySearch(live, v.uidNext)
	return uidSet(live[:old]), uidSet(live[old:]), nil
}

// split divides a set at a UID.
func split(set mailstore.UIDSet, at mailstore.UID) (below, above mailstore.UIDSet) {
	for _, r := range set {
		if r.Start < at {
			below = append(below, imap.UIDRange{Start: r.Start, Stop: min(r.Stop, at-1)})
		}
		if r.Stop >= at {
			above = append(above, imap.UIDRange{Start: max(r.Start, at), Stop: r.Stop})
		}
	}
	return below, above
}

// tell writes what a look found.
func (s *session) tell(n news) error {
	v := s.view
	if len(n.box.Keywords) > v.keywords {
		s.writeFlagLists(n.box)
	}
	if n.fresh {
		s.writeExists()
	}
	own := v.own
	v.own = nil
	return s.rows(n.changed, 0, func(m *mailstore.Message) error {
		if m.ModSeq > n.since && !mine(own, m) {
			s.writeFetchFlags(m)
		}
		return s.w.Err()
	})
}

// writeExists tells how many messages there are.
func (s *session) writeExists() {
	s.w.Raw("* ").Number(uint64(s.view.exists)).Raw(" EXISTS").CRLF()
	s.view.aside = true
}

// ownChange is what an Update of this session changed and answered itself.
type ownChange struct {
	modseq mailstore.ModSeq
	set    mailstore.UIDSet
}

func mine(own []ownChange, m *mailstore.Message) bool {
	for _, o := range own {
		if o.modseq == m.ModSeq && o.set.Contains(m.UID) {
			return true
		}
	}
	return false
}

// writeFetchFlags writes an unsolicited FETCH. MODSEQ goes only to clients
// that asked for it (RFC 7162 §3.1): others may stumble over it.
func (s *session) writeFetchFlags(m *mailstore.Message) {
	seq := s.view.seq(m.UID)
	if seq == 0 {
		return
	}
	s.w.Raw("* ").Number(uint64(seq)).Raw(" FETCH (UID ").Number(uint64(m.UID))
	if s.condstore {
		s.w.Raw(" MODSEQ (").Number(uint64(m.ModSeq)).Raw(")")
	}
	s.w.Raw(" FLAGS ")
	s.writeFlags(m.Flags, m.Keywords)
	s.w.Raw(")").CRLF()
}

// sendExpunges reports what vanished and takes it out of the view.
func (s *session) sendExpunges() error {
	v := s.view
	if !v.loaded {
		// What vanished was found with the vector, so it is there.
		return fmt.Errorf("expunges without numbers: %w", mailstore.ErrDamaged)
	}
	left := make([]mailstore.UID, 0, len(v.uids))
	gone := v.gone
	for _, uid := range v.uids {
		if len(gone) > 0 && gone[0] == uid {
			gone = gone[1:]
			s.w.Raw("* ").Number(uint64(len(left) + 1)).Raw(" EXPUNGE").CRLF()
			continue
		}
		left = append(left, uid)
	}
	v.uids, v.gone, v.exists = left, nil, uint32(len(left))
	return s.w.Err()
}
