package response

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/indicator"
)

// What names a kind of deed, as it stands in the act that was approved.
type What string

// The deeds. What cannot be undone says so in its name.
const (
	WhatBlock        What = "block"
	WhatUnblock      What = "unblock"
	WhatInterstitial What = "recall.interstitial"
	WhatRedaction    What = "recall.redact-for-good"
	WhatUnrecall     What = "recall.lift"
	WhatRelease      What = "changes.release" // lets one cause change more messages than the breaker does
	WhatHalt         What = "changes.halt"    // stops everything that leaves
	WhatResume       What = "changes.resume"
)

// State is how far a deed has come.
type State string

// The states.
const (
	Intended State = "intended" // in evidence, and not known to be done
	Complete State = "done"
	Failed   State = "failed" // nothing came of it; it may be tried again on the same approvals
	Undone   State = "undone"
)

// Deed is one thing that people approved, and what came of it.
type Deed struct {
	Act      vedette.Digest // of what was approved: its name
	What     What
	Text     []byte // the act in canonical form
	Case     string
	Tenant   vedette.Tenant
	People   []authority.PersonID // who approved
	At       time.Time            // of the intent; milliseconds, UTC
	Until    time.Time            // ends by itself; zero: has no end
	Value    string               // of blocks, in matching form
	Scope    indicator.Scope      // of blocks
	Verdict  vedette.Verdict      // of blocks: the strongest that it may ask for
	Harmless int                  // people who would be touched and of whom nothing speaks; -1: not known
	About    vedette.Digest       // what is undone or released
	Upto     int                  // of releases: how many messages may change

	State      State
	Ended      time.Time // when State was reached
	Generation vedette.GenerationID
	Why        string // of Failed
}

// Live tells whether the deed is done, not undone, and has not ended by itself.
func (d *Deed) Live(at time.Time) bool {
	return d.State == Complete && (d.Until.IsZero() || at.Before(d.Until))
}

// Deeds keeps what was ordered. It is safe for concurrent use; what it returns belongs to the caller.
type Deeds interface {
	// Intend keeps a new deed, durable when it returns. Its error wraps vedette.ErrConflict when the act is known.
	Intend(ctx context.Context, d Deed) error
	// Became says what came of a deed, durable when it returns. A zero generation leaves the one that is kept. Its error wraps vedette.ErrUnknown.
	Became(ctx context.Context, act vedette.Digest, s State, at time.Time, g vedette.GenerationID, why string) error
	// Deed returns a deed. Its error wraps vedette.ErrUnknown.
	Deed(ctx context.Context, act vedette.Digest) (Deed, error)
	// List returns the deeds of a kind in some states, in the order of their intents. No kind: of all; no states: in any.
	List(ctx context.Context, what What, states ...State) ([]Deed, error)
}

// MemoryDeeds is a Deeds that forgets at its end.
type MemoryDeeds struct {
	mu   sync.Mutex // guards list
	list []Deed
}

var _ Deeds = (*MemoryDeeds)(nil)

func (d *Deed) clone() Deed {
	c := *d
	c.Text, c.People = slices.Clone(d.Text), slices.Clone(d.People)
	return c
}

func (m *MemoryDeeds) find(act vedette.Digest) int {
	return slices.IndexFunc(m.list, func(d Deed) bool { return d.Act == act })
}

// Intend implements Deeds.
func (m *MemoryDeeds) Intend(_ context.Context, d Deed) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.find(d.Act) >= 0 {
		return fmt.Errorf("response: act %s is known: %w", d.Act, vedette.ErrConflict)
	}
	d.State, d.Ended, d.Generation, d.Why = Intended, d.At, vedette.GenerationID{}, ""
	m.list = append(m.list, d.clone())
	return nil
}

// Became implements Deeds.
func (m *MemoryDeeds) Became(_ context.Context, act vedette.Digest, s State, at time.Time, g vedette.GenerationID, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find(act)
	if i < 0 {
		return fmt.Errorf("response: act %s: %w", act, vedette.ErrUnknown)
	}
	d := &m.list[i]
	d.State, d.Ended, d.Why = s, at, why
	if !g.IsZero() {
		d.Generation = g
	}
	return nil
}

// Deed implements Deeds.
func (m *MemoryDeeds) Deed(_ context.Context, act vedette.Digest) (Deed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.find(act); i >= 0 {
		return m.list[i].clone(), nil
	}
	return Deed{}, fmt.Errorf("response: act %s: %w", act, vedette.ErrUnknown)
}

// List implements Deeds.
func (m *MemoryDeeds) List(_ context.Context, what What, states ...State) (out []Deed, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.list {
		if d := &m.list[i]; (what == "" || d.What == what) && (len(states) == 0 || slices.Contains(states, d.State)) {
			out = append(out, d.clone())
		}
	}
	return out, nil
}
