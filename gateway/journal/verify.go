package journal

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"gosbridge/mailstore"
)

// ErrTampered says that the journal is not what was written.
var ErrTampered = errors.New("journal tampered with or damaged")

// TamperedError says which record is wrong. errors.Is finds ErrTampered.
type TamperedError struct {
	Index int64  // of the record
	What  string // what is wrong with it, for people
	Cause error  // of the store, if there is one
}

func (e *TamperedError) Error() string {
	return fmt.Sprintf("journal record %d: %s", e.Index, e.What)
}

// Unwrap makes errors.Is find ErrTampered, and the cause.
func (e *TamperedError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrTampered}
	}
	return []error{ErrTampered, e.Cause}
}

// Verify recomputes every leaf and every stored hash and returns the tree. A
// *TamperedError names the first record that is wrong; records whose details
// were destroyed are as good as others. Whoever changed records and hashes
// alike is found by comparing the tree with an earlier one (ProveLater).
func Verify(tx mailstore.Tx) (Tree, error) {
	var v Verifier
	for {
		if more, err := v.Step(tx, verifySlice); err != nil {
			return Tree{}, err
		} else if !more {
			return v.Tree()
		}
	}
}

// verifySlice is how many records Verify takes at once.
const verifySlice = 4096

// Verifier verifies a journal in slices, so that a long one needs no long
// transaction: each Step may run in a View of its own, for what was verified
// is only ever added to. The zero value starts at the beginning. It is not
// safe for concurrent use.
type Verifier struct {
	size int64
	// subtrees are the roots of the complete subtrees that the records so far
	// fall into, the largest first: all that the next leaf needs.
	subtrees []tlog.Hash
}

// Step verifies up to limit further records; more is false when the end of
// the journal was reached. After an error the Verifier is of no more use.
func (v *Verifier) Step(tx mailstore.Tx, limit int) (more bool, err error) { return v.step(tx, limit) }

func (v *Verifier) step(tx reader, limit int) (more bool, err error) {
	total, err := tx.JournalSize()
	if err != nil {
		return false, fmt.Errorf("verify journal: %w", err)
	}
	if total < v.size {
		return false, &TamperedError{Index: total, What: fmt.Sprintf("gone: the journal ends before it, it had %d", v.size)}
	}
	first := v.size
	want := min(total-first, int64(limit))
	var hashes []tlog.Hash
	for rec, err := range tx.Journal(first, int(want)) {
		if errors.Is(err, mailstore.ErrDamaged) {
			return false, &TamperedError{Index: v.size, What: "not readable: " + err.Error(), Cause: err}
		}
		if err != nil {
			return false, fmt.Errorf("verify journal record %d: %w", v.size, err)
		}
		if hashes, err = v.take(rec, hashes); err != nil {
			return false, err
		}
		if v.size == first+want {
			break
		}
	}
	if v.size != first+want {
		return false, &TamperedError{Index: v.size, What: "missing"}
	}
	if err := compare(tx, first, hashes); err != nil {
		return false, err
	}
	return v.size < total, nil
}

// take verifies one record and appends the hashes that it completes.
func (v *Verifier) take(rec mailstore.JournalRecord, hashes []tlog.Hash) ([]tlog.Hash, error) {
	if rec.Index != v.size {
		return nil, &TamperedError{Index: v.size, What: fmt.Sprintf("record %d stands in its place", rec.Index)}
	}
	if err := checkDetails(rec); err != nil {
		return nil, &TamperedError{Index: rec.Index, What: err.Error()}
	}
	h := tlog.Hash(Leaf(rec))
	hashes = append(hashes, h)
	// Each trailing one bit of the index completes a subtree (RFC 6962 §2.1).
	for n := rec.Index; n&1 == 1; n >>= 1 {
		last := len(v.subtrees) - 1
		h = tlog.NodeHash(v.subtrees[last], h)
		v.subtrees = v.subtrees[:last]
		hashes = append(hashes, h)
	}
	v.subtrees = append(v.subtrees, h)
	v.size++
	return hashes, nil
}

// Tree returns the tree over the records verified so far.
func (v *Verifier) Tree() (Tree, error) {
	if v.size == 0 {
		root, err := tlog.TreeHash(0, nil)
		return Tree{Root: mailstore.Hash(root)}, err
	}
	last := len(v.subtrees) - 1
	root := v.subtrees[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(v.subtrees[i], root)
	}
	return Tree{Size: v.size, Root: mailstore.Hash(root)}, nil
}

// compare compares the computed hashes, those from record first on, with the
// stored ones.
func compare(tx reader, first int64, computed []tlog.Hash) error {
	if len(computed) == 0 {
		return nil
	}
	start := tlog.StoredHashCount(first)
	indexes := make([]int64, len(computed))
	for i := range indexes {
		indexes[i] = start + int64(i)
	}
	stored, err := tx.JournalHashes(indexes)
	if err != nil {
		return fmt.Errorf("verify journal hashes from record %d: %w", first, err)
	}
	for i, h := range computed {
		if i >= len(stored) || stored[i] != mailstore.Hash(h) {
			level, n := tlog.SplitStoredHashIndex(indexes[i])
			return &TamperedError{
				Index: (n+1)<<level - 1,
				What:  fmt.Sprintf("hash stored at level %d is not that of the records", level),
			}
		}
	}
	return nil
}

// checkDetails checks that salt and details are those of the commit.
func checkDetails(rec mailstore.JournalRecord) error {
	switch {
	case !validName(rec.Kind):
		return errors.New("kind malformed")
	case rec.Details == nil:
		return nil // destroyed
	case len(rec.Salt) != SaltSize:
		return fmt.Errorf("salt of %d octets", len(rec.Salt))
	case Commit(rec.Salt, rec.Details) != rec.Commit:
		return errors.New("details are not those that were written")
	}
	return nil
}
