// Package recovery is what a store knows of having been restored from a backup,
// and what it does not do until the operator has looked at it.
//
// It owns the mark of a restore, the entries about it in the journals, and the
// rule which work goes on: what stays within the store does, for all of the
// store is as old as the backup. What others see outside of it waits for
// Resume, since it may have been done after the backup was made. It copies no
// file; package backup and the engine do.
package recovery

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
)

// goesOn are the classes of items that are worked on in a store that was
// restored and not resumed. Every other class waits, one that comes later too.
//
// Deliveries go to mailboxes of the same store, which are as old as the item:
// none has the letter already. Notices tell the other side of a letter, in the
// same store, what one side holds as done. To keep either back would keep
// people from their mail for nothing. Letters that were held for their recall
// have a class of their own, which waits: they may have been recalled after the
// backup. Terms are none of these: an act that ended one may have come after the
// backup, and evidence that the term ended without it would be false. Nor is what
// goes to another gateway, which may have it already.
var goesOn = []string{letter.DispatchClass, letter.Class}

// setting is where the mark stands.
const setting = "restored"

// Mark is what a store knows of its last restore.
type Mark struct {
	// Backup is the time of the snapshot: what came after it is lost.
	Backup     time.Time `json:"backup"`
	Restored   time.Time `json:"restored"`
	Generation uint32    `json:"generation"`
	// Number is the first serial that letters get since.
	Number  uint64    `json:"number"`
	Resumed time.Time `json:"resumed,omitzero"`
}

// Recovery is the state of an open store. Safe for concurrent use.
type Recovery struct {
	store mailstore.Store
	gate  *worker.Gate

	mu   sync.Mutex
	mark *Mark // nil: never restored
}

// Open reads what a store knows.
func Open(ctx context.Context, store mailstore.Store) (*Recovery, error) {
	r := &Recovery{store: store, gate: worker.NewGate(goesOn...)}
	data, err := store.Directory().Setting(ctx, setting)
	if err != nil {
		return nil, fmt.Errorf("mark of a restore: %w", err)
	}
	if data == nil {
		return r, nil
	}
	r.mark = new(Mark)
	if err := json.Unmarshal(data, r.mark); err != nil {
		return nil, fmt.Errorf("mark of a restore: %w", err)
	}
	if r.mark.Resumed.IsZero() {
		r.gate.Shut()
	}
	return r, nil
}

// Gate is what every worker over the store passes.
func (r *Recovery) Gate() *worker.Gate { return r.gate }

// Waits reports whether the store was restored and not resumed.
func (r *Recovery) Waits() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return State{Restored: r.mark}.Waits()
}

// Resumed is when the store was resumed after its last restore, zero for never.
func (r *Recovery) Resumed() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mark == nil {
		return time.Time{}
	}
	return r.mark.Resumed
}

// State is what a restored store waits with.
type State struct {
	// Restored is nil when the store never was.
	Restored *Mark `json:"restored,omitempty"`
	// Held counts the items that wait for Resume, or went on with it, by class.
	Held map[string]int `json:"held"`
}

// Waits reports whether the store was restored and not resumed.
func (s State) Waits() bool { return s.Restored != nil && s.Restored.Resumed.IsZero() }

// State looks at the store.
func (r *Recovery) State(ctx context.Context) (State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(ctx)
}

func (r *Recovery) state(ctx context.Context) (State, error) {
	s := State{Held: map[string]int{}}
	if r.mark != nil {
		mark := *r.mark
		s.Restored = &mark
	}
	if !s.Waits() {
		return s, nil
	}
	waiting, err := r.store.Queue().Waiting(ctx)
	if err != nil {
		return s, fmt.Errorf("count what waits: %w", err)
	}
	for class, n := range waiting {
		if r.gate.Holds(class) {
			s.Held[class] = n
		}
	}
	return s, nil
}

// Resume lets go what is held, at once and for good. It returns the state
// before; where nothing waited it changes nothing.
func (r *Recovery) Resume(ctx context.Context, now time.Time) (State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err := r.state(ctx)
	if err != nil || !before.Waits() {
		return before, err
	}
	mark := *r.mark
	mark.Resumed = now.UTC()
	if err := put(ctx, r.store, mark); err != nil {
		return before, err
	}
	r.mark = &mark
	r.gate.Open()
	return before, nil
}

// Warn logs that the store waits, if it does.
func (r *Recovery) Warn(ctx context.Context, log *slog.Logger) {
	s, err := r.State(ctx)
	if err != nil {
		log.Error("state of the restored store not read", "err", err)
	}
	if !s.Waits() {
		return
	}
	held := 0
	for _, n := range s.Held {
		held += n
	}
	log.Warn("this store was restored from a backup; letters that were held, terms and next hops wait for: gosbridge store resume",
		"backup", s.Restored.Backup, "restored", s.Restored.Restored, "generation", s.Restored.Generation, "held", held)
}

func put(ctx context.Context, store mailstore.Store, m Mark) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := store.Directory().PutSetting(ctx, setting, data); err != nil {
		return fmt.Errorf("mark of a restore: %w", err)
	}
	return nil
}

// together is how many accounts are written at once, to share commits.
const together = 64

// Write marks a restored store, holds back the letters that may have been
// recalled since the backup, forgets whom it told of ends of terms, and writes
// an entry into the journal of each account. It is for a store that nobody else
// sees yet: done in part it is to be thrown away.
func Write(ctx context.Context, store mailstore.Store, m Mark, uid string) error {
	if err := put(ctx, store, m); err != nil {
		return err
	}
	if err := letter.HoldBack(ctx, store); err != nil {
		return err
	}
	details := journal.Details{
		"backup": m.Backup.UTC().Format(time.RFC3339), "generation": strconv.FormatUint(uint64(m.Generation), 10), "uid": uid,
	}
	writers, ctx := errgroup.WithContext(ctx)
	writers.SetLimit(together)
	for a, err := range store.Directory().Accounts(ctx) {
		if err != nil {
			writers.Go(func() error { return err })
			break
		}
		entry := journal.NewEntry(m.Restored, journal.Restored, details)
		writers.Go(func() error {
			if err := letter.ForgetNotices(ctx, store, a.ID); err != nil {
				return fmt.Errorf("terms of %s: %w", a.ID, err)
			}
			err := store.Update(ctx, a.ID, func(tx mailstore.UpdateTx) error {
				_, err := journal.Append(tx, entry)
				return err
			})
			if err != nil {
				return fmt.Errorf("journal of %s: %w", a.ID, err)
			}
			return nil
		})
	}
	return writers.Wait()
}
