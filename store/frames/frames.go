// Package frames keeps the journal in one folder that one process owns: frames, the ids of their events by day, and saved states.
//
// In:     frames of entries from the partition's one writer; states from followers and the gate.
// Out:    journal.Journal; many readers while the one writer writes.
// Keeps:  frames until they are purged, ids by the day on which the event was seen, states by name, and a fence behind a failed append.
// Fails:  Append answers vedette.ErrUnavailable when the disk is full or broken; the next one opens the folder anew, cuts off what the failed
// one may have left, and goes on once the disk can. A folder that another process owns is refused by name with ErrOwned.
// Source: docs/decisions/0003-journal.md
package frames

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/journal"
)

// ErrOwned says that somebody else has the folder open. Its text names who, where the system tells.
var ErrOwned = fmt.Errorf("frames: the folder is in use: %w", vedette.ErrBusy)

// Options tune the store. The zero value is good for all.
type Options struct {
	// Partition is written into each frame; a folder holds one partition, and another one's is refused.
	Partition uint16
	// CacheBytes is how much of the store is kept in memory for reading. Default 64 MiB.
	CacheBytes int64
	// MemTableBytes is how much is gathered in memory before it is written out in order; a restart reads up to four of these again.
	// Default 8 MiB.
	MemTableBytes uint64
	// ReserveBytes is how much room the disk must have left before an append: below it appends are refused while the store can still tidy
	// up, rather than when it fails. Default 128 MiB; negative: none. Where the file system does not tell its room it is not asked.
	ReserveBytes int64
	// FS is the file system. Default: the operating system's.
	FS vfs.FS
	// Metrics is where the store registers its numbers. Nil: nowhere.
	Metrics prometheus.Registerer
	// Log hears what the store says about its files. Nil: nobody.
	Log *slog.Logger
}

// Journal is a partition's order in a folder. It implements journal.Journal.
type Journal struct {
	dir  string
	opts Options
	fs   vfs.FS
	lock io.Closer

	engine atomic.Pointer[engine] // replaced after a failure
	last   atomic.Pointer[journal.Position]
	first  atomic.Uint64 // number of the first retained frame; last's plus one when none is
	span   atomic.Pointer[daySpan]

	failures, healings prometheus.Counter
	collectors         []prometheus.Collector // registered, until Close

	mu     sync.Mutex // one change to the order at a time: append, purge, healing, close
	enc    journal.Encoder
	buf    []byte
	days   map[int32]uint64 // day of ids: last frame with an event seen on it
	fenced bool             // the fence for the present last frame is on the disk
	closed atomic.Bool

	grown struct {
		sync.Mutex
		c chan struct{} // closed and replaced by every Append
	}
}

var _ journal.Journal = (*Journal)(nil)

// The keys. Numbers are big-endian, so that their order is the bytes' order. docs/formats/frame.md, "In a folder".
const (
	frameKey = 'f' // frame number -> frame
	idKey    = 'i' // day, tenant, event id -> position
	dayKey   = 'd' // day -> last frame with an event of that day
	metaKey  = 'm' // see below
	stateKey = 's' // name -> position, data
)

var (
	formatKey = []byte("mformat") // version of this layout and partition
	firstKey  = []byte("mfirst")  // first retained frame, and the last position when that was purged
)

const layout = 1

func keyOfFrame(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{frameKey}, number)
}

func appendDay(b []byte, prefix byte, day int32) []byte {
	return binary.BigEndian.AppendUint32(append(b, prefix), uint32(day)^1<<31)
}

func dayOf(key []byte) int32 { return int32(binary.BigEndian.Uint32(key[1:]) ^ 1<<31) }

func appendIDKey(b []byte, day int32, tenant vedette.Tenant, id vedette.EventID) []byte {
	b = appendDay(b, idKey, day)
	b = append(b, byte(len(tenant)))
	b = append(b, tenant...)
	return append(b, id[:]...)
}

