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
	release, err := s.maintain(ctx)
	if err != nil {
		return report, fmt.Errorf("sweep: %w", err)
	}
	defer release()
	s.startPurge() // of what an error has left
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
// them, or did after limit, so that a session may still be reading. What a slice
// of them is asked of is one snapshot: a body that loses its holder is dead there.
func (s *Store) liveSince(ctx context.Context, limit time.Time) (body.Live, error) {
	recent, err := s.recentDead(ctx, limit)
	return func(ctx context.Context, names []body.Name) (keep []bool, err error) {
		keep = make([]bool, len(names))
		err = s.read(ctx, func(t *txn) error {
			died := recent.seenBy(t)
			for i, name := range names {
				_, held, err := t.heldBy(name)
				if err != nil {
					return err
				}
				keep[i] = held || died(name)
			}
			return nil
		})
		return keep, err
	}, err
}

// recentDead are the bodies that died after a limit.
type recentDead struct {
	names map[body.Name]bool
	until time.Time // what died later may not be among them
}

// commitTime is longer than any commit takes. The rows of one that was under
// way when others were read bear a time from before.
const commitTime = time.Minute

// recentDead reads the bodies that died after limit.
func (s *Store) recentDead(ctx context.Context, limit time.Time) (recentDead, error) {
	r := recentDead{names: map[body.Name]bool{}, until: s.now().Add(-commitTime)}
	if r.until.Before(limit) {
		r.until = limit // or what is to be buried would keep itself
	}
	err := s.read(ctx, func(t *txn) error {
		t.died(limit, func(name body.Name) bool { r.names[name] = true; return true })
		return nil
	})
	return r, err
}

// seenBy adds what died since the names were read, as far as t sees it, and
// returns whether a body is one of them all.
func (r recentDead) seenBy(t *txn) func(body.Name) bool {
	later := map[body.Name]bool{}
	t.died(r.until, func(name body.Name) bool { later[name] = true; return true })
	return func(name body.Name) bool { return r.names[name] || later[name] }
}

// died calls fn for the bodies that died after since, until it returns false.
func (t *txn) died(since time.Time, fn func(body.Name) bool) {
	t.scan(bDead, nil, key(timeKey(since)+1), func(k, _ []byte) bool { return fn(body.Name(k[16:])) })
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
	recent, err := s.recentDead(ctx, limit)
	if err != nil {
		return err
	}
	for {
		if err := s.hook("sweep"); err != nil {
			return err
		}
		var slice body.SweepReport
		full := false
		err := s.submit(ctx, func(w *work) error {
			slice = body.SweepReport{}
			dead := w.older(bDead, limit)
			full = len(dead) == sweepSlice
			keep := recent.seenBy(w.txn)
			for _, k := range dead {
				octets, err := w.bury(k, keep)
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

// bury removes a dead small body, unless somebody holds it again or keep says
// so. A large one is left to the engine that keeps it.
func (w *work) bury(k []byte, keep func(body.Name) bool) (octets int64, err error) {
	place, name := binary.BigEndian.Uint64(k[8:]), body.Name(k[16:])
	wr, held, err := w.heldBy(name)
	if err != nil {
		return 0, err
	}
	if isInline(place) && !(held && wr.place == place) && !keep(name) {
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
		if err := s.hook("sweep"); err != nil {
			return err
		}
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
