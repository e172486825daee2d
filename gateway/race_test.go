package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// sent is one letter of the sender with its number.
type sent struct {
	record mailstore.Letter
	out    letter.Outgoing
}

// letters are all letters of the sender.
func (w *world) letters() (all []sent) {
	w.t.Helper()
	err := w.inner.View(w.t.Context(), w.accounts[senderAddress].ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Letters(mailstore.LetterFilter{Role: mailstore.Sender}) {
			if err != nil {
				return err
			}
			out, err := letter.DecodeOutgoing(rec)
			if err != nil {
				return err
			}
			all = append(all, sent{rec, out})
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// run starts the workers of the present parts beside each other; they end
// with stop.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	owner := fmt.Sprintf("owner-%d", w.starts)
	var group sync.WaitGroup
	for _, run := range w.workers() {
		group.Go(func() {
			if err := run(ctx, owner); err != nil {
				w.t.Errorf("worker: %v", err)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

// A worker that stood still while another did its work changes nothing when it
// wakes up, wherever it stood.
func TestSleepingWorker(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			at := 1
			for more := true; more && !t.Failed(); at++ {
				synctest.Test(t, func(t *testing.T) { more = sc.oversleep(t, at) })
			}
			if at < 3 {
				t.Errorf("only %d places to sleep at", at-1)
			}
		})
	}
}

// oversleep plays a scenario with workers that fall asleep at an operation,
// and others that take over. It reports whether there was such an operation.
func (sc scenario) oversleep(t *testing.T, at int) (reached bool) {
	w := newWorld(t, sc.account)
	w.start(fault.Plan{})
	sc.steps[0](w)
	if !sc.atOnce {
		time.Sleep(6 * time.Minute) // a held letter is due
	}
	w.equip(fault.Plan{Mode: fault.Stall, At: at})
	sleeper := w.store
	stop := w.run()
	synctest.Wait()
	reached = sleeper.Reached()
	w.equip(fault.Plan{})
	for _, step := range sc.steps[1:] {
		step(w)
	}
	time.Sleep(2 * fault.StallFor)
	w.settle()
	stop()
	if err := w.check(sc.end(w)); err != nil {
		t.Errorf("asleep at %s:\n%v\n%s", place(sleeper.Trace(), at), err, strings.Join(sleeper.Trace(), "\n"))
	}
	w.close()
	return reached
}

// Two couriers and two offices on one store deliver every letter once.
func TestTwoWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 40
		w := newWorld(t, nil)
		w.start(fault.Plan{})
		for i := range n {
			to := []string{firstAddress, secondAddress}
			w.submit(octets(t, "simple", fmt.Sprint("letter-", i), to...), to...)
		}
		stopFirst := w.run()
		w.equip(fault.Plan{})
		stopSecond := w.run()
		time.Sleep(time.Hour)
		stopFirst()
		stopSecond()
		w.settle()
		now := w.look()
		for box, want := range map[string]uint32{
			firstAddress + " INBOX": n, secondAddress + " INBOX": n, firstAddress + " Receipts": n, secondAddress + " Receipts": n,
			senderAddress + " Sent": n, senderAddress + " Receipts": 3 * n,
		} {
			if got := now.boxes[box].Messages; got != want {
				t.Errorf("%s has %d messages, want %d", box, got, want)
			}
		}
		w.checkAll(letter.Delivered)
		w.close()
	})
}

// checkAll wants every letter in one of some states for each recipient, both
// accounts of one mind, and one copy in INBOX unless it was recalled.
func (w *world) checkAll(allowed ...letter.State) map[letter.State]int {
	w.t.Helper()
	count := map[letter.State]int{}
	for _, l := range w.letters() {
		for _, r := range l.out.Recipients {
			count[r.State]++
			state, copies := w.received(r.Account, l.record.ID)
			want, here := 1, r.State
			if r.State == letter.Recalled {
				want = 0
			}
			if r.State == letter.Recalled && len(r.Steps) == 2 {
				here = "" // cancelled: it never left
				count["cancelled"]++
			}
			if state != here || copies != want {
				w.t.Errorf("letter %s: sender %s, recipient %q with %d copies; steps %v", l.record.Number, r.State, state, copies, r.Steps)
			}
		}
		if errs := errors.Join(w.checkChain(l)...); errs != nil {
			w.t.Errorf("letter %s: %v", l.record.Number, errs)
		}
	}
	for s := range count {
		if s != "cancelled" && !slices.Contains(allowed, s) {
			w.t.Errorf("%d letters are %s", count[s], s)
		}
	}
	for address, a := range w.accounts {
		if err := w.verifyJournal(a.ID); err != nil {
			w.t.Errorf("journal of %s: %v", address, err)
		}
	}
	if err := w.checkBodies(); err != nil {
		w.t.Error(err)
	}
	return count
}

// received is how a letter stands in a recipient's account, "" when it never
// came, and how many copies there are.
func (w *world) received(account, id mailstore.ID) (state letter.State, copies int) {
	w.t.Helper()
	err := w.inner.View(w.t.Context(), account, func(tx mailstore.Tx) error {
		rows, err := tx.ByLetter(id)
		if err != nil {
			return err
		}
		copies = len(rows)
		rec, err := tx.Letter(id, mailstore.Recipient)
		if errors.Is(err, mailstore.ErrNoLetter) {
			return nil
		}
		state = letter.State(rec.State)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return state, copies
}

// Sessions that submit the same letter at the same time get one number.
func TestSubmittedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start(fault.Plan{})
		content := octets(t, "registered", "once", firstAddress)
		const sessions = 24
		numbers := make([]string, sessions)
		repeats := make([]bool, sessions)
		var group sync.WaitGroup
		for i := range sessions {
			group.Go(func() {
				env, err := w.envelope(firstAddress)
				if err != nil {
					t.Error(err)
					return
				}
				answer, err := w.intake.Accept(t.Context(), env, bytes.NewReader(content))
				if err != nil {
					t.Error(err)
				}
				numbers[i], repeats[i] = answer.Number, answer.Repeat
			})
		}
		group.Wait()
		first := 0
		for i, n := range numbers {
			w.note(n)
			if !repeats[i] {
				first++
			}
		}
		if first != 1 {
			t.Errorf("%d sessions were told that theirs is the first", first)
		}
		w.settle()
		w.open(firstAddress)
		w.settle()
		if err := w.check(scenarios[0].want); err != nil {
			t.Error(err)
		}
		w.close()
	})
}

