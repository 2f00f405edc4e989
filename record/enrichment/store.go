package enrichment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette"
)

// Changes counts what a Put did.
type Changes struct {
	Added   int // not known before
	Widened int // known, and now seen earlier or later
	Same    int // nothing was new
}

// Held is what one source has told.
type Held struct {
	Source string    `json:"source"`
	Facts  int       `json:"facts"`
	Newest time.Time `json:"newest,omitzero"` // the latest Last, or First where there is none
}

// Store keeps facts. It is safe for concurrent use. Times are kept in milliseconds. Its errors wrap the kinds of package vedette; what it returns
// belongs to the caller. Orders are those of bytes.
type Store interface {
	Facts
	// Put takes facts in canonical form, all or none, durable when it returns. The same host, kind, value and source again widens First and
	// Last and adds nothing. Its error wraps vedette.ErrInvalid when one is not canonical.
	Put(ctx context.Context, facts []Fact) (Changes, error)
	// Forget takes out everything that a source said, durable when it returns, and tells how many facts that were.
	Forget(ctx context.Context, source string) (int, error)
	// Sources tells what is held, by source.
	Sources(ctx context.Context) ([]Held, error)
}

// Memory is a Store that forgets when the program ends. It looks through all names for a part: it is for tests and small tables.
type Memory struct {
	mu    sync.RWMutex
	hosts map[string][]Fact // sorted by Compare
	names []string          // sorted; nil: to be made anew
}

// NewMemory returns an empty one.
func NewMemory() *Memory { return &Memory{hosts: map[string][]Fact{}} }

var _ Store = (*Memory)(nil)

// Put implements Store.
func (m *Memory) Put(ctx context.Context, facts []Fact) (Changes, error) {
	if err := ctx.Err(); err != nil {
		return Changes{}, err
	}
	for i := range facts {
		if c, err := Canonical(facts[i]); err != nil || c != facts[i] {
			return Changes{}, fmt.Errorf("enrichment: put: fact %d of %.80q is not in canonical form: %w", i, facts[i].Host, vedette.ErrInvalid)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var done Changes
	for _, f := range facts {
		list, known := m.hosts[f.Host]
		at, ok := slices.BinarySearchFunc(list, f, Compare)
		if !ok {
			if !known {
				m.names = nil
			}
			m.hosts[f.Host] = slices.Insert(list, at, f)
			done.Added++
			continue
		}
		before := list[at]
		if Merge(&list[at], f); list[at] == before {
			done.Same++
		} else {
			done.Widened++
		}
	}
	return done, nil
}

// Forget implements Store.
func (m *Memory) Forget(_ context.Context, source string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for host, list := range m.hosts {
		kept := slices.DeleteFunc(list, func(f Fact) bool { return f.Source == source })
		if n += len(list) - len(kept); len(kept) == 0 {
			delete(m.hosts, host)
		} else {
			m.hosts[host] = kept
		}
	}
	m.names = nil
	return n, nil
}

// Sources implements Store.
func (m *Memory) Sources(context.Context) ([]Held, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	by := map[string]*Held{}
	for _, list := range m.hosts {
		for i := range list {
			h := by[list[i].Source]
			if h == nil {
				h = &Held{Source: list[i].Source}
				by[h.Source] = h
			}
			h.Facts++
			t := list[i].Last
			if t.IsZero() {
				t = list[i].First
			}
			if t.After(h.Newest) {
				h.Newest = t
			}
		}
	}
	var out []Held
	for _, h := range by {
		out = append(out, *h)
	}
	slices.SortFunc(out, func(a, b Held) int { return strings.Compare(a.Source, b.Source) })
	return out, nil
}

// Of implements Facts.
func (m *Memory) Of(_ context.Context, host string) ([]Fact, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.hosts[host]), nil
}

// Names implements Facts.
func (m *Memory) Names(context.Context) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.hosts), nil
}

// pick returns the first facts of each host that pass, sorted, and how many hosts have one.
func (m *Memory) pick(limit int, order func(a, b Fact) int, pass func(f *Fact) bool) ([]Fact, int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Fact
	for _, list := range m.hosts {
		best := -1
		for i := range list {
			if pass(&list[i]) && (best < 0 || order(list[i], list[best]) < 0) {
				best = i
			}
		}
		if best >= 0 {
			out = append(out, list[best])
		}
	}
	slices.SortFunc(out, order)
	total := len(out)
	return out[:min(max(limit, 0), total)], total
}

// Sharing implements Facts.
func (m *Memory) Sharing(_ context.Context, k Kind, value string, limit int) ([]string, int, error) {
	facts, total := m.pick(limit, Compare, func(f *Fact) bool { return f.Kind == k && f.Value == value })
	return hostsOf(facts), total, nil
}

func hostsOf(facts []Fact) []string {
	var out []string
	for i := range facts {
		out = append(out, facts[i].Host)
	}
	return out
}

// RegisteredBetween implements Facts.
func (m *Memory) RegisteredBetween(_ context.Context, from, to time.Time, limit int) ([]Fact, int, error) {
	lo, hi := Moment(from), Moment(to)
	facts, total := m.pick(limit,
		func(a, b Fact) int { return cmp.Or(strings.Compare(a.Value, b.Value), Compare(a, b)) },
		func(f *Fact) bool { return f.Kind == Registered && f.Value >= lo && f.Value <= hi })
	return facts, total, nil
}

// Moment writes a time as the value of a Registered fact.
func Moment(t time.Time) string { return t.UTC().Format(timeLayout) }

// IssuedBetween implements Facts.
func (m *Memory) IssuedBetween(_ context.Context, issuer string, from, to time.Time, limit int) ([]Fact, int, error) {
	from, to = tidy(from), tidy(to)
	facts, total := m.pick(limit,
		func(a, b Fact) int { return cmp.Or(a.First.Compare(b.First), Compare(a, b)) },
		func(f *Fact) bool {
			return f.Kind == Issuer && f.Value == issuer && !f.First.IsZero() && !f.First.Before(from) && !f.First.After(to)
		})
	return facts, total, nil
}

// Within implements Facts.
func (m *Memory) Within(_ context.Context, address string, limit int) ([]Fact, int, error) {
	network := Network(address)
	if network == "" {
		return nil, 0, fmt.Errorf("enrichment: within %.80q: no address: %w", address, vedette.ErrInvalid)
	}
	facts, total := m.pick(limit, Compare, func(f *Fact) bool { return f.Kind == Address && Network(f.Value) == network })
	return facts, total, nil
}

// Containing implements Facts.
func (m *Memory) Containing(_ context.Context, part string, limit int) ([]string, int, error) {
	if len(part) < MinPart || strings.Contains(part, ".") {
		return nil, 0, nil
	}
	m.mu.Lock()
	if m.names == nil {
		for h := range m.hosts {
			m.names = append(m.names, h)
		}
		slices.Sort(m.names)
	}
	names := m.names // never changed once made
	m.mu.Unlock()
	var out []string
	total := 0
	for _, h := range names {
		if !strings.Contains(h, part) || !strings.Contains(Body(h), part) {
			continue
		}
		if total++; total <= limit {
			out = append(out, h)
		}
	}
	return out, total, nil
}
