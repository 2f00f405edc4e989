package score

import (
	"math"
	"math/rand/v2"
	"slices"

	"vedette/sim"
)

// AtLeast is P(X ≥ k) of a binomial count of n at p: the exact sum of its tail.
func AtLeast(k, n int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n || p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	gamma := func(x int) float64 { g, _ := math.Lgamma(float64(x) + 1); return g }
	var terms []float64
	for i := k; i <= n; i++ {
		terms = append(terms, math.Exp(gamma(n)-gamma(i)-gamma(n-i)+float64(i)*math.Log(p)+float64(n-i)*math.Log1p(-p)))
	}
	return min(1, sum(terms))
}

// PoissonAtLeast is P(X ≥ k) of a Poisson count of which so many are expected: the exact sum of its shorter tail.
func PoissonAtLeast(k int, expected float64) float64 {
	switch {
	case k <= 0:
		return 1
	case expected <= 0:
		return 0
	}
	term := func(i int) float64 {
		g, _ := math.Lgamma(float64(i) + 1)
		return math.Exp(float64(i)*math.Log(expected) - expected - g)
	}
	var terms []float64
	if float64(k) <= expected {
		for i := range k {
			terms = append(terms, term(i))
		}
		return max(0, 1-sum(terms))
	}
	for i := k; ; i++ {
		x := term(i)
		terms = append(terms, x)
		if x < 1e-18*terms[0] || x == 0 {
			return min(1, sum(terms))
		}
	}
}

// sum adds the smallest first, so that little is lost.
func sum(terms []float64) (s float64) {
	slices.Sort(terms)
	for _, x := range terms {
		s += x
	}
	return s
}

// Goal is a share that is to be reached, held against a count. It holds if so many misses, or more, would come in one of twenty trials of something that just
// reaches it.
type Goal struct {
	Share float64 `json:"share"`
	P     float64 `json:"p"` // of so many misses or more, if the share were just reached
	Holds bool    `json:"holds"`
}

// Reaches tests a goal on k of n.
func Reaches(goal float64, k, n int) Goal {
	p := AtLeast(n-k, n, 1-goal)
	return Goal{Share: goal, P: p, Holds: p >= .05}
}

// Promise is a number of false alerts that was promised, held against what came. It is broken only if so many would come in less than one of a hundred
// trials.
type Promise struct {
	Expected float64 `json:"expected"`
	False    int     `json:"false"`
	P        float64 `json:"p"` // of so many or more, if the promise is true
	Kept     bool    `json:"kept"`
}

// Keeps tests a promise.
func Keeps(expected float64, came int) Promise {
	p := PoissonAtLeast(came, expected)
	return Promise{Expected: expected, False: came, P: p, Kept: p >= .01}
}

// Share is a part of a count, with Wilson's interval of 95 %.
type Share struct {
	K    int     `json:"k"`
	N    int     `json:"n"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// ShareOf makes a share.
func ShareOf(k, n int) Share {
	s := Share{K: k, N: n}
	s.Low, s.High = sim.Wilson(k, n)
	return s
}

// Part is the share as part of 1; 0 of nothing.
func (s Share) Part() float64 {
	if s.N == 0 {
		return 0
	}
	return float64(s.K) / float64(s.N)
}

// Interval is a number with its interval of 95 %. What could not be measured has no N.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	N     int     `json:"n"` // that it was measured on
}

// draws of a bootstrap, and their seed.
const (
	draws = 2000
	seed  = 0x7665646574746531
)

// bootstrap gives the 95 % interval of a statistic by the percentile method, over drawn worlds and, within them, drawn campaigns: accounts and campaigns of
// one world share its accidents. A draw in which the statistic cannot be measured is drawn anew, at most as often as there are draws.
//
// Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13; for two stages A. C. Davison and D. V. Hinkley,
// Bootstrap Methods and their Application (1997), section 3.8.
func bootstrap(worlds int, of func(draw []drawn) (float64, bool), sizes func(world int) int) (low, high float64, ok bool) {
	rng := rand.New(rand.NewPCG(seed, uint64(worlds)))
	values := make([]float64, 0, draws)
	draw := make([]drawn, worlds)
	for try := 0; try < 2*draws && len(values) < draws && worlds > 0; try++ {
		for i := range draw {
			w := rng.IntN(worlds)
			draw[i].world, draw[i].of = w, draw[i].of[:0]
			if n := sizes(w); n > 0 {
				for range n {
					draw[i].of = append(draw[i].of, rng.IntN(n))
				}
			}
		}
		if v, ok := of(draw); ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return 0, 0, false
	}
	slices.Sort(values)
	at := func(q float64) float64 { return values[min(int(q*float64(len(values))), len(values)-1)] }
	return at(.025), at(.975), true
}

// drawn is a world that was drawn, with the places of what was drawn in it.
type drawn struct {
	world int
	of    []int
}

func mean(list []float64) (float64, bool) {
	if len(list) == 0 {
		return 0, false
	}
	s := 0.0
	for _, x := range list {
		s += x
	}
	return s / float64(len(list)), true
}

func median(list []float64) (float64, bool) {
	n := len(list)
	if n == 0 {
		return 0, false
	}
	slices.Sort(list)
	return (list[n/2] + list[(n-1)/2]) / 2, true
}
