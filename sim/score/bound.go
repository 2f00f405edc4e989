package score

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Allowed is how many honest identities may lie over a bound in the weeks that it is set on, so that the true rate is within the promise with a confidence of
// 90 %: the largest k with P(Poisson(expected) ≤ k) ≤ 10 %; -1 where there is none. It is for bounds that nothing corrects later.
func Allowed(expected float64) int {
	below, p := 0.0, math.Exp(-expected)
	for k := 0; ; k++ {
		if below += p; below > .1 {
			return k - 1
		}
		p *= expected / float64(k+1)
	}
}

// begins is how many may lie over the bound that the watch begins with: one fewer than are promised, so that as many as that are to be expected (watch/rehearsal).
func begins(expected float64) float64 { return max(0, expected-1) }

// Learned is the bound that the watch would begin the test weeks with: set on the learning weeks, without what analysts confirmed to be an operator's. Where the
// history is too short for the promise, the highest score is the bound.
func (j *Judge) Learned(x *Trial, b Budget) float64 {
	return j.set(x, x.Truth.Learning, x.Truth.Test, int(begins(b.In(x.Truth)*weeks(x.Truth.Learning, x.Truth.Test))))
}

// set is the score that over of the platform's own identities lie above, of those that rose in [from, to).
func (j *Judge) set(x *Trial, from, to time.Time, over int) float64 {
	var own []float64
	for i := range x.Identities {
		if r := x.Identities[i].last(from, to); r != nil && j.Operator(r) < 0 {
			own = append(own, r.Score)
		}
	}
	if over >= len(own) {
		return math.Inf(-1)
	}
	slices.SortFunc(own, func(a, b float64) int { return cmp.Compare(b, a) })
	return own[over]
}

// Weekly gives the alerts of the test weeks under the watch's own rule: the bound is set anew each week on the identities that rose in as many weeks as the
// learning had, and one more or fewer of them lies over it for each false alert fewer or more than were promised in the week before (watch/rehearsal). An
// identity that rose in the last week is told of when the bound comes down to it.
func (j *Judge) Weekly(x *Trial, b Budget) []Alert {
	const week = 7 * 24 * time.Hour
	t := x.Truth
	history := t.Test.Sub(t.Learning)
	expected := b.In(t) * weeks(t.Learning, t.Test)
	allowed := begins(expected)
	told := make([]bool, len(x.Identities))
	var out []Alert
	for at := t.Test; at.Before(t.End); at = at.Add(week) {
		bound := j.set(x, at.Add(-history), at, int(allowed))
		wrong := 0.0
		for i := range x.Identities {
			if told[i] {
				continue
			}
			var a *Alert
			if from := at.Add(-week); at.After(t.Test) {
				if r := x.Identities[i].last(maxTime(from, t.Test), at); r != nil && r.Score > bound {
					later := *r
					later.At = at
					a = &later
				}
			}
			if a == nil {
				a = x.Identities[i].over(bound, at, minTime(at.Add(week), t.End))
			}
			if a == nil {
				continue
			}
			told[i] = true
			out = append(out, *a)
			if j.Operator(a) < 0 {
				wrong++
			}
		}
		allowed = min(2*expected, max(0, allowed+b.In(t)-wrong))
	}
	return out
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
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
