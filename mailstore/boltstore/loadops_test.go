package boltstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing/iotest"
	"time"

	"gosbridge/mailstore"
)

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