func appendPosition(b []byte, p journal.Position) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(b, p.Frame), p.Index)
}

func readPosition(b []byte) (journal.Position, bool) {
	if len(b) < 10 {
		return journal.Position{}, false
	}
	return journal.Position{Frame: binary.BigEndian.Uint64(b), Index: binary.BigEndian.Uint16(b[8:])}, true
}

// Open opens the journal in a folder, and makes the folder when there is none. How long it takes does not grow with the journal.
// Its error wraps ErrOwned when another has it open, vedette.ErrUnavailable when the disk fails, vedette.ErrConflict when the folder
// holds another partition or a layout of another version.
func Open(ctx context.Context, dir string, opts Options) (*Journal, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("frames: open: %w", err)
	}
	if opts.CacheBytes == 0 {
		opts.CacheBytes = 64 << 20
	}
	if opts.MemTableBytes == 0 {
		opts.MemTableBytes = 8 << 20
	}
	if opts.ReserveBytes == 0 {
		opts.ReserveBytes = 128 << 20
	}
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	j := &Journal{dir: dir, opts: opts, fs: opts.FS}
	j.grown.c = make(chan struct{})
	j.failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vedette_journal_failures_total", Help: "Changes that could not be made durable. A rise means a full or broken disk: senders get no verdict.",
	})
	j.healings = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vedette_journal_healings_total", Help: "Times the folder was opened anew after a failure. Each may have left memory behind until the process ends.",
	})
	j.last.Store(&journal.Position{})
	if err := j.fs.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("frames: open: %w: %w", vedette.ErrUnavailable, err)
	}
	lockName := j.fs.PathJoin(dir, "LOCK")
	lock, err := j.fs.Lock(lockName)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) && !ownedError(err) {
			return nil, fmt.Errorf("frames: open %s: %w: %w", dir, vedette.ErrForbidden, err)
		}
		return nil, fmt.Errorf("frames: open %s: %w by %s", dir, ErrOwned, owner(lockName, err))
	}
	j.lock = lock
	e, o, err := j.openChecked(nil)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	j.take(e, o)
	if err := j.measure(opts.Metrics); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// measure registers the store's numbers.
func (j *Journal) measure(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	for _, c := range []prometheus.Collector{
		j.failures, j.healings,
		gauge("vedette_journal_frames", "Frames that are kept. A rise without end means that retention waits for a follower.", func() float64 {
			return float64(j.last.Load().Frame + 1 - j.first.Load())
		}),
		gauge("vedette_journal_bytes", "Bytes of the folder on the disk. Rises and falls with frames, some minutes behind.", func() (n float64) {
			if j.engine.Load().broken() == nil { // a failed one might never answer
				_ = j.reading(func(db *pebble.DB) error { n = float64(db.Metrics().DiskSpaceUsage()); return nil })
			}
			return n
		}),
	} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("frames: metrics: %w", err)
		}
		j.collectors = append(j.collectors, c)
	}
	return nil
}

// daySpan is the days of which ids are kept: others are not looked up.
type daySpan struct{ oldest, newest int32 }

// spread makes the span anew from the days. The caller holds mu or is alone.
func (j *Journal) spread() {
	s := daySpan{oldest: math.MaxInt32, newest: math.MinInt32}
	for day := range j.days {
		s.oldest, s.newest = min(s.oldest, day), max(s.newest, day)
	}
	j.span.Store(&s)
}

// order is where a folder stands.
type order struct {
	first uint64
	last  journal.Position
	days  map[int32]uint64
}

func (j *Journal) take(e *engine, o order) {
	j.engine.Store(e)
	j.first.Store(o.first)
	j.last.Store(&o.last)
	j.days = o.days
	j.spread()
	j.fenced = false
}

