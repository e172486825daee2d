package fileformat

import (
	"context"
	"io"
)

// NeedsAccess reports whether a file that begins with head has a structure
// that is checked with random access.
func NeedsAccess(head []byte) bool { return false }

// Inspect is like the function Inspect, with these limits.
func (l Limits) Inspect(ctx context.Context, name, declared string, size int64, head, tail []byte, open func() (io.ReaderAt, error)) (Facts, error) {
	return Facts{}, nil
}

func printable(s string) string { return s }
