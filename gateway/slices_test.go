package gateway_test

import (
	"testing"
	"testing/synctest"

	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

// A letter to more recipients than one transition takes is delivered in
// slices, and a crash between any two does no harm either.
func TestCrashBetweenSlices(t *testing.T) {
	t.Parallel()
	to := members(40)
	sc := scenario{
		name: "letter to many", members: to,
		steps: []func(*world){submitStep("simple", to...), (*world).settle},
		want: outcome{
			keywords: []string{"Letter-Delivered"}, evidence: []receipt.Event{receipt.SubmissionAcceptance},
			boxes: map[string]int{senderAddress + " Sent": 1, senderAddress + " Receipts": 1 + len(to)},
			journal: map[string]map[string]int{
				senderAddress: counts{journal.Accepted: 1, journal.State: len(to), journal.Sent: len(to), journal.Delivered: len(to)},
			},
		},
	}
	if 3*len(to) <= letter.MaxChanges {
		t.Fatalf("%d recipients go in one slice", len(to))
	}
	for _, address := range to {
		sc.want.states = append(sc.want.states, letter.Delivered)
		sc.want.evidence = append(sc.want.evidence, receipt.ContentConsignment)
		sc.want.boxes[address+" INBOX"], sc.want.boxes[address+" Receipts"] = 1, 1
		sc.want.journal[address] = counts{journal.Received: 1}
	}
	sc.crashes(t, func(at, of int) bool { return at > of/2 && at%10 != 0 }) // notices, one like the other
}

// crashes plays a scenario with a crash, or a lost answer, at each of its
// operations, but for those that skip leaves out and most of those that stand among their like:
// once for each recipient is much the same as once for another, what comes
// before and after it is what matters.
func (sc scenario) crashes(t *testing.T, skip func(at, of int) bool) {
	t.Helper()
	var clean []string
	synctest.Test(t, func(t *testing.T) { clean = sc.play(t, fault.Plan{}) })
	for at := 1; at <= len(clean) && !t.Failed(); at += stride {
		if at > 1 && at < len(clean) && clean[at-1] == clean[at-2] && clean[at-1] == clean[at] && at%20 != 0 || skip(at, len(clean)) {
			continue
		}
		for _, mode := range []fault.Mode{fault.DieBefore, fault.DieAfter, fault.Lost} {
			synctest.Test(t, func(t *testing.T) { sc.play(t, fault.Plan{Mode: mode, At: at, For: 1}) })
		}
	}
}

// nothing leaves out no operation.
func nothing(int, int) bool { return false }

// copies is more rows of a letter than are changed at once, or by one slice.
const copies = 300

// copyStep copies the letter in a mailbox as often.
func copyStep(address, name string) func(*world) {
	return func(w *world) {
		for more := true; more; {
			err := w.inner.Update(w.t.Context(), w.accounts[address].ID, func(tx mailstore.UpdateTx) error {
				from, err := tx.MailboxByName(name)
				if err != nil {
					return err
				}
				to, err := tx.MailboxByRole(mailstore.RoleArchive)
				if err != nil {
					return err
				}
				set := mailstore.UIDSet{{Start: 1, Stop: 1}}
				if n := int(to.Messages); n > 0 {
					from, set[0].Stop = to, mailstore.UID(min(n, copies-n))
				}
				if more = to.Messages < copies; !more {
					return nil
				}
				_, err = tx.Copy(from.ID, set, to.ID)
				return err
			})
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// A letter with more copies than one Update changes goes on, and a crash
// between the slices in which they follow does no harm.
func TestCrashAmongCopies(t *testing.T) {
	t.Parallel()
	scenario{
		name: "many copies of the sender",
		steps: []func(*world){
			submitStep("registered", firstAddress), copyStep(senderAddress, "Sent"), (*world).settle,
			func(w *world) { w.open(firstAddress) }, (*world).settle,
		},
		want: opened.beside(senderAddress+" Archive", copies),
	}.crashes(t, nothing)
	scenario{
		name: "many copies of the recipient",
		steps: []func(*world){
			submitStep("simple", firstAddress), (*world).settle, copyStep(firstAddress, "INBOX"), (*world).recallStep, (*world).settle,
		},
		want: withdrawn,
	}.crashes(t, nothing)
}

// A held letter to more recipients than one transition takes is recalled for
// all of them or for none, and a crash between the slices in which they are
// told does no harm.
func TestCrashAmongRecalled(t *testing.T) {
	t.Parallel()
	to := members(letter.MaxChanges + 20)
	sc := scenario{
		name: "held letter to many, recalled", atOnce: true, members: to,
		steps: []func(*world){submitStep("many", to...), (*world).recallStep, (*world).settle},
		want: outcome{
			keywords: []string{"Letter-Recalled"}, evidence: []receipt.Event{receipt.SubmissionAcceptance},
			boxes: map[string]int{senderAddress + " Sent": 1, senderAddress + " Receipts": 1 + len(to)},
			journal: map[string]map[string]int{ // of the letter, and of each recipient
				senderAddress: counts{journal.Accepted: 1, journal.Recalled: 1 + len(to)},
			},
		},
	}
	for range to {
		sc.want.states = append(sc.want.states, letter.Recalled)
		sc.want.evidence = append(sc.want.evidence, receipt.Recall)
	}
	sc.crashes(t, func(at, _ int) bool { return stride > 1 && at%2 == 0 }) // so many accounts take time
}

// A letter to as many as a type allows is delivered to all of them; to fewer,
// but still in slices, with the race detector.
func TestLetterToThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := members(maxMembers / stride)
		w := newWorld(t, nil, to...)
		w.start(fault.Plan{})
		submitStep("many", to...)(w)
		w.settle()
		if _, out := w.outgoing(); out.State() != letter.Delivered {
			t.Errorf("state %s", out.State())
		}
		boxes := w.look().boxes
		if n := boxes[senderAddress+" Receipts"].Messages; int(n) != 1+len(to) {
			t.Errorf("%d receipts", n)
		}
		for _, address := range to {
			if i, r := boxes[address+" INBOX"].Messages, boxes[address+" Receipts"].Messages; i != 1 || r != 1 {
				t.Fatalf("%s has %d letters and %d receipts", address, i, r)
			}
		}
		w.close()
	})
}
