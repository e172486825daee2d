package letter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// ErrStale says that the letter moved on since the transition was prepared:
// prepare it again.
var ErrStale = errors.New("letter moved on")

// staleTries is how often a transition is prepared on a letter that moves on.
const staleTries = 25

// Afresh calls f, which prepares a transition and applies it, until it no
// longer fails with ErrStale; but not for ever: the error then is for now.
func Afresh(f func() error) error {
	var err error
	for range staleTries {
		if err = f(); !errors.Is(err, ErrStale) {
			return err
		}
	}
	return fmt.Errorf("given up after %d tries, try again later: %w", staleTries, err)
}

// Transition is what events do to one letter in one account, prepared with its
// evidence on the letter as it was. It is applied once or thrown away.
type Transition struct {
	record   mailstore.Letter // as it will be; Version is what it was built on
	journal  []journal.Entry
	evidence []mailstore.Evidence
	mails    []filed
	items    []mailstore.Item
	bodies   []body.Ref
	kept     *mailstore.Kept // of the Sent copy; nil when nothing is to be noted
	shown    State           // what the status keywords will say
	held     bool
	rest     mailstore.Item // shows it on the copies that Apply leaves
}

// filed is a mail for one of the account's own mailboxes.
type filed struct {
	role    mailstore.Role
	message mailstore.NewMessage
}

// Empty reports whether the events changed nothing.
func (t *Transition) Empty() bool { return len(t.journal) == 0 }

// Weight is how many messages Apply touches at most: who applies several
// transitions in one Update keeps them below mailstore.MaxMessagesPerUpdate.
func (t *Transition) Weight() int {
	if t.Empty() {
		return 0
	}
	// An own copy may give way; a row is touched twice to show a state.
	return len(t.mails) + 1 + 2*shownAtOnce
}

// Discard removes the bodies of a transition that was not applied.
func (t *Transition) Discard(ctx context.Context, bodies body.Store) error {
	var errs []error
	for _, ref := range t.bodies {
		errs = append(errs, bodies.Discard(ctx, ref))
	}
	return errors.Join(errs...)
}

// Apply writes a transition: record, evidence, journal, receipts, queue items
// and the status keywords of the letter's copies, of which those beyond a few
// are left to the queue. ErrStale, before anything is written, when the letter
// is no longer as it was. It is pure on tx.
func Apply(tx mailstore.UpdateTx, t *Transition) error {
	if t.Empty() {
		return nil
	}
	own, err := t.settleCopy(tx)
	if err != nil {
		return err
	}
	if err := tx.PutLetter(own.record); errors.Is(err, mailstore.ErrConflict) {
		return fmt.Errorf("letter %s: %w", t.record.Number, ErrStale)
	} else if err != nil {
		return fmt.Errorf("letter %s: %w", t.record.Number, err)
	}
	for _, ev := range t.evidence {
		if err := tx.PutEvidence(ev); err != nil {
			return fmt.Errorf("letter %s: %w", t.record.Number, err)
		}
	}
	for _, e := range t.journal {
		if _, err := journal.Append(tx, e); err != nil {
			return fmt.Errorf("letter %s: %w", t.record.Number, err)
		}
	}
	if own.earlier != nil {
		if err := own.earlier.remove(tx); err != nil { // first, for the room that it takes
			return fmt.Errorf("letter %s: %w", t.record.Number, err)
		}
	}
	for _, m := range own.mails {
		if err := file(tx, m); err != nil {
			return fmt.Errorf("letter %s: %w", t.record.Number, err)
		}
	}
	if err := keepCopy(tx, t.kept); err != nil {
		return fmt.Errorf("letter %s: %w", t.record.Number, err)
	}
	for _, it := range t.items {
		if err := tx.Enqueue(it); err != nil {
			return fmt.Errorf("letter %s: %w", t.record.Number, err)
		}
	}
	if t.record.Version == 0 {
		return nil // a new letter has no row but its Sent copy, which was filed with its keywords
	}
	left, err := show(tx, t.record.ID, keywords(t.shown, t.held), shownAtOnce)
	if err == nil && left {
		err = tx.Enqueue(t.rest)
	}
	if err != nil {
		return fmt.Errorf("letter %s: %w", t.record.Number, err)
	}
	return nil
}

// settled is what a transition writes where the account may have a copy of the
// letter already.
type settled struct {
	record  mailstore.Letter
	mails   []filed
	earlier *earlier // that gives way; nil when there is none
}

// settleCopy looks whether the mail program filed a letter that is accepted
// only now. It changes nothing, neither in the store nor of t.
func (t *Transition) settleCopy(tx mailstore.Tx) (s settled, err error) {
	s = settled{record: t.record, mails: t.mails}
	i := slices.IndexFunc(t.mails, func(m filed) bool { return m.role == mailstore.RoleSent })
	if i < 0 {
		return s, nil
	}
	if s.earlier, err = findEarlier(tx, t.record, t.mails[i].message); s.earlier == nil || err != nil {
		return s, err
	}
	s.mails = slices.Clone(t.mails)
	return s, s.earlier.take(&s.record, &s.mails[i].message)
}

// file appends a mail to the mailbox with a role; an account without that
// mailbox gets it in INBOX.
func file(tx mailstore.UpdateTx, m filed) error {
	box, err := tx.MailboxByRole(m.role)
	if errors.Is(err, mailstore.ErrNoMailbox) {
		box, err = tx.MailboxByName("INBOX")
	}
	if err != nil {
		return fmt.Errorf("file mail: %w", err)
	}
	if err := place(tx, box.ID, m.message); err != nil {
		return fmt.Errorf("file mail in %s: %w", m.role, err)
	}
	return nil
}

// keywordPrefix starts every keyword that belongs to letters.
const keywordPrefix = "Letter-"

// KeywordAwaiting marks a received letter that waits for an acknowledgement.
const KeywordAwaiting = keywordPrefix + "Awaiting"

// statusKeywords are the keywords of the states, of which one letter shows
// those of its present state only.
var statusKeywords = []string{
	keywordPrefix + "Accepted", keywordPrefix + "Held", keywordPrefix + "Sent", keywordPrefix + "Delivered",
	keywordPrefix + "Opened", keywordPrefix + "Undeliverable", keywordPrefix + "Recalled",
}

// Owns reports whether a keyword belongs to letters, so that a client may
// neither set nor clear it.
func Owns(keyword string) bool {
	return len(keyword) > len(keywordPrefix) && strings.EqualFold(keyword[:len(keywordPrefix)], keywordPrefix)
}

// keywords are those of a state.
func keywords(s State, held bool) []string {
	switch {
	case s == Accepted && held:
		return []string{keywordPrefix + "Accepted", keywordPrefix + "Held"}
	case s == Accepted, s == Processing:
		return []string{keywordPrefix + "Accepted"}
	}
	name := string(s)
	return []string{keywordPrefix + strings.ToUpper(name[:1]) + name[1:]}
}

func containsFold(list []string, s string) bool {
	for _, have := range list {
		if strings.EqualFold(have, s) {
			return true
		}
	}
	return false
}

// derive names what follows from a letter, so that a repetition has the same
// ID (RFC 9562 §5.5).
func derive(letter mailstore.ID, what string) mailstore.ID {
	return uuid.NewSHA1(letter, []byte(what))
}
