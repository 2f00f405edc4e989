package frames_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"vedette"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
	"vedette/store/frames"
)

// disk is a file system that holds so many bytes and no more, and whose syncs fail when told to. What is removed frees its room.
type disk struct {
	vfs.FS

	mu       sync.Mutex
	size     map[string]int64
	used     int64
	limit    int64
	failSync func(name string) bool
	full     int // how often somebody was refused room
}

func newDisk(inner vfs.FS) *disk { return &disk{FS: inner, size: map[string]int64{}, limit: 1 << 40} }

// room sets how many bytes more may be written.
func (d *disk) room(n int64) { d.mu.Lock(); defer d.mu.Unlock(); d.limit = d.used + n }

func (d *disk) syncs(fail func(name string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failSync = fail
}

// grow takes room for a file to reach size, and returns how much of it there is.
func (d *disk) grow(name string, size int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	more := size - d.size[name]
	if more <= 0 {
		return size
	}
	if d.used+more > d.limit {
		d.full++
		more = max(d.limit-d.used, 0)
	}
	d.used += more
	d.size[name] += more
	return d.size[name]
}

func (d *disk) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used -= d.size[name]
	delete(d.size, name)
}

func (d *disk) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, name: name}, nil
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if d.grow(name+" entry", 64) < 64 {
		d.forget(name + " entry")
		return nil, syscall.ENOSPC
	}
	f, err := d.FS.Create(name, c)
	return d.wrap(name, f, err)
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, opts...)
	return d.wrap(name, f, err)
}

func (d *disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	d.move(from, to)
	f, err := d.FS.ReuseForWrite(from, to, c)
	return d.wrap(to, f, err)
}

func (d *disk) move(from, to string) {
	d.forget(to)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size[to] = d.size[from]
	delete(d.size, from)
}

func (d *disk) Rename(from, to string) error {
	d.move(from, to)
	return d.FS.Rename(from, to)
}

