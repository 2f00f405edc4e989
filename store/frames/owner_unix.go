//go:build unix

package frames

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// owner names the process that holds a lock file, when err says that another process does. The file is never opened when this process
// itself holds it: closing it again would release the lock.
func owner(path string, err error) string {
	if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
		return "this process"
	}
	f, err := os.Open(path)
	if err != nil {
		return "another process"
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK || lock.Pid <= 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d", lock.Pid)
}

// ownedError tells whether a lock failed since another process holds it, rather than for want of rights.
func ownedError(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) && !errors.Is(err, os.ErrPermission)
}