// openChecked opens an engine, cuts off what lies behind a fence, and reads where the order stands. With known it also checks that the
// last entry is the one that this process acknowledged last.
func (j *Journal) openChecked(known *journal.Position) (*engine, order, error) {
	if err := makeFence(j.fs, j.dir); err != nil {
		return nil, order{}, fmt.Errorf("%w: %w", vedette.ErrUnavailable, err)
	}
	fence, fenced, err := readFence(j.fs, j.dir)
	if err != nil {
		return nil, order{}, fmt.Errorf("%w: %w", vedette.ErrUnavailable, err)
	}
	e, err := openEngine(j.dir, j.fs, j.opts)
	if err != nil {
		return nil, order{}, err
	}
	err = j.checkLayout(e)
	if err == nil && fenced {
		err = j.cut(e, fence)
	}
	var o order
	if err == nil {
		o, err = j.readOrder(e.db)
	}
	if err == nil && known != nil && o.last != *known {
		err = &journal.Damage{Frame: known.Frame, What: fmt.Sprintf("the last entry kept is %s, not %s as acknowledged", o.last, *known)}
	}
	if err == nil && fenced {
		if err = clearFence(j.fs, j.dir); err != nil {
			err = fmt.Errorf("%w: %w", vedette.ErrUnavailable, err)
		}
	}
	if err != nil {
		if e.close() != nil {
			e.abandon()
		}
		return nil, order{}, err
	}
	return e, o, nil
}

// checkLayout refuses a folder that is laid out otherwise, and marks a new one.
func (j *Journal) checkLayout(e *engine) error {
	want := binary.BigEndian.AppendUint16([]byte{layout}, j.opts.Partition)
	got, err := get(e.db, formatKey)
	switch {
	case err != nil:
		return err
	case got == nil:
		b := e.db.NewBatch()
		if err := errors.Join(b.Set(formatKey, want, nil), e.commit(b)); err != nil {
			return fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
		}
	case len(got) != 3 || got[0] != layout:
		return fmt.Errorf("frames: %s has layout %x, this build reads %d: %w", j.dir, got, layout, vedette.ErrConflict)
	case !bytes.Equal(got, want):
		return fmt.Errorf("frames: %s holds partition %d, not %d: %w", j.dir, binary.BigEndian.Uint16(got[1:]), j.opts.Partition, vedette.ErrConflict)
	}
	return nil
}

// readOrder finds first, last and the days with a few seeks.
func (j *Journal) readOrder(db *pebble.DB) (order, error) {
	o := order{first: 1, days: map[int32]uint64{}}
	meta, err := get(db, firstKey)
	if err != nil {
		return o, err
	}
	if len(meta) >= 18 {
		o.first = binary.BigEndian.Uint64(meta)
		if last, _ := readPosition(meta[8:]); last.Frame < o.first {
			o.last = last // everything up to it was purged, and the order goes on from it
		}
	}
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: keyOfFrame(o.first), UpperBound: []byte{frameKey + 1}})
	if err != nil {
		return o, fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
	}
	if it.Last() {
		number := binary.BigEndian.Uint64(it.Key()[1:])
		data, err := it.ValueAndErr()
		if err != nil {
			return o, errors.Join(fmt.Errorf("frames: frame %d: %w: %w", number, journal.ErrDamaged, err), it.Close())
		}
		h, err := checkHeader(data, number, j.opts.Partition)
		if err != nil {
			return o, errors.Join(err, it.Close())
		}
		o.last = journal.Position{Frame: number, Index: uint16(h.Count - 1)}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return o, fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
	}
	it, err = db.NewIter(&pebble.IterOptions{LowerBound: []byte{dayKey}, UpperBound: []byte{dayKey + 1}})
	if err != nil {
		return o, fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
	}
	for it.First(); it.Valid(); it.Next() {
		o.days[dayOf(it.Key())] = binary.BigEndian.Uint64(it.Value())
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return o, fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
	}
	return o, nil
}

