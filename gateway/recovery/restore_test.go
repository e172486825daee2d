package recovery_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gosbridge/gateway/backup"
	"gosbridge/gateway/recovery"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

// lineage is a folder of backups and the store of the moment: what becomes of
// both when backups are restored one after the other.
type lineage struct {
	t       *testing.T
	folder  string
	store   *boltstore.Store
	account mailstore.ID
	skip    uint64
}

// restore takes the place of the store with a backup.
func (l *lineage) restore(dir string) recovery.Outcome {
	l.t.Helper()
	o := recovery.Options{Backup: dir, Skip: l.skip, Now: time.Now}
	o.Store.Dir = l.t.TempDir()
	out, err := recovery.Restore(l.t.Context(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	if l.store, err = boltstore.Open(l.t.Context(), o.Store); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := l.store.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return out
}

// scheduled lets the schedule make its backup, which prunes the folder.
func (l *lineage) scheduled(keep int, waits func() bool) string {
	l.t.Helper()
	dir := l.store.Directory()
	ctx, cancel := context.WithCancel(l.t.Context())
	var made string
	backup.NewSchedule(backup.ScheduleOptions{
		Make: func(ctx context.Context, dir string, rate int64) (backup.Manifest, error) {
			made = dir
			return backup.Make(ctx, backup.Options{Store: l.store, Dir: dir, Rate: rate})
		},
		Last: func(context.Context) (time.Time, error) {
			if made != "" { // the schedule has seen to the old ones by now
				cancel()
			}
			return backup.Last(context.WithoutCancel(ctx), dir)
		},
		Note:  func(ctx context.Context, at time.Time) error { return backup.NoteLast(ctx, dir, at) },
		Waits: waits, Store: l.store.Name(), Zone: time.UTC, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}, backup.Plan{Folder: l.folder, Keep: keep}).Run(ctx)
	return made
}

// next is the next UID of the account's INBOX.
func (l *lineage) next() (uid mailstore.UID) {
	l.t.Helper()
	err := l.store.View(l.t.Context(), l.account, func(tx mailstore.Tx) error {
		box, err := tx.MailboxByName("INBOX")
		uid = box.UIDNext
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return uid
}

// TestRestoreAfterPrune: a backup that is restored after another one, which the
// schedule has removed since with what it knew, gives a store that has no
// generation, number or UID in common with the one before. So does one whose
// neighbours were removed by hand, but for the one that was made in between.
func TestRestoreAfterPrune(t *testing.T) {
	for name, remove := range map[string]func(l *lineage, a, b string){
		"by the schedule": func(l *lineage, a, b string) {
			c := l.scheduled(2, opened(l.t, l.store).Waits)
			for _, dir := range []string{a, b, c} {
				if _, err := backup.Read(dir); err != nil {
					l.t.Errorf("while the store waits: %v", err)
				}
			}
			if err := backup.Remove(c); err != nil { // and with it all that tells of its generation but the note
				l.t.Fatal(err)
			}
			if _, err := opened(l.t, l.store).Resume(l.t.Context(), time.Now()); err != nil {
				l.t.Fatal(err)
			}
			if err := backup.NoteLast(l.t.Context(), l.store.Directory(), time.Now().Add(-48*time.Hour)); err != nil {
				l.t.Fatal(err)
			}
			l.scheduled(2, opened(l.t, l.store).Waits)
			if _, err := backup.Read(a); err == nil {
				l.t.Error("the oldest is still there")
			}
		},
		"by hand": func(l *lineage, a, _ string) {
			l.scheduled(9, func() bool { return false })
			if err := backup.Remove(a); err != nil {
				l.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, ids := newStore(t, 1)
			l := &lineage{t: t, folder: t.TempDir(), store: s, account: ids[0], skip: 1000}
			if _, err := s.Directory().ReserveNumbers(t.Context(), 2000); err != nil {
				t.Fatal(err)
			}
			a := filepath.Join(l.folder, "gosbridge-"+s.Name()+"-20260101T000000Z")
			b := filepath.Join(l.folder, "gosbridge-"+s.Name()+"-20260102T000000Z")
			for _, dir := range []string{a, b} {
				if _, err := backup.Make(t.Context(), backup.Options{Store: s, Dir: dir}); err != nil {
					t.Fatal(err)
				}
			}
			first := l.restore(a)
			uid := l.next()
			if _, err := l.store.Directory().ReserveNumbers(t.Context(), 500); err != nil { // letters go on
				t.Fatal(err)
			}
			remove(l, a, b)
			second := l.restore(b)
			if second.Generation <= first.Generation || second.Number < first.Number+500 {
				t.Errorf("second restore: %+v, first %+v", second, first)
			}
			if got := l.next(); got < uid+boltstore.SkippedUIDs {
				t.Errorf("UIDs go on at %d, those of the first at %d", got, uid)
			}
		})
	}
}

// TestRestoreBounds: what would lead above the numbers that letters can have, or
// around past the greatest, is refused before anything is made.
func TestRestoreBounds(t *testing.T) {
	s, _ := newStore(t, 1)
	if _, err := s.Directory().ReserveNumbers(t.Context(), 2000); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := backup.Make(t.Context(), backup.Options{Store: s, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		skip, number uint64
		generation   uint32
		noted        *backup.Note
		want         error
	}{
		"last number":             {number: 99_999_999},
		"number above":            {number: 100_000_000, want: boltstore.ErrNumbers},
		"number far above":        {number: math.MaxUint64, want: boltstore.ErrNumbers},
		"skipped above":           {skip: 99_998_000, want: boltstore.ErrNumbers}, // the next one is 2001
		"skipped to the last":     {skip: 99_997_998},
		"skipped around":          {skip: math.MaxUint64 - 100, want: boltstore.ErrNumbers},
		"generation above":        {generation: 1 << 10, want: boltstore.ErrGeneration},
		"generation around":       {generation: math.MaxUint32, want: boltstore.ErrGeneration},
		"noted generation around": {noted: &backup.Note{Generation: math.MaxUint32}, want: boltstore.ErrGeneration},
		"noted number around":     {skip: 10, noted: &backup.Note{Number: math.MaxUint64 - 5}, want: boltstore.ErrNumbers},
	} {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(t.TempDir(), "backup")
			if err := os.CopyFS(from, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if c.noted != nil {
				if err := backup.AddNote(from, *c.noted); err != nil {
					t.Fatal(err)
				}
			}
			o := recovery.Options{Backup: from, Skip: c.skip, Number: c.number, Generation: c.generation, Now: time.Now}
			o.Store.Dir = filepath.Join(t.TempDir(), "store")
			out, err := recovery.Restore(t.Context(), o)
			if !errors.Is(err, c.want) {
				t.Errorf("restored %+v, %v", out, err)
			}
			if _, err := os.Stat(o.Store.Dir); c.want != nil && err == nil {
				t.Error("the data folder was made")
			}
			if c.want == nil && (out.Number < 2001+c.skip || out.Number < c.number) {
				t.Errorf("numbers from %d", out.Number)
			}
		})
	}
}
