package imapd

import (
	"math"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// What one View gathers at most before the rows are written: a snapshot is
// never held while a client reads.
const (
	sliceRows   = 256
	sliceOctets = 1 << 20
)

// slices calls use with the messages of set, some at a time and in order,
// outside of any transaction.
func (s *session) slices(set mailstore.UIDSet, fields mailstore.Fields, use func([]*mailstore.Message) error) error {
	limit := sliceRows
	if fields == 0 {
		limit = 4 * sliceRows // flags alone are small
	}
	batch := make([]*mailstore.Message, 0, min(limit, 16))
	for len(set) > 0 {
		batch = batch[:0]
		full := false
		err := s.see(func(tx mailstore.Tx) error {
			batch, full = batch[:0], false
			octets := 0
			for m, err := range tx.Messages(s.view.box, set, fields) {
				if err != nil {
					return try("read messages", err)
				}
				batch = append(batch, m)
				octets += len(m.Summary) + len(m.Content.Prefix) + len(m.Content.Suffix)
				if len(batch) >= limit || octets >= sliceOctets {
					full = true
					break
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			set = after(set, batch[len(batch)-1].UID)
			if err := use(batch); err != nil {
				return err
			}
		}
		if !full {
			return nil
		}
	}
	return nil
}

// rows is slices for one message at a time.
func (s *session) rows(set mailstore.UIDSet, fields mailstore.Fields, use func(*mailstore.Message) error) error {
	return s.slices(set, fields, func(batch []*mailstore.Message) error {
		for _, m := range batch {
			if err := use(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// after is the part of an ascending set behind uid.
func after(set mailstore.UIDSet, uid mailstore.UID) mailstore.UIDSet {
	if uid == math.MaxUint32 {
		return nil
	}
	for i, r := range set {
		if r.Stop <= uid {
			continue
		}
		rest := append(mailstore.UIDSet{}, set[i:]...)
		rest[0] = imap.UIDRange{Start: max(r.Start, uid+1), Stop: r.Stop}
		return rest
	}
	return nil
}
