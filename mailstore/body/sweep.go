package body

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// sweepSlice is how many bodies a sweep looks at and removes at a time.
const sweepSlice = 64

// Sweep implements Store. It also removes what a crash has left of Puts that
// it cut short, whatever its age; these count as Removed.
func (b *Bolt) Sweep(ctx context.Context, live Live, grace time.Duration) (SweepReport, error) {
	var report SweepReport
	for _, f := range b.files {
		if f == nil {
			continue
		}
		if err := f.sweep(ctx, live, b.opts.Now().Add(-grace), &report); err != nil {
			return report, fmt.Errorf("sweep body file %s: %w", f.path, err)
		}
	}
	return report, nil
}

// sweep goes through the file in slices. Bodies that come in meanwhile have
// higher places and are younger than before.
func (f *file) sweep(ctx context.Context, live Live, before time.Time, report *SweepReport) error {
	from := uint64(0)
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var found []sweepItem
		var err error
		if found, from, more, err = f.list(from); err != nil {
			return err
		}
		op := &removeOp{bolt: f.bolt}
		var old []doomed
		var names []Name
		for _, it := range found {
			switch {
			case !it.finished:
				op.doomed = append(op.doomed, it.doomed)
			case it.at.After(before):
				report.Kept++
			default:
				old, names = append(old, it.doomed), append(names, it.name)
			}
		}
		if len(names) > 0 {
			keep, err := live(ctx, names)
			if err != nil {
				return fmt.Errorf("ask for %d bodies: %w", len(names), err)
			}
			for i, it := range old {
				if keep[i] {
					report.Kept++
				} else {
					op.doomed = append(op.doomed, it)
				}
			}
		}
		if len(op.doomed) == 0 {
			continue
		}
		if err := f.do(op); err != nil {
			return err
		}
		report.Removed += op.removed
		report.Octets += op.octets
	}
	return nil
}

// sweepItem is a body that a sweep has found.
type sweepItem struct {
	doomed
	at time.Time
}

// list returns up to sweepSlice bodies from place from on, and where the next
// slice begins.
func (f *file) list(from uint64) (found []sweepItem, next uint64, more bool, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		index := tx.Bucket(indexBucket)
		c := tx.Bucket(chunkBucket).Cursor()
		key, _ := c.Seek(chunkKey(from, 0))
		for key != nil {
			place, _, ok := splitChunkKey(key)
			if !ok {
				return fmt.Errorf("chunk key of %d octets: %w", len(key), ErrDamaged)
			}
			if len(found) == sweepSlice {
				next, more = place, true
				return nil
			}
			it := sweepItem{doomed: doomed{place: place}}
			if data := index.Get(placeKey(place)); data != nil {
				row, err := decodeRow(data)
				if err != nil {
					return err
				}
				it.name, it.size, it.at, it.finished = row.name, row.size, row.at, true
			}
			found = append(found, it)
			key, _ = c.Seek(chunkKey(place+1, 0))
		}
		return nil
	})
	return found, next, more, err
}
