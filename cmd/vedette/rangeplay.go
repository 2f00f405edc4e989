package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"vedette"
	"vedette/sim/score"
	"vedette/sim/world"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
	"vedette/watch/targeting"
)

// playing says how worlds are played.
type playing struct {
	tick    time.Duration
	perWeek float64
	model   *rehearsal.Model // nil: the standard one
	// beside, where set, gives who else looks at the same events: what takes them, and what is told at the end.
	beside func(w *world.World) (take func(*vedette.Event), end func(*world.Truth))
	// change, where set, makes each event another one before anybody sees it.
	change func(*vedette.Event)
}

// played is what came of a world.
type played struct {
	truth     *world.Truth
	rehearsal score.Trial // every cell that was followed
	cells     []score.Alert
	contacts  []score.Alert
	findings  []vedette.Finding
	budget    rehearsal.Budget
	targeted  targeting.Budget
	counts    population.Counts
	accounts  int
	seconds   float64
}

// analyst stands behind the detectors: he is told what they find and judges it rightly. In the weeks before the test he knows of an attack once a target was
// written to; and before the bound of the rehearsal watch is first set he goes through the strongest cells of those weeks, twice as many honest ones as may be
// told of in such a time, and judges them. Without that the bound would be set on the operators of those weeks, of whom these worlds are full.
type analyst struct {
	judge *score.Judge
	truth *world.Truth
	d     *rehearsal.Detector
	t     *targeting.Detector
	out   *played
	known map[int]bool // teams, by place, that have attacked
	last  time.Time
	tick  time.Duration
	done  bool // the strongest cells of the learning weeks were gone through
}

// Before implements population.Watcher.
func (*analyst) Before(*population.State, *population.Event) {}

// Tick implements population.Watcher.
func (a *analyst) Tick(_ *population.State, at time.Time) {
	for _, f := range a.d.Findings() {
		x := score.FromFinding(&f, rehearsal.Name)
		a.out.cells, a.out.findings = append(a.out.cells, x), append(a.out.findings, f)
		what := rehearsal.Wrong
		if a.judge.Operator(&x) >= 0 {
			what = rehearsal.Confirmed
		}
		if cell, _, ok := a.d.Account(f.Subjects[0]); ok {
			_ = a.d.Judge(cell, what) // a cell that merged with another has its judgement already
		}
	}
	for _, f := range a.t.Findings() {
		x := score.FromFinding(&f, targeting.Name)
		a.out.contacts, a.out.findings = append(a.out.contacts, x), append(a.out.findings, f)
		what := rehearsal.Wrong
		if a.judge.Operator(&x) >= 0 {
			what = rehearsal.Confirmed
		}
		_ = a.t.Judge(f.ID, what) // it is known: it was told a moment ago
	}
	if !at.After(a.truth.Test) {
		for i := range a.truth.Teams {
			x := &a.truth.Teams[i]
			for j := range x.Targets {
				if g := &x.Targets[j]; g.At.Before(at) && !g.At.Before(a.last) {
					a.known[i] = true
					a.t.Incident(g.By)
				}
			}
		}
		for _, c := range a.d.Cells() {
			if n := a.judge.Operator(&score.Alert{Subjects: c.Members}); n >= 0 && a.known[n] && c.Judged == rehearsal.Unjudged {
				_ = a.d.Judge(c.ID, rehearsal.Confirmed)
			}
		}
	}
	a.last = at
	if !a.done && at.Add(a.tick).After(a.truth.Test.Add(-time.Second)) {
		a.done = true
		a.review()
	}
}

func (a *analyst) review() {
	cells := slices.Clone(a.d.Cells())
	slices.SortStableFunc(cells, func(x, y *rehearsal.Cell) int { return cmp.Compare(y.Score, x.Score) })
	honest := 0
	for _, c := range cells {
		if a.judge.Operator(&score.Alert{Subjects: c.Members}) >= 0 {
			_ = a.d.Judge(c.ID, rehearsal.Confirmed)
			continue
		}
		if honest++; float64(honest) > 2*a.d.Budget().PerWeek*a.truth.Test.Sub(a.truth.Learning).Hours()/168 {
			return
		}
	}
}

