package boltstore

import (
	"sync"

	"gosbridge/mailstore"
)

// hub knows who watches which account.
type hub struct {
	mu       sync.Mutex
	accounts map[mailstore.ID]map[*watcher]struct{}
}

// watcher implements mailstore.Watcher. Its set is guarded by the hub.
type watcher struct {
	hub     *hub
	account mailstore.ID
	boxes   map[mailstore.MailboxID]bool // nil: all
	c       chan struct{}
}

func (h *hub) add(account mailstore.ID, boxes []mailstore.MailboxID) *watcher {
	w := &watcher{hub: h, account: account, c: make(chan struct{}, 1)}
	w.Set(boxes...)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.accounts == nil {
		h.accounts = map[mailstore.ID]map[*watcher]struct{}{}
	}
	if h.accounts[account] == nil {
		h.accounts[account] = map[*watcher]struct{}{}
	}
	h.accounts[account][w] = struct{}{}
	return w
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
		for w := range h.accounts[account] {
			if t.all || w.wants(t.boxes) {
				hint(w.c)
			}
		}
	}
}

func (w *watcher) wants(touched map[mailstore.MailboxID]bool) bool {
	if w.boxes == nil {
		return len(touched) > 0
	}
	for box := range touched {
		if w.boxes[box] {
			return true
		}
	}
	return false
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
	var boxes map[mailstore.MailboxID]bool
	if len(mailboxes) > 0 {
		boxes = make(map[mailstore.MailboxID]bool, len(mailboxes))
		for _, box := range mailboxes {
			boxes[box] = true
		}
	}
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.boxes = boxes
}

// Close implements mailstore.Watcher.
func (w *watcher) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	of := w.hub.accounts[w.account]
	delete(of, w)
	if len(of) == 0 {
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
