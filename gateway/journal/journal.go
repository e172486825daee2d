// Package journal is the record of what happened in an account, kept so that
// nothing can be changed, removed or slipped in unseen: a Merkle log for each
// account (RFC 6962, by golang.org/x/mod/sumdb/tlog) whose leaf is written in
// the same Update as the event, and signed checkpoints over all accounts.
//
// It owns the form of records, leaves and checkpoints, and their proofs. It
// never holds the text of a message, is not the log of the program, and
// decides nothing: who acts writes the entry.
//
// # How a stranger recomputes a head
//
// All integers are big-endian, || joins octets, \0 is one zero octet.
//
//	details  the canonical JSON of the entry, as Details describes
//	salt     16 random octets
//	commit   SHA-256("gosbridge journal details 1\0" || salt || details)
//	record   "gosbridge journal record 1\0" || uint64 index ||
//	         int64 milliseconds since 1970-01-01 UTC ||
//	         uint8 length of kind || kind || commit
//	leaf     SHA-256(0x00 || record)
//	node     SHA-256(0x01 || left || right)
//
// Leaf and node, and with them the head and every proof, are those of RFC 6962
// §2.1. The index of the first record is 0. An empty journal has the head
// SHA-256("").
//
// Salt and details can be destroyed when their time is over: the commit stays,
// so every proof stays valid, and the salt keeps what was there from being
// guessed.
package journal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"gosbridge/mailstore"
)

// The first octets of what is hashed keep one use of SHA-256 from being passed
// off as another.
const (
	detailsDomain = "gosbridge journal details 1\x00"
	recordDomain  = "gosbridge journal record 1\x00"
)

// SaltSize is the length of a salt in octets.
const SaltSize = 16

// ErrEntry says that an entry cannot be written: its kind or a name in its
// details has a wrong form, or its details are too long.
var ErrEntry = errors.New("malformed journal entry")

// Entry is an event to be written.
type Entry struct {
	At      time.Time // of the event; kept in milliseconds, UTC
	Kind    string    // one of the constants of this package
	Details Details
	// Salt is chosen by NewEntry, outside the Update, whose function may run
	// twice and must do the same both times.
	Salt [SaltSize]byte
}

// NewEntry returns an entry with a fresh salt. Append checks its form.
func NewEntry(at time.Time, kind string, details Details) Entry {
	e := Entry{At: at, Kind: kind, Details: details}
	// crypto/rand.Read never fails (Go 1.24 and later).
	_, _ = rand.Read(e.Salt[:])
	return e
}

// Tree is the state of a journal: how many records, and the hash over them.
type Tree struct {
	Size int64 // records
	Root mailstore.Hash
}

// Append writes the entry at the end of the account's journal and returns its
// index. ErrEntry when the entry's form is wrong, before anything is written;
// a zero salt is one. Else the errors of the store.
func Append(tx mailstore.UpdateTx, e Entry) (int64, error) {
	return appendTo(tx, e)
}

// appender is what Append needs of an UpdateTx.
type appender interface {
	reader
	mailstore.JournalWriter
}

func appendTo(tx appender, e Entry) (int64, error) {
	details, err := e.encode()
	if err != nil {
		return 0, err
	}
	index, err := tx.JournalSize()
	if err != nil {
		return 0, fmt.Errorf("append to journal: %w", err)
	}
	rec := mailstore.JournalRecord{
		Index: index, At: e.At.UTC().Truncate(time.Millisecond), Kind: e.Kind,
		Commit: Commit(e.Salt[:], details), Salt: e.Salt[:], Details: details,
	}
	hashes, err := tlog.StoredHashesForRecordHash(index, tlog.Hash(Leaf(rec)), hashReader(tx))
	if err != nil {
		return 0, fmt.Errorf("append to journal at %d: %w", index, err)
	}
	if err := tx.AppendJournal(rec, fromTlog(hashes)); err != nil {
		return 0, fmt.Errorf("append to journal at %d: %w", index, err)
	}
	return index, nil
}

// encode checks the entry and returns its details in canonical form.
func (e Entry) encode() ([]byte, error) {
	if !validName(e.Kind) {
		return nil, fmt.Errorf("kind %q: %w", e.Kind, ErrEntry)
	}
	if e.Salt == [SaltSize]byte{} {
		return nil, fmt.Errorf("entry %s without salt: %w", e.Kind, ErrEntry)
	}
	if e.At.IsZero() {
		return nil, fmt.Errorf("entry %s without time: %w", e.Kind, ErrEntry)
	}
	details, err := e.Details.Encode()
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Kind, err)
	}
	return details, nil
}

// Commit is the hash by which a leaf holds details without revealing them.
func Commit(salt, details []byte) mailstore.Hash {
	h := sha256.New()
	h.Write([]byte(detailsDomain))
	h.Write(salt)
	h.Write(details)
	return mailstore.Hash(h.Sum(nil))
}

// Leaf is the leaf hash of a record, from its index, time, kind and commit.
func Leaf(rec mailstore.JournalRecord) mailstore.Hash {
	data := make([]byte, 0, len(recordDomain)+8+8+1+len(rec.Kind)+len(rec.Commit))
	data = append(data, recordDomain...)
	data = binary.BigEndian.AppendUint64(data, uint64(rec.Index))
	data = binary.BigEndian.AppendUint64(data, uint64(rec.At.UnixMilli()))
	data = append(data, byte(len(rec.Kind)))
	data = append(data, rec.Kind...)
	data = append(data, rec.Commit[:]...)
	return mailstore.Hash(tlog.RecordHash(data))
}
