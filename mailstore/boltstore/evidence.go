package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"gosbridge/mailstore"
)

// Evidence implements mailstore.Tx.
func (v *view) Evidence(letter mailstore.ID) iter.Seq2[mailstore.Evidence, error] {
	return func(yield func(mailstore.Evidence, error) bool) {
		var list []mailstore.Evidence
		var failed error
		v.scan(bEvidence, key(v.keys.num, letter), nil, func(k, raw []byte) bool {
			var ev mailstore.Evidence
			ev, failed = v.openEvidence(letter, k, raw)
			list = append(list, ev)
			return failed == nil
		})
		if failed != nil {
			yield(mailstore.Evidence{}, failed)
			return
		}
		for _, ev := range list {
			if !yield(ev, nil) {
				return
			}
		}
	}
}

func (v *view) openEvidence(letter mailstore.ID, k, raw []byte) (mailstore.Evidence, error) {
	d := decoder{b: raw}
	ev := mailstore.Evidence{ID: d.id(), Letter: letter, Event: d.string(), At: d.time()}
	copy(ev.Hash[:], d.raw(len(ev.Hash)))
	if d.bad {
		return ev, fmt.Errorf("evidence: %w", mailstore.ErrDamaged)
	}
	var err error
	ev.Data, err = unseal(v.keys.seal, bEvidence, k, d.b)
	return ev, err
}

// PutEvidence implements mailstore.LetterWriter.
func (u *update) PutEvidence(ev mailstore.Evidence) (err error) {
	defer u.w.guard(u.w.writes, &err)
	n := uint32(0)
	there := false
	prefix := key(u.keys.num, ev.Letter)
	u.scan(bEvidence, prefix, nil, func(k, raw []byte) bool {
		n = binary.BigEndian.Uint32(k[len(prefix):]) + 1
		there = bytes.HasPrefix(raw, ev.ID[:])
		return !there
	})
	if there {
		return nil
	}
	k := key(u.keys.num, ev.Letter, n)
	var e encoder
	e.id(ev.ID)
	e.string(ev.Event)
	e.time(ev.At)
	e.raw(ev.Hash[:])
	e.raw(seal(u.keys.seal, bEvidence, k, ev.Data))
	return u.w.put(bEvidence, k, e.b)
}
