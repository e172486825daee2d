package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// kinds of rows in bucket gone.
const (
	goneEmail byte = 1
	goneItem  byte = 2
)

// remember notes when a message left its last mailbox, so that Sweep forgets
// it in time.
func (w *work) remember(kind byte, id []byte, at time.Time) error {
	return w.put(bGone, key(at, kind, id), nil)
}

// sweepSlice is how many rows one transaction of Sweep removes.
const sweepSlice = 500

// Sweep implements mailstore.Store.
func (s *Store) Sweep(ctx context.Context, grace time.Duration) (body.SweepReport, error) {
	var report body.SweepReport
	if err := s.sweepDead(ctx, s.now().Add(-grace), &report); err != nil {
		return report, fmt.Errorf("sweep small bodies: %w", err)
	}
	if err := s.sweepGone(ctx, s.now().Add(-mailstore.RepeatWindow)); err != nil {
		return report, fmt.Errorf("sweep remembered ids: %w", err)
	}
	live, err := s.liveSince(ctx, s.now().Add(-grace))
	if err != nil {
		return report, fmt.Errorf("sweep large bodies: %w", err)
	}
	large, err := s.large.Sweep(ctx, live, grace)
	report.Kept += large.Kept
	report.Removed += large.Removed
	report.Octets += large.Octets
	if err != nil {
		return report, fmt.Errorf("sweep large bodies: %w", err)
	}
	return report, nil
}

// liveSince returns the rule by which large bodies are kept: somebody holds
// them, or did after limit, so that a session may still be reading.
func (s *Store) liveSince(ctx context.Context, limit time.Time) (func(context.Context, body.Name) (bool, error), error) {
	started := s.now()
	recent := map[body.Name]bool{}
	err := s.read(ctx, func(t *txn) error {
		t.died(limit, func(name body.Name) bool { recent[name] = true; return true })
		return nil
	})
	return func(ctx context.Context, name body.Name) (live bool, err error) {
		err = s.read(ctx, func(t *txn) error {
			_, live, err = t.heldBy(name)
			if live = live || recent[name]; !live {
				t.died(started, func(dead body.Name) bool { live = dead == name; return !live })
			}
			return err
		})
		return live, err
	}, err
}

// died calls fn for the bodies that died at since or later, until it returns
// false.
func (t *txn) died(since time.Time, fn func(body.Name) bool) {
	t.scan(bDead, nil, key(since), func(k, _ []byte) bool { return fn(body.Name(k[16:])) })
}

// older returns keys of a bucket whose time is not after limit, a slice of
// them.
func (t *txn) older(n bucket, limit time.Time) (keys [][]byte) {
	end := key(limit)
	t.scan(n, nil, nil, func(k, _ []byte) bool {
		if bytes.Compare(k[:8], end) > 0 {
			return false
		}
		keys = append(keys, copied(k))
		return len(keys) < sweepSlice
	})
	return keys
}

// sweepDead removes small bodies that died before limit.
func (s *Store) sweepDead(ctx context.Context, limit time.Time, report *body.SweepReport) error {
	for {
		var slice body.SweepReport
		full := false
		err := s.submit(ctx, func(w *work) error {
			slice = body.SweepReport{}
			dead := w.older(bDead, limit)
			full = len(dead) == sweepSlice
			for _, k := range dead {
				octets, err := w.bury(k)
				if err != nil {
					return err
				}
				if octets > 0 {
					slice.Removed++
					slice.Octets += octets
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		report.Removed += slice.Removed
		report.Octets += slice.Octets
		if !full {
			return nil
		}
	}
}

// bury removes a dead small body, unless somebody holds it again. A large one
// is left to the engine that keeps it.
func (w *work) bury(k []byte) (octets int64, err error) {
	place := binary.BigEndian.Uint64(k[8:])
	wr, held, err := w.heldBy(body.Name(k[16:]))
	if err != nil {
		return 0, err
	}
	if isInline(place) && (!held || wr.place != place) {
		octets = int64(len(w.get(bInline, key(place))))
		if err := w.del(bInline, key(place)); err != nil {
			return 0, err
		}
	}
	return octets, w.del(bDead, k)
}

// sweepGone forgets the IDs of what went before limit.
func (s *Store) sweepGone(ctx context.Context, limit time.Time) error {
	for {
		full := false
		err := s.submit(ctx, func(w *work) error {
			gone := w.older(bGone, limit)
			full = len(gone) == sweepSlice
			for _, k := range gone {
				if err := w.forget(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || !full {
			return err
		}
	}
}

// forget removes a remembered ID. A message that came back is remembered by
// its rows.
func (w *work) forget(k []byte) error {
	kind, id := k[8], k[9:]
	switch kind {
	case goneItem:
		if err := w.del(bPast, id); err != nil {
			return err
		}
	case goneEmail:
		raw := w.get(bEmail, id)
		if raw == nil {
			break // it came back and went again
		}
		rec, err := decodeEmail(raw)
		if err != nil {
			return err
		}
		if len(rec.at) == 0 {
			if err := w.del(bEmail, id); err != nil {
				return err
			}
		}
	}
	return w.del(bGone, k)
}
