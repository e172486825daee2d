// Package storetest is the conformance suite of package mailstore: what every
// engine must do, said as tests. It knows no engine.
//
// After every test the engine's own invariant check runs, once on the open
// store and once after it was opened again.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// Fixture is one empty data store, of one test.
type Fixture struct {
	// Open opens the data, and makes it at the first call. It is called again
	// after Close or Crash.
	Open func(ctx context.Context, now func() time.Time) (mailstore.Store, error)
	// Second gives another handle on the data that Open has open. Nil where
	// the engine allows one; then both handles are the same.
	Second func(ctx context.Context, now func() time.Time) (mailstore.Store, error)
	// Crash leaves the store as the death of the process would, without
	// Close. Nil where the engine cannot: then it is closed.
	Crash func(s mailstore.Store) error
	// Check verifies every invariant of the data.
	Check func(ctx context.Context, s mailstore.Store) error
	// Dir is where the data lies, to be searched for clear text; "" if it is
	// in no folder.
	Dir func() string
	// LogEntries is how many entries of the change log the engine is set to
	// keep at least; small, so that the tests reach the floor. It must be less
	// than 100.
	LogEntries int
}

// Run runs the suite; fixture makes a fresh store for each test.
func Run(t *testing.T, fixture func(t *testing.T) Fixture) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"Update", updateTests},
		{"Mailbox", mailboxTests},
		{"Message", messageTests},
		{"Flags", flagTests},
		{"Copy", copyTests},
		{"Changes", changesTests},
		{"Letter", letterTests},
		{"Keep", keepTests},
		{"Journal", journalTests},
		{"Queue", queueTests},
		{"Watch", watchTests},
		{"Directory", directoryTests},
		{"Quota", quotaTests},
		{"Import", importTests},
		{"Body", bodyTests},
		{"Texts", textTests},
		{"Secret", secretTests},
		{"Concurrent", concurrentTests},
		{"Race", raceTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, tc := range g.tests {
				t.Run(tc.name, func(t *testing.T) { tc.run(newEnv(t, fixture(t))) })
			}
		})
	}
	t.Run("History", func(t *testing.T) { testHistories(t, fixture) })
}

type test struct {
	name string
	run  func(*env)
}

// clock is the time of a test; it stands unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// env is what a test works with.
type env struct {
	*testing.T
	ctx   context.Context
	f     Fixture
	clock *clock
	s     mailstore.Store // first handle
	s2    mailstore.Store // second handle
	holds int
}

