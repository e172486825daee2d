package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

const class = "test"

// rig is a store with one account, in a bubble.
type rig struct {
	t       *testing.T
	store   mailstore.Store
	account mailstore.ID
	gate    *worker.Gate // open when nil
}

func newRig(t *testing.T, plan fault.Plan) *rig {
	s, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true, BodyFiles: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, store: fault.Wrap(s, plan), account: mailstore.NewID()}
	a := mailstore.Account{ID: r.account, Holder: mailstore.NewID(), Addresses: []string{"a@x.example"}}
	if err := s.Directory().CreateAccount(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// enqueue adds an item that is due after a while.
func (r *rig) enqueue(after time.Duration) mailstore.ID {
	r.t.Helper()
	it := mailstore.Item{ID: mailstore.NewID(), Account: r.account, Class: class, Due: time.Now().Add(after)}
	r.update(func(tx mailstore.UpdateTx) error { return tx.Enqueue(it) })
	return it.ID
}

func (r *rig) update(fn func(mailstore.UpdateTx) error) {
	r.t.Helper()
	if err := r.store.Update(r.t.Context(), r.account, fn); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) complete(it mailstore.Item) {
	r.t.Helper()
	r.update(func(tx mailstore.UpdateTx) error { return tx.Complete(it) })
}

// run starts a worker; stop ends it and waits for it.
func (r *rig) run(owner string, handle worker.Handler) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	gate := r.gate
	if gate == nil {
		gate = worker.NewGate()
	}
	go func() {
		done <- worker.Worker{
			Queue: r.store.Queue(), Class: class, Gate: gate, Owner: owner, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Handle: handle,
		}.Run(ctx)
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

// arrival is when an item reached a handler.
type arrival struct {
	id mailstore.ID
	at time.Duration // since the start
}

// While the gate is shut nothing of a class is leased, but for those that pass;
// when it opens the worker goes on at once.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, free := range []bool{false, true} {
			r := newRig(t, fault.Plan{})
			gate := worker.NewGate("other")
			if free {
				gate = worker.NewGate("other", class)
			}
			gate.Shut()
			gate.Shut()
			start := time.Now()
			var at []time.Duration
			r.gate = gate
			stop := r.run("one", func(_ context.Context, items []mailstore.Item) {
				at = append(at, time.Since(start))
				r.complete(items[0])
			})
			r.enqueue(0)
			time.Sleep(time.Hour)
			gate.Open()
			gate.Open()
			synctest.Wait()
			want := time.Hour
			if free {
				want = 0
			}
			if !slices.Equal(at, []time.Duration{want}) || gate.Holds(class) == free {
				t.Errorf("free %v: worked at %v, want %v; held: %v", free, at, want, gate.Holds(class))
			}
			gate.Shut()
			stop() // also while the gate is shut
		}
	})
}

// A worker without a gate does not run: it would work on what has to wait.
func TestNoGate(t *testing.T) {
	if err := (worker.Worker{Class: class}).Run(t.Context()); err == nil {
		t.Error("it ran")
	}
}

// Items reach the handler at their time: at once what is due, also when it
// comes while the worker sleeps.
func TestWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fault.Plan{})
		start := time.Now()
		var got []arrival
		stop := r.run("one", func(_ context.Context, items []mailstore.Item) {
			for _, it := range items {
				got = append(got, arrival{it.ID, time.Since(start)})
				r.complete(it)
			}
		})
		late := r.enqueue(time.Hour + 7*time.Second) // longer than a worker sleeps
		now := r.enqueue(0)
		synctest.Wait()
		time.Sleep(10 * time.Second)
		meanwhile := r.enqueue(0)
		synctest.Wait()
		soon := r.enqueue(3 * time.Second)
		time.Sleep(2 * time.Hour)
		stop()
		want := []arrival{{now, 0}, {meanwhile, 10 * time.Second}, {soon, 13 * time.Second}, {late, time.Hour + 7*time.Second}}
		if !slices.Equal(got, want) {
			t.Errorf("arrivals %v, want %v", got, want)
		}
	})
}

// Items that come soon after others share a batch. The first one after a rest waits
// for nothing, nor does what a full batch has left.
func TestGathers(t *testing.T) {
	const gather = 10 * time.Millisecond // as in the worker
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fault.Plan{})
		start := time.Now()
		var got []string
		for range worker.Batch + 1 {
			r.enqueue(0)
		}
		stop := r.run("one", func(_ context.Context, items []mailstore.Item) {
			got = append(got, fmt.Sprint(len(items), " at ", time.Since(start)))
			for _, it := range items {
				r.complete(it)
			}
		})
		synctest.Wait()
		for range 3 {
			time.Sleep(gather / 5)
			r.enqueue(0)
		}
		time.Sleep(time.Second - 3*gather/5)
		r.enqueue(0)
		synctest.Wait()
		stop()
		if want := []string{"64 at 0s", "1 at 0s", "3 at 10ms", "1 at 1s"}; !slices.Equal(got, want) {
			t.Errorf("batches %q, want %q", got, want)
		}
	})
}

