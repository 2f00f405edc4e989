package feature

import (
	"syscall"
	"unsafe"
)

// huge asks for large pages. Keys fall anywhere in a table, so with small pages nearly every look-up would also walk the page table.
// It is a wish: where the kernel does not grant it, all works as before.
func huge[T any](s []T) {
	if n := uintptr(len(s)) * unsafe.Sizeof(*new(T)); n >= 4<<20 {
		_ = syscall.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), n), syscall.MADV_HUGEPAGE)
	}
}
