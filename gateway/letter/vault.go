package letter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// ErrTakenBack says that a letter was taken back by its sender: its recipient
// does not get it from the vault.
var ErrTakenBack = errors.New("taken back by its sender")

// Restored is the answer to Restore.
type Restored struct {
	EmailID mailstore.ID
	Number  string
	Type    string
	Role    mailstore.LetterRole // whose copy it is
	// Already says that the copy stands in a mailbox and nothing was done.
	Already bool
}

// Restore puts a copy of a letter back that was expunged: into the mailbox with
// a name, or, with "", into the one where it stood. Where that is gone, or was
// meant for what goes, it is the mailbox of sent letters or INBOX. mailstore's
// ErrNoMessage when the account has no such copy, ErrHeld while it is held,
// ErrNoMailbox, and ErrLimit when the mailbox has no room for its keywords. by tells in the journal who
// asked.
func (o *Office) Restore(ctx context.Context, account, email mailstore.ID, mailbox string, by journal.Details) (res Restored, err error) {
	entry := journal.NewEntry(o.now(), journal.FromVault, nil) // its salt is chosen once
	err = o.store.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		kept, err := tx.Kept(email)
		if errors.Is(err, mailstore.ErrNotKept) {
			return mailstore.ErrNoMessage
		}
		if err != nil {
			return err
		}
		role := roleOf(account, kept)
		rec, err := tx.Letter(kept.LetterID, role)
		if err != nil {
			return err
		}
		res = Restored{EmailID: email, Number: rec.Number, Type: rec.Type, Role: role}
		m, err := tx.Vaulted(email, 0)
		if errors.Is(err, mailstore.ErrNoMessage) {
			rows, err := tx.ByEmailID(email)
			if err == nil && len(rows) == 0 {
				err = mailstore.ErrNoMessage
			}
			res.Already = err == nil
			return err
		}
		if err != nil {
			return err
		}
		if role == mailstore.Recipient && rec.State == string(Recalled) {
			return ErrTakenBack
		}
		box, err := home(tx, m, role, mailbox)
		if err != nil {
			return err
		}
		if _, err := tx.Restore(email, box.ID); err != nil {
			return err
		}
		if err := showAgain(tx, rec); err != nil {
			return err
		}
		entry.Details = journal.Details{
			"letter": rec.ID.String(), "number": rec.Number, "type": rec.Type, "copy": CopyName(role),
		}
		maps.Copy(entry.Details, by)
		_, err = journal.Append(tx, entry)
		return err
	})
	if err != nil {
		return Restored{}, fmt.Errorf("restore %s: %w", email, err)
	}
	return res, nil
}

// home is the mailbox that a copy comes back to.
func home(tx mailstore.Tx, m mailstore.Vaulted, role mailstore.LetterRole, name string) (box mailstore.Mailbox, err error) {
	if name != "" {
		return tx.MailboxByName(name)
	}
	if m.Mailbox != "" && m.Role != mailstore.RoleTrash && m.Role != mailstore.RoleJunk {
		box, err = tx.MailboxByName(m.Mailbox)
		if err == nil && !box.NoSelect || err != nil && !errors.Is(err, mailstore.ErrNoMailbox) {
			return box, err
		}
	}
	if role == mailstore.Sender {
		if box, err = tx.MailboxByRole(mailstore.RoleSent); !errors.Is(err, mailstore.ErrNoMailbox) {
			return box, err
		}
	}
	return tx.MailboxByName("INBOX")
}

// showAgain gives the rows of a letter that was sent its present state, which
// may have changed while it lay in the vault.
func showAgain(tx mailstore.UpdateTx, rec mailstore.Letter) error {
	if rec.Role != mailstore.Sender {
		return nil
	}
	out, err := DecodeOutgoing(rec)
	if err != nil {
		return err
	}
	_, err = show(tx, rec.ID, keywords(out.State(), out.Held()), shownAtOnce)
	return err
}

// InVault is one copy of a letter in the vault of an account.
type InVault struct {
	mailstore.Vaulted
	Kept   mailstore.Kept
	Role   mailstore.LetterRole // whose copy it is
	Number string
	Type   string
}

// Vault are the copies in the vault of an account, those that came last first.
func (o *Office) Vault(ctx context.Context, account mailstore.ID) (list []InVault, err error) {
	err = o.store.View(ctx, account, func(tx mailstore.Tx) error {
		for m, err := range tx.Vault(0) {
			if err != nil {
				return err
			}
			v := InVault{Vaulted: m}
			if v.Kept, err = tx.Kept(m.EmailID); err != nil {
				return err
			}
			v.Role = roleOf(account, v.Kept)
			rec, err := tx.Letter(v.Kept.LetterID, v.Role)
			if err != nil {
				return err
			}
			v.Number, v.Type = rec.Number, rec.Type
			list = append(list, v)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("vault of %s: %w", account, err)
	}
	slices.SortFunc(list, func(a, b InVault) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Number, b.Number)) })
	return list, nil
}
