package imapd

import (
	"fmt"

	"gosbridge/mailstore"
)

// query is a SEARCH once read.
type query struct {
	match  criterion
	fields mailstore.Fields
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
	return s.runSearch(query{match: all(keys), fields: p.fields})
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

// runSearch tries every message the client knows. What the row can tell is
// decided inside the View; the few that need their body are read outside.
func (s *session) runSearch(q query) (found []hit, err error) {
	if len(s.view.uids) == 0 {
		return nil, nil
	}
	known := s.view.set([]span{{0, len(s.view.uids)}})
	err = s.slices(known, q.fields, func(batch []*mailstore.Message) error {
		for _, m := range batch {
			if s.view.seq(m.UID) == 0 {
				continue
			}
			c := &candidate{s: s, m: m}
			v := q.match(c)
			if v == unknown {
				if v, err = s.searchBody(q, c); err != nil {
					return err
				}
			}
			if v == yes {
				found = append(found, hit{m.UID, m.ModSeq})
			}
		}
		return s.ctx.Err()
	})
	return found, err
}

// searchBody decides with the body at hand. A message whose body has gone
// meanwhile matches nothing.
func (s *session) searchBody(q query, c *candidate) (verdict, error) {
	c.body = true
	v := q.match(c)
	if c.err != nil {
		if goneOr(c.err) == nil {
			return not, nil
		}
		return not, fmt.Errorf("search body: %w", c.err)
	}
	return v, nil
}
