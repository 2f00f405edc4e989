package main

import "golang.org/x/sys/unix"

// setUmask sets which rights new files lack, and returns what it was before.
func setUmask(mask int) int { return unix.Umask(mask) }
