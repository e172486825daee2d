package backup

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"
)

// errUnknownSpace says that this system does not tell.
var errUnknownSpace = errors.New("free space not told by this system")

// freeSpace is what this process may still write to the disk of a folder, in
// octets.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	if st.Bsize <= 0 || st.Bavail > math.MaxInt64/uint64(st.Bsize) {
		return math.MaxInt64, nil
	}
	return int64(st.Bavail) * st.Bsize, nil
}
