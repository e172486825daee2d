package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"gosbridge/mailstore"
)

// A repair is a check whose findings are mended. What a rule finds in a slice is
// mended in one Update behind it, from what stands there then; what that brings
// to light, the next round finds. A crash leaves a store of which some findings
// are mended: the next repair finds the rest.

const (
	// repairRounds bounds how often a repair goes through the store.
	repairRounds = 20
	// mendSlice is how many findings one commit mends.
	mendSlice = 500
	// repairMemory is how many findings a slice may leave before they are
	// mended; those beyond are found again in the next round.
	repairMemory = 50_000
)

// repairer mends what an inspector finds.
type repairer struct {
	s     *Store
	ctx   context.Context
	opts  mailstore.CheckOptions
	did   func(mailstore.Mend)
	lost  *lostFolder
	queue []damageAt
	done  map[string]bool // what is mended once in a round, for many findings
	// wounded says that accounts or holders are missing or cannot be opened.
	// What then seems to belong to nobody may be theirs, and stays.
	wounded bool
	// blind says that the generation cannot be read: then no mailbox can, and
	// nothing that a repair could do would be right.
	blind  bool
	report mailstore.RepairReport
}

// Repair implements mailstore.Checker.
func (s *Store) Repair(ctx context.Context, at time.Time, opts mailstore.CheckOptions, did func(mailstore.Mend)) (mailstore.RepairReport, error) {
	r := &repairer{
		s: s, ctx: ctx, opts: opts, did: did, lost: newLostFolder(s.opts.Dir, at),
		report: mailstore.RepairReport{Mends: map[string]int64{}},
	}
	err := r.rounds()
	if r.lost.made {
		r.report.Folder = r.lost.name
	}
	err = errors.Join(err, r.lost.close())
	if err != nil {
		return r.report, fmt.Errorf("repair: %w", err)
	}
	return r.report, nil
}

// rounds goes through the store until nothing is left that can be mended. Bodies
// are read in the first, and again only where it met too many that are damaged.
func (r *repairer) rounds() error {
	if err := r.s.read(r.ctx, r.examine); err != nil || r.blind {
		return err
	}
	opts := r.opts
	opts.Pages, opts.Gentle = false, false
	for range repairRounds {
		before := r.total()
		r.done = map[string]bool{}
		c := newInspector(r.ctx, r.s, opts, func(mailstore.Finding) {})
		c.mend = func(d damageAt) {
			if len(r.queue) < repairMemory {
				r.queue = append(r.queue, d)
			}
		}
		c.between = r.mendAll
		if err := c.run(); err != nil {
			return err
		}
		if c.badTexts != nil {
			if err := r.dropTexts(*c.badTexts); err != nil {
				return err
			}
		}
		if r.total() == before {
			return nil
		}
		opts.Bodies = opts.Bodies && c.overflow
	}
	return nil
}

// examine looks whether every account and holder can be opened, and whether
// there are records of others.
func (r *repairer) examine(t *txn) error {
	_, err := t.generation()
	r.blind = err != nil
	accounts, holders := t.numbered()
	t.scan(bAccount, nil, nil, func(k, _ []byte) bool {
		if len(k) == len(mailstore.ID{}) {
			keys, err := t.freshKeys(mailstore.ID(k))
			if err == nil {
				_, err = t.account(keys)
			}
			r.wounded = r.wounded || err != nil
		}
		return true
	})
	t.scan(bHolder, nil, nil, func(k, _ []byte) bool {
		if len(k) == len(mailstore.ID{}) {
			_, _, err := t.holder(mailstore.ID(k))
			r.wounded = r.wounded || err != nil || !holders[mailstore.ID(k)]
		}
		return true
	})
	for n := range bucketCount {
		if !perAccount[n] {
			continue
		}
		c := t.b(n).Cursor()
		for k, _ := c.First(); len(k) >= 4; {
			num := binary.BigEndian.Uint32(k)
			_, known := accounts[num]
			r.wounded = r.wounded || !known
			if num == ^uint32(0) {
				break
			}
			k, _ = c.Seek(key(num + 1))
		}
	}
	return r.ctx.Err()
}

