package authority

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette"
)

// Memory is a Store and an ArmStore that forgets when the program ends.
type Memory struct {
	mu      sync.Mutex
	people  []Person
	asked   []Asked
	changes []Change
}

// AddPerson implements Store.
func (m *Memory) AddPerson(_ context.Context, p Person) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.people {
		if o.ID == p.ID || o.Key.Equal(p.Key) {
			return fmt.Errorf("authority: person %s or the key is enrolled already: %w", p.ID, vedette.ErrConflict)
		}
	}
	if p.Founder && len(m.people) >= founders {
		return fmt.Errorf("authority: the folder has its founders: %w", vedette.ErrConflict)
	}
	m.people = append(m.people, p)
	return nil
}

// People implements Store.
func (m *Memory) People(context.Context) ([]Person, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.people), nil
}

// RevokePerson implements Store.
func (m *Memory) RevokePerson(_ context.Context, id PersonID, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.people {
		if m.people[i].ID == id {
			if m.people[i].Revoked.IsZero() {
				m.people[i].Revoked = at
			}
			return nil
		}
	}
	return fmt.Errorf("authority: person %q: %w", id, vedette.ErrUnknown)
}

// Record implements Recorder.
func (m *Memory) Record(_ context.Context, a Asked) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, a)
	return nil
}

// Asked returns what was recorded, in order.
func (m *Memory) Asked(context.Context) ([]Asked, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.asked), nil
}

// AddChange implements ArmStore.
func (m *Memory) AddChange(_ context.Context, c Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Revision != uint64(len(m.changes))+1 {
		return fmt.Errorf("authority: armed meanwhile: %w", vedette.ErrConflict)
	}
	m.changes = append(m.changes, c)
	return nil
}

// Changes implements ArmStore.
func (m *Memory) Changes(context.Context) ([]Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.changes), nil
}
