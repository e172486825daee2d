package boltstore

import (
	"bytes"
	"context"
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
func (b *bodies) Sweep(ctx context.Context, live body.Live, grace time.Duration) (body.SweepReport, error) {
	release, err := b.s.maintain(ctx)
	if err != nil {
		return body.SweepReport{}, fmt.Errorf("sweep bodies: %w", err)
	}
	defer release()
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
	r, err := parseWrapping(raw)
	if err == nil && r.uses == 0 {
		err = fmt.Errorf("wrapping without uses: %w", mailstore.ErrDamaged)
	}
	return r, err
}

// parseWrapping is decodeWrapping for who doubts the uses.
func parseWrapping(raw []byte) (wrapping, error) {
	d := decoder{b: raw}
	r := wrapping{uses: d.uint(), size: int64(d.uint()), place: d.fixed64()}
	r.wrapped = d.b
	if d.bad {
		return r, fmt.Errorf("wrapping: %w", mailstore.ErrDamaged)
	}
	return r, nil
}

func wrapKey(name body.Name, holder uint32) []byte {
	e := encoder{b: make([]byte, 0, 20)}
	e.id(name)
	e.fixed32(holder)
	return e.b
}

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
	k, raw := t.seek(bWrap, name[:])
	if !bytes.HasPrefix(k, name[:]) {
		return wr, false, nil
	}
	wr, err = decodeWrapping(raw)
	return wr, true, err
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