// A batch that takes longer than a lease stays its worker's, also when a part
// of it is done: nobody else gets the rest.
func TestRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fault.Plan{})
		var once sync.Once
		var others []mailstore.ID
		items := []mailstore.ID{r.enqueue(0), r.enqueue(0), r.enqueue(0)}
		began := make(chan struct{})
		stopSlow := r.run("slow", func(_ context.Context, batch []mailstore.Item) {
			once.Do(func() { close(began) })
			if len(batch) != len(items) {
				t.Errorf("batch of %d", len(batch))
			}
			for _, it := range batch {
				r.complete(it)
				time.Sleep(7 * time.Minute)
			}
		})
		<-began
		stopOther := r.run("other", func(_ context.Context, batch []mailstore.Item) {
			for _, it := range batch {
				others = append(others, it.ID)
			}
		})
		time.Sleep(time.Hour)
		stopSlow()
		stopOther()
		if len(others) > 0 {
			t.Errorf("another worker got %d items", len(others))
		}
		if left, err := r.store.Queue().Items(t.Context(), class, 0); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	})
}

// An item that its handler left alone comes back when the lease is over, once
// for each lease.
func TestLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fault.Plan{})
		start := time.Now()
		var got []time.Duration
		r.enqueue(0)
		stop := r.run("one", func(_ context.Context, items []mailstore.Item) {
			got = append(got, time.Since(start))
			if len(got) == 3 {
				r.complete(items[0])
			}
		})
		time.Sleep(time.Hour)
		stop()
		if want := []time.Duration{0, 30 * time.Second, time.Minute}; !slices.Equal(got, want) {
			t.Errorf("came at %v, want %v", got, want)
		}
	})
}

// Run returns when the batch in hand is done, and lets it be done.
func TestStopsAfterBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fault.Plan{})
		r.enqueue(0)
		began := make(chan struct{})
		finished := false
		stop := r.run("one", func(ctx context.Context, items []mailstore.Item) {
			close(began)
			time.Sleep(5 * time.Minute)
			if err := ctx.Err(); err != nil {
				t.Errorf("the batch was cut off: %v", err)
			}
			finished = true
			r.complete(items[0])
		})
		<-began
		start := time.Now()
		later := r.enqueue(0)
		stop()
		if took := time.Since(start); !finished || took != 5*time.Minute {
			t.Errorf("stopped after %s, finished %t", took, finished)
		}
		items, err := r.store.Queue().Items(t.Context(), class, 0)
		if err != nil || len(items) != 1 || items[0].ID != later || items[0].Attempts != 0 {
			t.Errorf("left %v, %v", items, err)
		}
	})
}

// stopping is a queue that ends the worker while it leases.
type stopping struct {
	mailstore.Queue
	stop context.CancelFunc
}

func (q stopping) Lease(ctx context.Context, class, owner string, n int, ttl time.Duration) ([]mailstore.Item, error) {
	q.stop()
	return q.Queue.Lease(ctx, class, owner, n, ttl)
}

// What was leased while the worker was told to end is worked on: nobody else
// could before the lease ends.
func TestStopsWhileLeasing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fault.Plan{})
		id := r.enqueue(0)
		ctx, cancel := context.WithCancel(t.Context())
		var got []mailstore.ID
		err := worker.Worker{
			Queue: stopping{r.store.Queue(), cancel}, Class: class, Gate: worker.NewGate(), Owner: "one", Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Handle: func(_ context.Context, items []mailstore.Item) {
				for _, it := range items {
					got = append(got, it.ID)
					r.complete(it)
				}
			},
		}.Run(ctx)
		if err != nil || !slices.Equal(got, []mailstore.ID{id}) {
			t.Errorf("worked on %v, %v; want %v", got, err, id)
		}
	})
}

// A store that fails is asked again, not without rest.
func TestRestsAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fault.Plan{Mode: fault.Broken, At: 2, For: 5})
		start := time.Now()
		r.enqueue(0)
		var took time.Duration
		stop := r.run("one", func(_ context.Context, items []mailstore.Item) {
			took = time.Since(start)
			r.complete(items[0])
		})
		time.Sleep(time.Minute)
		stop()
		if took != 5*time.Second {
			t.Errorf("handled after %s", took)
		}
	})
}
