package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette"
	"vedette/sim/world"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

// lesson is one group that a model is taught with.
type lesson struct {
	Playbook string // "": honest
	Size     int
	Bits     [rehearsal.Features]float64
}

// lessons plays a world and takes its groups once a day: of an operator those that are mostly his members and hold half of them, until two days after his
// first target; of the honest one in ten, and one in three of those that look like something.
func lessons(ctx context.Context, s *world.Scenario, seed uint64) ([]lesson, error) {
	w, err := world.New(s, seed)
	if err != nil {
		return nil, err
	}
	d, err := rehearsal.New(rehearsal.Config{}, &rehearsal.Model{Version: 1})
	if err != nil {
		return nil, err
	}
	p, err := population.New(population.Config{Tick: 24 * time.Hour}, d)
	if err != nil {
		return nil, err
	}
	type sample struct {
		at      time.Time
		members []vedette.AccountID
		lesson
	}
	var samples []sample
	d.Sample = func(at time.Time, members []vedette.AccountID, e *rehearsal.Evidence) {
		samples = append(samples, sample{at, members, lesson{Size: e.Size, Bits: e.Bits}})
	}
	if err := through(ctx, w, func(e *vedette.Event) { p.Take(0, e) }); err != nil {
		return nil, err
	}
	truth := w.Truth()
	p.End(truth.End)
	team := operators(truth)
	var out []lesson
	honest := 0
	for i := range samples {
		s := &samples[i]
		if s.at.Before(truth.Start.Add(17 * 24 * time.Hour)) {
			continue
		}
		of, n := mostly(team, s.members)
		loud := 0
		for f, b := range s.Bits {
			if b >= 5 && rehearsal.Feature(f) != rehearsal.Outreach {
				loud++
			}
		}
		switch {
		case of == nil:
			if honest++; honest%10 == 0 || loud >= 3 && honest%3 == 0 {
				out = append(out, s.lesson)
			}
		case 3*n >= 2*len(s.members) && 2*n >= len(of.Members) && !s.at.Before(of.Begins) && (len(of.Targets) == 0 || s.at.Before(of.Targets[0].At.Add(48*time.Hour))):
			s.Playbook = of.Kind
			out = append(out, s.lesson)
		}
	}
	return out, nil
}

// allLessons plays worlds two at a time. The lessons are in the worlds' order.
func allLessons(ctx context.Context, s *world.Scenario, seeds []uint64) ([]lesson, error) {
	lists, errs := make([][]lesson, len(seeds)), make([]error, len(seeds))
	var wg sync.WaitGroup
	limit := make(chan struct{}, 2)
	for i, seed := range seeds {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			lists[i], errs[i] = lessons(ctx, s, seed)
		})
	}
	wg.Wait()
	return slices.Concat(lists...), errors.Join(errs...)
}

// operators says of which operator's team an account is.
func operators(truth *world.Truth) map[vedette.AccountID]*world.Team {
	team := map[vedette.AccountID]*world.Team{}
	for i := range truth.Teams {
		if t := &truth.Teams[i]; t.Hostile {
			for _, a := range t.Members {
				team[a] = t
			}
		}
	}
	return team
}

// mostly finds the team that most of some accounts are of.
func mostly(team map[vedette.AccountID]*world.Team, members []vedette.AccountID) (of *world.Team, n int) {
	for _, a := range members {
		t := team[a]
		if t == nil {
			continue
		}
		m := 0
		for _, b := range members {
			if team[b] == t {
				m++
			}
		}
		if m > n || m == n && t.Name < of.Name {
			of, n = t, m
		}
	}
	return of, n
}

// teach makes a filter for each playbook and one for all of them. L5 is no rehearsal that anybody could see, and teaches nothing.
func teach(ls []lesson) *rehearsal.Model {
	honest, books, names := byBook(ls)
	m := &rehearsal.Model{Version: 1, Filters: make([]rehearsal.Filter, len(names)+1)}
	var all [][]lesson
	for _, n := range names {
		all = append(all, books[n])
	}
	var wg sync.WaitGroup
	limit := make(chan struct{}, 2)
	for i, name := range append(names, together) {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			own := all
			if name != together {
				own = [][]lesson{books[name]}
			}
			m.Filters[i] = regress(name, own, honest)
		})
	}
	wg.Wait()
	return m
}

// together is the name of the filter of all playbooks.
const together = "all"

// leaveOut makes the model that teach would have made had nobody seen some playbooks.
func leaveOut(m *rehearsal.Model, ls []lesson, without ...string) *rehearsal.Model {
	honest, books, names := byBook(ls)
	out := &rehearsal.Model{Version: m.Version, Made: m.Made + ", without " + strings.Join(without, " and ")}
	for _, f := range m.Filters {
		if f.Name != together && !slices.Contains(without, f.Name) {
			out.Filters = append(out.Filters, f)
		}
	}
	var own [][]lesson
	for _, n := range names {
		if !slices.Contains(without, n) {
			own = append(own, books[n])
		}
	}
	out.Filters = append(out.Filters, regress(together, own, honest))
	return out
}

