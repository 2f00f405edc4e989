package rehearsal

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"vedette"
)

// Pace finds accounts that began together, from the times of their beginnings alone: runs that come faster than the place in time explains. Its defaults are
// those that had the best F1 on the earlier half of groups that others published; docs/evaluation.md has what they find in the later half.
//
// A run is held against its own surroundings, without itself: an evening, a campaign or a growing platform is fast for everybody, and surprises nobody. The
// candidates are the nodes of the single linkage of the times, which are all the runs that any cut at a gap would give, one after another and not one gap for
// all. Of those that pass, the widest are told; they never overlap.
//
// What it cannot tell: one hand from a wave. A lecture, a viral post or a shop that sets up phones begins accounts together as well, and whoever waits between
// two accounts as long as the platform does is invisible to it. It is one channel, and no channel is enough alone.
//
// Source: J. Glaz, J. Naus, S. Wallenstein, "Scan Statistics" (2001), for the tail of the count in a window; M. Kulldorff, "A spatial scan statistic",
// Communications in Statistics 26 (1997), for windows of every size, held against what is outside; Y. Zhang et al., "Model-based analysis of ChIP-Seq", Genome
// Biology 9 (2008), for the rate as the largest of several local ones.
type Pace struct {
	// Grain is how fine the clock is: what falls into one grain has one time. Default 1s; more than 0, at most an hour.
	Grain time.Duration
	// Ratio is how many times as fast as its surroundings a run is at least. Default 2; at least 1. The larger it is, the closer and the smaller are the runs.
	Ratio float64
	// Least is how surprising a run is at least, pace and regularity together. Default 8000 milli-bits. Of n accounts about n runs are looked at, so that the
	// best of them has log2 n bits by chance.
	Least vedette.MilliBits
	// Few and Most are the sizes of runs. Default 3 to 100; at least 2, at most 1000. What is larger is a wave, of which a part may be a run, if it is faster than
	// the rest of it. Most spares the platform's waves, and costs the operators who begin more accounts than that at one go: theirs go to pieces or unseen.
	Few, Most int
}

func (p Pace) withDefaults() Pace {
	p.Grain = cmp.Or(p.Grain, time.Second)
	p.Ratio = cmp.Or(p.Ratio, 2)
	p.Least = cmp.Or(p.Least, 8000)
	p.Few = cmp.Or(p.Few, 3)
	p.Most = cmp.Or(p.Most, 100)
	return p
}

// Validate names what is out of range.
func (p Pace) Validate() error {
	p = p.withDefaults()
	switch {
	case p.Grain < 0 || p.Grain > time.Hour:
		return fmt.Errorf("pace.grain: %s is not over 0 and at most 1h: %w", p.Grain, vedette.ErrInvalid)
	case !(p.Ratio >= 1):
		return fmt.Errorf("pace.ratio: %v is under 1: %w", p.Ratio, vedette.ErrInvalid)
	case p.Few < 2 || p.Most < p.Few || p.Most > 1000:
		return fmt.Errorf("pace.few, pace.most: %d to %d is not within 2 to 1000: %w", p.Few, p.Most, vedette.ErrInvalid)
	}
	return nil
}

// around are how many accounts on each side of a run its surroundings are, once for the hour and once for the day. The faster of both rates is taken: it spares
// the waves that are longer than a run, and costs the runs at the edge of a wave.
var around = [2]int{50, 200}

// leastAround is how many accounts must be around a run for a rate to be known. Where there are fewer, nothing is told.
const leastAround = 20

// Run are accounts that began together.
type Run struct {
	Members  []int // indices of the times that were given, in the order of time
	From, To time.Time
	Ratio    float64           // how many times as fast as its surroundings
	Surprise vedette.MilliBits // at so many accounts in so short a time
	Regular  vedette.MilliBits // at the likeness of its gaps; under 0, at worst -2000, where they are as unlike as chance has them, or more
}

// Runs returns the runs of the times of beginning, in the order of time. The times may come in any order, and the order of equal ones changes no run. Runs takes
// n log n steps for n times, and Most more for each.
func (p Pace) Runs(births []time.Time) ([]Run, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	p = p.withDefaults()
	order := make([]int, len(births))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(births[a].Compare(births[b]), cmp.Compare(a, b)) })
	if len(order) == 0 {
		return nil, nil
	}
	at := make([]float64, len(order)) // grains since the first
	for i, j := range order {
		at[i] = float64(births[j].Sub(births[order[0]])) / float64(p.Grain)
	}
	var out []Run
	nodes := linkage(at)
	open := make([]int, 0, 64)
	if len(nodes) > 0 {
		open = append(open, len(nodes)-1)
	}
	for len(open) > 0 { // from the widest down
		n := &nodes[open[len(open)-1]]
		open = open[:len(open)-1]
		if n.to-n.from < p.Few { // what is in it is smaller still
			continue
		}
		if n.to-n.from <= p.Most {
			if r, ok := measureRun(at, n.from, n.to); ok && r.Ratio >= p.Ratio && r.Surprise+r.Regular >= p.Least {
				r.Members = slices.Clone(order[n.from:n.to])
				r.From, r.To = births[order[n.from]], births[order[n.to-1]]
				out = append(out, r)
				continue
			}
		}
		open = append(open, n.parts...)
	}
	slices.SortFunc(out, func(a, b Run) int { return a.From.Compare(b.From) })
	return out, nil
}

