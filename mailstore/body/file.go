package body

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"gosbridge/mailstore/boltfile"
)

// What a body file holds:
//
//	meta    "version" -> uint32
//	index   place -> row; its sequence is the last number given out
//	chunks  place, number of the first segment -> bucket {segment -> sealed}
//
// A chunk, what one Put adds in one commit, is a bucket of its own: bbolt
// keeps at least two values in a leaf and writes the whole leaf when one is
// added, so in one bucket every chunk would be written two to four times.
// Measured: 64 KiB a commit 274 against 99 MB/s, 100 KiB 280 against 180.
//
// A body without a row is one whose Put has not finished, or never will.
var (
	metaBucket  = []byte("meta")
	indexBucket = []byte("index")
	chunkBucket = []byte("chunks")
	versionKey  = []byte("version")
)

const (
	formatVersion = 1

	// fillPercent: keys ascend, so pages can be filled.
	fillPercent = 0.95
	// growStep is by how much a file grows at a time, in octets.
	growStep = 64 << 20
	// lockWait is how long the lock of another process is waited for.
	lockWait = 200 * time.Millisecond
)

// file is one bbolt file and its writer.
type file struct {
	bolt   *Bolt
	number int
	path   string
	db     *bbolt.DB // replaced by the writer, under swap
	swap   sync.RWMutex
	last   atomic.Uint64 // number of the last place given out

	compacting sync.Mutex     // held by compact, and by close once that has ended
	retired    sync.WaitGroup // files that were replaced and have readers still

	requests chan request // unbuffered: what was received is answered
	between  chan func()  // what the writer is to do between two commits
	quit     chan struct{}
	closing  atomic.Bool
	stopped  chan struct{}

	// Of the writer alone.
	broken  error             // of a sync
	changes *boltfile.Changes // where commits note what they changed; nil: nowhere
}

func openFile(path string, number int, b *Bolt) (f *file, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open body file %s: %w", path, err)
		}
	}()
	_, statErr := os.Stat(path)
	f = &file{
		bolt: b, number: number, path: path,
		requests: make(chan request), between: make(chan func()), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	f.db, err = boltfile.Open(path, fileOptions())
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, boltfile.ErrDamaged):
		return nil, fmt.Errorf("%w: %w", err, ErrDamaged)
	case err != nil:
		return nil, asFull(err)
	}
	f.db.AllocSize = growStep
	if err = f.prepare(); err == nil && os.IsNotExist(statErr) {
		err = boltfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	go f.run()
	return f, nil
}

// fileOptions are how bbolt opens a body file.
func fileOptions() bbolt.Options {
	return bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType}
}

// prepare makes the buckets of a new file and checks an old one.
func (f *file) prepare() error {
	err := f.view(func(tx *bbolt.Tx) error {
		if info, err := os.Stat(f.path); err != nil {
			return err
		} else if info.Size() < tx.Size() {
			return fmt.Errorf("%d octets where %d were written: %w", info.Size(), tx.Size(), ErrDamaged)
		}
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			return ErrNotFound
		}
		v := meta.Get(versionKey)
		if len(v) != 4 || binary.BigEndian.Uint32(v) == 0 || tx.Bucket(indexBucket) == nil || tx.Bucket(chunkBucket) == nil {
			return fmt.Errorf("no body file: %w", ErrDamaged)
		}
		if n := binary.BigEndian.Uint32(v); n > formatVersion {
			return fmt.Errorf("version %d: %w", n, ErrVersion)
		}
		f.last.Store(tx.Bucket(indexBucket).Sequence())
		return nil
	})
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return asFull(f.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{metaBucket, indexBucket, chunkBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(versionKey, binary.BigEndian.AppendUint32(nil, formatVersion))
	}))
}

func (f *file) nextPlace() uint64 {
	return uint64(f.number)<<placeBits | f.last.Add(1)
}

// view runs fn on a snapshot of the file.
func (f *file) view(fn func(*bbolt.Tx) error) error {
	err := guard(func() error {
		tx, err := f.begin()
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		return fn(tx)
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// begin begins a read transaction. It ends on the file on which it began, even
// when another one has taken that one's place meanwhile.
func (f *file) begin() (*bbolt.Tx, error) {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return f.db.Begin(false)
}

// guard makes an error of what a damaged file does to its reader.
func guard(fn func() error) error { return boltfile.Guard(ErrDamaged, fn) }

// row is what the index tells of a finished body.
type row struct {
	name Name
	size int64 // octets of clear text
	at   time.Time
}

// rowSize: name, size, milliseconds.
const rowSize = len(Name{}) + 8 + 8

func (r row) encode() []byte {
	out := make([]byte, 0, rowSize)
	out = append(out, r.name[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(r.size))
	return binary.BigEndian.AppendUint64(out, uint64(r.at.UnixMilli()))
}

func decodeRow(data []byte) (row, error) {
	if len(data) != rowSize {
		return row{}, fmt.Errorf("index row of %d octets: %w", len(data), ErrDamaged)
	}
	r := row{name: Name(data[:len(Name{})])}
	data = data[len(Name{}):]
	r.size = int64(binary.BigEndian.Uint64(data))
	r.at = time.UnixMilli(int64(binary.BigEndian.Uint64(data[8:])))
	return r, nil
}

func placeKey(place uint64) []byte { return binary.BigEndian.AppendUint64(nil, place) }

func chunkKey(place uint64, first uint32) []byte {
	return binary.BigEndian.AppendUint32(placeKey(place), first)
}

func segmentKey(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// splitChunkKey is the inverse of chunkKey.
func splitChunkKey(key []byte) (place uint64, first uint32, ok bool) {
	if len(key) != 12 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(key), binary.BigEndian.Uint32(key[8:]), true
}

// row returns the index row of a place, ErrNotFound when there is none.
func (f *file) row(place uint64) (r row, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		data := tx.Bucket(indexBucket).Get(placeKey(place))
		if data == nil {
			return ErrNotFound
		}
		r, err = decodeRow(data)
		return err
	})
	return r, err
}

// segment hands sealed segment n of a place to use, inside a transaction.
func (f *file) segment(place uint64, n int64, use func([]byte) error) error {
	return f.view(func(tx *bbolt.Tx) error {
		chunks := tx.Bucket(chunkBucket)
		c := chunks.Cursor()
		// The chunk that holds n is the last one that begins at n or before.
		key, _ := c.Seek(chunkKey(place, uint32(n)))
		if p, first, ok := splitChunkKey(key); !ok || p != place || int64(first) != n {
			if key == nil {
				key, _ = c.Last()
			} else {
				key, _ = c.Prev()
			}
		}
		if p, _, ok := splitChunkKey(key); !ok || p != place {
			// Gone since it was opened, or segment 0 has been lost.
			if tx.Bucket(indexBucket).Get(placeKey(place)) == nil {
				return ErrNotFound
			}
			return fmt.Errorf("segment %d missing: %w", n, ErrDamaged)
		}
		chunk := chunks.Bucket(key)
		if chunk == nil {
			return fmt.Errorf("chunk of segment %d: %w", n, ErrDamaged)
		}
		sealed := chunk.Get(segmentKey(uint32(n)))
		if sealed == nil {
			return fmt.Errorf("segment %d missing: %w", n, ErrDamaged)
		}
		readAhead(sealed)
		return use(sealed)
	})
}
