package access

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette"
)

// Memory is a Store that forgets when the program ends.
type Memory struct {
	mu sync.Mutex
	ms []Machine
}

// AddMachine implements Store.
func (s *Memory) AddMachine(_ context.Context, m Machine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.ms {
		if o.ID == m.ID {
			return fmt.Errorf("access: machine %s: %w", m.ID, vedette.ErrConflict)
		}
	}
	s.ms = append(s.ms, m)
	return nil
}

// Machines implements Store.
func (s *Memory) Machines(context.Context) ([]Machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ms), nil
}

// RevokeMachine implements Store.
func (s *Memory) RevokeMachine(_ context.Context, id string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.ms {
		if s.ms[i].ID == id {
			if s.ms[i].Revoked.IsZero() {
				s.ms[i].Revoked = at
			}
			return nil
		}
	}
	return fmt.Errorf("access: machine %q: %w", id, vedette.ErrUnknown)
}
