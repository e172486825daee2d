package message

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"sort"
)

// Parser reads a message. It is an io.Writer whose Write never fails: content
// becomes defects. The result does not depend on how the octets are cut into
// Writes. Not safe for concurrent use.
type Parser struct {
	limits Limits
	mode   mode
	found  func([]byte) bool // scan mode: takes decoded text
	stop   bool              // found has seen enough

	hash hash.Hash
	tail []byte // octets whose meaning the next ones decide
	off  int64  // octets that are decided on
	ends lineEnds

	message *Message
	stack   []*level // open multiparts and attached messages, outermost first
	bounds  int      // levels of the stack that wait for a delimiter
	part    *Part    // being read; nil between parts
	leaf    *leaf    // its content; nil in light mode and between parts
	attach  *leaf    // digest of the outermost attached message
	defects [UnknownCharset + 1]int64

	inHeader  bool
	midLine   bool // within a header line that was too long to wait for
	lineStart bool // body: at the start of a line, its end before it gone
	header    []byte

	headerLeft, partsLeft, textLeft int
}

// mode is what a parser does with the content of leaves.
type mode uint8

const (
	full  mode = iota // decodes, digests, keeps text
	light             // passes over
	scan              // decodes text and hands it out
)

// maxDelimiter bounds the line that a delimiter may be, with what stands
// before and after it. Longer lines are none.
const maxDelimiter = 1024

// level is an open multipart or attached message.
type level struct {
	part     *Part
	boundary string   // "" when there is nothing to wait for
	message  *Message // of an attached message
	ended    bool     // its closing delimiter was met
}

// NewParser makes a parser within limits.
func NewParser(limits Limits) *Parser { return newParser(limits, full) }

func newParser(limits Limits, m mode) *Parser {
	limits = limits.withDefaults()
	p := &Parser{
		limits: limits, mode: m, headerLeft: limits.HeaderOctets,
		partsLeft: limits.Parts, textLeft: limits.TextOctets,
	}
	if m == full {
		p.hash = sha256.New()
	}
	p.message = &Message{Root: &Part{}}
	p.partsLeft--
	p.startPart(p.message.Root)
	return p
}

// Write takes the next octets. It keeps none of b and always returns len(b),
// nil.
func (p *Parser) Write(b []byte) (int, error) {
	n := len(b)
	if p.hash != nil {
		p.hash.Write(b)
	}
	for len(b) > 0 {
		if len(p.tail) == 0 {
			done := p.consume(b, false)
			p.tail = append(p.tail, b[done:]...)
			break
		}
		// A little of b decides on the tail; the rest is read in place.
		old, k := len(p.tail), min(len(b), maxDelimiter)
		p.tail = append(p.tail, b[:k]...)
		done := p.consume(p.tail, false)
		if done >= old {
			b = b[done-old:]
			p.tail = p.tail[:0]
		} else {
			p.tail = p.tail[:copy(p.tail, p.tail[done:])]
			b = b[k:]
		}
	}
	return n, nil
}

// Close ends the message and returns it. The parser is of no use afterwards.
func (p *Parser) Close() *Message {
	p.consume(p.tail, true)
	p.tail = nil
	p.closeTo(0)
	p.closePart(p.message.Root)
	p.ends.close(p)
	m := p.message
	m.Size, m.Header, m.HeaderSize = p.off, m.Root.Header, m.Root.BodyOffset
	if p.hash != nil {
		p.hash.Sum(m.SHA256[:0])
	}
	for kind, at := range p.defects {
		if at > 0 {
			m.Defects = append(m.Defects, Defect{Kind: DefectKind(kind), Offset: at - 1})
		}
	}
	sort.SliceStable(m.Defects, func(i, j int) bool { return m.Defects[i].Offset < m.Defects[j].Offset })
	return m
}

// defect records the first defect of a kind.
func (p *Parser) defect(kind DefectKind, at int64) {
	if old := p.defects[kind]; old == 0 || at+1 < old {
		p.defects[kind] = at + 1
	}
}

// consume decides on as much of d as it can and returns how much. Every
// decision depends on the octets alone, never on where d ends.
func (p *Parser) consume(d []byte, end bool) int {
	i := 0
	for i < len(d) {
		var n int
		if p.inHeader {
			n = p.headerLine(d[i:], end)
		} else {
			n = p.body(d[i:], end)
		}
		if n == 0 {
			break
		}
		i += n
	}
	return i
}

