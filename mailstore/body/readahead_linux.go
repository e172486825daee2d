package body

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pageSize is a fact of the machine.
var pageSize = uintptr(os.Getpagesize())

// readAhead asks for the pages of a sealed segment at once if the page in its
// middle is not in memory (those at its ends hold keys, which were looked at).
// bbolt maps its file for random access, so that each page would otherwise be
// a read of its own: measured on a cold file, 290 MB/s against 65.
func readAhead(sealed []byte) {
	if uintptr(len(sealed)) <= pageSize {
		// One read brings it. And bbolt copies buckets of up to a quarter of a
		// page out of the map: such a segment has no page around it.
		return
	}
	// Both calls want the start of a page; the map begins at one, so the start
	// of the first page is still in it.
	first := unsafe.Pointer(unsafe.SliceData(sealed))
	head := uintptr(first) % pageSize
	octets := head + uintptr(len(sealed))
	start := unsafe.Add(first, -int(head))
	middle := unsafe.Add(start, octets/2/pageSize*pageSize)
	var resident byte
	_, _, errno := syscall.Syscall(unix.SYS_MINCORE, uintptr(middle), 1, uintptr(unsafe.Pointer(&resident)))
	if errno == 0 && resident&1 == 1 {
		return
	}
	// Only advice: what it does not do, the page fault does.
	_ = unix.Madvise(unsafe.Slice((*byte)(start), octets), unix.MADV_WILLNEED)
}
