package hunt

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette"
	"vedette/record/journal"
)

// MaxAccounts is how many accounts one reading of history may be about.
const MaxAccounts = 64

// CheckAdd tells whether sightings may be added to a history that was taken up to a position: none before it or after upto, in the journal's
// order, at times that a day can be named for. Its error wraps vedette.ErrInvalid.
func CheckAdd(taken journal.Position, sightings []Sighting, upto journal.Position) error {
	if upto.Less(taken) {
		return fmt.Errorf("hunt: add up to %s: history was taken up to %s: %w", upto, taken, vedette.ErrInvalid)
	}
	last := taken
	for i := range sightings {
		s := &sightings[i]
		switch p := s.Position; {
		case !taken.Less(p) || p.Less(last) || upto.Less(p):
			return fmt.Errorf("hunt: add sighting %d at %s: between %s and %s, in order: %w", i, p, taken, upto, vedette.ErrInvalid)
		case s.At.Year() < 1 || s.At.Year() > 9999:
			return fmt.Errorf("hunt: add sighting %d at %s: no such day: %w", i, p, vedette.ErrInvalid)
		default:
			last = p
		}
	}
	return nil
}

// Before tells whether s comes before t where sightings are in order: by time, then position. Those of one event keep its order.
func (s *Sighting) Before(t *Sighting) bool {
	if c := s.At.Compare(t.At); c != 0 {
		return c < 0
	}
	return s.Position.Less(t.Position)
}

// Memory is a history in memory, for tests and trials. It keeps its promises except that nothing outlasts it.
type Memory struct {
	mu      sync.RWMutex
	rows    []Sighting // in order of position
	taken   journal.Position
	durable journal.Position
}

// NewMemory makes an empty history.
func NewMemory() *Memory { return &Memory{} }

var _ History = (*Memory)(nil)

// Add implements History.
func (m *Memory) Add(ctx context.Context, sightings []Sighting, upto journal.Position) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := CheckAdd(m.taken, sightings, upto); err != nil {
		return err
	}
	for i := range sightings {
		s := sightings[i]
		s.At = time.UnixMilli(s.At.UnixMilli()).UTC()
		m.rows = append(m.rows, s)
	}
	m.taken = upto
	return nil
}

// Position implements History.
func (m *Memory) Position() journal.Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.durable
}

// Flush implements History.
func (m *Memory) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.durable = m.taken
	return nil
}

// KeySet is the units of a question, with their first places in it. Zero is no unit.
type KeySet map[Key]int

// KeysOf makes the set of a question's units.
func KeysOf(units []Key) KeySet {
	set := make(KeySet, len(units))
	for i, k := range units {
		if _, known := set[k]; k != 0 && !known {
			set[k] = i
		}
	}
	return set
}

// Match returns the place of the sighting's unit.
func (ks KeySet) Match(s *Sighting) (int, bool) {
	i, ok := ks[s.Unit()]
	return i, ok
}

// pick returns copies of what satisfies want, in order.
func (m *Memory) pick(want func(*Sighting) bool) []Sighting {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Sighting
	for i := range m.rows {
		if want(&m.rows[i]) {
			out = append(out, m.rows[i])
		}
	}
	slices.SortStableFunc(out, func(a, b Sighting) int {
		switch {
		case a.Before(&b):
			return -1
		case b.Before(&a):
			return 1
		}
		return 0
	})
	return out
}

// Find implements History.
func (m *Memory) Find(ctx context.Context, units []Key, w Window, yield func(unit int, s *Sighting) bool) ([]Damage, error) {
	set := KeysOf(units)
	for _, s := range m.pick(func(s *Sighting) bool { _, ok := set.Match(s); return ok && w.Covers(s.At) }) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if unit, _ := set.Match(&s); !yield(unit, &s) {
			break
		}
	}
	return nil, ctx.Err()
}

// DayOf is the day that a sighting is kept under, by UTC, in days since 1970.
func DayOf(at time.Time) int {
	ms := at.UnixMilli()
	d := ms / (24 * 60 * 60 * 1000)
	if ms%(24*60*60*1000) < 0 {
		d--
	}
	return int(d)
}

