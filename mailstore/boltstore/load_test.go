package boltstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/iotest"
	"time"

	"gosbridge/mailstore"
)

// This file is the load under which a store is killed (crash_test.go), loses
// its power (powerloss_test.go) or has its disk fail (fault_test.go). What the
// load tells, and what must be true afterwards, stands in ledger_test.go.
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

// octets are those of the body with an ID: nobody can take one for another.
func octets(id mailstore.ID, size int64) io.Reader {
	sum := sha256.Sum256(id[:])
	return io.LimitReader(&repeat{line: fmt.Appendf(nil, "%x\r\n", sum)}, size)
}

type repeat struct {
	line []byte
	at   int
}

func (r *repeat) Read(p []byte) (n int, err error) {
	for n < len(p) {
		k := copy(p[n:], r.line[r.at:])
		n, r.at = n+k, (r.at+k)%len(r.line)
	}
	return n, nil
}

// message puts the body of a new message.
func (l *load) message(id mailstore.ID, size int64) (m mailstore.NewMessage, err error) {
	m = mailstore.NewMessage{EmailID: id, Summary: []byte("summary"), Keys: []string{id.String()}}
	m.Content.Body, err = l.s.Bodies().Put(ctx, octets(id, size))
	m.Content.Length = m.Content.Body.Size
	return m, err
}

func (l *load) letter(d *desk) error      { return l.accept(d, 500) }
func (l *load) largeLetter(d *desk) error { return l.accept(d, int64(20000+d.rnd.IntN(600000))) }

// accept does what the acceptance of a letter does, all in one Update.
func (l *load) accept(d *desk, size int64) error {
	l.unnamed.RLock()
	defer l.unnamed.RUnlock()
	id := mailstore.NewID()
	m, err := l.message(id, size)
	if err != nil {
		return err
	}
	m.LetterID = id
	l.step("letter/put")
	number, err := l.s.Directory().ReserveNumbers(ctx, 1)
	if err != nil {
		return err
	}
	l.tell(fmt.Sprintf("accept %s %s", d.account, id))
	var got mailstore.Appended
	err = l.s.Update(ctx, d.account, func(tx mailstore.UpdateTx) (err error) {
		if got, err = tx.Append(1, m); err != nil {
			return err
		}
		n, err := tx.JournalSize()
		if err != nil {
			return err
		}
		err = errors.Join(
			tx.PutLetter(mailstore.Letter{ID: id, Role: mailstore.Sender, At: time.Now(), Number: fmt.Sprint(number), Keys: []string{id.String()}}),
			tx.PutEvidence(mailstore.Evidence{ID: id, Letter: id, Data: id[:]}),
			tx.AppendJournal(mailstore.JournalRecord{Index: n, Details: id[:]}, []mailstore.Hash{{1}}),
			tx.Enqueue(mailstore.Item{ID: id, Account: d.account, Class: "delivery", Due: time.Now()}))
		l.step("letter/written")
		return err
	})
	if err != nil {
		if !errors.Is(err, mailstore.ErrMaybeCommitted) {
			l.tell("refused " + id.String())
		}
		return err
	}
	l.step("letter/done")
	l.tell(fmt.Sprintf("letter %s %s %d %d", d.account, id, number, got.UID))
	return nil
}