// stretch is a node of the single linkage of times: all of at[from:to] whose neighbours are no further apart than some gap.
type stretch struct {
	from, to int
	parts    []int // the nodes in it, those of smaller gaps
}

// linkage is the single linkage of times in order, its root last. Equal gaps are merged at once, so that no order is made up among them. In one dimension
// it is the Cartesian tree of the gaps, made in one pass.
func linkage(at []float64) []stretch {
	type growing struct {
		gap float64
		s   stretch
	}
	var nodes []stretch
	var open []growing // gaps fall from the bottom up
	for i := range at {
		gap := math.Inf(1)
		if i+1 < len(at) {
			gap = at[i+1] - at[i]
		}
		from, part := i, -1
		for len(open) > 0 && open[len(open)-1].gap < gap {
			g := open[len(open)-1]
			open = open[:len(open)-1]
			if part >= 0 {
				g.s.parts = append(g.s.parts, part)
			}
			g.s.to = i + 1
			nodes = append(nodes, g.s)
			from, part = g.s.from, len(nodes)-1
		}
		if i+1 == len(at) {
			break
		}
		if len(open) == 0 || open[len(open)-1].gap > gap {
			open = append(open, growing{gap, stretch{from: from}})
		}
		if part >= 0 {
			top := &open[len(open)-1]
			top.s.parts = append(top.s.parts, part)
		}
	}
	return nodes
}

// measureRun measures at[from:to], times in grains; not ok where too little is around it.
func measureRun(at []float64, from, to int) (r Run, ok bool) {
	rate, ok := rateAround(at, from, to)
	if !ok {
		return r, false
	}
	n := to - from
	expected := rate * (at[to-1] - at[from] + 1) // a run is at least a grain long
	r.Ratio = float64(n-1) / expected
	r.Surprise = milli(poisson(n-1, expected)) // the first one began the run, and counts not for it
	r.Regular = milli(regular(at[from:to]))
	return r, true
}

// rateAround is how many accounts a grain begin around at[from:to], which is left out. One more is counted than there are: of few, the rate is not known well, and it
// is the surprise that shall be too small.
func rateAround(at []float64, from, to int) (rate float64, ok bool) {
	for _, k := range around {
		a, b := max(0, from-k), min(len(at)-1, to-1+k)
		m := from - a + b - (to - 1)
		if m < leastAround {
			return 0, false
		}
		span := at[from] - at[a] + at[b] - at[to-1]
		rate = max(rate, float64(m+1)/max(span, 1))
	}
	return rate, true
}

// poisson is -log2 P(X ≥ n) of a Poisson number with mean mu, exact to the float's end in both directions.
func poisson(n int, mu float64) float64 {
	if n <= 0 || mu <= 0 {
		return 0
	}
	lg, _ := math.Lgamma(float64(n + 1))
	first := float64(n)*math.Log(mu) - mu - lg // log P(X = n)
	if float64(n) <= mu {                      // the tail is large: what is below it is summed, from the top down
		sum, term := 0.0, 1.0
		for k := n; k > 0; k-- {
			term *= float64(k) / mu
			sum += term
			if term < 1e-17*sum {
				break
			}
		}
		return max(0, -math.Log1p(-min(1, math.Exp(first)*sum))/math.Ln2)
	}
	sum, term := 1.0, 1.0
	for k := n + 1; term > 1e-17*sum; k++ {
		term *= mu / float64(k)
		sum += term
	}
	return max(0, -(first+math.Log(sum))/math.Ln2)
}

// likeness are how alike gaps may be: the shapes of gamma distributions, of which 1 is chance and 8 is a script that waits about equally long. Nobody knows
// which, so that their mean is taken: it is a likelihood ratio, and costs two bits at most.
var likeness = [4]float64{1, 2, 4, 8}

// regular is how much better gaps that are alike explain the times than chance does, in bits: by chance, the parts into which n beginnings cut the time from the
// first to the last are spread evenly over everything that sums to one (Moran 1947); of gamma gaps they are a Dirichlet distribution. Under three gaps say
// nothing, and neither does what happened in one grain.
func regular(at []float64) float64 {
	m := float64(len(at) - 1)
	if m < 3 || at[len(at)-1] == at[0] {
		return 0
	}
	var total, logs float64
	for i := range at[1:] {
		g := max(at[i+1]-at[i], .5) // nothing is finer than the grain
		total += g
		logs += math.Log(g)
	}
	logs -= m * math.Log(total)
	lg := func(x float64) float64 { v, _ := math.Lgamma(x); return v }
	sum := 0.0
	for _, k := range likeness {
		sum += math.Exp2((lg(m*k) - m*lg(k) - lg(m) + (k-1)*logs) / math.Ln2)
	}
	return min(512, math.Log2(sum/float64(len(likeness))))
}
