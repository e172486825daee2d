package boltstore

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
	"gosbridge/mailstore/disktest"
)

// unsynced knows what a loss of power would take.
type unsynced struct {
	mu     sync.Mutex
	dirty  map[string]bool // files that were written and not synced since
	named  bool            // the last rename has come to the disk
	folder string
}

func (u *unsynced) rule(op disktest.Op) disktest.Answer {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case op.Kind != disktest.Sync:
		u.dirty[op.Path] = true
	case op.Path == u.folder:
		u.named = true
	default:
		u.dirty[op.Path] = false
	}
	return disktest.Answer{}
}

// at judges what is durable at a step of a compaction.
func (u *unsynced) at(step string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch step {
	case "compact-rename":
		copies := 0
		for path, dirty := range u.dirty {
			if !strings.HasSuffix(path, boltfile.Suffix) {
				continue
			}
			copies++
			if dirty {
				return fmt.Errorf("%s gets the name and is not synced", filepath.Base(path))
			}
		}
		if copies != 1 {
			return fmt.Errorf("%d copies were written", copies)
		}
		clear(u.dirty)
	case "compact-renamed":
		u.named = false
	case "compact-swapped":
		if !u.named {
			return fmt.Errorf("the copy is in service, and its name is not synced")
		}
	}
	return nil
}

// TestCompactPowerLoss: when a copy gets the file's name all of it is on the disk,
// and so is the name before the first commit goes into it: whenever the power
// goes, there is one whole file.
func TestCompactPowerLoss(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		folder, err := filepath.EvalSymlinks(t.TempDir())
		must(t, err)
		u := &unsynced{dirty: map[string]bool{}, folder: folder}
		swapped := 0
		var s *Store
		var a mailstore.ID
		opts := Options{Dir: folder, BodyFiles: 1, Hook: func(step string) error {
			if step == "compact-swapped" {
				swapped++
			}
			if step == "compact-copy" { // so that something is copied again
				must(t, s.Directory().PutSetting(ctx, "name", []byte("value")))
			}
			if err := u.at(step); err != nil {
				t.Errorf("%s: %v", step, err)
			}
			return nil
		}}
		s, a = testStore(t, opts)
		for range 20 {
			must(t, compactLetter(s, a, 1, 100_000))
		}
		d.Decide(u.rule)
		compactAll(t, s)
		d.Decide(nil)
		if swapped < 2 {
			t.Errorf("%d files were replaced", swapped)
		}
	})
}
