package boltstore

import (
	"slices"
	"sync"

	"gosbridge/mailstore"
)

// hub knows who watches what.
type hub struct {
	mu       sync.Mutex
	accounts map[mailstore.ID]*watched
}

// watched are the watchers of an account, by mailbox too: a commit must not
// pay for the thousands who watch other mailboxes.
type watched struct {
	all   map[*watcher]struct{}
	boxes map[mailstore.MailboxID]map[*watcher]struct{} // under 0 those of every mailbox
}

// watcher implements mailstore.Watcher. Its set is guarded by the hub.
type watcher struct {
	hub     *hub
	account mailstore.ID
	boxes   []mailstore.MailboxID // 0 alone: every one
	c       chan struct{}
}

func (h *hub) add(account mailstore.ID, boxes []mailstore.MailboxID) *watcher {
	w := &watcher{hub: h, account: account, c: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.accounts == nil {
		h.accounts = map[mailstore.ID]*watched{}
	}
	of := h.accounts[account]
	if of == nil {
		of = &watched{all: map[*watcher]struct{}{}, boxes: map[mailstore.MailboxID]map[*watcher]struct{}{}}
		h.accounts[account] = of
	}
	of.all[w] = struct{}{}
	of.enter(w, boxes)
	return w
}

// enter puts a watcher under its mailboxes.
func (of *watched) enter(w *watcher, boxes []mailstore.MailboxID) {
	if len(boxes) == 0 {
		boxes = []mailstore.MailboxID{0}
	}
	w.boxes = slices.Clone(boxes)
	for _, box := range w.boxes {
		if of.boxes[box] == nil {
			of.boxes[box] = map[*watcher]struct{}{}
		}
		of.boxes[box][w] = struct{}{}
	}
}

// leave takes a watcher from under its mailboxes.
func (of *watched) leave(w *watcher) {
	for _, box := range w.boxes {
		delete(of.boxes[box], w)
		if len(of.boxes[box]) == 0 {
			delete(of.boxes, box)
		}
	}
}

// signal wakes the watchers of what was touched. A changed list of mailboxes
// wakes all watchers of the account.
func (h *hub) signal(touched map[mailstore.ID]*touch) {
	if len(touched) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for account, t := range touched {
		of := h.accounts[account]
		if of == nil {
			continue
		}
		if t.all {
			wake(of.all)
			continue
		}
		wake(of.boxes[0])
		for box := range t.boxes {
			wake(of.boxes[box])
		}
	}
}

func wake(watchers map[*watcher]struct{}) {
	for w := range watchers {
		hint(w.c)
	}
}

// hint leaves a value in a channel with a buffer of one.
func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// C implements mailstore.Watcher.
func (w *watcher) C() <-chan struct{} { return w.c }

// Set implements mailstore.Watcher.
func (w *watcher) Set(mailboxes ...mailstore.MailboxID) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	of := w.hub.accounts[w.account]
	if of == nil {
		return // closed
	}
	if _, open := of.all[w]; open {
		of.leave(w)
		of.enter(w, mailboxes)
	}
}

// Close implements mailstore.Watcher.
func (w *watcher) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	of := w.hub.accounts[w.account]
	if of == nil {
		return
	}
	of.leave(w)
	delete(of.all, w)
	if len(of.all) == 0 {
		delete(w.hub.accounts, w.account)
	}
}

// wakes holds one channel for each class of the queue.
type wakes struct {
	mu sync.Mutex
	c  map[string]chan struct{}
}

func (w *wakes) channel(class string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.c == nil {
		w.c = map[string]chan struct{}{}
	}
	if w.c[class] == nil {
		w.c[class] = make(chan struct{}, 1)
	}
	return w.c[class]
}

func (w *wakes) signal(class string) { hint(w.channel(class)) }
