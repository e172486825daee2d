package letter

import (
	"errors"
	"fmt"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// Mailroom is what letters have to say when a mail program changes a mailbox.
// Its methods run inside the Update of the change and are pure on it.
type Mailroom struct {
	now func() time.Time
}

// NewMailroom returns the letters' side of the mailboxes.
func NewMailroom(now func() time.Time) Mailroom { return Mailroom{now: now} }

// Owns reports whether a keyword belongs to letters.
func (Mailroom) Owns(keyword string) bool { return Owns(keyword) }

// OnFlags takes note of letters that a person opened: the first time \Seen
// goes from unset to set on the delivered letter itself. The recipient's
// record and journal have it in this Update; the sender's account learns of it
// through the queue. A system or an archive opens nothing.
func (m Mailroom) OnFlags(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, newSeen mailstore.UIDSet) error {
	if who.Class != auth.Person || len(newSeen) == 0 {
		return nil
	}
	var opened []*mailstore.Message
	for msg, err := range tx.Messages(box.ID, newSeen, mailstore.FieldMeta) {
		if err != nil {
			return fmt.Errorf("letters opened: %w", err)
		}
		if msg.LetterID != (mailstore.ID{}) {
			opened = append(opened, msg)
		}
	}
	for _, msg := range opened {
		if err := m.open(tx, who, msg); err != nil {
			return err
		}
	}
	return nil
}

// open moves one received letter to Opened, if it is one and was not.
func (m Mailroom) open(tx mailstore.UpdateTx, who auth.Identity, msg *mailstore.Message) error {
	rec, err := tx.Letter(msg.LetterID, mailstore.Recipient)
	if errors.Is(err, mailstore.ErrNoLetter) {
		return nil // the sender's own copy
	}
	if err != nil {
		return fmt.Errorf("letter opened: %w", err)
	}
	in, err := DecodeIncoming(rec)
	if err != nil {
		return err
	}
	// A letter to oneself has its Sent copy under the same letter.
	if msg.EmailID != ArrivalID(rec.ID, who.Account.ID) || in.State != Delivered {
		return nil
	}
	at := m.now().UTC()
	in.State = Opened
	in.Steps = append(in.Steps, Step{State: Opened, At: at})
	entry := journal.NewEntry(at, journal.Opened, journal.Details{
		"letter": rec.ID.String(), "number": rec.Number,
		"credential": who.Name, "address": who.Remote.String(),
	})
	notice, err := newNotice(rec.ID, in.Sender, noticeOpened, in.Recipient, at)
	if err != nil {
		return err
	}
	return m.write(tx, rec, in, entry, notice)
}

// write keeps a changed record with its journal entry and the notice to the
// other side.
func (Mailroom) write(tx mailstore.UpdateTx, rec mailstore.Letter, in Incoming, e journal.Entry, notice mailstore.Item) error {
	data, err := encode(in)
	if err != nil {
		return err
	}
	rec.Data, rec.State, rec.Keys = data, string(in.State), nil
	if err := tx.PutLetter(rec); err != nil {
		return fmt.Errorf("letter %s: %w", rec.Number, err)
	}
	if _, err := journal.Append(tx, e); err != nil {
		return fmt.Errorf("letter %s: %w", rec.Number, err)
	}
	if err := tx.Enqueue(notice); err != nil && !errors.Is(err, mailstore.ErrNoAccount) {
		return fmt.Errorf("letter %s: %w", rec.Number, err)
	}
	return nil
}

// OnArrive is told of messages that a client put into a mailbox.
func (Mailroom) OnArrive(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, mailstore.UIDSet) error {
	return nil // no mailbox has a meaning yet: see OnFlags for what letters listen to
}

// OnLeave is told of messages that are about to leave a mailbox for another.
func (Mailroom) OnLeave(mailstore.UpdateTx, auth.Identity, mailstore.Mailbox, mailstore.UIDSet) error {
	return nil
}
