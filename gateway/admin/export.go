package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

// exportChunk is how many octets of a letter one answer holds at most, so that
// no letter is in memory whole.
const exportChunk = 1 << 20

// The forms of a letter.
const (
	Submitted = "submitted" // the octets of DATA
	Sent      = "sent"      // those, or their signed form, as they went out
	Delivered = "delivered" // as it lies in a recipient's mailbox
)

// exportLasts is how long after its last part an export can go on.
const exportLasts = time.Hour

// LetterExport asks for the octets of a letter from an offset on. Asked for the
// first of them, it writes the export into the journal of the account that has
// them; without that it does not give the others.
type LetterExport struct {
	Number string `json:"number"`
	Form   string `json:"form"`
	// Account is the address of the recipient whose copy is meant, for the
	// delivered form; it may be empty when there is only one.
	Account string `json:"account,omitempty"`
	Offset  int64  `json:"offset,omitempty"`
}

// LetterOctets is a part of a letter.
type LetterOctets struct {
	Number  string `json:"number"`
	Form    string `json:"form"`
	Account string `json:"account"` // main address of the account that has them
	Size    int64  `json:"size"`    // octets of the whole
	// SHA256 is that of the whole as the evidence has it; "" for the delivered
	// form, whose header is the gateway's.
	SHA256 string `json:"sha256,omitempty"`
	Octets []byte `json:"octets"`
}

// exportKey is what one caller exports.
type exportKey struct {
	uid             string
	form            string
	letter, account mailstore.ID
}

// exports are those that stand in the journal and may go on.
type exports struct {
	mu   sync.Mutex
	last map[exportKey]time.Time
}

// begun notes a part of an export that stands in the journal.
func (e *exports) begun(k exportKey, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[exportKey]time.Time{}
	}
	maps.DeleteFunc(e.last, func(_ exportKey, at time.Time) bool { return now.Sub(at) > exportLasts })
	e.last[k] = now
}

// goesOn reports whether an export was begun, not long ago.
func (e *exports) goesOn(k exportKey, now time.Time) bool {
	e.mu.Lock()
	at, ok := e.last[k]
	e.mu.Unlock()
	return ok && now.Sub(at) <= exportLasts
}

// copied is a form of a letter, found.
type copied struct {
	account mailstore.Account
	content mailstore.Content
	digest  receipt.Digest
}

func (s *Service) letterExport(ctx context.Context, in LetterExport) (LetterOctets, error) {
	a, rec, err := s.find(ctx, in.Number)
	if err != nil {
		return LetterOctets{}, err
	}
	out, err := letter.DecodeOutgoing(rec)
	if err != nil {
		return LetterOctets{}, err
	}
	c, err := s.copyOf(ctx, in, a, rec, out)
	if err != nil {
		return LetterOctets{}, fmt.Errorf("letter %s: %w", rec.Number, err)
	}
	if in.Offset < 0 || in.Offset > c.content.Size() {
		return LetterOctets{}, fmt.Errorf("%w: offset %d of %d", ErrInvalid, in.Offset, c.content.Size())
	}
	if err := s.mayExport(ctx, in, c, rec); err != nil {
		return LetterOctets{}, err
	}
	got := LetterOctets{
		Number: rec.Number, Form: in.Form, Account: c.account.Addresses[0], Size: c.content.Size(), SHA256: c.digest.String(),
	}
	got.Octets, err = s.read(ctx, c.content, in.Offset)
	return got, err
}

// mayExport journals an export that begins, and lets no other part out than of
// one that did: what is not in the journal was not exported.
func (s *Service) mayExport(ctx context.Context, in LetterExport, c copied, rec mailstore.Letter) error {
	now := s.o.Now()
	key := exportKey{uid: callerOf(ctx).uid, form: in.Form, letter: rec.ID, account: c.account.ID}
	if in.Offset == 0 {
		if err := s.exported(ctx, in, c, rec); err != nil {
			return err
		}
	} else if !s.exports.goesOn(key, now) {
		return fmt.Errorf("%w: the export has not begun, or stood still for more than %s: begin at offset 0", ErrInvalid, exportLasts)
	}
	s.exports.begun(key, now)
	return nil
}

// exported writes the export into the journal.
func (s *Service) exported(ctx context.Context, in LetterExport, c copied, rec mailstore.Letter) error {
	details := by(ctx)
	details["letter"], details["number"], details["form"] = rec.ID.String(), rec.Number, in.Form
	entry := journal.NewEntry(s.o.Now(), journal.Exported, details)
	return s.o.Store.Update(ctx, c.account.ID, func(tx mailstore.UpdateTx) error {
		_, err := journal.Append(tx, entry)
		return err
	})
}

// read reads a chunk.
func (s *Service) read(ctx context.Context, c mailstore.Content, offset int64) (octets []byte, err error) {
	r, err := c.Open(ctx, s.o.Store.Bodies(), offset)
	if err != nil {
		return nil, err
	}
	octets, err = io.ReadAll(io.LimitReader(r, exportChunk))
	return octets, errors.Join(err, r.Close())
}

