package journal

import (
	"errors"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"gosbridge/mailstore"
)

// ErrProof says that a proof does not prove what it should.
var ErrProof = errors.New("journal proof does not hold")

// reader is what reading the journal needs of a Tx.
type reader interface {
	JournalSize() (int64, error)
	Journal(from int64, limit int) iter.Seq2[mailstore.JournalRecord, error]
	JournalHashes(indexes []int64) ([]mailstore.Hash, error)
}

// hashReader gives tlog the hashes that the store keeps.
func hashReader(tx reader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		if len(indexes) == 0 {
			return nil, nil
		}
		stored, err := tx.JournalHashes(indexes)
		if err != nil {
			return nil, err
		}
		hashes := make([]tlog.Hash, len(stored))
		for i, h := range stored {
			hashes[i] = tlog.Hash(h)
		}
		return hashes, nil
	})
}

func fromTlog(hashes []tlog.Hash) []mailstore.Hash {
	out := make([]mailstore.Hash, len(hashes))
	for i, h := range hashes {
		out[i] = mailstore.Hash(h)
	}
	return out
}

// Head returns size and root of the account's journal, from stored hashes.
func Head(tx mailstore.Tx) (Tree, error) { return head(tx) }

func head(tx reader) (Tree, error) {
	size, err := tx.JournalSize()
	if err != nil {
		return Tree{}, fmt.Errorf("journal head: %w", err)
	}
	root, err := tlog.TreeHash(size, hashReader(tx))
	if err != nil {
		return Tree{}, fmt.Errorf("journal head of %d: %w", size, err)
	}
	return Tree{Size: size, Root: mailstore.Hash(root)}, nil
}

// Prove returns the proof that the record at index stands in the journal, and
// the tree it proves it for. CheckRecord checks it.
func Prove(tx mailstore.Tx, index int64) (tlog.RecordProof, Tree, error) { return prove(tx, index) }

func prove(tx reader, index int64) (tlog.RecordProof, Tree, error) {
	tree, err := head(tx)
	if err != nil {
		return nil, Tree{}, err
	}
	proof, err := tlog.ProveRecord(tree.Size, index, hashReader(tx))
	if err != nil {
		return nil, Tree{}, fmt.Errorf("prove journal record %d of %d: %w", index, tree.Size, err)
	}
	return proof, tree, nil
}

// CheckRecord checks, without a store, that rec stands in tree, and that its
// salt and details, when they are there, are those that were written.
// ErrProof when not.
func CheckRecord(rec mailstore.JournalRecord, proof tlog.RecordProof, tree Tree) error {
	if err := checkDetails(rec); err != nil {
		return fmt.Errorf("journal record %d: %w: %w", rec.Index, err, ErrProof)
	}
	if err := tlog.CheckRecord(proof, tree.Size, tlog.Hash(tree.Root), rec.Index, tlog.Hash(Leaf(rec))); err != nil {
		return fmt.Errorf("journal record %d of %d: %w: %w", rec.Index, tree.Size, err, ErrProof)
	}
	return nil
}

// ProveLater returns the proof that the journal as it is now continues the
// earlier tree, and the tree as it is now; the proof has been checked. ErrProof
// when the journal is no continuation: records were changed or cut off since.
func ProveLater(tx mailstore.Tx, earlier Tree) (tlog.TreeProof, Tree, error) {
	return proveLater(tx, earlier)
}

func proveLater(tx reader, earlier Tree) (tlog.TreeProof, Tree, error) {
	now, err := head(tx)
	if err != nil {
		return nil, Tree{}, err
	}
	var proof tlog.TreeProof
	if 0 < earlier.Size && earlier.Size <= now.Size {
		if proof, err = tlog.ProveTree(now.Size, earlier.Size, hashReader(tx)); err != nil {
			return nil, Tree{}, fmt.Errorf("prove journal of %d from %d: %w", now.Size, earlier.Size, err)
		}
	}
	return proof, now, CheckLater(earlier, now, proof)
}

// CheckLater checks, without a store, that the later tree continues the
// earlier one. ErrProof when not.
func CheckLater(earlier, later Tree, proof tlog.TreeProof) error {
	if earlier.Size > later.Size {
		return fmt.Errorf("journal of %d records had %d: %w", later.Size, earlier.Size, ErrProof)
	}
	if earlier.Size == 0 {
		// Everything continues nothing, which has one root only.
		empty, err := tlog.TreeHash(0, nil)
		if err != nil || earlier.Root != mailstore.Hash(empty) {
			return fmt.Errorf("empty journal with a wrong root: %w", ErrProof)
		}
		return nil
	}
	err := tlog.CheckTree(proof, later.Size, tlog.Hash(later.Root), earlier.Size, tlog.Hash(earlier.Root))
	if err != nil {
		return fmt.Errorf("journal of %d against %d: %w: %w", later.Size, earlier.Size, err, ErrProof)
	}
	return nil
}
