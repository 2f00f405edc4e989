package hunt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"vedette"
)

// MaxStanding is how long a hunt stands at most. It ends by itself.
const MaxStanding = 90 * 24 * time.Hour

// watch is the standing hunts, compiled: immutable, swapped whole.
type watch struct {
	keys  map[Key][]int // → place in list
	list  []Standing
	spans []Window
	links map[Key]vedette.Token
}

// Stand asks a question of the past, and of everything to come until a time, at most MaxStanding from now. It counts as an ask, takes no
// permit and tells no more than one: a lead without accounts, once for each day of sightings. It returns the standing hunt and what the past
// says; its errors are as Ask's.
func (h *Hunter) Stand(ctx context.Context, q Question, by string, until time.Time, progress func(done, total int)) (Standing, Answer, error) {
	now := milli(h.deps.Now())
	until = milli(until)
	if !until.After(now) || until.After(now.Add(MaxStanding)) {
		return Standing{}, Answer{}, fmt.Errorf("hunt: stand until %s: in the future, by at most %d days: %w",
			until.Format(time.RFC3339), int(MaxStanding/oneDay), vedette.ErrInvalid)
	}
	if to := days(q.Window).To; !to.IsZero() && !to.After(now) {
		return Standing{}, Answer{}, fmt.Errorf("hunt: stand: the window has ended: nothing can come: %w", vedette.ErrInvalid)
	}
	all, err := h.deps.Ledger.Standing(ctx)
	if err != nil {
		return Standing{}, Answer{}, fmt.Errorf("hunt: standing hunts: %w", err)
	}
	n := 0
	for _, s := range all {
		if s.Tenant == q.Tenant && now.Before(s.Until) {
			n++
		}
	}
	if n >= h.config.Standing {
		return Standing{}, Answer{}, fmt.Errorf("hunt: %d hunts stand already; end one: %w", n, vedette.ErrTooLarge)
	}
	a, err := h.ask(ctx, q, by, Entry{What: WhatStand}, progress)
	if err != nil {
		return Standing{}, a, err
	}
	c, err := q.Canonical()
	if err != nil {
		return Standing{}, Answer{}, err
	}
	text, err := c.text()
	if err != nil {
		return Standing{}, Answer{}, err
	}
	s := Standing{ID: a.ID, Tenant: q.Tenant, Question: a.Question, Text: text, By: by, From: now, Until: until}
	if err := h.deps.Ledger.Stand(ctx, s); err != nil {
		return Standing{}, Answer{}, fmt.Errorf("hunt: stand: %w", err)
	}
	return s, a, h.reload(ctx)
}

// Standing returns the hunts that stand, by id.
func (h *Hunter) Standing(ctx context.Context) ([]Standing, error) {
	all, err := h.deps.Ledger.Standing(ctx)
	if err != nil {
		return nil, fmt.Errorf("hunt: standing hunts: %w", err)
	}
	now := h.deps.Now()
	return slices.DeleteFunc(all, func(s Standing) bool { return !now.Before(s.Until) }), nil
}

// End ends a standing hunt. It is recorded first. Its error wraps vedette.ErrUnknown when none of that id stands.
func (h *Hunter) End(ctx context.Context, id, by string) error {
	if err := staff(by); err != nil {
		return err
	}
	all, err := h.Standing(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(s Standing) bool { return s.ID == id })
	if i < 0 {
		return fmt.Errorf("hunt: standing hunt %q: %w", id, vedette.ErrUnknown)
	}
	if err := h.note(ctx, &all[i], Entry{What: WhatEnd, By: by, Of: id}); err != nil {
		return err
	}
	if err := h.deps.Ledger.End(ctx, id, milli(h.deps.Now())); err != nil {
		return fmt.Errorf("hunt: end: %w", err)
	}
	return h.reload(ctx)
}

// note records something about a standing hunt.
func (h *Hunter) note(ctx context.Context, s *Standing, e Entry) error {
	q, err := parseQuestion(s.Text)
	if err != nil {
		q = Question{} // of another version: it is ended all the same
	}
	q.Tenant = s.Tenant
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = h.record(ctx, &prepared{question: q, digest: s.Question}, e, milli(h.deps.Now()), nil)
	return err
}

