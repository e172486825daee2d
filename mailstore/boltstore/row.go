package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// row is a message without its flags. It is written once.
type row struct {
	email, letter   mailstore.ID
	received, saved time.Time
	size            int64
	createMod       mailstore.ModSeq
	body            bodyRef
	offset, length  int64
	found           []mac  // that it is found by
	summary         []byte // sealed
	content         []byte // prefix and suffix, sealed; empty when both are
}

// bodyRef is a body.Ref without its key.
type bodyRef struct {
	name  body.Name
	size  int64
	place uint64
}

func (e *encoder) bodyRef(r bodyRef) {
	e.id(r.name)
	e.uint(uint64(r.size))
	e.fixed64(r.place)
}

func (d *decoder) bodyRef() bodyRef {
	return bodyRef{name: d.id(), size: int64(d.uint()), place: d.fixed64()}
}

const (
	rowHasLetter = 1 << iota
	rowHasBody
	rowHasKeys
)

func (r *row) encode() []byte {
	e := encoder{b: make([]byte, 0, 128+len(r.summary)+len(r.content))}
	var has byte
	if r.letter != (mailstore.ID{}) {
		has |= rowHasLetter
	}
	if !r.body.name.IsZero() {
		has |= rowHasBody
	}
	if len(r.found) > 0 {
		has |= rowHasKeys
	}
	e.byte(has)
	e.id(r.email)
	if has&rowHasLetter != 0 {
		e.id(r.letter)
	}
	e.time(r.received)
	_, zone := r.received.Zone()
	e.int(int64(zone))
	e.time(r.saved)
	e.uint(uint64(r.size))
	e.uint(uint64(r.createMod))
	if has&rowHasBody != 0 {
		e.bodyRef(r.body)
		e.uint(uint64(r.offset))
		e.uint(uint64(r.length))
	}
	if has&rowHasKeys != 0 {
		e.uint(uint64(len(r.found)))
		for _, m := range r.found {
			e.id(m)
		}
	}
	e.bytes(r.summary)
	e.bytes(r.content)
	return e.b
}

// decode reads a row; sealed parts point into raw.
func (r *row) decode(raw []byte) error {
	d := decoder{b: raw}
	*r = row{}
	has := d.byte()
	r.email = d.id()
	if has&rowHasLetter != 0 {
		r.letter = d.id()
	}
	r.received = d.time()
	zone := d.int()
	if zone != 0 && !r.received.IsZero() {
		r.received = r.received.In(time.FixedZone("", int(zone)))
	}
	r.saved = d.time()
	r.size = int64(d.uint())
	r.createMod = mailstore.ModSeq(d.uint())
	if has&rowHasBody != 0 {
		r.body = d.bodyRef()
		r.offset, r.length = int64(d.uint()), int64(d.uint())
	}
	if has&rowHasKeys != 0 {
		for n := d.uint(); n > 0 && !d.bad; n-- {
			r.found = append(r.found, d.id())
		}
	}
	r.summary = d.bytes()
	r.content = d.bytes()
	if d.bad {
		return fmt.Errorf("message row: %w", mailstore.ErrDamaged)
	}
	return nil
}

// seal seals summary, prefix and suffix of a message for its row.
func (r *row) seal(keys *accountKeys, k, summary, prefix, suffix []byte) {
	r.summary, r.content = nil, nil
	if len(summary) > 0 {
		r.summary = seal(keys.seal, bRow, append(k, 's'), summary)
	}
	if len(prefix)+len(suffix) > 0 {
		var e encoder
		e.bytes(prefix)
		e.raw(suffix)
		r.content = seal(keys.seal, bRow, append(k, 'c'), e.b)
	}
}

// openSummary opens the sealed summary of the row with key k.
func (r *row) openSummary(keys *accountKeys, k []byte) ([]byte, error) {
	if len(r.summary) == 0 {
		return nil, nil
	}
	return unseal(keys.seal, bRow, append(k, 's'), r.summary)
}

// openContent opens the sealed ends of the message with key k.
func (r *row) openContent(keys *accountKeys, k []byte) (prefix, suffix []byte, err error) {
	if len(r.content) == 0 {
		return nil, nil, nil
	}
	clear, err := unseal(keys.seal, bRow, append(k, 'c'), r.content)
	if err != nil {
		return nil, nil, err
	}
	d := decoder{b: clear}
	prefix = d.bytes()
	return prefix, d.b, d.err()
}

