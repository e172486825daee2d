package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

const (
	// completions is how many words a shell is offered at most.
	completions = 50
	// completeAccounts is how many accounts are looked at for letters.
	completeAccounts = 200
)

// Complete asks for words that go on from a prefix, for a shell: not all that
// there are, and at once.
type Complete struct {
	Kind    string `json:"kind"`              // account, credential, letter, entry or type
	Account string `json:"account,omitempty"` // whose credentials
	Prefix  string `json:"prefix,omitempty"`
}

// words collects those that go on from a prefix.
type words struct {
	prefix string
	found  []string
}

// add takes a word, and reports whether more are wanted.
func (w *words) add(word string) bool {
	if strings.HasPrefix(word, w.prefix) && !slices.Contains(w.found, word) {
		w.found = append(w.found, word)
	}
	return len(w.found) < completions
}

func (s *Service) complete(ctx context.Context, in Complete) ([]string, error) {
	w := &words{prefix: in.Prefix, found: []string{}}
	var err error
	switch in.Kind {
	case "account":
		err = s.eachAccount(ctx, func(a mailstore.Account) (bool, error) { return w.add(a.Addresses[0]), nil })
	case "credential":
		err = s.credentialWords(ctx, in.Account, w)
	case "letter":
		err = s.letterWords(ctx, w)
	case "entry":
		for e := range s.o.Registry().All() {
			if !w.add(e.ID) {
				break
			}
		}
	case "type":
		for _, t := range s.o.Types() {
			w.add(t)
		}
	default:
		return nil, fmt.Errorf("%w: nothing of kind %q can be completed", ErrInvalid, in.Kind)
	}
	return w.found, err
}

// eachAccount calls fn for each account, until it says that it has enough.
func (s *Service) eachAccount(ctx context.Context, fn func(mailstore.Account) (bool, error)) error {
	for a, err := range s.o.Store.Directory().Accounts(ctx) {
		if err != nil {
			return err
		}
		if more, err := fn(a); err != nil || !more {
			return err
		}
	}
	return nil
}

// credentialWords are the names of live credentials, and the ids of those that
// share theirs.
func (s *Service) credentialWords(ctx context.Context, account string, w *words) error {
	a, err := s.owner(ctx, account)
	if err != nil {
		return err
	}
	list, err := s.o.Store.Directory().Credentials(ctx, a.ID)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Revoked {
			continue
		}
		word := c.Name
		if _, err := auth.FindCredential(ctx, s.o.Store.Directory(), a.ID, c.Name); err != nil {
			word = c.ID.String()
		}
		if !w.add(word) {
			return nil
		}
	}
	return nil
}

// letterWords are the numbers of the newest letters of each of some accounts.
func (s *Service) letterWords(ctx context.Context, w *words) error {
	looked := 0
	filter := mailstore.LetterFilter{Role: mailstore.Sender, Limit: completions}
	return s.eachAccount(ctx, func(a mailstore.Account) (more bool, err error) {
		looked++
		more = looked < completeAccounts
		err = s.o.Store.View(ctx, a.ID, func(tx mailstore.Tx) error {
			for rec, err := range tx.Letters(filter) {
				if err != nil {
					return err
				}
				if !w.add(rec.Number) {
					more = false
					return nil
				}
			}
			return nil
		})
		return more, err
	})
}
