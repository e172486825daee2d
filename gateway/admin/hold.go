package admin

import (
	"context"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// Copy is where one copy of a letter is, and how long it is kept.
type Copy struct {
	Account string    `json:"account"` // main address
	Copy    string    `json:"copy"`    // sent or received
	Place   string    `json:"place"`   // mailbox, vault, gone (destroyed or taken back), or none
	Until   time.Time `json:"kept_until,omitzero"`
	// Unlimited says that it is kept without limit; with neither nothing keeps
	// it but its owner.
	Unlimited bool      `json:"unlimited,omitempty"`
	Held      bool      `json:"held,omitempty"` // it, or its account
	Warned    time.Time `json:"warned,omitzero"`
}

// LetterHold names a letter to be held or released.
type LetterHold struct {
	Number string `json:"number"`
	Reason string `json:"reason,omitempty"`
}

// LetterHeld is the answer.
type LetterHeld struct {
	Number string `json:"number"`
	Held   bool   `json:"held"`
	// Changed is how many copies were otherwise before.
	Changed int `json:"changed"`
}

// AccountHold names an account to be held or released.
type AccountHold struct {
	Account string `json:"account"` // address
	Reason  string `json:"reason,omitempty"`
}

func (s *Service) letterHold(ctx context.Context, in LetterHold) (LetterHeld, error) {
	return s.setLetterHeld(ctx, in, true)
}

func (s *Service) letterRelease(ctx context.Context, in LetterHold) (LetterHeld, error) {
	return s.setLetterHeld(ctx, in, false)
}

func (s *Service) setLetterHeld(ctx context.Context, in LetterHold, held bool) (LetterHeld, error) {
	details, err := byReason(ctx, in.Reason)
	if err != nil {
		return LetterHeld{}, err
	}
	a, rec, err := s.find(ctx, in.Number)
	if err != nil {
		return LetterHeld{}, err
	}
	// It is not left half done when the caller goes away.
	changed, err := s.o.Office.Hold(context.WithoutCancel(ctx), a.ID, rec.ID, held, details)
	return LetterHeld{Number: rec.Number, Held: held, Changed: changed}, err
}

func (s *Service) accountHold(ctx context.Context, in AccountHold) (Account, error) {
	return s.setAccountHeld(ctx, in, true)
}

func (s *Service) accountRelease(ctx context.Context, in AccountHold) (Account, error) {
	return s.setAccountHeld(ctx, in, false)
}

func (s *Service) setAccountHeld(ctx context.Context, in AccountHold, held bool) (Account, error) {
	details, err := byReason(ctx, in.Reason)
	if err != nil {
		return Account{}, err
	}
	a, err := s.owner(ctx, in.Account)
	if err != nil {
		return Account{}, err
	}
	if _, err := auth.SetHeld(ctx, s.o.Store, a.ID, held, details, s.o.Now()); err != nil {
		return Account{}, err
	}
	return s.again(ctx, a.ID)
}

// copies are the copies of a letter, those of the first recipients only where
// there are many.
func (s *Service) copies(ctx context.Context, account mailstore.ID, rec mailstore.Letter) ([]Copy, error) {
	list, err := s.o.Office.Copies(ctx, account, rec, traceRecipients)
	if err != nil {
		return nil, err
	}
	var out []Copy
	for _, c := range list {
		owner, err := s.o.Store.Directory().Account(ctx, c.Account)
		if err != nil {
			return nil, err
		}
		place := "none"
		switch {
		case c.Rows > 0:
			place = "mailbox"
		case c.Vaulted:
			place = "vault"
		case c.Gone:
			place = "gone"
		}
		out = append(out, Copy{
			Account: owner.Addresses[0], Copy: letter.CopyName(c.Role), Place: place, Until: c.Kept.Until,
			Unlimited: c.Noted && c.Kept.Until.IsZero(), Held: c.Kept.Held || owner.Held, Warned: c.Kept.Warned,
		})
	}
	return out, nil
}
