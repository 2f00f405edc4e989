package frames

import (
	"io"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"vedette/record/journal"
)

// gate stands between the engine and the disk. Once shut, nothing that came through it changes the folder any more: an engine that failed
// in the middle of a write may be left behind, with whatever it still has running, while another opens the same folder. Whoever wants to
// change something waits at the shut gate, since the engine would try again without a pause; once released they are refused.
type gate struct {
	vfs.FS

	mu       sync.RWMutex // held for reading during each change
	down     bool
	once     sync.Once
	released chan struct{}
}

func newGate(fsys vfs.FS) *gate { return &gate{FS: fsys, released: make(chan struct{})} }

// shut waits for the changes under way and lets no other through.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = true
}

// release shuts the gate and refuses all who wait at it.
func (g *gate) release() {
	g.shut()
	g.once.Do(func() { close(g.released) })
}

func (g *gate) pass(change func() error) error {
	g.mu.RLock()
	if g.down {
		g.mu.RUnlock()
		<-g.released
		return journal.ErrClosed
	}
	defer g.mu.RUnlock()
	return change()
}

func (g *gate) open(open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := g.pass(func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &gateFile{File: f, gate: g}, nil
}

func (g *gate) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.open(func() (vfs.File, error) { return g.FS.Create(name, category) })
}

func (g *gate) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.open(func() (vfs.File, error) { return g.FS.OpenReadWrite(name, category, opts...) })
}

func (g *gate) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.open(func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, category) })
}

func (g *gate) Link(oldname, newname string) error {
	return g.pass(func() error { return g.FS.Link(oldname, newname) })
}

func (g *gate) Remove(name string) error {
	return g.pass(func() error { return g.FS.Remove(name) })
}

func (g *gate) RemoveAll(name string) error {
	return g.pass(func() error { return g.FS.RemoveAll(name) })
}

func (g *gate) Rename(oldname, newname string) error {
	return g.pass(func() error { return g.FS.Rename(oldname, newname) })
}

func (g *gate) MkdirAll(dir string, perm os.FileMode) error {
	return g.pass(func() error { return g.FS.MkdirAll(dir, perm) })
}

// Lock does nothing: the journal holds the folder's lock for as long as it lives, across engines.
func (g *gate) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (g *gate) Unwrap() vfs.FS { return g.FS }

type gateFile struct {
	vfs.File
	gate *gate
}

func (f *gateFile) Write(p []byte) (n int, err error) {
	err = f.gate.pass(func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

func (f *gateFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.gate.pass(func() (err error) {
		n, err = f.File.WriteAt(p, at)
		return err
	})
	return n, err
}

func (f *gateFile) Preallocate(offset, length int64) error {
	return f.gate.pass(func() error { return f.File.Preallocate(offset, length) })
}

func (f *gateFile) Sync() error     { return f.gate.pass(f.File.Sync) }
func (f *gateFile) SyncData() error { return f.gate.pass(f.File.SyncData) }

func (f *gateFile) SyncTo(length int64) (full bool, err error) {
	err = f.gate.pass(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}
