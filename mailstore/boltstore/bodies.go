package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// inlinePlace marks the places of bodies that are kept in the metadata file:
// their first octet is a number that no file of package body has.
const inlinePlace = 0xff << 56

func isInline(place uint64) bool { return place&inlinePlace == inlinePlace }

// bodies implements body.Store: small bodies travel in the metadata commit,
// large ones go to the engine of package body.
type bodies struct{ s *Store }

// Put implements body.Store.
func (b *bodies) Put(ctx context.Context, r io.Reader) (body.Ref, error) {
	return b.s.large.Put(ctx, r)
}

// Open implements body.Store.
func (b *bodies) Open(ctx context.Context, ref body.Ref, offset int64) (io.ReadCloser, error) {
	if len(ref.Inline) > 0 || !isInline(ref.Place) {
		return b.s.large.Open(ctx, ref, offset)
	}
	var sealed []byte
	err := b.s.read(ctx, func(t *txn) error {
		sealed = copied(t.get(bInline, key(ref.Place)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open body %s: %w", ref.Name, err)
	}
	if sealed == nil {
		return nil, fmt.Errorf("open body %s: %w", ref.Name, body.ErrNotFound)
	}
	return body.OpenSealed(ref, sealed, offset)
}

// Discard implements body.Store. A small body that no commit has named was
// never written.
func (b *bodies) Discard(ctx context.Context, ref body.Ref) error {
	if len(ref.Inline) > 0 || isInline(ref.Place) {
		return ctx.Err()
	}
	return b.s.large.Discard(ctx, ref)
}

// Sweep implements body.Store.
func (b *bodies) Sweep(ctx context.Context, live func(context.Context, body.Name) (bool, error), grace time.Duration) (body.SweepReport, error) {
	return b.s.large.Sweep(ctx, live, grace)
}

// wrapping is a row of bucket wrap: a holder's hold on a body.
type wrapping struct {
	uses    uint64 // rows and queue items that name the body
	size    int64
	place   uint64
	wrapped []byte // the body's data key under the holder's
}

func (r *wrapping) encode() []byte {
	e := encoder{b: make([]byte, 0, 80)}
	e.uint(r.uses)
	e.uint(uint64(r.size))
	e.fixed64(r.place)
	e.raw(r.wrapped)
	return e.b
}

func decodeWrapping(raw []byte) (wrapping, error) {
	d := decoder{b: raw}
	r := wrapping{uses: d.uint(), size: int64(d.uint()), place: d.fixed64()}
	r.wrapped = d.b
	if d.bad || r.uses == 0 {
		return r, fmt.Errorf("wrapping: %w", mailstore.ErrDamaged)
	}
	return r, nil
}

func wrapKey(name body.Name, holder uint32) []byte { return key([16]byte(name), holder) }

// openRef adds the data key to a reference; ErrNotFound when the holder's hold
// on the body is gone.
func (v *view) openRef(r bodyRef) (body.Ref, error) {
	k := wrapKey(r.name, v.keys.holder)
	raw := v.get(bWrap, k)
	if raw == nil {
		return body.Ref{}, fmt.Errorf("body %s: %w", r.name, body.ErrNotFound)
	}
	wr, err := decodeWrapping(raw)
	if err != nil {
		return body.Ref{}, err
	}
	dataKey, err := v.keys.unwrapBody(k, wr.wrapped)
	if err != nil {
		return body.Ref{}, err
	}
	return body.Ref{Name: r.name, Key: dataKey, Size: r.size, Place: r.place}, nil
}

// heldBy returns some holder's hold on a body.
func (t *txn) heldBy(name body.Name) (wr wrapping, held bool, err error) {
	t.scan(bWrap, name[:], nil, func(_, raw []byte) bool {
		wr, err = decodeWrapping(raw)
		held = true
		return false
	})
	return wr, held, err
}

// useBody adds a use of a body by the account's holder. The first use of an
// inline body writes it.
func (w *work) useBody(keys *accountKeys, ref body.Ref) (bodyRef, error) {
	k := wrapKey(ref.Name, keys.holder)
	if raw := w.get(bWrap, k); raw != nil {
		wr, err := decodeWrapping(raw)
		if err != nil {
			return bodyRef{}, err
		}
		wr.uses++
		return bodyRef{ref.Name, wr.size, wr.place}, w.put(bWrap, k, wr.encode())
	}
	place, err := w.placeOf(ref)
	if err != nil {
		return bodyRef{}, err
	}
	wr := wrapping{uses: 1, size: ref.Size, place: place, wrapped: seal(keys.wrap, bWrap, k, ref.Key[:])}
	return bodyRef{ref.Name, ref.Size, place}, w.put(bWrap, k, wr.encode())
}

// placeOf finds where a body is kept, and keeps an inline one.
func (w *work) placeOf(ref body.Ref) (uint64, error) {
	wr, held, err := w.heldBy(ref.Name)
	switch {
	case err != nil:
		return 0, err
	case held:
		return wr.place, nil
	case len(ref.Inline) > 0:
		n, err := w.counter(counterInline, 1)
		if err != nil {
			return 0, err
		}
		place := n | inlinePlace
		return place, w.put(bInline, key(place), ref.Inline)
	case ref.Place == 0, isInline(ref.Place) && w.get(bInline, key(ref.Place)) == nil:
		return 0, fmt.Errorf("body %s: %w", ref.Name, body.ErrNotFound)
	}
	return ref.Place, nil
}

// reuseBody adds a use of a body that the account's holder has already.
func (w *work) reuseBody(keys *accountKeys, r bodyRef) error {
	k := wrapKey(r.name, keys.holder)
	wr, err := decodeWrapping(w.get(bWrap, k))
	if err != nil {
		return fmt.Errorf("body %s: %w", r.name, err)
	}
	wr.uses++
	return w.put(bWrap, k, wr.encode())
}

// releaseBody takes one use away. With the last the holder loses access; with
// the last holder the body is dead.
func (w *work) releaseBody(keys *accountKeys, r bodyRef) error {
	k := wrapKey(r.name, keys.holder)
	wr, err := decodeWrapping(w.get(bWrap, k))
	if err != nil {
		return fmt.Errorf("body %s: %w", r.name, err)
	}
	if wr.uses--; wr.uses > 0 {
		return w.put(bWrap, k, wr.encode())
	}
	if err := w.del(bWrap, k); err != nil {
		return err
	}
	if _, held, err := w.heldBy(r.name); held || err != nil {
		return err
	}
	return w.put(bDead, key(w.s.now(), r.place, [16]byte(r.name)), nil)
}

// kinds of rows in bucket gone.
const (
	goneEmail byte = 1
	goneItem  byte = 2
)

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
