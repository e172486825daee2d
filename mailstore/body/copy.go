package body

import (
	"context"
	"io"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Size is how many octets Copy would hand out now.
func (b *Bolt) Size() (octets int64, err error) {
	for _, f := range b.files {
		if f == nil {
			continue
		}
		if err := f.view(func(tx *bbolt.Tx) error { octets += tx.Size(); return nil }); err != nil {
			return 0, err
		}
	}
	return octets, nil
}

// Copy hands a snapshot of each body file to each, one after the other, under
// the name that Open knows it by. What was put before Copy was called is in
// them, unless it was discarded or swept since. A file grows while its snapshot
// is being written: pages that come free have to wait.
func (b *Bolt) Copy(ctx context.Context, each func(name string, octets int64, snapshot io.WriterTo) error) error {
	for _, f := range b.files {
		if f == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := f.view(func(tx *bbolt.Tx) error { return each(filepath.Base(f.path), tx.Size(), tx) })
		if err != nil {
			return err
		}
	}
	return nil
}

// IsFile reports whether a name is that of a body file.
func IsFile(name string) bool {
	_, ok := fileNumber(name)
	return ok
}
