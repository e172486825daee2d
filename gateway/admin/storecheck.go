package admin

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/google/uuid"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

// StoreCheck asks for a check of the whole store.
type StoreCheck struct {
	// NoBodies leaves the octets of bodies unread: what else is said of them is
	// checked.
	NoBodies bool `json:"no_bodies,omitempty"`
	// Pages lets the files be checked page by page also while the gateway serves,
	// which then waits. On a stopped one it is always done.
	Pages bool `json:"pages,omitempty"`
}

// StoreChecked is what was found.
type StoreChecked struct {
	Findings []mailstore.Finding   `json:"findings"`
	More     int64                 `json:"more,omitempty"` // findings that are not shown
	Store    mailstore.CheckReport `json:"store"`
	Records  int64                 `json:"journal_records"`
	Evidence int64                 `json:"evidence"`
	Pages    bool                  `json:"pages"`  // they were checked
	Bodies   bool                  `json:"bodies"` // they were read

	serial uint64 // the greatest of a letter's number
}

// numberKey is where the store keeps which number is next.
const numberKey = "next-number"

// maxShown bounds the findings in an answer.
const maxShown = 2000

func (s *Service) storeCheck(ctx context.Context, in StoreCheck) (StoreChecked, error) {
	serving := s.o.Reload != nil
	out := StoreChecked{Findings: []mailstore.Finding{}, Pages: in.Pages || !serving, Bodies: !in.NoBodies}
	c := &storeChecker{s: s, out: &out, seed: maphash.MakeSeed()}
	// Journals first: what the engine says of counters afterwards includes
	// whatever was written meanwhile.
	if err := c.accounts(ctx, serving); err != nil {
		return out, err
	}
	var err error
	told := int64(0)
	out.Store, err = s.o.Checker.Inspect(ctx, mailstore.CheckOptions{
		Bodies: out.Bodies, Pages: out.Pages, Gentle: serving,
		Progress: progressOf(ctx),
	}, func(f mailstore.Finding) { told++; c.add(f) })
	if err != nil {
		return out, err
	}
	out.More += out.Store.Findings - told
	if out.serial >= out.Store.NextNumber {
		c.add(mailstore.Finding{
			Kind: mailstore.DamageCount, Bucket: "meta", Key: numberKey,
			Text: fmt.Sprintf("numbers are given from %d on, a letter has %d", out.Store.NextNumber, out.serial),
		})
	}
	if serving && len(out.Findings) > 0 {
		s.o.Logger.Error("store is damaged", "findings", len(out.Findings), "first", out.Findings[0].Kind)
	}
	return out, nil
}

// progressOf tells the caller of an operation what the store tells.
func progressOf(ctx context.Context) func(string, int64, int64, string) {
	return func(stage string, done, total int64, unit string) {
		report(ctx, Progress{Stage: stage, Done: done, Total: total, Unit: unit})
	}
}

// storeChecker checks what only the gateway understands.
type storeChecker struct {
	s    *Service
	out  *StoreChecked
	seed maphash.Seed
}

func (c *storeChecker) add(f mailstore.Finding) {
	if len(c.out.Findings) == maxShown {
		c.out.More++
		return
	}
	c.out.Findings = append(c.out.Findings, f)
}

// accounts checks journals, letters and evidence, account by account.
func (c *storeChecker) accounts(ctx context.Context, gentle bool) error {
	ids, err := c.s.o.Checker.AccountIDs(ctx)
	if err != nil {
		return err
	}
	for done, id := range ids {
		report(ctx, Progress{Stage: "checking journals", Done: int64(done), Total: int64(len(ids)), Unit: "accounts"})
		began := time.Now()
		err := c.account(ctx, id)
		if err != nil && !errors.Is(err, mailstore.ErrDamaged) && !errors.Is(err, mailstore.ErrNoAccount) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if gentle {
			rest(ctx, time.Since(began))
		}
	}
	return nil
}

// rest leaves the processor to those who are served.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// account checks one account. An error that is ErrDamaged is one that the
// engine tells of with its place; the other accounts are checked all the same.
func (c *storeChecker) account(ctx context.Context, id mailstore.ID) error {
	// Whether its keys open at all.
	if err := c.s.o.Store.View(ctx, id, func(mailstore.Tx) error { return nil }); err != nil {
		return err
	}
	j := &namedEvidence{storeChecker: c, account: id}
	if err := c.journal(ctx, id); err != nil {
		return err
	}
	if err := j.read(ctx); err != nil {
		return err
	}
	return j.letters(ctx)
}

// journal recomputes the tree of an account's journal, in slices.
func (c *storeChecker) journal(ctx context.Context, id mailstore.ID) error {
	var v journal.Verifier
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.s.o.Store.View(ctx, id, func(tx mailstore.Tx) (err error) {
			more, err = v.Step(tx, tracePage)
			return err
		})
		var tampered *journal.TamperedError
		if errors.As(err, &tampered) {
			c.add(mailstore.Finding{
				Kind: mailstore.DamageJournal, Bucket: "journal", Key: fmt.Sprint(tampered.Index), Account: id, Text: tampered.What,
			})
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, mailstore.ErrClosed) || errors.Is(err, mailstore.ErrNoAccount) {
			return err
		}
		if err != nil {
			c.add(mailstore.Finding{Kind: mailstore.DamageJournal, Bucket: "hash", Account: id, Text: err.Error()})
			return nil
		}
	}
	tree, err := v.Tree()
	c.out.Records += tree.Size
	return err
}

// namedEvidence compares an account's journal with its evidence, both ways.
type namedEvidence struct {
	*storeChecker
	account mailstore.ID
	size    int64    // records read
	named   []uint64 // hashes of the ids and digests that they name, sorted
	closed  bool     // some details were destroyed: evidence may lack its name
}

