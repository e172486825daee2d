package main

import "runtime"

// heapRoom is how many octets a serving gateway allocates at least before the
// garbage collector runs again. A gateway has a few MiB alive and makes nearly one
// MiB of garbage with each letter: by the collector's own measure, the double of what
// is alive, it would run with every few letters, and cost a third of the processor
// time. More room than this gains little and costs memory.
const heapRoom = 12 << 20

// withHeapRoom calls f with that room. The room is an allocation that nobody
// touches: it counts as alive, so that the collector waits, and takes no memory
// itself, but the garbage does that waits with it. GOGC as the operator sets it stays
// in force, and so does GOMEMLIMIT, in which the room counts.
func withHeapRoom(f func() error) error {
	room := make([]byte, heapRoom)
	defer runtime.KeepAlive(&room[0])
	return f()
}
