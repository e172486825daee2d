package recovery

import (
	"context"
	"fmt"
	"math"
	"time"

	"gosbridge/gateway/backup"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore/boltstore"
)

// DefaultSkip is how many numbers a restore leaves out unless it is told
// otherwise: more than any gateway gives out between two daily backups.
const DefaultSkip = 1_000_000

// Options say what is restored, and to where.
type Options struct {
	Backup string            // its folder
	Store  boltstore.Options // of the store to be; its Dir holds none
	// The store's generation is at least Generation, and its next number at
	// least Number; 0 for what follows from the backup, from those beside it and
	// the restores that they remember.
	Generation uint32
	Number     uint64
	// Skip is how many numbers are left out.
	Skip     uint64
	UID      string // who restores, for the journals
	Now      func() time.Time
	Progress backup.Progress
}

// Outcome is what came of a restore.
type Outcome struct {
	Mark
	// Unnoted says why the backup does not remember this restore; "" when it
	// does.
	Unnoted string `json:"unnoted,omitempty"`
}

// Restore makes a store of a backup, marks it, and writes an entry into every
// journal, all or nothing. Errors are those of the backup and of the engine.
func Restore(ctx context.Context, o Options) (r Outcome, err error) {
	m, err := backup.Read(o.Backup)
	if err != nil {
		return r, err
	}
	used, err := backup.Used(o.Backup)
	if err != nil {
		return r, err
	}
	engine := boltstore.RestoreOptions{
		From: o.Backup, Files: m.StoreFiles(), Store: o.Store,
		Generation: o.Generation, NextNumber: o.Number, SkipNumbers: o.Skip, LastNumber: letter.LastSerial,
	}
	// Each of these used up its generation, and numbers as if it had been in
	// service as long as this one could be. What is above all bounds stays there,
	// and is refused.
	for _, n := range used {
		engine.Generation = max(engine.Generation, n.Generation+min(1, math.MaxUint32-n.Generation))
		engine.NextNumber = max(engine.NextNumber, n.Number+min(o.Skip, math.MaxUint64-n.Number))
	}
	if o.Progress != nil {
		engine.Progress = func(done, total int64) { o.Progress(backup.Copying, done, total) }
	}
	engine.Then = func(ctx context.Context, s *boltstore.Store, made boltstore.Restored) error {
		r.Mark = Mark{Backup: m.Made, Restored: o.Now().UTC(), Generation: made.Generation, Number: made.NextNumber}
		if err := Write(ctx, s, r.Mark, o.UID); err != nil {
			return fmt.Errorf("mark the restored store: %w", err)
		}
		// Before the store can be used: a note too many costs a generation, one
		// too few repeats a UIDVALIDITY.
		note := backup.Note{At: r.Restored, Generation: r.Generation, Number: r.Number}
		if err := backup.AddNote(o.Backup, note); err != nil {
			r.Unnoted = err.Error()
		}
		return nil
	}
	_, err = boltstore.Restore(ctx, engine)
	return r, err
}
