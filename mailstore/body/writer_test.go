package body

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/iotest"
)

// Puts give back what they hold of the common memory, however they end, and
// none counts as under way for ever.
func TestPutGivesBack(t *testing.T) {
	dir := t.TempDir()
	fail := false
	b, err := Open(dir, Options{Memory: 8 * sealedSegment, BeforeCommit: func(octets int) error {
		if fail && octets > 0 {
			return syscall.ENOSPC
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	clear := make([]byte, 30*SegmentSize)
	check := func(what string) {
		t.Helper()
		if len(b.spare) != 0 || len(b.flying) != 0 {
			t.Errorf("%s: %d segments held, %d puts under way", what, len(b.spare), len(b.flying))
		}
	}
	if _, err := b.Put(ctx, bytes.NewReader(clear)); err != nil {
		t.Fatal(err)
	}
	check("finished")
	boom := errors.New("client vanished")
	if _, err := b.Put(ctx, io.MultiReader(bytes.NewReader(clear), iotest.ErrReader(boom))); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	check("reader failed")
	fail = true
	if _, err := b.Put(ctx, bytes.NewReader(clear)); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	check("disk full")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(ctx, bytes.NewReader(clear)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	check("closed")
}

func TestDiskErrors(t *testing.T) {
	write := func(err error) error { return &os.PathError{Op: "write", Path: "bodies-0.db", Err: err} }
	for _, c := range []struct {
		err         error
		full, retry bool
	}{
		{write(syscall.ENOSPC), true, true},
		{write(syscall.EFBIG), true, true},
		{write(syscall.EIO), false, true},
		{fmt.Errorf("file resize error: %v", &os.PathError{Op: "truncate", Err: syscall.EFBIG}), true, true},
		{fmt.Errorf("file sync error: %v", syscall.ENOSPC), true, false},
		{syscall.EIO, false, false}, // of fdatasync
		{syscall.EDQUOT, true, false},
	} {
		if got := errors.Is(asFull(c.err), ErrFull); got != c.full {
			t.Errorf("%v: full %v", c.err, got)
		}
		if got := retryable(c.err); got != c.retry {
			t.Errorf("%v: retryable %v", c.err, got)
		}
		if !errors.Is(asFull(c.err), c.err) {
			t.Errorf("%v: lost", c.err)
		}
	}
	if asFull(nil) != nil {
		t.Error("no error became one")
	}
}
