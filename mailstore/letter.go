package mailstore

import "time"

// LetterRole tells the two sides of a letter apart.
type LetterRole uint8

// The roles an account can have in a letter.
const (
	Sender LetterRole = iota + 1
	Recipient
)

// Letter is the record that an account keeps of a letter it sent or received.
// What a state means is the gateway's; the store keeps and finds.
type Letter struct {
	ID     ID // the same in every account that has part in the letter
	Role   LetterRole
	Number string    // human number, in the clear
	Type   string    // letter type, in the clear
	State  string    // in the clear
	At     time.Time // of acceptance or delivery; orders Letters
	Data   []byte    // the rest, sealed
	// Version is raised by every PutLetter, which fails with ErrConflict
	// when it is not the stored one. 0 for a new record.
	Version uint64
	// Keys are what the letter can be found by, besides its ID (Message-ID,
	// number, digest of a submission). Kept as keyed MACs, so empty on read;
	// PutLetter adds those given.
	Keys []string
}

// LetterFilter selects letters. Zero fields select all.
type LetterFilter struct {
	Role   LetterRole
	States []string
	Type   string
	Key    string // one of the Keys
	Since  time.Time
	Until  time.Time
	Limit  int
}

// Evidence is one signed record of an event in a letter's life.
type Evidence struct {
	ID     ID
	Letter ID
	Event  string // name of the event, in the clear
	At     time.Time
	Hash   Hash   // SHA-256 by which the next evidence and the journal name it
	Data   []byte // sealed
}

// LetterWriter keeps letters and their evidence.
type LetterWriter interface {
	// PutLetter writes a record. ErrConflict when Version is not the stored
	// one, which for a new record means that it exists.
	PutLetter(Letter) error
	// PutEvidence adds evidence; one that is there already is left alone.
	PutEvidence(Evidence) error
}