// advance accounts for octets that are decided on.
func (p *Parser) advance(b []byte) {
	if len(b) == 0 {
		return
	}
	if p.attach != nil {
		p.attach.write(b)
	}
	p.ends.check(p, b)
	p.off += int64(len(b))
}

func (p *Parser) startPart(part *Part) {
	part.HeaderOffset = p.off
	p.part, p.leaf = part, nil
	p.inHeader, p.midLine = true, false
	p.header = nil // the fields of the last part share the old one
}

// headerLine reads one line of a header, or a piece of one that is long.
func (p *Parser) headerLine(d []byte, end bool) int {
	n := bytes.IndexByte(d, '\n') + 1
	if p.midLine {
		if n == 0 {
			n = len(d)
		}
		p.midLine = d[n-1] != '\n'
		p.keepHeader(d[:n])
		return n
	}
	if n == 0 {
		if len(d) <= maxDelimiter && !end {
			return 0
		}
		n = len(d)
		p.midLine = true
	}
	line := d[:n]
	if isBlank(line) {
		p.advance(line)
		p.endHeader()
		return n
	}
	if i, last, ok := p.delimiter(line); ok {
		p.defect(MalformedHeader, p.off)
		p.delimit(i, last, nil, line)
		return n
	}
	p.keepHeader(line)
	return n
}

func (p *Parser) keepHeader(b []byte) {
	n := min(len(b), p.headerLeft)
	if n < len(b) {
		p.defect(HeaderTooLong, p.off+int64(n))
	}
	p.header = append(p.header, b[:n]...)
	p.headerLeft -= n
	p.advance(b)
}

// endHeader reads the header that is complete and goes on to the body.
func (p *Parser) endHeader() {
	part := p.part
	p.inHeader, p.midLine, p.lineStart = false, false, true
	part.Header = ParseHeader(p.header, part.HeaderOffset)
	part.BodyOffset = p.off
	part.startLF = p.ends.lf
	p.describe(part)
	switch {
	case part.IsMultipart():
		p.openMultipart(part)
	case part.isMessage() && p.canDescend():
		p.openMessage(part)
	default:
		p.leaf = p.newLeaf(part)
	}
}

func (p *Parser) canDescend() bool {
	if len(p.stack) >= p.limits.Depth {
		p.defect(TooDeep, p.off)
		return false
	}
	return true
}

func (p *Parser) openMultipart(part *Part) {
	boundary := part.boundary()
	if boundary == "" {
		p.defect(MissingBoundary, part.HeaderOffset)
	}
	if boundary == "" || !p.canDescend() {
		p.leaf = p.newLeaf(part)
		return
	}
	p.stack = append(p.stack, &level{part: part, boundary: boundary})
	p.bounds++
	p.part, p.leaf = nil, nil
}

func (p *Parser) openMessage(part *Part) {
	if p.partsLeft == 0 {
		p.defect(TooManyParts, p.off)
		p.leaf = p.newLeaf(part)
		return
	}
	p.partsLeft--
	m := &Message{Offset: p.off, Root: &Part{}}
	part.Embedded = m
	p.stack = append(p.stack, &level{part: part, message: m})
	if p.mode == full && p.attach == nil {
		p.attach = newDigest()
	}
	p.startPart(m.Root)
}

// body reads body octets up to the next delimiter that may be.
func (p *Parser) body(d []byte, end bool) int {
	if p.bounds == 0 {
		p.content(d)
		return len(d)
	}
	if p.lineStart {
		if d[0] == '-' {
			if len(d) == 1 && !end {
				return 0
			}
			if len(d) > 1 && d[1] == '-' {
				return p.candidate(d, 0, end)
			}
		}
		p.lineStart = false
	}
	at := bytes.Index(d, []byte("\n--"))
	if at < 0 {
		n := len(d)
		if !end {
			n -= undecided(d)
		}
		p.content(d[:n])
		return n
	}
	start := at
	if at > 0 && d[at-1] == '\r' {
		start--
	}
	if start > 0 {
		p.content(d[:start])
		return start
	}
	return p.candidate(d, at+1, end)
}

