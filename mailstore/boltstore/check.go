package boltstore

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// A check goes through every bucket in slices. The rule of a bucket looks at one
// row and at what the same snapshot says of it elsewhere, in both directions: so
// a change between two slices is never taken for damage. What needs a count over
// many rows (uses of bodies, small bodies without a holder, memories) is counted
// in one snapshot, without opening anything: seconds for a million messages.

const (
	// checkRows and checkTime bound the snapshot of one slice. A mailbox is
	// counted in one, however large it is.
	checkRows = 4000
	checkTime = 200 * time.Millisecond
	// maxFindings bounds the report about a store that is broken all over.
	maxFindings = 1000
)

var _ mailstore.Checker = (*Store)(nil)

// Check checks everything and returns what is wrong, as errors that are
// ErrDamaged. It may run beside everything else.
func (s *Store) Check(ctx context.Context) error {
	var errs []error
	opts := mailstore.CheckOptions{Bodies: true, Pages: true}
	_, err := s.Inspect(ctx, opts, func(f mailstore.Finding) {
		errs = append(errs, fmt.Errorf("%s %s %s: %s: %w", f.Kind, f.Bucket, f.Key, f.Text, mailstore.ErrDamaged))
	})
	return errors.Join(append(errs, err)...)
}

// Inspect implements mailstore.Checker.
func (s *Store) Inspect(ctx context.Context, opts mailstore.CheckOptions, found func(mailstore.Finding)) (mailstore.CheckReport, error) {
	findings := int64(0)
	c := newInspector(ctx, s, opts, func(f mailstore.Finding) {
		if findings++; findings <= maxFindings {
			found(f)
		}
	})
	err := c.run()
	c.report.Findings = findings
	if err != nil {
		return c.report, fmt.Errorf("check: %w", err)
	}
	return c.report, nil
}

// AccountIDs implements mailstore.Checker.
func (s *Store) AccountIDs(ctx context.Context) (ids []mailstore.ID, err error) {
	err = s.read(ctx, func(t *txn) error {
		t.scan(bAccount, nil, nil, func(k, _ []byte) bool {
			if len(k) == len(mailstore.ID{}) {
				ids = append(ids, mailstore.ID(k))
			}
			return true
		})
		return nil
	})
	return ids, err
}

// inspector checks a store. What it keeps between slices never changes once it
// is committed, or is a guess that a slice makes sure of.
type inspector struct {
	s      *Store
	ctx    context.Context
	opts   mailstore.CheckOptions
	found  func(mailstore.Finding)
	report mailstore.CheckReport

	accounts  map[uint32]mailstore.ID // by number
	holders   map[mailstore.ID]bool   // that accounts name
	wraps     map[uint32]*accountKeys // of holders, for bodies
	told      map[string]bool         // what is said once for many rows
	unread    []wrapped               // large bodies to be read after the slice
	read      int64                   // octets of them so far
	damaged   map[body.Name]string    // bodies that cannot be read, and why
	overflow  bool                    // there are more of them than are kept
	badTexts  *mailstore.Finding      // the first of search.db
	uses      uint64                  // that were counted of the body told of
	row       []byte                  // key of the row looked at
	mend      func(damageAt)          // takes what is found, instead of found
	between   func() error            // runs after each slice
	started   time.Time               // of the slice
	done      int64                   // of the stage
	stage     string
	freshened bool // accounts are those of this snapshot

	*txn       // of the slice
	v    *view // of the account in hand
	last struct {
		chunkKey  []byte
		chunk     []flagRow
		logKey    []byte
		log       *logEntry
		doomedKey []byte
		doomed    map[mailstore.UID]bool
		goneKey   []byte
		gone      mailstore.UIDSet
	}
}

func newInspector(ctx context.Context, s *Store, opts mailstore.CheckOptions, found func(mailstore.Finding)) *inspector {
	return &inspector{
		s: s, ctx: ctx, opts: opts, found: found,
		wraps: map[uint32]*accountKeys{}, told: map[string]bool{}, damaged: map[body.Name]string{},
	}
}

// rule looks at one row of a bucket.
type rule func(c *inspector, k, v []byte)

