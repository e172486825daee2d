package body_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"gosbridge/mailstore/body"
)

// Both see the same octets; where either fails nothing is kept, and nobody waits
// for the other.
func TestPutRead(t *testing.T) {
	large := strings.Repeat("0123456789", 50_000)
	errSource, errRead := errors.New("source"), errors.New("read")
	for _, test := range []struct {
		name string
		src  io.Reader
		read int64 // octets that are read
		fail error
		want error
	}{
		{"whole", strings.NewReader(large), 1 << 30, nil, nil},
		{"reader stops", strings.NewReader(large), 10, nil, nil},
		{"reader fails", strings.NewReader(large), 10, errRead, errRead},
		{"reader fails at the end", strings.NewReader(large), 1 << 30, errRead, errRead},
		{"source fails", io.MultiReader(strings.NewReader(large), iotest.ErrReader(errSource)), 1 << 30, nil, errSource},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t, t.TempDir(), body.Options{})
			var seen []byte
			ref, err := body.PutRead(t.Context(), s, test.src, func(r io.Reader) (err error) {
				if seen, err = io.ReadAll(io.LimitReader(r, test.read)); err != nil && !errors.Is(err, errSource) {
					t.Error(err)
				}
				return test.fail
			})
			if !errors.Is(err, test.want) {
				t.Fatal(err)
			}
			if int64(len(seen)) < min(test.read, int64(len(large))) {
				t.Errorf("saw %d octets", len(seen))
			}
			report, sweepErr := s.Sweep(t.Context(), func(_ context.Context, names []body.Name) ([]bool, error) {
				keep := make([]bool, len(names))
				for i := range keep {
					keep[i] = true
				}
				return keep, nil
			}, 0)
			if sweepErr != nil || (report.Kept == 1) != (test.want == nil) {
				t.Errorf("%+v, %v", report, sweepErr)
			}
			if err != nil {
				return
			}
			r, err := s.Open(t.Context(), ref, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); string(got) != large || errors.Join(err, r.Close()) != nil {
				t.Errorf("%d octets, %v", len(got), err)
			}
		})
	}
}