func byBook(ls []lesson) (honest []lesson, books map[string][]lesson, names []string) {
	books = map[string][]lesson{}
	for _, l := range ls {
		switch {
		case l.Playbook == "":
			honest = append(honest, l)
		case !strings.HasPrefix(l.Playbook, "L5"):
			books[l.Playbook] = append(books[l.Playbook], l)
		}
	}
	return honest, books, sorted(books)
}

const (
	disguised = .5    // share of an operator's groups that are shown disguised
	perBook   = 2500  // lessons of a playbook, with its disguises
	perRound  = 24000 // honest groups in a round
	rounds    = 3
	descent   = 250
	ridge     = 1.5e-4
	against   = 20 // how much more all honest groups weigh than all of a playbook's: what is asked is a tail, not a half
)

const cards = int(rehearsal.Features) * rehearsal.Levels

// thermometer lists the steps that a group's features pass.
func thermometer(bits *[rehearsal.Features]float64) []uint16 {
	var on []uint16
	for f, b := range bits {
		for l := range rehearsal.Level(b) {
			on = append(on, uint16(f*rehearsal.Levels+l))
		}
	}
	return on
}

// regress makes a filter by logistic regression with an L2 penalty on the steps between levels. Half of an operator's groups are shown as they are, and half
// disguised: one channel replaced by an honest group's, as if he had learned to hide that. Honest groups are chosen in rounds, those first that the round
// before took for a cell.
func regress(name string, books [][]lesson, honest []lesson) rehearsal.Filter {
	rng := rand.New(rand.NewPCG(17, uint64(len(name)))) // the same lessons teach the same
	var xs [][]uint16
	var ys, ws []float64
	add := func(bits *[rehearsal.Features]float64, y, w float64) {
		xs, ys, ws = append(xs, thermometer(bits)), append(ys, y), append(ws, w)
	}
	for _, b := range books {
		n := min(perBook, 6*len(b))
		for i := range n {
			l := b[i%len(b)]
			if n == perBook {
				l = b[rng.IntN(len(b))]
			}
			if rng.Float64() < disguised {
				c := rehearsal.Channel(rng.IntN(int(rehearsal.Channels)))
				o := &honest[rng.IntN(len(honest))]
				for f := range l.Bits {
					if rehearsal.ChannelOf(rehearsal.Feature(f)) == c {
						l.Bits[f] = o.Bits[f]
					}
				}
			}
			add(&l.Bits, 1, 1/float64(n*len(books)))
		}
	}
	positive := len(xs)
	w, bias := make([]float64, cards), 0.0
	all := make([][]uint16, len(honest))
	for i := range honest {
		all[i] = thermometer(&honest[i].Bits)
	}
	order := make([]int, len(honest))
	scores := make([]float64, len(honest))
	for round := range rounds {
		xs, ys, ws = xs[:positive], ys[:positive], ws[:positive]
		for i := range order {
			order[i], scores[i] = i, bias
			for _, j := range all[i] {
				scores[i] += w[j]
			}
		}
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if round > 0 {
			slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
			tail := order[min(len(order), perRound/2):]
			rng.Shuffle(len(tail), func(i, j int) { tail[i], tail[j] = tail[j], tail[i] })
		}
		take := order[:min(len(order), perRound)]
		for _, i := range take {
			xs, ys, ws = append(xs, all[i]), append(ys, 0), append(ws, against/float64(len(take)))
		}
		descend(xs, ys, ws, w, &bias)
	}
	f := rehearsal.Filter{Name: name, Bias: int(math.Round(1000 * bias))}
	for i := range f.Cards {
		sum := 0.0
		for l := range rehearsal.Levels {
			sum += w[i*rehearsal.Levels+l]
			f.Cards[i][l+1] = int(math.Round(1000 * sum))
		}
	}
	return f
}

// descend goes down the weighted logistic loss by accelerated gradients (Nesterov), at the pace that the loss's curvature allows: at most a quarter of what a group passes.
func descend(xs [][]uint16, ys, ws, w []float64, bias *float64) {
	n := len(w)
	total, most := 0.0, 0
	for i, x := range xs {
		total += ws[i]
		most = max(most, len(x)+1)
	}
	rate := 4 / (total * float64(min(most, 60)))
	v, last := slices.Clone(w), slices.Clone(w)
	vb, lb := *bias, *bias
	grad := make([]float64, n)
	for step := range descent {
		clear(grad)
		gb := 0.0
		for i, x := range xs {
			z := vb
			for _, j := range x {
				z += v[j]
			}
			g := ws[i] * (1/(1+math.Exp(-z)) - ys[i])
			for _, j := range x {
				grad[j] += g
			}
			gb += g
		}
		m := float64(step) / float64(step+3)
		for j := range w {
			next := v[j] - rate*(grad[j]+ridge*total*v[j])
			v[j], last[j] = next+m*(next-last[j]), next
		}
		next := vb - rate*gb
		vb, lb = next+m*(next-lb), next
	}
	copy(w, last)
	*bias = lb
}
