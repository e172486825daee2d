package main

import (
	"errors"
	"runtime"
	"testing"
)

func TestHeapRoom(t *testing.T) {
	before := afterCollection()
	if free := before.NextGC - before.HeapAlloc; free >= heapRoom {
		t.Skipf("the collector leaves %d octets without the room", free)
	}
	failed := errors.New("failed")
	err := withHeapRoom(func() error {
		if m := afterCollection(); m.NextGC-m.HeapAlloc < heapRoom {
			t.Errorf("the collector runs again after %d octets, want %d at least", m.NextGC-m.HeapAlloc, heapRoom)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error %v, want that of the function", err)
	}
	if m := afterCollection(); m.HeapAlloc >= before.HeapAlloc+heapRoom {
		t.Errorf("%d octets alive afterwards, before %d: the room stays", m.HeapAlloc, before.HeapAlloc)
	}
}

// afterCollection is what the heap is when nothing in it is garbage.
func afterCollection() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
