package imapd

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"gosbridge/mailstore"
)

// query is a SEARCH once read.
type query struct {
	match  criterion
	fields mailstore.Fields
	parts  mailstore.TextParts
}

// search answers SEARCH and UID SEARCH (RFC 3501 §6.4.4, RFC 7162 §3.1.5),
// with RETURN too (RFC 4731, RFC 5182) and always so in IMAP4rev2.
func (s *session) search(c *call) (answer, error) {
	p := &searchParser{s: s}
	s.r.SP()
	keys := p.readSearch()
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		s.unsave(p.returns, err)
		return answer{}, err
	}
	if p.returns == nil && s.rev2 {
		p.returns = &searchReturn{all: true} // RFC 9051 §6.4.4
	}
	if p.modseq {
		s.useCondstore()
	}
	found, err := s.findMessages(p, keys)
	if err != nil {
		s.unsave(p.returns, err)
		return answer{}, err
	}
	if p.returns != nil {
		s.writeExtended(c, p, found)
		return ok("searched"), nil
	}
	s.w.Raw("* SEARCH")
	for _, h := range found {
		s.w.Raw(" ").Number(uint64(s.number(c, h.uid)))
	}
	if p.modseq && len(found) > 0 {
		// The highest of those returned (RFC 7162 §3.1.5).
		s.w.Raw(" (MODSEQ ").Number(uint64(newest(found))).Raw(")")
	}
	s.w.CRLF()
	return ok("searched"), nil
}

// findMessages runs the search once read.
func (s *session) findMessages(p *searchParser, keys []criterion) ([]hit, error) {
	if err := s.prepareSearch(p); err != nil {
		return nil, err
	}
	return s.runSearch(query{match: all(keys), fields: p.fields, parts: p.parts})
}

// number is what the client calls a message in the answer to c.
func (s *session) number(c *call, uid mailstore.UID) uint32 {
	if c.uid {
		return uint32(uid)
	}
	return s.view.seq(uid)
}

// hit is a message that was found.
type hit struct {
	uid    mailstore.UID
	modseq mailstore.ModSeq
}

// newest is the highest mod-sequence of hits, 0 when there are none.
func newest(hits []hit) (highest mailstore.ModSeq) {
	for _, h := range hits {
		highest = max(highest, h.modseq)
	}
	return highest
}

// prepareSearch loads the vector and resolves the sequence sets of the keys.
func (s *session) prepareSearch(p *searchParser) error {
	if !s.view.loaded {
		if err := s.see(s.view.load); err != nil {
			return err
		}
	}
	for _, set := range p.sets {
		spans, err := s.view.resolve(set.raw, set.uid)
		if err != nil {
			return err
		}
		set.uids = s.view.set(spans)
	}
	return nil
}

// runSearch tries every message the client knows: first by what the rows tell,
// then by the texts that are kept, and last by reading the messages that have
// none, or whose text does not tell.
func (s *session) runSearch(q query) (found []hit, err error) {
	if len(s.view.uids) == 0 {
		return nil, nil
	}
	known := s.view.set([]span{{0, len(s.view.uids)}})
	var open []mailstore.UID
	err = s.slices(known, q.fields, func(batch []*mailstore.Message) error {
		from := len(found)
		open = open[:0]
		for _, m := range batch {
			if s.view.seq(m.UID) == 0 {
				continue
			}
			c := &candidate{s: s, m: m, summed: q.fields&mailstore.FieldSummary != 0}
			switch q.match(c) {
			case yes:
				found = append(found, hit{m.UID, m.ModSeq})
			case unknown:
				open = append(open, m.UID)
			}
		}
		if len(open) == 0 {
			return s.ctx.Err()
		}
		more, err := s.lookInto(q, batch, open)
		found = append(found, more...)
		slices.SortFunc(found[from:], func(a, b hit) int { return cmp.Compare(a.uid, b.uid) })
		return err
	})
	return found, err
}

// lookInto decides on the messages of a batch that are still open. A search
// holds its turn for one batch, so that a long one does not keep others waiting.
func (s *session) lookInto(q query, batch []*mailstore.Message, open []mailstore.UID) (found []hit, err error) {
	release, err := s.srv.searchTurn(s.ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if q.parts != 0 {
		if found, open, err = s.searchTexts(q, batch, open); err != nil {
			return nil, err
		}
	}
	if len(open) == 0 {
		return found, s.ctx.Err()
	}
	err = s.rows(uidSet(open), q.fields|mailstore.FieldSummary, func(m *mailstore.Message) error {
		v, err := s.searchMessage(q, &candidate{s: s, m: m, summed: true})
		if v == yes {
			found = append(found, hit{m.UID, m.ModSeq})
		}
		if err == nil {
			err = s.ctx.Err()
		}
		return err
	})
	return found, err
}

// searchTexts decides by the texts that are kept, and returns what stays open.
func (s *session) searchTexts(q query, batch []*mailstore.Message, open []mailstore.UID) (found []hit, left []mailstore.UID, err error) {
	i, j := 0, 0
	for text, err := range s.srv.store.Texts().Scan(s.ctx, s.account(), s.view.box, uidSet(open), q.parts) {
		if err != nil {
			return nil, nil, fmt.Errorf("search texts: %w", err)
		}
		for ; open[i] < text.UID; i++ {
			left = append(left, open[i]) // it has none
		}
		i++
		for batch[j].UID < text.UID {
			j++
		}
		switch q.match(&candidate{s: s, m: batch[j], text: text}) {
		case yes:
			found = append(found, hit{batch[j].UID, batch[j].ModSeq})
		case unknown:
			left = append(left, text.UID)
		}
	}
	return found, append(left, open[i:]...), nil
}

// searchMessage decides with the summary, and the body if need be. A message
// whose body has gone meanwhile matches nothing.
func (s *session) searchMessage(q query, c *candidate) (verdict, error) {
	v := q.match(c)
	if v == unknown {
		c.body = true
		v = q.match(c)
	}
	if c.err != nil {
		if goneOr(c.err) == nil {
			return not, nil
		}
		return not, fmt.Errorf("search body: %w", c.err)
	}
	return v, nil
}

// searchTurn waits until one of few searches at a time may look into messages:
// they would take the processors from everybody else. Those that wait are let in
// in the order they came. The caller gives the turn back.
func (s *Server) searchTurn(ctx context.Context) (release func(), err error) {
	select {
	case s.searches <- struct{}{}:
		return func() { <-s.searches }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
