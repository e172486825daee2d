package message

import (
	"crypto/sha256"
	"hash"
)

const (
	headOctets = 3072
	tailOctets = 1024
)

// leaf takes the body of one part.
type leaf struct {
	dec  decoder
	hash hash.Hash
	size int64
	head []byte
	tail []byte // at most twice tailOctets; the last ones count
	text *textSink
	keep *textKeeper
}

// newLeaf makes what the mode does with the part's body; nil for nothing.
func (p *Parser) newLeaf(part *Part) *leaf {
	if p.mode == light || p.mode == scan && !part.isText() {
		return nil
	}
	l := &leaf{}
	if p.mode == full {
		l.hash = sha256.New()
	}
	l.dec, _ = newDecoder(part.Encoding, l.decoded)
	if !part.isText() || p.mode == full && part.MediaType != "text/plain" && part.MediaType != "text/html" {
		return l
	}
	emit := p.hand
	if p.mode == full {
		l.keep = &textKeeper{budget: &p.textLeft}
		emit = l.keep.add
	}
	var known bool
	if l.text, known = newTextSink(part.Charset, part.MediaType == "text/html", emit); !known {
		p.defect(UnknownCharset, part.HeaderOffset)
	}
	return l
}

// hand gives text to the function of scan mode.
func (p *Parser) hand(text []byte) {
	if len(text) > 0 && !p.stop {
		p.stop = !p.found(text)
	}
}

// newDigest makes a leaf that only digests.
func newDigest() *leaf {
	l := &leaf{hash: sha256.New()}
	l.dec = identity(l.decoded)
	return l
}

func (l *leaf) write(b []byte) { l.dec.write(b) }

func (l *leaf) decoded(b []byte) {
	if l.text != nil {
		l.text.write(b)
	}
	if l.hash == nil {
		return
	}
	l.size += int64(len(b))
	l.hash.Write(b)
	if room := headOctets - len(l.head); room > 0 {
		l.head = append(l.head, b[:min(room, len(b))]...)
	}
	if len(b) >= tailOctets {
		l.tail = append(l.tail[:0], b[len(b)-tailOctets:]...)
		return
	}
	if l.tail = append(l.tail, b...); len(l.tail) >= 2*tailOctets {
		l.tail = l.tail[:copy(l.tail, l.tail[len(l.tail)-tailOctets:])]
	}
}

// end finishes a leaf of p and fills part.
func (l *leaf) end(p *Parser, part *Part) {
	l.close(part)
	if l.dec.damaged() {
		p.defect(MalformedEncoding, part.BodyOffset)
	}
	if p.mode == scan {
		p.hand([]byte{'\n'})
	}
}

// close fills in what was found.
func (l *leaf) close(part *Part) {
	l.dec.close()
	if l.text != nil {
		l.text.close()
	}
	if l.keep != nil {
		part.Text, part.Runes, part.trailing = string(l.keep.text), l.keep.runes, l.keep.trailing
	}
	if l.hash != nil {
		l.hash.Sum(part.SHA256[:0])
		part.DecodedSize, part.Head = l.size, l.head
		part.Tail = l.tail[len(l.tail)-min(len(l.tail), tailOctets):]
	}
}
