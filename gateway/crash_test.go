package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

// scenario is a letter's way: steps, each of which can be repeated after a
// crash, and how it must end.
type scenario struct {
	name    string
	account func(*auth.NewAccount)
	members []string // who has an account besides the usual three
	steps   []func(*world)
	want    outcome
	atOnce  bool     // the steps do not wait for the letter to be due
	or      *outcome // another end that is as good, where a crash decides
}

// counts is the journal of an account.
type counts = map[string]int

var scenarios = []scenario{
	{
		name: "registered letter, opened",
		steps: []func(*world){
			submitStep("registered", firstAddress), (*world).settle,
			func(w *world) { w.open(firstAddress) }, (*world).settle,
		},
		want: opened,
	},
	{
		name: "simple letter to two, submitted twice",
		steps: []func(*world){
			submitStep("simple", firstAddress, secondAddress), submitStep("simple", firstAddress, secondAddress), (*world).settle,
			submitStep("simple", firstAddress, secondAddress), (*world).settle,
		},
		want: outcome{
			states: []letter.State{letter.Delivered, letter.Delivered}, keywords: []string{"Letter-Delivered"},
			evidence: []receipt.Event{receipt.SubmissionAcceptance, receipt.ContentConsignment, receipt.ContentConsignment},
			boxes: map[string]int{
				senderAddress + " Sent": 1, senderAddress + " Receipts": 3, firstAddress + " INBOX": 1, firstAddress + " Receipts": 1,
				secondAddress + " INBOX": 1, secondAddress + " Receipts": 1,
			},
			journal: map[string]map[string]int{
				senderAddress: counts{journal.Accepted: 1, journal.State: 2, journal.Sent: 2, journal.Delivered: 2},
				firstAddress:  counts{journal.Received: 1},
				secondAddress: counts{journal.Received: 1},
			},
		},
	},
	{
		name: "held letter, recalled", atOnce: true,
		steps: []func(*world){
			submitStep("registered", firstAddress), (*world).recallStep, (*world).settle,
		},
		want: cancelled,
	},
	{
		name: "opened before the sender's account knows of the delivery",
		steps: []func(*world){
			submitStep("registered", firstAddress), (*world).deliverOnce, (*world).openSoon, (*world).settle,
		},
		want: opened,
	},
	{
		name: "withdrawn before the sender's account knows of the delivery",
		steps: []func(*world){
			submitStep("simple", firstAddress), (*world).deliverOnce, (*world).recallStep, (*world).settle,
		},
		want: withdrawn, or: &cancelled,
	},
	{
		name: "withdrawn when the lease of a crashed worker is over",
		steps: []func(*world){
			submitStep("simple", firstAddress), (*world).deliverOnce, func(*world) { time.Sleep(10 * time.Minute) },
			(*world).recallStep, (*world).settle,
		},
		want: withdrawn, or: &cancelled,
	},
	{
		name: "delivered letter, withdrawn",
		steps: []func(*world){
			submitStep("simple", firstAddress), (*world).settle, (*world).recallStep, (*world).settle,
		},
		want: withdrawn,
	},
	{
		name: "letter to oneself",
		steps: []func(*world){
			submitStep("simple", senderAddress), (*world).settle, func(w *world) { w.open(senderAddress) }, (*world).settle,
		},
		want: outcome{
			states: []letter.State{letter.Opened}, keywords: []string{"Letter-Opened"},
			evidence: []receipt.Event{receipt.SubmissionAcceptance, receipt.ContentConsignment},
			boxes:    map[string]int{senderAddress + " Sent": 1, senderAddress + " Receipts": 2, senderAddress + " INBOX": 1},
			journal: map[string]map[string]int{senderAddress: counts{ // of both sides
				journal.Accepted: 1, journal.State: 1, journal.Sent: 1, journal.Received: 1, journal.Delivered: 1, journal.Opened: 2,
			}},
		},
	},
	{
		name: "own copy filed after the letter",
		steps: []func(*world){
			submitStep("registered", firstAddress), fileStep("registered", firstAddress), (*world).settle,
			func(w *world) { w.open(firstAddress) }, (*world).settle,
		},
		want: opened.with("$Forwarded"),
	},
	{
		name: "own copy filed before the letter",
		steps: []func(*world){
			fileStep("registered", firstAddress), submitStep("registered", firstAddress), fileStep("registered", firstAddress), (*world).settle,
			func(w *world) { w.open(firstAddress) }, (*world).settle,
		},
		want: opened.with("$Forwarded"),
	},
	{
		name: "recipient's account is gone",
		steps: []func(*world){
			func(w *world) { delete(w.accounts, firstAddress); w.submitTo("registered", firstAddress) }, (*world).settle,
		},
		want: undeliverable,
	},
	{
		name: "recipient's mailbox is full",
		account: func(n *auth.NewAccount) {
			if n.Addresses[0] == firstAddress {
				n.Quota = 1
			}
		},
		steps: []func(*world){submitStep("registered", firstAddress), (*world).settle},
		want:  undeliverable,
	},
}

