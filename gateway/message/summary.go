package message

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// The form of a Summary. Numbers are uvarints unless said otherwise, strings
// have their length before them:
//
//	version octet (1), flags octet
//	HeaderSize
//	date in Unix seconds (varint), its zone in minutes (varint); with flagDate
//	stored header fields, as received
//	number of absent-from-here names, each a 16-bit hash
//	envelope: a slot octet for each element, with a string for slotInline
//	BODYSTRUCTURE; number of extension ranges, each gap and length
//	part table, see appendPart
//	where IMAP4rev2 has another: its BODYSTRUCTURE and extension ranges
//
// Offsets in the part table count from the end of the header, so that a header
// prefix moves them by nothing. Later versions may append.
const summaryVersion = 1

const (
	flagDate    = 1 << iota // the Date field could be read
	flagUnnamed             // there are header lines that are no fields
	flagMany                // too many other names: absence is unknown
)

// What a slot octet says.
const (
	slotNil = iota
	slotAsFrom
	slotStored // the value of the stored field
	slotInline
)

const (
	maxStoredField  = 2 << 10
	maxStoredFields = 8 << 10
	maxOtherNames   = 200
)

// storedNames are the fields that lists, searches and threads ask for.
var storedNames = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "reply-to": true, "sender": true, "subject": true,
	"date": true, "message-id": true, "in-reply-to": true, "references": true, "content-type": true,
	"content-transfer-encoding": true, "mime-version": true, "x-priority": true, "priority": true,
	"importance": true, "auto-submitted": true, "disposition-notification-to": true,
	"return-receipt-to": true,
}

func isStored(lower []byte) bool {
	return storedNames[string(lower)] || bytes.HasPrefix(lower, []byte("x-letter-")) || bytes.HasPrefix(lower, []byte("list-"))
}

// lowerName puts a field name in lower case into room.
func lowerName(room []byte, name string) []byte {
	for i := range len(name) {
		room = append(room, lower(name[i]))
	}
	return room
}

// Summary encodes what lists and searches need of the message.
func (m *Message) Summary() []byte { return m.summary(m.Header, m.HeaderSize) }

// SummaryWithHeader encodes the summary of the same body under another header,
// whole fields and the blank line. The MIME fields must be the same in both.
func (m *Message) SummaryWithHeader(header []byte) []byte {
	return m.summary(ParseHeader(header, 0), int64(len(header)))
}

func (m *Message) summary(h Header, headerSize int64) []byte {
	s := &summaryWriter{}
	s.fields(h, maxStoredFields)
	var zone, date int64
	if t, ok := ParseDate(h.Get("Date")); ok {
		_, offset := t.Zone()
		date, zone = t.Unix(), int64(offset/60)
		s.flags |= flagDate
	}
	w := &wire{b: make([]byte, 0, 512)}
	w.structure(m.Root)
	b := make([]byte, 0, 256+len(s.stored)+len(w.b))
	b = append(b, summaryVersion, s.flags)
	b = binary.AppendUvarint(b, uint64(headerSize))
	if s.flags&flagDate != 0 {
		b = binary.AppendVarint(binary.AppendVarint(b, date), zone)
	}
	b = s.appendHeader(b)
	b = s.appendSlots(b, h)
	b = w.appendTo(b)
	b = appendPart(b, m.Root, m.HeaderSize, true)
	if m.Root.holdsGlobal() {
		w = &wire{rev2: true}
		w.structure(m.Root)
		b = w.appendTo(b)
	}
	return b
}

// appendTo appends the BODYSTRUCTURE and the ranges of its extension data.
func (w *wire) appendTo(b []byte) []byte {
	b = appendBytes(b, w.b)
	b = binary.AppendUvarint(b, uint64(len(w.extensions)))
	at := 0
	for _, x := range w.extensions {
		b = binary.AppendUvarint(b, uint64(x.from-at))
		b = binary.AppendUvarint(b, uint64(x.to-x.from))
		at = x.to
	}
	return b
}

// Index makes the Summary of a stream without decoding its parts. Memory is
// bounded by the limits. The error is r's.
func Index(r io.Reader, limits Limits) ([]byte, error) {
	p := newParser(limits, light)
	if _, err := io.Copy(p, r); err != nil {
		return nil, err
	}
	return p.Close().Summary(), nil
}

// summaryWriter sorts header fields into stored ones and the names of others.
type summaryWriter struct {
	flags  byte
	stored []byte
	others []uint16
	places []int // indexes in the Header of what is stored
}

func (s *summaryWriter) fields(h Header, room int) {
	var small [64]byte
	for i, f := range h {
		name := lowerName(small[:0], f.Name)
		switch {
		case len(name) == 0:
			s.flags |= flagUnnamed
		case isStored(name) && len(f.Raw) <= maxStoredField && len(s.stored)+len(f.Raw) <= room && endsLine(f.Raw):
			s.stored = append(s.stored, f.Raw...)
			s.places = append(s.places, i)
		default:
			s.other(nameHash(name))
		}
	}
}

