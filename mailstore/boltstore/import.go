package boltstore

import (
	"context"
	"fmt"
	"iter"

	"gosbridge/mailstore"
)

// importSlice is how many messages Import commits at once.
const importSlice = 500

// Import implements mailstore.Store.
func (s *Store) Import(ctx context.Context, account mailstore.ID, box mailstore.MailboxID, messages iter.Seq2[mailstore.NewMessage, error]) error {
	var slice []mailstore.NewMessage
	octets := 0
	commit := func() error {
		err := s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
			return tx.(*update).importAll(box, slice)
		})
		slice, octets = nil, 0
		return err
	}
	for m, err := range messages {
		if err != nil {
			return err
		}
		slice = append(slice, m)
		octets += len(m.Summary) + len(m.Content.Prefix) + len(m.Content.Body.Inline) + len(m.Content.Suffix)
		if len(slice) == importSlice || octets > batchOctets/2 {
			if err := commit(); err != nil {
				return err
			}
		}
	}
	if len(slice) == 0 {
		return ctx.Err()
	}
	return commit()
}

// importAll appends messages that bring UID and modseq. The log names them
// under the modseq of this Update, so that no reader misses them.
func (u *update) importAll(box mailstore.MailboxID, messages []mailstore.NewMessage) error {
	b, err := u.target(box)
	if err != nil {
		return err
	}
	st, err := u.state()
	if err != nil {
		return err
	}
	for _, m := range messages {
		st.modseq = max(st.modseq, m.ModSeq)
	}
	for _, m := range messages {
		known, err := u.email(m.EmailID)
		if err != nil {
			return err
		}
		if known.standsAt(box, m.UID) && u.stands(box, m.UID) {
			continue
		}
		if known != nil && m.UID == 0 {
			continue
		}
		if m.UID == 0 {
			m.UID = b.UIDNext
		}
		if m.UID < b.UIDNext || m.UID == ^mailstore.UID(0) {
			return fmt.Errorf("import UID %d, next is %d: %w", m.UID, b.UIDNext, mailstore.ErrExists)
		}
		if err := u.checkWords(b, m.Keywords); err != nil {
			return err
		}
		mod, err := u.modseq()
		if err != nil {
			return err
		}
		if m.ModSeq == 0 {
			m.ModSeq = mod
		}
		if err := u.insert(b, m.UID, m.ModSeq, m); err != nil {
			return err
		}
	}
	return nil
}
