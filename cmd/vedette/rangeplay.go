package main

import (
	"slices"
	"time"

	"vedette"
	"vedette/sim/world"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

// followed is one cell's way through a world: each time that its score was higher than ever before.
type followed struct {
	points []point
}

type point struct {
	at      time.Time
	score   float64 // bits
	keys    bool    // enough channels speak for an alert
	members []vedette.AccountID
	links   []vedette.Token
}

// played is what came of a world.
type played struct {
	truth    *world.Truth
	cells    []followed
	findings []vedette.Finding
	counts   population.Counts
	budget   rehearsal.Budget
	accounts int
	seconds  float64
}

// playing says how worlds are played.
type playing struct {
	tick   time.Duration
	config rehearsal.Config
	model  *rehearsal.Model
	more   func(w *world.World) []population.Watcher // besides the detector
}

func (o *playing) play(s *world.Scenario, seed uint64) (*played, error) {
	w, err := world.New(s, seed)
	if err != nil {
		return nil, err
	}
	d, err := rehearsal.New(o.config, o.model)
	if err != nil {
		return nil, err
	}
	watchers := []population.Watcher{d}
	if o.more != nil {
		watchers = append(watchers, o.more(w)...)
	}
	p, err := population.New(population.Config{Tick: o.tick}, watchers...)
	if err != nil {
		return nil, err
	}
	out := &played{}
	places := map[*rehearsal.Cell]int{}
	best := map[*rehearsal.Cell]float64{}
	d.Observe = func(at time.Time, c *rehearsal.Cell, e *rehearsal.Evidence, score float64) {
		if last, ok := best[c]; ok && score <= last {
			return
		}
		i, ok := places[c]
		if !ok {
			i = len(out.cells)
			places[c] = i
			out.cells = append(out.cells, followed{})
		}
		best[c] = score
		out.cells[i].points = append(out.cells[i].points, point{at: at, score: score, keys: e.TwoKeys(), members: slices.Clone(c.Members)})
	}
	begin := time.Now()
	w.Play(func(e *vedette.Event) bool {
		p.Take(0, e)
		return true
	})
	out.truth = w.Truth()
	p.End(out.truth.End)
	out.seconds = time.Since(begin).Seconds()
	out.findings = d.Findings()
	out.counts, out.budget, out.accounts = p.Counts(), d.Budget(), p.State().Len()
	return out, nil
}
