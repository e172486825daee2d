package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// VaultEntry is a copy of a letter that was expunged and is still kept.
type VaultEntry struct {
	ID       mailstore.ID `json:"id"` // of the copy
	Number   string       `json:"number"`
	Type     string       `json:"type"`
	Copy     string       `json:"copy"` // sent or received
	Expunged time.Time    `json:"expunged"`
	Until    time.Time    `json:"kept_until,omitzero"` // absent: without limit
	Held     bool         `json:"held,omitempty"`
	Size     int64        `json:"size"` // octets
}

// VaultList asks for what the vault of an account has.
type VaultList struct {
	Account string `json:"account"` // address
}

// VaultRestore names what is to come back: by number, or by the id of a copy.
type VaultRestore struct {
	Account string `json:"account"` // address
	Letter  string `json:"letter"`
	Mailbox string `json:"mailbox,omitempty"` // "": where it stood
	Reason  string `json:"reason,omitempty"`
}

// VaultRestored is one copy that is in a mailbox now.
type VaultRestored struct {
	ID      mailstore.ID `json:"id"`
	Number  string       `json:"number"`
	Copy    string       `json:"copy"`
	Already bool         `json:"already,omitempty"` // it stood in a mailbox before
}

func (s *Service) vaultList(ctx context.Context, in VaultList) ([]VaultEntry, error) {
	a, err := s.owner(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	list, err := s.o.Office.Vault(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	out := []VaultEntry{}
	for _, v := range list {
		out = append(out, VaultEntry{
			ID: v.EmailID, Number: v.Number, Type: v.Type, Copy: letter.CopyName(v.Role), Expunged: v.At,
			Until: v.Kept.Until, Held: v.Kept.Held || a.Held, Size: v.Size,
		})
	}
	return out, nil
}

func (s *Service) vaultRestore(ctx context.Context, in VaultRestore) ([]VaultRestored, error) {
	a, err := s.owner(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	details, err := byReason(ctx, in.Reason)
	if err != nil {
		return nil, err
	}
	ids, err := s.copiesNamed(ctx, a, in.Letter)
	if err != nil {
		return nil, err
	}
	out := []VaultRestored{}
	for _, id := range ids {
		res, err := s.o.Office.Restore(ctx, a.ID, id, in.Mailbox, details)
		switch {
		case errors.Is(err, mailstore.ErrNoMessage):
			continue // the other copy of a letter to oneself may be there
		case errors.Is(err, mailstore.ErrNoMailbox):
			return nil, fmt.Errorf("%w: %s has no mailbox %q", ErrNotFound, in.Account, in.Mailbox)
		case errors.Is(err, mailstore.ErrHeld):
			return nil, fmt.Errorf("%w: it is on legal hold and stays in the vault; letter export reads it there", ErrConflict)
		case errors.Is(err, mailstore.ErrLimit):
			return nil, fmt.Errorf("%w: the mailbox takes no more keywords; name another one with --mailbox", ErrConflict)
		case err != nil:
			return nil, err
		}
		out = append(out, VaultRestored{ID: res.EmailID, Number: res.Number, Copy: letter.CopyName(res.Role), Already: res.Already})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %s has no copy of %s, or no more", ErrNotFound, in.Account, in.Letter)
	}
	return out, nil
}

// copiesNamed are the copies that an account may have of a letter, by its
// number, or the one with an id.
func (s *Service) copiesNamed(ctx context.Context, a mailstore.Account, name string) ([]mailstore.ID, error) {
	if id, err := uuid.Parse(name); err == nil && !letter.ValidNumber(name) {
		return []mailstore.ID{id}, nil
	}
	if !letter.ValidNumber(name) {
		return nil, fmt.Errorf("%w: %q is neither a letter number nor an id: mistyped?", ErrInvalid, name)
	}
	var ids []mailstore.ID
	err := s.o.Store.View(ctx, a.ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Letters(mailstore.LetterFilter{Key: letter.NumberKey(name)}) {
			if err != nil {
				return err
			}
			id := letter.ArrivalID(rec.ID, a.ID)
			if rec.Role == mailstore.Sender {
				out, err := letter.DecodeOutgoing(rec)
				if err != nil {
					return err
				}
				id = out.Copy
			}
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

// maxReason is how long a reason may be, in octets.
const maxReason = 1000

// byReason tells the journal who asks, and why.
func byReason(ctx context.Context, reason string) (map[string]string, error) {
	details := by(ctx)
	reason = strings.TrimSpace(reason)
	if len(reason) > maxReason {
		return nil, fmt.Errorf("%w: a reason of %d octets, more than %d", ErrInvalid, len(reason), maxReason)
	}
	if reason != "" {
		details["reason"] = reason
	}
	return details, nil
}
