package letter

import (
	"errors"
	"fmt"
	"time"

	"gosbridge/mailstore"
	"gosbridge/policy"
)

// Each copy of a letter has a term of its own: the sender's from the
// acceptance, a recipient's from the delivery. It is fixed when the copy is
// made, by the profile of that time. Until its end the store keeps the copy,
// also when its owner expunges it (mailstore.Kept); what happens at the end is
// Retain's.

// Retention says how the ends of terms are told and put off.
type Retention struct {
	Warning   policy.Period // how long before the end the owner is told
	Extension policy.Period // how much longer a letter is kept that its owner wants
}

// DefaultRetention is that of a gateway whose configuration says nothing.
func DefaultRetention() Retention {
	return Retention{Warning: policy.Days(30), Extension: policy.Years(1)}
}

// SetRetention puts other rules in force. Terms stay what they are.
func (o *Office) SetRetention(r Retention) {
	if r == (Retention{}) {
		r = DefaultRetention()
	}
	o.rules.Store(&r)
}

// keptFor is what the store is to note of a copy that is kept for a term; nil
// for a letter of before there were terms.
func keptFor(email, letter mailstore.ID, from time.Time, term policy.Period) *mailstore.Kept {
	if term.IsZero() {
		return nil
	}
	return &mailstore.Kept{EmailID: email, LetterID: letter, Until: TermEnd(from, term)}
}

// keepCopy notes it. A hold that came before the letter stays.
func keepCopy(tx mailstore.UpdateTx, k *mailstore.Kept) error {
	if k == nil {
		return nil
	}
	noted := *k // k is of a transition, which may be applied once more
	old, err := tx.Kept(k.EmailID)
	if err == nil {
		noted.Held = old.Held
	} else if !errors.Is(err, mailstore.ErrNotKept) {
		return fmt.Errorf("keep copy: %w", err)
	}
	if err := tx.Keep(noted); err != nil {
		return fmt.Errorf("keep copy: %w", err)
	}
	return nil
}

// roleOf tells whose copy of a letter a message of an account is. A letter to
// oneself has both.
func roleOf(account mailstore.ID, k mailstore.Kept) mailstore.LetterRole {
	if k.EmailID == ArrivalID(k.LetterID, account) {
		return mailstore.Recipient
	}
	return mailstore.Sender
}

// copyNames are what the journal and the commands call a copy.
var copyNames = map[mailstore.LetterRole]string{mailstore.Sender: "sent", mailstore.Recipient: "received"}

// CopyName is what the journal and the commands call a copy.
func CopyName(role mailstore.LetterRole) string { return copyNames[role] }

// standing is where a copy is.
type standing struct {
	rows    []mailstore.Location
	flagged bool // one of them has \Flagged
	vaulted bool
}

// stands looks where a copy is.
func stands(tx mailstore.Tx, email mailstore.ID) (s standing, err error) {
	if s.rows, err = tx.ByEmailID(email); err != nil {
		return s, fmt.Errorf("rows of copy: %w", err)
	}
	for box, uids := range boxes(s.rows) {
		var set mailstore.UIDSet
		set.AddNum(uids...)
		for m, err := range tx.Messages(box, set, 0) {
			if err != nil {
				return s, fmt.Errorf("rows of copy: %w", err)
			}
			s.flagged = s.flagged || m.Flags&mailstore.Flagged != 0
		}
	}
	if len(s.rows) > 0 {
		return s, nil
	}
	_, err = tx.Vaulted(email, 0)
	if errors.Is(err, mailstore.ErrNoMessage) {
		return s, nil
	}
	s.vaulted = err == nil
	return s, err
}
