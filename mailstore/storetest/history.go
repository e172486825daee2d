package storetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"gosbridge/mailstore"
)

// A history is a sequence of steps that are played on a store and on a model in
// memory (model.go), which are compared again and again. One that fails is
// shrunk to the steps that matter, and printed so that it can be played again.

// historyFile names, in the environment, a file with a history to play.
const historyFile = "STORETEST_HISTORY"

// Step is one step of a history, with all that decides what it does. So a
// history means something whatever steps are taken out of it.
type Step struct {
	Op string `json:"op"`
	// Box and Dst choose mailboxes among those that are there, by turns. They
	// are small, so that most of the work meets in few mailboxes.
	Box int `json:"box,omitempty"`
	Dst int `json:"dst,omitempty"`
	// Set are ranges of UIDs; most exist in long histories.
	Set   [][2]int `json:"set,omitempty"`
	IDs   []int    `json:"ids,omitempty"` // of messages; one that came before is a repetition
	Flags int      `json:"flags,omitempty"`
	How   int      `json:"how,omitempty"` // the FlagOp, or 1 for \Deleted only
	Words []string `json:"words,omitempty"`
}

// historyWords are the keywords and the keys of messages.
var historyWords = []string{"a", "b", "c", "d"}

// NewHistory makes a random history.
func NewHistory(seed uint64, steps int) (list []Step) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	ops := []string{"append", "append", "append", "flags", "flags", "flags", "expunge", "copy", "move", "create", "delete", "rename", "rename inbox", "reopen"}
	weights := []int{8, 8, 8, 8, 8, 8, 8, 8, 8, 4, 3, 4, 1, 1}
	for len(list) < steps {
		i := rnd.IntN(len(ops))
		if rnd.IntN(8) >= weights[i] {
			continue
		}
		s := Step{Op: ops[i], Box: rnd.IntN(5), Dst: rnd.IntN(5), Flags: rnd.IntN(32), How: rnd.IntN(3)}
		for range rnd.IntN(4) + 1 {
			start := rnd.IntN(min(len(list)+6, 30)) + 1
			s.Set = append(s.Set, [2]int{start, start + rnd.IntN(6)})
		}
		for range rnd.IntN(5) + 1 {
			s.IDs = append(s.IDs, rnd.IntN(5*steps)+1)
		}
		for _, w := range historyWords {
			if rnd.IntN(3) == 0 {
				s.Words = append(s.Words, w)
			}
		}
		list = append(list, s)
	}
	return list
}

// HistoryFailure is a history on which a store and the model differ.
type HistoryFailure struct {
	Seed  uint64
	Steps []Step // as few as were found to do
	Err   error
}

// Error tells the history in the form that ReadHistory reads.
func (f *HistoryFailure) Error() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "history of seed %d: %v\n%d steps, to be played again from a file that %s names:\n", f.Seed, f.Err, len(f.Steps), historyFile)
	for _, s := range f.Steps {
		line, err := json.Marshal(s)
		if err != nil {
			return err.Error()
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// Unwrap returns how they differ.
func (f *HistoryFailure) Unwrap() error { return f.Err }

// ReadHistory reads steps, one a line; other lines are skipped.
func ReadHistory(text []byte) (list []Step, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if !bytes.HasPrefix(line, []byte("{")) {
			continue
		}
		var s Step
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("history: %w", err)
		}
		list = append(list, s)
	}
	return list, lines.Err()
}

// shrinkRuns bounds how often a failing history is played to shrink it.
const shrinkRuns = 600

// PlayHistory plays a history, each time on a store of its own, and shrinks one
// that fails. It returns a *HistoryFailure or nil.
func PlayHistory(fixture func() Fixture, seed uint64, steps []Step) error {
	err := play(fixture(), steps)
	if err == nil {
		return nil
	}
	sh := &shrinker{HistoryFailure: &HistoryFailure{seed, steps, err}, fixture: fixture}
	for shorter := true; shorter; {
		sh.leaveOut()
		if shorter = sh.simplify(); shorter {
			shorter = sh.leaveOut()
		}
	}
	return sh.HistoryFailure
}

// shrinker makes a failing history smaller.
type shrinker struct {
	*HistoryFailure
	fixture func() Fixture
	runs    int
}

// fails plays a history, and keeps it if it fails too.
func (s *shrinker) fails(steps []Step) bool {
	if s.runs++; s.runs > shrinkRuns {
		return false
	}
	err := play(s.fixture(), steps)
	if err != nil {
		s.Steps, s.Err = steps, err
	}
	return err != nil
}