var undeliverable = outcome{
	states: []letter.State{letter.Undeliverable}, keywords: []string{"Letter-Undeliverable"},
	evidence: []receipt.Event{receipt.SubmissionAcceptance, receipt.ContentConsignmentFailure},
	boxes:    map[string]int{senderAddress + " Sent": 1, senderAddress + " Receipts": 2, senderAddress + " INBOX": 1},
	journal:  map[string]map[string]int{senderAddress: counts{journal.Accepted: 1, journal.State: 1, journal.Undelivered: 1}},
}

// opened is the end of a registered letter that was read.
var opened = outcome{
	states: []letter.State{letter.Opened}, keywords: []string{"Letter-Opened"},
	evidence: []receipt.Event{receipt.SubmissionAcceptance, receipt.ContentConsignment, receipt.ContentHandover},
	boxes: map[string]int{
		senderAddress + " Sent": 1, senderAddress + " Receipts": 3, firstAddress + " INBOX": 1, firstAddress + " Receipts": 1,
	},
	journal: map[string]map[string]int{
		senderAddress: counts{journal.Accepted: 1, journal.State: 1, journal.Sent: 1, journal.Delivered: 1, journal.Opened: 1},
		firstAddress:  counts{journal.Received: 1, journal.Opened: 1},
	},
}

// withdrawn is the end of a simple letter that was taken out of the mailbox.
var withdrawn = outcome{
	states: []letter.State{letter.Recalled}, keywords: []string{"Letter-Recalled"},
	evidence: []receipt.Event{receipt.SubmissionAcceptance, receipt.ContentConsignment, receipt.Recall},
	boxes:    map[string]int{senderAddress + " Sent": 1, senderAddress + " Receipts": 3, firstAddress + " Receipts": 2},
	journal: map[string]map[string]int{
		senderAddress: counts{journal.Accepted: 1, journal.State: 1, journal.Sent: 1, journal.Delivered: 1, journal.Recalled: 1},
		firstAddress:  counts{journal.Received: 1, journal.Recalled: 1},
	},
}

// cancelled is the end of a letter that never went out.
var cancelled = outcome{
	states: []letter.State{letter.Recalled}, keywords: []string{"Letter-Recalled"},
	evidence: []receipt.Event{receipt.SubmissionAcceptance, receipt.Recall},
	boxes:    map[string]int{senderAddress + " Sent": 1, senderAddress + " Receipts": 2},
	journal:  map[string]map[string]int{senderAddress: counts{journal.Accepted: 1, journal.Recalled: 1}},
}

// with is the same end with one more keyword of the Sent copy.
func (o outcome) with(keyword string) outcome {
	o.keywords = append([]string{keyword}, o.keywords...)
	return o
}

// beside is the same end with other messages in one more mailbox.
func (o outcome) beside(box string, messages int) outcome {
	o.boxes = maps.Clone(o.boxes)
	o.boxes[box] = messages
	return o
}

// submitStep sends the same letter every time.
func submitStep(letterType string, to ...string) func(*world) {
	return func(w *world) { w.submitTo(letterType, to...) }
}

func (w *world) submitTo(letterType string, to ...string) {
	w.submit(octets(w.t, letterType, "once", to...), to...)
}

// deliverOnce lets the courier work once when the letter is due; what a crash
// has left leased waits.
func (w *world) deliverOnce() {
	if at, ok, err := w.inner.Queue().Next(w.t.Context(), letter.DispatchClass); err != nil {
		w.t.Fatal(err)
	} else if ok && w.starts == 1 {
		time.Sleep(max(time.Until(at), 0))
		w.work(w.courier.Run)
	}
}

// openSoon opens the letter as soon as it is in INBOX.
func (w *world) openSoon() {
	if w.look().boxes[firstAddress+" INBOX"].Messages == 0 {
		w.settle()
	}
	w.open(firstAddress)
}

