package boltstore

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gosbridge/mailstore"
)

// texts checks search.db: every place leads to a text and every text has a
// place, all can be unsealed, and where the row is there it is that of the
// text's message. Rows without a place, and places without a row, are no
// finding: the texts follow behind.
func (c *inspector) texts() error {
	file := c.s.texts.file.Load()
	if file == nil {
		return nil
	}
	err := guarded(func() error {
		t := &textChecker{inspector: c, file: file}
		if err := t.led(); err != nil {
			return err
		}
		for _, b := range []struct {
			name string
			rule func(k, v []byte)
		}{{tPlace, t.placeRow}, {tHead, t.headRow}, {tBody, t.bodyRow}} {
			if err := t.walk(b.name, b.rule); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case isDamage(err):
		c.badText("", nil, "not readable: %v", err)
		return nil
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen) && c.s.isClosing():
		return mailstore.ErrClosed
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return nil // it was given up, and is made anew
	}
	return err
}

// badText tells of damage to a text.
func (c *inspector) badText(name string, k []byte, format string, args ...any) {
	f := mailstore.Finding{Kind: mailstore.DamageText, File: textsFile, Bucket: name, Key: hex.EncodeToString(k), Text: fmt.Sprintf(format, args...)}
	if len(k) >= 4 {
		f.Account = c.accounts[binary.BigEndian.Uint32(k)]
	}
	if name == tPlace && len(k) == keySizes[bRow] {
		f.Mailbox, f.UID = mailstore.MailboxID(binary.BigEndian.Uint32(k[4:])), mailstore.UID(binary.BigEndian.Uint32(k[8:]))
	}
	if c.badTexts == nil {
		c.badTexts = &f
	}
	if c.mend == nil {
		c.found(f)
	}
}

// textChecker checks the file in slices, each with a snapshot of the file and one
// of the rows that is younger: so every account of a text is known.
type textChecker struct {
	*inspector
	file *bolt.DB
	tx   *bolt.Tx // of the slice
}

// led looks for texts to which no place leads, in one snapshot that opens
// nothing. It keeps 8 octets for each text.
func (t *textChecker) led() error {
	t.progress("texts", 0)
	began := time.Now()
	err := t.file.View(func(tx *bolt.Tx) error {
		seed := maphash.MakeSeed()
		var led []uint64
		c := tx.Bucket([]byte(tPlace)).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if len(k) >= 4 {
				led = append(led, maphash.Bytes(seed, append(copied(k[:4]), v...)))
			}
		}
		slices.Sort(led)
		c = tx.Bucket([]byte(tHead)).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if _, ok := slices.BinarySearch(led, maphash.Bytes(seed, k)); !ok {
				t.badText(tHead, k, "no place leads to the text")
			}
		}
		return t.ctx.Err()
	})
	t.rest(time.Since(began))
	return err
}

// walk checks the rows of one bucket of the file.
func (t *textChecker) walk(name string, rule func(k, v []byte)) error {
	var from []byte
	for more := true; more; {
		more = false
		err := t.file.View(func(tx *bolt.Tx) error {
			return t.slice("texts", func() error {
				t.tx = tx
				c := tx.Bucket([]byte(name)).Cursor()
				rows := 0
				for k, v := c.Seek(from); k != nil; k, v = c.Next() {
					if rows == checkRows || time.Since(t.started) > checkTime || t.ctx.Err() != nil {
						from, more = copied(k), true
						break
					}
					rows++
					rule(k, v)
				}
				t.done += int64(rows)
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *textChecker) placeRow(k, v []byte) {
	if len(k) != keySizes[bRow] || len(v) != 8 {
		t.badText(tPlace, k, "leads to %x", v)
		return
	}
	head := t.tx.Bucket([]byte(tHead)).Get(append(copied(k[:4]), v...))
	if len(head) < len(mailstore.ID{}) {
		t.badText(tPlace, k, "leads to no text")
		return
	}
	// A row that makes no sense tells of itself.
	var r row
	if raw := t.get(bRow, k); raw != nil && r.decode(raw) == nil && !bytes.Equal(r.email[:], head[:16]) {
		t.badText(tPlace, k, "leads to the text of another message")
	}
}

func (t *textChecker) headRow(k, v []byte) {
	keys, there := t.textKeys(k)
	if len(v) < 16 || !there {
		t.badText(tHead, k, "of no account, or %d octets", len(v))
		return
	}
	if t.tx.Bucket([]byte(tBody)).Get(k) == nil {
		t.badText(tBody, k, "not there")
	}
	if keys == nil {
		return // the account's row tells
	}
	if _, err := keys.text.Open(nil, nil, v[16:], textAD('h', k)); err != nil {
		t.badText(tHead, k, "its tag does not fit")
	}
}

func (t *textChecker) bodyRow(k, v []byte) {
	if t.tx.Bucket([]byte(tHead)).Get(k) == nil {
		t.badText(tBody, k, "a text without its head")
		return
	}
	if keys, _ := t.textKeys(k); keys != nil && t.opts.Bodies {
		if _, err := keys.text.Open(nil, nil, v, textAD('b', k)); err != nil {
			t.badText(tBody, k, "its tag does not fit")
		}
	}
}

// textKeys are the keys of a text's account, nil when they cannot be opened;
// false when there is no such account.
func (t *textChecker) textKeys(k []byte) (keys *accountKeys, there bool) {
	if len(k) != 12 {
		return nil, false
	}
	num := binary.BigEndian.Uint32(k)
	if t.v != nil && t.v.keys.num == num {
		return t.v.keys, true
	}
	t.loadAccounts()
	id, there := t.accounts[num]
	keys, err := t.freshKeys(id)
	if err != nil || keys.num != num {
		return nil, there
	}
	t.v = &view{txn: t.txn, keys: keys}
	return keys, true
}