// copyOf finds a form of a letter.
func (s *Service) copyOf(ctx context.Context, in LetterExport, a mailstore.Account, rec mailstore.Letter, out letter.Outgoing) (copied, error) {
	switch in.Form {
	case Submitted, Sent:
		if in.Account != "" && !a.Owns(in.Account) {
			return copied{}, fmt.Errorf("%w: only the sender has the form %s, and that is not %s", ErrInvalid, in.Form, in.Account)
		}
		return s.ofSender(ctx, in.Form, a, rec, out)
	case Delivered:
		return s.ofRecipient(ctx, in.Account, rec, out)
	}
	return copied{}, fmt.Errorf("%w: form %q is none of %s, %s, %s", ErrInvalid, in.Form, Submitted, Sent, Delivered)
}

// ofSender finds the form that was sent behind the gateway's header of the copy
// in the mailbox of sent letters, wherever that was moved, or, while the letter
// waits, in the queue. The form that was submitted is the whole of its body.
func (s *Service) ofSender(ctx context.Context, form string, a mailstore.Account, rec mailstore.Letter, out letter.Outgoing) (copied, error) {
	header := letter.Header(rec.Number, rec.Type)
	sent, ok, err := s.row(ctx, a.ID, rec.ID, out.Copy, func(c mailstore.Content) bool { return bytes.HasPrefix(c.Prefix, header) })
	if err != nil {
		return copied{}, err
	}
	sent.Prefix = bytes.TrimPrefix(sent.Prefix, header)
	if !ok {
		if sent, err = s.queued(ctx, a.ID, out); err != nil {
			return copied{}, err
		}
	}
	c := copied{account: a, content: sent, digest: out.Facts.Submitted.SHA256}
	if form == Submitted {
		c.content = mailstore.Content{Body: sent.Body, Length: out.Facts.Submitted.Size}
	} else if !out.Facts.Sent.SHA256.IsZero() {
		c.digest = out.Facts.Sent.SHA256
	}
	return c, nil
}

// queued is the sent form of a letter that waits to go out.
func (s *Service) queued(ctx context.Context, account mailstore.ID, out letter.Outgoing) (mailstore.Content, error) {
	var it mailstore.Item
	err := s.o.Store.View(ctx, account, func(tx mailstore.Tx) (err error) {
		it, err = tx.Item(out.Dispatch)
		return err
	})
	if errors.Is(err, mailstore.ErrNoItem) {
		return mailstore.Content{}, fmt.Errorf("%w: the sender has no copy of it any more; a recipient may have --form %s", ErrNotFound, Delivered)
	}
	if err != nil {
		return mailstore.Content{}, err
	}
	sent, err := letter.SentForm(it)
	return sent.Content, err
}

// ofRecipient finds the copy of one recipient.
func (s *Service) ofRecipient(ctx context.Context, address string, rec mailstore.Letter, out letter.Outgoing) (copied, error) {
	r, err := recipient(address, out)
	if err != nil {
		return copied{}, err
	}
	a, err := s.o.Store.Directory().Account(ctx, r.Account)
	if err != nil {
		return copied{}, err
	}
	header := letter.Header(rec.Number, rec.Type) // before which comes the trace
	content, ok, err := s.row(ctx, a.ID, rec.ID, letter.ArrivalID(rec.ID, a.ID), func(c mailstore.Content) bool {
		return bytes.Contains(c.Prefix, header) && !bytes.HasPrefix(c.Prefix, header)
	})
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s does not have it, or no more", ErrNotFound, r.Party.Address)
	}
	return copied{account: a, content: content}, err
}

// recipient finds a recipient of a letter by address; "" means the only one.
func recipient(address string, out letter.Outgoing) (letter.Recipient, error) {
	var all []string
	for _, r := range out.Recipients {
		if strings.EqualFold(r.Party.Address, address) || address == "" && len(out.Recipients) == 1 {
			return r, nil
		}
		all = append(all, r.Party.Address)
	}
	if address == "" {
		return letter.Recipient{}, fmt.Errorf("%w: it has %d recipients, name one with --account: %s", ErrInvalid, len(all), strings.Join(all, ", "))
	}
	return letter.Recipient{}, fmt.Errorf("%w: %s is no recipient of it, but %s", ErrNotFound, address, strings.Join(all, ", "))
}

// row finds the content of a row of an account that shows a letter, or of its
// copy in the vault.
func (s *Service) row(ctx context.Context, account, id, email mailstore.ID, is func(mailstore.Content) bool) (found mailstore.Content, ok bool, err error) {
	err = s.o.Store.View(ctx, account, func(tx mailstore.Tx) error {
		rows, err := tx.ByLetter(id)
		if err != nil {
			return err
		}
		for _, row := range rows {
			set := mailstore.UIDSet{}
			set.AddNum(row.UID)
			for m, err := range tx.Messages(row.Mailbox, set, mailstore.FieldContent) {
				if err != nil {
					return err
				}
				if is(m.Content) {
					found, ok = m.Content, true
					return nil
				}
			}
		}
		m, err := tx.Vaulted(email, mailstore.FieldContent)
		if errors.Is(err, mailstore.ErrNoMessage) {
			return nil
		}
		found, ok = m.Content, err == nil
		return err
	})
	return found, ok, err
}
