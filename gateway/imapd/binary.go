package imapd

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

var errUnknownCTE = no("UNKNOWN-CTE", "a part has an encoding that is not known")

// readBinary reads the section of BINARY and its like: part numbers only (RFC
// 3516 §7).
func (s *session) readBinary(name string) *section {
	sec := &section{prefix: strings.TrimSuffix(name, ".PEEK"), seen: name == "BINARY"}
	s.r.Byte('[')
	if s.r.Peek() != ']' {
		for _, word := range strings.Split(s.r.Label(), ".") {
			n, err := strconv.ParseUint(word, 10, 31)
			if err != nil || n == 0 || len(sec.path) >= maxPath {
				s.r.Fail("part number")
				return sec
			}
			sec.path = append(sec.path, int(n))
		}
	}
	s.r.Byte(']')
	if sec.prefix == "BINARY" {
		s.readPartial(sec)
	}
	sec.name()
	return sec
}

// openBinary opens a part without its transfer encoding (RFC 3516 §4.2). What
// has none, as the message itself and all that holds parts (RFC 2045 §6.4), is
// sent as it is.
func (s *session) openBinary(sec *section, m *mailstore.Message, sum *message.Summary) (piece, error) {
	offset, size, found, err := sec.span(m, sum)
	if err != nil || !found {
		return piece{none: !found}, err
	}
	encoding := ""
	if len(sec.path) > 0 { // without one no summary was loaded
		if info, exists := sum.Part(sec.path); exists && !info.IsMultipart && !info.IsMessage {
			encoding = info.Encoding
		}
	}
	switch encoding {
	case "", "7bit", "8bit", "binary":
		if sec.prefix == "BINARY.SIZE" {
			return piece{size: size}, nil
		}
		p, err := s.openRange(sec, m, offset, size)
		p.binary = true
		return p, err
	}
	if !message.KnownEncoding(encoding) {
		return piece{}, errUnknownCTE
	}
	return s.openDecoded(sec, m, encoding, offset, size)
}

// openDecoded decodes twice: the literal's size must be known before its first
// octet, and the octets are not to be held.
func (s *session) openDecoded(sec *section, m *mailstore.Message, encoding string, offset, size int64) (piece, error) {
	limit := int64(-1)
	if sec.partial {
		limit = sec.from + min(sec.size, math.MaxInt64-sec.from)
	}
	r, err := s.decoded(m, encoding, offset, size)
	if err != nil {
		return piece{}, err
	}
	var counted io.Reader = r
	if limit >= 0 {
		counted = io.LimitReader(r, limit)
	}
	total, err := io.Copy(io.Discard, counted)
	r.Close()
	if err != nil {
		return piece{}, fmt.Errorf("decode part: %w", err)
	}
	if total -= min(sec.from, total); total == 0 || sec.prefix == "BINARY.SIZE" {
		return piece{size: total}, nil
	}
	if r, err = s.decoded(m, encoding, offset, size); err != nil {
		return piece{}, err
	}
	if _, err := io.CopyN(io.Discard, r, sec.from); err != nil {
		r.Close()
		return piece{}, fmt.Errorf("decode part: %w", err)
	}
	return piece{stream: r, size: total, binary: true}, nil
}

// decoded streams a part without its encoding.
func (s *session) decoded(m *mailstore.Message, encoding string, offset, size int64) (io.ReadCloser, error) {
	r, err := s.open(m, offset)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{message.Decode(io.LimitReader(r, size), encoding), r}, nil
}