// cut removes the frames behind the fence, with their ids: an append that failed may have left them.
func (j *Journal) cut(e *engine, fence uint64) error {
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: keyOfFrame(fence + 1), UpperBound: []byte{frameKey + 1}})
	if err != nil {
		return fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
	}
	b := e.db.NewBatch()
	var dec journal.Decoder
	var entries []journal.Entry
	for it.First(); it.Valid(); it.Next() {
		_ = b.Delete(it.Key(), nil)
		if data, err := it.ValueAndErr(); err == nil {
			if _, entries, err = dec.ReadFrame(data, entries[:0]); err == nil {
				for i := range entries {
					ev := &entries[i].Event
					_ = b.Delete(appendIDKey(nil, journal.Day(ev.Seen), ev.Tenant, ev.ID), nil)
				}
			}
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
	}
	if b.Empty() {
		return b.Close()
	}
	if err := e.commit(b); err != nil {
		return fmt.Errorf("frames: cut behind frame %d: %w: %w", fence, vedette.ErrUnavailable, err)
	}
	return nil
}

func checkHeader(data []byte, number uint64, partition uint16) (journal.Header, error) {
	h, err := journal.ReadHeader(data)
	if err != nil {
		if d, ok := journal.Damaged(err); ok {
			d.Frame = number
		}
		return h, err
	}
	if h.Number != number {
		return h, &journal.Damage{Frame: number, Offset: 12, What: fmt.Sprintf("says that it is frame %d", h.Number)}
	}
	if h.Partition != partition {
		return h, &journal.Damage{Frame: number, Offset: 8, What: fmt.Sprintf("belongs to partition %d", h.Partition)}
	}
	return h, nil
}

func get(db *pebble.DB, key []byte) ([]byte, error) {
	v, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("frames: %w: %w", vedette.ErrUnavailable, err)
	}
	out := bytes.Clone(v)
	return out, closer.Close()
}

// Close ends the journal. Everything after it fails with journal.ErrClosed, and all who wait wake.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed.Load() {
		return nil
	}
	j.closed.Store(true)
	for _, c := range j.collectors {
		j.opts.Metrics.Unregister(c)
	}
	j.announce()
	e := j.engine.Load()
	var err error
	if e.broken() != nil {
		if !j.fenced {
			err = setFence(j.fs, j.dir, j.last.Load().Frame)
		}
		e.abandon()
	} else if err = e.close(); err != nil {
		e.abandon() // what was acknowledged is on the disk; only tidying up failed
	}
	return errors.Join(err, j.lock.Close())
}

// sound returns an engine that takes writes, after healing if need be. The caller holds mu.
func (j *Journal) sound() (*engine, error) {
	if j.closed.Load() {
		return nil, journal.ErrClosed
	}
	e := j.engine.Load()
	cause := e.broken()
	if cause == nil {
		return e, nil
	}
	if !j.fenced {
		if err := setFence(j.fs, j.dir, j.last.Load().Frame); err != nil {
			return nil, fmt.Errorf("frames: still failed (%w): %w: %w", cause, vedette.ErrUnavailable, err)
		}
		j.fenced = true
	}
	fresh, o, err := j.openChecked(j.last.Load())
	if err != nil {
		return nil, fmt.Errorf("frames: still failed (%w): %w: %w", cause, vedette.ErrUnavailable, err)
	}
	j.take(fresh, o)
	j.healings.Inc()
	e.abandon()
	if j.opts.Log != nil {
		j.opts.Log.LogAttrs(context.Background(), slog.LevelWarn, "journal opened anew after a failure", slog.String("cause", cause.Error()))
	}
	return fresh, nil
}

// failed fences off what a failed change may have left. The caller holds mu and the engine is failed.
func (j *Journal) failed(e *engine, what string, cause error) error {
	j.failures.Inc()
	err := fmt.Errorf("frames: %s: %w: %w", what, vedette.ErrUnavailable, cause)
	if fence := setFence(j.fs, j.dir, j.last.Load().Frame); fence != nil {
		return errors.Join(err, fence) // tried again before the next append and by Close
	}
	j.fenced = true
	return err
}

