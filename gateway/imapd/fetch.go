package imapd

import (
	"gosbridge/mailstore"
)

// itemKind is one data item of FETCH.
type itemKind uint8

const (
	itemFlags itemKind = iota
	itemUID
	itemModSeq
	itemInternalDate
	itemSize
	itemEnvelope
	itemBody
	itemBodyStructure
	itemSection // BODY[...] and RFC822*
)

// fetchItem is one requested item; section is set for itemSection.
type fetchItem struct {
	kind    itemKind
	section *section
}

// plan is a FETCH command once read.
type plan struct {
	items  []fetchItem
	fields mailstore.Fields
	seen   bool              // some section sets \Seen
	since  *mailstore.ModSeq // CHANGEDSINCE
	bodies bool              // some section may need the body
}

// plainItems are the items without arguments, and what they need of a row.
var plainItems = map[string]struct {
	kind   itemKind
	fields mailstore.Fields
}{
	"FLAGS":         {itemFlags, 0},
	"UID":           {itemUID, 0},
	"MODSEQ":        {itemModSeq, 0},
	"INTERNALDATE":  {itemInternalDate, mailstore.FieldMeta},
	"RFC822.SIZE":   {itemSize, mailstore.FieldMeta},
	"ENVELOPE":      {itemEnvelope, mailstore.FieldSummary},
	"BODYSTRUCTURE": {itemBodyStructure, mailstore.FieldSummary},
}

// macros stand alone in place of a list (RFC 3501 §6.4.5).
var macros = map[string][]string{
	"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
	"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
	"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
}

// fetch answers FETCH and UID FETCH (RFC 3501 §6.4.5, RFC 7162 §3.1.4.1).
func (s *session) fetch(c *call) (answer, error) {
	s.r.SP()
	set := s.r.Set()
	s.r.SP()
	p := s.readPlan()
	if s.r.Try(' ') {
		s.readFetchModifiers(&p)
	}
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	if c.uid {
		p.require(itemUID)
	}
	if p.since != nil || p.has(itemModSeq) {
		s.useCondstore()
	}
	if p.since != nil {
		p.require(itemModSeq)
	}
	if s.view.readOnly {
		p.seen = false
	}
	want, err := s.fetchSet(set, c.uid, &p)
	if err != nil {
		return answer{}, err
	}
	served, err := s.runFetch(want.set, &p)
	if err != nil {
		return answer{}, err
	}
	// A UID that does not exist is passed over without error (RFC 3501
	// §6.4.8); a sequence number was told to the client, so its message was
	// expunged elsewhere (RFC 5530).
	if !c.uid && p.since == nil && served < want.count {
		return answer{}, errExpunged
	}
	return ok("fetched"), nil
}

// readPlan reads the items.
func (s *session) readPlan() plan {
	var p plan
	if s.r.Peek() == '(' {
		s.r.List(func() { s.readItem(&p, s.r.Label()) })
		if len(p.items) == 0 {
			s.r.Fail("fetch item")
		}
		return p
	}
	name := s.r.Label()
	if items, isMacro := macros[name]; isMacro {
		for _, item := range items {
			s.readItem(&p, item)
		}
		return p
	}
	s.readItem(&p, name)
	return p
}

// readItem reads what follows the name of an item.
func (s *session) readItem(p *plan, name string) {
	if len(p.items) >= s.cfg.FetchItems {
		s.r.Refuse(no("LIMIT", "too many fetch items"))
		return
	}
	if it, plain := plainItems[name]; plain {
		p.fields |= it.fields
		p.items = append(p.items, fetchItem{kind: it.kind})
		return
	}
	if name == "BODY" && s.r.Peek() != '[' {
		p.fields |= mailstore.FieldSummary
		p.items = append(p.items, fetchItem{kind: itemBody})
		return
	}
	sec := s.readSection(name)
	if s.r.Err() != nil {
		return
	}
	p.fields |= sec.fields()
	p.seen = p.seen || sec.seen
	p.bodies = true
	p.items = append(p.items, fetchItem{kind: itemSection, section: sec})
}

// readFetchModifiers reads "(CHANGEDSINCE n)" (RFC 7162 §3.1.4.1). VANISHED
// belongs to QRESYNC, which is not offered.
func (s *session) readFetchModifiers(p *plan) {
	s.r.List(func() {
		if s.r.Keyword() != "CHANGEDSINCE" || p.since != nil {
			s.r.Fail("known fetch modifier, once")
			return
		}
		s.r.SP()
		since := mailstore.ModSeq(s.r.Number64())
		p.since = &since
	})
	if p.since == nil {
		s.r.Fail("CHANGEDSINCE")
	}
}

func (p *plan) has(kind itemKind) bool {
	for _, it := range p.items {
		if it.kind == kind {
			return true
		}
	}
	return false
}

// require puts an item first unless it was asked for.
func (p *plan) require(kind itemKind) {
	if !p.has(kind) {
		p.items = append([]fetchItem{{kind: kind}}, p.items...)
	}
}
