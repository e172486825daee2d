package gateway_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/certs"
	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
)

// counter is a signer that counts what it signs.
type counter struct {
	certs.DetachedSigner
	n *atomic.Int64
}

func (c counter) Sign(ctx context.Context, content io.Reader, at time.Time) ([]byte, error) {
	c.n.Add(1)
	return c.DetachedSigner.Sign(ctx, content, at)
}

// batch submits letters to many and lets the courier take them all at once,
// under a plan for what it asks of the store. It returns how often it signed,
// and those operations.
func (w *world) batch(letters int, plan fault.Plan, to ...string) (signed int64, trace []string) {
	w.t.Helper()
	w.start(fault.Plan{})
	for i := range letters {
		w.submit(octets(w.t, "simple", fmt.Sprint("letter-", i), to...), to...)
	}
	w.equip(plan)
	before := w.signed.Load()
	w.work(w.courier.Run)
	signed, trace = w.signed.Load()-before, w.store.Trace()
	for _, l := range w.letters() {
		if l.out.State() != letter.Delivered {
			w.t.Errorf("letter %s is %s", l.record.Number, l.out.State())
		}
	}
	return signed, trace
}

// A full batch of letters of one sender, each to as many as it takes to make
// more receipts than one Update holds, is recorded at once, in few Updates, and
// nothing is signed twice.
func TestBatchToMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := members(16)
		w := newWorld(t, nil, to...)
		signed, trace := w.batch(worker.Batch, fault.Plan{}, to...)
		// Of each delivery a receipt, which the recipient's copy shares.
		if want := int64(worker.Batch * len(to)); signed != want {
			t.Errorf("signed %d times, want %d", signed, want)
		}
		updates := 0
		for _, op := range trace {
			if op == "Update" {
				updates++
			}
		}
		// One for each recipient, and two or three for the sender.
		if updates < len(to)+2 || updates > len(to)+3 {
			t.Errorf("%d updates", updates)
		}
		w.settle()
		w.checkAll(letter.Delivered)
		w.close()
	})
}

// What fails one letter of a batch, or the commit of all, costs the others no
// signature.
func TestBatchSignsOnce(t *testing.T) {
	const n = 10
	var last int
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		signed, trace := w.batch(n, fault.Plan{}, firstAddress)
		if signed != n {
			t.Errorf("signed %d times", signed)
		}
		last = len(trace) - slices.Index(reversed(trace), "Update")
		w.close()
	})
	for name, c := range map[string]struct {
		plan func(*world) fault.Plan
		want int64
	}{
		"a letter moved on": {func(w *world) fault.Plan { return fault.Plan{At: last, Do: w.touchOne} }, n + 1},
		"disk full":         {func(*world) fault.Plan { return fault.Plan{At: last, For: 1, Mode: fault.Full} }, n},
		"undone":            {func(*world) fault.Plan { return fault.Plan{At: last, For: 1, Mode: fault.Undone} }, n},
		"answer lost":       {func(*world) fault.Plan { return fault.Plan{At: last, For: 1, Mode: fault.Lost} }, n},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				if signed, _ := w.batch(n, c.plan(w), firstAddress); signed != c.want {
					t.Errorf("signed %d times, want %d", signed, c.want)
				}
				w.settle()
				w.checkAll(letter.Delivered)
				w.close()
			})
		})
	}
}

// touchOne writes one of the sender's letters as it is.
func (w *world) touchOne() {
	l := w.letters()[3]
	err := w.inner.Update(w.t.Context(), w.accounts[senderAddress].ID, func(tx mailstore.UpdateTx) error {
		return tx.PutLetter(l.record)
	})
	if err != nil {
		w.t.Error(err)
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}
