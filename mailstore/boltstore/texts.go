package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// The buckets of search.db. A text stands under a number that grows with every
// text, so that those which came together lie together; place leads to it from
// each row of its message. So a search walks through a mailbox and its texts in the
// order of the file, and neither copying nor moving touches a text.
//
//	meta   "format"                  version, MAC of the store and its generation
//	mark   account, mailbox          modseq up to which the rows were looked at
//	place  account, mailbox, uid     number of the text
//	head   account, number           EmailID; head, sealed
//	body   account, number           body, sealed
const (
	tMeta  = "meta"
	tMark  = "mark"
	tPlace = "place"
	tHead  = "head"
	tBody  = "body"
)

var textBuckets = []string{tMeta, tMark, tPlace, tHead, tBody}

// texts implements mailstore.Texts on a file of its own, so that losing it
// loses nothing and its commits are in nobody's way.
//
// Rows are the truth and this follows. Every write here takes its snapshot of
// the rows after it took the file's write lock, so of two writes the later one
// has the later snapshot: what one has seen to be gone, no other brings back.
type texts struct {
	s    *Store
	path string
	file atomic.Pointer[bolt.DB] // nil: there are no texts

	mu     sync.Mutex
	behind map[mailstore.ID]struct{}
	all    bool          // so is every account
	wake   chan struct{} // buffer of one
	// settled are marks that are not on the disk yet, or not all: a changed
	// flag is worth no commit.
	settled map[boxPlace]mailstore.ModSeq
}

type boxPlace struct {
	account uint32
	box     mailstore.MailboxID
}

var _ mailstore.Texts = (*texts)(nil)

func newTexts(s *Store) *texts {
	return &texts{s: s, all: true, behind: map[mailstore.ID]struct{}{}, wake: make(chan struct{}, 1), settled: map[boxPlace]mailstore.ModSeq{}}
}

// touched notes accounts whose mailboxes a commit has changed.
func (t *texts) touched(accounts map[mailstore.ID]*touch) {
	if len(accounts) == 0 {
		return
	}
	t.mu.Lock()
	for id := range accounts {
		t.behind[id] = struct{}{}
	}
	t.mu.Unlock()
	hint(t.wake)
}

// Behind implements mailstore.Texts.
func (t *texts) Behind(ctx context.Context) ([]mailstore.ID, error) {
	for {
		t.mu.Lock()
		list := make([]mailstore.ID, 0, len(t.behind))
		for id := range t.behind {
			list = append(list, id)
		}
		clear(t.behind)
		all := t.all
		t.all = false
		t.mu.Unlock()
		if all {
			err := t.s.read(ctx, func(tx *txn) error {
				list = list[:0]
				tx.scan(bAccount, nil, nil, func(k, _ []byte) bool {
					list = append(list, mailstore.ID(k))
					return true
				})
				return nil
			})
			if err != nil {
				t.mu.Lock()
				t.all = true
				t.mu.Unlock()
				return nil, err
			}
		}
		if len(list) > 0 {
			slices.SortFunc(list, func(a, b mailstore.ID) int { return slices.Compare(a[:], b[:]) })
			return list, nil
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.s.closing:
			return nil, mailstore.ErrClosed
		}
	}
}

// errUnchanged makes a write of nothing no commit.
var errUnchanged = errors.New("nothing written")

