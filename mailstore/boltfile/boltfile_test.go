package boltfile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var testOptions = bolt.Options{Timeout: 100 * time.Millisecond, FreelistType: bolt.FreelistMapType}

// keeper is an owner of a file: one writer at a time, under mu.
type keeper struct {
	path string

	mu      sync.Mutex
	changes *Changes
	failed  error

	swap sync.RWMutex
	db   *bolt.DB
	old  sync.WaitGroup
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{path: filepath.Join(t.TempDir(), "file.db")}
	var err error
	if k.db, err = Open(k.path, testOptions); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.old.Wait()
		if err := k.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func (k *keeper) view(fn func(*bolt.Tx) error) error {
	k.swap.RLock()
	tx, err := k.db.Begin(false)
	k.swap.RUnlock()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return fn(tx)
}

func (k *keeper) compaction() *Compaction {
	return &Compaction{
		Path: k.path, Options: testOptions, View: k.view,
		Between: func(_ context.Context, fn func() error) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			return fn()
		},
		Record: func(c *Changes) { k.changes = c },
		Swap: func(db *bolt.DB, err error) {
			k.swap.Lock()
			old := k.db
			k.db, k.failed = db, err
			k.swap.Unlock()
			k.old.Go(func() { _ = old.Close() })
		},
	}
}

// update commits a change of one key: a value, a bucket of values, or nothing.
func (k *keeper) update(bucket, key string, value any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return err
		}
		if _, err := b.NextSequence(); err != nil {
			return err
		}
		if b.Bucket([]byte(key)) != nil {
			err = b.DeleteBucket([]byte(key))
		} else {
			err = b.Delete([]byte(key))
		}
		if err != nil {
			return err
		}
		switch v := value.(type) {
		case string:
			return b.Put([]byte(key), []byte(v))
		case []string:
			in, err := b.CreateBucket([]byte(key))
			if err != nil {
				return err
			}
			for i, s := range v {
				if err := in.Put(binary.BigEndian.AppendUint32(nil, uint32(i)), []byte(s)); err != nil {
					return err
				}
			}
			return in.SetSequence(7)
		}
		return nil
	})
	if err == nil && k.changes != nil {
		k.changes.Note(bucket, key)
	}
	return err
}