// giveUp begins bodies that become nothing: one breaks off, one is discarded.
func (l *load) giveUp(d *desk) error {
	broken := errors.New("client gone")
	id := mailstore.NewID()
	_, err := l.s.Bodies().Put(ctx, io.MultiReader(octets(id, int64(d.rnd.IntN(500000))), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		return fmt.Errorf("body that breaks off: %w", err)
	}
	l.unnamed.RLock()
	defer l.unnamed.RUnlock()
	m, err := l.message(id, 30000)
	if err != nil {
		return err
	}
	l.step("given up/put")
	return l.s.Bodies().Discard(ctx, m.Content.Body)
}

// lease takes items for a moment and completes some of them.
func (l *load) lease(d *desk) error {
	list, err := l.s.Queue().Lease(ctx, "delivery", "worker", 3, time.Millisecond)
	if err != nil {
		return err
	}
	l.step("lease/done")
	for i, it := range list {
		l.tell(fmt.Sprintf("leased %s %s %d", it.Account, it.ID, it.Token))
		if i == 0 {
			continue
		}
		l.tell("completing " + it.ID.String())
		err := l.s.Update(ctx, it.Account, func(tx mailstore.UpdateTx) error {
			defer l.step("lease/completing")
			return tx.Complete(it)
		})
		switch {
		case errors.Is(err, mailstore.ErrLeased), errors.Is(err, mailstore.ErrNoItem): // the moment was over
		case err != nil:
			return err
		default:
			l.tell("completed " + it.ID.String())
		}
	}
	return nil
}

// change runs an Update that leads an account from what it holds to one of the
// states given, the last of them when it has come to its end.
func (l *load) change(d *desk, name string, states []holding, update func() error) error {
	for _, after := range states {
		l.tell(fmt.Sprintf("try %s %s", d.account, after.digest()))
	}
	err := update()
	if err != nil {
		if len(states) > 1 || errors.Is(err, mailstore.ErrMaybeCommitted) {
			return errors.Join(err, l.lookAgain(d))
		}
		l.tell(fmt.Sprintf("is %s %s", d.account, d.holds.digest()))
		return err
	}
	l.step(name + "/done")
	d.holds = states[len(states)-1]
	l.tell(fmt.Sprintf("is %s %s", d.account, d.holds.digest()))
	return nil
}

// lookAgain is how a worker goes on after an unknown outcome.
func (l *load) lookAgain(d *desk) error {
	return l.s.View(ctx, d.account, func(tx mailstore.Tx) (err error) {
		d.holds, err = readHolding(tx)
		return err
	})
}

// once is change with one Update.
func (l *load) once(d *desk, name string, after holding, fn func(tx mailstore.UpdateTx) error) error {
	return l.change(d, name, []holding{after}, func() error {
		return l.s.Update(ctx, d.account, func(tx mailstore.UpdateTx) error {
			err := fn(tx)
			l.step(name + "/written")
			return err
		})
	})
}

// box picks one of the mailboxes, "" when there is none but those left out.
func (d *desk) box(not ...string) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.holds)) {
		if !slices.Contains(not, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[d.rnd.IntN(len(names))]
}

// some picks messages of a mailbox.
func (d *desk) some(box string) (ids []mailstore.ID) {
	limit := d.rnd.IntN(6) + 1
	if len(d.holds[box]) > 100 {
		limit = 900
	}
	for id := range d.holds[box] {
		if len(ids) < limit {
			ids = append(ids, id)
		}
	}
	return ids
}

// find returns a mailbox and where messages stand in it.
func find(tx mailstore.Tx, name string, ids []mailstore.ID) (m mailstore.Mailbox, set mailstore.UIDSet, err error) {
	if m, err = tx.MailboxByName(name); err != nil {
		return m, nil, err
	}
	for _, id := range ids {
		list, err := tx.ByEmailID(id)
		if err != nil {
			return m, nil, err
		}
		for _, at := range list {
			if at.Mailbox == m.ID {
				set.AddNum(at.UID)
			}
		}
	}
	return m, set, nil
}

func (l *load) add(d *desk) error {
	l.unnamed.RLock()
	defer l.unnamed.RUnlock()
	name, after := d.box(), d.holds.clone()
	var list []mailstore.NewMessage
	for range d.rnd.IntN(4) + 1 {
		m, err := l.message(mailstore.NewID(), []int64{1, 700, 17000, 300000}[d.rnd.IntN(4)])
		if err != nil {
			return err
		}
		m.Flags = mailstore.Flags(d.rnd.IntN(32))
		after[name][m.EmailID] = m.Flags
		list = append(list, m)
	}
	l.step("add/put")
	return l.once(d, "add", after, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName(name)
		for _, m := range list {
			if err == nil {
				_, err = tx.Append(box.ID, m)
			}
		}
		return err
	})
}

func (l *load) flags(d *desk) error {
	name, after := d.box(), d.holds.clone()
	ids, flags := d.some(name), mailstore.Flags(d.rnd.IntN(32))
	for _, id := range ids {
		after[name][id] = flags
	}
	return l.once(d, "flags", after, func(tx mailstore.UpdateTx) error {
		box, set, err := find(tx, name, ids)
		if err != nil {
			return err
		}
		_, err = tx.SetFlags(box.ID, set, mailstore.FlagChange{Op: mailstore.FlagsSet, Flags: flags})
		return err
	})
}

