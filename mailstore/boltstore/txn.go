package boltstore

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// bucket numbers a bucket; the number is part of the associated data of
// sealed values and must never change.
type bucket uint8

const (
	bMeta bucket = iota
	bHolder
	bAccount
	bState
	bAddress
	bCred
	bSetting
	bBox
	bBoxName
	bPurge
	bRow
	bFlag
	bLog
	bEmail
	bShows
	bLetter
	bLetTime
	bLetKey
	bEvidence
	bJournal
	bHash
	bItem
	bDue
	bPast
	bGone
	bWrap
	bInline
	bDead
	bRowKey
	bDoomed
	bKeep
	bKeepEnd
	bVault
	bucketCount
)

var bucketNames = [bucketCount]string{
	"meta", "holder", "account", "state", "address", "cred", "setting",
	"box", "boxname", "purge", "row", "flag", "log", "email", "shows",
	"letter", "lettime", "letkey", "evidence", "journal", "hash",
	"item", "due", "past", "gone", "wrap", "inline", "dead", "rowkey", "doomed",
	"keep", "keepend", "vault",
}

// random says which buckets have keys without order: MACs, names, and ids that
// their callers derive from others. The rest is written at the end of a range
// and filled up, which would leave pages with random keys nearly empty.
var random = [bucketCount]bool{
	bAddress: true, bSetting: true, bBoxName: true, bLetKey: true, bRowKey: true, bWrap: true, bEmail: true, bPast: true,
	bKeep: true, bVault: true,
}

// txn is a bbolt transaction with its buckets at hand, and a cursor for each
// from which single keys are looked up: a lookup of the bucket's own makes a
// new one each time, which costs more than the search.
type txn struct {
	s  *Store
	tx *bolt.Tx
	bk [bucketCount]*bolt.Bucket
	at [bucketCount]*bolt.Cursor
}

// b returns a bucket.
func (t *txn) b(n bucket) *bolt.Bucket {
	if t.bk[n] == nil {
		b := t.tx.Bucket([]byte(bucketNames[n]))
		if t.tx.Writable() && !random[n] {
			b.FillPercent = 0.95
		}
		t.bk[n] = b
	}
	return t.bk[n]
}

// get returns the value of a key, nil if absent; valid in the transaction.
func (t *txn) get(n bucket, key []byte) []byte {
	k, v := t.seek(n, key)
	if !bytes.Equal(k, key) {
		return nil
	}
	return v
}

// seek returns the first key that is not below key, and its value. It searches
// from the root, so that it sees what was written since the last time.
func (t *txn) seek(n bucket, key []byte) (k, v []byte) {
	if t.at[n] == nil {
		t.at[n] = t.b(n).Cursor()
	}
	return t.at[n].Seek(key)
}

// scan calls fn for the keys that begin with prefix, from the key from on
// (nil: all), until fn returns false. fn must not change the bucket.
func (t *txn) scan(n bucket, prefix, from []byte, fn func(k, v []byte) bool) {
	if from == nil {
		from = prefix
	}
	c := t.b(n).Cursor()
	for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if !fn(k, v) {
			return
		}
	}
}

// last returns the greatest key with the prefix, nil if there is none.
func (t *txn) last(n bucket, prefix []byte) (k, v []byte) {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			break
		}
	}
	c := t.b(n).Cursor()
	if k, _ = c.Seek(end); k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	if !bytes.HasPrefix(k, prefix) {
		return nil, nil
	}
	return k, v
}

// work is the part of a shared transaction that belongs to one request. It
// notes whether anything was written, and what must be told after the commit.
type work struct {
	*txn
	writes int   // rows written or deleted
	broken error // a method failed after it wrote
	weight int   // octets written

	touched map[mailstore.ID]*touch
	wakes   map[string]bool
	purge   bool // a mailbox waits for the removal of its rows
	doomed  int  // messages left to be dropped, less those that were
	created bool // an account was made: its keys may not be shared yet

	changed []changed // while a compaction wants to know
}

// touch is what watchers of an account are told.
type touch struct {
	all   bool // the list of mailboxes changed
	boxes map[mailstore.MailboxID]bool
}

// put writes a value, which must not be changed afterwards.
func (w *work) put(n bucket, key, value []byte) error {
	w.writes++
	w.weight += len(key) + len(value)
	w.noteChange(n, key)
	if err := w.b(n).Put(key, value); err != nil {
		return w.spoil(fmt.Errorf("write %s: %w", bucketNames[n], err))
	}
	return nil
}

// del removes a key; an absent one is no error.
func (w *work) del(n bucket, key []byte) error {
	w.writes++
	w.weight += len(key)
	w.noteChange(n, key)
	if err := w.b(n).Delete(key); err != nil {
		return w.spoil(fmt.Errorf("delete from %s: %w", bucketNames[n], err))
	}
	return nil
}

// spoil marks the request as not to be committed.
func (w *work) spoil(err error) error {
	if w.broken == nil {
		w.broken = err
	}
	return err
}

// guard is deferred by the methods that write: one that fails after its first
// write spoils the request, even if its caller ignores the error.
func (w *work) guard(writes int, err *error) {
	if *err != nil && w.writes > writes {
		_ = w.spoil(*err)
	}
}

// touch notes a changed mailbox; 0 stands for the list of mailboxes.
func (w *work) touch(account mailstore.ID, box mailstore.MailboxID) {
	if w.touched == nil {
		w.touched = map[mailstore.ID]*touch{}
	}
	t := w.touched[account]
	if t == nil {
		t = &touch{boxes: map[mailstore.MailboxID]bool{}}
		w.touched[account] = t
	}
	if box == 0 {
		t.all = true
	} else {
		t.boxes[box] = true
	}
}

// wake notes work for a class of the queue.
func (w *work) wake(class string) {
	if w.wakes == nil {
		w.wakes = map[string]bool{}
	}
	w.wakes[class] = true
}

// counter takes the next n numbers of a counter and returns the first.
func (w *work) counter(name string, n uint64) (uint64, error) {
	next, err := w.txn.counter(name)
	if err != nil {
		return 0, err
	}
	var e encoder
	e.fixed64(next + n)
	return next, w.put(bMeta, []byte(name), e.b)
}
