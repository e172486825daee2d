package mailstore

import "time"

// Hash is a SHA-256 digest.
type Hash [32]byte

// JournalRecord is one record of an account's journal. How the leaf hash and
// the tree are computed is the gateway's (package journal); the store keeps
// records and hashes together.
type JournalRecord struct {
	Index   int64
	At      time.Time // UTC, milliseconds
	Kind    string    // in the clear
	Commit  Hash      // H(salt || details); stays when they are destroyed
	Salt    []byte    // 16 octets, sealed
	Details []byte    // sealed; nil when destroyed
}

// JournalWriter appends to the account's journal.
type JournalWriter interface {
	// AppendJournal adds the record at index JournalSize, and the tree hashes
	// that it completes at the hash indexes that follow those present.
	// ErrConflict when Index is not JournalSize.
	AppendJournal(rec JournalRecord, hashes []Hash) error
}
