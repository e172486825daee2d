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

// purgeDamaged is how many damaged rows are left out of a deleted mailbox, one by
// one, before the rest of it is left too: each costs its slice anew.
const purgeDamaged = 50

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

// purgeOne removes one slice and reports whether there may be more. What is
// damaged is told once and left where it is: it must not keep the rest.
func (s *Store) purgeOne(ctx context.Context) (more bool, err error) {
	if more, err = s.waiting(ctx, bPurge); err != nil || !more {
		return false, err
	}
	if err := s.hook("purge"); err != nil {
		return false, err
	}
	slice := purging{skip: s.damaged}
	err = s.submit(ctx, slice.run)
	if errors.Is(err, mailstore.ErrDamaged) && slice.at != nil {
		s.damaged[string(slice.at)] = true
		s.log.Error("row of a deleted mailbox not removed", "err", err)
		return true, nil
	}
	return slice.found, err
}

// purging removes a slice of what deleted mailboxes left.
type purging struct {
	skip  map[string]bool // keys of bPurge and bRow whose records are damaged
	at    []byte          // the one that is worked on
	found bool            // there was something to remove
}

func (p *purging) run(w *work) error {
	p.at, p.found = nil, false
	for from := []byte{0}; ; from = append(from, 0) { // what follows
		k, raw := w.seek(bPurge, from)
		if k == nil {
			return nil
		}
		from = copied(k)
		if p.skip[string(from)] {
			continue
		}
		p.at = from
		d := decoder{b: raw}
		account := d.id()
		if d.bad {
			return fmt.Errorf("purge: %w", mailstore.ErrDamaged)
		}
		keys, err := w.accountKeys(account, !w.created)
		if errors.Is(err, mailstore.ErrNoAccount) {
			err = fmt.Errorf("%w: %w", mailstore.ErrDamaged, err)
		}
		if err != nil {
			return fmt.Errorf("purge: %w", err)
		}
		if err := p.mailbox(w, keys, from, copied(d.b)); err != nil || p.found {
			return err
		}
	}
}

// mailbox removes some rows of the deleted mailbox with that key and record;
// when none are left, the memory of the mailbox. Of one with damaged rows these
// stay, and so does the memory, by which a later start finds them again.
func (p *purging) mailbox(w *work, keys *accountKeys, k, record []byte) error {
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
	var rows [][]byte
	left := 0
	w.scan(bRow, k, nil, func(k, _ []byte) bool {
		if p.skip[string(k)] {
			left++
		} else {
			rows = append(rows, copied(k))
		}
		return len(rows) < purgeSlice
	})
	if left == purgeDamaged {
		return fmt.Errorf("purge: %d damaged rows in mailbox %d: %w", left, b.ID, mailstore.ErrDamaged)
	}
	p.found = len(rows) > 0
	for _, rk := range rows {
		p.at = rk
		f, err := flags.read(mailstore.UID(binary.BigEndian.Uint32(rk[8:])))
		if err == nil {
			_, err = w.dropRow(v, b, f)
		}
		if err != nil {
			return fmt.Errorf("purge: %w", err)
		}
	}
	p.at = k
	if left > 0 || len(rows) == purgeSlice {
		return nil
	}
	p.found = true
	return w.purgeRest(k)
}

// purgeRest removes what a mailbox without rows has left, or a part of it.
func (w *work) purgeRest(k []byte) error {
	var logs [][]byte
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
