package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// ledger is what a load has told, and so what must be true of its store.
type ledger struct {
	letters   map[mailstore.ID]told             // acknowledged
	begun     map[mailstore.ID]bool             // not acknowledged, nor refused
	refused   map[mailstore.ID]bool             // certainly not there
	numbers   map[uint64]bool                   // given
	may       map[mailstore.ID][]string         // account -> digests of what it may hold
	seen      map[string]sight                  // account and mailbox -> the most that was seen
	highest   map[mailstore.ID]mailstore.ModSeq // of all mailboxes of an account
	tokens    map[mailstore.ID]uint64           // the highest of all leases
	leases    map[string]bool                   // item and token
	completed map[mailstore.ID]bool             // false: perhaps
}

// told is an acknowledged letter.
type told struct {
	account mailstore.ID
	number  uint64
	uid     mailstore.UID
}

// sight is what a reader saw of a mailbox.
type sight struct {
	validity uint64
	next     mailstore.UID
	mod      mailstore.ModSeq
}

func newLedger() *ledger {
	return &ledger{
		letters: map[mailstore.ID]told{}, begun: map[mailstore.ID]bool{}, refused: map[mailstore.ID]bool{},
		numbers: map[uint64]bool{}, may: map[mailstore.ID][]string{}, seen: map[string]sight{},
		highest: map[mailstore.ID]mailstore.ModSeq{}, tokens: map[mailstore.ID]uint64{}, leases: map[string]bool{}, completed: map[mailstore.ID]bool{},
	}
}

// enter takes up a fact. One that a kill has cut off is no fact.
func (l *ledger) enter(fact string) error {
	f := strings.Fields(fact)
	want := map[string]int{"accept": 3, "refused": 2, "letter": 5, "leased": 4, "completing": 2, "completed": 2, "try": 3, "is": 3, "see": 6}
	if len(f) == 0 || len(f) != want[f[0]] {
		return fmt.Errorf("fact %q", fact)
	}
	num := func(s string) uint64 {
		n, _ := strconv.ParseUint(s, 10, 64)
		return n
	}
	id := uuid.MustParse(f[1])
	switch f[0] {
	case "accept":
		l.begun[uuid.MustParse(f[2])] = true
	case "refused":
		delete(l.begun, id)
		l.refused[id] = true
	case "letter":
		n := num(f[3])
		if l.numbers[n] {
			return fmt.Errorf("number %d given twice", n)
		}
		l.numbers[n] = true
		delete(l.begun, uuid.MustParse(f[2]))
		l.letters[uuid.MustParse(f[2])] = told{id, n, mailstore.UID(num(f[4]))}
	case "leased":
		item, token := uuid.MustParse(f[2]), num(f[3])
		if l.leases[fmt.Sprint(item, token)] {
			return fmt.Errorf("item %s leased twice with token %d", item, token)
		}
		l.leases[fmt.Sprint(item, token)] = true
		l.tokens[item] = max(l.tokens[item], token)
	case "completing":
		if !l.completed[id] {
			l.completed[id] = false
		}
	case "completed":
		l.completed[id] = true
	case "try":
		l.may[id] = append(l.may[id], f[2])
	case "is":
		l.may[id] = []string{f[2]}
	case "see":
		l.see(id, f[1]+" "+f[2], sight{num(f[3]), mailstore.UID(num(f[4])), mailstore.ModSeq(num(f[5]))})
	}
	return nil
}

func (l *ledger) see(account mailstore.ID, box string, s sight) {
	old := l.seen[box]
	l.seen[box] = sight{max(old.validity, s.validity), max(old.next, s.next), max(old.mod, s.mod)}
	l.highest[account] = max(l.highest[account], s.mod)
}

// verify opens a store and compares it with the ledger; then the ledger goes on
// with what is there.
func (l *ledger) verify(dir string) error {
	s, err := Open(ctx, loadOptions(dir))
	if err != nil {
		return err
	}
	err = s.Check(ctx)
	for n := range loadAccounts {
		err = errors.Join(err, l.verifyAccount(s, loadAccount(n)), settleAll(s, loadAccount(n)))
	}
	return errors.Join(err, s.Close())
}

func (l *ledger) verifyAccount(s *Store, account mailstore.ID) error {
	err := s.View(ctx, account, func(tx mailstore.Tx) error {
		return errors.Join(l.verifyLetters(tx, account), l.verifyHolding(tx, account), l.verifySeen(tx, account), readAll(tx, s.Bodies()))
	})
	// What comes next is above all that anybody has seen.
	undo := errors.New("undo")
	probe := s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		m, err := tx.CreateMailbox("probe", "")
		if err == nil && m.HighestMod <= l.highest[account] {
			err = fmt.Errorf("account %s: next modseq is %d, %d was seen", account, m.HighestMod, l.highest[account])
		}
		return errors.Join(err, undo)
	})
	if undone := errors.Is(probe, undo); !undone || strings.Contains(probe.Error(), "next modseq") {
		err = errors.Join(err, probe)
	}
	return err
}