// undecided is the length of what at the end of d may begin a delimiter.
func undecided(d []byte) int {
	for _, s := range []string{"\r\n-", "\r\n", "\n-", "\n", "\r"} {
		if bytes.HasSuffix(d, []byte(s)) {
			return len(s)
		}
	}
	return 0
}

// candidate decides on d, which begins with a line end of n octets and a line
// that begins with "--".
func (p *Parser) candidate(d []byte, n int, end bool) int {
	line := d[n:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	} else if len(line) <= maxDelimiter && !end {
		return 0
	}
	if i, last, ok := p.delimiter(line); ok {
		// The line end before a delimiter belongs to it (RFC 2046 §5.1.1).
		p.delimit(i, last, d[:n], line)
		return n + len(line)
	}
	p.lineStart = false
	p.content(d[:n+2])
	return n + 2
}

// delimiter reports whether a line is one, of which level, and whether it is
// the closing one. The innermost level goes first. A line that only begins
// with a boundary is none, although RFC 2046 §5.1.1 lets readers take it for
// one: such a message is marked.
func (p *Parser) delimiter(line []byte) (index int, last, ok bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' || len(line) > maxDelimiter {
		return 0, false, false
	}
	text := bytes.TrimRight(line[2:], " \t\r\n")
	ambiguous := false
	for i := len(p.stack) - 1; i >= 0; i-- {
		b := p.stack[i].boundary
		if b == "" || len(text) < len(b) || string(text[:len(b)]) != b {
			continue
		}
		switch string(text[len(b):]) {
		case "":
			return i, false, true
		case "--":
			return i, true, true
		}
		ambiguous = true
	}
	if ambiguous {
		p.defect(AmbiguousBoundary, p.off)
	}
	return 0, false, false
}

// delimit acts on a delimiter line and the line end before it.
func (p *Parser) delimit(i int, last bool, before, line []byte) {
	p.closeTo(i + 1)
	p.advance(before)
	p.advance(line)
	l := p.stack[i]
	p.part, p.leaf, p.lineStart = nil, nil, true
	if last {
		// What follows is the epilogue; it lasts until an outer delimiter.
		l.ended, l.boundary = true, ""
		p.bounds--
		return
	}
	if p.partsLeft == 0 {
		p.defect(TooManyParts, p.off)
		return
	}
	p.partsLeft--
	part := &Part{}
	if l.part.MediaType == "multipart/digest" {
		part.MediaType = "message/rfc822" // RFC 2046 §5.1.5
	}
	l.part.Children = append(l.part.Children, part)
	p.startPart(part)
}

// content takes body octets of the part being read.
func (p *Parser) content(b []byte) {
	p.advance(b)
	if p.leaf != nil {
		p.leaf.write(b)
	}
}

// closeTo ends the part being read and all levels from n on.
func (p *Parser) closeTo(n int) {
	for p.inHeader {
		p.endHeader() // without a blank line
	}
	p.endLeaf()
	for len(p.stack) > n {
		l := p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
		if l.boundary != "" {
			p.bounds--
		}
		if l.message != nil {
			p.closeMessage(l)
		} else {
			if !l.ended {
				p.defect(Truncated, p.off)
			}
			if len(l.part.Children) == 0 {
				p.defect(EmptyMultipart, l.part.HeaderOffset)
			}
		}
		p.closePart(l.part)
	}
}

func (p *Parser) closeMessage(l *level) {
	m := l.message
	p.closePart(m.Root)
	m.Header, m.HeaderSize = m.Root.Header, m.Root.BodyOffset-m.Offset
	m.Size = p.off - m.Offset
	for _, outer := range p.stack {
		if outer.message != nil {
			return // only the outermost one is digested
		}
	}
	if p.attach != nil {
		p.attach.close(l.part)
		m.SHA256 = l.part.SHA256
		p.attach = nil
	}
}

func (p *Parser) endLeaf() {
	if p.part != nil {
		p.closePart(p.part)
		if p.leaf != nil {
			p.leaf.end(p, p.part)
		}
	}
	p.part, p.leaf = nil, nil
}

// closePart measures a part that ends here. A part is measured once by its
// level and, being a message's root, once by the message: to the same end.
func (p *Parser) closePart(part *Part) {
	part.BodySize = p.off - part.BodyOffset
	part.Lines = p.ends.lf - part.startLF
	if part.BodySize > 0 && p.ends.last != '\n' {
		part.Lines++
	}
}