// dropTexts removes the file of texts, which are put together anew from the
// messages.
func (r *repairer) dropTexts(f mailstore.Finding) error {
	mend := mailstore.Mend{Action: mailstore.MendRemoved, Finding: f}
	if err := errors.Join(r.lost.log([]mailstore.Mend{mend}), r.lost.sync()); err != nil {
		return err
	}
	if file := r.s.texts.file.Load(); file != nil {
		r.s.texts.lose(file, errors.New(f.Text))
	}
	r.report.Mends[mend.Action]++
	r.did(mend)
	return nil
}

// total is how much was mended.
func (r *repairer) total() (n int64) {
	for _, m := range r.report.Mends {
		n += m
	}
	return n
}

// mendAll mends what the last slice has found.
func (r *repairer) mendAll() error {
	for len(r.queue) > 0 {
		n := min(len(r.queue), mendSlice)
		slice := r.queue[:n]
		r.queue = r.queue[n:]
		var mends []mailstore.Mend
		err := r.s.submit(r.ctx, func(w *work) error {
			mends = mends[:0]
			m := &mender{repairer: r, work: w, updates: map[uint32]*update{}}
			for _, d := range slice {
				action, err := m.mend(d)
				if err != nil {
					return fmt.Errorf("mend %s of %s: %w", d.Kind, bucketNames[d.n], err)
				}
				if action != "" {
					mends = append(mends, mailstore.Mend{Action: action, Finding: d.Finding})
				}
			}
			if err := m.flush(); err != nil {
				return err
			}
			return errors.Join(r.lost.log(mends), r.lost.sync())
		})
		if err != nil {
			return err
		}
		for _, m := range mends {
			r.report.Mends[m.Action]++
			r.did(m)
			r.s.log.Warn("repaired", "action", m.Action, "kind", m.Kind, "bucket", m.Bucket, "key", m.Key, "account", m.Account)
		}
	}
	r.queue = nil
	return nil
}

// mender mends findings in one Update of the store.
type mender struct {
	*repairer
	*work
	updates  map[uint32]*update // by number of the account
	accounts map[uint32]mailstore.ID
}

// update is the part of the Update that belongs to an account.
func (m *mender) update(num []byte) (*update, error) {
	n := binary.BigEndian.Uint32(num)
	if u, ok := m.updates[n]; ok {
		return u, nil
	}
	if m.accounts == nil {
		m.accounts, _ = m.numbered()
	}
	keys, err := m.freshKeys(m.accounts[n])
	if err != nil {
		return nil, err
	}
	u := newUpdate(m.work, keys)
	m.updates[n] = u
	return u, nil
}

// flush writes what was changed in memory.
func (m *mender) flush() error {
	for _, u := range m.updates {
		if err := u.flush(); err != nil {
			return err
		}
	}
	return nil
}

// once reports whether something is to be done for the first time in a round.
// What was noted in an Update that failed is not done again: the repair ends.
func (m *mender) once(n bucket, k []byte) bool {
	key := string(append([]byte{byte(n)}, k...))
	if m.done[key] {
		return false
	}
	m.done[key] = true
	return true
}

// mend mends one finding, and returns what was done; "" when nothing can be.
func (m *mender) mend(d damageAt) (string, error) {
	if d.Kind == mailstore.DamagePage {
		return "", nil // what lies behind it is not known
	}
	if want := keySizes[d.n]; want != 0 && len(d.k) != want {
		return m.mendKey(d)
	}
	m.wounded = m.wounded || d.n == bWrap && d.Kind == mailstore.DamageOrphan
	if m.wounded && d.Kind != mailstore.DamageMissing && slices.Contains([]bucket{bWrap, bInline, bItem, bGone, bDead, bAddress}, d.n) {
		return "", nil
	}
	if perAccount[d.n] {
		if _, err := m.update(d.k); errors.Is(err, mailstore.ErrNoAccount) || errors.Is(err, mailstore.ErrDamaged) {
			return "", nil // without the account's key nothing can be told
		}
	}
	switch d.n {
	case bMeta:
		return m.mendCounter(d)
	case bAddress, bBoxName, bEmail, bShows, bRowKey, bLetTime, bLetKey, bDue, bPast, bGone, bDead, bInline, bKeepEnd:
		return m.mendIndex(d)
	case bState, bBox, bPurge, bRow, bFlag, bLog, bDoomed, bKeep, bVault:
		return m.mendMail(d)
	case bItem:
		return m.mendItem(d)
	case bWrap:
		return m.mendWrap(d)
	}
	return "", nil // letters, evidence, journals, accounts, credentials, settings
}

