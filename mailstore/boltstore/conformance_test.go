package boltstore

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		dir := filepath.Join(t.TempDir(), "data")
		return storetest.Fixture{
			Open: func(ctx context.Context, now func() time.Time) (mailstore.Store, error) {
				return Open(ctx, Options{Dir: dir, MasterKey: [32]byte{1}, Create: true, Now: now, LogEntries: 64})
			},
			Crash: func(s mailstore.Store) error {
				image := filepath.Join(t.TempDir(), "data")
				// The open transaction keeps the pages of the copied state, while
				// a purge may still be writing.
				err := s.(*Store).read(context.Background(), func(*txn) error { return copyFolder(dir, image) })
				if err != nil {
					return err
				}
				dir = image
				return s.Close()
			},
			Check:      func(ctx context.Context, s mailstore.Store) error { return s.(*Store).Check(ctx) },
			Dir:        func() string { return dir },
			LogEntries: 64,
		}
	})
}

// copyFolder takes the files as the death of the process would leave them.
func copyFolder(from, to string) error {
	return os.CopyFS(to, os.DirFS(from))
}
