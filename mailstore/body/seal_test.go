package body_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"gosbridge/mailstore/body"
)

const (
	seg    = body.SegmentSize
	sealed = body.SegmentSize + body.Overhead
)

// sizes stand around every boundary: inline, segment, chunk.
var sizes = []int{
	0, 1, 100, body.InlineLimit - 1, body.InlineLimit, body.InlineLimit + 1,
	seg - 1, seg, seg + 1, 2*seg - 1, 2 * seg, 2*seg + 1,
	4*seg - 1, 4 * seg, 4*seg + 1, 16*seg + 17, 33 * seg,
}

// offsets are those of a body of size octets worth a look.
func offsets(size int) []int {
	all := []int{0, 1, size / 2, seg - 1, seg, seg + 1, 2 * seg, size - 1, size}
	var out []int
	for _, o := range all {
		if o >= 0 && o <= size {
			out = append(out, o)
		}
	}
	return out
}

func seal(t testing.TB, clear []byte) (body.Ref, []byte) {
	t.Helper()
	ref := body.NewRef()
	ref.Size = int64(len(clear))
	out, err := body.Seal(ref, clear)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(out)) != body.SealedSize(ref.Size) {
		t.Fatalf("%d octets sealed to %d, SealedSize says %d", len(clear), len(out), body.SealedSize(ref.Size))
	}
	return ref, out
}

func openSealed(ref body.Ref, in []byte, offset int64) ([]byte, error) {
	r, err := body.OpenSealed(ref, in, offset)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(onlyReader{r})
	return got, errors.Join(err, r.Close())
}

func TestSealOpen(t *testing.T) {
	for _, size := range sizes {
		clear := random(size)
		ref, in := seal(t, clear)
		for _, offset := range offsets(size) {
			got, err := openSealed(ref, in, int64(offset))
			if err != nil || !bytes.Equal(got, clear[offset:]) {
				t.Errorf("size %d offset %d: %d octets, %v", size, offset, len(got), err)
			}
			r, err := body.OpenSealed(ref, in, int64(offset))
			if err != nil {
				t.Fatal(err)
			}
			var w bytes.Buffer
			if _, err := io.Copy(&w, r); err != nil || !bytes.Equal(w.Bytes(), clear[offset:]) {
				t.Errorf("size %d offset %d copied: %d octets, %v", size, offset, w.Len(), err)
			}
		}
		for _, offset := range []int64{-1, int64(size) + 1} {
			if _, err := openSealed(ref, in, offset); err == nil {
				t.Errorf("size %d: offset %d opened", size, offset)
			}
		}
	}
}

// wantDamaged checks that what was read before the damage is true text.
func wantDamaged(t *testing.T, what string, got []byte, err error, clear []byte) {
	t.Helper()
	if !errors.Is(err, body.ErrDamaged) {
		t.Errorf("%s: error %v, want ErrDamaged", what, err)
	}
	if len(got) > len(clear) || !bytes.Equal(got, clear[:len(got)]) {
		t.Errorf("%s: %d octets that were never put", what, len(got))
	}
}

func TestOpenSealedEveryBit(t *testing.T) {
	for _, size := range []int{0, 1, 200} {
		clear := random(size)
		ref, in := seal(t, clear)
		for i := range in {
			for bit := range 8 {
				in[i] ^= 1 << bit
				got, err := openSealed(ref, in, 0)
				wantDamaged(t, fmt.Sprintf("size %d octet %d bit %d", size, i, bit), got, err, nil)
				in[i] ^= 1 << bit
			}
		}
	}
}