func (w *world) recallStep() {
	// Too late is the answer to somebody whose first try has worked unseen.
	if err := w.recall(); err != nil && !w.store.Dead() {
		if _, out := w.outgoing(); out.State() != letter.Recalled {
			w.t.Errorf("recall: %v", err)
		}
	}
}

// play runs a scenario under a plan, with a new process after a crash, and
// checks how it ended. It returns the operations of the first process.
func (sc scenario) play(t *testing.T, plan fault.Plan) (trace []string) {
	w := newWorld(t, sc.account, sc.members...)
	w.start(plan)
	for _, step := range sc.steps {
		step(w)
		if !w.store.Dead() {
			continue
		}
		trace = w.store.Trace()
		w.seen = w.look()
		w.close()
		w.start(fault.Plan{})
		step(w)
	}
	if trace == nil {
		trace = w.store.Trace()
	}
	if err := w.check(sc.end(w)); err != nil {
		t.Errorf("%s at %s:\n%v\n%s", plan.Mode, place(trace, plan.At), err, strings.Join(trace, "\n"))
	}
	w.close()
	return trace
}

// end is the one of the scenario's ends that has come.
func (sc scenario) end(w *world) outcome {
	if _, out := w.outgoing(); sc.or != nil && len(out.Recipients[0].Steps) == len(sc.or.journal[senderAddress]) {
		return *sc.or
	}
	return sc.want
}

func place(trace []string, at int) string {
	if at == 0 || at > len(trace) {
		return "nothing"
	}
	return fmt.Sprintf("operation %d, %s", at, trace[at-1])
}

// everywhere plays all scenarios with a fault at each of their operations.
func everywhere(t *testing.T, plans ...fault.Plan) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			var clean int
			synctest.Test(t, func(t *testing.T) { clean = len(sc.play(t, fault.Plan{})) })
			if clean < 10 || t.Failed() {
				t.Fatalf("%d operations without a fault", clean)
			}
			for i, plan := range plans {
				for plan.At = 1 + i%stride; plan.At <= clean; plan.At += stride {
					synctest.Test(t, func(t *testing.T) {
						if trace := sc.play(t, plan); len(trace) < plan.At {
							t.Errorf("%s: only %d operations, the fault at %d never came", plan.Mode, len(trace), plan.At)
						}
					})
				}
			}
		})
	}
}

// A process that dies between any two steps loses, doubles and halves nothing.
func TestCrashAnywhere(t *testing.T) {
	everywhere(t, fault.Plan{Mode: fault.DieBefore}, fault.Plan{Mode: fault.DieAfter})
}

// A store that fails for a while, however it fails, refuses for now and
// acknowledges nothing wrongly; when it is well again all goes on.
func TestFaultAnywhere(t *testing.T) {
	everywhere(t,
		fault.Plan{Mode: fault.Lost, For: 1}, fault.Plan{Mode: fault.Undone, For: 1},
		fault.Plan{Mode: fault.Full, For: 1}, fault.Plan{Mode: fault.Full, For: 6},
		fault.Plan{Mode: fault.Broken, For: 1}, fault.Plan{Mode: fault.Broken, For: 6},
		fault.Plan{Mode: fault.Lost, Then: fault.Broken, For: 2}, fault.Plan{Mode: fault.Lost, Then: fault.Full, For: 4},
	)
}

// nobody is an account that does not exist.
var nobody = mailstore.NewID()

// A client that goes away in the midst of its submission has submitted a
// letter or not, never a part of it; and it is the same letter when it comes
// back.
func TestClientVanishes(t *testing.T) {
	for at, more := 1, true; more && !t.Failed(); at++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.start(fault.Plan{At: at, Do: cancel})
			env, err := w.envelope(firstAddress)
			if err != nil {
				t.Fatal(err)
			}
			content := octets(t, "registered", "once", firstAddress)
			answer, err := w.intake.Accept(ctx, env, bytes.NewReader(content))
			more = w.store.Reached()
			if err == nil {
				w.note(answer.Number)
			}
			report, sweepErr := w.inner.Sweep(t.Context(), 0)
			if sweepErr != nil || report.Removed != 0 || report.Kept > 1 || (report.Kept == 1) != (err == nil) {
				t.Errorf("gone at operation %d: %v; bodies %+v, %v", at, err, report, sweepErr)
			}
			for _, step := range scenarios[0].steps {
				step(w)
			}
			if err := w.check(scenarios[0].want); err != nil {
				t.Errorf("gone at %s:\n%v", place(w.store.Trace(), at), err)
			}
			w.close()
		})
	}
}
