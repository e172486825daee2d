package boltfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// sliceOctets and sliceKeys bound what is copied in one transaction, so
	// that no old page is held back for long.
	sliceOctets = 4 << 20
	sliceKeys   = 20000
	// syncOctets is how much is written before the disk is made to take it. At
	// the end all at once would keep the service's own commits waiting.
	syncOctets = 64 << 20
	// fillPercent: keys come in order, so pages can be filled.
	fillPercent = 0.95
)

// copier fills the new file.
type copier struct {
	c       *Compaction
	db      *bolt.DB // new
	changes Changes
	began   time.Time
	total   int64
	octets  int64 // copied for the first time
	loose   int64 // written and not synced
	given   bool  // the new file has the name

	repeated int64 // octets copied again
}

// step copies from one snapshot of the old file in one transaction of the new.
// Values are not copied in memory: the snapshot outlives the transaction.
func (k *copier) step(fn func(from, to *bolt.Tx) error) error {
	return k.c.View(func(from *bolt.Tx) error {
		return k.db.Update(func(to *bolt.Tx) error { return fn(from, to) })
	})
}

// all copies every bucket.
func (k *copier) all(ctx context.Context) error {
	var names [][]byte
	err := k.c.View(func(from *bolt.Tx) error {
		return from.ForEach(func(name []byte, _ *bolt.Bucket) error {
			names = append(names, bytes.Clone(name))
			return nil
		})
	})
	if err != nil {
		return err
	}
	k.began = time.Now()
	for _, name := range names {
		if err := k.bucket(ctx, name); err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	return nil
}

// bucket copies a top-level bucket in slices, each from the snapshot of its
// time. What changes behind it is noted, and copied again.
func (k *copier) bucket(ctx context.Context, name []byte) error {
	var after []byte
	for more := true; more; {
		if err := k.c.hook("compact-copy"); err != nil {
			return err
		}
		k.changes.begin(string(name))
		var octets int64
		err := k.step(func(from, to *bolt.Tx) (err error) {
			src := from.Bucket(name)
			dst, err := to.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			octets, after, err = copySlice(src, dst, after, k.c.slice)
			more = after != nil
			return err
		})
		if err != nil {
			return err
		}
		if more {
			k.changes.pause(string(name), string(after))
		}
		k.octets += octets
		k.c.progress(k.octets, k.total)
		if err := k.pace(ctx, octets); err != nil {
			return err
		}
	}
	return nil
}

// copySlice copies the items behind the key after, and returns how many octets
// they have and the last of their keys, nil when the bucket has no more.
func copySlice(src, dst *bolt.Bucket, after []byte, keys int) (octets int64, last []byte, err error) {
	if err := inherit(src, dst); err != nil {
		return 0, nil, err
	}
	c := src.Cursor()
	key, value := c.First()
	if after != nil {
		if key, value = c.Seek(after); bytes.Equal(key, after) {
			key, value = c.Next()
		}
	}
	for n := 0; key != nil; key, value = c.Next() {
		if n == keys || octets >= sliceOctets {
			return octets, bytes.Clone(last), nil
		}
		size, err := copyItem(src, dst, key, value)
		if err != nil {
			return 0, nil, err
		}
		octets += size
		last = key
		n++
	}
	return octets, nil, nil
}

// inherit makes a new bucket like the old one, and ready to be filled.
func inherit(src, dst *bolt.Bucket) error {
	dst.FillPercent = fillPercent
	if n := src.Sequence(); dst.Sequence() != n {
		return dst.SetSequence(n)
	}
	return nil
}

// copyItem copies a value, or the bucket that stands where value is nil.
func copyItem(src, dst *bolt.Bucket, key, value []byte) (octets int64, err error) {
	octets = int64(len(key) + len(value))
	if value != nil {
		err := dst.Put(key, value)
		if errors.Is(err, bolterrors.ErrIncompatibleValue) {
			if err = dst.DeleteBucket(key); err == nil {
				err = dst.Put(key, value)
			}
		}
		return octets, err
	}
	from := src.Bucket(key)
	if from == nil {
		return 0, fmt.Errorf("key %x: neither value nor bucket", key)
	}
	// Something is there when the key was copied again before its turn came.
	if err := remove(dst, key); err != nil {
		return 0, err
	}
	to, err := dst.CreateBucket(key)
	if err != nil {
		return 0, err
	}
	if err := inherit(from, to); err != nil {
		return 0, err
	}
	c := from.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		n, err := copyItem(from, to, k, v)
		if err != nil {
			return 0, err
		}
		octets += n
	}
	return octets, nil
}

