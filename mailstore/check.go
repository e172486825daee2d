package mailstore

import (
	"context"
	"time"
)

// Damage is the kind of a finding: one of the words below, which stay.
type Damage string

// The kinds of findings.
const (
	DamagePage       Damage = "page"       // the structure of a file itself
	DamageUnreadable Damage = "unreadable" // a record without sense, or whose tag does not fit
	DamageMissing    Damage = "missing"    // what another record names is not there
	DamageOrphan     Damage = "orphan"     // a record that belongs to nothing
	DamageCount      Damage = "count"      // a count or counter is wrong
	DamageMismatch   Damage = "mismatch"   // two records contradict each other
	DamageBody       Damage = "body"       // a body is not there or not whole
	DamageJournal    Damage = "journal"    // a journal is not what was written
	DamageEvidence   Damage = "evidence"   // a chain of evidence is broken
	DamageLetter     Damage = "letter"     // the record of a letter has no sense
	DamageText       Damage = "text"       // a text for searching, which is derived
)

// Finding is one rule that a store breaks, and where. It holds nothing secret:
// ids, numbers and keyed MACs.
type Finding struct {
	Kind    Damage    `json:"kind"`
	File    string    `json:"file,omitempty"`   // in the data folder
	Bucket  string    `json:"bucket,omitempty"` // of the file
	Key     string    `json:"key,omitempty"`    // in the bucket, hexadecimal
	Account ID        `json:"account,omitzero"`
	Mailbox MailboxID `json:"mailbox,omitempty"`
	UID     UID       `json:"uid,omitempty"`
	Letter  ID        `json:"letter,omitzero"`
	Body    string    `json:"body,omitempty"` // name
	Text    string    `json:"text"`           // what is wrong, in English
}

// CheckOptions say how a store is checked.
type CheckOptions struct {
	// Bodies lets every body be read to its end.
	Bodies bool
	// Pages checks the structure of the files page by page. Nothing is written
	// meanwhile, and memory grows with the size of the largest file.
	Pages bool
	// Gentle rests after each slice for as long as that took, for a store that
	// serves.
	Gentle bool
	// Progress, when set, is told what is being checked, how much of it is
	// done, of how much (0: not known), and in which unit.
	Progress func(stage string, done, total int64, unit string)
}

// CheckReport is what a check has seen.
type CheckReport struct {
	Accounts   int64 `json:"accounts"`
	Mailboxes  int64 `json:"mailboxes"`
	Messages   int64 `json:"messages"`
	Letters    int64 `json:"letters"`
	Bodies     int64 `json:"bodies"` // held by a holder, one for each
	BodyOctets int64 `json:"body_octets"`
	// Findings is how many there were; not all may have been told.
	Findings int64 `json:"findings"`
	// NextNumber is the first human number that no block has yet.
	NextNumber uint64 `json:"next_number"`
}

// Mend is one thing that a repair did.
type Mend struct {
	Action string `json:"action"` // rebuilt, removed or set-aside
	Finding
}

// What a repair does.
const (
	MendRebuilt  = "rebuilt"   // made anew from what it follows from
	MendRemoved  = "removed"   // belonged to nothing
	MendSetAside = "set-aside" // could not be read: moved into the folder of what was found
)

// RepairReport tells what a repair did.
type RepairReport struct {
	Mends map[string]int64 `json:"mends"` // by action
	// Folder has what was set aside and what was done, in the data folder; ""
	// when nothing was.
	Folder string `json:"folder,omitempty"`
}

// Checker is a store that can be checked and repaired. A store that cannot
// lose what it derives need not be one.
type Checker interface {
	// AccountIDs returns the ids of all accounts, also of those whose record
	// cannot be read.
	AccountIDs(ctx context.Context) ([]ID, error)
	// Inspect checks everything that the store keeps and calls found for each
	// rule that is broken, from one goroutine. It may run beside everything else:
	// it reads in slices, and what changes between two of them is no finding. The
	// error is one of reading at all; damage is not one. Of a store that is broken
	// all over only the first findings are told.
	Inspect(ctx context.Context, opts CheckOptions, found func(Finding)) (CheckReport, error)
	// Repair makes anew what follows from other records and sets aside what
	// cannot be read; each thing is told before its commit. Nobody else may use
	// the store. Letters, evidence and journals are never touched. Repeating is
	// harmless, also after a crash. at names the folder of what is set aside, which
	// keeps a line for all that was done too.
	Repair(ctx context.Context, at time.Time, opts CheckOptions, did func(Mend)) (RepairReport, error)
}
