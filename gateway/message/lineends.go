package message

import "bytes"

// lineEnds watches the line ends of the whole stream.
type lineEnds struct {
	lf      int64 // line feeds so far
	started int64 // offset of the line
	last    byte  // octet before; 0 at the start
}

// check looks at the octets at p.off.
func (e *lineEnds) check(p *Parser, b []byte) {
	if p.defects[NUL] == 0 {
		if i := bytes.IndexByte(b, 0); i >= 0 {
			p.defect(NUL, p.off+int64(i))
		}
	}
	if e.last == '\r' && b[0] != '\n' {
		p.defect(BareCR, p.off-1)
	}
	pairs := 0 // CRLF within b
	for i := 0; ; {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			break
		}
		i += k
		switch {
		case i > 0 && b[i-1] == '\r':
			pairs++
		case i > 0 || e.last != '\r':
			p.defect(BareLF, p.off+int64(i))
		}
		i++
		e.lf++
		e.length(p, p.off+int64(i))
		e.started = p.off + int64(i)
	}
	e.length(p, p.off+int64(len(b)))
	e.last = b[len(b)-1]
	if p.defects[BareCR] == 0 && bytes.Count(b[:len(b)-1], []byte{'\r'}) > pairs {
		p.defect(BareCR, p.off+int64(bareCR(b)))
	}
}

// length marks a line that reaches to end. CRLF makes two octets more.
func (e *lineEnds) length(p *Parser, end int64) {
	if end-e.started > int64(p.limits.LineOctets)+2 {
		p.defect(LineTooLong, e.started)
	}
}

func (e *lineEnds) close(p *Parser) {
	if e.last == '\r' {
		p.defect(BareCR, p.off-1)
	}
}

// bareCR is the index of the first CR that no LF follows; there is one before
// the last octet, unless the last is part of a pair.
func bareCR(b []byte) int {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == '\r' && b[i+1] != '\n' {
			return i
		}
	}
	return len(b) - 1
}
