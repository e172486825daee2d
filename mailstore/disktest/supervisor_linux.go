package disktest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// filterFlags: all threads of the process fall under the filter, and no signal
// (the runtime sends many) takes an operation back that was handed over.
const filterFlags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
	unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV

// supervise puts the process under the filter, for good, and serves it.
func supervise() (*Disk, error) {
	const load, equal, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // number of the system call
		{Code: equal, K: unix.SYS_PWRITE64, Jt: 4},
		{Code: equal, K: unix.SYS_FTRUNCATE, Jt: 3},
		{Code: equal, K: unix.SYS_FSYNC, Jt: 2},
		{Code: equal, K: unix.SYS_FDATASYNC, Jt: 1},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
		{Code: end, K: unix.SECCOMP_RET_USER_NOTIF},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("give up new privileges: %w", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, filterFlags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return nil, fmt.Errorf("install filter: %w", errno)
	}
	d := &Disk{}
	go d.serve(int(fd))
	return d, nil
}

// serve answers one operation after the other. It must not do one itself:
// nobody would answer it.
func (d *Disk) serve(fd int) {
	for {
		var n notification
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n)))
		if errno == unix.EINTR || errno == unix.ENOENT { // the caller is gone
			continue
		}
		err := error(errno)
		if errno == 0 {
			err = d.answer(fd, n)
		}
		if err != nil {
			d.mu.Lock()
			d.err = fmt.Errorf("supervise: %w", err)
			d.mu.Unlock()
			fmt.Fprintln(os.Stderr, "disktest:", err)
			os.Exit(1) // the whole process would hang
		}
	}
}

// answer decides an operation, notes it, and lets its caller go on. Note and
// answer are under the lock, so that no Mark comes between the two.
func (d *Disk) answer(fd int, n notification) error {
	op, data, err := read(n)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var a Answer
	if d.decide != nil {
		a = d.decide(op)
	}
	resp := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if a.Skip {
		resp.flags = 0
		if op.Kind == Write {
			resp.val = op.Size
		}
		data = nil
	}
	if op.Kind == Sync && d.record != nil && a.Err == 0 {
		resp.flags = 0
		d.mu.Unlock()
		time.Sleep(SyncTime)
		d.mu.Lock()
	}
	if a.Err != 0 || a.Short > 0 {
		resp.flags, resp.val, resp.errno = 0, a.Short, -int32(a.Err)
		data = data[:min(a.Short, int64(len(data)))]
		if len(data) > 0 { // by a call that the filter lets pass
			if _, err := unix.Pwritev(int(n.args[0]), [][]byte{data}, op.Offset); err != nil {
				return fmt.Errorf("cut %s short: %w", op, err)
			}
		}
	}
	if d.record != nil && !a.Skip && (a.Err == 0 || len(data) > 0) {
		d.record.add(op, data)
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&resp)))
	if errno != 0 {
		return fmt.Errorf("answer %s: %w", op, errno)
	}
	return nil
}

// read tells what a notification is about. The caller stands still, so its
// octets do not change.
func read(n notification) (op Op, data []byte, err error) {
	op.Path, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", int32(n.args[0])))
	if err != nil {
		return op, nil, err
	}
	switch n.nr {
	case unix.SYS_PWRITE64:
		op.Kind, op.Size, op.Offset = Write, int64(n.args[2]), int64(n.args[3])
		data = make([]byte, op.Size)
		// Of its own process too, for a pointer that comes as a number.
		at := []unix.RemoteIovec{{Base: uintptr(n.args[1]), Len: int(op.Size)}}
		into := []unix.Iovec{{Base: unsafe.SliceData(data)}}
		into[0].SetLen(len(data))
		if len(data) == 0 {
			return op, data, nil
		}
		got, err := unix.ProcessVMReadv(os.Getpid(), into, at, 0)
		if err == nil && got != len(data) {
			err = fmt.Errorf("%d of %d octets", got, len(data))
		}
		if err != nil {
			return op, nil, fmt.Errorf("read what is written: %w", err)
		}
	case unix.SYS_FTRUNCATE:
		op.Kind, op.Size = Truncate, int64(n.args[1])
	default:
		op.Kind = Sync
	}
	return op, data, nil
}

// unsupported reports whether the system has no way to do this: it is too old,
// forbids it, or supervises us already.
func unsupported(err error) bool {
	for _, no := range []syscall.Errno{syscall.EINVAL, syscall.ENOSYS, syscall.EPERM, syscall.EBUSY} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}
