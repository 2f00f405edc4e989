package journal

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette"
)

// DuplicateWindow is how long before an event another with its id counts as the same.
const DuplicateWindow = 24 * time.Hour

// seenSlack is how much later than the one that asks an event may have been seen: two doors read their clocks apart.
const seenSlack = 10 * time.Minute

// Day numbers the days of Unix time, for stores that keep ids by day: a day's ids go at once.
func Day(t time.Time) int32 {
	s := t.Unix()
	if s < 0 {
		s -= 86399
	}
	return int32(s / 86400)
}

// Days returns the days on which an event may have been seen that counts as the same as one seen at the given time, newest first:
// that day and the day before, and the day after within ten minutes of midnight.
func Days(seen time.Time) (newest, oldest int32) {
	return Day(seen.Add(seenSlack)), Day(seen.Add(-DuplicateWindow))
}

// Same tells whether an event seen at found counts as the same as one with its id seen at seen. A zero seen counts every one.
func Same(found, seen time.Time) bool {
	return seen.IsZero() || !found.Before(seen.Add(-DuplicateWindow)) && !found.After(seen.Add(seenSlack))
}

// Missing is the error of an event that is not in the journal. Most events are asked for in vain, so its words are made when they are read.
func Missing(tenant vedette.Tenant, id vedette.EventID) error { return &missing{tenant, id} }

type missing struct {
	tenant vedette.Tenant
	id     vedette.EventID
}

func (m *missing) Error() string {
	return fmt.Sprintf("journal: event %s of %s: %v", m.id, m.tenant, vedette.ErrUnknown)
}

func (m *missing) Unwrap() error { return vedette.ErrUnknown }

// CheckState refuses a state that nobody could restore from: without a name, or ahead of the journal.
func CheckState(name string, at, last Position) error {
	if name == "" || len(name) > 256 {
		return fmt.Errorf("journal: state %q: a name has 1 to 256 bytes: %w", name, vedette.ErrInvalid)
	}
	if last.Less(at) {
		return fmt.Errorf("journal: state %q at %s is ahead of the last entry, %s: %w", name, at, last, vedette.ErrInvalid)
	}
	return nil
}

// Memory is a journal that lives as long as the process. It keeps frames as bytes, so that it owns what it was given, as any store does.
type Memory struct {
	mu     sync.Mutex
	enc    Encoder
	first  uint64 // number of frames[0]
	frames [][]byte
	last   Position
	ids    map[memoryKey]Position
	states map[string]State
	grown  chan struct{} // closed and replaced by every Append
	closed bool
}

type memoryKey struct {
	day    int32
	tenant vedette.Tenant
	id     vedette.EventID
}

var _ Journal = (*Memory)(nil)

// NewMemory returns an empty journal.
func NewMemory() Journal {
	return &Memory{first: 1, ids: map[memoryKey]Position{}, states: map[string]State{}, grown: make(chan struct{})}
}

// Append implements Journal.
func (m *Memory) Append(ctx context.Context, frames ...[]Entry) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: append: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	next := m.first + uint64(len(m.frames))
	var added [][]byte
	for i, entries := range frames {
		data, err := m.enc.AppendFrame(nil, 0, next+uint64(i), entries)
		if err != nil {
			return err
		}
		added = append(added, data)
	}
	if len(frames) == 0 {
		return nil
	}
	for i, entries := range frames {
		for j := range entries {
			ev := &entries[j].Event
			m.last = Position{next + uint64(i), uint16(j)}
			if !ev.ID.IsZero() {
				m.ids[memoryKey{Day(ev.Seen), ev.Tenant, ev.ID}] = m.last
			}
		}
	}
	m.frames = append(m.frames, added...)
	close(m.grown)
	m.grown = make(chan struct{})
	return nil
}

