package message

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/transform"
)

// textSink turns decoded octets of a text part into what a reader sees: the
// charset becomes UTF-8, HTML loses its tags, CRLF becomes LF.
type textSink struct {
	w       *transform.Writer
	strip   *htmlStripper // nil for plain text
	emit    func([]byte)  // whole code points, valid during the call
	cr      bool          // a CR waits for the octet after it
	scratch []byte
}

// newTextSink also reports whether the charset is known.
func newTextSink(charset string, html bool, emit func([]byte)) (*textSink, bool) {
	t, known := decoderFor(charset)
	s := &textSink{emit: emit}
	if html {
		s.strip = &htmlStripper{}
	}
	s.w = transform.NewWriter(decoded{s}, t)
	return s, known
}

// decoded is the side of a textSink that takes UTF-8.
type decoded struct{ s *textSink }

// Write implements io.Writer; it never fails.
func (d decoded) Write(b []byte) (int, error) {
	if d.s.strip != nil {
		d.s.lines(d.s.strip.strip(b))
	} else {
		d.s.lines(b)
	}
	return len(b), nil
}

func (s *textSink) write(b []byte) {
	// The writer below never fails, and the decoders of charset.go replace
	// what is invalid instead of failing.
	_, _ = s.w.Write(b)
}

func (s *textSink) close() {
	_ = s.w.Close()
	if s.strip != nil {
		s.lines(s.strip.close())
	}
	if s.cr {
		s.emit([]byte{'\r'})
	}
}

// lines makes CRLF one octet.
func (s *textSink) lines(b []byte) {
	if len(b) == 0 {
		return
	}
	if !s.cr && bytes.IndexByte(b, '\r') < 0 {
		s.emit(b)
		return
	}
	out := s.scratch[:0]
	for len(b) > 0 {
		if s.cr && b[0] != '\n' {
			out = append(out, '\r')
		}
		i := bytes.IndexByte(b, '\r')
		if s.cr = i >= 0; !s.cr {
			out = append(out, b...)
			break
		}
		out = append(out, b[:i]...)
		b = b[i+1:]
	}
	s.scratch = out
	if len(out) > 0 {
		s.emit(out)
	}
}

// textKeeper counts text and keeps its beginning.
type textKeeper struct {
	budget   *int // octets of text that the message may still keep
	text     []byte
	full     bool
	runes    int
	trailing int // line ends at the end
}

func (k *textKeeper) add(b []byte) {
	k.runes += utf8.RuneCount(b)
	body := bytes.TrimRight(b, "\n")
	if len(body) > 0 {
		k.trailing = 0
	}
	k.trailing += len(b) - len(body)
	if k.full {
		return
	}
	n := len(b)
	if n > *k.budget {
		k.full = true
		for n = *k.budget; n > 0 && !utf8.RuneStart(b[n]); n-- {
			// a code point is kept whole
		}
	}
	k.text = append(k.text, b[:n]...)
	*k.budget -= n
}