func (l *load) expunge(d *desk) error {
	name, after := d.box(), d.holds.clone()
	ids := d.some(name)
	for _, id := range ids {
		delete(after[name], id)
	}
	return l.once(d, "expunge", after, func(tx mailstore.UpdateTx) error {
		box, set, err := find(tx, name, ids)
		if err != nil {
			return err
		}
		_, err = tx.Expunge(box.ID, set, false)
		return err
	})
}

func (l *load) move(d *desk) error {
	src := d.box()
	dst := d.box(src)
	if dst == "" {
		return nil
	}
	after := d.holds.clone()
	ids := slices.DeleteFunc(d.some(src), func(id mailstore.ID) bool { _, there := after[dst][id]; return there })
	for _, id := range ids {
		after[dst][id] = after[src][id]
		delete(after[src], id)
	}
	return l.once(d, "move", after, func(tx mailstore.UpdateTx) error {
		from, set, err := find(tx, src, ids)
		if err != nil {
			return err
		}
		to, err := tx.MailboxByName(dst)
		if err != nil {
			return err
		}
		_, err = tx.Move(from.ID, set, to.ID)
		return err
	})
}

// create makes a mailbox with copies.
func (l *load) create(d *desk) error {
	if len(d.holds) > 5 {
		return l.remove(d)
	}
	src, name, after := d.box(), mailstore.NewID().String(), d.holds.clone()
	ids := d.some(src)
	after[name] = map[mailstore.ID]mailstore.Flags{}
	for _, id := range ids {
		after[name][id] = after[src][id]
	}
	return l.once(d, "create", after, func(tx mailstore.UpdateTx) error {
		to, err := tx.CreateMailbox(name, "")
		if err != nil {
			return err
		}
		from, set, err := find(tx, src, ids)
		if err != nil {
			return err
		}
		_, err = tx.Copy(from.ID, set, to.ID)
		return err
	})
}

func (l *load) rename(d *desk) error {
	name := d.box("Work")
	if name == "" {
		return nil
	}
	to, after := strings.TrimSuffix(name, "+")+"+", d.holds.clone()
	if to == name {
		to = strings.TrimSuffix(name, "+")
	}
	after[to] = after[name]
	delete(after, name)
	return l.once(d, "rename", after, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName(name)
		if err != nil {
			return err
		}
		return tx.RenameMailbox(box.ID, to)
	})
}

func (l *load) remove(d *desk) error {
	name := d.box("Work")
	if name == "" {
		return nil
	}
	after := d.holds.clone()
	delete(after, name)
	return l.once(d, "delete", after, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName(name)
		if err != nil {
			return err
		}
		return tx.DeleteMailbox(box.ID)
	})
}

// bring imports more than one slice.
func (l *load) bring(d *desk) error {
	name := d.box()
	if len(d.holds[name]) > 200 {
		return l.expunge(d)
	}
	var box mailstore.Mailbox
	err := l.s.View(ctx, d.account, func(tx mailstore.Tx) (err error) {
		box, err = tx.MailboxByName(name)
		return err
	})
	if err != nil {
		return err
	}
	states, after := []holding{}, d.holds.clone()
	var list []mailstore.NewMessage
	for i := range importSlice + 50 {
		m := mailstore.NewMessage{EmailID: mailstore.NewID(), UID: box.UIDNext + mailstore.UID(i*2), Flags: mailstore.Seen}
		after[name][m.EmailID] = m.Flags
		list = append(list, m)
		if i == importSlice-1 {
			states = append(states, after.clone())
		}
	}
	return l.change(d, "import", append(states, after), func() error {
		return l.s.Import(ctx, d.account, box.ID, l.passing(list))
	})
}

// passing yields messages and passes a step after each slice of an import.
func (l *load) passing(list []mailstore.NewMessage) iter.Seq2[mailstore.NewMessage, error] {
	return func(yield func(mailstore.NewMessage, error) bool) {
		for i, m := range list {
			if i == importSlice {
				l.step("import/slice")
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// sweep removes at once what nobody holds.
func (l *load) sweep(*desk) error {
	l.unnamed.Lock()
	defer l.unnamed.Unlock()
	_, err := l.s.Sweep(context.Background(), 0)
	l.step("sweep/done")
	return err
}
