//go:build linux || darwin || freebsd

package boltfile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// freeSpace is how many octets the disk under a file has for its user.
func freeSpace(path string) (octets int64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}

// own gives a file the mode and the owner of another, so that a command run by
// another user takes the file from nobody.
func own(path string, like os.FileInfo) error {
	if err := os.Chmod(path, like.Mode().Perm()); err != nil {
		return err
	}
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("owner of %s: unknown", like.Name())
	}
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	if has, ok := now.Sys().(*syscall.Stat_t); ok && has.Uid == want.Uid && has.Gid == want.Gid {
		return nil
	}
	return os.Chown(path, int(want.Uid), int(want.Gid))
}

// unlock lets go of the lock by which bbolt keeps other processes out.
func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }
