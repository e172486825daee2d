package letter

import (
	"slices"
	"testing"
)

var (
	allStates = States()
	allEvents = []Event{EventDispatch, EventRelay, EventDeliver, EventOpen, EventRecall, EventWithdraw, EventFail}
)

// Every pair of state and event: the route it takes, or none.
func TestRoutes(t *testing.T) {
	want := map[State]map[Event][]Event{
		Accepted: {
			EventDispatch: {EventDispatch},
			EventRelay:    {EventDispatch, EventRelay},
			EventDeliver:  {EventDispatch, EventRelay, EventDeliver},
			EventOpen:     {EventDispatch, EventRelay, EventDeliver, EventOpen},
			EventRecall:   {EventRecall},
			EventWithdraw: {EventDispatch, EventRelay, EventDeliver, EventWithdraw},
			EventFail:     {EventDispatch, EventFail},
		},
		Processing: {
			EventRelay:    {EventRelay},
			EventDeliver:  {EventRelay, EventDeliver},
			EventOpen:     {EventRelay, EventDeliver, EventOpen},
			EventWithdraw: {EventRelay, EventDeliver, EventWithdraw},
			EventFail:     {EventFail},
		},
		Sent: {
			EventDeliver:  {EventDeliver},
			EventOpen:     {EventDeliver, EventOpen},
			EventWithdraw: {EventDeliver, EventWithdraw},
			EventFail:     {EventFail},
		},
		Delivered: {
			EventOpen:     {EventOpen},
			EventWithdraw: {EventWithdraw},
		},
	}
	for _, s := range allStates {
		for _, e := range allEvents {
			if got := s.route(e); !slices.Equal(got, want[s][e]) {
				t.Errorf("%s on %s: route %v, want %v", s, e, got, want[s][e])
			}
		}
	}
}

// A route never leaves the table, and every state but the final ones moves.
func TestRoutesAreOfTheTable(t *testing.T) {
	for _, s := range allStates {
		for _, e := range allEvents {
			at := s
			for _, step := range s.route(e) {
				to, ok := at.next(step)
				if !ok {
					t.Fatalf("%s on %s: step %s impossible in %s", s, e, step, at)
				}
				at = to
			}
		}
		if _, ok := rank[s]; !ok {
			t.Errorf("%s has no rank", s)
		}
	}
	for _, s := range []State{Opened, Recalled, Undeliverable} {
		if !s.Final() {
			t.Errorf("%s is not final", s)
		}
	}
}
