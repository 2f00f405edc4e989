package hunt

import (
	"context"
	"slices"
)

// Cover returns the units under which history may keep what a canonical name covers, in the epochs of a window, and tells of a sighting whether the
// name covers it. It asks no guard and no permit: its caller tells nobody more than how many people a block would touch, or holds a permit itself. A
// name that tokens cannot express has no units.
func Cover(t Tokens, n Name, w Window) (units []Key, covers func(*Sighting) bool) {
	units, own := Keys(t, n, w)
	return units, func(s *Sighting) bool {
		for _, k := range [...]Key{s.URL, s.Host, s.Tenant, s.Domain} {
			if k != 0 && slices.Contains(own, k) {
				return true
			}
		}
		return false
	}
}

// Keys returns the units under which history may keep what a canonical name covers, and the name's own keys: a sighting of it has one of them.
func Keys(t Tokens, n Name, w Window) (units, own []Key) {
	found, _, _ := express(n)
	for _, e := range t.Epochs(w) {
		for _, x := range found {
			us, toks := x.in(t, e)
			units = append(units, us...)
			for _, tok := range toks {
				own = append(own, KeyOf(tok))
			}
		}
	}
	slices.Sort(units)
	slices.Sort(own)
	return slices.Compact(units), slices.Compact(own)
}

// Popular tells whether more than Rules.Rare people have met a unit, as far as the recording remembers: nothing new of it is in history.
func (r *Recording) Popular(unit Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sieve.knows(unit)
}

// CatchUp takes what the journal has now, and makes it durable. It is for a recording that does not Run.
func (r *Recording) CatchUp(ctx context.Context) error {
	if err := r.restore(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	at := r.at
	r.mu.Unlock()
	if !at.Less(r.deps.Journal.Last()) {
		return nil
	}
	if err := r.read(ctx, next(at)); err != nil {
		return err
	}
	return r.Flush(ctx)
}
