package boltstore

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// texts checks search.db: every place leads to a text and every text has a
// place, all can be unsealed, and where the row is there it is that of the
// text's message. Rows without a place, and places without a row, are no
// finding: the texts follow behind.
func (c *checker) texts() {
	file := c.s.texts.file.Load()
	if file == nil {
		return
	}
	err := guarded(func() error {
		return file.View(func(tx *bolt.Tx) error {
			t := textChecker{checker: c, tx: tx, led: map[string]bool{}}
			t.keys = t.accounts()
			t.places()
			t.heads()
			return nil
		})
	})
	c.must(err, "texts")
}

type textChecker struct {
	*checker
	tx   *bolt.Tx
	keys map[uint32]*accountKeys
	led  map[string]bool // texts that a place leads to
}

// accounts finds the keys by an account's number.
func (t *textChecker) accounts() map[uint32]*accountKeys {
	byNumber := map[uint32]*accountKeys{}
	t.scan(bAccount, nil, nil, func(k, _ []byte) bool {
		if keys, err := t.accountKeys(mailstore.ID(k), false); err == nil {
			byNumber[keys.num] = keys
		}
		return true
	})
	return byNumber
}

func (t *textChecker) places() {
	heads := t.tx.Bucket([]byte(tHead))
	_ = t.tx.Bucket([]byte(tPlace)).ForEach(func(k, v []byte) error {
		if len(k) != 12 || len(v) != 8 {
			t.add("text: place %x of %x", k, v)
			return nil
		}
		at := append(copied(k[:4]), v...)
		t.led[string(at)] = true
		head := heads.Get(at)
		if len(head) < 16 {
			t.add("text: place %x leads to no text", k)
			return nil
		}
		if raw := t.get(bRow, k); raw != nil {
			var r row
			if t.must(r.decode(raw), "row %x", k) && r.email != mailstore.ID(head[:16]) {
				t.add("text: place %x leads to the text of another message", k)
			}
		}
		return nil
	})
}

func (t *textChecker) heads() {
	bodies := t.tx.Bucket([]byte(tBody))
	n := 0
	_ = t.tx.Bucket([]byte(tHead)).ForEach(func(k, v []byte) error {
		n++
		if !t.led[string(k)] {
			t.add("text %x: no place leads to it", k)
		}
		keys := t.keys[binary.BigEndian.Uint32(k)]
		if keys == nil || len(v) < 16 {
			t.add("text %x: of no account", k)
			return nil
		}
		_, err := keys.text.Open(nil, nil, v[16:], textAD('h', k))
		t.must(err, "head of text %x", k)
		_, err = keys.text.Open(nil, nil, bodies.Get(k), textAD('b', k))
		t.must(err, "body of text %x", k)
		return nil
	})
	if b := bodies.Stats().KeyN; b != n {
		t.add("texts: %d heads, %d bodies", n, b)
	}
}