// Letters are recalled while they are delivered and opened: each ends either
// recalled without a copy or in INBOX with one, and both accounts agree.
func TestRecallAgainstDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 150 // more than a worker takes at once
		w := newWorld(t, nil)
		w.start(fault.Plan{})
		for i := range n {
			w.submit(octets(t, "simple", fmt.Sprint("letter-", i), firstAddress), firstAddress)
		}
		all := w.letters()
		stop := w.run()
		var group sync.WaitGroup
		group.Go(func() { w.recallAll(all[:n/2]) })
		group.Go(func() { w.recallAll(all[n/2:]) })
		group.Go(func() {
			for uid := range n / 3 {
				w.openOne(firstAddress, mailstore.UID(3*uid+1))
			}
		})
		group.Wait()
		time.Sleep(time.Hour)
		stop()
		w.settle()
		t.Log(w.checkAll(letter.Recalled, letter.Opened))
		w.close()
	})
}

// Letters that lie in INBOX are asked back and opened at the same time: one of
// the two wins, for both accounts.
func TestWithdrawAgainstOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 40
		w := newWorld(t, nil)
		w.start(fault.Plan{})
		for i := range n {
			w.submit(octets(t, "simple", fmt.Sprint("letter-", i), firstAddress), firstAddress)
		}
		w.settle()
		all := w.letters()
		stop := w.run()
		var group sync.WaitGroup
		group.Go(func() { w.recallAll(all[:n/2]) })
		group.Go(func() { w.recallAll(all[n/2:]) })
		group.Go(func() {
			for uid := range n {
				w.openOne(firstAddress, mailstore.UID(uid+1))
			}
		})
		group.Wait()
		time.Sleep(time.Hour)
		stop()
		w.settle()
		t.Log(w.checkAll(letter.Recalled, letter.Opened))
		w.close()
	})
}

// recallAll asks letters back; those that were opened are too late.
func (w *world) recallAll(all []sent) {
	for _, l := range all {
		_, err := w.office.Recall(w.t.Context(), w.accounts[senderAddress].ID, l.record.ID, nil)
		if err != nil && !errors.Is(err, letter.ErrTooLate) {
			w.t.Errorf("recall: %v", err)
		}
	}
}

// A letter that is asked back from somebody whom it never reaches is waited
// for without haste, and not for ever; those who have it give it back.
func TestWithdrawWhatNeverCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(n *auth.NewAccount) {
			if n.Addresses[0] == secondAddress {
				n.Quota = 1
			}
		})
		w.start(fault.Plan{})
		w.submitTo("simple", firstAddress, secondAddress)
		w.deliverOnce()
		if err := w.recall(); err != nil {
			t.Error(err)
		}
		began := time.Now()
		w.settle()
		if took := time.Since(began); took < 24*time.Hour || took > 25*time.Hour {
			t.Errorf("waited %s", took)
		}
		leases := 0
		for _, op := range w.store.Trace() {
			if op == "Lease letter" {
				leases++
			}
		}
		if leases > 1200 { // every five seconds would be 17,000
			t.Errorf("%d leases", leases)
		}
		_, out := w.outgoing()
		if a, b := out.Recipients[0].State, out.Recipients[1].State; a != letter.Recalled || b != letter.Undeliverable {
			t.Errorf("states %s and %s", a, b)
		}
		if n := w.look().boxes[firstAddress+" INBOX"].Messages; n != 0 {
			t.Errorf("%d letters in INBOX", n)
		}
		w.close()
	})
}
