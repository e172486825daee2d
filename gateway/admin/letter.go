package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// Letter is a letter as its sender's account has it.
type Letter struct {
	ID          mailstore.ID `json:"id"`
	Number      string       `json:"number"`
	Type        string       `json:"type"`
	State       string       `json:"state"`
	Accepted    time.Time    `json:"accepted"`
	RecallUntil time.Time    `json:"recall_until,omitzero"`
	Sender      string       `json:"sender"` // address
	Recipients  []Recipient  `json:"recipients"`
	Bcc         []string     `json:"bcc,omitempty"` // addresses of hidden recipients
	SHA256      string       `json:"sha256"`        // of the submitted form
	Size        int64        `json:"size"`          // octets of the submitted form
	Signature   string       `json:"signature"`
	// The rest is of letter/show only.
	Copies   []Copy     `json:"copies,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
	Trace    []Step     `json:"trace,omitempty"`
}

// Recipient is how far a letter is with one recipient.
type Recipient struct {
	Address string        `json:"address"`
	Name    string        `json:"name"`
	State   string        `json:"state"`
	Steps   []letter.Step `json:"steps"`
	Reason  string        `json:"reason,omitempty"`
}

// Evidence names one evidence of a letter.
type Evidence struct {
	ID     mailstore.ID `json:"id"`
	Event  string       `json:"event"`
	At     time.Time    `json:"at"`
	SHA256 string       `json:"sha256"`
}

// LetterList asks for letters that accounts sent, the newest first of each.
type LetterList struct {
	Account string `json:"account,omitempty"` // address; "" for all
	State   string `json:"state,omitempty"`
	Limit   int    `json:"limit,omitempty"` // of each account; 0 for all
}

// LetterName names one letter by number.
type LetterName struct {
	Number string `json:"number"`
}

// Recalled is the answer to letter/recall.
type Recalled struct {
	Number string `json:"number"`
	// Pending says that the letter was delivered: whether it comes back is
	// decided by whether it had been opened. letter/show tells.
	Pending bool `json:"pending"`
}

func (s *Service) letterList(ctx context.Context, in LetterList) ([]Letter, error) {
	filter := mailstore.LetterFilter{Role: mailstore.Sender, Limit: in.Limit}
	if in.Limit < 0 {
		return nil, fmt.Errorf("%w: limit %d is below zero", ErrInvalid, in.Limit)
	}
	if in.State != "" {
		if !slices.Contains(letter.States(), letter.State(in.State)) {
			return nil, fmt.Errorf("%w: state %q is none of %v", ErrInvalid, in.State, letter.States())
		}
		filter.States = []string{in.State}
	}
	out := []Letter{}
	if in.Account != "" {
		a, err := s.owner(ctx, in.Account)
		if err != nil {
			return nil, err
		}
		return s.lettersOf(ctx, a, filter, out)
	}
	for a, err := range s.o.Store.Directory().Accounts(ctx) {
		if err != nil {
			return nil, err
		}
		if out, err = s.lettersOf(ctx, a, filter, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lettersOf adds the letters of one account.
func (s *Service) lettersOf(ctx context.Context, a mailstore.Account, filter mailstore.LetterFilter, out []Letter) ([]Letter, error) {
	var records []mailstore.Letter
	err := s.o.Store.View(ctx, a.ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Letters(filter) {
			if err != nil {
				return err
			}
			records = append(records, rec)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("letters of %s: %w", a.ID, err)
	}
	for _, rec := range records {
		l, err := describe(rec)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// describe is the answer's form of a record.
func describe(rec mailstore.Letter) (Letter, error) {
	out, err := letter.DecodeOutgoing(rec)
	if err != nil {
		return Letter{}, err
	}
	l := Letter{
		ID: rec.ID, Number: rec.Number, Type: rec.Type, State: rec.State, Accepted: out.Accepted, RecallUntil: out.Recall,
		Sender: out.Facts.Sender.Address, SHA256: out.Facts.Submitted.SHA256.String(), Size: out.Facts.Submitted.Size,
		Signature: out.Facts.Signature.Result, Bcc: out.Hidden(),
	}
	if by := out.Facts.Signature.By; by != "" {
		l.Signature += " (" + by + ")"
	}
	for _, r := range out.Recipients {
		l.Recipients = append(l.Recipients, Recipient{
			Address: r.Party.Address, Name: r.Party.Name, State: string(r.State), Steps: slices.Clone(r.Steps), Reason: r.Reason,
		})
	}
	return l, nil
}

func (s *Service) letterShow(ctx context.Context, in LetterName) (Letter, error) {
	a, rec, err := s.find(ctx, in.Number)
	if err != nil {
		return Letter{}, err
	}
	l, err := describe(rec)
	if err != nil {
		return Letter{}, err
	}
	err = s.o.Store.View(ctx, a.ID, func(tx mailstore.Tx) error {
		for ev, err := range tx.Evidence(rec.ID) {
			if err != nil {
				return err
			}
			l.Evidence = append(l.Evidence, Evidence{ID: ev.ID, Event: ev.Event, At: ev.At, SHA256: fmt.Sprintf("%x", ev.Hash)})
		}
		return nil
	})
	if err != nil {
		return Letter{}, err
	}
	if l.Copies, err = s.copies(ctx, a.ID, rec); err != nil {
		return Letter{}, err
	}
	l.Trace, err = s.trace(ctx, a, rec, l.Evidence)
	return l, err
}

func (s *Service) letterRecall(ctx context.Context, in LetterName) (Recalled, error) {
	a, rec, err := s.find(ctx, in.Number)
	if err != nil {
		return Recalled{}, err
	}
	res, err := s.o.Office.Recall(ctx, a.ID, rec.ID, by(ctx))
	return Recalled{Number: res.Number, Pending: res.Pending}, err
}

// find finds a letter by a number that has the right check digit.
func (s *Service) find(ctx context.Context, number string) (mailstore.Account, mailstore.Letter, error) {
	if !letter.ValidNumber(number) {
		return mailstore.Account{}, mailstore.Letter{}, fmt.Errorf("%w: %q is no letter number: mistyped?", ErrInvalid, number)
	}
	return letter.Find(ctx, s.o.Store, number)
}
