package gateway_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/letter"
)

// quota limits one account of a world to the letter and some octets more.
func quota(t *testing.T, address string, more int, to ...string) func(*auth.NewAccount) {
	return func(n *auth.NewAccount) {
		if n.Addresses[0] == address {
			n.Quota = int64(len(octets(t, "simple", "once", to...)) + more)
		}
	}
}

// Evidence does not depend on how full a mailbox is: receipts come to the
// sender and to the recipient where nothing else has room.
func TestReceiptsComeToFullMailboxes(t *testing.T) {
	for _, full := range []string{senderAddress, firstAddress} {
		t.Run(full, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, quota(t, full, 1000, firstAddress))
				w.start(fault.Plan{})
				submitStep("simple", firstAddress)(w)
				w.settle()
				if _, out := w.outgoing(); out.State() != letter.Delivered {
					t.Errorf("state %s", out.State())
				}
				boxes := w.look().boxes
				if n := boxes[senderAddress+" Receipts"].Messages; n != 2 {
					t.Errorf("%d receipts of the sender", n)
				}
				if n := boxes[firstAddress+" Receipts"].Messages; n != 1 {
					t.Errorf("%d receipts of the recipient", n)
				}
				w.close()
			})
		})
	}
}

// A letter that waits for one of its recipients is on its way, not held, and
// those who have it give it back.
func TestLetterToOneFullMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(n *auth.NewAccount) {
			if n.Addresses[0] == secondAddress {
				n.Quota = 1
			}
		})
		w.start(fault.Plan{})
		submitStep("registered", firstAddress, secondAddress)(w)
		w.deliverOnce()
		rec, out := w.outgoing()
		var states []letter.State
		for _, r := range out.Recipients {
			states = append(states, r.State)
		}
		if !slices.Equal(states, []letter.State{letter.Delivered, letter.Processing}) {
			t.Errorf("states %v", states)
		}
		if err := w.checkKeywords(rec, outcome{keywords: []string{"Letter-Accepted"}}); err != nil {
			t.Error(err)
		}
		w.settle()
		if _, out = w.outgoing(); out.State() != letter.Undeliverable {
			t.Errorf("in the end %s", out.State())
		}
		if took := out.Recipients[1].Steps[len(out.Recipients[1].Steps)-1].At.Sub(out.Hold); took < giveUp || took > giveUp+20*time.Second {
			t.Errorf("given up after %s", took)
		}
		w.close()
	})
}

// The time of a letter that nothing holds begins with its acceptance.
func TestGiveUpWithoutHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start(fault.Plan{})
		submitStep("simple", firstAddress)(w)
		if _, out := w.outgoing(); !out.GiveUp.Equal(out.Accepted.Add(giveUp)) {
			t.Errorf("accepted %s, given up %s", out.Accepted, out.GiveUp)
		}
		w.close()
	})
}

// A letter that was sent automatically is not answered, but who sent it learns
// that it failed.
func TestFailureOfAutomaticLetterIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(n *auth.NewAccount) {
			if n.Addresses[0] == firstAddress {
				n.Quota = 1
			}
		})
		w.start(fault.Plan{})
		letter := octets(t, "simple", "once", firstAddress)
		w.submit(bytes.Replace(letter, []byte("MIME-Version"), []byte("Auto-Submitted: auto-generated\r\nMIME-Version"), 1), firstAddress)
		w.settle()
		boxes := w.look().boxes
		if r, i := boxes[senderAddress+" Receipts"].Messages, boxes[senderAddress+" INBOX"].Messages; r != 1 || i != 1 {
			t.Errorf("%d receipts, %d in INBOX", r, i)
		}
		w.close()
	})
}
