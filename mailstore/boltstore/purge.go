package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"gosbridge/mailstore"
)

// purgeSlice is how many messages of a deleted mailbox one commit removes.
const purgeSlice = 500

// startPurge asks for the removal of what deleted mailboxes and expunged
// messages left.
func (s *Store) startPurge() {
	hint(s.purging)
	hint(s.dropping)
}

// behind removes what is left behind the commits, one slice at a time, when it
// is asked to. What a crash leaves is taken up at the next Open.
func (s *Store) behind(asked <-chan struct{}, one func(context.Context) (more bool, err error)) {
	for {
		select {
		case <-s.closing:
			return
		case <-asked:
		}
		for more := true; more; {
			var err error
			if more, err = one(context.Background()); err != nil {
				if !errors.Is(err, mailstore.ErrClosed) {
					s.log.Error("rows of what was deleted not removed", "err", err)
				}
				break
			}
			select {
			case <-s.closing:
				return
			default:
			}
		}
	}
}

// purgeOne removes one slice and reports whether there may be more.
func (s *Store) purgeOne(ctx context.Context) (more bool, err error) {
	if more, err = s.waiting(ctx, bPurge); err != nil || !more {
		return false, err
	}
	if err := s.hook("purge"); err != nil {
		return false, err
	}
	err = s.submit(ctx, func(w *work) error {
		k, raw := w.b(bPurge).Cursor().First()
		if k == nil {
			return nil
		}
		d := decoder{b: raw}
		keys, err := w.accountKeys(d.id(), !w.created)
		if err != nil {
			return err
		}
		return w.purgeSlice(keys, copied(k), copied(d.b))
	})
	return true, err
}

// purgeSlice removes some rows of the deleted mailbox with that key and record;
// when none are left, the memory of the mailbox.
func (w *work) purgeSlice(keys *accountKeys, k, record []byte) error {
	b := &boxRecord{}
	b.ID = mailstore.MailboxID(binary.BigEndian.Uint32(k[4:]))
	if len(record) > 0 { // one that an earlier release deleted has none
		var err error
		if b, err = decodeBox(keys, b.ID, record); err != nil {
			return fmt.Errorf("purge: %w", err)
		}
	}
	v := &view{txn: w.txn, keys: keys}
	flags := flagReader{v: v, box: b.ID}
	var rows, logs [][]byte
	w.scan(bRow, k, nil, func(k, _ []byte) bool {
		rows = append(rows, copied(k))
		return len(rows) < purgeSlice
	})
	for _, rk := range rows {
		f, err := flags.read(mailstore.UID(binary.BigEndian.Uint32(rk[8:])))
		if err == nil {
			_, err = w.dropRow(v, b, f)
		}
		if err != nil {
			return fmt.Errorf("purge: %w", err)
		}
	}
	if len(rows) == purgeSlice {
		return nil
	}
	for _, n := range []bucket{bFlag, bLog} {
		w.scan(n, k, nil, func(k, _ []byte) bool {
			logs = append(logs, copied(k))
			return len(logs) < 4*purgeSlice
		})
		for _, lk := range logs {
			if err := w.del(n, lk); err != nil {
				return err
			}
		}
		if len(logs) == 4*purgeSlice {
			return nil
		}
		logs = logs[:0]
	}
	return w.del(bPurge, k)
}