// content is everything in the file, with the counters of the buckets.
func (k *keeper) content(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	var walk func(path string, b *bolt.Bucket) error
	walk = func(path string, b *bolt.Bucket) error {
		all[path+"#"] = fmt.Sprint(b.Sequence())
		return b.ForEach(func(key, v []byte) error {
			if v == nil {
				return walk(path+"/"+string(key), b.Bucket(key))
			}
			all[path+"/"+string(key)] = string(v)
			return nil
		})
	}
	err := k.view(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error { return walk(string(name), b) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// someValue is a value, an empty one, a bucket or nothing.
func someValue(i int) any {
	switch i % 5 {
	case 0:
		return ""
	case 1:
		return []string{strings.Repeat("n", i%900), "", fmt.Sprint(i)}
	case 2:
		return nil
	}
	return strings.Repeat("v", i%3000)
}

// TestCompaction compares a file before and after, and one that changes at
// every step with what its writer knows.
func TestCompaction(t *testing.T) {
	k := newKeeper(t)
	k.db.NoSync = true // as many commits, in less time
	for i := range 3000 {
		if err := k.update(fmt.Sprintf("bucket%d", i%3), fmt.Sprint(i), someValue(i)); err != nil {
			t.Fatal(err)
		}
	}
	before := k.content(t)
	c := k.compaction()
	// Who writes after the swap may make the file larger at once.
	c.Hook = func(step string) error {
		if step != "compact-swapped" {
			return nil
		}
		return os.Truncate(k.path, 1<<30)
	}
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after := k.content(t); !maps.Equal(before, after) {
		t.Error("changed by compaction")
	}
	if r.File != "file.db" || r.After <= 0 || r.After > r.Before {
		t.Errorf("report %+v", r)
	}
	model := map[string]string{}
	last := false // from here on the writer waits
	c.Hook = func(step string) error {
		if last = last || step == "compact-last"; last {
			if step == "compact-last" {
				model = k.content(t)
			}
			return nil
		}
		for range 50 {
			n := rand.IntN(4000)
			bucket := fmt.Sprintf("bucket%d", n%3)
			if err := k.update(bucket, fmt.Sprint(n), someValue(rand.IntN(4000))); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range 6 {
		last, k.db.NoSync = false, true
		if i == 3 {
			c.slice, c.gather = 300, 30 // copied again before their turn
		}
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := k.content(t); len(model) < 1000 || !maps.Equal(model, after) {
			t.Fatal("changes were lost")
		}
	}
}

// TestChanges holds to what is remembered.
func TestChanges(t *testing.T) {
	c := Changes{limit: 1000}
	c.Note("a", "early")
	c.begin("a")
	for _, key := range []string{"2", "1", "2"} {
		c.Note("a", key)
	}
	c.Note("b", "other")
	list, err := c.take()
	if err != nil || fmt.Sprint(list) != "[{a 1} {a 2}]" {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := c.take(); err != nil || len(list) != 0 {
		t.Errorf("taken twice: %v, %v", list, err)
	}
	c.Note("a", "9") // while a slice is copied that ends before it
	c.pause("a", "5")
	c.Note("a", "8") // while the copy stands still
	c.Note("a", "5")
	if list, err := c.take(); err != nil || fmt.Sprint(list) != "[{a 5}]" {
		t.Errorf("between two slices: %v, %v", list, err)
	}
	c.begin("a")
	c.Note("a", "7")
	if list, err := c.take(); err != nil || fmt.Sprint(list) != "[{a 7}]" {
		t.Errorf("in the next slice: %v, %v", list, err)
	}
	for i := range c.limit + 1 {
		c.Note("a", fmt.Sprint(i))
	}
	if n := c.waiting(); n != 0 {
		t.Errorf("%d keys kept when there were too many", n)
	}
	if _, err := c.take(); !errors.Is(err, ErrBusy) {
		t.Errorf("too many: %v", err)
	}
}

// TestTooBusy changes more than can be remembered: the old file stays, and
// nothing is left.
func TestTooBusy(t *testing.T) {
	k := newKeeper(t)
	if err := k.update("bucket", "key", "value"); err != nil {
		t.Fatal(err)
	}
	var many sync.Once
	c := k.compaction()
	c.Hook = func(step string) error {
		if step != "compact-last" { // before it is copied nothing needs remembering
			return nil
		}
		many.Do(func() {
			k.changes.limit = 1000
			for i := range k.changes.limit + 1 {
				k.changes.Note("bucket", fmt.Sprint(i))
			}
		})
		return nil
	}
	if _, err := c.Run(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(k.path + Suffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("copy: %v", err)
	}
	if k.changes != nil {
		t.Error("changes are still noted")
	}
}

// TestWaitsForOldFile waits for the lock of a file that is replaced meanwhile:
// its lock is free then, and is none of the file that bears the name.
func TestWaitsForOldFile(t *testing.T) {
	k := newKeeper(t)
	if err := k.update("bucket", "key", "value"); err != nil {
		t.Fatal(err)
	}
	if runs, err := bears(mustOpen(t, k.path), k.path); err != nil || !runs {
		t.Errorf("the file with the name: %v, %v", runs, err)
	}
	old := mustOpen(t, k.path)
	opened := make(chan error)
	c := k.compaction()
	c.Hook = func(step string) error {
		if step == "compact-rename" {
			opts := testOptions
			opts.Timeout = time.Second
			begun := make(chan struct{})
			go func() {
				close(begun)
				db, err := Open(k.path, opts)
				if err == nil {
					err = errors.Join(errors.New("two have the file open"), db.Close())
				}
				opened <- err
			}()
			<-begun
			// It tries the lock every 50 ms; whether it has begun to by now
			// does not change what it must find.
			time.Sleep(30 * time.Millisecond)
		}
		return nil
	}
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; !errors.Is(err, bolterrors.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if bears, err := bears(old, k.path); err != nil || bears {
		t.Errorf("the file without a name: %v, %v", bears, err)
	}
}

func mustOpen(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestLinkedFile compacts a file that a symbolic link names: the link stays, and
// what a crash has left beside the file is removed.
func TestLinkedFile(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there.db")
	k := &keeper{path: filepath.Join(t.TempDir(), "link.db")}
	if err := os.Symlink(there, k.path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there+Suffix, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if k.db, err = Open(k.path, testOptions); err != nil {
		t.Fatal(err)
	}
	defer func() { k.old.Wait(); _ = k.db.Close() }()
	if _, err := os.Stat(there + Suffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	if err := k.update("bucket", "key", "value"); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(there)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.compaction().Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if link, err := os.Readlink(k.path); err != nil || link != there {
		t.Errorf("link to %q, %v", link, err)
	}
	if after, err := os.Stat(there); err != nil || os.SameFile(before, after) {
		t.Errorf("the file was not replaced: %v", err)
	}
	if all := k.content(t); all["bucket/key"] != "value" {
		t.Errorf("content %v", all)
	}
}

// TestRate copies no faster than it is told to.
func TestRate(t *testing.T) {
	k := newKeeper(t)
	if err := k.update("bucket", "key", strings.Repeat("v", 1000)); err != nil {
		t.Fatal(err)
	}
	c := k.compaction()
	c.Rate = 10_000
	start := time.Now()
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 100*time.Millisecond {
		t.Errorf("1,000 octets at 10,000 a second in %v", d)
	}
}

// TestRateAgain: what is copied again keeps to the rate too.
func TestRateAgain(t *testing.T) {
	k := newKeeper(t)
	if err := errors.Join(k.update("a", "key", "value"), k.update("b", "key", "value")); err != nil {
		t.Fatal(err)
	}
	c, copies := k.compaction(), 0
	c.Rate = 50_000
	c.Hook = func(step string) error {
		if step != "compact-copy" {
			return nil
		}
		if copies++; copies < 2 {
			return nil
		}
		return k.update("a", "key", strings.Repeat("v", 10_000)) // behind the copy
	}
	start := time.Now()
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 200*time.Millisecond {
		t.Errorf("10,000 octets copied again at 50,000 a second in %v", d)
	}
	if got := k.content(t)["a/key"]; len(got) != 10_000 {
		t.Errorf("%d octets", len(got))
	}
}

// TestDamagedFile compacts a file of which a page makes no sense: an error,
// no end of the process, and the file stays.
func TestDamagedFile(t *testing.T) {
	k := newKeeper(t)
	for i := range 2000 {
		if err := k.update("bucket", fmt.Sprint(i), strings.Repeat("v", 500)); err != nil {
			t.Fatal(err)
		}
		k.db.NoSync = true
	}
	spoilPages(t, k.path)
	if _, err := k.compaction().Run(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(k.path + Suffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("copy: %v", err)
	}
}

// TestNoRoom asks for more room than any disk has.
func TestNoRoom(t *testing.T) {
	k := newKeeper(t)
	c := k.compaction()
	if _, known := freeSpace(k.path); !known {
		t.Skip("free space is not known here")
	}
	if err := c.space(1 << 60); !errors.Is(err, ErrNoRoom) {
		t.Errorf("space: %v", err)
	}
	if err := c.room(1 << 60); err != nil {
		t.Errorf("a large file of which little is in use: %v", err)
	}
}
