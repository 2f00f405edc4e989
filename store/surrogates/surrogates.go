// Package surrogates keeps the vault's sealed values on disk.
//
// In:     sealed values under keys that tell nothing.
// Out:    the same values.
// Keeps:  one Pebble database in its folder, owned by one process.
// Fails:  Open fails when another process owns the folder; Apply is all or nothing and durable; errors wrap the kinds of package vedette.
//
//	A file system, a disk or a backup may keep older bytes than we can reach: docs/decisions/0009-vault.md.
//
// Source: docs/decisions/0009-vault.md, docs/decisions/0004-stores.md
package surrogates

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"vedette"
	"vedette/record/vault"
)

// Store is a vault.Store in a folder. It is safe for concurrent use.
type Store struct {
	dir string
	log *slog.Logger

	mu sync.RWMutex // held for writing while the database is opened anew
	db *pebble.DB   // nil: closed, or it could not be opened anew
}

var _ vault.Store = (*Store)(nil)

// Open opens or creates the store in a folder. log may be nil. Its error wraps vedette.ErrUnavailable.
func Open(dir string, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("surrogates: open %s: %w: %w", dir, vedette.ErrUnavailable, err)
	}
	s := &Store{dir: dir, log: log}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// remover deletes files at once, as its shallower half does. The deeper half marks it as a cleaner that needs the files' contents, which keeps
// Pebble from using old write-ahead logs again: deleted values would stay readable in them.
type (
	remover struct {
		pebble.DeleteCleaner
		keepsLogs
	}
	keepsLogs struct{ pebble.ArchiveCleaner }
)

func (s *Store) open() error {
	cache := pebble.NewCache(16 << 20)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:              cache,
		Cleaner:            remover{},
		FormatMajorVersion: pebble.FormatNewest,
		MemTableSize:       16 << 20,
		Logger:             quiet{s.log},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most misses are of ids never seen
	}
	db, err := pebble.Open(s.dir, o)
	if err != nil {
		return fmt.Errorf("surrogates: open %s: %w: %w", s.dir, vedette.ErrUnavailable, err)
	}
	s.db = db
	return nil
}

// quiet passes on what a person must look at, and lets Fatalf end the program as Pebble demands: its state is unsure then.
type quiet struct{ log *slog.Logger }

func (quiet) Infof(string, ...any) {}
func (q quiet) Errorf(format string, args ...any) {
	q.log.Error("surrogates store", slog.String("err", fmt.Sprintf(format, args...)))
}

func (q quiet) Fatalf(format string, args ...any) {
	panic("surrogates: " + fmt.Sprintf(format, args...))
}

// Close ends all use. Closing twice does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.close()
}

func (s *Store) close() error {
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	if err != nil {
		return fmt.Errorf("surrogates: close: %w: %w", vedette.ErrUnavailable, err)
	}
	return nil
}

var errClosed = fmt.Errorf("surrogates: closed: %w", vedette.ErrUnavailable)

// Get implements vault.Store.
func (s *Store) Get(_ context.Context, key []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return nil, errClosed
	}
	v, closer, err := s.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, fmt.Errorf("surrogates: no such key: %w", vedette.ErrUnknown)
	case err != nil:
		return nil, fmt.Errorf("surrogates: get: %w: %w", vedette.ErrUnavailable, err)
	}
	out := bytes.Clone(v)
	if err := closer.Close(); err != nil {
		return nil, fmt.Errorf("surrogates: get: %w: %w", vedette.ErrUnavailable, err)
	}
	return out, nil
}

// Apply implements vault.Store.
func (s *Store) Apply(_ context.Context, changes []vault.Change) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return errClosed
	}
	b := s.db.NewBatch()
	var err error
	for _, c := range changes {
		if c.Value == nil {
			err = errors.Join(err, b.Delete(c.Key, nil))
		} else {
			err = errors.Join(err, b.Set(c.Key, c.Value, nil))
		}
	}
	if err == nil {
		err = b.Commit(pebble.Sync)
	}
	err = errors.Join(err, b.Close())
	if err != nil {
		return fmt.Errorf("surrogates: apply: %w: %w", vedette.ErrUnavailable, err)
	}
	return nil
}

// Shred implements vault.Store. It flushes and compacts what holds the keys, which drops the old tables and logs, and opens the database anew,
// which drops the old manifests: these name the first and last key of every table. Others wait only while it is opened, some tens of milliseconds.
func (s *Store) Shred(ctx context.Context, keys ...[]byte) error {
	if err := s.compact(ctx, keys); err != nil {
		return fmt.Errorf("surrogates: shred: %w: %w", vedette.ErrUnavailable, err)
	}
	if err := s.reopen(); err != nil {
		return fmt.Errorf("surrogates: shred: %w: %w", vedette.ErrUnavailable, err)
	}
	return nil
}

func (s *Store) compact(ctx context.Context, keys [][]byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return errClosed
	}
	if err := s.db.Flush(); err != nil {
		return err
	}
	if len(keys) == 0 {
		return s.db.Compact(ctx, []byte{0}, bytes.Repeat([]byte{0xff}, 64), false)
	}
	for _, k := range keys {
		if err := s.db.Compact(ctx, k, append(bytes.Clone(k), 0), false); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return errClosed
	}
	// Closing waits until every file that is no longer needed was removed.
	if err := s.close(); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	return s.dropManifests()
}

// dropManifests removes all manifests but the one in use, which opening has just written. Pebble keeps the one before it, for nothing.
func (s *Store) dropManifests() error {
	d, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	last := ""
	var all []string
	for _, e := range d {
		if n := e.Name(); strings.HasPrefix(n, "MANIFEST-") {
			all = append(all, n)
			if len(n) > len(last) || len(n) == len(last) && n > last { // numbers, at least six digits wide
				last = n
			}
		}
	}
	for _, n := range all {
		if n != last {
			if err := os.Remove(filepath.Join(s.dir, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// Count implements vault.Store.
func (s *Store) Count(ctx context.Context, prefix []byte) (n int, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return 0, errClosed
	}
	end := bytes.Clone(prefix)
	for len(end) > 0 {
		end[len(end)-1]++
		if end[len(end)-1] != 0 {
			break
		}
		end = end[:len(end)-1]
	}
	o := new(pebble.IterOptions)
	if len(prefix) > 0 { // an empty bound is not the same as none
		o.LowerBound = prefix
	}
	if len(end) > 0 {
		o.UpperBound = end
	}
	it, err := s.db.NewIterWithContext(ctx, o)
	if err != nil {
		return 0, fmt.Errorf("surrogates: count: %w: %w", vedette.ErrUnavailable, err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return 0, fmt.Errorf("surrogates: count: %w: %w", vedette.ErrUnavailable, err)
	}
	return n, nil
}
