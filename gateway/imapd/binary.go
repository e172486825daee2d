package imapd

import (
	"bytes"
	"errors"
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
	encoding := "binary"
	if len(sec.path) > 0 { // without one no summary was loaded
		if info, exists := sum.Part(sec.path); exists && !info.IsMultipart && !info.IsMessage {
			encoding = info.Encoding
		}
	}
	if !message.KnownEncoding(encoding) {
		return piece{}, errUnknownCTE
	}
	if sec.prefix == "BINARY.SIZE" && !encoded(encoding) {
		return piece{size: size}, nil
	}
	return s.openDecoded(sec, m, encoding, offset, size)
}

// openDecoded reads twice: the literal's size, and whether it has NULs, must be
// known before its first octet, and the octets are not to be held.
func (s *session) openDecoded(sec *section, m *mailstore.Message, encoding string, offset, size int64) (piece, error) {
	r, err := s.decoded(sec, m, encoding, offset, size)
	if err != nil {
		return piece{}, err
	}
	var seen octets
	_, err = io.Copy(&seen, r)
	r.Close()
	if err != nil {
		return piece{}, fmt.Errorf("decode part: %w", err)
	}
	if seen.n == 0 || sec.prefix == "BINARY.SIZE" {
		return piece{size: seen.n}, nil
	}
	// A string where it can be one (RFC 3516 §4.3, RFC 9051 §7.5.2).
	r, err = s.decoded(sec, m, encoding, offset, size)
	return piece{stream: r, size: seen.n, binary: seen.nul}, err
}

// octets counts what is written to it, and notes NULs.
type octets struct {
	n   int64
	nul bool
}

// Write implements io.Writer.
func (o *octets) Write(p []byte) (int, error) {
	o.n += int64(len(p))
	o.nul = o.nul || bytes.IndexByte(p, 0) >= 0
	return len(p), nil
}

// decoded streams what the section wants of a part without its encoding. Where
// there is none to take off only that is read.
func (s *session) decoded(sec *section, m *mailstore.Message, encoding string, offset, size int64) (io.ReadCloser, error) {
	skip, most := int64(0), int64(math.MaxInt64)
	if sec.partial {
		skip, most = min(sec.from, size), sec.size
	}
	if !encoded(encoding) {
		offset, size, skip = offset+skip, min(most, size-skip), 0
	}
	if size == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	r, err := s.open(m, offset)
	if err != nil {
		return nil, err
	}
	wanted := message.Decode(io.LimitReader(r, size), encoding)
	if _, err := io.CopyN(io.Discard, wanted, skip); err != nil && !errors.Is(err, io.EOF) {
		r.Close()
		return nil, fmt.Errorf("decode part: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(wanted, most), r}, nil
}

// encoded reports whether a known encoding is more than a promise.
func encoded(encoding string) bool { return encoding == "base64" || encoding == "quoted-printable" }