// reload compiles the standing hunts anew.
func (h *Hunter) reload(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	all, err := h.deps.Ledger.Standing(ctx)
	if err != nil {
		return fmt.Errorf("hunt: standing hunts: %w", err)
	}
	w := &watch{keys: map[Key][]int{}, links: map[Key]vedette.Token{}}
	for _, s := range all {
		// One that cannot be read, because the rules of names are others now or its tenant has left, must not hold up the recording of everything: it is told
		// of, watches for nothing, and can be ended. What fails for now (a key, the guard) is tried again.
		q, err := parseQuestion(s.Text)
		var p prepared
		if err == nil {
			// The guard is asked again: what became popular since is no longer watched. What happens may lie a week before its moment.
			p, err = h.prepareIn(q, Window{s.From.Add(-7 * oneDay), s.Until})
		}
		if errors.Is(err, vedette.ErrInvalid) || errors.Is(err, vedette.ErrTooLarge) || errors.Is(err, vedette.ErrUnknown) {
			h.log.LogAttrs(ctx, slog.LevelError, "a standing hunt cannot be read any more, and watches for nothing: end it and begin it anew",
				slog.String("hunt", s.ID)) // the error may hold a name
			continue
		}
		if err != nil {
			return fmt.Errorf("hunt: standing hunt %s: %w", s.ID, err)
		}
		for _, a := range p.ask {
			for _, t := range a.tokens {
				k, n := KeyOf(t), len(w.list)
				if !slices.Contains(w.keys[k], n) {
					w.keys[k], w.links[k] = append(w.keys[k], n), t
				}
			}
		}
		w.list, w.spans = append(w.list, s), append(w.spans, q.Window)
	}
	h.watch.Store(w)
	return nil
}

// Seen holds new sightings against the standing hunts. It reports a finding without subjects once for each hunt and day of the sightings; the
// evidence has it first. A sighting may be given again.
func (h *Hunter) Seen(ctx context.Context, sightings []Sighting) error {
	w := h.watch.Load()
	if w == nil {
		if err := h.reload(ctx); err != nil {
			return err
		}
		w = h.watch.Load()
	}
	if len(w.keys) == 0 {
		return nil
	}
	for i := range sightings {
		s := &sightings[i]
		for _, k := range [...]Key{s.URL, s.Host, s.Tenant, s.Domain} {
			if k == 0 {
				continue
			}
			for _, n := range w.keys[k] {
				if w.spans[n].Covers(s.At) && s.At.Before(w.list[n].Until) {
					if err := h.met(ctx, &w.list[n], w.links[k], s.At.UTC().Truncate(oneDay)); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (h *Hunter) met(ctx context.Context, s *Standing, link vedette.Token, day time.Time) error {
	done, err := h.deps.Ledger.HasMet(ctx, s.ID, day)
	if err != nil {
		return fmt.Errorf("hunt: standing hunt %s: %w", s.ID, err)
	}
	if done {
		return nil
	}
	if err := h.note(ctx, s, Entry{What: WhatHit, By: house, Of: s.ID}); err != nil {
		return err
	}
	f := vedette.Finding{
		ID:       digest("vedette-hunt-standing-1\n", []byte(s.ID), []byte{0}, []byte(day.Format(time.DateOnly))),
		Detector: detector, Links: []vedette.Token{link}, From: day, To: day.Add(oneDay),
		Reasons: []vedette.Reason{{Rule: "rule:standing-hunt", Link: -1, Text: "a standing hunt met something on this day"}},
	}
	if err := h.deps.Report(ctx, f); err != nil {
		return fmt.Errorf("hunt: report what a standing hunt met: %w", err)
	}
	h.m.leads.Inc()
	// Last: a crash before it reports the same finding again.
	if err := h.deps.Ledger.Met(ctx, s.ID, day); err != nil {
		return fmt.Errorf("hunt: standing hunt %s: %w", s.ID, err)
	}
	return nil
}

// MarshalJSON shows the question's names defanged.
func (s Standing) MarshalJSON() ([]byte, error) {
	type plain Standing
	out := struct {
		plain
		Names []string `json:"names"`
	}{plain: plain(s)}
	if q, err := parseQuestion(s.Text); err == nil {
		for _, n := range q.Names {
			out.Names = append(out.Names, n.Display())
		}
	}
	return json.Marshal(out)
}
