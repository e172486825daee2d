package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/mailstore/boltfile"
	"gosbridge/mailstore/storetest"
)

// compactAll is Compact without limits.
func compactAll(t testing.TB, s *Store) []mailstore.Compacted {
	t.Helper()
	done, err := s.Compact(ctx, mailstore.CompactOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// dump reads all rows of the metadata file.
func dump(t testing.TB, s *Store) map[string]string {
	t.Helper()
	rows := map[string]string{}
	err := s.read(ctx, func(x *txn) error {
		for n := range bucketCount {
			x.scan(n, nil, nil, func(k, v []byte) bool { rows[bucketNames[n]+"/"+string(k)] = string(v); return true })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// fileNames are the files in a folder.
func fileNames(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// bulkStore opens a store whose files are mostly free pages, since a mailbox
// was filled and deleted with its bodies. Two letters are left in INBOX.
func bulkStore(t testing.TB, opts Options) (*Store, mailstore.ID) {
	t.Helper()
	var ahead atomic.Int64
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, a := testStore(t, opts)
	var box mailstore.Mailbox
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) (err error) {
		box, err = tx.CreateMailbox("bulk", "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		into := box.ID
		if i == 30 {
			into = 1
		}
		if err := compactLetter(s, a, into, 300_000); err != nil {
			t.Fatal(err)
		}
		if err := compactLetter(s, a, into, 15_000); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(box.ID) }); err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = s.purgeOne(ctx); err != nil {
			t.Fatal(err)
		}
	}
	ahead.Store(int64(48 * time.Hour))
	if _, err := s.Sweep(ctx, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	return s, a
}

// compactLetter appends a message with a body of n octets.
func compactLetter(s *Store, a mailstore.ID, box mailstore.MailboxID, n int) error {
	ref, err := s.Bodies().Put(ctx, strings.NewReader(strings.Repeat("x", n)))
	if err != nil {
		return err
	}
	m := mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: ref, Length: ref.Size}}
	return s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Append(box, m)
		return err
	})
}

// TestCompact makes the files of a store smaller and changes nothing in them.
func TestCompact(t *testing.T) {
	opts := Options{Dir: t.TempDir(), BodyFiles: 2}
	s, a := bulkStore(t, opts)
	for name := range maps.Keys(map[string]bool{metaFile: true, "bodies-0.db": true}) {
		if err := os.Chmod(filepath.Join(opts.Dir, name), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	before, files := dump(t, s), fileNames(t, opts.Dir)
	var told sync.Map
	done, err := s.Compact(ctx, mailstore.CompactOptions{Progress: func(file string, n, total int64) {
		if n > total {
			t.Errorf("%s: %d of %d", file, n, total)
		}
		told.Store(file, n)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{metaFile, "bodies-0.db", "bodies-1.db"} {
		info, err := os.Stat(filepath.Join(opts.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		d := done[i]
		if d.File != name || d.After != info.Size() || d.After > d.Before/3 || d.Pause <= 0 {
			t.Errorf("%s: %+v, is %d", name, d, info.Size())
		}
		if name != "bodies-1.db" && info.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
		if n, ok := told.Load(name); !ok || n.(int64) <= 0 {
			t.Errorf("%s: progress %v", name, n)
		}
	}
	if after := dump(t, s); !maps.Equal(before, after) {
		t.Error("rows are not what they were")
	}
	if got := fileNames(t, opts.Dir); !slices.Equal(got, files) {
		t.Errorf("files %v, were %v", got, files)
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	if err := compactLetter(s, a, 1, 300_000); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(ctx, mailstore.CompactOptions{}); !errors.Is(err, mailstore.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s = reopen(t, opts)
	if n := messages(t, s, a); n != 3 {
		t.Errorf("%d messages after a new start", n)
	}
}

// TestCompactConformance runs the whole suite on a store that is compacted all
// the while.
func TestCompactConformance(t *testing.T) {
	var runs atomic.Int64
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		dir := filepath.Join(t.TempDir(), "data")
		return storetest.Fixture{
			Open: func(ctx context.Context, now func() time.Time) (mailstore.Store, error) {
				s, err := Open(ctx, Options{Dir: dir, MasterKey: [32]byte{1}, Create: true, Now: now, LogEntries: 64})
				if err != nil {
					return nil, err
				}
				go func() {
					for {
						_, err := s.Compact(t.Context(), mailstore.CompactOptions{})
						if err != nil {
							if !errors.Is(err, mailstore.ErrClosed) && t.Context().Err() == nil {
								t.Error(err)
							}
							return
						}
						runs.Add(1)
					}
				}()
				return s, nil
			},
			Check:      func(ctx context.Context, s mailstore.Store) error { return s.(*Store).Check(ctx) },
			Dir:        func() string { return dir },
			LogEntries: 64,
		}
	})
	if n := runs.Load(); n < 10 {
		t.Errorf("only %d compactions", n)
	}
}

// TestCompactUnderLoad compacts again and again while letters are written,
// read, moved, deleted and swept, and somebody watches.
func TestCompactUnderLoad(t *testing.T) {
	opts := Options{Dir: t.TempDir(), BodyFiles: 2, LogEntries: 50}
	s, a := testStore(t, opts)
	watch := s.Watch(a, 1)
	defer watch.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var written, woken atomic.Int64
	load := func(fn func(i int) error) {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	load(func(i int) error { written.Add(1); return compactLetter(s, a, 1, 100+i%3*40_000) })
	load(func(i int) error { written.Add(1); return compactLetter(s, a, 1, 1_500_000*(i%2)+10) })
	load(func(int) error { return compactChurn(s, a) })
	load(func(int) error { return readFirst(s, a) })
	load(func(int) error {
		select {
		case <-watch.C():
			woken.Add(1)
		case <-stop:
		}
		return nil
	})
	for range 6 {
		compactAll(t, s)
	}
	close(stop)
	wg.Wait()
	if woken.Load() == 0 {
		t.Error("no watcher was woken")
	}
	verify := func(s *Store) {
		t.Helper()
		if n := messages(t, s, a); int64(n) != written.Load() {
			t.Errorf("%d messages, %d acknowledged", n, written.Load())
		}
		if err := s.Check(ctx); err != nil {
			t.Error(err)
		}
	}
	verify(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(reopen(t, opts))
}

// compactChurn makes a mailbox, fills it by a copy, changes flags and deletes it.
func compactChurn(s *Store, a mailstore.ID) error {
	var box mailstore.Mailbox
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) (err error) {
		if box, err = tx.CreateMailbox(mailstore.NewID().String(), ""); err != nil {
			return err
		}
		_, err = tx.Copy(1, mailstore.UIDSet{{Start: 1, Stop: 20}}, box.ID)
		return err
	})
	if err != nil {
		return err
	}
	err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(box.ID) })
	if err == nil {
		_, err = s.Sweep(ctx, time.Minute)
	}
	return err
}

// readFirst reads the first bodies of INBOX to their end.
func readFirst(s *Store, a mailstore.ID) error {
	var refs []body.Ref
	err := s.View(ctx, a, func(tx mailstore.Tx) error {
		for m, err := range tx.Messages(1, mailstore.UIDSet{{Start: 1, Stop: 10}}, mailstore.FieldContent) {
			if err != nil {
				return err
			}
			refs = append(refs, m.Content.Body)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, ref := range refs {
		r, err := s.Bodies().Open(ctx, ref, 0)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, r)
		if err = errors.Join(err, r.Close()); err != nil || n != ref.Size {
			return fmt.Errorf("%d octets of %d: %w", n, ref.Size, err)
		}
	}
	return nil
}

// TestCompactReaders: who reads when the file is replaced reads on as it was,
// and holds nobody up.
func TestCompactReaders(t *testing.T) {
	s, a := bulkStore(t, Options{})
	err := s.View(ctx, a, func(tx mailstore.Tx) error {
		compactAll(t, s)
		if err := letter(s, a, 100); err != nil {
			return err
		}
		if n := messages(t, s, a); n != 3 {
			t.Errorf("%d messages for a new reader", n)
		}
		m, err := tx.Mailbox(1)
		if m.Messages != 2 {
			t.Errorf("%d messages for the old one", m.Messages)
		}
		for _, err := range tx.Messages(1, mailstore.UIDSet{{Start: 1, Stop: 0}}, mailstore.FieldContent) {
			if err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCompactLocked opens the folder again and again while it is compacted:
// nobody else ever gets in.
func TestCompactLocked(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s, _ := bulkStore(t, opts)
	stop := make(chan struct{})
	var tries atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				other, err := Open(ctx, Options{Dir: opts.Dir})
				if tries.Add(1); err == nil {
					t.Error("opened twice")
					_ = other.Close()
				} else if !errors.Is(err, mailstore.ErrLocked) {
					t.Error(err)
				}
			}
		})
	}
	for tries.Load() < 12 {
		compactAll(t, s)
	}
	close(stop)
	wg.Wait()
}

// TestCompactSeesAll holds the source to what a compaction rests on: rows of
// the metadata file are changed in one place, where they are noted.
func TestCompactSeesAll(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	// Of bbolt's buckets and cursors.
	writes := regexp.MustCompile(`\.(Put|Delete|CreateBucket|CreateBucketIfNotExists|DeleteBucket|MoveBucket|SetSequence|NextSequence)\(`)
	found := map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if writes.MatchString(line) && !strings.Contains(line, "Put(ctx") {
				found[file]++
			}
		}
	}
	// format.go writes while nobody else is there, and texts are not compacted.
	for file := range found {
		if file == "format.go" || strings.HasPrefix(file, "texts") {
			delete(found, file)
		}
	}
	if want := map[string]int{"txn.go": 2}; !maps.Equal(found, want) {
		t.Errorf("rows are written in %v, want %v: note what changes, or a compaction loses it", found, want)
	}
}

// TestCompactLeftovers: what a crash has left is removed by the next start.
func TestCompactLeftovers(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s, _ := testStore(t, opts)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{metaFile, "bodies-0.db"} {
		if err := os.WriteFile(filepath.Join(opts.Dir, name+boltfile.Suffix), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reopen(t, opts)
	for _, name := range fileNames(t, opts.Dir) {
		if strings.HasSuffix(name, boltfile.Suffix) {
			t.Errorf("%s is still there", name)
		}
	}
}

// BenchmarkCompact compacts a store that letters come into; it reports how
// long they had to wait at its end.
func BenchmarkCompact(b *testing.B) {
	s, a := testStore(b, Options{Dir: b.TempDir()})
	fillBox(b, s, a, 20_000)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := compactLetter(s, a, 1, 4096); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	var pauses []time.Duration
	for b.Loop() {
		for _, d := range compactAll(b, s) {
			if d.File == metaFile {
				pauses = append(pauses, d.Pause)
			}
		}
	}
	close(stop)
	wg.Wait()
	slices.Sort(pauses)
	b.ReportMetric(float64(pauses[len(pauses)/2].Microseconds())/1000, "pause-ms-p50")
	b.ReportMetric(float64(pauses[len(pauses)-1].Microseconds())/1000, "pause-ms-max")
}