// readRow reads the row of a message that exists, and returns its key.
func (v *view) readRow(r *row, box mailstore.MailboxID, uid mailstore.UID) (k []byte, err error) {
	k = rowKey(v.keys.num, box, uid)
	raw := v.get(bRow, k)
	if raw == nil {
		return k, fmt.Errorf("message %d without row: %w", uid, mailstore.ErrDamaged)
	}
	return k, r.decode(raw)
}

// errStop ends an iteration whose consumer wants no more.
var errStop = fmt.Errorf("stop")

// Messages implements mailstore.Tx.
func (v *view) Messages(box mailstore.MailboxID, set mailstore.UIDSet, fields mailstore.Fields) iter.Seq2[*mailstore.Message, error] {
	return func(yield func(*mailstore.Message, error) bool) {
		b, err := v.box(box)
		if err != nil {
			yield(nil, err)
			return
		}
		rows := rowReader{v: v, box: box}
		err = v.eachChunk(box, set, func(_ uint32, flags []flagRow, in []int) error {
			for _, i := range in {
				m, err := v.message(b, flags[i], &rows, fields)
				if err != nil {
					return err
				}
				if !yield(m, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && err != errStop { //nolint:errorlint // our own value, never wrapped
			yield(nil, err)
		}
	}
}

// message puts one message together.
func (v *view) message(b *boxRecord, f flagRow, rows *rowReader, fields mailstore.Fields) (*mailstore.Message, error) {
	m := &mailstore.Message{UID: f.uid, ModSeq: f.mod, Flags: f.flags}
	var err error
	if m.Keywords, err = b.words(f.keywords); err != nil || fields == 0 {
		return m, err
	}
	k := rowKey(v.keys.num, b.ID, f.uid)
	r, err := rows.read(k)
	if err != nil {
		return nil, fmt.Errorf("message %d: %w", f.uid, err)
	}
	if fields&mailstore.FieldMeta != 0 {
		m.EmailID, m.LetterID = r.email, r.letter
		m.Received, m.Saved, m.Size, m.CreateMod = r.received, r.saved, r.size, r.createMod
	}
	if fields&mailstore.FieldSummary != 0 {
		if m.Summary, err = r.openSummary(v.keys, k); err != nil {
			return nil, err
		}
	}
	if fields&mailstore.FieldContent != 0 {
		if m.Content, err = v.content(r, k); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// content opens what leads to the octets of a message.
func (v *view) content(r *row, k []byte) (c mailstore.Content, err error) {
	c.Prefix, c.Suffix, err = r.openContent(v.keys, k)
	if err != nil || r.body.name.IsZero() {
		return c, err
	}
	c.Offset, c.Length = r.offset, r.length
	c.Body, err = v.openRef(r.body)
	return c, err
}

// rowReader reads rows with ascending keys; neighbours cost one step.
type rowReader struct {
	v   *view
	box mailstore.MailboxID
	c   *bolt.Cursor
	row row
}

// read returns the row with key k, valid until the next read.
func (r *rowReader) read(k []byte) (*row, error) {
	if r.v.up != nil { // writes between two reads would upset a cursor
		raw := r.v.get(bRow, k)
		if raw == nil {
			return nil, fmt.Errorf("no row: %w", mailstore.ErrDamaged)
		}
		return &r.row, r.row.decode(raw)
	}
	var found, raw []byte
	if r.c != nil {
		found, raw = r.c.Next()
	} else {
		r.c = r.v.b(bRow).Cursor()
	}
	if !bytes.Equal(found, k) {
		found, raw = r.c.Seek(k)
	}
	if !bytes.Equal(found, k) {
		return nil, fmt.Errorf("no row: %w", mailstore.ErrDamaged)
	}
	return &r.row, r.row.decode(raw)
}

// UIDs implements mailstore.Tx.
func (v *view) UIDs(box mailstore.MailboxID) ([]mailstore.UID, error) {
	b, err := v.box(box)
	if err != nil {
		return nil, err
	}
	if v.up != nil { // what is not committed must not be shared
		return v.loadUIDs(b)
	}
	return v.s.vectors.get(v, b)
}

// loadUIDs reads the UIDs from the disk.
func (v *view) loadUIDs(b *boxRecord) ([]mailstore.UID, error) {
	uids := make([]mailstore.UID, 0, b.Messages)
	var rows []flagRow
	var err error
	v.scan(bFlag, boxKey(v.keys.num, b.ID), nil, func(k, raw []byte) bool {
		rows, err = decodeChunk(rows[:0], binary.BigEndian.Uint32(k[8:]), raw)
		for _, r := range rows {
			uids = append(uids, r.uid)
		}
		return err == nil
	})
	return uids, err
}
