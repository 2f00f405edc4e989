package vault

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vedette"
)

// Change sets one key to a value, or deletes it when the value is nil.
type Change struct{ Key, Value []byte }

// Store keeps sealed values under keys that tell nothing. vaulttest.Run holds an implementation against these promises.
type Store interface {
	// Get returns the value under a key; it belongs to the caller. Its error wraps vedette.ErrUnknown when there is none.
	Get(ctx context.Context, key []byte) ([]byte, error)
	// Apply makes all changes or none, durable when it returns nil. It keeps no slice. Its error wraps vedette.ErrUnavailable.
	Apply(ctx context.Context, changes []Change) error
	// Shred makes the bytes of deleted keys, and of values that were written over, vanish from the storage: those of the keys named, or of all
	// when none is named. Keys that live are untouched.
	Shred(ctx context.Context, keys ...[]byte) error
	// Count returns how many keys begin with prefix.
	Count(ctx context.Context, prefix []byte) (int, error)
}

// Memory is a Store that forgets when the program ends.
type Memory struct {
	mu   sync.Mutex
	data map[string][]byte
}

// NewMemory makes an empty one.
func NewMemory() *Memory { return &Memory{data: map[string][]byte{}} }

// Get implements Store.
func (m *Memory) Get(_ context.Context, key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.data[string(key)]
	if !ok {
		return nil, fmt.Errorf("vault: no such key: %w", vedette.ErrUnknown)
	}
	return bytes.Clone(v), nil
}

// Apply implements Store.
func (m *Memory) Apply(_ context.Context, changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		if c.Value == nil {
			delete(m.data, string(c.Key))
		} else {
			m.data[string(c.Key)] = slices.Concat([]byte{}, c.Value)
		}
	}
	return nil
}

// Shred implements Store.
func (m *Memory) Shred(context.Context, ...[]byte) error { return nil }

// Count implements Store.
func (m *Memory) Count(_ context.Context, prefix []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for k := range m.data {
		if strings.HasPrefix(k, string(prefix)) {
			n++
		}
	}
	return n, nil
}
