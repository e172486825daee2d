package searchtext

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/mailstore/boltstore"
)

// world is a store with one account, whose texts fail to be put, and whose
// bodies fail to be opened, as a test says.
type world struct {
	mailstore.Store
	t       *testing.T
	account mailstore.ID
	failPut atomic.Int32 // how often Put fails
	noBody  atomic.Bool
	put     chan int // number of texts, after each Put that worked
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), MasterKey: [32]byte{1}, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{Store: store, t: t, account: mailstore.NewID(), put: make(chan int, 1000)}
	a := mailstore.Account{ID: w.account, Holder: mailstore.NewID(), Addresses: []string{"a@a.example"}}
	if err := store.Directory().CreateAccount(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) Texts() mailstore.Texts { return failing{w.Store.Texts(), w} }
func (w *world) Bodies() body.Store     { return bodiless{w.Store.Bodies(), w} }

type failing struct {
	mailstore.Texts
	w *world
}

func (f failing) Put(ctx context.Context, texts []mailstore.Text) error {
	if f.w.failPut.Add(-1) >= 0 {
		return errors.New("the disk is full")
	}
	err := f.Texts.Put(ctx, texts)
	f.w.put <- len(texts)
	return err
}

type bodiless struct {
	body.Store
	w *world
}

func (b bodiless) Open(ctx context.Context, ref body.Ref, offset int64) (io.ReadCloser, error) {
	if b.w.noBody.Load() {
		return nil, body.ErrDamaged
	}
	return b.Store.Open(ctx, ref, offset)
}

// deliver appends a message n times.
func (w *world) deliver(n int, raw string, summary bool) {
	w.t.Helper()
	ref, err := w.Store.Bodies().Put(w.t.Context(), strings.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	m := mailstore.NewMessage{Content: mailstore.Content{Body: ref, Length: ref.Size}}
	if summary {
		if m.Summary, err = message.Index(strings.NewReader(raw), message.Limits{}); err != nil {
			w.t.Fatal(err)
		}
	}
	for range n {
		m.EmailID = mailstore.NewID()
		err := w.Update(w.t.Context(), w.account, func(tx mailstore.UpdateTx) error {
			_, err := tx.Append(1, m)
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// found counts the messages whose text has the needle, and those whose does not
// tell.
func (w *world) found(needle string) (yes, unknown int) {
	w.t.Helper()
	n := NewNeedle(needle, maxHeader)
	all := mailstore.UIDSet{{Start: 1, Stop: 1 << 30}}
	for text, err := range w.Texts().Scan(w.t.Context(), w.account, 1, all, mailstore.TextHead|mailstore.TextBody) {
		if err != nil {
			w.t.Fatal(err)
		}
		found, known := n.InBody(text)
		if !known {
			unknown++
		} else if found {
			yes++
		}
	}
	return yes, unknown
}

// run runs an indexer that does not rest, until the test ends or stop.
func (w *world) run() (stop func()) {
	x := NewIndexer(w, slog.New(slog.DiscardHandler))
	x.pause = func(context.Context, time.Duration) {}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		done <- nil
	}
	w.t.Cleanup(stop)
	return stop
}

// wait waits until n texts were put.
func (w *world) wait(n int) {
	w.t.Helper()
	timeout := time.After(20 * time.Second)
	for n > 0 {
		select {
		case k := <-w.put:
			n -= k
		case <-timeout:
			w.t.Fatalf("%d texts are missing", n)
		}
	}
}

// TestIndexer: what was there before it runs gets its text, what comes
// afterwards too, and what came while it did not run.
func TestIndexer(t *testing.T) {
	w := newWorld(t)
	w.deliver(stepMessages+10, "Subject: a\r\n\r\nfirst\r\n", true)
	stop := w.run()
	w.wait(stepMessages + 10)
	w.deliver(3, "Subject: b\r\n\r\nsecond\r\n", false)
	w.wait(3)
	stop()
	w.deliver(2, "Subject: c\r\n\r\nthird\r\n", true)
	w.run()
	w.wait(2)
	for needle, want := range map[string]int{"first": stepMessages + 10, "second": 3, "third": 2} {
		if got, unknown := w.found(needle); got != want || unknown > 0 {
			t.Errorf("%s: %d, want %d; %d do not tell", needle, got, want, unknown)
		}
	}
}

// TestIndexerTriesAgain: what could not be put is put later, without a commit
// that names the account.
func TestIndexerTriesAgain(t *testing.T) {
	w := newWorld(t)
	w.deliver(2, "Subject: a\r\n\r\nfirst\r\n", true)
	x := NewIndexer(w, nil)
	x.again = time.Millisecond
	w.failPut.Store(2)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	x.pause = func(context.Context, time.Duration) {}
	go func() { done <- x.Run(ctx) }()
	w.wait(2)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got, _ := w.found("first"); got != 2 {
		t.Errorf("%d texts", got)
	}
}

// TestIndexerUnreadable: a message that cannot be read is not tried for ever,
// keeps no other from its text, and its text does not tell. A rebuild tries it
// anew.
func TestIndexerUnreadable(t *testing.T) {
	w := newWorld(t)
	w.noBody.Store(true)
	w.deliver(2, "Subject: a\r\n\r\nfirst\r\n", true)
	x := NewIndexer(w, nil)
	if err := x.Rebuild(t.Context(), w.account); err != nil {
		t.Fatal(err)
	}
	if got, unknown := w.found("first"); got != 0 || unknown != 2 {
		t.Errorf("%d found, %d do not tell", got, unknown)
	}
	w.noBody.Store(false)
	if err := x.Rebuild(t.Context(), w.account); err != nil {
		t.Fatal(err)
	}
	if got, unknown := w.found("first"); got != 2 || unknown != 0 {
		t.Errorf("after a rebuild: %d found, %d do not tell", got, unknown)
	}
}

// TestIndexerRests: after each step it leaves the processor to others for
// longer than it worked.
func TestIndexerRests(t *testing.T) {
	w := newWorld(t)
	w.deliver(2*stepMessages, "Subject: a\r\n\r\nfirst\r\n", true)
	x := NewIndexer(w, nil)
	at := time.Unix(0, 0)
	x.now = func() time.Time { at = at.Add(time.Second); return at } // every look at the clock takes a second
	var rests []time.Duration
	x.pause = func(_ context.Context, d time.Duration) { rests = append(rests, d) }
	if err := x.catchUp(t.Context(), w.account, x.rest); err != nil {
		t.Fatal(err)
	}
	if len(rests) != 2 || rests[0] != (share-1)*time.Second {
		t.Errorf("rests %v", rests)
	}
}