// pace keeps to the rate, sees to the room on the disk, and copies again what
// has gathered.
func (k *copier) pace(ctx context.Context, octets int64) error {
	if err := k.wrote(octets); err != nil {
		return err
	}
	for {
		if k.changes.waiting() > k.c.gather {
			if err := k.drain(ctx, true); err != nil {
				return err
			}
		}
		if over, err := k.wait(ctx); err != nil || over {
			return err
		}
	}
}

// wrote makes the disk take what was written before it is too much at once, and
// sees to the room that is left for more.
func (k *copier) wrote(octets int64) error {
	if k.loose += octets; k.loose > syncOctets {
		if err := k.sync(); err != nil {
			return err
		}
	}
	return k.c.space(sliceOctets)
}

// wait waits a second at most for the rate to be kept, and reports whether it is.
func (k *copier) wait(ctx context.Context) (over bool, err error) {
	var ahead time.Duration
	if k.c.Rate > 0 {
		ahead = time.Duration(float64(k.octets+k.repeated)/float64(k.c.Rate)*float64(time.Second)) - time.Since(k.began)
	}
	if ahead <= 0 {
		return true, context.Cause(ctx)
	}
	return false, pause(ctx, min(ahead, time.Second))
}

// pause waits, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// drain copies again what was changed, paced as the rest but where the writer
// waits for it.
func (k *copier) drain(ctx context.Context, paced bool) error {
	list, err := k.changes.take()
	if err != nil {
		return err
	}
	for len(list) > 0 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := k.c.hook("compact-replay"); err != nil {
			return err
		}
		var octets int64
		done := 0
		if err := k.step(func(from, to *bolt.Tx) error {
			octets, done = 0, 0
			for _, ch := range list {
				if done == sliceKeys || octets >= sliceOctets {
					break
				}
				n, err := again(from, to, ch)
				if err != nil {
					return fmt.Errorf("bucket %s: %w", ch.bucket, err)
				}
				octets += n
				done++
			}
			return nil
		}); err != nil {
			return err
		}
		list = list[done:]
		k.repeated += octets
		if !paced {
			continue
		}
		if err := k.wrote(octets); err != nil {
			return err
		}
		for over := false; !over; {
			if over, err = k.wait(ctx); err != nil {
				return err
			}
		}
	}
	return k.sequences()
}

// again makes one key of the new file what it is in the old one.
func again(from, to *bolt.Tx, ch change) (int64, error) {
	src, dst, key := from.Bucket([]byte(ch.bucket)), to.Bucket([]byte(ch.bucket)), []byte(ch.key)
	if src == nil || dst == nil {
		return 0, fmt.Errorf("not there")
	}
	dst.FillPercent = fillPercent
	value := src.Get(key)
	if value == nil && src.Bucket(key) == nil {
		return int64(len(key)), remove(dst, key)
	}
	return copyItem(src, dst, key, value)
}

// remove removes a key, whatever stands there; an absent one is no error.
func remove(b *bolt.Bucket, key []byte) error {
	if b.Bucket(key) != nil {
		return b.DeleteBucket(key)
	}
	return b.Delete(key)
}

// sequences copies the counters of the buckets, which are no keys.
func (k *copier) sequences() error {
	return k.step(func(from, to *bolt.Tx) error {
		return to.ForEach(func(name []byte, dst *bolt.Bucket) error {
			if src := from.Bucket(name); src != nil {
				return inherit(src, dst)
			}
			return nil
		})
	})
}

// sync makes the disk take what was written.
func (k *copier) sync() error {
	k.loose = 0
	return k.db.Sync()
}