// rules are those of every bucket; a bucket without one would go unchecked.
var rules = [bucketCount]rule{
	bMeta: (*inspector).metaRow, bHolder: (*inspector).holderRow, bAccount: (*inspector).accountRow,
	bState: (*inspector).stateRow, bAddress: (*inspector).addressRow, bCred: (*inspector).credRow,
	bSetting: (*inspector).settingRow, bBox: (*inspector).boxRow, bBoxName: (*inspector).boxNameRow,
	bPurge: (*inspector).purgeRow, bRow: (*inspector).messageRow, bFlag: (*inspector).flagRow,
	bLog: (*inspector).logRow, bEmail: (*inspector).emailRow, bShows: (*inspector).showsRow,
	bLetter: (*inspector).letterRow, bLetTime: (*inspector).letTimeRow, bLetKey: (*inspector).letKeyRow,
	bEvidence: (*inspector).evidenceRow, bJournal: (*inspector).journalRow, bHash: (*inspector).hashRow,
	bItem: (*inspector).itemRow, bDue: (*inspector).dueRow, bPast: (*inspector).pastRow,
	bGone: (*inspector).goneRow, bWrap: (*inspector).wrapRow, bInline: (*inspector).inlineRow,
	bDead: (*inspector).deadRow, bRowKey: (*inspector).rowKeyRow, bDoomed: (*inspector).doomedRow,
	bKeep: (*inspector).keepRow, bKeepEnd: (*inspector).keepEndRow, bVault: (*inspector).vaultRow,
}

// keySizes are the lengths of keys; 0 where they differ.
var keySizes = [bucketCount]int{
	bHolder: 16, bAccount: 16, bState: 4, bAddress: 16, bCred: 20, bSetting: 16, bBox: 8, bBoxName: 20,
	bPurge: 8, bRow: 12, bFlag: 12, bLog: 16, bEmail: 20, bShows: 28, bRowKey: 28, bLetter: 21, bLetTime: 29,
	bLetKey: 37, bEvidence: 24, bJournal: 12, bHash: 12, bItem: 16, bPast: 16, bWrap: 20, bInline: 8, bDead: 32,
	bDoomed: 12, bKeep: 20, bKeepEnd: 28, bVault: 20,
}

// perAccount says which buckets have keys that begin with an account's number.
var perAccount = [bucketCount]bool{
	bState: true, bCred: true, bBox: true, bBoxName: true, bPurge: true, bRow: true, bFlag: true, bLog: true,
	bEmail: true, bShows: true, bRowKey: true, bLetter: true, bLetTime: true, bLetKey: true, bEvidence: true,
	bJournal: true, bHash: true, bDoomed: true, bKeep: true, bKeepEnd: true, bVault: true,
}

// run checks all.
func (c *inspector) run() error {
	if c.opts.Pages {
		if err := c.pages(); err != nil {
			return err
		}
	}
	if err := c.slice("accounts", c.counters); err != nil {
		return err
	}
	for n := range bucketCount {
		if err := c.walk(n); err != nil {
			return err
		}
	}
	if err := c.slice("uses of bodies", c.totals); err != nil {
		return err
	}
	if err := c.files(); err != nil {
		return err
	}
	if err := c.texts(); err != nil {
		return err
	}
	if len(c.damaged) == 0 {
		return nil
	}
	return c.slice("messages of damaged bodies", c.users)
}

// pages lets bbolt check the file. Its list of free pages is the writer's, so
// this is done there, and nothing is written meanwhile.
func (c *inspector) pages() error {
	c.progress("pages", 0)
	var faults []error
	err := c.s.submit(c.ctx, func(w *work) error {
		faults = nil
		for err := range w.tx.Check() {
			faults = append(faults, err)
		}
		return nil
	})
	for _, f := range faults {
		c.found(mailstore.Finding{Kind: mailstore.DamagePage, File: metaFile, Text: f.Error()})
	}
	return err
}

