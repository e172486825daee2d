package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"gosbridge/mailstore"
)

var ctx = context.Background()

// testStore opens a new store with one account.
func testStore(t testing.TB, opts Options) (*Store, mailstore.ID) {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	opts.Create = true
	s := reopen(t, opts)
	a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"a@example.org"}}
	if err := s.Directory().CreateAccount(ctx, a, []mailstore.NewMailbox{{Name: "Archive", Role: mailstore.RoleArchive}}); err != nil {
		t.Fatal(err)
	}
	return s, a.ID
}

// reopen opens a store that is checked and closed at the end of the test.
func reopen(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Check(ctx); err != nil && !errors.Is(err, mailstore.ErrClosed) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// letter appends a message with a summary of n octets.
func letter(s *Store, account mailstore.ID, n int) error {
	m := mailstore.NewMessage{EmailID: mailstore.NewID(), Summary: make([]byte, n)}
	return s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		_, err := tx.Append(1, m)
		return err
	})
}

func messages(t testing.TB, s *Store, account mailstore.ID) (n int) {
	t.Helper()
	err := s.View(ctx, account, func(tx mailstore.Tx) error {
		m, err := tx.Mailbox(1)
		n = int(m.Messages)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	opts := Options{Dir: dir, MasterKey: [32]byte{1}}
	if _, err := Open(ctx, opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing store: %v", err)
	}
	opts.Create = true
	s, err := Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := Open(ctx, opts); !errors.Is(err, mailstore.ErrLocked) {
		t.Errorf("second start: %v", err)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("second start refused after %v", d)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wrong := opts
	wrong.MasterKey[31] ^= 1
	if _, err := Open(ctx, wrong); !errors.Is(err, mailstore.ErrKey) {
		t.Errorf("wrong key: %v", err)
	}
	raw(t, dir, func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put(metaFormat, key(uint32(99))) })
	if _, err := Open(ctx, opts); !errors.Is(err, mailstore.ErrVersion) {
		t.Errorf("newer format: %v", err)
	}
	raw(t, dir, func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put(metaFormat, key(uint32(formatVersion))) })
	s, err = Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOlderFormat opens a store of format 1, which had fewer buckets: from then
// on it is one that an older release refuses.
func TestOlderFormat(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s, a := testStore(t, opts)
	if err := errors.Join(letter(s, a, 10), s.Close()); err != nil {
		t.Fatal(err)
	}
	raw(t, opts.Dir, func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte(bucketNames[bDoomed])), tx.Bucket([]byte("meta")).Put(metaFormat, key(uint32(1))))
	})
	s = reopen(t, opts)
	if n := messages(t, s, a); n != 1 {
		t.Errorf("%d messages", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, opts.Dir, func(tx *bolt.Tx) error {
		if got := tx.Bucket([]byte("meta")).Get(metaFormat); string(got) != string(key(uint32(formatVersion))) {
			t.Errorf("format %x", got)
		}
		return nil
	})
}

// raw changes the file behind the store's back.
func raw(t testing.TB, dir string, fn func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, metaFile), 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil && !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
}

// errUndo rolls back what was changed behind the store's back.
var errUndo = errors.New("undo")

// TestSwappedRows puts one sealed record in the place of another of the same
// kind and key: it must not be taken for it.
func TestSwappedRows(t *testing.T) {
	for _, name := range []string{"row", "letter", "box", "evidence", "journal"} {
		t.Run(name, func(t *testing.T) {
			opts := Options{Dir: t.TempDir()}
			s, a := testStore(t, opts)
			for i := range int64(2) {
				err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
					_, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID(), Summary: []byte("one")})
					return errors.Join(err,
						tx.PutLetter(mailstore.Letter{ID: mailstore.NewID(), Role: 1, Data: []byte("x")}),
						tx.PutEvidence(mailstore.Evidence{ID: mailstore.NewID(), Letter: mailstore.ID{1}, Data: []byte("x")}),
						tx.AppendJournal(mailstore.JournalRecord{Index: i, Details: []byte("x")}, nil))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			raw(t, opts.Dir, func(tx *bolt.Tx) error {
				c := tx.Bucket([]byte(name)).Cursor()
				_, v := c.First()
				k, _ := c.Next()
				return tx.Bucket([]byte(name)).Put(copied(k), copied(v))
			})
			s, err := Open(ctx, opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Check(ctx); !errors.Is(err, mailstore.ErrDamaged) {
				t.Errorf("check: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFullFile fills the file up to its limit: nothing of what is refused is
// kept, and the store goes on.
func TestFullFile(t *testing.T) {
	opts := Options{Dir: t.TempDir(), MaxFile: 20 << 20}
	s, a := testStore(t, opts)
	fill(t, s, a)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	opts.MaxFile = 0
	s = reopen(t, opts)
	if err := letter(s, a, 100000); err != nil {
		t.Fatal(err)
	}
}

// fill writes until the disk is full, and expects that what was acknowledged
// is there and nothing else. It returns how many were.
func fill(t *testing.T, s *Store, a mailstore.ID) {
	t.Helper()
	before := messages(t, s, a)
	done := 0
	var err error
	for err == nil && done < 1000 {
		if err = letter(s, a, 100000); err == nil {
			done++
		}
	}
	if !errors.Is(err, mailstore.ErrFull) || errors.Is(err, mailstore.ErrMaybeCommitted) {
		t.Fatalf("after %d letters: %v", done, err)
	}
	if n := messages(t, s, a); n != before+done {
		t.Fatalf("%d messages, %d acknowledged", n-before, done)
	}
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk lets the system refuse to write, as a full disk does, and gives
// room again: the store goes on without being opened anew.
func TestFullDisk(t *testing.T) {
	if inChild(t) {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	s, a := testStore(t, Options{})
	if err := letter(s, a, 1000); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.db.Path())
	if err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: uint64(info.Size()), Max: old.Max}
	for round := range 3 {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			t.Skipf("file size limit: %v", err)
		}
		fill(t, s, a)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			if err := letter(s, a, 100000); err != nil {
				t.Fatalf("with room again: %v", err)
			}
		}
		if info, err = os.Stat(s.db.Path()); err != nil {
			t.Fatal(err)
		}
		limit.Cur = uint64(info.Size())
	}
}

// TestBrokenDisk takes the file away from bbolt: an I/O error is no
// acknowledgement, and what was committed stays readable.
func TestBrokenDisk(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s, a := testStore(t, opts)
	if err := letter(s, a, 100); err != nil {
		t.Fatal(err)
	}
	fd := fdOf(t, s.db.Path())
	saved, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull) // for reading: writes fail
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(null.Fd()), fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := letter(s, a, 100); err == nil || errors.Is(err, mailstore.ErrFull) {
			t.Errorf("on a broken disk: %v", err)
		}
	}
	if n := messages(t, s, a); n != 1 {
		t.Errorf("%d messages", n)
	}
	if err := errors.Join(unix.Dup3(saved, fd, unix.O_CLOEXEC), unix.Close(saved), null.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, opts)
	if n := messages(t, s, a); n != 1 {
		t.Errorf("%d messages after a new start", n)
	}
	if err := letter(s, a, 100); err != nil {
		t.Error(err)
	}
}

// TestRationedMemory opens a store where address space is short (ulimit -v).
func TestRationedMemory(t *testing.T) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc")
	}
	var pages uint64
	if _, err := fmt.Sscan(string(statm), &pages); err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &old); err != nil {
		t.Fatal(err)
	}
	short := old
	short.Cur = pages*uint64(os.Getpagesize()) + 4<<30
	if err := unix.Setrlimit(unix.RLIMIT_AS, &short); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_AS, &old) }()
	s, a := testStore(t, Options{})
	if err := letter(s, a, 100); err != nil {
		t.Error(err)
	}
}

