package letter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/policy/registry"
)

// A mail program files a copy of its own of what it sends, after the
// submission or before it. The account keeps one copy of a letter, that of the
// gateway, which is the form that went out and bears the letter's number: a
// copy that comes later is not stored, one that came earlier gives way.

// copyWindow is how far apart the submission and the mail program's copy may be.
const copyWindow = 24 * time.Hour

// card is what the mail program's copy and the sent form have in common, and
// the hidden recipients, whom only the former names.
type card struct {
	id      string // Message-ID with its angle brackets
	subject string
	date    time.Time
	from    []string // without suffixes
	bcc     []string
}

// readCard reads the card of a message of the account; ok is false where the
// message lacks a part, has it twice or is too long to tell. Then no letter is
// its own: what cannot be compared is kept.
func readCard(summary []byte, owner mailstore.Account) (c card, ok bool) {
	s, err := message.DecodeSummary(summary)
	if err != nil {
		return c, false
	}
	h, ok := s.Header("Message-ID", "Subject", "From", "Bcc")
	if !ok || len(h.Values("Message-ID")) != 1 || len(h.Values("From")) != 1 || len(h.Values("Subject")) > 1 {
		return c, false
	}
	c = card{id: MessageID(h), subject: strings.Join(strings.Fields(h.Text("Subject")), " "), date: s.Date()}
	for _, a := range h.Addresses("From") {
		c.from = append(c.from, plain(a.String(), owner))
	}
	for _, a := range h.Addresses("Bcc") {
		c.bcc = append(c.bcc, a.String())
	}
	return c, c.id != "" && len(c.from) > 0 && !c.date.IsZero()
}

// agrees reports whether two messages are one letter.
func (c card) agrees(with card) bool {
	return c.id == with.id && c.subject == with.subject && c.date.Equal(with.date) && slices.Equal(c.from, with.from)
}

// plain is an address as it is compared: of the account's own without the
// suffix that chose a letter type, which the sent form has lost.
func plain(address string, owner mailstore.Account) string {
	at := strings.LastIndexByte(address, '@')
	if plus := strings.LastIndexByte(address[:max(at, 0)], '+'); plus > 0 {
		if own, ok := (auth.Identity{Account: owner}).Own(address[:plus] + address[at:]); ok {
			address = own
		}
	}
	return registry.Normalise(address)
}

// MessageID is the Message-ID of a header with its angle brackets, "" when it
// has none.
func MessageID(h message.Header) string {
	if ids := strings.Fields(h.Get("Message-ID")); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// took notes that the Sent copy stands for a message of the mail program.
func (o *Outgoing) took(id mailstore.ID, c card) {
	o.ClientCopy, o.Bcc = id, c.bcc
}

// OnAppend knows the copy that a person's mail program files of a letter that
// the account sent within copyWindow. Where the Sent copy still stands, that is
// the message: it takes the flags, and the record the hidden recipients, once
// for each letter. A message that is stored can be found by a letter that
// comes later.
func (m Mailroom) OnAppend(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, msg *mailstore.NewMessage) (mailstore.UID, error) {
	if who.Class != auth.Person || box.Role != mailstore.RoleSent {
		return 0, nil
	}
	c, ok := readCard(msg.Summary, who.Account)
	if !ok {
		return 0, nil
	}
	msg.Keys = append(msg.Keys, MessageIDKey(c.id))
	filter := mailstore.LetterFilter{Role: mailstore.Sender, Key: MessageIDKey(c.id), Since: m.now().Add(-copyWindow)}
	for rec, err := range tx.Letters(filter) {
		if err != nil {
			return 0, fmt.Errorf("letter of an own copy: %w", err)
		}
		if uid, err := standFor(tx, who.Account, box.ID, rec, c, *msg); uid != 0 || err != nil {
			return uid, err
		}
	}
	return 0, nil
}

// standFor lets the Sent copy of a letter stand for a message, if it can. A
// repetition with the same ID is answered like the first.
func standFor(tx mailstore.UpdateTx, owner mailstore.Account, box mailstore.MailboxID, rec mailstore.Letter, c card, msg mailstore.NewMessage) (mailstore.UID, error) {
	out, err := DecodeOutgoing(rec)
	if err != nil || out.ClientCopy != (mailstore.ID{}) && out.ClientCopy != msg.EmailID {
		return 0, err
	}
	uid, err := sentCopy(tx, owner, box, rec.ID, c)
	if uid == 0 || err != nil {
		return 0, err
	}
	var set mailstore.UIDSet
	set.AddNum(uid)
	change := mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: msg.Flags &^ mailstore.Draft, Keywords: msg.Keywords}
	if _, err := tx.SetFlags(box, set, change); err != nil {
		return 0, fmt.Errorf("flags of letter %s: %w", rec.Number, err)
	}
	out.took(msg.EmailID, c)
	if rec.Data, err = encode(out); err != nil {
		return 0, err
	}
	rec.Keys = nil
	if err := tx.PutLetter(rec); err != nil {
		return 0, fmt.Errorf("letter %s: %w", rec.Number, err)
	}
	return uid, nil
}