// endsLine is false for a field that ends with the message: it cannot stand
// before others.
func endsLine(raw []byte) bool { return len(raw) > 0 && raw[len(raw)-1] == '\n' }

func (s *summaryWriter) other(hash uint16) {
	switch {
	case slices.Contains(s.others, hash):
	case len(s.others) == maxOtherNames:
		s.flags |= flagMany
	default:
		s.others = append(s.others, hash)
	}
}

// nameHash is FNV-1a, folded.
func nameHash(lower []byte) uint16 {
	v := uint32(2166136261)
	for _, c := range lower {
		v = (v ^ uint32(c)) * 16777619
	}
	return uint16(v>>16) ^ uint16(v)
}

func (s *summaryWriter) appendHeader(b []byte) []byte {
	b = appendBytes(b, s.stored)
	b = binary.AppendUvarint(b, uint64(len(s.others)))
	for _, hash := range s.others {
		b = binary.BigEndian.AppendUint16(b, hash)
	}
	return b
}

func (s *summaryWriter) appendSlots(b []byte, h Header) []byte {
	from := appendSlot(nil, h, slotFrom)
	var text []byte
	for slot := range slots {
		if !isAddressSlot(slot) && s.hasFirst(h, slotNames[slot]) {
			b = append(b, slotStored)
			continue
		}
		text = appendSlot(text[:0], h, slot)
		switch {
		case string(text) == "NIL":
			b = append(b, slotNil)
		case (slot == slotSender || slot == slotReplyTo) && bytes.Equal(text, from):
			b = append(b, slotAsFrom)
		default:
			b = appendBytes(append(b, slotInline), text)
		}
	}
	return b
}

// hasFirst reports whether the first field of a name is stored.
func (s *summaryWriter) hasFirst(h Header, name string) bool {
	for i, f := range h {
		if f.Is(name) {
			return slices.Contains(s.places, i)
		}
	}
	return false
}

func appendBytes(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Tables of what is common; index 0 is for what is not in them.
var (
	commonTypes = []string{
		"", "text/plain", "text/html", "multipart/mixed", "multipart/alternative", "multipart/related",
		"multipart/signed", "multipart/report", "message/rfc822", "application/pdf",
		"application/octet-stream", "image/jpeg", "image/png", "application/msword",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/zip",
		"application/pkcs7-signature", "application/pkcs7-mime", "message/delivery-status",
		"message/disposition-notification", "text/xml", "application/xml", "application/json",
		"multipart/digest", "application/vnd.ms-excel", "text/csv", "text/calendar",
	}
	commonEncodings = []string{"", "7bit", "8bit", "binary", "base64", "quoted-printable"}
	commonCharsets  = []string{"", "utf-8", "us-ascii", "koi8-r", "windows-1251", "iso-8859-5", "iso-8859-1"}
)

func appendCommon(b []byte, table []string, s string) []byte {
	if i := slices.Index(table[1:], s); i >= 0 {
		return append(b, byte(i+1))
	}
	return appendBytes(append(b, 0), []byte(s))
}

// Bits of a part's first octet.
const (
	partMultipart = 1 << iota
	partMessage
)

// appendPart appends a part and those within it:
//
//	bits; media type, encoding, charset (an index, or 0 and a string)
//	HeaderOffset from base and the header's length, but for the root
//	BodySize, Lines
//	multipart: number of children, the children
//	message: its header's length, its root
func appendPart(b []byte, p *Part, base int64, root bool) []byte {
	var bits byte
	if p.IsMultipart() {
		bits |= partMultipart
	}
	if p.Embedded != nil {
		bits |= partMessage
	}
	b = append(b, bits)
	b = appendCommon(b, commonTypes, p.MediaType)
	b = appendCommon(b, commonEncodings, p.Encoding)
	b = appendCommon(b, commonCharsets, p.Charset)
	if !root {
		b = binary.AppendUvarint(b, uint64(p.HeaderOffset-base))
		b = binary.AppendUvarint(b, uint64(p.BodyOffset-p.HeaderOffset))
	}
	b = binary.AppendUvarint(b, uint64(p.BodySize))
	b = binary.AppendUvarint(b, uint64(p.Lines))
	if p.IsMultipart() {
		b = binary.AppendUvarint(b, uint64(len(p.Children)))
		for _, child := range p.Children {
			b = appendPart(b, child, base, false)
		}
	}
	if p.Embedded != nil {
		b = binary.AppendUvarint(b, uint64(p.Embedded.HeaderSize))
		b = appendPart(b, p.Embedded.Root, base, false)
	}
	return b
}