func newEnv(t *testing.T, f Fixture) *env {
	e := &env{T: t, ctx: context.Background(), f: f, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	e.open()
	t.Cleanup(func() {
		if t.Failed() {
			_ = e.s.Close()
			return
		}
		e.verify()
		e.reopen()
		e.verify()
		e.close()
	})
	return e
}

func (e *env) open() {
	e.Helper()
	var err error
	if e.s, err = e.f.Open(e.ctx, e.clock.Now); err != nil {
		e.Fatalf("open: %v", err)
	}
	if e.s2 = e.s; e.f.Second != nil {
		if e.s2, err = e.f.Second(e.ctx, e.clock.Now); err != nil {
			e.Fatalf("open second handle: %v", err)
		}
	}
}

func (e *env) close() {
	e.Helper()
	if e.s2 != e.s {
		e.no(e.s2.Close(), "close second handle")
	}
	e.no(e.s.Close(), "close")
}

func (e *env) reopen() {
	e.Helper()
	e.close()
	e.open()
}

func (e *env) crash() {
	e.Helper()
	if e.f.Crash == nil {
		e.reopen()
		return
	}
	e.no(e.f.Crash(e.s), "crash")
	e.open()
}

// verify runs the engine's invariant check.
func (e *env) verify() {
	e.Helper()
	if err := e.f.Check(e.ctx, e.s); err != nil {
		e.Fatalf("invariants: %v", err)
	}
}

// no fails the test on an error.
func (e *env) no(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// is fails the test unless err is the wanted one.
func (e *env) is(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

// eq fails the test unless got and want print the same.
func (e *env) eq(got, want any, what string) {
	e.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		e.Fatalf("%s: got %s, want %s", what, g, w)
	}
}

// account makes an account with a holder of its own and the usual mailboxes.
func (e *env) account(addresses ...string) mailstore.ID {
	e.Helper()
	return e.accountOf(mailstore.NewID(), 0, addresses...)
}

func (e *env) accountOf(holder mailstore.ID, quota int64, addresses ...string) mailstore.ID {
	e.Helper()
	if e.holds++; len(addresses) == 0 {
		addresses = []string{fmt.Sprintf("user%d@example.org", e.holds)}
	}
	a := mailstore.Account{ID: mailstore.NewID(), Holder: holder, Addresses: addresses, Name: "User", Quota: quota}
	e.no(e.s.Directory().CreateAccount(e.ctx, a, []mailstore.NewMailbox{
		{Name: "Sent", Role: mailstore.RoleSent}, {Name: "Archive", Role: mailstore.RoleArchive},
	}), "create account")
	return a.ID
}

func (e *env) update(account mailstore.ID, fn func(tx mailstore.UpdateTx) error) {
	e.Helper()
	e.no(e.s.Update(e.ctx, account, fn), "update")
}

func (e *env) view(account mailstore.ID, fn func(tx mailstore.Tx) error) {
	e.Helper()
	e.no(e.s2.View(e.ctx, account, fn), "view")
}

// box is the mailbox of that name.
func (e *env) box(account mailstore.ID, name string) (m mailstore.Mailbox) {
	e.Helper()
	e.view(account, func(tx mailstore.Tx) (err error) {
		m, err = tx.MailboxByName(name)
		return err
	})
	return m
}

// inbox is the ID of INBOX.
func (e *env) inbox(account mailstore.ID) mailstore.MailboxID {
	e.Helper()
	return e.box(account, "INBOX").ID
}

// create makes a mailbox.
func (e *env) create(account mailstore.ID, name string) (m mailstore.Mailbox) {
	e.Helper()
	e.update(account, func(tx mailstore.UpdateTx) (err error) {
		m, err = tx.CreateMailbox(name, "")
		return err
	})
	return m
}

// put stores a body.
func (e *env) put(text string) body.Ref {
	e.Helper()
	ref, err := e.s.Bodies().Put(e.ctx, strings.NewReader(text))
	e.no(err, "put body")
	return ref
}

// mail is a new message around a body.
func (e *env) mail(text string) mailstore.NewMessage {
	e.Helper()
	m := mailstore.NewMessage{EmailID: mailstore.NewID(), Received: e.clock.Now(), Summary: []byte("summary")}
	m.Content.Prefix = []byte("X-Letter-Number: 1\r\n")
	if text != "" {
		m.Content.Body = e.put(text)
		m.Content.Length = m.Content.Body.Size
	}
	return m
}

// append adds a message.
func (e *env) append(account mailstore.ID, box mailstore.MailboxID, m mailstore.NewMessage) (a mailstore.Appended) {
	e.Helper()
	e.update(account, func(tx mailstore.UpdateTx) (err error) {
		a, err = tx.Append(box, m)
		return err
	})
	return a
}

// fill appends n small messages and returns their UIDs.
func (e *env) fill(account mailstore.ID, box mailstore.MailboxID, n int) (uids []mailstore.UID) {
	e.Helper()
	for len(uids) < n {
		var part []mailstore.NewMessage
		for range min(500, n-len(uids)) {
			part = append(part, e.mail(""))
		}
		var got []mailstore.UID
		e.update(account, func(tx mailstore.UpdateTx) error {
			got = got[:0]
			for _, m := range part {
				a, err := tx.Append(box, m)
				if err != nil {
					return err
				}
				got = append(got, a.UID)
			}
			return nil
		})
		uids = append(uids, got...)
	}
	return uids
}

// messages reads all messages of a mailbox.
func (e *env) messages(account mailstore.ID, box mailstore.MailboxID, fields mailstore.Fields) (list []*mailstore.Message) {
	e.Helper()
	e.view(account, func(tx mailstore.Tx) error {
		list = nil
		for m, err := range tx.Messages(box, all(), fields) {
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		return nil
	})
	return list
}

// flagRows reads the flags of a set, and compares them with the messages.
func (e *env) flagRows(account mailstore.ID, box mailstore.MailboxID, in mailstore.UIDSet) (list []string) {
	e.Helper()
	e.view(account, func(tx mailstore.Tx) error {
		list = nil
		for r, err := range tx.FlagRows(box, in) {
			if err != nil {
				return err
			}
			list = append(list, fmt.Sprint(r))
		}
		var messages []string
		for m, err := range tx.Messages(box, in, 0) {
			if err != nil {
				return err
			}
			messages = append(messages, fmt.Sprint(mailstore.FlagRow{UID: m.UID, ModSeq: m.ModSeq, Flags: m.Flags, Keywords: m.Keywords}))
		}
		e.eq(list, messages, "rows of flags beside messages")
		return nil
	})
	return list
}

// read returns the octets of a message from an offset on.
func (e *env) read(c mailstore.Content, offset int64) (string, error) {
	r, err := c.Open(e.ctx, e.s2.Bodies(), offset)
	if err != nil {
		return "", err
	}
	defer func() { e.no(r.Close(), "close body") }()
	b, err := io.ReadAll(r)
	return string(b), err
}

// all is 1:*.
func all() mailstore.UIDSet { return mailstore.UIDSet{{Start: 1, Stop: 0}} }

// set names UIDs.
func set(uids ...mailstore.UID) mailstore.UIDSet {
	var s mailstore.UIDSet
	s.AddNum(uids...)
	return s
}

// sorted returns words in order.
func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return words
}

var errTest = errors.New("error of the test")
