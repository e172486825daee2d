package message

import (
	"bytes"
	"strconv"
	"strings"
)

// wire builds the forms of RFC 3501 §7.4.2, or of RFC 9051 §7.5.2. All of it is
// ASCII but for octets within literals, so that it may be sent to every client.
type wire struct {
	b    []byte
	rev2 bool // IMAP4rev2, which looks into message/global too
	// extensions are the ranges of b that BODYSTRUCTURE has and BODY has not.
	extensions []span
}

type span struct{ from, to int }

// maxQuoted is the length from which a string goes as a literal: some clients
// read quoted strings into a line buffer.
const maxQuoted = 1000

// appendString appends s as a quoted string where that can hold it, else as a
// literal (RFC 3501 §4.3). NUL can stand in neither and is left out.
func appendString(b []byte, s string) []byte {
	quotable := len(s) <= maxQuoted
	for i := 0; i < len(s) && quotable; i++ {
		quotable = s[i] >= ' ' && s[i] < 0x7f || s[i] == '\t'
	}
	if !quotable {
		s = strings.ReplaceAll(s, "\x00", "")
		b = append(b, '{')
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, "}\r\n"...)
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendField appends the value of the first field of that name; NIL when
// there is none, "" when it is empty (RFC 3501 errata 261).
func appendField(b []byte, h Header, name string) []byte {
	f, ok := h.first(name)
	if !ok {
		return append(b, "NIL"...)
	}
	return appendString(b, f.Value())
}

// envelope slots, in the order of the form.
const (
	slotDate = iota
	slotSubject
	slotFrom
	slotSender
	slotReplyTo
	slotTo
	slotCc
	slotBcc
	slotInReplyTo
	slotMessageID
	slots
)

var slotNames = [slots]string{
	"Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID",
}

func isAddressSlot(slot int) bool { return slot >= slotFrom && slot <= slotBcc }

// appendAddresses appends all addresses of the fields of a name; NIL for none.
func appendAddresses(b []byte, h Header, name string) []byte {
	start := len(b)
	b = append(b, '(')
	for _, f := range h {
		if !f.Is(name) {
			continue
		}
		for _, e := range parseAddressList(f.Value()) {
			b = appendEntry(b, e)
		}
	}
	if len(b) == start+1 {
		return append(b[:start], "NIL"...)
	}
	return append(b, ')')
}

// appendEntry appends one address; a group begins with an entry without host
// that has its name, and ends with one that has nothing.
func appendEntry(b []byte, e addressEntry) []byte {
	switch e.kind {
	case groupStart:
		b = append(b, "(NIL NIL "...)
		b = appendString(b, e.name)
		return append(b, " NIL)"...)
	case groupEnd:
		return append(b, "(NIL NIL NIL NIL)"...)
	}
	b = append(b, '(')
	b = appendNonEmpty(b, e.name)
	b = append(b, ' ')
	b = appendNonEmpty(b, e.route)
	b = append(b, ' ')
	b = appendString(b, e.mailbox)
	b = append(b, ' ')
	b = appendString(b, e.host) // NIL would make it a group
	return append(b, ')')
}

func appendNonEmpty(b []byte, s string) []byte {
	if s == "" {
		return append(b, "NIL"...)
	}
	return appendString(b, s)
}

// appendSlot appends one element of an envelope. Sender and Reply-To default
// to From.
func appendSlot(b []byte, h Header, slot int) []byte {
	if !isAddressSlot(slot) {
		return appendField(b, h, slotNames[slot])
	}
	start := len(b)
	b = appendAddresses(b, h, slotNames[slot])
	if (slot == slotSender || slot == slotReplyTo) && bytes.Equal(b[start:], []byte("NIL")) {
		b = appendAddresses(b[:start], h, slotNames[slotFrom])
	}
	return b
}

func appendEnvelope(b []byte, h Header) []byte {
	b = append(b, '(')
	for slot := range slots {
		if slot > 0 {
			b = append(b, ' ')
		}
		b = appendSlot(b, h, slot)
	}
	return append(b, ')')
}

func (w *wire) raw(s string)                { w.b = append(w.b, s...) }
func (w *wire) str(s string)                { w.b = appendString(w.b, s) }
func (w *wire) number(n int64)              { w.b = strconv.AppendInt(w.b, n, 10) }
func (w *wire) field(h Header, name string) { w.b = appendField(w.b, h, name) }

// structure appends the BODYSTRUCTURE of a part.
func (w *wire) structure(p *Part) {
	w.raw("(")
	if p.IsMultipart() {
		w.multipart(p)
	} else {
		w.single(p)
	}
	w.raw(")")
}

func (w *wire) multipart(p *Part) {
	for _, child := range p.Children {
		w.structure(child) // no space between: clients take it badly
	}
	if len(p.Children) == 0 {
		// The grammar wants at least one part.
		w.raw(`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0`)
		w.extension(func() { w.raw(" NIL NIL NIL NIL") })
		w.raw(")")
	}
	_, sub, _ := strings.Cut(p.MediaType, "/")
	w.raw(" ")
	w.str(strings.ToUpper(sub))
	w.extension(func() {
		w.raw(" ")
		w.params(p.rawParams)
		w.common(p)
	})
}

func (w *wire) single(p *Part) {
	media := p.MediaType
	isMessage := media == "message/rfc822" || w.rev2 && media == globalType
	embedded := p.Embedded != nil && isMessage
	if isMessage && !embedded {
		media = "application/octet-stream" // its form would need an envelope
	}
	main, sub, _ := strings.Cut(media, "/")
	w.str(strings.ToUpper(main))
	w.raw(" ")
	w.str(strings.ToUpper(sub))
	w.raw(" ")
	params := p.rawParams
	if main == "text" && p.Params["charset"] == "" {
		params = append([]param{{"CHARSET", "US-ASCII"}}, params...)
	}
	w.params(params)
	w.raw(" ")
	w.field(p.Header, "Content-ID")
	w.raw(" ")
	w.field(p.Header, "Content-Description")
	w.raw(" ")
	w.str(strings.ToUpper(p.Encoding))
	w.raw(" ")
	w.number(p.BodySize)
	if embedded {
		w.raw(" ")
		w.b = appendEnvelope(w.b, p.Embedded.Header)
		w.raw(" ")
		w.structure(p.Embedded.Root)
	}
	if embedded || main == "text" {
		w.raw(" ")
		w.number(p.Lines)
	}
	w.extension(func() {
		w.raw(" ")
		w.field(p.Header, "Content-MD5")
		w.common(p)
	})
}

func (w *wire) extension(write func()) {
	from := len(w.b)
	write()
	w.extensions = append(w.extensions, span{from, len(w.b)})
}

// common appends disposition, language and location, each after a space.
func (w *wire) common(p *Part) {
	w.raw(" ")
	if p.Disposition == "" {
		w.raw("NIL")
	} else {
		w.raw("(")
		w.str(strings.ToUpper(p.Disposition))
		w.raw(" ")
		w.params(p.dispParams)
		w.raw(")")
	}
	w.raw(" ")
	w.languages(p.Header.Get("Content-Language"))
	w.raw(" ")
	w.field(p.Header, "Content-Location")
}

func (w *wire) languages(value string) {
	tags := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	switch len(tags) {
	case 0:
		w.raw("NIL")
	case 1:
		w.str(tags[0])
	default:
		for i, tag := range tags {
			w.raw([]string{"(", " "}[min(i, 1)])
			w.str(tag)
		}
		w.raw(")")
	}
}

// params appends parameters as received, but for what came in pieces: what RFC
// 2231 §4 made of a value is for the client to read.
func (w *wire) params(list []param) {
	list = joinParams(list)
	if len(list) == 0 {
		w.raw("NIL")
		return
	}
	for i, p := range list {
		w.raw([]string{"(", " "}[min(i, 1)])
		w.str(p.name)
		w.raw(" ")
		w.str(p.value)
	}
	w.raw(")")
}
