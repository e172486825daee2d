package admin

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peer is the uid of the process at the other end of a unix socket, as it was
// when it connected (unix(7), SO_PEERCRED).
func peer(conn net.Conn) (int, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("caller of %T: %w", conn, errNoPeer)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("caller: %w", err)
	}
	var cred *unix.Ucred
	var got error
	err = raw.Control(func(fd uintptr) { cred, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err == nil {
		err = got
	}
	if err != nil {
		return 0, fmt.Errorf("caller: %w", err)
	}
	return int(cred.Uid), nil
}