// walk checks the rows of one bucket.
func (c *inspector) walk(n bucket) error {
	c.done = 0
	var from []byte
	for more := true; more; {
		more = false
		err := c.slice(bucketNames[n], func() error {
			rows := 0
			at := from
			err := c.guard(n, &at, func() error {
				c.scan(n, nil, from, func(k, v []byte) bool {
					if rows == checkRows || rows&15 == 15 && time.Since(c.started) > checkTime || c.ctx.Err() != nil {
						from, more = copied(k), true
						return false
					}
					rows++
					at = k
					c.look(n, k, v)
					return true
				})
				return nil
			})
			c.done += int64(rows)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// look applies the rule of a bucket to a row.
func (c *inspector) look(n bucket, k, v []byte) {
	c.row = k
	if want := keySizes[n]; want != 0 && len(k) != want {
		c.find(n, k, mailstore.DamageUnreadable, "key of %d octets, not %d", len(k), want)
		return
	}
	if perAccount[n] && !c.own(n, k) {
		return
	}
	rules[n](c, k, v)
}

// slice runs fn on a snapshot, and after it reads the large bodies that fn met.
func (c *inspector) slice(stage string, fn func() error) error {
	c.progress(stage, 0)
	began := time.Now()
	err := c.s.read(c.ctx, func(t *txn) error {
		c.txn, c.v, c.freshened, c.started = t, nil, false, time.Now()
		c.last.chunkKey, c.last.logKey, c.last.doomedKey, c.last.goneKey = nil, nil, nil, nil
		defer func() { c.txn, c.v = nil, nil }()
		return fn()
	})
	if err == nil {
		err = c.readLarge()
	}
	if err == nil && c.between != nil {
		err = c.between()
	}
	if err == nil {
		err = c.ctx.Err()
	}
	c.rest(time.Since(began))
	return err
}

// rest leaves the processor and the disk to those who are served.
func (c *inspector) rest(worked time.Duration) {
	if !c.opts.Gentle {
		return
	}
	t := time.NewTimer(worked)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	case <-c.s.closing:
	}
}

func (c *inspector) progress(stage string, total int64) {
	if stage != c.stage {
		c.stage, c.done = stage, 0
	}
	if stage == bucketNames[bRow] {
		total = max(c.report.Messages, c.done)
	}
	if c.opts.Progress != nil {
		c.opts.Progress("checking "+stage, c.done, total, "records")
	}
}

// guard makes a finding of the panics by which bbolt, and the memory map under
// it, answer pages that make no sense or cannot be read. What lies behind such
// a page in its bucket stays unchecked.
func (c *inspector) guard(n bucket, at *[]byte, fn func() error) error {
	err := guardPages(fn)
	if errors.Is(err, mailstore.ErrDamaged) {
		c.find(n, copied(*at), mailstore.DamagePage, "not readable from here on: %v", err)
		return nil
	}
	return err
}

// find tells of damage at a row.
func (c *inspector) find(n bucket, k []byte, kind mailstore.Damage, format string, args ...any) {
	f := mailstore.Finding{Kind: kind, File: metaFile, Bucket: bucketNames[n], Key: hex.EncodeToString(k), Text: fmt.Sprintf(format, args...)}
	if n == bMeta {
		f.Key = string(k)
	}
	c.tell(n, k, c.placed(n, k, f))
}

// damageAt is what a repair is told: a finding, the key that it is about, and the
// row from which it was seen.
type damageAt struct {
	mailstore.Finding
	n       bucket
	k, from []byte
	uses    uint64
}

// tell passes a finding on.
func (c *inspector) tell(n bucket, k []byte, f mailstore.Finding) {
	if c.mend == nil {
		c.found(f)
		return
	}
	c.mend(damageAt{Finding: f, n: n, k: copied(k), from: copied(c.row), uses: c.uses})
}

// placed adds what the key of a row says.
func (c *inspector) placed(n bucket, k []byte, f mailstore.Finding) mailstore.Finding {
	if want := keySizes[n]; want != 0 && len(k) != want {
		return f
	}
	if perAccount[n] {
		f.Account = c.accounts[binary.BigEndian.Uint32(k)]
	}
	switch n {
	case bAccount:
		f.Account = mailstore.ID(k)
	case bBox, bPurge, bRow, bFlag, bLog, bDoomed:
		f.Mailbox = mailstore.MailboxID(binary.BigEndian.Uint32(k[4:]))
	case bLetter, bEvidence:
		f.Letter = mailstore.ID(k[4:20])
	case bWrap:
		f.Body = body.Name(k[:16]).String()
	}
	if n == bRow {
		f.UID = mailstore.UID(binary.BigEndian.Uint32(k[8:]))
	}
	return f
}

// bad tells of an error, if there is one.
func (c *inspector) bad(n bucket, k []byte, err error) bool {
	if err != nil {
		c.find(n, k, mailstore.DamageUnreadable, "%v", err)
	}
	return err != nil
}

// once reports whether something is said for the first time.
func (c *inspector) once(n bucket, k []byte) bool {
	key := string(append([]byte{byte(n)}, k...))
	if c.told[key] || len(c.told) > maxFindings {
		return false
	}
	c.told[key] = true
	return true
}
