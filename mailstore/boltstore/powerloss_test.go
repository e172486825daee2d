package boltstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/disktest"
)

// TestPowerLoss records what a store at work writes and syncs, and then takes
// the power away at moments all over the recording: of what was not synced yet
// any part may be there or not, down to single sectors. Each time the store
// must open, be in order and hold what was acknowledged before that moment;
// and UIDs, UIDVALIDITY and modseqs must not be behind what anybody saw.
//
// -crashes says how often the power goes. A failure names the seed of the load
// and of the loss; the load itself runs in several goroutines, so the recording
// differs from run to run. The folder of a failure is kept.
func TestPowerLoss(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		for seed := range uint64(max(1, *crashes/100)) {
			r := recordLoad(t, d, seed)
			d.Decide(func(op disktest.Op) disktest.Answer { // only what is restored counts
				return disktest.Answer{Skip: op.Kind == disktest.Sync}
			})
			for round := range min(*crashes, 100) {
				losePower(t, r, seed, uint64(round))
			}
			d.Decide(nil)
			if r.Count(disktest.Sync) < 50 {
				t.Errorf("only %d syncs in the recording", r.Count(disktest.Sync))
			}
		}
	})
}

// TestOpenSyncs: what a killed process has written and not synced is made
// durable before anybody reads it.
func TestOpenSyncs(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		dir := filepath.Join(t.TempDir(), "data")
		if err := newLoadStore(dir); err != nil {
			t.Fatal(err)
		}
		var syncs atomic.Int64
		d.Decide(func(op disktest.Op) disktest.Answer {
			if op.Kind == disktest.Sync && filepath.Base(op.Path) == metaFile {
				syncs.Add(1)
			}
			return disktest.Answer{}
		})
		s, err := Open(ctx, loadOptions(dir))
		if err != nil {
			t.Fatal(err)
		}
		if syncs.Load() == 0 {
			t.Error("the file was not synced")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestReadersSeeDurable holds the last sync of a commit up: until it is done no
// reader sees what was committed, and none waits for longer than its context.
func TestReadersSeeDurable(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		s, a := testStore(t, Options{})
		held, release := make(chan struct{}), make(chan struct{})
		var meta, once bool // of the rule alone
		d.Decide(func(op disktest.Op) disktest.Answer {
			if op.Kind == disktest.Write {
				meta = op.Offset < 2*4096 // the two pages at the beginning
			}
			if op.Kind == disktest.Sync && meta && !once {
				once = true
				close(held)
				<-release
			}
			return disktest.Answer{}
		})
		done := make(chan error, 1)
		go func() { done <- letter(s, a, 10) }()
		<-held
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		seen := -1
		err := s.View(short, a, func(tx mailstore.Tx) error {
			m, err := tx.Mailbox(1)
			seen = int(m.Messages)
			return err
		})
		if seen > 0 || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reader saw %d messages during the sync, %v", seen, err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n := messages(t, s, a); n != 1 {
			t.Errorf("%d messages after the sync", n)
		}
	})
}

// recordLoad lets a load run for a while. Its facts are the marks.
func recordLoad(t *testing.T, d *disktest.Disk, seed uint64) *disktest.Recording {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := newLoadStore(dir); err != nil {
		t.Fatal(err)
	}
	stop, err := d.Record(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, loadOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	l := &load{s: s, step: func(string) {}, tell: func(fact string) { d.Mark(fact) }}
	var workers, lookers sync.WaitGroup
	done := make(chan struct{})
	for n := range 2 * loadAccounts {
		desk, err := l.newDesk(n, seed)
		if err != nil {
			t.Fatal(err)
		}
		if n < loadAccounts {
			l.tell(fmt.Sprintf("is %s %s", desk.account, desk.holds.digest()))
		}
		workers.Go(func() {
			for range 25 {
				if err := l.work(desk, n < loadAccounts); err != nil {
					t.Error(err)
				}
			}
		})
		eye := newLooker(n)
		lookers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := l.look(eye); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	close(done)
	lookers.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := stop()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// losePower opens what one loss leaves.
func losePower(t *testing.T, r *disktest.Recording, seed, round uint64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, round))
	cut, loss := rnd.IntN(r.Len()+1), disktest.Loss(round%uint64(disktest.Losses))
	dir, err := os.MkdirTemp("", "gosbridge-power")
	if err != nil {
		t.Fatal(err)
	}
	err = r.Restore(dir, cut, loss, rnd)
	book := newLedger()
	for _, fact := range r.Marks(cut) {
		if err == nil {
			err = book.enter(fact.(string))
		}
	}
	if err == nil {
		err = book.verify(dir)
	}
	if err != nil {
		t.Errorf("load %d, loss %d, of %s at event %d of %d, in %s: %v", seed, round, loss, cut, r.Len(), dir, err)
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}
