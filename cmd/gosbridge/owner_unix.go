//go:build unix

package main

import (
	"os"
	"syscall"
)

// sameOwner gives a file to the owner of another, so that what root makes can be
// read by the service's user.
func sameOwner(file, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	of, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(of.Uid) == os.Geteuid() {
		return nil
	}
	return os.Chown(file, int(of.Uid), int(of.Gid))
}
