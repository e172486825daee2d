package boltstore

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gosbridge/mailstore"
)

var crashes = flag.Int("crashes", 30, "how often the crash test kills its child")

const (
	crashDir  = "GOSBRIDGE_CRASH_DIR"
	crashStep = "GOSBRIDGE_CRASH_STEP" // step:count
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := crashChild(dir, os.Getenv(crashStep)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashAccount is the account that the child with that number writes to.
func crashAccount(n int) mailstore.ID { return mailstore.ID{15: byte(n + 1)} }

const crashAccounts = 2

// crashChild writes letters from several sides until it is killed, and prints
// a line for each one when its Update has returned.
func crashChild(dir, step string) error {
	ctx := context.Background()
	name, count, _ := strings.Cut(step, ":")
	left, _ := strconv.Atoi(count)
	var hits atomic.Int64
	s, err := Open(ctx, Options{Dir: dir, MasterKey: [32]byte{7}, LogEntries: 50, Hook: func(step string) error {
		if step == name && hits.Add(1) == int64(left) {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
		return nil
	}})
	if err != nil {
		return err
	}
	errs := make(chan error)
	for w := range 6 {
		go func() {
			for i := 0; ; i++ {
				if err := crashLetter(ctx, s, crashAccount(w%crashAccounts), w, i); err != nil {
					errs <- fmt.Errorf("writer %d: %w", w, err)
					return
				}
			}
		}()
	}
	return <-errs
}

// crashLetter does what an accept does, all in one Update, and now and then
// other work.
func crashLetter(ctx context.Context, s *Store, account mailstore.ID, w, i int) error {
	size := 500
	if i%10 == 9 {
		size = 40000
	}
	ref, err := s.Bodies().Put(ctx, strings.NewReader(strings.Repeat("x", size)))
	if err != nil {
		return err
	}
	number, err := s.Directory().ReserveNumbers(ctx, 1)
	if err != nil {
		return err
	}
	id := mailstore.NewID()
	err = s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		if _, err := tx.Append(1, mailstore.NewMessage{EmailID: id, LetterID: id, Content: mailstore.Content{Body: ref, Length: ref.Size}}); err != nil {
			return err
		}
		if err := tx.PutLetter(mailstore.Letter{ID: id, Role: mailstore.Sender, At: time.Now(), Number: fmt.Sprint(number), Keys: []string{id.String()}}); err != nil {
			return err
		}
		n, err := tx.JournalSize()
		if err != nil {
			return err
		}
		if err := tx.AppendJournal(mailstore.JournalRecord{Index: n, Details: id[:]}, []mailstore.Hash{{1}}); err != nil {
			return err
		}
		return tx.Enqueue(mailstore.Item{ID: id, Account: account, Class: "delivery", Due: time.Now()})
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s %s %d\n", account, id, number) // one write, so whole lines
	switch {
	case w == 0 && i%5 == 4:
		return crashMailbox(ctx, s, account)
	case w == 1 && i%20 == 19:
		_, err = s.Sweep(ctx, time.Minute) // longer than any Update
	case w == 2 && i%5 == 4:
		_, err = s.Compact(ctx, mailstore.CompactOptions{})
	}
	return err
}

// crashMailbox copies into a new mailbox and deletes it again.
func crashMailbox(ctx context.Context, s *Store, account mailstore.ID) error {
	var box mailstore.Mailbox
	err := s.Update(ctx, account, func(tx mailstore.UpdateTx) (err error) {
		if box, err = tx.CreateMailbox(mailstore.NewID().String(), ""); err != nil {
			return err
		}
		_, err = tx.Copy(1, mailstore.UIDSet{{Start: 1, Stop: 40}}, box.ID)
		return err
	})
	if err != nil {
		return err
	}
	return s.Update(ctx, account, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(box.ID) })
}

// TestCrash kills a child at random moments and at named steps: what it said
// was done is there, whole, and the rest is there whole or not at all.
func TestCrash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: dir, MasterKey: [32]byte{7}, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	for n := range crashAccounts {
		a := mailstore.Account{ID: crashAccount(n), Addresses: []string{fmt.Sprint(n)}}
		if err := s.Directory().CreateAccount(ctx, a, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	known := &crashLog{letters: map[mailstore.ID]mailstore.ID{}, numbers: map[string]bool{}}
	steps := append([]string{"", "commit", "committed", "", "body", "purge", "compact-renamed", "compact-swapped"}, compactSteps...)
	for round := range *crashes {
		step := steps[round%len(steps)]
		if step != "" {
			step = fmt.Sprintf("%s:%d", step, rand.IntN(8)+1)
		}
		known.child(t, dir, step)
		known.verify(t, dir)
	}
	t.Logf("%d kills, %d letters acknowledged", *crashes, len(known.letters))
}

// crashLog is what children said was done.
type crashLog struct {
	letters map[mailstore.ID]mailstore.ID // letter -> account
	numbers map[string]bool
}

// child runs a child until it is dead.
func (l *crashLog) child(t *testing.T, dir, step string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashStep+"="+step)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := 3 * time.Second // a step that is not reached ends so
	if step == "" {
		deadline = time.Duration(rand.IntN(80)+5) * time.Millisecond
	}
	timer := time.AfterFunc(3*time.Second, func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); first = false {
		if first {
			timer.Reset(deadline)
		}
		f := strings.Fields(lines.Text())
		if len(f) != 3 || len(f[2]) == 0 {
			continue // cut off by the kill
		}
		account, id := uuid.MustParse(f[0]), uuid.MustParse(f[1])
		l.letters[id] = account
		if l.numbers[f[2]] {
			t.Errorf("number %s given twice", f[2])
		}
		l.numbers[f[2]] = true
	}
	timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("child at %q: %v", step, err)
	}
}

// verify opens what the child left.
func (l *crashLog) verify(t *testing.T, dir string) {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: dir, MasterKey: [32]byte{7}, LogEntries: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	for n := range crashAccounts {
		account := crashAccount(n)
		err := s.View(ctx, account, func(tx mailstore.Tx) error { return l.verifyAccount(tx, account) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (l *crashLog) verifyAccount(tx mailstore.Tx, account mailstore.ID) error {
	whole := map[mailstore.ID]bool{}
	for letter, err := range tx.Letters(mailstore.LetterFilter{}) {
		if err != nil {
			return err
		}
		whole[letter.ID] = true
	}
	for id, owner := range l.letters {
		if owner == account && !whole[id] {
			return fmt.Errorf("letter %s was acknowledged and is lost", id)
		}
	}
	records := map[mailstore.ID]bool{}
	for rec, err := range tx.Journal(0, 0) {
		if err != nil {
			return err
		}
		records[mailstore.ID(rec.Details)] = true
	}
	rows := 0
	for m, err := range tx.Messages(1, mailstore.UIDSet{{Start: 1, Stop: 0}}, mailstore.FieldMeta) {
		if err != nil {
			return err
		}
		if rows++; !whole[m.EmailID] || !records[m.EmailID] {
			return fmt.Errorf("message %d without letter or journal", m.UID)
		}
		if _, err := tx.Item(m.EmailID); err != nil {
			return fmt.Errorf("message %d: %w", m.UID, err)
		}
	}
	if rows != len(whole) || rows != len(records) {
		return fmt.Errorf("%d messages, %d letters, %d records", rows, len(whole), len(records))
	}
	return nil
}
