package letter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// numbersAtOnce is how many numbers of letters one journal entry names: they
// stay well below journal.MaxDetails.
const numbersAtOnce = 400

// OnExpunge journals the letters that leave the account's mailboxes with an
// EXPUNGE, by their numbers: those whose last rows are among the messages. The
// store keeps them in the vault.
func (m Mailroom) OnExpunge(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, uids mailstore.UIDSet) error {
	var letters []*mailstore.Message
	for msg, err := range tx.Messages(box.ID, uids, mailstore.FieldMeta) {
		if err != nil {
			return fmt.Errorf("letters expunged: %w", err)
		}
		if msg.LetterID != (mailstore.ID{}) {
			letters = append(letters, msg)
		}
	}
	var numbers []string
	seen := map[mailstore.ID]bool{} // one may have several rows here
	for _, msg := range letters {
		if seen[msg.EmailID] {
			continue
		}
		seen[msg.EmailID] = true
		number, err := leaves(tx, who.Account.ID, box.ID, uids, msg)
		if err != nil {
			return err
		}
		if number != "" {
			numbers = append(numbers, number)
		}
	}
	for len(numbers) > 0 {
		n := min(len(numbers), numbersAtOnce)
		if err := m.removed(tx, who, journal.Details{"numbers": strings.Join(numbers[:n], "\n")}); err != nil {
			return err
		}
		numbers = numbers[n:]
	}
	return nil
}

// leaves is the number of a letter all of whose rows are among those that go;
// "" when some stay, or when it is none of the account's letters.
func leaves(tx mailstore.Tx, account mailstore.ID, box mailstore.MailboxID, uids mailstore.UIDSet, msg *mailstore.Message) (string, error) {
	rows, err := tx.ByEmailID(msg.EmailID)
	if err != nil {
		return "", fmt.Errorf("letters expunged: %w", err)
	}
	for _, row := range rows {
		if row.Mailbox != box || !uids.Contains(row.UID) {
			return "", nil
		}
	}
	rec, err := tx.Letter(msg.LetterID, roleOf(account, mailstore.Kept{EmailID: msg.EmailID, LetterID: msg.LetterID}))
	if errors.Is(err, mailstore.ErrNoLetter) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("letters expunged: %w", err)
	}
	return rec.Number, nil
}

// OnDelete journals that a mailbox goes with all that it has. Its letters are
// too many to be named here; the vault names them.
func (m Mailroom) OnDelete(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox) error {
	if box.Messages == 0 {
		return nil
	}
	return m.removed(tx, who, journal.Details{"mailbox": box.Name, "messages": strconv.FormatUint(uint64(box.Messages), 10)})
}

// removed writes an entry about what is no more in any mailbox, with who did it.
func (m Mailroom) removed(tx mailstore.UpdateTx, who auth.Identity, details journal.Details) error {
	details["credential"], details["address"] = who.Name, who.Remote.String()
	if _, err := journal.Append(tx, journal.NewEntry(m.now(), journal.Removed, details)); err != nil {
		return fmt.Errorf("letters expunged: %w", err)
	}
	return nil
}
