package message

import (
	"bytes"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// htmlStripper takes the text out of HTML, in pieces of any size: tags and
// comments go, script, style and title go with what they hold, entities are
// decoded, space is collapsed as a browser does, blocks begin a line. What CSS
// would hide is kept: a reader may see it.
type htmlStripper struct {
	state   htmlState
	name    []byte // of the tag or entity being read
	quote   byte   // within an attribute value
	raw     string // element whose content is passed over
	dashes  int    // "-" before ">" in a comment
	space   bool   // space waits for text
	newline bool   // a line end waits for text
	started bool   // there was text
	out     []byte
}

type htmlState uint8

const (
	inText htmlState = iota
	afterLess
	inName    // the name of a tag
	inTag     // its attributes
	inBang    // after "<!"
	inComment // until "-->"
	inRaw     // content of script and the like
	rawEnd    // after "<" in it
	inEntity
)

const maxHTMLName = 32

// strip takes the next piece of UTF-8. What it returns is valid until the next
// call.
func (h *htmlStripper) strip(b []byte) []byte {
	h.out = h.out[:0]
	for i := 0; i < len(b); i++ {
		if h.state == inText {
			if n := h.run(b[i:]); n > 0 {
				i += n - 1
				continue
			}
		}
		if !h.step(b[i]) {
			i-- // the state changed, the octet is still to be read
		}
	}
	return h.out
}

func (h *htmlStripper) close() []byte {
	h.out = h.out[:0]
	switch h.state {
	case inEntity:
		h.entity()
	case afterLess:
		h.put([]byte{'<'})
	}
	h.state = inText
	return h.out
}

// run takes text up to the next octet that means something.
func (h *htmlStripper) run(b []byte) int {
	n := bytes.IndexAny(b, "<& \t\r\n\f")
	if n < 0 {
		n = len(b)
	}
	if n > 0 {
		h.put(b[:n])
	}
	return n
}

func (h *htmlStripper) put(b []byte) {
	if len(b) == 0 {
		return
	}
	if h.started {
		if h.newline {
			h.out = append(h.out, '\n')
		} else if h.space {
			h.out = append(h.out, ' ')
		}
	}
	h.started, h.newline, h.space = true, false, false
	h.out = append(h.out, b...)
}

// step takes one octet; false when it must be read again in the new state.
func (h *htmlStripper) step(c byte) bool {
	switch h.state {
	case inText:
		return h.text(c)
	case afterLess:
		return h.less(c)
	case inName:
		return h.tagName(c)
	case inTag:
		h.attributes(c)
	case inBang:
		h.bang(c)
	case inComment:
		h.comment(c)
	case inRaw:
		if c == '<' {
			h.state, h.name = rawEnd, h.name[:0]
		}
	case rawEnd:
		return h.rawName(c)
	case inEntity:
		return h.entityName(c)
	}
	return true
}

func (h *htmlStripper) text(c byte) bool {
	switch c {
	case '<':
		h.state = afterLess
	case '&':
		h.state, h.name = inEntity, append(h.name[:0], '&')
	case ' ', '\t', '\r', '\n', '\f':
		h.space = true
	default:
		h.put([]byte{c})
	}
	return true
}

func (h *htmlStripper) less(c byte) bool {
	switch {
	case c == '!':
		h.state, h.dashes = inBang, 0
	case c == '?':
		h.state, h.quote = inTag, 0
		h.name = h.name[:0]
	case c == '/' || isLetter(c):
		h.state, h.name = inName, append(h.name[:0], c|0x20)
		if c == '/' {
			h.name[0] = '/'
		}
	default:
		h.put([]byte{'<'})
		h.state = inText
		return false
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func (h *htmlStripper) tagName(c byte) bool {
	if isLetter(c) || '0' <= c && c <= '9' {
		if len(h.name) < maxHTMLName {
			h.name = append(h.name, lower(c))
		}
		return true
	}
	h.state, h.quote = inTag, 0
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func (h *htmlStripper) attributes(c byte) {
	switch {
	case h.quote != 0:
		if c == h.quote {
			h.quote = 0
		}
	case c == '"' || c == '\'':
		h.quote = c
	case c == '>':
		h.tag(string(h.name))
	}
}

// tag acts on a whole tag.
func (h *htmlStripper) tag(name string) {
	h.state = inText
	switch name {
	case "script", "style", "title", "template", "noframes", "iframe", "xmp":
		h.state, h.raw = inRaw, name
		return
	}
	switch strings.TrimPrefix(name, "/") {
	case "br", "p", "div", "tr", "li", "ul", "ol", "dl", "dt", "dd", "table", "hr", "pre", "blockquote",
		"h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "address", "form":
		h.newline = true
	case "td", "th":
		h.space = true
	}
}

func (h *htmlStripper) bang(c byte) {
	switch {
	case c == '-':
		if h.dashes++; h.dashes == 2 {
			h.state = inComment // "<!-->" is a whole comment
		}
	case c == '>':
		h.state = inText
	default:
		h.state, h.quote, h.name = inTag, 0, h.name[:0]
	}
}

func (h *htmlStripper) comment(c byte) {
	switch {
	case c == '-':
		h.dashes++
	case c == '>' && h.dashes >= 2:
		h.state = inText
	default:
		h.dashes = 0
	}
}

func (h *htmlStripper) rawName(c byte) bool {
	want := "/" + h.raw
	if len(h.name) < len(want) {
		if lower(c) == want[len(h.name)] {
			h.name = append(h.name, lower(c))
			return true
		}
		h.state = inRaw
		return false
	}
	if isLetter(c) {
		h.state = inRaw
		return false
	}
	h.state, h.quote = inTag, 0
	return false
}

func (h *htmlStripper) entityName(c byte) bool {
	if c == '#' || isLetter(c) || '0' <= c && c <= '9' {
		if len(h.name) < maxHTMLName {
			h.name = append(h.name, c)
			return true
		}
	}
	if c == ';' {
		h.name = append(h.name, c)
	}
	h.entity()
	h.state = inText
	return c == ';'
}

func (h *htmlStripper) entity() {
	text := html.UnescapeString(string(h.name))
	for _, r := range text {
		if r != '\u00a0' && unicode.IsSpace(r) {
			h.space = true
			continue
		}
		h.put(utf8.AppendRune(nil, r))
	}
}
