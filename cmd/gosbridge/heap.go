package main

import "runtime"

// heapRoom is how many octets a serving gateway allocates at least before the
// garbage collector runs again. A gateway has a few MiB alive and makes more than
// one MiB of garbage with each letter: by the collector's own measure, the double
// of what is alive, it would run with every third letter, and cost a third of the
// processor time.
const heapRoom = 24 << 20

// withHeapRoom calls f with that room. The room is an allocation that nobody
// touches: it counts as alive, so that the collector waits, and takes addresses but
// no memory. GOGC as the operator sets it stays in force, and so does GOMEMLIMIT,
// in which the room counts.
func withHeapRoom(f func() error) error {
	room := make([]byte, heapRoom)
	defer runtime.KeepAlive(&room[0])
	return f()
}
