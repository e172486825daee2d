package worker

import (
	"context"
	"slices"
	"sync"
)

// Gate holds classes of items back. Every worker passes it before each lease.
// A gate is open until it is shut; then only the classes that it was made with
// pass, so that a class which nobody thought of waits. Safe for concurrent use.
type Gate struct {
	free []string
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

// NewGate returns an open gate, which the given classes pass also while it is
// shut.
func NewGate(free ...string) *Gate {
	g := &Gate{free: free, open: make(chan struct{})}
	close(g.open)
	return g
}

// Shut holds back the classes that do not pass. What is leased is worked on.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

// Open lets all classes pass, at once. Opening an open gate is harmless.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// Holds reports whether a class is held back while the gate is shut.
func (g *Gate) Holds(class string) bool { return !slices.Contains(g.free, class) }

// Pass waits until a class may pass, or until ctx ends.
func (g *Gate) Pass(ctx context.Context, class string) {
	if !g.Holds(class) {
		return
	}
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
	case <-ctx.Done():
	}
}