func (d *disk) Remove(name string) error {
	d.forget(name)
	d.forget(name + " entry")
	return d.FS.Remove(name)
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

func (d *disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return vfs.DiskUsage{AvailBytes: uint64(d.limit - d.used), TotalBytes: uint64(d.limit), UsedBytes: uint64(d.used)}, nil
}

type diskFile struct {
	vfs.File
	disk *disk
	name string
	at   int64
}

func (f *diskFile) Write(p []byte) (int, error) {
	have := f.disk.grow(f.name, f.at+int64(len(p)))
	n := int(min(int64(len(p)), max(have-f.at, 0)))
	n, err := f.File.Write(p[:n])
	f.at += int64(n)
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (f *diskFile) WriteAt(p []byte, at int64) (int, error) {
	if f.disk.grow(f.name, at+int64(len(p))) < at+int64(len(p)) {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(p, at)
}

func (f *diskFile) Preallocate(int64, int64) error { return nil }

func (f *diskFile) sync(sync func() error) error {
	f.disk.mu.Lock()
	fail := f.disk.failSync
	f.disk.mu.Unlock()
	if fail != nil && fail(f.name) {
		return syscall.EIO
	}
	return sync()
}

func (f *diskFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *diskFile) SyncData() error { return f.sync(f.File.SyncData) }
func (f *diskFile) SyncTo(n int64) (full bool, err error) {
	err = f.sync(func() (err error) { full, err = f.File.SyncTo(n); return err })
	return full, err
}

// ledger is what a journal has acknowledged.
type ledger struct {
	next  int
	acked []journal.Entry
}

// append appends a few frames and notes them when they were acknowledged.
func (l *ledger) append(t *testing.T, j journal.Journal, r *rand.Rand) error {
	var fs [][]journal.Entry
	var es []journal.Entry
	before := j.Last().Frame
	for i := range 1 + r.IntN(3) {
		n := 1 + r.IntN(60)
		fs = append(fs, journaltest.Entries(l.next, n))
		for k, e := range fs[i] {
			e.Position = journal.Position{Frame: before + uint64(i) + 1, Index: uint16(k)}
			es = append(es, e)
		}
		l.next += n // never used again, also when the append fails
	}
	if err := j.Append(t.Context(), fs...); err != nil {
		return err
	}
	l.acked = append(l.acked, es...)
	return nil
}

// check holds a journal against the ledger: all that was acknowledged, in order, and nothing else.
func (l *ledger) check(t *testing.T, j journal.Journal, when string) {
	t.Helper()
	n := 0
	for e, err := range j.Read(t.Context(), journal.Position{}) {
		if err != nil {
			t.Fatalf("%s: after %d entries: %v", when, n, err)
		}
		if n == len(l.acked) {
			t.Fatalf("%s: an entry at %s that was never acknowledged", when, e.Position)
		}
		if want := &l.acked[n]; e.Position != want.Position || e.Event.ID != want.Event.ID {
			t.Fatalf("%s: entry %d is %s at %s, want %s at %s", when, n, e.Event.ID, e.Position, want.Event.ID, want.Position)
		}
		n++
	}
	if n != len(l.acked) {
		t.Fatalf("%s: %d entries, %d were acknowledged", when, n, len(l.acked))
	}
	for i := 0; i < n; i += 1 + n/20 {
		e := &l.acked[i]
		if got, err := j.Find(t.Context(), "north", e.Event.ID, e.Event.Seen); err != nil || got.Position != e.Position {
			t.Fatalf("%s: acknowledged entry %s is found at %s, %v", when, e.Position, got.Position, err)
		}
	}
	// The last event of a failed append is not there.
	if n == 0 || l.acked[n-1].Event.ID != journaltest.Entry(l.next-1).Event.ID {
		lost := journaltest.Entry(l.next - 1)
		if _, err := j.Find(t.Context(), "north", lost.Event.ID, lost.Event.Seen); !errors.Is(err, vedette.ErrUnknown) {
			t.Fatalf("%s: an event whose append failed: %v", when, err)
		}
	}
}

// A full or broken disk, hundreds of times: what was acknowledged stays, what failed is never read, whether the journal heals, is opened
// again, or the machine loses power; and the process lives.
func TestAFullOrBrokenDiskLosesNothingThatWasAcknowledged(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 40
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	opts := func(d *disk) frames.Options {
		return frames.Options{FS: d, MemTableBytes: 256 << 10, CacheBytes: 1 << 20, ReserveBytes: -1}
	}
	mem := vfs.NewCrashableMem()
	d := newDisk(mem)
	j := open(t, "journal", opts(d))
	var l ledger
	var failures, refused, healed, reopened, lostPower int
	for round := range rounds {
		if round%10 == 9 { // a fresh disk now and then, so that rounds stay short
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			refused += d.full
			mem = vfs.NewCrashableMem()
			d = newDisk(mem)
			l = ledger{}
			j = open(t, "journal", opts(d))
		}
		how := r.IntN(5)
		switch how {
		case 0, 1, 2:
			d.room(int64(r.IntN(1 << 16)))
		case 3: // the bytes are written, the sync fails: they may be there afterwards
			after := r.IntN(6)
			d.syncs(func(name string) bool {
				if strings.HasSuffix(name, ".log") {
					after--
				}
				return after < 0 && !strings.HasSuffix(name, "FENCE")
			})
		case 4: // everything fails, the fence too
			after := r.IntN(8)
			d.syncs(func(string) bool { after--; return after < 0 })
		}
		var err error
		for err == nil {
			err = l.append(t, j, r)
		}
		failures++
		if !errors.Is(err, vedette.ErrUnavailable) {
			t.Fatalf("round %d: %v, want ErrUnavailable", round, err)
		}
		l.check(t, j, fmt.Sprintf("round %d, while failed", round))
		if err := l.append(t, j, r); err != nil && !errors.Is(err, vedette.ErrUnavailable) {
			t.Fatalf("round %d: %v, want ErrUnavailable", round, err)
		}
		var again bool
		switch next := r.IntN(3); {
		case next == 0:
			healed++
		case next == 1 || how == 4: // with a broken fence only this process knows where the order ends
			reopened++
			again = true
		default:
			lostPower++
			// The old journal goes on failing into a world that is gone; the new one has what a disk keeps of unsynced writes.
			old := j
			mem = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: r})
			if err := old.Close(); err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			refused += d.full
			d = newDisk(mem)
			j = open(t, "journal", opts(d))
			l.check(t, j, fmt.Sprintf("round %d, after power was lost", round))
		}
		d.room(1 << 40)
		d.syncs(nil)
		if again {
			if err := j.Close(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			j = open(t, "journal", opts(d))
			l.check(t, j, fmt.Sprintf("round %d, opened again", round))
		}
		if err := l.append(t, j, r); err != nil {
			t.Fatalf("round %d: with room again: %v", round, err)
		}
		l.check(t, j, fmt.Sprintf("round %d, with room again", round))
	}
	t.Logf("%d failed appends (%d writes refused for want of room): %d healed in place, %d opened again, %d lost power",
		failures, refused+d.full, healed, reopened, lostPower)
}

func TestAppendsAreRefusedWhileTheReserveIsLeft(t *testing.T) {
	d := newDisk(vfs.NewMem())
	j := open(t, "journal", frames.Options{FS: d, ReserveBytes: 1 << 20})
	r := rand.New(rand.NewPCG(1, 1))
	var l ledger
	for _, room := range []int64{2 << 20, 1<<20 - 1, 0, 4 << 20} {
		d.room(room)
		if err := j.Append(t.Context()); (err == nil) != (room >= 1<<20) {
			t.Errorf("with %d bytes of room an append of nothing, which asks whether there is any: %v", room, err)
		}
		err := l.append(t, j, r)
		if want := room < 1<<20; want != errors.Is(err, vedette.ErrUnavailable) || !want && err != nil {
			t.Errorf("with %d bytes of room: %v", room, err)
		}
		l.check(t, j, fmt.Sprintf("with %d bytes of room", room))
	}
	if d.full != 0 {
		t.Errorf("%d writes found no room", d.full)
	}
}
