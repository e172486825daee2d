package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Progress is how far a long operation has come.
type Progress struct {
	// Stage says what is being done now, in a word or two.
	Stage string `json:"stage"`
	// Done of Total, 0 where that is not known, in Unit: octets, or what is
	// counted.
	Done  int64  `json:"done"`
	Total int64  `json:"total,omitempty"`
	Unit  string `json:"unit"`
}

type progressKey struct{}

// WithProgress makes Call tell fn how far a long operation has come, each time
// from one goroutine. fn is not called after Call has returned.
func WithProgress(ctx context.Context, fn func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, fn)
}

// report tells whoever called how far the operation has come.
func report(ctx context.Context, p Progress) {
	if fn, ok := ctx.Value(progressKey{}).(func(Progress)); ok && fn != nil {
		fn(p)
	}
}

// Report tells whoever watches the context how far something has come that is
// no operation of a Service.
func Report(ctx context.Context, p Progress) { report(ctx, p) }

// long marks an operation that may take minutes: it reports its progress, and
// ends with the connection of its caller or with the service.
func long(o operation) operation {
	o.long = true
	return o
}

// progressEvery is how often a caller on the socket is told at most.
const progressEvery = 200 * time.Millisecond

// linesOfJSON is the media type of the answer to a long operation.
const linesOfJSON = "application/x-ndjson"

// line is one line of the answer to a long operation: progress, and at last
// the answer or what went wrong.
type line struct {
	Progress *Progress       `json:"progress,omitempty"`
	Answer   json.RawMessage `json:"answer,omitempty"`
	failure
}

// teller writes lines to a caller. The operation only leaves its progress
// there: it may hold a transaction, and a caller may be slow.
type teller struct {
	w    http.ResponseWriter
	stop chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex
	last *Progress // not told yet
}

func newTeller(w http.ResponseWriter) *teller {
	w.Header().Set("Content-Type", linesOfJSON)
	t := &teller{w: w, stop: make(chan struct{})}
	t.done.Go(t.run)
	return t
}

// note leaves progress to be told.
func (t *teller) note(p Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = &p
}

func (t *teller) run() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		}
		t.mu.Lock()
		p := t.last
		t.last = nil
		t.mu.Unlock()
		if p != nil && t.write(line{Progress: p}) != nil {
			return // the connection is gone, and with it the operation
		}
	}
}

// write sends one line at once.
func (t *teller) write(l line) error {
	if err := json.NewEncoder(t.w).Encode(l); err != nil {
		return err
	}
	return http.NewResponseController(t.w).Flush()
}

// finish tells the end.
func (t *teller) finish(l line) error {
	close(t.stop)
	t.done.Wait()
	return t.write(l)
}

// readLines reads the answer to a long operation and tells of its progress.
func readLines(ctx context.Context, op string, r io.Reader, out any) error {
	d := json.NewDecoder(r)
	for {
		var l line
		if err := d.Decode(&l); err != nil {
			return fmt.Errorf("%s: the gateway gave no answer: %w", op, err)
		}
		switch {
		case l.Progress != nil:
			report(ctx, *l.Progress)
		case l.Error != "":
			return l.as(op)
		default:
			if err := json.Unmarshal(l.Answer, out); err != nil {
				return fmt.Errorf("%s: %w", op, err)
			}
			return nil
		}
	}
}