// verifyLetters expects each letter whole or not at all.
func (l *ledger) verifyLetters(tx mailstore.Tx, account mailstore.ID) error {
	records, rows := map[mailstore.ID]bool{}, map[mailstore.ID]mailstore.UID{}
	for rec, err := range tx.Journal(0, 0) {
		if err != nil {
			return err
		}
		records[mailstore.ID(rec.Details)] = true
	}
	for m, err := range tx.Messages(1, mailstore.UIDSet{{Start: 1, Stop: 0}}, mailstore.FieldMeta) {
		if err != nil {
			return err
		}
		rows[m.EmailID] = m.UID
	}
	letters := 0
	for letter, err := range tx.Letters(mailstore.LetterFilter{}) {
		if err != nil {
			return err
		}
		letters++
		if err := l.verifyLetter(tx, letter, records, rows); err != nil {
			return err
		}
	}
	if letters != len(records) || letters != len(rows) {
		return fmt.Errorf("account %s: %d letters, %d records, %d messages", account, letters, len(records), len(rows))
	}
	for id, t := range l.letters {
		if t.account == account && rows[id] == 0 {
			return fmt.Errorf("letter %s was acknowledged and is lost", id)
		}
	}
	return nil
}

func (l *ledger) verifyLetter(tx mailstore.Tx, letter mailstore.Letter, records map[mailstore.ID]bool, rows map[mailstore.ID]mailstore.UID) error {
	id := letter.ID
	evidence := 0
	for _, err := range tx.Evidence(id) {
		if err != nil {
			return err
		}
		evidence++
	}
	it, err := tx.Item(id)
	done, completing := l.completed[id]
	switch {
	case l.refused[id]:
		return fmt.Errorf("letter %s was refused and is there", id)
	case !records[id] || rows[id] == 0 || evidence != 1:
		return fmt.Errorf("letter %s: in the journal %v, message %d, evidence %d", id, records[id], rows[id], evidence)
	case done && !errors.Is(err, mailstore.ErrNoItem):
		return fmt.Errorf("letter %s: its item was completed and is there, or %w", id, err)
	case !completing && err != nil:
		return fmt.Errorf("letter %s: %w", id, err)
	case err == nil && it.Token < l.tokens[id]:
		return fmt.Errorf("letter %s: token %d, %d was given", id, it.Token, l.tokens[id])
	}
	if t, ok := l.letters[id]; ok && (t.uid != rows[id] || fmt.Sprint(t.number) != letter.Number) {
		return fmt.Errorf("letter %s: UID %d and number %s, told %+v", id, rows[id], letter.Number, t)
	}
	return nil
}

// verifyHolding expects one of the states that the mailboxes can be in.
func (l *ledger) verifyHolding(tx mailstore.Tx, account mailstore.ID) error {
	h, err := readHolding(tx)
	if err != nil {
		return err
	}
	if may := l.may[account]; len(may) > 0 && !slices.Contains(may, h.digest()) {
		return fmt.Errorf("account %s holds %s, may hold %s", account, h.digest(), may)
	}
	l.may[account] = []string{h.digest()}
	return nil
}

// verifySeen expects that nothing has gone back behind what a reader saw.
func (l *ledger) verifySeen(tx mailstore.Tx, account mailstore.ID) error {
	list, err := tx.Mailboxes()
	if err != nil {
		return err
	}
	for _, m := range list {
		now := sight{uint64(m.UIDValidity), m.UIDNext, m.HighestMod}
		was, known := l.seen[fmt.Sprintf("%s %d", account, m.ID)]
		if known && (now.validity != was.validity || now.next < was.next || now.mod < was.mod) {
			return fmt.Errorf("mailbox %d of %s went back from %+v to %+v", m.ID, account, was, now)
		}
	}
	return nil
}

// readAll reads every message to its end and compares its octets.
func readAll(tx mailstore.Tx, bodies body.Store) error {
	list, err := tx.Mailboxes()
	if err != nil {
		return err
	}
	for _, box := range list {
		for m, err := range tx.Messages(box.ID, mailstore.UIDSet{{Start: 1, Stop: 0}}, mailstore.FieldMeta|mailstore.FieldContent) {
			if err != nil {
				return err
			}
			r, err := m.Content.Open(ctx, bodies, 0)
			if err != nil {
				return fmt.Errorf("message %d: %w", m.UID, err)
			}
			got, err := io.ReadAll(r)
			if err = errors.Join(err, r.Close()); err != nil {
				return fmt.Errorf("message %d: %w", m.UID, err)
			}
			want, err := io.ReadAll(octets(m.EmailID, int64(len(got))))
			if err != nil || int64(len(got)) != m.Size || !bytes.Equal(got, want) {
				return fmt.Errorf("message %d: other octets than its own, %v", m.UID, err)
			}
		}
	}
	return nil
}
