package imapd

import (
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// searchSet is a sequence set among the keys.
type searchSet struct {
	raw  imap.SeqSet
	uid  bool
	uids mailstore.UIDSet
}

// searchParser reads SEARCH keys.
type searchParser struct {
	s      *session
	decode func(string) (string, bool) // from the CHARSET to UTF-8
	fields mailstore.Fields
	parts  mailstore.TextParts // that the keys look into
	modseq bool
	keys   int
	sets   []*searchSet

	returns *searchReturn // nil without RETURN
}

// readSearch reads "[RETURN (...)] [CHARSET x] key *(SP key)" (RFC 4466
// §2.6.1).
func (p *searchParser) readSearch() []criterion {
	r := p.s.r
	p.decode = charsets["UTF-8"]
	var keys []criterion
	for first := true; first || r.Try(' '); first = false {
		if r.Err() != nil {
			return nil
		}
		if c := r.Peek(); c == '(' || beginsSet(c) {
			keys = append(keys, p.key(0))
			continue
		}
		word := r.Keyword()
		if first && word == "RETURN" && p.returns == nil {
			p.readReturn()
			r.SP()
			if c := r.Peek(); c == '(' || beginsSet(c) {
				keys = append(keys, p.key(0))
				continue
			}
			word = r.Keyword()
		}
		if first && word == "CHARSET" {
			r.SP()
			p.charset(r.Text())
			r.SP()
			keys = append(keys, p.key(0))
			continue
		}
		keys = append(keys, p.named(word, 0))
	}
	return keys
}

// beginsSet reports whether a sequence set begins with c.
func beginsSet(c byte) bool { return c == '*' || c == '$' || c >= '0' && c <= '9' }

func (p *searchParser) charset(name string) {
	if p.s.utf8Accept {
		p.s.r.Refuse(bad("the charset is UTF-8 since it was enabled")) // RFC 6855 §3
		return
	}
	decode, known := charsets[strings.ToUpper(name)]
	if !known {
		p.s.r.Refuse(no(badCharset, "charset not known"))
		return
	}
	p.decode = decode
}

// key reads one key.
func (p *searchParser) key(depth int) criterion {
	r := p.s.r
	if r.Err() != nil {
		return never
	}
	if depth > p.s.cfg.SearchDepth {
		r.Refuse(no("LIMIT", "search nests too deep"))
		return never
	}
	switch c := r.Peek(); {
	case c == '(':
		var keys []criterion
		r.List(func() { keys = append(keys, p.key(depth+1)) })
		if len(keys) == 0 {
			r.Fail("search key")
		}
		return all(keys)
	case beginsSet(c):
		p.count()
		return p.set(false)
	}
	return p.named(r.Keyword(), depth)
}

func (p *searchParser) count() {
	if p.keys++; p.keys > p.s.cfg.SearchKeys {
		p.s.r.Refuse(no("LIMIT", "too many search keys"))
	}
}

// flagKeys are the keys that ask for a flag, and for its absence.
var flagKeys = map[string]struct {
	flag mailstore.Flags
	want bool
}{
	"ANSWERED": {mailstore.Answered, true}, "UNANSWERED": {mailstore.Answered, false},
	"DELETED": {mailstore.Deleted, true}, "UNDELETED": {mailstore.Deleted, false},
	"DRAFT": {mailstore.Draft, true}, "UNDRAFT": {mailstore.Draft, false},
	"FLAGGED": {mailstore.Flagged, true}, "UNFLAGGED": {mailstore.Flagged, false},
	"SEEN": {mailstore.Seen, true}, "UNSEEN": {mailstore.Seen, false},
}

// named reads the key of that name.
func (p *searchParser) named(word string, depth int) criterion {
	r := p.s.r
	p.count()
	if f, is := flagKeys[word]; is {
		return func(c *candidate) verdict { return verdictOf(c.m.Flags&f.flag != 0 == f.want) }
	}
	switch word {
	case "ALL", "OLD": // \Recent is not kept: all is old
		return func(*candidate) verdict { return yes }
	case "NEW", "RECENT":
		return never
	case "NOT":
		r.SP()
		return negate(p.key(depth + 1))
	case "OR":
		r.SP()
		a := p.key(depth + 1)
		r.SP()
		return either(a, p.key(depth+1))
	case "UID":
		r.SP()
		return p.set(true)
	case "KEYWORD", "UNKEYWORD":
		return p.keyword(word == "KEYWORD")
	case "LARGER", "SMALLER":
		return p.size(word == "LARGER")
	case "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE":
		return p.date(word)
	case "BODY", "TEXT":
		return p.text(word == "TEXT")
	case "BCC", "CC", "FROM", "SUBJECT", "TO":
		return p.header(word)
	case "HEADER":
		r.SP()
		return p.header(r.Text())
	case "MODSEQ":
		return p.modSeq()
	}
	r.Fail("known search key")
	return never
}

func (p *searchParser) set(uid bool) criterion {
	set := &searchSet{raw: p.s.r.Set(), uid: uid}
	p.sets = append(p.sets, set)
	return func(c *candidate) verdict { return verdictOf(holds(set.uids, c.m.UID)) }
}

func (p *searchParser) keyword(want bool) criterion {
	p.s.r.SP()
	name := string(p.s.r.Flag())
	return func(c *candidate) verdict {
		for _, k := range c.m.Keywords {
			if strings.EqualFold(k, name) {
				return verdictOf(want)
			}
		}
		return verdictOf(!want)
	}
}

func (p *searchParser) size(larger bool) criterion {
	p.s.r.SP()
	n := int64(p.s.r.Number64()) // RFC 9051 §9
	p.fields |= mailstore.FieldMeta
	return func(c *candidate) verdict {
		return verdictOf(larger && c.m.Size > n || !larger && c.m.Size < n)
	}
}

// date compares days, without time and zone (RFC 3501 §6.4.4).
func (p *searchParser) date(word string) criterion {
	p.s.r.SP()
	day := p.s.r.Date()
	word, sent := strings.CutPrefix(word, "SENT")
	if sent {
		p.fields |= mailstore.FieldSummary
	} else {
		p.fields |= mailstore.FieldMeta
	}
	return func(c *candidate) verdict {
		at := c.m.Received
		if sent {
			at = c.sentAt()
		}
		if at.IsZero() {
			return not
		}
		y, m, d := at.Date()
		order := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Compare(day)
		return verdictOf(word == "ON" && order == 0 || word == "BEFORE" && order < 0 || word == "SINCE" && order >= 0)
	}
}

// modSeq reads "MODSEQ [entry type] n" (RFC 7162 §3.1.5). All flags of a
// message share one mod-sequence, so the entry makes no difference.
func (p *searchParser) modSeq() criterion {
	r := p.s.r
	r.SP()
	if r.Peek() == '"' {
		if entry := r.String(); r.Err() == nil && !strings.HasPrefix(entry, "/flags/") {
			r.Fail("entry of a flag")
		}
		r.SP()
		if kind := r.Keyword(); kind != "ALL" && kind != "PRIV" && kind != "SHARED" {
			r.Fail("all, priv or shared")
		}
		r.SP()
	}
	n := mailstore.ModSeq(r.Number64())
	p.modseq = true
	return func(c *candidate) verdict { return verdictOf(c.m.ModSeq >= n) }
}