// TestFailedStore breaks a commit at a point where nobody knows what the disk
// holds: that Update is told so, and the later ones that they did nothing.
func TestFailedStore(t *testing.T) {
	s, err := Open(ctx, Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.submit(ctx, func(w *work) error {
		w.tx.OnCommit(func() { panic("disk gone") })
		return w.put(bSetting, []byte("name"), []byte("value"))
	})
	if !errors.Is(err, mailstore.ErrMaybeCommitted) {
		t.Errorf("commit that broke: %v", err)
	}
	for range 2 {
		err := s.Directory().PutSetting(ctx, "other", nil)
		if err == nil || errors.Is(err, mailstore.ErrMaybeCommitted) || !strings.Contains(err.Error(), "disk gone") {
			t.Errorf("after it: %v", err)
		}
	}
}

// fdOf finds the descriptor under which this process has a file open.
func fdOf(t *testing.T, path string) int {
	t.Helper()
	for fd := range 1000 {
		if link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && link == path {
			return fd
		}
	}
	t.Skip("no /proc")
	return 0
}

// TestFailedCommit fails the commit of a batch: all who shared it are told.
func TestFailedCommit(t *testing.T) {
	var mu sync.Mutex
	fail := false
	errHook := errors.New("no commit")
	s, a := testStore(t, Options{Hook: func(step string) error {
		mu.Lock()
		defer mu.Unlock()
		if step == "commit" && fail {
			return errHook
		}
		return nil
	}})
	set := func(on bool) { mu.Lock(); fail = on; mu.Unlock() }
	set(true)
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := letter(s, a, 10); !errors.Is(err, errHook) {
				t.Errorf("got %v", err)
			}
		}()
	}
	wg.Wait()
	if n := messages(t, s, a); n != 0 {
		t.Errorf("%d messages", n)
	}
	set(false)
	if err := letter(s, a, 10); err != nil {
		t.Error(err)
	}
}

// TestGroupCommit expects that those who wait share a commit.
func TestGroupCommit(t *testing.T) {
	var mu sync.Mutex
	commits := 0
	s, a := testStore(t, Options{Hook: func(step string) error {
		if step == "commit" {
			mu.Lock()
			commits++
			mu.Unlock()
			time.Sleep(time.Millisecond)
		}
		return nil
	}})
	mu.Lock()
	commits = 0
	mu.Unlock()
	const n = 400
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := letter(s, a, 10); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if commits > n/4 {
		t.Errorf("%d commits for %d updates", commits, n)
	}
}

// TestMetadataSize bounds what a message costs in the metadata file.
func TestMetadataSize(t *testing.T) {
	s, a := testStore(t, Options{})
	const n = 20000
	summary := []byte(strings.Repeat("s", 600)) // envelope, structure, header fields
	for range n / 500 {
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			for range 500 {
				m := mailstore.NewMessage{EmailID: mailstore.NewID(), LetterID: mailstore.NewID(), Summary: summary, Keywords: []string{"Letter-Sent"}}
				m.Content.Prefix = []byte(strings.Repeat("p", 150))
				if _, err := tx.Append(1, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	used := 0
	err := s.read(ctx, func(tx *txn) error {
		for n := range bucketCount {
			st := tx.b(n).Stats()
			used += (st.BranchPageN + st.BranchOverflowN + st.LeafPageN + st.LeafOverflowN) * 4096
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if per := used / n; per > 1600 {
		t.Errorf("%d octets of metadata for a message", per)
	} else {
		t.Logf("%d octets of metadata for a message", per)
	}
}