// CoversDay tells whether a moment of the day is in the window.
func (w Window) CoversDay(day int) bool {
	start := time.Unix(int64(day)*24*60*60, 0)
	return (w.From.IsZero() || start.Add(24*time.Hour).After(w.From)) && (w.To.IsZero() || start.Before(w.To)) &&
		(w.From.IsZero() || w.To.IsZero() || w.From.Before(w.To))
}

// Cost implements History.
func (m *Memory) Cost(ctx context.Context, units []Key, w Window) (Cost, error) {
	if err := ctx.Err(); err != nil {
		return Cost{}, err
	}
	type lookup struct {
		day int
		key Key
	}
	set := KeysOf(units)
	days, possible := map[int]bool{}, map[lookup]bool{}
	var c Cost
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i := range m.rows {
		s := &m.rows[i]
		day := DayOf(s.At)
		if !w.CoversDay(day) {
			continue
		}
		days[day] = true
		c.Rows++
		if k := s.Unit(); k != 0 {
			if _, ok := set[k]; ok {
				possible[lookup{day, k}] = true
			}
		}
	}
	c.Days, c.Lookups, c.Possible = len(days), int64(len(days))*int64(len(set)), int64(len(possible))
	return c, nil
}

// AccountSet is the accounts of one question.
type AccountSet map[vedette.AccountID]struct{}

// AccountsOf makes the set. Its error wraps vedette.ErrTooLarge over MaxAccounts. The zero account is nobody.
func AccountsOf(accounts []vedette.AccountID) (AccountSet, error) {
	if len(accounts) > MaxAccounts {
		return nil, fmt.Errorf("hunt: %d accounts in one question: at most %d: %w", len(accounts), MaxAccounts, vedette.ErrTooLarge)
	}
	set := AccountSet{}
	for _, a := range accounts {
		if !a.IsZero() {
			set[a] = struct{}{}
		}
	}
	return set, nil
}

// Has tells whether one of the accounts sent or got it.
func (as AccountSet) Has(s *Sighting) bool {
	_, from := as[s.From]
	_, to := as[s.To]
	return from || to
}

// Of implements History.
func (m *Memory) Of(ctx context.Context, accounts []vedette.AccountID, w Window, yield func(s *Sighting) bool) ([]Damage, error) {
	set, err := AccountsOf(accounts)
	if err != nil {
		return nil, err
	}
	for _, s := range m.pick(func(s *Sighting) bool { return set.Has(s) && w.Covers(s.At) }) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !yield(&s) {
			break
		}
	}
	return nil, ctx.Err()
}

func (m *Memory) remove(ctx context.Context, gone func(*Sighting) bool) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.rows)
	m.rows = slices.DeleteFunc(m.rows, func(s Sighting) bool { return gone(&s) })
	return int64(n - len(m.rows)), nil
}

// Names tells whether an account or a group stands in the sighting. Zero ones stand nowhere.
func (s *Sighting) Names(account vedette.AccountID, group vedette.GroupID) bool {
	return !account.IsZero() && (s.From == account || s.To == account) || !group.IsZero() && s.Group == group
}

// Erase implements History.
func (m *Memory) Erase(ctx context.Context, account vedette.AccountID, group vedette.GroupID) (int64, error) {
	return m.remove(ctx, func(s *Sighting) bool { return s.Names(account, group) })
}

// Forget implements History.
func (m *Memory) Forget(ctx context.Context, units []Key) (int64, error) {
	set := KeysOf(units)
	return m.remove(ctx, func(s *Sighting) bool { _, ok := set[s.Unit()]; return ok })
}

// Expire implements History.
func (m *Memory) Expire(ctx context.Context, before time.Time) (int64, error) {
	return m.remove(ctx, func(s *Sighting) bool { return s.At.Before(before) })
}

// Stats implements History.
func (m *Memory) Stats(ctx context.Context) (Stats, error) {
	if err := ctx.Err(); err != nil {
		return Stats{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	const each = 200 // of a sighting, about
	st := Stats{Sightings: int64(len(m.rows)), Memory: int64(len(m.rows)) * each}
	if len(m.rows) > 0 {
		older := func(a, b Sighting) int { return a.At.Compare(b.At) }
		st.Oldest, st.Newest = slices.MinFunc(m.rows, older).At, slices.MaxFunc(m.rows, older).At
	}
	return st, nil
}