// sentCopy finds the gateway's copy of a letter in the mailbox; 0 when it is
// gone or about to go: then the mail program's own must not be lost.
func sentCopy(tx mailstore.Tx, owner mailstore.Account, box mailstore.MailboxID, id mailstore.ID, c card) (mailstore.UID, error) {
	rows, err := tx.ByLetter(id)
	if err != nil {
		return 0, fmt.Errorf("rows of letter: %w", err)
	}
	for msg, err := range tx.Messages(box, within(rows, box), mailstore.FieldMeta|mailstore.FieldSummary) {
		if err != nil {
			return 0, fmt.Errorf("rows of letter: %w", err)
		}
		// What a letter to oneself delivered may have been moved here.
		if msg.Flags&mailstore.Deleted != 0 || msg.EmailID == ArrivalID(id, owner.ID) {
			continue
		}
		if its, ok := readCard(msg.Summary, owner); ok && its.agrees(c) {
			return msg.UID, nil
		}
	}
	return 0, nil
}

// within are the UIDs of the rows that stand in a mailbox.
func within(rows []mailstore.Location, box mailstore.MailboxID) (set mailstore.UIDSet) {
	for _, row := range rows {
		if row.Mailbox == box {
			set.AddNum(row.UID)
		}
	}
	return set
}

// earlier is the mail program's copy of a letter that was filed before the
// letter was submitted.
type earlier struct {
	box  mailstore.MailboxID
	row  *mailstore.Message
	card card
}

// findEarlier finds the first one that is of the letter and still where it was
// filed; nil when there is none. Only what a person's mail program put into
// the mailbox of sent letters has the key: see OnAppend.
func findEarlier(tx mailstore.Tx, rec mailstore.Letter, copied mailstore.NewMessage) (*earlier, error) {
	owner, err := tx.Account()
	if err != nil {
		return nil, fmt.Errorf("earlier copy: %w", err)
	}
	c, ok := readCard(copied.Summary, owner)
	if !ok {
		return nil, nil
	}
	rows, err := tx.ByKey(MessageIDKey(c.id))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	box, err := tx.MailboxByRole(mailstore.RoleSent)
	if errors.Is(err, mailstore.ErrNoMailbox) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("earlier copy: %w", err)
	}
	for msg, err := range tx.Messages(box.ID, within(rows, box.ID), mailstore.FieldMeta|mailstore.FieldSummary) {
		if err != nil {
			return nil, fmt.Errorf("earlier copy: %w", err)
		}
		if msg.Flags&mailstore.Deleted != 0 || msg.Saved.Before(rec.At.Add(-copyWindow)) {
			continue
		}
		if its, ok := readCard(msg.Summary, owner); ok && its.agrees(c) {
			return &earlier{box: box.ID, row: msg, card: its}, nil
		}
	}
	return nil, nil
}

// take gives record and Sent copy what the mail program's copy had.
func (e *earlier) take(rec *mailstore.Letter, copied *mailstore.NewMessage) error {
	out, err := DecodeOutgoing(*rec)
	if err != nil {
		return err
	}
	out.took(e.row.EmailID, e.card)
	if rec.Data, err = encode(out); err != nil {
		return err
	}
	copied.Flags |= e.row.Flags &^ mailstore.Draft
	copied.Keywords = slices.Clone(copied.Keywords)
	for _, k := range e.row.Keywords {
		if !Owns(k) {
			copied.Keywords = append(copied.Keywords, k)
		}
	}
	return nil
}

// remove takes the mail program's copy away. Its octets are not the sent form,
// and what a UID names never changes: so the Sent copy comes under a UID of its
// own.
func (e *earlier) remove(tx mailstore.UpdateTx) error {
	var set mailstore.UIDSet
	set.AddNum(e.row.UID)
	if _, err := tx.Expunge(e.box, set, false); err != nil {
		return fmt.Errorf("earlier copy: %w", err)
	}
	return nil
}
