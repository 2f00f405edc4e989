package casefile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette"
)

// Memory is a Store that forgets when the program ends.
type Memory struct {
	mu      sync.Mutex
	reports map[reportKey]Report
	cases   map[ID]Case
	steps   map[ID][]Step
	voices  map[voiceKey]Voices
}

type reportKey struct {
	tenant vedette.Tenant
	id     vedette.EventID
}

type voiceKey struct {
	id  ID
	who [17]byte
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{reports: map[reportKey]Report{}, cases: map[ID]Case{}, steps: map[ID][]Step{}, voices: map[voiceKey]Voices{}}
}

// Keep implements Store.
func (m *Memory) Keep(_ context.Context, c Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range c.Cases {
		if k := &c.Cases[i]; m.cases[k.ID].Version+1 != k.Version {
			return fmt.Errorf("casefile: case %s was changed meanwhile: %w", k.ID, vedette.ErrConflict)
		}
	}
	next := map[ID]int{}
	for i := range c.Steps {
		s := &c.Steps[i]
		if _, ok := next[s.Case]; !ok {
			next[s.Case] = len(m.steps[s.Case])
		}
		if next[s.Case]++; s.Number != next[s.Case] {
			return fmt.Errorf("casefile: case %s has step %d: %w", s.Case, s.Number, vedette.ErrConflict)
		}
	}
	if r := c.Report; r != nil {
		m.reports[reportKey{r.Tenant, r.ID}] = cloneReport(*r)
	}
	for _, k := range c.Cases {
		m.cases[k.ID] = k
	}
	for _, s := range c.Steps {
		s.By = slices.Clone(s.By)
		m.steps[s.Case] = append(m.steps[s.Case], s)
	}
	for _, v := range c.Voices {
		m.voices[voiceKey{v.Case, v.Who}] = v.Voices
	}
	return nil
}

func cloneReport(r Report) Report {
	r.Opened = bytes.Clone(r.Opened)
	r.Links = slices.Clone(r.Links)
	for i := range r.Links {
		r.Links[i].URL = bytes.Clone(r.Links[i].URL)
	}
	return r
}

// Report implements Store.
func (m *Memory) Report(_ context.Context, t vedette.Tenant, id vedette.EventID) (Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.reports[reportKey{t, id}]
	if !ok {
		return Report{}, fmt.Errorf("casefile: report %s: %w", id, vedette.ErrUnknown)
	}
	return cloneReport(r), nil
}

// Case implements Store.
func (m *Memory) Case(_ context.Context, id ID) (Case, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.cases[id]
	if !ok {
		return Case{}, fmt.Errorf("casefile: %s: %w", id, vedette.ErrUnknown)
	}
	return c, nil
}

// Steps implements Store.
func (m *Memory) Steps(_ context.Context, id ID) ([]Step, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.steps[id])
	for i := range out {
		out[i].By = slices.Clone(out[i].By)
	}
	return out, nil
}

// Voice implements Store.
func (m *Memory) Voice(_ context.Context, id ID, who [17]byte) (Voices, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.voices[voiceKey{id, who}], nil
}

func (m *Memory) of(id ID) []Report {
	var out []Report
	for _, r := range m.reports {
		if slices.ContainsFunc(r.Links, func(l Link) bool { return l.Case == id }) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Report) int {
		return cmp.Or(a.Taken.Compare(b.Taken), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return out
}

// Reports implements Store.
func (m *Memory) Reports(_ context.Context, id ID, skip, limit int) ([]Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.of(id)
	all = all[min(skip, len(all)):]
	all = all[:min(limit, len(all))]
	for i := range all {
		all[i] = cloneReport(all[i])
	}
	return all, nil
}

// Hosts implements Store.
func (m *Memory) Hosts(_ context.Context, id ID, shared bool) ([]Counted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Counted
	for _, r := range m.of(id) {
		if shared && !r.Share {
			continue
		}
		var had []string
		for _, l := range r.Links {
			if l.Case != id || l.Host == "" || slices.Contains(had, l.Host) {
				continue
			}
			had = append(had, l.Host)
			i := slices.IndexFunc(out, func(c Counted) bool { return c.Host == l.Host })
			if i < 0 {
				i = len(out)
				out = append(out, Counted{Host: l.Host, Display: l.Display})
			}
			out[i].Reports++
		}
	}
	slices.SortFunc(out, func(a, b Counted) int { return cmp.Or(b.Reports-a.Reports, cmp.Compare(a.Host, b.Host)) })
	return out, nil
}

// List implements Store.
func (m *Memory) List(_ context.Context, f Filter) ([]Case, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Case
	for _, c := range m.cases {
		if f.Tenant != "" && c.Tenant != f.Tenant || len(f.States) > 0 && !slices.Contains(f.States, c.State) || len(f.States) == 0 && c.State == Closed {
			continue
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Case) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
	})
	out = out[min(f.Skip, len(out)):]
	return out[:min(f.Limit, len(out))], nil
}

// bare takes out of a report who made it and whom it is about, each where asked, and what was opened with either.
func bare(r *Report, reporter, subject bool) {
	if reporter {
		r.Reporter, r.Component = vedette.AccountID{}, 0
	}
	if subject {
		r.Subject = vedette.AccountID{}
	}
	r.Opened = nil
	for i := range r.Links {
		r.Links[i].URL = nil
	}
}

// Erase implements Store.
func (m *Memory) Erase(_ context.Context, t vedette.Tenant, a vedette.AccountID) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for k, r := range m.reports {
		if k.tenant == t && (r.Reporter == a || r.Subject == a) {
			r = cloneReport(r)
			bare(&r, r.Reporter == a, r.Subject == a)
			m.reports[k] = r
			n++
		}
	}
	who := voiceOf(&Report{Reporter: a})
	for k, v := range m.voices {
		if k.who == who && m.cases[k.id].Tenant == t {
			delete(m.voices, k)
			k.who[0] = 'x'
			_, _ = rand.Read(k.who[1:])
			m.voices[k] = v
		}
	}
	return n, nil
}

// Expire implements Store.
func (m *Memory) Expire(_ context.Context, before time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for k, r := range m.reports {
		if !r.Taken.Before(before) || slices.ContainsFunc(r.Links, func(l Link) bool { return l.Case != "" && m.cases[l.Case].State != Closed }) {
			continue
		}
		if r.Reporter.IsZero() && r.Subject.IsZero() && r.Opened == nil {
			continue
		}
		r = cloneReport(r)
		bare(&r, true, true)
		m.reports[k] = r
		n++
	}
	return n, nil
}