// Append implements journal.Journal. Once its frames are on their way to the disk it no longer looks at ctx.
func (j *Journal) Append(ctx context.Context, frames ...[]journal.Entry) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("frames: append: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e, err := j.sound()
	if err != nil {
		return err
	}
	if j.opts.ReserveBytes > 0 {
		if u, err := j.fs.GetDiskUsage(j.dir); err == nil && u.AvailBytes < uint64(j.opts.ReserveBytes) {
			return fmt.Errorf("frames: append: %d MiB are left on the disk, %d are kept in reserve: %w",
				u.AvailBytes>>20, j.opts.ReserveBytes>>20, vedette.ErrUnavailable)
		}
	}
	if len(frames) == 0 {
		return nil // the gate asks so whether events could be kept now
	}
	last := *j.last.Load()
	b := e.db.NewBatch()
	touched := make(map[int32]uint64, 2)
	var key [5 + 1 + 40 + 16]byte
	for i, entries := range frames {
		number := last.Frame + uint64(i) + 1
		if j.buf, err = j.enc.AppendFrame(j.buf[:0], j.opts.Partition, number, entries); err != nil {
			return errors.Join(err, b.Close())
		}
		op := b.SetDeferred(9, len(j.buf))
		op.Key[0] = frameKey
		binary.BigEndian.PutUint64(op.Key[1:], number)
		copy(op.Value, j.buf)
		if err := op.Finish(); err != nil {
			return errors.Join(err, b.Close())
		}
		today := int32(-1 << 31)
		for k := range entries {
			ev := &entries[k].Event
			if ev.ID.IsZero() {
				continue
			}
			if len(ev.Tenant) > 40 {
				return errors.Join(fmt.Errorf("frames: append: tenant %q: %w", ev.Tenant, vedette.ErrInvalid), b.Close())
			}
			day := journal.Day(ev.Seen)
			if day != today {
				today = day
				touched[day] = number
			}
			id := appendIDKey(key[:0], day, ev.Tenant, ev.ID)
			op := b.SetDeferred(len(id), 10)
			copy(op.Key, id)
			binary.BigEndian.PutUint64(op.Value, number)
			binary.BigEndian.PutUint16(op.Value[8:], uint16(k))
			if err := op.Finish(); err != nil {
				return errors.Join(err, b.Close())
			}
		}
		if i == len(frames)-1 {
			last = journal.Position{Frame: number, Index: uint16(len(entries) - 1)}
		}
	}
	for day, number := range touched {
		_ = b.Set(appendDay(key[:0], dayKey, day), binary.BigEndian.AppendUint64(nil, number), nil)
	}
	if err := e.commit(b); err != nil {
		return j.failed(e, "append", err)
	}
	for day, number := range touched {
		_, known := j.days[day]
		if j.days[day] = number; !known {
			j.spread()
		}
	}
	j.last.Store(&last)
	j.announce()
	return nil
}

func (j *Journal) announce() {
	j.grown.Lock()
	defer j.grown.Unlock()
	close(j.grown.c)
	j.grown.c = make(chan struct{})
}

// reading runs f on the present engine.
func (j *Journal) reading(f func(db *pebble.DB) error) error {
	for {
		e := j.engine.Load()
		err := e.read(f)
		if !errors.Is(err, errGone) || j.engine.Load() == e {
			return err
		}
	}
}