// mendKey removes rows whose keys have no sense, where nothing but an index is
// lost by it.
func (m *mender) mendKey(d damageAt) (string, error) {
	switch d.n {
	case bAddress, bBoxName, bEmail, bShows, bRowKey, bLetTime, bLetKey, bPast, bDead, bFlag, bLog, bKeepEnd:
		return m.removed(d.n, d.k)
	}
	return "", nil
}

// removed removes a row.
func (m *mender) removed(n bucket, k []byte) (string, error) {
	if m.b(n).Get(k) == nil {
		return "", nil
	}
	return mailstore.MendRemoved, m.del(n, k)
}

// rebuilt writes a row.
func (m *mender) rebuilt(n bucket, k, v []byte) (string, error) {
	return mailstore.MendRebuilt, m.put(n, k, v)
}

// mendCounter raises a counter above the numbers in use. That of letters' numbers
// is the gateway's, and what the generation was nobody knows.
func (m *mender) mendCounter(d damageAt) (string, error) {
	for _, used := range m.used() {
		if used.counter != string(d.k) || used.counter == counterNumber {
			continue
		}
		return m.rebuilt(bMeta, d.k, key(used.max+counterMargin))
	}
	return "", nil
}

// mendItem sets an item aside that cannot be worked on, with what it holds.
func (m *mender) mendItem(d damageAt) (string, error) {
	raw := m.get(bItem, d.k)
	if raw == nil {
		return "", nil
	}
	if d.Kind == mailstore.DamageMismatch {
		return m.replaced(d.k, raw)
	}
	if err := m.setAside(d, raw); err != nil {
		return "", err
	}
	// Its place in the order of time and its bodies are orphans then.
	return mailstore.MendSetAside, m.del(bItem, d.k)
}

// replaced corrects what an item says of where its bodies are.
func (m *mender) replaced(k, raw []byte) (string, error) {
	it, err := decodeItem(mailstore.ID(k), raw)
	if err != nil {
		return "", nil //nolint:nilerr // told apart
	}
	rec, _, err := decodeAccountHead(it.Account, m.get(bAccount, it.Account[:]))
	if err != nil {
		return "", nil //nolint:nilerr // told apart
	}
	for i, ref := range it.bodies {
		if wr, err := parseWrapping(m.get(bWrap, wrapKey(ref.name, rec.holderNum))); err == nil {
			it.bodies[i].place, it.bodies[i].size = wr.place, wr.size
		}
	}
	return m.rebuilt(bItem, k, it.encode())
}

// mendWrap counts the uses of a body anew. With none left nobody holds it.
func (m *mender) mendWrap(d damageAt) (string, error) {
	raw := m.get(bWrap, d.k)
	if raw == nil {
		return "", nil
	}
	wr, err := parseWrapping(raw)
	switch {
	case d.Kind == mailstore.DamageCount && err == nil && d.uses > 0:
		wr.uses = d.uses
		return m.rebuilt(bWrap, d.k, wr.encode())
	case d.Kind == mailstore.DamageCount && err == nil:
		// The body may be that of a row which could not even be decoded: its key
		// is kept with what was set aside, and the sweep waits for a day.
		if err := m.setAside(d, raw); err != nil {
			return "", err
		}
		if err := m.put(bDead, key(m.s.now(), wr.place, d.k[:16]), nil); err != nil {
			return "", err
		}
		return mailstore.MendRemoved, m.del(bWrap, d.k)
	case d.Kind == mailstore.DamageUnreadable && err != nil:
		// Without place it cannot be counted. Who named it is set aside first.
		if m.usesOf(d.k) > 0 {
			return "", nil
		}
		if err := m.setAside(d, raw); err != nil {
			return "", err
		}
		return mailstore.MendSetAside, m.del(bWrap, d.k)
	}
	return "", nil
}

// usesOf counts the uses of a body by a holder.
func (t *txn) usesOf(k []byte) (n int) {
	t.eachUse(func(_ bucket, _ []byte, holder uint32, ref bodyRef) {
		if string(wrapKey(ref.name, holder)) == string(k) {
			n++
		}
	})
	return n
}
