package score

import (
	"cmp"
	"math"
	"slices"
)

// Allowed is how many honest identities may lie over a bound in the weeks that it is set on, so that the true rate is within the promise with a confidence of
// 90 %: the largest k with P(Poisson(expected) ≤ k) ≤ 10 %; -1 where there is none. It is the watch's own rule.
func Allowed(expected float64) int {
	below, p := 0.0, math.Exp(-expected)
	for k := 0; ; k++ {
		if below += p; below > .1 {
			return k - 1
		}
		p *= expected / float64(k+1)
	}
}

// Learned sets the bound of a world as the watch does: on the learning weeks, without what analysts confirmed to be an operator's. Where the history is too short
// for the promise, the highest score is the bound.
func (j *Judge) Learned(x *Trial, b Budget) float64 {
	t := x.Truth
	var own []float64
	for i := range x.Identities {
		rises := x.Identities[i].Rises
		for k := len(rises) - 1; k >= 0; k-- {
			if r := &rises[k]; !r.At.Before(t.Learning) && r.At.Before(t.Test) {
				if j.Operator(r) < 0 {
					own = append(own, r.Score)
				}
				break
			}
		}
	}
	k := max(0, Allowed(b.In(t)*weeks(t.Learning, t.Test)))
	if k >= len(own) {
		return math.Inf(-1)
	}
	slices.SortFunc(own, func(a, b float64) int { return cmp.Compare(b, a) })
	return own[k]
}

// Hindsight is the lowest bound at which the test weeks of all worlds together have no more false alerts than the promise allows. Nobody could have set it;
// it takes luck in setting bounds out of a comparison. Identities of one score stand or fall together.
func Hindsight(b Budget, trials ...*Trial) float64 {
	type step struct {
		at float64
		by int
	}
	var steps []step
	allowed := 0.0
	for _, x := range trials {
		j := NewJudge(x.Truth)
		allowed += b.In(x.Truth) * weeks(x.Truth.Test, x.Truth.End)
		for i := range x.Identities {
			last := math.Inf(-1)
			for k := range x.Identities[i].Rises {
				r := &x.Identities[i].Rises[k]
				if r.At.Before(x.Truth.Test) || !r.At.Before(x.Truth.End) {
					continue
				}
				// As the bound falls, the identity is told of at this rise from its score on, until the bound falls below the rise before.
				if j.Operator(r) < 0 {
					steps = append(steps, step{r.Score, 1})
					if !math.IsInf(last, -1) {
						steps = append(steps, step{last, -1})
					}
				}
				last = r.Score
			}
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(b.at, a.at) })
	told := 0
	for i := 0; i < len(steps); {
		at := steps[i].at
		for ; i < len(steps) && steps[i].at == at; i++ {
			told += steps[i].by
		}
		if float64(told) > allowed+1e-9 {
			return at
		}
	}
	return math.Inf(-1)
}