// Find implements journal.Journal. An id that was never seen mostly costs no disk read: filters are kept in memory.
func (j *Journal) Find(ctx context.Context, tenant vedette.Tenant, id vedette.EventID, seen time.Time) (found journal.Entry, err error) {
	if err := ctx.Err(); err != nil {
		return found, fmt.Errorf("frames: find: %w", err)
	}
	if j.closed.Load() {
		return found, journal.ErrClosed
	}
	if len(tenant) > 40 {
		return found, journal.Missing(tenant, id)
	}
	last, span := *j.last.Load(), j.span.Load()
	newest, oldest := span.newest, span.oldest
	if !seen.IsZero() {
		n, o := journal.Days(seen)
		newest, oldest = min(newest, n), max(oldest, o)
	}
	if newest < oldest {
		return found, journal.Missing(tenant, id)
	}
	err = j.reading(func(db *pebble.DB) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{idKey}, UpperBound: []byte{idKey + 1}, UseL6Filters: true})
		if err != nil {
			return fmt.Errorf("frames: find: %w: %w", vedette.ErrUnavailable, err)
		}
		at, ok, err := find(it, tenant, id, newest, oldest, seen.IsZero())
		if err := errors.Join(err, it.Close()); err != nil {
			return fmt.Errorf("frames: find: %w: %w", vedette.ErrUnavailable, err)
		}
		if !ok || last.Less(at) || at.Frame < j.first.Load() {
			return journal.Missing(tenant, id)
		}
		data, closer, err := db.Get(keyOfFrame(at.Frame))
		if errors.Is(err, pebble.ErrNotFound) {
			return &journal.Damage{Frame: at.Frame, What: "the frame is not there"}
		}
		if err != nil {
			return fmt.Errorf("frames: frame %d: %w: %w", at.Frame, journal.ErrDamaged, err)
		}
		defer closer.Close()
		h, err := checkHeader(data, at.Frame, j.opts.Partition)
		if err != nil {
			return err
		}
		if int(at.Index) >= h.Count {
			return &journal.Damage{Frame: at.Frame, Offset: 10, What: fmt.Sprintf("entry %d is not there", at.Index)}
		}
		var d journal.Decoder
		if found, err = d.ReadEntry(data, int(at.Index)); err != nil {
			return err
		}
		if found.Event.ID != id || found.Event.Tenant != tenant {
			return &journal.Damage{Frame: at.Frame, What: fmt.Sprintf("entry %d is another event than its index says", at.Index)}
		}
		if !journal.Same(found.Event.Seen, seen) {
			return journal.Missing(tenant, id)
		}
		return nil
	})
	if err != nil {
		return journal.Entry{}, err
	}
	return found, nil
}

// Unknown tells of each event whether the journal surely keeps none with its id from the 24 hours before it was seen: one look over the index
// for all of them, where Find takes one for each. False says nothing; Find tells then. Ids in the order of the index are the quickest.
func (j *Journal) Unknown(ctx context.Context, events []*vedette.Event) []bool {
	unknown := make([]bool, len(events))
	if ctx.Err() != nil || j.closed.Load() {
		return unknown
	}
	span := j.span.Load()
	err := j.reading(func(db *pebble.DB) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{idKey}, UpperBound: []byte{idKey + 1}, UseL6Filters: true})
		if err != nil {
			return err
		}
		for i, ev := range events {
			if ev.Seen.IsZero() || len(ev.Tenant) > 40 {
				continue
			}
			newest, oldest := journal.Days(ev.Seen)
			_, ok, err := find(it, ev.Tenant, ev.ID, min(newest, span.newest), max(oldest, span.oldest), false)
			if err != nil {
				return errors.Join(err, it.Close())
			}
			unknown[i] = !ok
		}
		return it.Close()
	})
	if err != nil {
		clear(unknown)
	}
	return unknown
}

