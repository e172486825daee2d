package boltstore

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"gosbridge/mailstore"
)

// This file is the load under which a store is killed (crash_test.go), loses
// its power (powerloss_test.go) or has its disk fail (fault_test.go). What the
// load does stands in loadops_test.go; what must be true afterwards, in
// ledger_test.go.
//
// To add an operation, write a method of load and add it to loadOps, with the
// steps that it passes; the crash test kills at each of them and fails when one
// is never reached. A change of the account's mailboxes goes through change,
// which tells what the account holds before and after.

// loadOp is a kind of work.
type loadOp struct {
	name  string
	alone bool // runs in the one worker of its account that changes mailboxes
	run   func(*load, *desk) error
	steps []string // that it passes by l.step; those of the store's hook aside
}

var loadOps = []loadOp{
	{"letter", false, (*load).letter, []string{"letter/put", "letter/written", "letter/done"}},
	{"large letter", false, (*load).largeLetter, nil}, // the same steps
	{"lease", false, (*load).lease, []string{"lease/done", "lease/completing"}},
	{"given up", false, (*load).giveUp, []string{"given up/put"}},
	{"add", true, (*load).add, []string{"add/put", "add/written", "add/done"}},
	{"flags", true, (*load).flags, []string{"flags/written", "flags/done"}},
	{"expunge", true, (*load).expunge, []string{"expunge/written", "expunge/done"}},
	{"move", true, (*load).move, []string{"move/written", "move/done"}},
	{"create", true, (*load).create, []string{"create/written", "create/done"}},
	{"rename", true, (*load).rename, []string{"rename/written", "rename/done"}},
	{"delete", true, (*load).remove, []string{"delete/written", "delete/done"}},
	{"import", true, (*load).bring, []string{"import/slice", "import/done"}},
	{"sweep", true, (*load).sweep, []string{"sweep/done"}},
}

// hookSteps are the steps of Options.Hook.
var hookSteps = []string{"commit", "committed", "body", "purge", "drop", "sweep"}

// loadAccount is the account that the load with that number writes to.
func loadAccount(n int) mailstore.ID { return mailstore.ID{15: byte(n + 1)} }

const loadAccounts = 2

// loadOptions are those of all stores under load.
func loadOptions(dir string) Options {
	return Options{Dir: dir, MasterKey: [32]byte{7}, LogEntries: 50, doomedFrom: 2}
}

// newLoadStore makes an empty store for a load, and closes it.
func newLoadStore(dir string) error {
	opts := loadOptions(dir)
	opts.Create = true
	s, err := Open(ctx, opts)
	if err != nil {
		return err
	}
	for n := range loadAccounts {
		a := mailstore.Account{ID: loadAccount(n), Addresses: []string{fmt.Sprint(n)}}
		err = errors.Join(err, s.Directory().CreateAccount(ctx, a, []mailstore.NewMailbox{{Name: "Work"}}))
	}
	return errors.Join(err, s.Close())
}

// load is a running load.
type load struct {
	s    *Store
	tell func(fact string)
	step func(name string)
	// prefer is the operation that every other one is; "" for none.
	prefer string
	// unnamed is held for reading by who has a body that no commit names yet,
	// and for writing by a sweep without a time of grace.
	unnamed sync.RWMutex
}

// desk is one worker.
type desk struct {
	account mailstore.ID
	rnd     *rand.Rand
	holds   holding // of the worker that changes mailboxes
}

// holding is what an account's mailboxes other than INBOX hold.
type holding map[string]map[mailstore.ID]mailstore.Flags

func (h holding) clone() holding {
	c := holding{}
	for name, messages := range h {
		c[name] = maps.Clone(messages)
	}
	return c
}

// digest is a short name of what is held.
func (h holding) digest() string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(sum, "%q\n", name)
		for _, id := range slices.SortedFunc(maps.Keys(h[name]), func(a, b mailstore.ID) int { return bytes.Compare(a[:], b[:]) }) {
			fmt.Fprintf(sum, "%s %d\n", id, h[name][id])
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:12])
}

// readHolding looks at what an account holds.
func readHolding(tx mailstore.Tx) (holding, error) {
	h := holding{}
	list, err := tx.Mailboxes()
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.Role == mailstore.RoleInbox {
			continue
		}
		h[m.Name] = map[mailstore.ID]mailstore.Flags{}
		for row, err := range tx.Messages(m.ID, mailstore.UIDSet{{Start: 1, Stop: 0}}, mailstore.FieldMeta) {
			if err != nil {
				return nil, err
			}
			h[m.Name][row.EmailID] = row.Flags
		}
	}
	return h, nil
}

// newDesk makes a worker of an account.
func (l *load) newDesk(n int, seed uint64) (*desk, error) {
	d := &desk{account: loadAccount(n % loadAccounts), rnd: rand.New(rand.NewPCG(seed, uint64(n)))}
	return d, l.lookAgain(d)
}

// work does one operation.
func (l *load) work(d *desk, alone bool) error {
	for {
		op := loadOps[d.rnd.IntN(len(loadOps))]
		if i := slices.IndexFunc(loadOps, func(op loadOp) bool { return op.name == l.prefer }); i >= 0 && d.rnd.IntN(2) == 0 {
			op = loadOps[i]
		}
		if op.alone == alone {
			if err := op.run(l, d); err != nil {
				return fmt.Errorf("%s: %w", op.name, err)
			}
			return nil
		}
	}
}

// looker tells what a reader of an account sees, when it has changed.
type looker struct {
	account mailstore.ID
	told    map[mailstore.MailboxID]string
}

func (l *load) look(at *looker) error {
	var list []mailstore.Mailbox
	err := l.s.View(ctx, at.account, func(tx mailstore.Tx) (err error) {
		list, err = tx.Mailboxes()
		return err
	})
	for _, m := range list {
		fact := fmt.Sprintf("see %s %d %d %d %d", at.account, m.ID, m.UIDValidity, m.UIDNext, m.HighestMod)
		if at.told[m.ID] != fact {
			at.told[m.ID] = fact
			l.tell(fact)
		}
	}
	return err
}

func newLooker(n int) *looker {
	return &looker{loadAccount(n % loadAccounts), map[mailstore.MailboxID]string{}}
}

// forever works on all sides until something fails.
func (l *load) forever(seed uint64) error {
	errs := make(chan error, 3*loadAccounts+1)
	until := func(do func() error) {
		for {
			if err := do(); err != nil {
				errs <- err
				return
			}
		}
	}
	for n := range 2 * loadAccounts {
		d, err := l.newDesk(n, seed)
		if err != nil {
			return err
		}
		if n < loadAccounts {
			l.tell(fmt.Sprintf("is %s %s", d.account, d.holds.digest()))
		}
		go until(func() error { return l.work(d, n < loadAccounts) })
	}
	for n := range loadAccounts {
		eye := newLooker(n)
		go until(func() error { return l.look(eye) })
	}
	go until(l.texts)
	return <-errs
}

// texts keeps the texts behind the writers.
func (l *load) texts() error {
	accounts, err := l.s.Texts().Behind(ctx)
	for _, account := range accounts {
		if err == nil {
			err = caughtUp(l.s, account)
		}
	}
	return err
}
