package body

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

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
