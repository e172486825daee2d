package letter

import (
	"encoding/json"
	"fmt"
	"strconv"

	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

// Serial is the serial in a letter's number; false when s is no number.
func Serial(s string) (uint64, bool) {
	if !ValidNumber(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s[10:len(s)-2], 10, 64)
	return n, err == nil
}

// Check looks whether a record can be read, is found by its number and is the
// end of the chain of its evidence. found is called for what is wrong; seen, for
// each evidence, so that it can be looked for in the journal.
func Check(tx mailstore.Tx, rec mailstore.Letter, seen func(mailstore.Evidence), found func(mailstore.Damage, string)) error {
	var last mailstore.Hash
	switch rec.Role {
	case mailstore.Sender:
		out, err := DecodeOutgoing(rec)
		if err != nil {
			found(mailstore.DamageLetter, err.Error())
			return nil
		}
		last = out.Last
	case mailstore.Recipient:
		if _, err := DecodeIncoming(rec); err != nil {
			found(mailstore.DamageLetter, err.Error())
			return nil
		}
	default:
		found(mailstore.DamageLetter, fmt.Sprintf("role %d", rec.Role))
		return nil
	}
	if !ValidNumber(rec.Number) {
		found(mailstore.DamageLetter, fmt.Sprintf("%q is no number of a letter", rec.Number))
	} else if ok, err := foundByNumber(tx, rec); err != nil {
		return err
	} else if !ok {
		found(mailstore.DamageMissing, "not found by its number")
	}
	if rec.Role != mailstore.Sender {
		return nil
	}
	return checkChain(tx, rec, last, seen, found)
}

// foundByNumber reports whether a record is found by its number.
func foundByNumber(tx mailstore.Tx, rec mailstore.Letter) (bool, error) {
	for l, err := range tx.Letters(mailstore.LetterFilter{Key: NumberKey(rec.Number), Role: rec.Role}) {
		if err != nil {
			return false, fmt.Errorf("letter %s: %w", rec.Number, err)
		}
		if l.ID == rec.ID {
			return true, nil
		}
	}
	return false, nil
}

// checkChain walks the chain of a letter's evidence to the last, which its
// record names.
func checkChain(tx mailstore.Tx, rec mailstore.Letter, last mailstore.Hash, seen func(mailstore.Evidence), found func(mailstore.Damage, string)) error {
	var previous mailstore.Hash
	n := 0
	for ev, err := range tx.Evidence(rec.ID) {
		if err != nil {
			return fmt.Errorf("evidence of letter %s: %w", rec.Number, err)
		}
		if err := checkEvidence(ev, previous); err != nil {
			found(mailstore.DamageEvidence, fmt.Sprintf("evidence %d: %v", n, err))
		}
		seen(ev)
		previous = ev.Hash
		n++
	}
	if previous != last {
		found(mailstore.DamageEvidence, fmt.Sprintf("the last of %d is not the one that the letter names", n))
	}
	return nil
}

// checkEvidence compares a stored evidence with its two encodings and with the
// one before it.
func checkEvidence(ev mailstore.Evidence, previous mailstore.Hash) error {
	var stored StoredEvidence
	if err := json.Unmarshal(ev.Data, &stored); err != nil {
		return fmt.Errorf("%w: %w", mailstore.ErrDamaged, err)
	}
	sealed, err := receipt.ParseJSON(stored.JSON)
	if err != nil {
		return err
	}
	same, err := receipt.ParseXML(stored.XML)
	switch {
	case err != nil:
		return err
	case same.Hash != sealed.Hash:
		return fmt.Errorf("XML says something else than JSON: %w", mailstore.ErrDamaged)
	case sealed.Hash != ev.Hash || sealed.ID != ev.ID || string(sealed.Evidence.Event) != ev.Event || !sealed.Evidence.At.Equal(ev.At):
		return fmt.Errorf("not the one that is noted: %w", mailstore.ErrDamaged)
	case sealed.Evidence.Previous != receipt.Digest(previous):
		return fmt.Errorf("does not follow from the one before: %w", mailstore.ErrDamaged)
	}
	return nil
}
