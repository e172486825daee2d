package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// caughtUp puts what an account lacks: a text of 3,000 octets for each.
func caughtUp(s *Store, account mailstore.ID) error {
	for {
		list, err := s.Texts().Settle(ctx, account, 100)
		if err != nil || len(list) == 0 {
			return err
		}
		var texts []mailstore.Text
		for _, l := range list {
			texts = append(texts, mailstore.Text{Account: account, EmailID: l.EmailID, Head: l.EmailID[:], Body: bytes.Repeat(l.EmailID[:], 3000/16)})
		}
		if err := s.Texts().Put(ctx, texts); err != nil {
			return err
		}
	}
}

// textsOf counts the texts in INBOX and compares them with their messages.
func textsOf(t *testing.T, s *Store, account mailstore.ID) int {
	t.Helper()
	n, err := textsIn(s, account, 1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// textsIn does the same in a mailbox.
func textsIn(s *Store, account mailstore.ID, box mailstore.MailboxID) (n int, err error) {
	all := mailstore.UIDSet{{Start: 1, Stop: ^mailstore.UID(0)}}
	ids := map[mailstore.UID]mailstore.ID{}
	err = s.View(ctx, account, func(tx mailstore.Tx) error {
		for m, err := range tx.Messages(box, all, mailstore.FieldMeta) {
			if err != nil {
				return err
			}
			ids[m.UID] = m.EmailID
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for text, err := range s.Texts().Scan(ctx, account, box, all, mailstore.TextHead|mailstore.TextBody) {
		if err != nil {
			return n, err
		}
		if id, ok := ids[text.UID]; ok && !bytes.Equal(text.Head, id[:]) {
			return n, fmt.Errorf("UID %d has another message's text", text.UID)
		}
		n++
	}
	return n, nil
}

// settleAll gives every message of an account that lacks one a text, and
// expects as many texts in each mailbox as messages.
func settleAll(s *Store, account mailstore.ID) error {
	if err := caughtUp(s, account); err != nil {
		return err
	}
	var boxes []mailstore.Mailbox
	err := s.View(ctx, account, func(tx mailstore.Tx) (err error) {
		boxes, err = tx.Mailboxes()
		return err
	})
	for _, b := range boxes {
		n, failed := textsIn(s, account, b.ID)
		if failed == nil && n != int(b.Messages) {
			failed = fmt.Errorf("%d texts of %d messages in mailbox %d", n, b.Messages, b.ID)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// withTexts makes a store with n messages that have texts, closed again.
func withTexts(t *testing.T, opts Options, n int) mailstore.ID {
	t.Helper()
	s, a := testStore(t, opts)
	for range n {
		if err := letter(s, a, 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := caughtUp(s, a); err != nil {
		t.Fatal(err)
	}
	if got := textsOf(t, s, a); got != n {
		t.Fatalf("%d texts", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTextsLost: whatever became of search.db, the store opens, says so, and
// the texts are made anew.
func TestTextsLost(t *testing.T) {
	const n = 30
	garbage := bytes.Repeat([]byte("garbage!"), 20_000)
	for name, c := range map[string]struct {
		harm  func(t *testing.T, path string)
		quiet bool
	}{
		"deleted":   {func(t *testing.T, path string) { must(t, os.Remove(path)) }, true},
		"empty":     {func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, true},
		"garbage":   {func(t *testing.T, path string) { must(t, os.WriteFile(path, garbage, 0o600)) }, false},
		"cut short": {func(t *testing.T, path string) { must(t, os.Truncate(path, 5*textsPage)) }, false},
		"a folder": {func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}, false},
		"other version": {func(t *testing.T, path string) { setFormat(t, path, key(uint32(textsVersion+1), mac{})) }, false},
		"other store": {func(t *testing.T, path string) {
			other := Options{Dir: t.TempDir()}
			withTexts(t, other, 3)
			data, err := os.ReadFile(filepath.Join(other.Dir, textsFile))
			must(t, err)
			must(t, os.WriteFile(path, data, 0o600))
		}, false},
		"earlier generation": {func(t *testing.T, path string) {
			db, err := bolt.Open(filepath.Join(filepath.Dir(path), metaFile), 0o600, nil)
			must(t, err)
			must(t, db.Update(func(tx *bolt.Tx) error {
				return tx.Bucket([]byte(bucketNames[bMeta])).Put(metaGeneration, key(uint32(2)))
			}))
			must(t, db.Close())
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			opts := Options{Dir: t.TempDir()}
			a := withTexts(t, opts, n)
			c.harm(t, filepath.Join(opts.Dir, textsFile))
			opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
			s := reopen(t, opts)
			if got := textsOf(t, s, a); got != 0 {
				t.Errorf("%d texts of a lost file", got)
			}
			must(t, caughtUp(s, a))
			if got := textsOf(t, s, a); got != n {
				t.Errorf("%d texts, want %d", got, n)
			}
			if said := strings.Contains(log.String(), textsFile); said == c.quiet {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// TestTextsImpossible: where the file cannot be made the store works without,
// and says so once.
func TestTextsImpossible(t *testing.T) {
	var log bytes.Buffer
	opts := Options{Dir: t.TempDir()}
	a := withTexts(t, opts, 3)
	path := filepath.Join(opts.Dir, textsFile)
	must(t, os.Remove(path))
	must(t, os.MkdirAll(filepath.Join(path, "not empty"), 0o700))
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := reopen(t, opts)
	must(t, letter(s, a, 10))
	must(t, caughtUp(s, a))
	if n := textsOf(t, s, a); n != 0 {
		t.Errorf("%d texts", n)
	}
	if n := strings.Count(log.String(), "no texts for searching are kept"); n != 1 {
		t.Errorf("log: %s", log.String())
	}
	if err := s.Texts().Put(ctx, []mailstore.Text{{Account: a}}); err == nil {
		t.Error("a text was kept nowhere")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setFormat changes what search.db says of itself.
func setFormat(t *testing.T, path string, format []byte) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(tMeta)).Put([]byte("format"), format) }))
	must(t, db.Close())
}

// TestTextsDamaged overwrites pieces of search.db, closed or in use: nobody
// panics, no text is given for another message, and in the end all are there.
func TestTextsDamaged(t *testing.T) {
	const n = 60
	lost := 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			var log bytes.Buffer
			opts := Options{Dir: t.TempDir()}
			a := withTexts(t, opts, n)
			path := filepath.Join(opts.Dir, textsFile)
			opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
			inUse := seed%2 == 0
			var s *Store
			if inUse {
				s = reopen(t, opts)
			}
			scribble(t, rnd, path)
			if !inUse {
				s = reopen(t, opts)
			}
			if got := textsOf(t, s, a); got > n {
				t.Errorf("%d texts", got)
			}
			must(t, letter(s, a, 10))
			for range 3 { // a write may be what meets the damage
				if err := caughtUp(s, a); err != nil && !errors.Is(err, mailstore.ErrDamaged) {
					t.Fatal(err)
				}
				textsOf(t, s, a)
			}
			must(t, caughtUp(s, a))
			if got := textsOf(t, s, a); got != n+1 {
				t.Errorf("%d texts, want %d", got, n+1)
			}
			if strings.Contains(log.String(), textsFile) {
				lost++
			}
			if strings.Contains(log.String(), "no texts for searching are kept") {
				t.Error(log.String())
			}
		})
	}
	if lost == 0 {
		t.Error("no damage was ever met: is the test's any?")
	}
}

// scribble overwrites two pages of a file, not of those that tell which file it
// is.
func scribble(t *testing.T, rnd *rand.Rand, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	info, err := f.Stat()
	must(t, err)
	pages := int(info.Size() / textsPage)
	for range 4 {
		junk := make([]byte, textsPage)
		for i := range junk {
			junk[i] = byte(rnd.Uint32())
		}
		_, err = f.WriteAt(junk, int64(2+rnd.IntN(pages-2))*textsPage)
		must(t, err)
	}
	must(t, f.Close())
}

// TestTextsForgotten: with the last row of a message its text goes from the
// file, also when the mailbox goes with it.
func TestTextsForgotten(t *testing.T) {
	s, a := testStore(t, Options{})
	for range 5 {
		must(t, letter(s, a, 10))
	}
	must(t, s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		box, err := tx.CreateMailbox("Other", "")
		if err != nil {
			return err
		}
		_, err = tx.Move(1, mailstore.UIDSet{{Start: 4, Stop: 5}}, box.ID)
		return err
	}))
	must(t, caughtUp(s, a))
	if kept := keptTexts(t, s); kept != "5 places, 5 heads, 5 bodies" {
		t.Fatal(kept)
	}
	must(t, s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		if _, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1, Stop: 2}}, false); err != nil {
			return err
		}
		box, err := tx.MailboxByName("Other")
		if err != nil {
			return err
		}
		return tx.DeleteMailbox(box.ID)
	}))
	must(t, caughtUp(s, a))
	if kept := keptTexts(t, s); kept != "1 places, 1 heads, 1 bodies" {
		t.Error(kept)
	}
}

// keptTexts counts what search.db holds.
func keptTexts(t *testing.T, s *Store) string {
	t.Helper()
	var n [3]int
	must(t, s.texts.file.Load().View(func(tx *bolt.Tx) error {
		for i, name := range []string{tPlace, tHead, tBody} {
			n[i] = tx.Bucket([]byte(name)).Stats().KeyN
		}
		return nil
	}))
	return fmt.Sprintf("%d places, %d heads, %d bodies", n[0], n[1], n[2])
}

// TestTextsIdle: what changes no row costs no commit of search.db.
func TestTextsIdle(t *testing.T) {
	s, a := testStore(t, Options{})
	must(t, letter(s, a, 10))
	must(t, caughtUp(s, a))
	id := func() (id int) {
		must(t, s.texts.file.Load().View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }))
		return id
	}
	before := id()
	for i := range 20 {
		must(t, s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.SetFlags(1, mailstore.UIDSet{{Start: 1, Stop: 1}}, mailstore.FlagChange{Op: mailstore.FlagsAdd + mailstore.FlagOp(i%2), Flags: mailstore.Seen})
			return err
		}))
		must(t, caughtUp(s, a))
	}
	if after := id(); after != before {
		t.Errorf("%d commits of search.db for changed flags", after-before)
	}
}

// TestTextsClosed: what comes after Close is told so, and nothing else.
func TestTextsClosed(t *testing.T) {
	s, a := testStore(t, Options{})
	must(t, s.Close())
	for name, err := range map[string]error{
		"Put":  s.Texts().Put(ctx, []mailstore.Text{{Account: a}}),
		"Drop": s.Texts().Drop(ctx, a),
	} {
		if !errors.Is(err, mailstore.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTextsLostAtClose loses the file while the store is closed: no file is open
// afterwards, so that it can be opened again.
func TestTextsLostAtClose(t *testing.T) {
	for range 20 {
		opts := Options{Dir: t.TempDir()}
		s, _ := testStore(t, opts)
		file, began, done := s.texts.file.Load(), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			close(began)
			s.texts.lose(file, errors.New("of the test"))
		}()
		<-began
		must(t, s.Close())
		<-done
		if left := s.texts.file.Load(); left != nil {
			t.Fatal("a file was opened and stays open")
		}
		_ = file.Close()
	}
}
