package imapd

import (
	"errors"

	"gosbridge/gateway/imapd/wire"
	"gosbridge/mailstore"
)

// searchReturn are the options of RETURN: what a search tells (RFC 4731 §3.1)
// and whether it is kept for "$" (RFC 5182 §2.1).
type searchReturn struct {
	min, max, all, count, save bool
}

// readReturn reads the options behind RETURN.
func (p *searchParser) readReturn() {
	r := p.s.r
	ret := new(searchReturn)
	r.SP()
	r.List(func() {
		switch r.Keyword() {
		case "MIN":
			ret.min = true
		case "MAX":
			ret.max = true
		case "ALL":
			ret.all = true
		case "COUNT":
			ret.count = true
		case "SAVE":
			ret.save = true
		default:
			r.Fail("known result option")
		}
	})
	if *ret == (searchReturn{}) {
		ret.all = true // "()" asks for ALL (RFC 4731 §3.1)
	}
	if r.Err() == nil {
		p.returns = ret
	}
}

// ends reports whether nothing but the first or the last message is asked for.
func (ret *searchReturn) ends() bool { return (ret.min || ret.max) && !ret.all && !ret.count }

// cut leaves of the hits what the options name: with MIN and MAX alone only
// these count, for MODSEQ (RFC 4731 §3.2) and for "$" (RFC 5182 §2.4).
func (ret *searchReturn) cut(found []hit) []hit {
	n := len(found)
	switch {
	case !ret.ends() || n == 0:
		return found
	case !ret.max:
		return found[:1]
	case !ret.min:
		return found[n-1:]
	case n == 1:
		return found
	}
	return []hit{found[0], found[n-1]}
}

// writeExtended answers a search with RETURN: saves what is to be saved, and
// writes ESEARCH unless SAVE stands alone (RFC 5182 §2.1). The hits ascend.
func (s *session) writeExtended(c *call, p *searchParser, found []hit) {
	ret := p.returns
	named := ret.cut(found)
	if ret.save {
		s.view.saved = hitSet(named)
		if !ret.min && !ret.max && !ret.all && !ret.count {
			return
		}
	}
	s.w.Raw("* ESEARCH (TAG ").String(c.tag).Raw(")")
	if c.uid {
		s.w.Raw(" UID")
	}
	if n := len(found); n > 0 {
		if ret.min {
			s.w.Raw(" MIN ").Number(uint64(s.number(c, found[0].uid)))
		}
		if ret.max {
			s.w.Raw(" MAX ").Number(uint64(s.number(c, found[n-1].uid)))
		}
		if ret.all {
			nums := make([]uint32, n)
			for i, h := range found {
				nums[i] = s.number(c, h.uid)
			}
			s.w.Raw(" ALL ").Raw(numberSet(nums))
		}
	}
	if ret.count {
		s.w.Raw(" COUNT ").Number(uint64(len(found)))
	}
	if p.modseq && len(found) > 0 {
		s.w.Raw(" MODSEQ ").Number(uint64(newest(named)))
	}
	s.w.CRLF()
}

// unsave empties "$" when a search that was to fill it is answered NO; after
// BAD it stays as it was (RFC 5182 §2.1).
func (s *session) unsave(ret *searchReturn, err error) {
	var syntax *wire.SyntaxError
	var refused *refusal
	if ret == nil || !ret.save || errors.As(err, &syntax) || errors.As(err, &refused) && refused.kind == "BAD" {
		return
	}
	s.view.saved = nil
}

// hitSet is the hits as a set that holds nothing else.
func hitSet(hits []hit) mailstore.UIDSet {
	uids := make([]mailstore.UID, len(hits))
	for i, h := range hits {
		uids[i] = h.uid
	}
	return uidSet(uids)
}