// find looks an id up from the newest day to the oldest; with all, in every day that there is.
func find(it *pebble.Iterator, tenant vedette.Tenant, id vedette.EventID, newest, oldest int32, all bool) (journal.Position, bool, error) {
	key := make([]byte, 0, 64)
	at := func(day int32) (journal.Position, bool) {
		key = appendIDKey(key[:0], day, tenant, id)
		if !it.SeekPrefixGE(key) {
			return journal.Position{}, false
		}
		return readPosition(it.Value())
	}
	if !all {
		for day := newest; day >= oldest; day-- {
			if p, ok := at(day); ok {
				return p, true, nil
			}
		}
		return journal.Position{}, false, it.Error()
	}
	for ok := it.Last(); ok; ok = it.SeekLT(appendDay(key[:0], idKey, dayOf(key))) {
		day := dayOf(it.Key())
		if p, ok := at(day); ok {
			return p, true, nil
		}
	}
	return journal.Position{}, false, it.Error()
}

// chunk is how many frames are copied at a time: between chunks a reader holds nothing of the store, however slow it is.
const chunk = 16

// Read implements journal.Journal.
func (j *Journal) Read(ctx context.Context, from journal.Position) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		last := *j.last.Load()
		next := from.Frame
		if next == 0 {
			next = j.first.Load()
		}
		var dec journal.Decoder
		var entries []journal.Entry
		var buf []byte
		var ends []int
		for next <= last.Frame {
			if err := ctx.Err(); err != nil {
				yield(journal.Entry{}, fmt.Errorf("frames: read: %w", err))
				return
			}
			var err error
			if buf, ends, err = j.copyFrames(buf[:0], ends[:0], next, last.Frame); err != nil {
				// The frames before the bad one are good and were copied.
				if len(ends) == 0 {
					yield(journal.Entry{}, err)
					return
				}
			}
			at := 0
			for _, end := range ends {
				data := buf[at:end]
				at = end
				if _, err := checkHeader(data, next, j.opts.Partition); err != nil {
					yield(journal.Entry{}, err)
					return
				}
				if _, entries, err = dec.ReadFrame(data, entries[:0]); err != nil {
					yield(journal.Entry{}, err)
					return
				}
				for i := range entries {
					if next == from.Frame && entries[i].Position.Less(from) {
						continue
					}
					if !yield(entries[i], nil) {
						return
					}
				}
				next++
			}
		}
	}
}

// copyFrames appends up to chunk frames from number next on to buf, and where each ends.
func (j *Journal) copyFrames(buf []byte, ends []int, next, last uint64) ([]byte, []int, error) {
	err := j.reading(func(db *pebble.DB) error {
		if next < j.first.Load() {
			return fmt.Errorf("frames: frame %d: %w", next, journal.ErrPurged)
		}
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: keyOfFrame(next), UpperBound: keyOfFrame(last + 1)})
		if err != nil {
			return fmt.Errorf("frames: read: %w: %w", vedette.ErrUnavailable, err)
		}
		ok := it.First()
		for ; len(ends) < chunk && next <= last; next++ {
			if !ok || binary.BigEndian.Uint64(it.Key()[1:]) != next {
				err = it.Error()
				switch {
				case err != nil:
					err = fmt.Errorf("frames: frame %d: %w: %w", next, journal.ErrDamaged, err)
				case next < j.first.Load():
					err = fmt.Errorf("frames: frame %d: %w", next, journal.ErrPurged)
				default:
					err = &journal.Damage{Frame: next, What: "the frame is not there"}
				}
				return errors.Join(err, it.Close())
			}
			data, err := it.ValueAndErr()
			if err != nil {
				return errors.Join(fmt.Errorf("frames: frame %d: %w: %w", next, journal.ErrDamaged, err), it.Close())
			}
			buf = append(buf, data...)
			ends = append(ends, len(buf))
			ok = it.Next()
		}
		return it.Close()
	})
	return buf, ends, err
}

// Last implements journal.Journal.
func (j *Journal) Last() journal.Position { return *j.last.Load() }

// First implements journal.Journal.
func (j *Journal) First() journal.Position {
	if first := j.first.Load(); first <= j.last.Load().Frame {
		return journal.Position{Frame: first}
	}
	return journal.Position{}
}

