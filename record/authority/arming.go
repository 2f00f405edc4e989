package authority

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"vedette"
)

// Ceiling is the target of a change that holds for every rule and list.
const Ceiling = vedette.RuleID("")

// MaxLowered is how long protection stays lowered at most; then what was armed before holds again.
const MaxLowered = 90 * 24 * time.Hour

// Change sets the strongest verdict that one rule or list may cause, or that all may cause.
type Change struct {
	Revision uint64          `json:"revision"` // counts from 1
	Target   vedette.RuleID  `json:"target"`   // Ceiling: all
	Verdict  vedette.Verdict `json:"verdict"`
	At       time.Time       `json:"at"`
	Until    time.Time       `json:"until,omitzero"` // zero: until the next change of the target
	By       []string        `json:"by"`             // people, or the name that the operator of the machine goes by
	Why      string          `json:"why,omitzero"`   // 0 to 500 bytes, about rules, never about a person on the platform
	Act      vedette.Digest  `json:"act,omitzero"`   // what two people approved, for lowering
}

// Armed is what may be caused at one time. A fresh install has none of it: all allow.
type Armed struct {
	Revision uint64                             `json:"revision"` // of the last change made
	Ceiling  vedette.Verdict                    `json:"ceiling"`
	Each     map[vedette.RuleID]vedette.Verdict `json:"each"`
	Next     time.Time                          `json:"next,omitzero"` // when this ends by itself; zero: never
}

// Of returns the strongest verdict that a target may cause.
func (a Armed) Of(target vedette.RuleID) vedette.Verdict {
	if target == Ceiling {
		return a.Ceiling
	}
	return max(a.Ceiling, a.Each[target])
}

// ArmedAt computes what is armed at a time: of each target the latest change that has not ended. changes are in order of revision.
func ArmedAt(changes []Change, at time.Time) Armed {
	a := Armed{Each: map[vedette.RuleID]vedette.Verdict{}}
	done := map[vedette.RuleID]bool{}
	for i := len(changes) - 1; i >= 0; i-- {
		c := changes[i]
		a.Revision = max(a.Revision, c.Revision)
		if done[c.Target] || c.At.After(at) || !c.Until.IsZero() && !at.Before(c.Until) {
			continue
		}
		done[c.Target] = true
		if !c.Until.IsZero() && (a.Next.IsZero() || c.Until.Before(a.Next)) {
			a.Next = c.Until
		}
		if c.Target == Ceiling {
			a.Ceiling = c.Verdict
		} else {
			a.Each[c.Target] = c.Verdict
		}
	}
	maps.DeleteFunc(a.Each, func(_ vedette.RuleID, v vedette.Verdict) bool { return v == vedette.Allow })
	return a
}

// ArmStore keeps changes.
type ArmStore interface {
	// AddChange appends a change, durable when it returns. Its error wraps vedette.ErrConflict unless the revision is the last one's plus one.
	AddChange(ctx context.Context, c Change) error
	// Changes returns all changes in order of revision.
	Changes(ctx context.Context) ([]Change, error)
}

// Arms knows what is armed. It is safe for concurrent use.
type Arms struct {
	store    ArmStore
	register *Register

	mu sync.Mutex // one change at a time
}

// NewArms makes it over a store; the register judges who may lower protection.
func NewArms(store ArmStore, register *Register) *Arms {
	return &Arms{store: store, register: register}
}

// Armed returns what is armed at a time.
func (s *Arms) Armed(ctx context.Context, at time.Time) (Armed, error) {
	cs, err := s.History(ctx)
	return ArmedAt(cs, at), err
}

// History returns every change ever made, in order.
func (s *Arms) History(ctx context.Context) ([]Change, error) {
	cs, err := s.store.Changes(ctx)
	if err != nil {
		return nil, fmt.Errorf("authority: arming: %w", err)
	}
	return cs, nil
}

// LowerAct is what two people approve for lowering: it names the revision that it starts from, so that it works once.
func LowerAct(c Change, from uint64) (Act, error) {
	return NewAct(map[string]any{
		"act": "disarm", "target": c.Target, "verdict": c.Verdict, "until": c.Until.UTC().Format(time.RFC3339), "why": c.Why, "from": from,
	})
}

// Change makes a change at a time. Raising needs a name; lowering is harm, so it needs a reason, an end at most MaxLowered away, and two people who
// approved LowerAct of the same change from the present revision. It returns the change as it was kept.
// Its error is ErrUnapproved, or wraps vedette.ErrInvalid, ErrConflict or ErrUnavailable.
func (s *Arms) Change(ctx context.Context, c Change, approvals [][]byte, at time.Time) (Change, error) {
	switch {
	case c.Verdict > vedette.Block || len(c.Target) > 200 || len(c.Why) > 500:
		return Change{}, fmt.Errorf("authority: arm: verdict up to block, target up to 200 bytes, reason up to 500: %w", vedette.ErrInvalid)
	case !c.Until.IsZero() && !c.Until.After(at):
		return Change{}, fmt.Errorf("authority: arm: until %s, in the past: %w", c.Until.UTC().Format(time.RFC3339), vedette.ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cs, err := s.History(ctx)
	if err != nil {
		return Change{}, err
	}
	now := ArmedAt(cs, at)
	c.At = at.UTC().Truncate(time.Millisecond)
	if !c.Until.IsZero() {
		c.Until = c.Until.UTC().Truncate(time.Second)
	}
	c.Revision, c.Act = now.Revision+1, vedette.Digest{}
	if lowers(cs, c, at) {
		if c.Why == "" || c.Until.IsZero() || c.Until.After(at.Add(MaxLowered)) {
			return Change{}, fmt.Errorf("authority: disarm: a reason, and an end at most 90 days away: %w", vedette.ErrInvalid)
		}
		act, err := LowerAct(c, now.Revision)
		if err != nil {
			return Change{}, err
		}
		people, err := s.register.Approved(ctx, act, approvals, at)
		err = s.register.record(ctx, Asked{At: at, What: "disarm", People: people, Act: act.Digest()}, err)
		if err != nil {
			return Change{}, err
		}
		c.Act, c.By = act.Digest(), nil
		for _, p := range people {
			c.By = append(c.By, string(p))
		}
	}
	if len(c.By) == 0 || c.By[0] == "" {
		return Change{}, fmt.Errorf("authority: arm: who does it: %w", vedette.ErrInvalid)
	}
	if err := s.store.AddChange(ctx, c); err != nil {
		return Change{}, fmt.Errorf("authority: arm: %w", err)
	}
	return c, nil
}

// lowers tells whether a change lets less be caused by its target, now or at any later time, than without it. The later times matter: to set what two
// people lowered for an hour once more, without an end, would keep it lowered. A target's own entry counts, also where the ceiling hides it today.
func lowers(changes []Change, c Change, at time.Time) bool {
	with := append(slices.Clip(changes), c)
	points := []time.Time{at}
	for _, c := range with {
		if c.Until.After(at) {
			points = append(points, c.Until)
		}
	}
	own := func(cs []Change, at time.Time) vedette.Verdict {
		a := ArmedAt(cs, at)
		if c.Target == Ceiling {
			return a.Ceiling
		}
		return a.Each[c.Target]
	}
	return slices.ContainsFunc(points, func(t time.Time) bool { return own(with, t) < own(changes, t) })
}
