package imapd

import (
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/message"
	"gosbridge/gateway/searchtext"
	"gosbridge/mailstore"
)

// verdict is what a criterion says of a message.
type verdict uint8

const (
	not verdict = iota
	yes
	unknown // more must be read
)

func verdictOf(match bool) verdict {
	if match {
		return yes
	}
	return not
}

// criterion decides on one message. It answers unknown where it needs what
// candidate does not have yet: a text, the summary, the body.
type criterion func(*candidate) verdict

func never(*candidate) verdict { return not }

// all wants every one; what is certain is decided first.
func all(keys []criterion) criterion {
	if len(keys) == 1 {
		return keys[0]
	}
	return func(c *candidate) verdict {
		body := c.body
		if body {
			// The rows' own data first: it may spare the body.
			c.body = false
			for _, k := range keys {
				if k(c) == not {
					c.body = true
					return not
				}
			}
			c.body = true
		}
		result := yes
		for _, k := range keys {
			switch k(c) {
			case not:
				return not
			case unknown:
				result = unknown
			}
		}
		return result
	}
}

func either(a, b criterion) criterion {
	return func(c *candidate) verdict {
		va := a(c)
		if va == yes {
			return yes
		}
		vb := b(c)
		if vb == yes {
			return yes
		}
		return max(va, vb)
	}
}

func negate(k criterion) criterion {
	return func(c *candidate) verdict {
		switch k(c) {
		case yes:
			return not
		case not:
			return yes
		}
		return unknown
	}
}

// holds looks a UID up in an ascending set.
func holds(set mailstore.UIDSet, uid mailstore.UID) bool {
	i, _ := slices.BinarySearchFunc(set, uid, func(r imap.UIDRange, uid imap.UID) int {
		switch {
		case r.Stop < uid:
			return -1
		case r.Start > uid:
			return 1
		}
		return 0
	})
	return i < len(set) && set[i].Start <= uid && uid <= set[i].Stop
}

// candidate is a message under search. What is cheap to have comes first: the
// row, the text that is kept for searching, the summary, the body.
type candidate struct {
	s      *session
	m      *mailstore.Message
	text   *mailstore.Text // nil: not at hand
	summed bool            // m was read with its summary
	sum    *message.Summary
	body   bool  // the body may be read
	err    error // of reading it
}

// summary is the stored one. nil after an error, which c keeps.
func (c *candidate) summary() *message.Summary {
	if c.sum == nil && c.err == nil {
		c.sum, c.err = c.s.summary(c.m)
	}
	return c.sum
}

func (c *candidate) sentAt() time.Time {
	if sum := c.summary(); sum != nil {
		return sum.Date()
	}
	return time.Time{}
}

// header reads a key that looks into a header field.
func (p *searchParser) header(name string) criterion {
	p.s.r.SP()
	want, folded := p.needle()
	p.parts |= mailstore.TextHead
	needle, field := searchtext.NewNeedle(folded, p.s.cfg.HeaderOctets), searchtext.NewField(name)
	return func(c *candidate) verdict {
		if c.text != nil {
			if found, known := needle.InField(field, c.text); known {
				return verdictOf(found)
			}
		}
		if !c.summed {
			return unknown
		}
		sum := c.summary()
		if sum == nil {
			return not
		}
		h, known := sum.Header(name)
		if !known {
			if !c.body {
				return unknown
			}
			h = c.readHeader(sum)
		}
		for _, f := range h {
			if !f.Is(name) {
				continue
			}
			if want == "" || strings.Contains(searchtext.Fold(message.DecodeText(f.Value())), folded) {
				return yes
			}
		}
		return not
	}
}

// readHeader reads the whole header from the body.
func (c *candidate) readHeader(sum *message.Summary) message.Header {
	raw, err := c.s.readHeader(c.m, 0, sum.HeaderSize())
	if err != nil {
		c.err = err
		return nil
	}
	return message.ParseHeader(raw, 0)
}

// text reads BODY and TEXT: decoded text parts, TEXT with the decoded header
// too.
func (p *searchParser) text(header bool) criterion {
	p.s.r.SP()
	want, folded := p.needle()
	p.parts |= mailstore.TextBody
	if header {
		p.parts |= mailstore.TextHead
	}
	needle := searchtext.NewNeedle(folded, p.s.cfg.HeaderOctets)
	return func(c *candidate) verdict {
		if want == "" {
			return yes
		}
		if c.text != nil {
			if found, known := inText(needle, c.text, header); known {
				return verdictOf(found)
			}
		}
		if !c.body {
			return unknown
		}
		return verdictOf(c.scan(folded, header))
	}
}

// inText looks for a needle in a text that is kept.
func inText(needle searchtext.Needle, t *mailstore.Text, header bool) (found, known bool) {
	found, known = needle.InBody(t)
	if !header || found {
		return found, known
	}
	found, sure := needle.InHeader(t)
	return found, found || known && sure
}

// scan reads the message once.
func (c *candidate) scan(folded string, header bool) bool {
	sum := c.summary()
	if sum == nil {
		return false
	}
	r, err := c.s.open(c.m, 0)
	if err != nil {
		c.err = err
		return false
	}
	defer r.Close()
	found, err := searchtext.Scan(r, min(sum.HeaderSize(), c.s.cfg.HeaderOctets), header, folded)
	if err != nil {
		c.err = err
	}
	return found
}
