package boltstore

import (
	"encoding/binary"
	"math"
	"time"

	"gosbridge/mailstore"
)

// encoder writes one record. Numbers are varints unless the name says fixed.
type encoder struct{ b []byte }

func (e *encoder) byte(v byte)      { e.b = append(e.b, v) }
func (e *encoder) fixed32(v uint32) { e.b = binary.BigEndian.AppendUint32(e.b, v) }
func (e *encoder) fixed64(v uint64) { e.b = binary.BigEndian.AppendUint64(e.b, v) }
func (e *encoder) uint(v uint64)    { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)      { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) id(v [16]byte)    { e.b = append(e.b, v[:]...) }
func (e *encoder) raw(v []byte)     { e.b = append(e.b, v...) }
func (e *encoder) time(t time.Time) { e.fixed64(timeKey(t)) }

func (e *encoder) bytes(v []byte) {
	e.uint(uint64(len(v)))
	e.b = append(e.b, v...)
}

func (e *encoder) string(v string) {
	e.uint(uint64(len(v)))
	e.b = append(e.b, v...)
}

func (e *encoder) strings(v []string) {
	e.uint(uint64(len(v)))
	for _, s := range v {
		e.string(s)
	}
}

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

// decoder reads a record; after the first thing that has no sense it is bad
// and yields zeros. Slices point into the record.
type decoder struct {
	b   []byte
	bad bool
}

// err is ErrDamaged when the record had no sense.
func (d *decoder) err() error {
	if d.bad {
		return mailstore.ErrDamaged
	}
	return nil
}

// raw takes n octets.
func (d *decoder) raw(n int) []byte {
	if d.bad || n < 0 || n > len(d.b) {
		d.bad = true
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if v := d.raw(1); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) bool() bool { return d.byte() != 0 }

func (d *decoder) fixed32() uint32 {
	if v := d.raw(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) fixed64() uint64 {
	if v := d.raw(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) id() (id [16]byte) {
	copy(id[:], d.raw(16))
	return id
}

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	return d.raw(int(n))
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) strings() []string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	var v []string
	for range n {
		v = append(v, d.string())
	}
	return v
}

func (d *decoder) time() time.Time { return keyTime(d.fixed64()) }

// timeKey maps a time to a number that orders as the time does; 0 is the zero
// time. Times outside the years 1678 to 2262 are clamped.
func timeKey(t time.Time) uint64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1678:
		return 1
	case t.Year() > 2261:
		return math.MaxUint64
	}
	return uint64(t.UnixNano()) ^ (1 << 63)
}

// keyTime is the reverse of timeKey.
func keyTime(v uint64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(v^(1<<63))).UTC()
}

// key joins the parts of a composite key.
func key(parts ...any) []byte {
	k := make([]byte, 0, 48)
	for _, p := range parts {
		switch v := p.(type) {
		case byte:
			k = append(k, v)
		case uint32:
			k = binary.BigEndian.AppendUint32(k, v)
		case uint64:
			k = binary.BigEndian.AppendUint64(k, v)
		case mailstore.MailboxID:
			k = binary.BigEndian.AppendUint32(k, uint32(v))
		case mailstore.UID:
			k = binary.BigEndian.AppendUint32(k, uint32(v))
		case mailstore.ModSeq:
			k = binary.BigEndian.AppendUint64(k, uint64(v))
		case mailstore.LetterRole:
			k = append(k, byte(v))
		case mailstore.ID:
			k = append(k, v[:]...)
		case [16]byte:
			k = append(k, v[:]...)
		case time.Time:
			k = binary.BigEndian.AppendUint64(k, timeKey(v))
		case []byte:
			k = append(k, v...)
		case string:
			k = append(k, v...)
		}
	}
	return k
}

// Fast forms of the keys of the hot paths: key allocates for each part.

func boxKey(an uint32, box mailstore.MailboxID) []byte {
	k := make([]byte, 8)
	binary.BigEndian.PutUint32(k, an)
	binary.BigEndian.PutUint32(k[4:], uint32(box))
	return k
}

func rowKey(an uint32, box mailstore.MailboxID, uid mailstore.UID) []byte {
	k := make([]byte, 12)
	binary.BigEndian.PutUint32(k, an)
	binary.BigEndian.PutUint32(k[4:], uint32(box))
	binary.BigEndian.PutUint32(k[8:], uint32(uid))
	return k
}

func idKey(an uint32, id [16]byte) []byte {
	e := encoder{b: make([]byte, 0, 28)}
	e.fixed32(an)
	e.id(id)
	return e.b
}

// placeKey is where an index that finds messages names one of them.
func placeKey(an uint32, id [16]byte, box mailstore.MailboxID, uid mailstore.UID) []byte {
	e := encoder{b: idKey(an, id)}
	e.fixed32(uint32(box))
	e.fixed32(uint32(uid))
	return e.b
}
