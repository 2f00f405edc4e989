package frames

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"vedette"
	"vedette/record/journal"
)

// engine is one opening of the store below. When it fails it is left behind and another is opened: the engine ends the program when its
// log cannot be written, and hangs when its memory is full and cannot be flushed; neither may happen to a gate.
type engine struct {
	db   *pebble.DB
	gate *gate
	log  *slog.Logger

	failed chan struct{} // closed by the first failure
	once   sync.Once
	cause  atomic.Pointer[error]
	tries  atomic.Int32 // of a failed engine to write in the background

	mu      sync.Mutex
	readers int
	gone    bool
	drained chan struct{} // closed when gone and the last reader has left
}

func openEngine(dir string, fsys vfs.FS, opts Options) (*engine, error) {
	e := &engine{gate: newGate(fsys), failed: make(chan struct{}), drained: make(chan struct{}), log: opts.Log}
	// The engine takes the room of its tables in memory out of the cache.
	cache := pebble.NewCache(opts.CacheBytes + 4*int64(opts.MemTableBytes))
	defer cache.Unref()
	po := &pebble.Options{
		FS:                    e.gate,
		Cache:                 cache,
		Logger:                (*engineLog)(e),
		FormatMajorVersion:    pebble.FormatValueSeparation,
		MemTableSize:          opts.MemTableBytes,
		L0CompactionThreshold: 4,
		L0StopWritesThreshold: 64,
		LBaseMaxBytes:         256 << 20,
		MaxOpenFiles:          4096,
		BytesPerSync:          1 << 20,
		// A queue of four: what a restart has to read again stays under a second's worth.
		MemTableStopWritesThreshold: 4,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				if e.broken() == nil {
					e.fail(fmt.Errorf("in the background: %w", err))
					return
				}
				// An engine that was left behind and cannot be closed would try to write out its memory for ever, without a pause.
				if e.tries.Add(1) > 64 {
					runtime.Goexit()
				}
			},
		},
	}
	// A file holds keys of one kind, and ids of one day. Frames come in order, so a file of frames overlaps no other and moves down the
	// levels without being written again; a day's ids go with their files.
	po.Experimental.SpanPolicyFunc = func(start []byte) (pebble.SpanPolicy, []byte, error) {
		if start[0] == idKey && len(start) >= 5 {
			return pebble.SpanPolicy{}, appendDay(nil, idKey, dayOf(start)+1), nil
		}
		return pebble.SpanPolicy{}, []byte{start[0] + 1}, nil
	}
	po.TargetFileSizes[0] = 8 << 20
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	po.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	err := e.guarded(func() (err error) {
		e.db, err = pebble.Open(dir, po)
		return err
	})
	if err != nil {
		e.fail(err)
		e.gate.release()
		return nil, fmt.Errorf("frames: open %s: %w: %w", dir, vedette.ErrUnavailable, err)
	}
	return e, nil
}

// guarded runs f in a goroutine of its own, since the engine ends the goroutine in which it meets a fatal error (see engineLog.Fatalf)
// and may panic while it holds its locks. It returns when f does, or as soon as the engine has failed elsewhere: then f may hang for ever,
// behind a shut gate, in an engine that is left behind.
func (e *engine) guarded(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the engine gave up")
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the engine broke: %v", p)
			}
			if cause := e.cause.Load(); cause != nil && err != nil {
				err = fmt.Errorf("%w (%w)", err, *cause)
			}
			done <- err
		}()
		err = f()
	}()
	select {
	case err := <-done:
		return err
	case <-e.failed:
		return *e.cause.Load()
	}
}

// fail marks the engine as failed: what is under way ends, what comes later waits at the gate.
func (e *engine) fail(err error) {
	e.once.Do(func() {
		e.cause.Store(&err)
		e.gate.shut()
		close(e.failed)
	})
}

func (e *engine) broken() error {
	if p := e.cause.Load(); p != nil {
		return *p
	}
	return nil
}

// commit makes a batch durable. After an error the engine is failed and the batch may or may not be on the disk.
func (e *engine) commit(b *pebble.Batch) error {
	err := e.guarded(func() error { return b.Commit(pebble.Sync) })
	if err == nil {
		err = e.guarded(b.Close)
	}
	if err != nil {
		e.fail(err)
	}
	return err
}

// errGone tells a reader to take the journal's present engine instead.
var errGone = fmt.Errorf("frames: engine left behind: %w", journal.ErrClosed)

// read gives f the database, which stays open until f returns.
func (e *engine) read(f func(db *pebble.DB) error) error {
	e.mu.Lock()
	if e.gone {
		e.mu.Unlock()
		return errGone
	}
	e.readers++
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.readers--; e.gone && e.readers == 0 {
			close(e.drained)
		}
	}()
	return f(e.db)
}

// drain refuses new readers. It reports false if somebody else has done so.
func (e *engine) drain() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return false
	}
	if e.gone = true; e.readers == 0 {
		close(e.drained)
	}
	return true
}

// close ends a sound engine when its readers have left.
func (e *engine) close() error {
	if !e.drain() {
		return nil
	}
	<-e.drained
	err := e.guarded(e.db.Close)
	e.gate.release()
	return err
}

// abandon leaves a failed engine behind: nothing of it reaches the disk any more. Its memory is given back if it can still be closed.
// That may hang, inside the engine, on what it was doing when it failed, so nobody waits for it.
func (e *engine) abandon() {
	e.fail(journal.ErrClosed)
	e.gate.release()
	if !e.drain() {
		return
	}
	go func() {
		defer func() { _ = recover() }()
		<-e.drained
		_ = e.db.Close()
	}()
}

// engineLog is what the engine logs to. It speaks of files, never of what is in them.
type engineLog engine

func (l *engineLog) Infof(string, ...any) {}

func (l *engineLog) Errorf(format string, args ...any) {
	if l.log != nil {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "journal store", slog.String("says", fmt.Sprintf(format, args...)))
	}
}

// Fatalf must not return: the engine does not expect to live on. It ends the goroutine, not the program; deferred unlocks still run.
func (l *engineLog) Fatalf(format string, args ...any) {
	(*engine)(l).fail(fmt.Errorf(format, args...))
	runtime.Goexit()
}
