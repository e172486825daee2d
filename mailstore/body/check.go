package body

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Fault is one rule that a body file breaks.
type Fault struct {
	File   string // name
	Bucket string
	Page   bool   // the structure of the file itself
	Place  uint64 // 0 where it concerns none
	Name   Name   // zero where it is not known
	Text   string
}

// CheckReport is what a check of the body files has seen.
type CheckReport struct {
	Bodies     int64 // finished
	Unfinished int64 // left by Puts that run or that a crash cut short; no fault
}

// ErrNoFile says that the file of a body is not there, or is another than the
// one that the body was put in: it never gave out such a place.
var ErrNoFile = errors.New("file of the body is missing")

// Check looks at the order of every body file: each body has all its segments,
// in their lengths. Tags are checked by reading, for which a Ref is needed. It
// works in slices and may run beside everything else; with pages it also
// checks the files page by page, and nothing is written meanwhile.
func (b *Bolt) Check(ctx context.Context, pages bool, rest func(), found func(Fault)) (CheckReport, error) {
	var report CheckReport
	for _, f := range b.files {
		if f == nil {
			continue
		}
		c := &fileCheck{file: f, found: found, report: &report}
		err := c.run(ctx, pages, rest)
		if errors.Is(err, ErrDamaged) {
			// Its pages cannot be walked: the others can be.
			c.fault(Fault{Page: true, Text: err.Error()})
			continue
		}
		if err != nil {
			return report, fmt.Errorf("check body file %s: %w", f.path, err)
		}
	}
	return report, nil
}

// Lost reports whether the file of a place is missing as a whole: ErrNoFile
// then, and nil where it is there, whatever became of the body.
func (b *Bolt) Lost(place uint64) error {
	f := b.fileOf(place)
	if f == nil {
		return fmt.Errorf("%s: %w", fileName(int(place>>placeBits)), ErrNoFile)
	}
	if number := place & (1<<placeBits - 1); number > f.last.Load() {
		return fmt.Errorf("%s has given out %d places, this is %d: %w", filepath.Base(f.path), f.last.Load(), number, ErrNoFile)
	}
	return nil
}

// FileName is the name of the file that a place is in.
func FileName(place uint64) string { return fileName(int(place >> placeBits)) }

// fileCheck checks one file.
type fileCheck struct {
	file   *file
	found  func(Fault)
	report *CheckReport
}

func (c *fileCheck) fault(f Fault) {
	f.File = filepath.Base(c.file.path)
	c.found(f)
}

func (c *fileCheck) run(ctx context.Context, pages bool, rest func()) error {
	if pages {
		if err := c.pages(ctx); err != nil {
			return err
		}
	}
	for _, slice := range []func(*bbolt.Tx, uint64) (uint64, bool, error){c.index, c.chunks} {
		from, more := uint64(0), true
		for more {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := c.file.view(func(tx *bbolt.Tx) (err error) {
				from, more, err = slice(tx, from)
				return err
			})
			if err != nil {
				return err
			}
			rest()
		}
	}
	return nil
}

// checkSlice is how many rows one transaction of a check looks at.
const checkSlice = 256

// index checks the rows of finished bodies from a place on.
func (c *fileCheck) index(tx *bbolt.Tx, from uint64) (next uint64, more bool, err error) {
	index := tx.Bucket(indexBucket)
	cursor := index.Cursor()
	n := 0
	for key, data := cursor.Seek(placeKey(from)); key != nil; key, data = cursor.Next() {
		if len(key) != 8 {
			c.fault(Fault{Bucket: "index", Text: fmt.Sprintf("key of %d octets", len(key))})
			continue
		}
		place := binary.BigEndian.Uint64(key)
		if n == checkSlice {
			return place, true, nil
		}
		n++
		c.report.Bodies++
		row, err := decodeRow(data)
		if err == nil && (row.size <= 0 || row.size > maxSize) {
			err = fmt.Errorf("size %d: %w", row.size, ErrDamaged)
		}
		if err != nil {
			c.fault(Fault{Bucket: "index", Place: place, Text: err.Error()})
			continue
		}
		if number := place & (1<<placeBits - 1); number > index.Sequence() || int(place>>placeBits) != c.file.number {
			c.fault(Fault{Bucket: "index", Place: place, Name: row.name, Text: "a place that this file has not given out"})
		}
		if err := whole(tx, place, row.size); err != nil {
			c.fault(Fault{Bucket: "chunks", Place: place, Name: row.name, Text: err.Error()})
		}
	}
	return 0, false, nil
}

// whole checks that all segments of a body are there, with their lengths.
func whole(tx *bbolt.Tx, place uint64, size int64) error {
	chunks := tx.Bucket(chunkBucket)
	cursor := chunks.Cursor()
	next := int64(0)
	for key, _ := cursor.Seek(chunkKey(place, 0)); key != nil; key, _ = cursor.Next() {
		p, first, ok := splitChunkKey(key)
		if !ok || p != place {
			break
		}
		chunk := chunks.Bucket(key)
		if chunk == nil || int64(first) != next {
			return fmt.Errorf("chunk of segment %d where %d is wanted: %w", first, next, ErrDamaged)
		}
		sc := chunk.Cursor()
		for k, v := sc.First(); k != nil; k, v = sc.Next() {
			if next >= segments(size) || string(k) != string(segmentKey(uint32(next))) {
				return fmt.Errorf("segment %x where %d of %d is wanted: %w", k, next, segments(size), ErrDamaged)
			}
			if want := clearSize(size, next) + Overhead; len(v) != want {
				return fmt.Errorf("segment %d of %d octets, not %d: %w", next, len(v), want, ErrDamaged)
			}
			next++
		}
	}
	if next != segments(size) {
		return fmt.Errorf("%d segments of %d: %w", next, segments(size), ErrDamaged)
	}
	return nil
}

// chunks looks for chunks of no finished body. They are of Puts that run, or
// are left to the sweep, unless their key makes no sense.
func (c *fileCheck) chunks(tx *bbolt.Tx, from uint64) (next uint64, more bool, err error) {
	index := tx.Bucket(indexBucket)
	cursor := tx.Bucket(chunkBucket).Cursor()
	n := 0
	last := uint64(0)
	for key, value := cursor.Seek(chunkKey(from, 0)); key != nil; key, value = cursor.Next() {
		place, _, ok := splitChunkKey(key)
		if !ok || value != nil {
			c.fault(Fault{Bucket: "chunks", Text: fmt.Sprintf("key of %d octets, or no chunk", len(key))})
			continue
		}
		if place == last {
			continue
		}
		if n == checkSlice {
			return place, true, nil
		}
		n++
		last = place
		if index.Get(placeKey(place)) == nil {
			c.report.Unfinished++
		}
	}
	return 0, false, nil
}

// pages checks the pages of the file. The list of free ones is the writer's, so
// it waits meanwhile.
func (c *fileCheck) pages(ctx context.Context) error {
	return guard(func() error {
		tx, err := c.file.db.Begin(true)
		if errors.Is(err, berrors.ErrDatabaseNotOpen) {
			return ErrClosed
		}
		if err != nil {
			return err
		}
		for err := range tx.Check() {
			if ctx.Err() == nil { // the rest must be read all the same
				c.fault(Fault{Page: true, Text: err.Error()})
			}
		}
		return tx.Rollback()
	})
}