// change runs fn in a write of the file, on a snapshot of the rows taken
// within. fn returns errUnchanged when it wrote nothing.
func (t *texts) change(ctx context.Context, fn func(w *textWork) error) error {
	file := t.file.Load()
	switch {
	case t.s.isClosing():
		return mailstore.ErrClosed
	case file == nil:
		return errNoTexts
	case ctx.Err() != nil:
		return ctx.Err()
	}
	err := guarded(func() error {
		return file.Update(func(tx *bolt.Tx) error {
			return t.s.read(ctx, func(rows *txn) error {
				// Within the read, which would blame the other file.
				return guarded(func() error {
					w := &textWork{t: t, rows: rows, marks: map[boxPlace]mailstore.ModSeq{}}
					w.open(tx)
					if err := fn(w); err != nil {
						return err
					}
					return w.flush()
				})
			})
		})
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case isDamage(err):
		t.lose(file, err)
	case err != nil && t.s.isClosing():
		return mailstore.ErrClosed
	}
	return err
}

// textWork is one write of the file.
type textWork struct {
	t     *texts
	rows  *txn
	mark  *bolt.Bucket
	place *bolt.Bucket
	head  *bolt.Bucket
	body  *bolt.Bucket
	wrote int
	marks map[boxPlace]mailstore.ModSeq // found in this write
}

func (w *textWork) open(tx *bolt.Tx) {
	for name, b := range map[string]**bolt.Bucket{tMark: &w.mark, tPlace: &w.place, tHead: &w.head, tBody: &w.body} {
		*b = tx.Bucket([]byte(name))
		(*b).FillPercent = 0.95 // most keys come at the end of a range
	}
}

// put and del count what is written.
func (w *textWork) put(b *bolt.Bucket, key, value []byte) error {
	w.wrote++
	if err := b.Put(key, value); err != nil {
		return fmt.Errorf("write text: %w", err)
	}
	return nil
}

func (w *textWork) del(b *bolt.Bucket, key []byte) error {
	w.wrote++
	if err := b.Delete(key); err != nil {
		return fmt.Errorf("delete text: %w", err)
	}
	return nil
}

// markEvery is how far a mark may be ahead of the one on the disk. It bounds
// what is looked at again after a crash.
const markEvery = 1000

// flush keeps the marks: on the disk along with other things, or when there is
// much to look at again.
func (w *textWork) flush() error {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	for at, mod := range w.marks {
		w.t.settled[at] = mod
		if w.wrote > 0 || mod >= w.kept(at)+markEvery {
			if err := w.put(w.mark, boxKey(at.account, at.box), key(mod)); err != nil {
				return err
			}
			delete(w.t.settled, at)
		}
	}
	if w.wrote == 0 {
		return errUnchanged
	}
	return nil
}

// kept is the mark on the disk.
func (w *textWork) kept(at boxPlace) mailstore.ModSeq {
	d := decoder{b: w.mark.Get(boxKey(at.account, at.box))}
	return mailstore.ModSeq(d.fixed64())
}

// settledTo is the mark of a mailbox.
func (w *textWork) settledTo(at boxPlace) mailstore.ModSeq {
	w.t.mu.Lock()
	mod, ok := w.t.settled[at]
	w.t.mu.Unlock()
	if ok {
		return mod
	}
	return w.kept(at)
}

// number is that of the text of a row, 0 when it has none.
func (w *textWork) number(an uint32, l mailstore.Location) uint64 {
	d := decoder{b: w.place.Get(rowKey(an, l.Mailbox, l.UID))}
	return d.fixed64()
}

// link leads from rows to a text.
func (w *textWork) link(an uint32, rows []mailstore.Location, number uint64) error {
	for _, l := range rows {
		if w.number(an, l) == number {
			continue
		}
		if err := w.put(w.place, rowKey(an, l.Mailbox, l.UID), key(number)); err != nil {
			return err
		}
	}
	return nil
}

// shared finds the text of a message through any of its rows.
func (w *textWork) shared(an uint32, rows []mailstore.Location) uint64 {
	for _, l := range rows {
		if n := w.number(an, l); n > 0 {
			return n
		}
	}
	return 0
}

// Put implements mailstore.Texts.
func (t *texts) Put(ctx context.Context, list []mailstore.Text) error {
	return t.change(ctx, func(w *textWork) error {
		for _, text := range list {
			if err := w.keep(text); err != nil {
				return err
			}
		}
		return nil
	})
}

// keep keeps one text.
func (w *textWork) keep(text mailstore.Text) error {
	keys, err := w.rows.accountKeys(text.Account, true)
	if errors.Is(err, mailstore.ErrNoAccount) {
		return nil
	}
	if err != nil {
		return err
	}
	v := &view{txn: w.rows, keys: keys}
	at, err := v.ByEmailID(text.EmailID)
	if err != nil || len(at) == 0 {
		return err
	}
	number := w.shared(keys.num, at)
	if number == 0 {
		if number, err = w.head.NextSequence(); err != nil {
			return fmt.Errorf("number of text: %w", err)
		}
		k := key(keys.num, number)
		head := append(make([]byte, 0, 16+len(text.Head)+sealOverhead), text.EmailID[:]...)
		if err := w.put(w.head, k, keys.text.Seal(head, nil, text.Head, textAD('h', k))); err != nil {
			return err
		}
		if err := w.put(w.body, k, keys.text.Seal(nil, nil, text.Body, textAD('b', k))); err != nil {
			return err
		}
	}
	return w.link(keys.num, at, number)
}

// textAD ties a sealed part to its place.
func textAD(part byte, k []byte) []byte { return append([]byte{part}, k...) }

// errNoTexts says that the file could not be made.
var errNoTexts = errors.New("texts cannot be kept")

// numberOf reads the value of a place.
func numberOf(v []byte) (uint64, error) {
	if len(v) != 8 {
		return 0, fmt.Errorf("place of text: %w", errTextsDamaged)
	}
	return binary.BigEndian.Uint64(v), nil
}
