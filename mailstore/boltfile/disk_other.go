//go:build !(linux || darwin || freebsd)

package boltfile

import "os"

// freeSpace is not known here.
func freeSpace(string) (octets int64, known bool) { return 0, false }

// own gives a file the mode of another.
func own(path string, like os.FileInfo) error { return os.Chmod(path, like.Mode().Perm()) }

// unlock leaves the lock to the end of the file's last use.
func unlock(*os.File) error { return nil }