// frame returns a frame's bytes, or an error that wraps ErrPurged, ErrDamaged or ErrClosed.
func (m *Memory) frame(number uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrClosed
	case number < m.first:
		return nil, fmt.Errorf("journal: frame %d: %w", number, ErrPurged)
	case number-m.first >= uint64(len(m.frames)):
		return nil, &Damage{Frame: number, What: "the frame is not there"}
	}
	return m.frames[number-m.first], nil
}

// Find implements Journal.
func (m *Memory) Find(ctx context.Context, tenant vedette.Tenant, id vedette.EventID, seen time.Time) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, fmt.Errorf("journal: find: %w", err)
	}
	at, ok := m.place(tenant, id, seen)
	if !ok {
		return Entry{}, Missing(tenant, id)
	}
	data, err := m.frame(at.Frame)
	if err != nil {
		return Entry{}, err
	}
	var d Decoder
	e, err := d.ReadEntry(data, int(at.Index))
	if err == nil && !Same(e.Event.Seen, seen) {
		return Entry{}, Missing(tenant, id)
	}
	return e, err
}

func (m *Memory) place(tenant vedette.Tenant, id vedette.EventID, seen time.Time) (at Position, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seen.IsZero() {
		newest := int32(0)
		for k, p := range m.ids {
			if k.tenant == tenant && k.id == id && (!ok || k.day > newest) {
				at, ok, newest = p, true, k.day
			}
		}
		return at, ok
	}
	newest, oldest := Days(seen)
	for day := newest; day >= oldest; day-- {
		if at, ok = m.ids[memoryKey{day, tenant, id}]; ok {
			return at, true
		}
	}
	return at, false
}

// Read implements Journal.
func (m *Memory) Read(ctx context.Context, from Position) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.Lock()
		last, number := m.last, from.Frame
		if number == 0 {
			number = m.first
		}
		m.mu.Unlock()
		var d Decoder
		var entries []Entry
		for ; number <= last.Frame; number++ {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, fmt.Errorf("journal: read: %w", err))
				return
			}
			data, err := m.frame(number)
			if err == nil {
				_, entries, err = d.ReadFrame(data, entries[:0])
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i := range entries {
				if entries[i].Position.Less(from) {
					continue
				}
				if !yield(entries[i], nil) {
					return
				}
			}
		}
	}
}

// Last implements Journal.
func (m *Memory) Last() Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// First implements Journal.
func (m *Memory) First() Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.frames) == 0 {
		return Position{}
	}
	return Position{Frame: m.first}
}

// Wait implements Journal.
func (m *Memory) Wait(ctx context.Context, after Position) error {
	for {
		m.mu.Lock()
		last, grown, closed := m.last, m.grown, m.closed
		m.mu.Unlock()
		if after.Less(last) {
			return nil
		}
		if closed {
			return ErrClosed
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("journal: wait: %w", ctx.Err())
		}
	}
}

// SaveState implements Journal.
func (m *Memory) SaveState(ctx context.Context, name string, at Position, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: save state: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if err := CheckState(name, at, m.last); err != nil {
		return err
	}
	if data == nil && at == (Position{}) {
		delete(m.states, name)
		return nil
	}
	m.states[name] = State{Name: name, At: at, Data: slices.Clone(data)}
	return nil
}

// LoadStates implements Journal.
func (m *Memory) LoadStates(ctx context.Context, prefix string) ([]State, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("journal: load states: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	var out []State
	for name, s := range m.states {
		if strings.HasPrefix(name, prefix) {
			s.Data = slices.Clone(s.Data)
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b State) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Purge implements Journal.
func (m *Memory) Purge(ctx context.Context, before uint64) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: purge: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if before <= m.first {
		return nil
	}
	n := min(before-m.first, uint64(len(m.frames)))
	m.frames = slices.Clone(m.frames[n:])
	m.first += n
	for k, p := range m.ids {
		if p.Frame < m.first {
			delete(m.ids, k)
		}
	}
	return nil
}

// Close ends the journal: everything after it fails with ErrClosed, and all who wait wake.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.grown)
		m.grown = make(chan struct{})
	}
	return nil
}