// Wait implements journal.Journal.
func (j *Journal) Wait(ctx context.Context, after journal.Position) error {
	for {
		j.grown.Lock()
		grown := j.grown.c
		j.grown.Unlock()
		if after.Less(*j.last.Load()) {
			return nil
		}
		if j.closed.Load() {
			return journal.ErrClosed
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("frames: wait: %w", ctx.Err())
		}
	}
}

// SaveState implements journal.Journal. States go beside appends: the store syncs both at once when they meet.
func (j *Journal) SaveState(ctx context.Context, name string, at journal.Position, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("frames: save state: %w", err)
	}
	if err := journal.CheckState(name, at, *j.last.Load()); err != nil {
		return err
	}
	j.mu.Lock()
	e, err := j.sound()
	j.mu.Unlock()
	if err != nil {
		return err
	}
	key := append([]byte{stateKey}, name...)
	return e.read(func(db *pebble.DB) error {
		b := db.NewBatch()
		if data == nil && at == (journal.Position{}) {
			err = b.Delete(key, nil)
		} else {
			op := b.SetDeferred(len(key), 10+len(data))
			copy(op.Key, key)
			copy(op.Value[10:], data)
			appendPosition(op.Value[:0], at)
			err = op.Finish()
		}
		if err != nil {
			return errors.Join(fmt.Errorf("frames: save state: %w", err), b.Close())
		}
		if err := e.commit(b); err != nil {
			return fmt.Errorf("frames: save state: %w: %w", vedette.ErrUnavailable, err)
		}
		return nil
	})
}

// LoadStates implements journal.Journal.
func (j *Journal) LoadStates(ctx context.Context, prefix string) (states []journal.State, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("frames: load states: %w", err)
	}
	err = j.reading(func(db *pebble.DB) error {
		lower := append([]byte{stateKey}, prefix...)
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: []byte{stateKey + 1}})
		if err != nil {
			return fmt.Errorf("frames: load states: %w: %w", vedette.ErrUnavailable, err)
		}
		for it.First(); it.Valid() && bytes.HasPrefix(it.Key(), lower); it.Next() {
			v, err := it.ValueAndErr()
			at, ok := readPosition(v)
			if err != nil || !ok {
				return errors.Join(fmt.Errorf("frames: state %q: %w: %w", it.Key()[1:], journal.ErrDamaged, err), it.Close())
			}
			states = append(states, journal.State{Name: string(it.Key()[1:]), At: at, Data: bytes.Clone(v[10:])})
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return fmt.Errorf("frames: load states: %w: %w", vedette.ErrUnavailable, err)
		}
		return nil
	})
	return states, err
}

// Purge implements journal.Journal. Ids go by whole days, when the last frame with an event of that day is gone; until then an id leads to
// a frame that is not there and is not found.
func (j *Journal) Purge(ctx context.Context, before uint64) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("frames: purge: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e, err := j.sound()
	if err != nil {
		return err
	}
	last := *j.last.Load()
	before = min(before, last.Frame+1)
	if before <= j.first.Load() {
		return nil
	}
	b := e.db.NewBatch()
	err = b.DeleteRange(keyOfFrame(0), keyOfFrame(before), nil)
	meta := appendPosition(binary.BigEndian.AppendUint64(nil, before), last)
	err = errors.Join(err, b.Set(firstKey, meta, nil))
	var gone []int32
	for day, frame := range j.days {
		if frame < before {
			gone = append(gone, day)
			err = errors.Join(err, b.DeleteRange(appendDay(nil, idKey, day), appendDay(nil, idKey, day+1), nil),
				b.Delete(appendDay(nil, dayKey, day), nil))
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("frames: purge: %w", err), b.Close())
	}
	if err := e.commit(b); err != nil {
		return j.failed(e, "purge", err)
	}
	for _, day := range gone {
		delete(j.days, day)
	}
	j.spread()
	j.first.Store(before)
	return nil
}