// leaveOut takes halves, quarters and so on out of the history, down to single
// steps, until none can be missed.
func (s *shrinker) leaveOut() (shorter bool) {
	for part := max(1, len(s.Steps)/2); ; part = max(1, part/2) {
		fewer := false
		for at := 0; at < len(s.Steps); {
			end := min(at+part, len(s.Steps))
			if s.fails(slices.Concat(s.Steps[:at], s.Steps[end:])) {
				fewer = true
			} else {
				at = end
			}
		}
		if shorter = shorter || fewer; part == 1 && !fewer {
			return shorter
		}
	}
}

// simplify makes single steps smaller.
func (s *shrinker) simplify() (simpler bool) {
	for i := range s.Steps {
		for again := true; again; {
			again = false
			for _, other := range s.Steps[i].simpler() {
				steps := slices.Clone(s.Steps)
				steps[i] = other
				if again = s.fails(steps); again {
					simpler = true
					break
				}
			}
		}
	}
	return simpler
}

// simpler are steps that do less.
func (s Step) simpler() (list []Step) {
	add := func(change func(*Step)) {
		other := s
		if change(&other); !reflect.DeepEqual(other, s) {
			list = append(list, other)
		}
	}
	add(func(o *Step) { o.Dst = 0 })
	add(func(o *Step) { o.Flags = 0 })
	add(func(o *Step) { o.How = 0 })
	add(func(o *Step) { o.Words = nil })
	add(func(o *Step) { o.Box = 0 })
	for i := range s.Set {
		add(func(o *Step) { o.Set = slices.Delete(slices.Clone(s.Set), i, i+1) })
		add(func(o *Step) { o.Set = [][2]int{{1, 1 + s.Set[i][1] - s.Set[i][0]}} })
		add(func(o *Step) { o.Set = [][2]int{{s.Set[i][0], s.Set[i][0]}} })
	}
	for i := range s.IDs {
		add(func(o *Step) { o.IDs = slices.Delete(slices.Clone(s.IDs), i, i+1) })
	}
	return list
}

// testHistories plays random histories, and one from a file.
func testHistories(t *testing.T, fixture func(t *testing.T) Fixture) {
	fresh := func() Fixture { return fixture(t) }
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("random ", seed), func(t *testing.T) {
			if err := PlayHistory(fresh, seed, NewHistory(seed, 160)); err != nil {
				t.Error(err)
			}
		})
	}
	if name := os.Getenv(historyFile); name != "" {
		t.Run("from a file", func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			steps, err := ReadHistory(text)
			if err != nil || len(steps) == 0 {
				t.Fatalf("%d steps, %v", len(steps), err)
			}
			if err := PlayHistory(fresh, 0, steps); err != nil {
				t.Error(err)
			}
		})
	}
}

// player plays one history.
type player struct {
	ctx   context.Context
	f     Fixture
	clock *clock
	s, s2 mailstore.Store
	a     mailstore.ID
	m     model
}

// play plays a history and tells where store and model first differ.
func play(f Fixture, steps []Step) (err error) {
	p := &player{ctx: context.Background(), f: f, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, a: mailstore.ID{1}}
	if err := p.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.s.Directory().CreateAccount(p.ctx, mailstore.Account{ID: p.a, Holder: mailstore.ID{2}}, []mailstore.NewMailbox{{Name: "Archive"}}); err != nil {
		return err
	}
	p.m = newModel("INBOX", "Archive")
	for i, s := range steps {
		if err := p.step(i, s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i, s.Op, err)
		}
		if i%10 == 9 || i == len(steps)-1 {
			if err := p.compare(); err != nil {
				return fmt.Errorf("after step %d, %s: %w", i, s.Op, err)
			}
		}
	}
	return f.Check(p.ctx, p.s)
}

func (p *player) open() (err error) {
	if p.s, err = p.f.Open(p.ctx, p.clock.Now); err != nil {
		return err
	}
	if p.s2 = p.s; p.f.Second != nil {
		p.s2, err = p.f.Second(p.ctx, p.clock.Now)
	}
	return err
}

func (p *player) close() error {
	var err error
	if p.s2 != p.s {
		err = p.s2.Close()
	}
	return errors.Join(err, p.s.Close())
}

// reopen opens the store anew, after a crash where the engine can.
func (p *player) reopen() error {
	var err error
	if p.f.Crash != nil {
		err = p.f.Crash(p.s)
	} else {
		err = p.close()
	}
	if err = errors.Join(err, p.open()); err != nil {
		return err
	}
	return p.f.Check(p.ctx, p.s)
}

func (p *player) update(fn func(tx mailstore.UpdateTx) error) error {
	return p.s.Update(p.ctx, p.a, fn)
}

// differ is an error unless got and want print the same.
func differ(what string, got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("%s: got %s, want %s", what, g, w)
	}
	return nil
}