// leaf is what names an evidence.
func (n *namedEvidence) leaf(id, digest string) uint64 {
	return maphash.String(n.seed, id+" "+digest)
}

// read goes through the journal, in slices, and looks for the evidence that it
// names.
func (n *namedEvidence) read(ctx context.Context) error {
	for more := true; more; {
		err := n.s.o.Store.View(ctx, n.account, func(tx mailstore.Tx) error {
			before := n.size
			err := n.page(tx, tracePage, true)
			more = n.size > before
			return err
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(n.named)
	return nil
}

// page reads further records of the journal.
func (n *namedEvidence) page(tx mailstore.Tx, limit int, look bool) error {
	for rec, err := range tx.Journal(n.size, limit) {
		if errors.Is(err, mailstore.ErrDamaged) {
			n.size++
			n.closed = true
			break // the reading goes on behind it
		}
		if err != nil {
			return err
		}
		n.size++
		if rec.Details == nil {
			n.closed = true
			continue
		}
		d, err := journal.ParseDetails(rec.Details)
		if err != nil {
			n.add(mailstore.Finding{
				Kind: mailstore.DamageJournal, Bucket: "journal", Key: fmt.Sprint(rec.Index), Account: n.account, Text: "details are not in canonical form",
			})
			continue
		}
		if d["evidence"] == "" {
			continue
		}
		n.named = append(n.named, n.leaf(d["evidence"], d["evidence-sha256"]))
		if look {
			if err := n.look(tx, rec, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// look looks for the evidence that a record names.
func (n *namedEvidence) look(tx mailstore.Tx, rec mailstore.JournalRecord, d journal.Details) error {
	id, err := uuid.Parse(d["letter"])
	if err != nil {
		return nil //nolint:nilerr // evidence of another kind names no letter
	}
	for ev, err := range tx.Evidence(id) {
		if err != nil {
			return err
		}
		if ev.ID.String() == d["evidence"] {
			if receipt.Digest(ev.Hash).String() != d["evidence-sha256"] {
				n.evidence(id, fmt.Sprintf("evidence %s has another hash than journal record %d says", ev.ID, rec.Index))
			}
			return nil
		}
	}
	n.evidence(id, fmt.Sprintf("evidence %s, which journal record %d names, is not there", d["evidence"], rec.Index))
	return nil
}

func (n *namedEvidence) evidence(id mailstore.ID, text string) {
	n.add(mailstore.Finding{Kind: mailstore.DamageEvidence, Bucket: "evidence", Account: n.account, Letter: id, Text: text})
}

// letterPage is how many letters one View checks.
const letterPage = 100

// letters checks the account's letters, the newest first.
func (n *namedEvidence) letters(ctx context.Context) error {
	p := letterWalk{filter: mailstore.LetterFilter{Limit: letterPage}, done: map[letterSide]bool{}}
	for more := true; more; {
		err := n.s.o.Store.View(ctx, n.account, func(tx mailstore.Tx) (err error) {
			if err := n.page(tx, 0, false); err != nil { // what came since
				return err
			}
			slices.Sort(n.named)
			more, err = p.page(tx, func(rec mailstore.Letter) error { return n.letter(tx, rec) })
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// letterWalk goes through the letters of an account in pages.
type letterWalk struct {
	filter mailstore.LetterFilter
	done   map[letterSide]bool // those of the time of the last
}

type letterSide struct {
	id   mailstore.ID
	role mailstore.LetterRole
}

// page calls fn for the letters of one page. One that cannot be read is left
// out: the engine tells of it.
func (p *letterWalk) page(tx mailstore.Tx, fn func(mailstore.Letter) error) (more bool, err error) {
	count, last := 0, time.Time{}
	for rec, err := range tx.Letters(p.filter) {
		unread := errors.Is(err, mailstore.ErrDamaged) && !rec.At.IsZero()
		if err != nil && !unread {
			return false, err
		}
		count++
		side := letterSide{rec.ID, rec.Role}
		if !rec.At.Equal(last) && !rec.At.Equal(p.filter.Until.Add(-1)) {
			clear(p.done)
		}
		known := p.done[side]
		p.done[side], last = true, rec.At
		if unread { // the walk ended here: it goes on before that time
			p.filter.Until = last
			return true, nil
		}
		if !known {
			if err := fn(rec); err != nil {
				return false, err
			}
		}
	}
	if count < p.filter.Limit {
		return false, nil
	}
	// Letters of the same time as the last come again, and more at once where a
	// page has no other.
	if until := last.Add(1); until.Equal(p.filter.Until) {
		p.filter.Limit *= 2
	} else {
		p.filter.Until, p.filter.Limit = until, letterPage
	}
	return true, nil
}

// letter checks one letter.
func (n *namedEvidence) letter(tx mailstore.Tx, rec mailstore.Letter) error {
	if serial, ok := letter.Serial(rec.Number); ok && rec.Role == mailstore.Sender {
		n.out.serial = max(n.out.serial, serial)
	}
	seen := func(ev mailstore.Evidence) {
		n.out.Evidence++
		_, ok := slices.BinarySearch(n.named, n.leaf(ev.ID.String(), receipt.Digest(ev.Hash).String()))
		if !ok && !n.closed {
			n.evidence(rec.ID, fmt.Sprintf("evidence %s stands in no journal record", ev.ID))
		}
	}
	err := letter.Check(tx, rec, seen, func(kind mailstore.Damage, text string) {
		n.add(mailstore.Finding{Kind: kind, Bucket: "letter", Account: n.account, Letter: rec.ID, Text: text})
	})
	if errors.Is(err, mailstore.ErrDamaged) {
		return nil // evidence that cannot be read: the engine tells
	}
	return err
}
