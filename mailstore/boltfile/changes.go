package boltfile

import (
	"cmp"
	"slices"
	"sync"
)

// maxChanges is how many keys are remembered at most: some 100 MB.
const maxChanges = 1 << 20

// change is a key that is no longer what it was.
type change struct{ bucket, key string }

// Changes are the keys that commits have changed since they were last taken.
// Only the keys are kept: what has become of them is read from the file when
// they are copied, so that memory does not grow with what is written.
type Changes struct {
	mu    sync.Mutex
	begun map[string]bool // buckets of which something was copied already
	keys  map[change]struct{}
	lost  bool // there were too many

	// Between two slices of a bucket what lies behind the last key copied is no
	// change: the next slice reads it as it is then. Nothing of it is in the new
	// file, so that nothing there can be out of date.
	paused, reached string // the bucket, empty while a slice is under way; that key

	limit int // of keys; maxChanges when 0
}

// Note remembers a key of a top-level bucket that a commit has changed or
// removed. It is called after the commit: a copy that began before it then
// finds the key here, and one that begins later finds it in the file.
func (c *Changes) Note(bucket, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun[bucket] || c.lost || c.ahead(bucket, key) {
		return // copied later, as it will be then
	}
	if c.keys == nil {
		c.keys = map[change]struct{}{}
	}
	if len(c.keys) == cmp.Or(c.limit, maxChanges) {
		c.keys, c.lost = nil, true
		return
	}
	c.keys[change{bucket, key}] = struct{}{}
}

// ahead reports whether the copy has yet to come to a key of the bucket that it
// is in the midst of.
func (c *Changes) ahead(bucket, key string) bool { return bucket == c.paused && key > c.reached }

// pause says that the copy of a bucket stands still behind a key.
func (c *Changes) pause(bucket, reached string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused, c.reached = bucket, reached
}

// begin says that from now on a bucket, or a slice of it, is being copied.
func (c *Changes) begin(bucket string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun == nil {
		c.begun = map[string]bool{}
	}
	c.begun[bucket] = true
	c.paused = ""
}

// waiting is how many keys are to be copied again.
func (c *Changes) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys)
}

// take returns the keys in the order of the file and forgets them.
func (c *Changes) take() ([]change, error) {
	c.mu.Lock()
	keys, lost := c.keys, c.lost
	c.keys = nil
	list := make([]change, 0, len(keys))
	for k := range keys {
		if !c.ahead(k.bucket, k.key) { // noted while the last slice was under way
			list = append(list, k)
		}
	}
	c.mu.Unlock()
	if lost {
		return nil, ErrBusy
	}
	slices.SortFunc(list, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.key, b.key))
	})
	return list, nil
}
