// Package letter is the life of a letter: its states, the events that move
// it, the evidence of each move, and what people see of it in their mailboxes.
//
// It owns the letter records of both sides and is the only one to write them:
// everybody who moves a letter prepares a Transition and calls Apply. The
// evidence of a transition is built and signed before the Update, on the
// letter as it was; Apply takes it only if the letter still is so. It never
// parses mail and never carries letters to other accounts itself: that is
// package delivery.
package letter

import "slices"

// State is where a letter stands for one recipient.
type State string

// The states. Those after Opened are final, and Opened is where a letter that
// asks for no acknowledgement ends.
const (
	Accepted      State = "accepted" // taken; held while it can be recalled
	Processing    State = "processing"
	Sent          State = "sent"
	Delivered     State = "delivered"
	Opened        State = "opened"
	Recalled      State = "recalled"
	Undeliverable State = "undeliverable"
)

// States are all of them.
func States() []State {
	return []State{Accepted, Processing, Sent, Delivered, Opened, Recalled, Undeliverable}
}

// Event is what moves a letter.
type Event string

// The events.
const (
	EventDispatch Event = "dispatch" // a worker took it up
	EventRelay    Event = "relay"    // handed to the transport
	EventDeliver  Event = "deliver"  // in the recipient's mailbox
	EventOpen     Event = "open"     // \Seen set by a person
	EventRecall   Event = "recall"   // taken back by the sender while held
	EventWithdraw Event = "withdraw" // taken out of the recipient's mailbox, unopened
	EventFail     Event = "fail"     // will never be delivered
)

// move is one row of the transition table.
type move struct {
	From  State
	Event Event
	To    State
}

// table is every transition there is. What is not here changes nothing.
var table = []move{
	{Accepted, EventDispatch, Processing},
	{Accepted, EventRecall, Recalled},
	{Processing, EventRelay, Sent},
	{Processing, EventFail, Undeliverable},
	{Sent, EventDeliver, Delivered},
	{Sent, EventFail, Undeliverable},
	{Delivered, EventOpen, Opened},
	{Delivered, EventWithdraw, Recalled},
}

// path is the way of a letter that goes well. An event that comes before its
// predecessors inserts them, marked inferred.
var path = []Event{EventDispatch, EventRelay, EventDeliver, EventOpen}

// next returns the state after event in state s.
func (s State) next(e Event) (State, bool) {
	for _, m := range table {
		if m.From == s && m.Event == e {
			return m.To, true
		}
	}
	return s, false
}

// Final reports whether nothing can follow.
func (s State) Final() bool {
	return !slices.ContainsFunc(table, func(m move) bool { return m.From == s })
}

// rank orders states by how far they are; the least advanced recipient is
// what a letter to several shows.
var rank = map[State]int{
	Accepted: 0, Processing: 1, Sent: 2, Undeliverable: 3, Recalled: 4, Delivered: 5, Opened: 6,
}

// route returns the events that lead from s to event, event included, or nil
// when it cannot follow: it is over, repeated, or contradicts.
func (s State) route(event Event) []Event {
	if _, ok := s.next(event); ok {
		return []Event{event}
	}
	for i, e := range path {
		if _, ok := s.next(e); !ok {
			continue
		}
		// Walk the good way until event is possible.
		way, at := []Event{}, s
		for _, step := range path[i:] {
			to, ok := at.next(step)
			if !ok {
				return nil
			}
			way, at = append(way, step), to
			if step == event {
				return way
			}
			if _, ok := at.next(event); ok {
				return append(way, event)
			}
		}
	}
	return nil
}
