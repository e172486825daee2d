package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gosbridge/mailstore"
)

// Scan implements mailstore.Texts.
func (t *texts) Scan(ctx context.Context, account mailstore.ID, box mailstore.MailboxID, set mailstore.UIDSet, parts mailstore.TextParts) iter.Seq2[*mailstore.Text, error] {
	return func(yield func(*mailstore.Text, error) bool) {
		var keys *accountKeys
		err := t.s.read(ctx, func(rows *txn) (err error) {
			keys, err = rows.accountKeys(account, true)
			return err
		})
		if err != nil {
			yield(nil, err)
			return
		}
		file := t.file.Load()
		if file == nil {
			return
		}
		s := &textScan{
			keys: keys, box: box, parts: parts, left: mergeRanges(slices.Clone(set)),
			text: mailstore.Text{Account: account},
		}
		err = s.run(ctx, file, yield)
		switch {
		case isDamage(err):
			t.lose(file, err)
		case err != nil && !errors.Is(err, bolterrors.ErrDatabaseNotOpen):
			yield(nil, err)
		}
	}
}

// textScan is a Scan under way. Its buffers are used again for every text.
type textScan struct {
	keys  *accountKeys
	box   mailstore.MailboxID
	parts mailstore.TextParts
	left  []mailstore.UIDRange

	place       *bolt.Cursor
	start, stop []byte // of the first range that is left
	at          []byte // where the text lies
	head        textReader
	body        textReader
	text        mailstore.Text
}

// run yields the texts. The consumer runs outside of what guards against a
// damaged file: its panics are its own.
func (s *textScan) run(ctx context.Context, file *bolt.DB, yield func(*mailstore.Text, error) bool) error {
	var tx *bolt.Tx
	err := guarded(func() (err error) {
		if tx, err = file.Begin(false); err != nil {
			return err
		}
		s.place = tx.Bucket([]byte(tPlace)).Cursor()
		s.head = textReader{c: tx.Bucket([]byte(tHead)).Cursor(), part: 'h', clear: 16}
		s.body = textReader{c: tx.Bucket([]byte(tBody)).Cursor(), part: 'b'}
		return nil
	})
	if tx != nil {
		defer func() { _ = tx.Rollback() }()
	}
	if err != nil {
		return err
	}
	var k, v []byte
	for {
		found := false
		err := guarded(func() (err error) {
			k, v = s.next(k)
			if k == nil {
				return nil
			}
			found = true
			return s.load(k, v)
		})
		if err != nil || !found {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !yield(&s.text, nil) {
			return nil
		}
	}
}

// next finds the next place within the set, from the one before on.
func (s *textScan) next(k []byte) (_, v []byte) {
	if k == nil {
		if !s.firstRange() {
			return nil, nil
		}
		k, v = s.place.Seek(s.start)
	} else {
		k, v = s.place.Next()
	}
	for k != nil && bytes.HasPrefix(k, s.start[:8]) {
		if bytes.Compare(k, s.start) < 0 {
			k, v = s.place.Seek(s.start)
			continue
		}
		if bytes.Compare(k, s.stop) <= 0 {
			return k, v
		}
		s.left = s.left[1:]
		if !s.firstRange() {
			break
		}
	}
	return nil, nil
}

// firstRange makes the keys of the first range that is left; false when none is.
func (s *textScan) firstRange() bool {
	if len(s.left) == 0 {
		return false
	}
	s.start = rowKey(s.keys.num, s.box, s.left[0].Start)
	s.stop = rowKey(s.keys.num, s.box, s.left[0].Stop)
	return true
}

// load opens the text of a place.
func (s *textScan) load(k, v []byte) error {
	if len(v) != 8 {
		return fmt.Errorf("place of text: %w", errTextsDamaged)
	}
	s.at = append(append(s.at[:0], k[:4]...), v...)
	var err error
	s.text.UID = mailstore.UID(binary.BigEndian.Uint32(k[8:]))
	s.text.Head, s.text.Body = nil, nil
	if s.parts&mailstore.TextHead != 0 {
		if s.text.Head, err = s.head.open(s.keys, s.at); err != nil {
			return err
		}
		s.text.EmailID = mailstore.ID(s.head.v[:16])
	}
	if s.parts&mailstore.TextBody != 0 {
		if s.text.Body, err = s.body.open(s.keys, s.at); err != nil {
			return err
		}
	}
	return nil
}

// textReader opens the parts of one kind; neighbours cost one step.
type textReader struct {
	c     *bolt.Cursor
	part  byte
	clear int // octets before what is sealed
	v     []byte
	ad    []byte
	room  []byte
	moved bool
}

// open returns a part, valid until the next call.
func (r *textReader) open(keys *accountKeys, at []byte) (clear []byte, err error) {
	var k []byte
	if r.moved {
		k, r.v = r.c.Next()
	}
	if !bytes.Equal(k, at) {
		k, r.v = r.c.Seek(at)
	}
	r.moved = k != nil
	if !bytes.Equal(k, at) || len(r.v) < r.clear {
		return nil, fmt.Errorf("text that a row leads to: %w", errTextsDamaged)
	}
	r.ad = append(append(r.ad[:0], r.part), at...)
	clear, err = keys.text.Open(r.room[:0], nil, r.v[r.clear:], r.ad)
	if err != nil {
		return nil, fmt.Errorf("unseal text: %w", errTextsDamaged)
	}
	r.room = clear
	return clear, nil
}
