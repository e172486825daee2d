package fileformat

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// Markers of JPEG (ITU-T T.81 Annex B).
const (
	jpegTEM  = 0x01
	jpegSOF0 = 0xc0
	jpegDHT  = 0xc4
	jpegJPG  = 0xc8
	jpegDAC  = 0xcc
	jpegRST0 = 0xd0
	jpegRST7 = 0xd7
	jpegSOI  = 0xd8
	jpegEOI  = 0xd9
	jpegSOS  = 0xda
	jpegAPP0 = 0xe0
)

// jpegReader counts what it has read.
type jpegReader struct {
	*bufio.Reader
	off int64
}

func (r *jpegReader) octet() (byte, error) {
	b, err := r.ReadByte()
	if err == nil {
		r.off++
	}
	return b, err
}

// marker reads up to the next marker, past fill octets.
func (r *jpegReader) marker() (byte, error) {
	b, err := r.octet()
	if err == nil && b != 0xff {
		return 0, errors.New("no marker")
	}
	for err == nil && b == 0xff {
		b, err = r.octet()
	}
	return b, err
}

// segment reads the length of a segment and its first octets, and skips the
// rest.
func (r *jpegReader) segment() (start []byte, err error) {
	var length [2]byte
	if _, err := io.ReadFull(r.Reader, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:])) - 2
	if n < 0 {
		return nil, errors.New("segment of negative length")
	}
	start = make([]byte, min(n, 16))
	if _, err := io.ReadFull(r.Reader, start); err != nil {
		return nil, err
	}
	if _, err := r.Discard(n - len(start)); err != nil {
		return nil, err
	}
	r.off += int64(n) + 2
	return start, nil
}

// entropy skips coded data up to the next marker that is neither stuffing nor
// a restart, and gives it.
func (r *jpegReader) entropy() (byte, error) {
	for {
		b, err := r.ReadSlice(0xff)
		r.off += int64(len(b))
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		for err == nil {
			var m byte
			m, err = r.octet()
			if err != nil || m == 0xff {
				continue
			}
			if m == 0 || m >= jpegRST0 && m <= jpegRST7 {
				break
			}
			return m, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// jpeg walks the segments and the coded data between them up to the end of the
// image.
func (s *scan) jpeg(f *Facts) {
	f.Format = JPG
	r := &jpegReader{Reader: bufio.NewReaderSize(s.section(), 32<<10)}
	if m, err := r.marker(); err != nil || m != jpegSOI {
		f.add(Damaged, DetailHeader, "")
		return
	}
	var frame, coded bool
	m, err := r.marker()
	for err == nil && m != jpegEOI {
		var start []byte
		next := r.marker
		switch {
		case m == jpegTEM, m >= jpegRST0 && m <= jpegRST7:
			m, err = next()
			continue
		case m == 0, m == jpegSOI:
			err = errors.New("marker out of place")
			continue
		}
		if start, err = r.segment(); err != nil {
			break
		}
		switch {
		case m == jpegAPP0:
			f.DPI = jfifDPI(start)
		case m == jpegSOS:
			coded, next = true, r.entropy
		case isFrame(m):
			if len(start) < 5 || !s.dimensions(f, uint32(binary.BigEndian.Uint16(start[3:])), uint32(binary.BigEndian.Uint16(start[1:]))) {
				f.add(Damaged, DetailHeader, "")
				return
			}
			frame = true
		}
		m, err = next()
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.add(Damaged, DetailCut, "")
	case err != nil:
		f.add(Damaged, DetailStructure, "")
	case !frame || !coded:
		f.add(Damaged, DetailPart, "")
	default:
		s.afterEnd(f, r.off, false)
	}
}

func isFrame(m byte) bool {
	return m >= jpegSOF0 && m <= 0xcf && m != jpegDHT && m != jpegJPG && m != jpegDAC
}

// jfifDPI gives the density of a JFIF header; 0 when it states none.
func jfifDPI(b []byte) int {
	if len(b) < 12 || string(b[:5]) != "JFIF\x00" {
		return 0
	}
	density := float64(binary.BigEndian.Uint16(b[8:]))
	switch b[7] {
	case 1: // dots per inch
		return int(density)
	case 2: // dots per centimetre
		return int(math.Round(density * 2.54))
	}
	return 0
}