// foretold plays a world for its truth alone, which the analyst needs while the watch sees the world: a tenth of the time of the watch.
func foretold(ctx context.Context, s *world.Scenario, seed uint64) (*world.Truth, error) {
	w, err := world.New(s, seed)
	if err != nil {
		return nil, err
	}
	if err := through(ctx, w, func(*vedette.Event) {}); err != nil {
		return nil, err
	}
	return w.Truth(), nil
}

// through plays a world to its end, or until ctx ends.
func through(ctx context.Context, w *world.World, take func(*vedette.Event)) error {
	n := 0
	w.Play(func(e *vedette.Event) bool {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return false
		}
		take(e)
		return true
	})
	return ctx.Err()
}

func (o *playing) play(ctx context.Context, s *world.Scenario, seed uint64) (*played, error) {
	truth, err := foretold(ctx, s, seed)
	if err != nil {
		return nil, err
	}
	w, err := world.New(s, seed)
	if err != nil {
		return nil, err
	}
	day := 24 * time.Hour
	warm, learning := time.Duration(max(0, s.Warmup-15))*day, time.Duration(s.Learning)*day
	d, err := rehearsal.New(rehearsal.Config{PerWeek: o.perWeek, WarmUp: max(warm, 1), Learning: learning}, o.model)
	if err != nil {
		return nil, err
	}
	d.Vouchers = vouchers{w}
	key := sha256.Sum256([]byte("a made-up platform"))
	t, err := targeting.New(targeting.Config{PerWeek: o.perWeek, WarmUp: max(warm, 1), Learning: learning}, targeting.Known{AtRisk: w, Kinship: d, Vouchers: vouchers{w}, Key: key[:]})
	if err != nil {
		return nil, err
	}
	out := &played{truth: truth}
	watchers := []population.Watcher{d, t, &analyst{judge: score.NewJudge(truth), truth: truth, d: d, t: t, out: out, known: map[int]bool{}, tick: o.tick}}
	p, err := population.New(population.Config{Tick: o.tick}, watchers...)
	if err != nil {
		return nil, err
	}
	places := map[*rehearsal.Cell]int{}
	d.Observe = func(at time.Time, c *rehearsal.Cell, e *rehearsal.Evidence, bits float64) {
		if !e.TwoKeys() {
			return // it could not be told of
		}
		i, ok := places[c]
		if !ok {
			i = len(out.rehearsal.Identities)
			places[c] = i
			out.rehearsal.Identities = append(out.rehearsal.Identities, score.Identity{})
		}
		out.rehearsal.Identities[i].Rise(score.Alert{At: at, Score: bits, Subjects: slices.Clone(c.Members), Queue: rehearsal.Name})
	}
	take, end := func(*vedette.Event) {}, func(*world.Truth) {}
	if o.beside != nil {
		take, end = o.beside(w)
	}
	begin := time.Now()
	if err := through(ctx, w, func(e *vedette.Event) {
		if o.change != nil {
			o.change(e)
		}
		p.Take(0, e)
		take(e)
	}); err != nil {
		return nil, err
	}
	p.End(out.truth.End)
	end(out.truth)
	out.seconds = time.Since(begin).Seconds()
	out.rehearsal.Truth = out.truth
	out.counts, out.accounts = p.Counts(), p.State().Len()
	out.budget, out.targeted = d.Budget(), t.Budget()
	return out, nil
}

// vouchers says for whom partners vouched before the world began.
type vouchers struct{ w *world.World }

func (v vouchers) Vouched(a vedette.AccountID) (time.Time, bool) {
	return time.Time{}, v.w.Vouched(a)
}

// both are the alerts of both queues.
func (p *played) both() []score.Alert { return append(slices.Clone(p.cells), p.contacts...) }

// digest is of all findings, in order.
func (p *played) digest() vedette.Digest {
	b, err := json.Marshal(p.findings)
	if err != nil {
		panic("findings have no JSON: " + err.Error()) // cannot happen: they are numbers, names and texts
	}
	return vedette.Digest(sha256.Sum256(b))
}