// step does one step on both.
func (p *player) step(i int, s Step) error {
	id, b := p.m.pick(s.Box)
	switch s.Op {
	case "append":
		return p.append(id, b, s)
	case "flags":
		return p.flags(id, b, s)
	case "expunge":
		return p.expunge(id, b, s)
	case "copy", "move":
		return p.copy(id, b, s)
	case "create":
		name := fmt.Sprint("Box", i)
		var got mailstore.Mailbox
		err := p.update(func(tx mailstore.UpdateTx) (err error) { got, err = tx.CreateMailbox(name, ""); return err })
		p.m.boxes[got.ID] = &modelBox{name: name, next: 1}
		return err
	case "rename":
		if b.name == "INBOX" {
			return nil
		}
		b.name = fmt.Sprint("Renamed", i)
		return p.update(func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(id, b.name) })
	case "rename inbox":
		return p.renameInbox(fmt.Sprint("Old", i))
	case "delete":
		if b.name == "INBOX" {
			return nil
		}
		delete(p.m.boxes, id)
		return p.update(func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(id) })
	case "reopen":
		return p.reopen()
	}
	return fmt.Errorf("unknown step")
}

func (p *player) append(id mailstore.MailboxID, b *modelBox, s Step) error {
	var list []mailstore.NewMessage
	for _, n := range s.IDs {
		m := mailstore.NewMessage{EmailID: historyID(n), Received: p.clock.Now(), Flags: mailstore.Flags((s.Flags + n) % 32), Keywords: s.Words, Keys: s.Words}
		m.Content.Prefix = []byte("prefix")
		if n%3 > 0 {
			ref, err := p.s.Bodies().Put(p.ctx, bytes.NewReader(make([]byte, n)))
			if err != nil {
				return err
			}
			m.Content.Body, m.Content.Length = ref, ref.Size
		}
		list = append(list, m)
	}
	var got []mailstore.Appended
	err := p.update(func(tx mailstore.UpdateTx) error {
		got = got[:0]
		for _, m := range list {
			a, err := tx.Append(id, m)
			if err != nil {
				return err
			}
			got = append(got, a)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, m := range list {
		uid, known := p.m.ids[m.EmailID]
		if !known {
			uid = b.add(modelRow{email: m.EmailID, flags: m.Flags, words: m.Keywords, size: m.Content.Size(), keys: m.Keys})
			p.m.ids[m.EmailID] = uid
		}
		if err := differ("append: UID and repetition", []any{got[i].UID, got[i].Repeat}, []any{uid, known}); err != nil {
			return err
		}
	}
	return nil
}

// historyID is the ID of the message with that number.
func historyID(n int) mailstore.ID { return mailstore.ID{0: 3, 14: byte(n >> 8), 15: byte(n)} }

func (p *player) flags(id mailstore.MailboxID, b *modelBox, s Step) error {
	change := mailstore.FlagChange{Op: mailstore.FlagOp(s.How), Flags: mailstore.Flags(s.Flags), Keywords: s.Words}
	var got mailstore.FlagResult
	err := p.update(func(tx mailstore.UpdateTx) (err error) { got, err = tx.SetFlags(id, s.uids(), change); return err })
	changed, seen := b.setFlags(s.uids(), change)
	return errors.Join(err, differ("flags", []any{got.Changed, got.NewSeen, got.Modified}, []any{changed, seen, ""}))
}

func (p *player) expunge(id mailstore.MailboxID, b *modelBox, s Step) error {
	var got mailstore.UIDSet
	err := p.update(func(tx mailstore.UpdateTx) (err error) { got, err = tx.Expunge(id, s.uids(), s.How == 1); return err })
	return errors.Join(err, differ("expunged", got, b.expunge(s.uids(), s.How == 1)))
}

func (p *player) copy(id mailstore.MailboxID, b *modelBox, s Step) error {
	dst, to := p.m.pick(s.Dst)
	var got mailstore.Copied
	err := p.update(func(tx mailstore.UpdateTx) (err error) {
		if s.Op == "move" {
			got, err = tx.Move(id, s.uids(), dst)
		} else {
			got, err = tx.Copy(id, s.uids(), dst)
		}
		return err
	})
	source, dest := b.copyTo(to, s.uids(), s.Op == "move")
	return errors.Join(err, differ("copied", []any{got.Source, got.Dest}, []any{source, dest}))
}

func (p *player) renameInbox(name string) error {
	var made mailstore.Mailbox
	id, in := p.m.byName("INBOX")
	err := p.update(func(tx mailstore.UpdateTx) (err error) {
		if err = tx.RenameMailbox(id, name); err == nil {
			made, err = tx.MailboxByName(name)
		}
		return err
	})
	to := &modelBox{name: name, next: 1}
	in.copyTo(to, all(), true)
	p.m.boxes[made.ID] = to
	return err
}

// uids are the step's set.
func (s Step) uids() (set mailstore.UIDSet) {
	for _, r := range s.Set {
		set.AddRange(mailstore.UID(r[0]), mailstore.UID(r[1]))
	}
	return set
}
