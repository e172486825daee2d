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

// What one View of a search looks at before what is open is looked into: rows,
// and messages that the rows do not decide on.
const (
	searchRows = 16 << 10
	searchOpen = 1 << 10
)

// runSearch tries every message the client knows: first by what the rows tell,
// then by the texts that are kept, and last by reading the messages that have
// none, or whose text does not tell.
func (s *session) runSearch(q query) (found []hit, err error) {
	if len(s.view.uids) == 0 {
		return nil, nil
	}
	set := s.view.set([]span{{0, len(s.view.uids)}})
	if q.fields == 0 {
		return s.searchFlags(q, set)
	}
	r := &searchRun{query: q, s: s}
	err = s.slices(set, q.fields, func(batch []*mailstore.Message) error {
		for _, m := range batch {
			r.try(m)
		}
		return r.settle()
	})
	return r.found, err
}

// searchFlags is runSearch for keys that ask rows for nothing but flags: there
// are no messages to put together.
func (s *session) searchFlags(q query, set mailstore.UIDSet) ([]hit, error) {
	r := &searchRun{query: q, s: s}
	var m mailstore.Message
	for len(set) > 0 {
		rows := 0
		err := s.see(func(tx mailstore.Tx) error {
			rows = 0
			r.reset()
			for row, err := range tx.FlagRows(s.view.box, set) {
				if err != nil {
					return try("read flags", err)
				}
				m.UID, m.ModSeq, m.Flags, m.Keywords = row.UID, row.ModSeq, row.Flags, row.Keywords
				r.try(&m)
				if rows++; rows == searchRows || len(r.open) == searchOpen {
					return nil
				}
			}
			return nil
		})
		if err == nil {
			err = r.settle()
		}
		if err != nil {
			return nil, err
		}
		if rows < searchRows && r.tried < searchOpen {
			break
		}
		set = after(set, m.UID)
	}
	return r.found, nil
}

// searchRun is a search under way.
type searchRun struct {
	query
	s     *session
	seen  int // of the view's UIDs, which ascend as the messages do
	found []hit
	from  int                 // of those found, the first of this batch
	open  []mailstore.Message // of this batch, what its rows do not decide on
	tried int                 // how many those were
	c     candidate           // being tried
}

// with is the next candidate: rows are many, so they share one.
func (r *searchRun) with(m *mailstore.Message, text *mailstore.Text) *candidate {
	r.c = candidate{s: r.s, m: m, text: text, summed: text == nil && r.fields&mailstore.FieldSummary != 0}
	return &r.c
}

// reset begins a batch anew: a View may run twice.
func (r *searchRun) reset() { r.found, r.open = r.found[:r.from], r.open[:0] }

// try decides on a message by its row, or leaves it open. Those that the client
// does not know yet are passed over.
func (r *searchRun) try(m *mailstore.Message) {
	uids := r.s.view.uids
	if r.seen > 0 && r.seen <= len(uids) && uids[r.seen-1] >= m.UID {
		r.seen = 0
	}
	for r.seen < len(uids) && uids[r.seen] < m.UID {
		r.seen++
	}
	if r.seen == len(uids) || uids[r.seen] != m.UID {
		return
	}
	switch r.match(r.with(m, nil)) {
	case yes:
		r.found = append(r.found, hit{m.UID, m.ModSeq})
	case unknown:
		r.open = append(r.open, *m)
	}
}

// settle ends a batch: it looks into the messages that are open. A search holds
// its turn for one batch, so that a long one does not keep others waiting.
func (r *searchRun) settle() error {
	if r.tried = len(r.open); r.tried > 0 {
		release, err := r.s.srv.searchTurn(r.s.ctx, r.s.st)
		if err != nil {
			return err
		}
		err = r.lookInto()
		release()
		if err != nil {
			return err
		}
		slices.SortFunc(r.found[r.from:], func(a, b hit) int { return cmp.Compare(a.uid, b.uid) })
	}
	r.from, r.open = len(r.found), r.open[:0]
	return r.s.ctx.Err()
}

// lookInto decides on the messages that are open.
func (r *searchRun) lookInto() error {
	left, err := r.texts()
	if err != nil || len(left) == 0 {
		return err
	}
	return r.s.rows(uidSet(left), r.fields|mailstore.FieldSummary, func(m *mailstore.Message) error {
		v, err := r.s.searchMessage(r.query, &candidate{s: r.s, m: m, summed: true})
		if v == yes {
			r.found = append(r.found, hit{m.UID, m.ModSeq})
		}
		return cmp.Or(err, r.s.ctx.Err(), r.s.st.overErr())
	})
}

// texts decides by the texts that are kept, and returns what stays open.
func (r *searchRun) texts() (left []mailstore.UID, err error) {
	uids := make([]mailstore.UID, len(r.open))
	for i := range r.open {
		uids[i] = r.open[i].UID
	}
	if r.parts == 0 {
		return uids, nil
	}
	i := 0
	for text, err := range r.s.srv.store.Texts().Scan(r.s.ctx, r.s.account(), r.s.view.box, uidSet(uids), r.parts) {
		if err != nil {
			return nil, fmt.Errorf("search texts: %w", err)
		}
		for ; uids[i] < text.UID; i++ {
			left = append(left, uids[i]) // it has none
		}
		m := &r.open[i]
		switch i++; r.match(r.with(m, text)) {
		case yes:
			r.found = append(r.found, hit{m.UID, m.ModSeq})
		case unknown:
			left = append(left, m.UID)
		}
	}
	return append(left, uids[i:]...), nil
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
// in the order they came. The caller gives the turn back. A search whose
// connection is gone gets no more turns.
func (s *Server) searchTurn(ctx context.Context, st *stream) (release func(), err error) {
	if err := st.overErr(); err != nil {
		return nil, err
	}
	select {
	case s.searches <- struct{}{}:
		return func() { <-s.searches }, nil
	case <-st.gone:
		return nil, st.overErr()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
