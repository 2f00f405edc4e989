package rehearsal

import (
	"cmp"
	"math"
	"slices"
	"time"

	"vedette"
)

// Budget holds what was promised against what came. The promise is about false alerts a week (PFER, Gordon et al. 2007), not about a share of alerts:
// with almost no true ones a false discovery rate promises nothing.
type Budget struct {
	PerWeek  float64           // promised
	Bound    vedette.MilliBits // an alert needs a higher score; 0: none is set yet
	Set      time.Time         // when Bound was set
	Weeks    float64           // of the platform's own history that it was set on
	Alerts   int               // since then
	False    int               // of those, judged wrong or unclear, or not judged within a week: the team had the work
	Measured float64           // false alerts a week since then
	next     time.Time         // of the controller
	before   int
}

// stride is how far a week's mistake moves the bound, in milli-bits an alert. The long-run mean error is at most the range of the bound over stride times
// weeks, whatever the platform does (Gibbs & Candès 2021).
const stride = 150

// weigh sets the bound when the learning time is over, and moves it each week by what the alerts of the week before were.
func (d *Detector) weigh(at time.Time) {
	b := &d.budget
	learned := d.begun.Add(d.cfg.WarmUp + d.cfg.Learning)
	if at.Before(learned) {
		return
	}
	if b.Set.IsZero() {
		b.Weeks = d.cfg.Learning.Hours() / 168
		var own []vedette.MilliBits
		for _, c := range d.cells {
			if c.Judged != Confirmed && !c.At.Before(learned.Add(-d.cfg.Learning)) {
				own = append(own, c.Score)
			}
		}
		own = append(own, d.past...)
		slices.SortFunc(own, func(x, y vedette.MilliBits) int { return cmp.Compare(y, x) })
		b.Set, b.next = at, at.Add(7*24*time.Hour)
		b.Bound = 1000 * vedette.MilliBits(leastScore)
		if k := allowed(b.PerWeek * b.Weeks); k < len(own) {
			b.Bound = max(b.Bound, own[k])
		}
		return
	}
	for !at.Before(b.next) {
		wrong := 0
		for _, c := range d.cells {
			if !c.Alerted.IsZero() && c.Judged != Confirmed && !c.Alerted.Before(b.next.Add(-7*24*time.Hour)) && c.Alerted.Before(b.next) {
				wrong++
			}
		}
		b.False += wrong
		b.Measured = float64(b.False) / (b.next.Sub(b.Set).Hours() / 168)
		b.Bound = max(1000*vedette.MilliBits(leastScore), b.Bound+vedette.MilliBits(math.Round(stride*(float64(wrong)-b.PerWeek))))
		b.next = b.next.Add(7 * 24 * time.Hour)
	}
}

// allowed is how many of the platform's own cells may lie over the bound in the time that it is set on, so that the true rate is within the promise with a
// confidence of 90 %: the largest k with P(Poisson(expected) ≤ k) ≤ 10 %, which is chi-squared's bound χ²₀.₉(2k+2)/2 ≤ expected; 0 where none is.
func allowed(expected float64) int {
	below, p := 0.0, math.Exp(-expected)
	for k := 0; ; k++ {
		if below += p; below > .1 {
			return max(0, k-1)
		}
		p *= expected / float64(k+1)
	}
}

// Budget is what was promised and what came.
func (d *Detector) Budget() Budget { return d.budget }

// Judge takes what a person made of a finding. Its error wraps vedette.ErrUnknown where no such cell is followed.
func (d *Detector) Judge(cell vedette.Digest, what Disposition) error {
	for _, c := range d.cells {
		if c.ID == cell {
			c.Judged = what
			return nil
		}
	}
	return errNoCell
}
