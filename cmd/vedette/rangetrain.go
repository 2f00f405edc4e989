package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/sim/world"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

// lesson is one group that a model is taught with.
type lesson struct {
	playbook string // "": honest
	weight   float64
	x        []float64
}

// lessons plays worlds and takes their groups: of an operator those that are mostly his members and hold half of them, before his first target; of the honest
// one in ten, and every one that already looks like something.
func lessons(s *world.Scenario, seeds []uint64, told func(seed uint64, n int)) ([]lesson, error) {
	var out []lesson
	for _, seed := range seeds {
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
			x       []float64
		}
		var samples []sample
		n := 0
		d.Sample = func(at time.Time, members []vedette.AccountID, e *rehearsal.Evidence) {
			x := e.Inputs()
			samples = append(samples, sample{at, members, slices.Clone(x[:])})
		}
		w.Play(func(e *vedette.Event) bool { p.Take(0, e); return true })
		truth := w.Truth()
		p.End(truth.End)
		team := map[vedette.AccountID]*world.Team{}
		for i := range truth.Teams {
			t := &truth.Teams[i]
			if !t.Hostile {
				continue
			}
			for _, a := range t.Members {
				team[a] = t
			}
		}
		for i := range samples {
			s := &samples[i]
			if s.at.Before(truth.Start.Add(14 * 24 * time.Hour)) {
				continue
			}
			var of *world.Team
			most := 0
			for _, a := range s.members {
				t := team[a]
				if t == nil {
					continue
				}
				m := 0
				for _, b := range s.members {
					if team[b] == t {
						m++
					}
				}
				if m > most {
					of, most = t, m
				}
			}
			switch {
			case of != nil && 3*most >= 2*len(s.members) && 2*most >= len(of.Members) && !s.at.Before(of.Begins) && (len(of.Targets) == 0 || s.at.Before(of.Targets[0].At.Add(48*time.Hour))):
				out = append(out, lesson{of.Kind, 1, s.x})
			case of != nil: // some of both: teaches nothing
			case n%10 == 0 || slices.Max(s.x[:21]) >= 7 && n%3 == 0:
				out = append(out, lesson{"", 1, s.x})
			}
			n++
		}
		if told != nil {
			told(seed, len(out))
		}
	}
	return out, nil
}

// teach makes a filter for each playbook, and one for all of them, by logistic regression with an L2 penalty in which no surprise may count against a cell but
// that of writing to strangers in vain: what nobody has rehearsed yet must not look harmless because it looks strange.
func teach(ls []lesson, without string) *rehearsal.Model {
	m := &rehearsal.Model{Version: 1}
	books := map[string]bool{}
	for _, l := range ls {
		if l.playbook != "" && l.playbook != without && !strings.HasPrefix(l.playbook, "L5") {
			books[l.playbook] = true
		}
	}
	names := make([]string, 0, len(books))
	for b := range books {
		names = append(names, b)
	}
	slices.Sort(names)
	for _, name := range append(names, "all") {
		m.Filters = append(m.Filters, regress(ls, name, without))
	}
	return m
}

func regress(ls []lesson, name, without string) rehearsal.Filter {
	var xs [][]float64
	var ys, ws []float64
	positive := map[string]float64{}
	for _, l := range ls {
		if l.playbook != "" {
			positive[l.playbook]++
		}
	}
	honest := 0.0
	for _, l := range ls {
		switch {
		case l.playbook == "":
			honest++
			xs, ys, ws = append(xs, l.x), append(ys, 0), append(ws, 1)
		case l.playbook == without || strings.HasPrefix(l.playbook, "L5"):
		case name == "all" || l.playbook == name:
			xs, ys, ws = append(xs, l.x), append(ys, 1), append(ws, 1/positive[l.playbook])
		}
	}
	books := 0.0
	for i, y := range ys {
		if y == 1 {
			books += ws[i]
		}
	}
	for i := range ws { // both sides weigh as much: the prior is the curve's business
		if ys[i] == 1 {
			ws[i] /= 2 * books
		} else {
			ws[i] /= 2 * honest
		}
	}
	n := len(xs[0])
	w, bias := make([]float64, n), 0.0
	grad, second := make([]float64, n+1), make([]float64, n+1)
	const penalty = 2e-4
	for step := range 1500 {
		clear(grad)
		clear(second)
		for i, x := range xs {
			z := bias
			for j, v := range x {
				z += w[j] * v
			}
			p := 1 / (1 + math.Exp(-z))
			g := ws[i] * (p - ys[i])
			for j, v := range x {
				grad[j] += g * v
			}
			grad[n] += g
		}
		rate := 0.15 / (1 + float64(step)/400)
		for j := range w {
			g := grad[j] + penalty*w[j]
			second[j] = g
			w[j] -= rate * g
			switch {
			case j == int(rehearsal.Outreach):
				w[j] = min(w[j], 0)
			case j == n-1: // the size counts either way
			default:
				w[j] = max(w[j], 0)
			}
		}
		bias -= rate * grad[n]
	}
	f := rehearsal.Filter{Name: name, Bias: round4(bias)}
	for _, v := range w {
		f.Weights = append(f.Weights, round4(v))
	}
	return f
}

func round4(x float64) float64 { return math.Round(1e4*x) / 1e4 }

var _ = cmp.Compare[int]
var _ = fmt.Sprint
