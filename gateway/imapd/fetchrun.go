package imapd

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// wanted is what a FETCH is about.
type wanted struct {
	set   mailstore.UIDSet
	count int // messages the client knows
}

// fetchSet resolves the command's set. With CHANGEDSINCE the change log says
// which of them matter, so the cost is that of the changes.
func (s *session) fetchSet(set imap.SeqSet, uid bool, p *plan) (wanted, error) {
	v := s.view
	var w wanted
	err := s.see(func(tx mailstore.Tx) error {
		if err := v.load(tx); err != nil {
			return err
		}
		spans, err := v.resolve(set, uid)
		if err != nil {
			return err
		}
		w = wanted{v.set(spans), count(spans)}
		if p.since == nil {
			return nil
		}
		changes, err := tx.Changes(v.box, *p.since)
		if err != nil {
			return try("changes since", err)
		}
		if changes.Complete {
			w.set = intersect(w.set, changes.Changed)
		}
		return nil
	})
	return w, err
}

// intersect is what two ascending sets share.
func intersect(a, b mailstore.UIDSet) mailstore.UIDSet {
	var both mailstore.UIDSet
	for len(a) > 0 && len(b) > 0 {
		low, high := max(a[0].Start, b[0].Start), min(a[0].Stop, b[0].Stop)
		if low <= high {
			both = append(both, imap.UIDRange{Start: low, Stop: high})
		}
		if a[0].Stop < b[0].Stop {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return both
}

// runFetch writes the responses, slice by slice, and counts them. \Seen is set
// behind each slice: a message counts as read once it was sent.
func (s *session) runFetch(set mailstore.UIDSet, p *plan) (served int, err error) {
	var unknown error
	err = s.slices(set, p.fields, func(batch []*mailstore.Message) error {
		var unseen []mailstore.UID
		for _, m := range batch {
			if p.since != nil && m.ModSeq <= *p.since {
				continue
			}
			seq := s.view.seq(m.UID)
			if seq == 0 {
				continue // came after the client was last told
			}
			sent, err := s.writeMessage(seq, m, p)
			if errors.Is(err, errUnknownCTE) {
				unknown = errUnknownCTE // said at the end: the others are served
				continue
			}
			if err != nil {
				return err
			}
			if !sent {
				continue
			}
			served++
			if p.seen && m.Flags&mailstore.Seen == 0 {
				unseen = append(unseen, m.UID)
			}
		}
		return s.markSeen(unseen)
	})
	if err == nil {
		err = unknown
	}
	return served, err
}

// writeMessage writes one FETCH response. It is not sent when the message's
// body has gone meanwhile: never another message under that UID.
func (s *session) writeMessage(seq uint32, m *mailstore.Message, p *plan) (sent bool, err error) {
	var sum *message.Summary
	if p.fields&mailstore.FieldSummary != 0 {
		if sum, err = s.summary(m); err != nil {
			return false, goneOr(err)
		}
	}
	var parts []piece
	if p.bodies {
		if parts, err = s.openSections(m, sum, p); err != nil {
			return false, goneOr(err)
		}
		defer closePieces(parts)
	}
	s.w.Raw("* ").Number(uint64(seq)).Raw(" FETCH ")
	sep := "("
	for i, it := range p.items {
		s.w.Raw(sep)
		sep = " "
		if it.kind != itemSection {
			s.writeItem(it.kind, m, sum)
			continue
		}
		if err := s.writePiece(it.section, &parts[i]); err != nil {
			return false, err
		}
	}
	s.w.Raw(")").CRLF()
	return true, s.w.Err()
}

// goneOr makes a vanished body no error: the message is just not there.
func goneOr(err error) error {
	if errors.Is(err, body.ErrNotFound) || errors.Is(err, mailstore.ErrNoMessage) {
		return nil
	}
	return err
}

func (s *session) writeItem(kind itemKind, m *mailstore.Message, sum *message.Summary) {
	switch kind {
	case itemFlags:
		s.w.Raw("FLAGS ")
		s.writeFlags(m.Flags, m.Keywords)
	case itemUID:
		s.w.Raw("UID ").Number(uint64(m.UID))
	case itemModSeq:
		s.w.Raw("MODSEQ (").Number(uint64(m.ModSeq)).Raw(")")
	case itemInternalDate:
		s.w.Raw("INTERNALDATE ").Date(m.Received)
	case itemSize:
		s.w.Raw("RFC822.SIZE ").Number(uint64(m.Size))
	case itemEnvelope:
		s.w.Raw("ENVELOPE ").Bytes(sum.Envelope())
	case itemBody:
		s.w.Raw("BODY ").Bytes(sum.Body(s.rev2))
	case itemBodyStructure:
		s.w.Raw("BODYSTRUCTURE ").Bytes(sum.BodyStructure(s.rev2))
	}
}

// summary is the stored summary, or one made from the body where there is
// none that can be read.
func (s *session) summary(m *mailstore.Message) (*message.Summary, error) {
	if len(m.Summary) > 0 {
		if sum, err := message.DecodeSummary(m.Summary); err == nil {
			return sum, nil
		}
	}
	r, err := s.open(m, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	made, err := message.Index(r, message.Limits{})
	if err != nil {
		return nil, fmt.Errorf("index message: %w", err)
	}
	return message.DecodeSummary(made)
}

// markSeen sets \Seen behind a fetch of bodies, in one Update, and reports it.
func (s *session) markSeen(uids []mailstore.UID) error {
	if len(uids) == 0 || s.w.Err() != nil {
		return s.w.Err()
	}
	job := &flagJob{
		set:    uidSet(uids),
		change: mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen},
		echo:   echoAll,
	}
	if err := s.setFlags([]*flagJob{job}); err != nil {
		return err
	}
	for _, m := range job.rows {
		if job.result.Changed.Contains(m.UID) {
			s.writeFetchFlags(m)
		}
	}
	return s.w.Err()
}
