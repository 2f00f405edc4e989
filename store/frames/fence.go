package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The fence is a small file that is written in place when an append fails: it names the last frame that was acknowledged, so that whatever
// of the failed one reached the disk is cut off when the folder is next opened, by this process or by another. Its room is taken when the
// folder is made, since a full disk is the likeliest reason to need it.
//
//	0  "VDFENCE1"
//	8  number of the last acknowledged frame, little-endian
//	16 CRC-32C of the 16 bytes before it
//
// Zeros mean that there is no fence.
const (
	fenceName = "FENCE"
	fenceSize = 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func makeFence(fsys vfs.FS, dir string) error {
	name := fsys.PathJoin(dir, fenceName)
	if _, err := fsys.Stat(name); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("frames: fence: %w", err)
	}
	if err := writeFence(fsys, dir, make([]byte, fenceSize)); err != nil {
		return err
	}
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("frames: fence: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("frames: fence: %w", err)
	}
	return nil
}

func setFence(fsys vfs.FS, dir string, last uint64) error {
	b := binary.LittleEndian.AppendUint64([]byte("VDFENCE1"), last)
	return writeFence(fsys, dir, binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}

func clearFence(fsys vfs.FS, dir string) error {
	return writeFence(fsys, dir, make([]byte, fenceSize))
}

func writeFence(fsys vfs.FS, dir string, b []byte) error {
	f, err := fsys.OpenReadWrite(fsys.PathJoin(dir, fenceName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("frames: fence: %w", err)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("frames: fence: %w", err)
	}
	return nil
}

// readFence returns the last acknowledged frame, if there is a fence. A fence that was half written is none: who wrote it has not yet
// told anybody that the append failed.
func readFence(fsys vfs.FS, dir string) (last uint64, ok bool, err error) {
	f, err := fsys.Open(fsys.PathJoin(dir, fenceName))
	if err != nil {
		return 0, false, fmt.Errorf("frames: fence: %w", err)
	}
	defer f.Close()
	b := make([]byte, fenceSize)
	if _, err := io.ReadFull(f, b); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, false, fmt.Errorf("frames: fence: %w", err)
	}
	if string(b[:8]) != "VDFENCE1" || crc32.Checksum(b[:16], castagnoli) != binary.LittleEndian.Uint32(b[16:]) {
		return 0, false, nil
	}
	return binary.LittleEndian.Uint64(b[8:]), true, nil
}