func TestOpenSealedDamage(t *testing.T) {
	const size = 3*seg + 1000
	clear := random(size)
	ref, whole := seal(t, clear)
	other := body.NewRef()
	for _, c := range []struct {
		name string
		edit func(ref *body.Ref, in []byte) []byte
	}{
		{"octet of the first segment", func(_ *body.Ref, in []byte) []byte { in[7] ^= 1; return in }},
		{"octet of the second segment", func(_ *body.Ref, in []byte) []byte { in[sealed+7] ^= 1; return in }},
		{"last octet", func(_ *body.Ref, in []byte) []byte { in[len(in)-1] ^= 1; return in }},
		{"key", func(r *body.Ref, in []byte) []byte { r.Key = other.Key; return in }},
		{"name", func(r *body.Ref, in []byte) []byte { r.Name = other.Name; return in }},
		{"one octet less", func(_ *body.Ref, in []byte) []byte { return in[:len(in)-1] }},
		{"one octet less and size so", func(r *body.Ref, in []byte) []byte { r.Size--; return in[:len(in)-1] }},
		{"last segment cut off and size so", func(r *body.Ref, in []byte) []byte { r.Size = 3 * seg; return in[:3*sealed] }},
		{"all but one segment cut off and size so", func(r *body.Ref, in []byte) []byte { r.Size = seg; return in[:sealed] }},
		{"segments swapped", func(_ *body.Ref, in []byte) []byte {
			return append(append(append([]byte{}, in[sealed:2*sealed]...), in[:sealed]...), in[2*sealed:]...)
		}},
		{"segment repeated", func(_ *body.Ref, in []byte) []byte { copy(in[sealed:], in[:sealed]); return in }},
		{"first segment left out and size so", func(r *body.Ref, in []byte) []byte { r.Size -= seg; return in[sealed:] }},
		{"segment appended and size so", func(r *body.Ref, in []byte) []byte {
			r.Size += seg
			return append(in[:3*sealed:3*sealed], in[2*sealed:]...)
		}},
		{"nothing", func(r *body.Ref, _ []byte) []byte { r.Size = 0; return nil }},
		{"size below zero", func(r *body.Ref, in []byte) []byte { r.Size = -1; return in }},
		{"size beyond reason", func(r *body.Ref, in []byte) []byte { r.Size = 1 << 62; return in }},
	} {
		r := ref
		in := c.edit(&r, bytes.Clone(whole))
		got, err := openSealed(r, in, 0)
		wantDamaged(t, c.name, got, err, clear)
	}
}

// A partial read neither needs nor opens the segments before it.
func TestOpenSealedPartial(t *testing.T) {
	clear := random(4 * seg)
	ref, in := seal(t, clear)
	in[0] ^= 1
	got, err := openSealed(ref, in, seg)
	if err != nil || !bytes.Equal(got, clear[seg:]) {
		t.Fatalf("behind the damage: %d octets, %v", len(got), err)
	}
	got, err = openSealed(ref, in, seg-1)
	wantDamaged(t, "before", got, err, nil)
}

func TestReaderClosed(t *testing.T) {
	ref, in := seal(t, random(3*seg))
	r, err := body.OpenSealed(ref, in, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if _, err := io.ReadFull(r, p); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(p); n != 0 || err == nil {
		t.Fatalf("read %d octets after Close, %v", n, err)
	}
}

func TestSecretsNotPrinted(t *testing.T) {
	ref := body.NewRef()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		got := fmt.Sprintf(format, ref)
		for _, secret := range []string{fmt.Sprint(ref.Key[:]), fmt.Sprintf("%x", ref.Key[:]), fmt.Sprintf("%#v", ref.Key[:])} {
			if bytes.Contains([]byte(got), []byte(secret)) {
				t.Errorf("%s shows the key: %s", format, got)
			}
		}
	}
}

func FuzzOpenSealed(f *testing.F) {
	for _, size := range []int{0, 1, 100, seg + 5} {
		_, in := seal(f, random(size))
		f.Add(in, int64(size), int64(size/2))
	}
	f.Fuzz(func(t *testing.T, in []byte, size, offset int64) {
		// Under a fresh key nothing opens, whatever it is; nothing panics.
		ref := body.NewRef()
		ref.Size = size
		got, err := openSealed(ref, in, offset)
		if len(got) > 0 || err == nil && offset != size {
			t.Fatalf("forged body opened: %d octets, %v", len(got), err)
		}
		// What is put comes back.
		clear := in
		ref, good := seal(t, clear)
		if offset < 0 || offset > ref.Size {
			offset = 0
		}
		got, err = openSealed(ref, good, offset)
		if err != nil || !bytes.Equal(got, clear[offset:]) {
			t.Fatalf("%d octets from %d: %v", len(clear), offset, err)
		}
	})
}
