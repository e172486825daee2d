package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/letter"
)

// block blocks an account or opens it again.
func (w *world) block(address string, on bool) {
	w.t.Helper()
	if _, err := auth.SetDisabled(w.t.Context(), w.inner, w.accounts[address].ID, on, nil, time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

// A letter that was accepted before its recipient was blocked waits: it comes
// when they are opened again in time, and fails when its time is over.
func TestRecipientBlockedMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		open bool
		want letter.State
	}{"opened again": {true, letter.Delivered}, "for good": {false, letter.Undeliverable}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.start(fault.Plan{})
				submitStep("simple", firstAddress, secondAddress)(w)
				w.block(firstAddress, true)
				w.deliverOnce()
				_, out := w.outgoing()
				if a, b := out.Recipients[0].State, out.Recipients[1].State; a != letter.Processing || b != letter.Delivered {
					t.Errorf("states %s, %s", a, b)
				}
				if n := w.look().boxes[firstAddress+" INBOX"].Messages; n != 0 {
					t.Errorf("%d messages in a blocked mailbox", n)
				}
				if test.open {
					w.block(firstAddress, false)
				}
				w.settle()
				_, out = w.outgoing()
				if got := out.Recipients[0]; got.State != test.want || (got.Reason == "recipient-blocked") == test.open {
					t.Errorf("in the end %s (%s)", got.State, got.Reason)
				}
				w.close()
			})
		})
	}
}
