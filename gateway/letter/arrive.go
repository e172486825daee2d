package letter

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// Arrival is a letter prepared for a recipient's mailbox: the delivered form
// and what their account keeps of it.
type Arrival struct {
	Account mailstore.ID
	Index   int       // of the recipient
	At      time.Time // of delivery
	record  mailstore.Letter
	message mailstore.NewMessage
	kept    *mailstore.Kept // nil when nothing is to be noted
	journal journal.Entry
}

// ArrivalID is the EmailID of the delivered form of a letter in an account.
func ArrivalID(letter, account mailstore.ID) mailstore.ID {
	return derive(letter, "arrival/"+account.String())
}

// Arrive prepares the delivery of a letter's sent form to one recipient:
// the gateway's header prefix, which names host as where it came, goes before it.
func Arrive(rec mailstore.Letter, host string, sender mailstore.ID, out Outgoing, sent Sendable, index int, at time.Time) (Arrival, error) {
	r := out.Recipients[index]
	prefix := deliveryHeader(rec, host, out, at)
	delivered := sent.Content
	delivered.Prefix = append(slices.Clone(prefix), delivered.Prefix...)
	data, err := encode(Incoming{
		Format: recordFormat, Facts: out.Facts, Sender: sender, Recipient: index, Subject: out.Subject, Correspondent: out.Registry,
		State: Delivered, Steps: []Step{{State: Delivered, At: at}},
	})
	if err != nil {
		return Arrival{}, err
	}
	msg := mailstore.NewMessage{
		EmailID: ArrivalID(rec.ID, r.Account), LetterID: rec.ID, Received: at, Content: delivered,
		Summary: sent.Summary.WithPrefix(prefix),
	}
	if out.Waits() {
		msg.Keywords = []string{KeywordAwaiting}
	}
	return Arrival{
		Account: r.Account, Index: index, At: at, message: msg, kept: keptFor(msg.EmailID, rec.ID, at, out.KeepReceived),
		record: mailstore.Letter{
			ID: rec.ID, Role: mailstore.Recipient, Number: rec.Number, Type: rec.Type, State: string(Delivered),
			At: at, Data: data, Keys: Keys(rec.Number, out.Facts.Letter.MessageID),
		},
		journal: journal.NewEntry(at, journal.Received, journal.Details{
			"letter": rec.ID.String(), "number": rec.Number, "type": rec.Type,
			"counterpart": out.Facts.Sender.Address, "sha256": out.Facts.Submitted.SHA256.String(),
		}),
	}, nil
}

// deliveryHeader is the prefix of the delivered form. RFC 5321 §4.4 wants the
// return path and a trace field at final delivery, with the host that writes it;
// no SMTP brought the letter to the mailbox, and the trace names no client.
func deliveryHeader(rec mailstore.Letter, host string, out Outgoing, at time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <%s>\r\n", out.Facts.Sender.Address)
	fmt.Fprintf(&b, "Received: by %s id %s; %s\r\n", host, rec.ID, at.UTC().Format(time.RFC1123Z))
	// Number, type and term end the prefix: by them a reader of docs/evidence.md
	// takes it off, for a client's own X-Letter-Kind may follow.
	b.Write(appealHeader(out))
	b.Write(Header(rec.Number, rec.Type))
	if until := TermEnd(at, out.Term); out.Waits() && !until.IsZero() {
		b.Write(AckUntil(until))
	}
	return b.Bytes()
}

// ErrBlocked says that the recipient's account is blocked.
var ErrBlocked = errors.New("account of the recipient is blocked")

// Receive writes an arrival into the recipient's account: the INBOX copy, the
// record and the journal. A letter that is there already is left alone. It
// returns when the letter came, which is earlier than the arrival when a
// crash kept the sender's account from learning of it. ErrBlocked: a term must
// not run where nobody can read. It is pure on tx.
func Receive(tx mailstore.UpdateTx, a Arrival) (came time.Time, err error) {
	if there, err := tx.Letter(a.record.ID, mailstore.Recipient); err == nil {
		return there.At, nil
	} else if !errors.Is(err, mailstore.ErrNoLetter) {
		return came, fmt.Errorf("receive letter %s: %w", a.record.Number, err)
	}
	if owner, err := tx.Account(); err != nil || owner.Disabled {
		return came, fmt.Errorf("receive letter %s: %w", a.record.Number, cmp.Or(err, ErrBlocked))
	}
	inbox, err := tx.MailboxByName("INBOX")
	if err != nil {
		return came, fmt.Errorf("receive letter %s: %w", a.record.Number, err)
	}
	if err := place(tx, inbox.ID, a.message); err != nil {
		return came, fmt.Errorf("receive letter %s: %w", a.record.Number, err)
	}
	if err := keepCopy(tx, a.kept); err != nil {
		return came, fmt.Errorf("receive letter %s: %w", a.record.Number, err)
	}
	if err := tx.PutLetter(a.record); err != nil {
		return came, fmt.Errorf("receive letter %s: %w", a.record.Number, err)
	}
	if _, err := journal.Append(tx, a.journal); err != nil {
		return came, fmt.Errorf("receive letter %s: %w", a.record.Number, err)
	}
	return a.At, nil
}

// Keys are what a record is found by: number, Message-ID if it has one, others.
func Keys(number, messageID string, others ...string) []string {
	keys := append([]string{NumberKey(number)}, others...)
	if messageID != "" {
		keys = append(keys, MessageIDKey(messageID))
	}
	return keys
}

// NumberKey, MessageIDKey and SubmissionKey are the keys that letter records
// are found by.
func NumberKey(number string) string { return "number:" + number }

// MessageIDKey finds letters by Message-ID, angle brackets included.
func MessageIDKey(id string) string { return "message-id:" + id }

// SubmissionKey finds the letter that the same octets in the same envelope
// have become.
func SubmissionKey(digest string) string { return "submission:" + digest }
