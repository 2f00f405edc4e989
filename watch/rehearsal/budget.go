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
	Set      time.Time         // when Bound was first set
	Weeks    float64           // of the platform's own history that it was set on
	Alerts   int               // since then
	False    int               // of those, judged wrong or unclear, or not judged within a week: the team had the work
	Measured float64           // false alerts a week since then
	Over     float64           // cells of those weeks that may lie over the bound
	next     time.Time         // when it is set anew
}

// past is a cell that is no longer followed, as far as the bound needs it.
type past struct {
	Score vedette.MilliBits `json:"score"`
	At    time.Time         `json:"at"`
}

// weigh sets the bound when the learning time is over, and anew each week: on the scores that the platform's own cells reached in the last weeks, without what
// people confirmed to be an operator's. One fewer of them may lie over it than are promised
// for as many weeks: the rank of one more among them is even, so that over the k+1-th highest of a time k+1 are to be expected in the next one of that length
// (conformal prediction, Vovk et al. 2005). From then on more may, where fewer false alerts came than were promised, and fewer where more did: the long-run mean
// error is bounded whatever the platform does (Gibbs & Candès 2021).
func (d *Detector) weigh(at time.Time) {
	b := &d.budget
	if at.Before(d.begun.Add(d.cfg.WarmUp+d.cfg.Learning)) || at.Before(b.next) {
		return
	}
	b.Weeks = d.cfg.Learning.Hours() / 168
	expected := b.PerWeek * b.Weeks
	if b.Set.IsZero() {
		b.Set, b.next = at, at
		b.Over = max(0, expected-1)
	} else {
		wrong := 0
		for _, c := range d.cells {
			if !c.Alerted.IsZero() && c.Judged != Confirmed && !c.Alerted.Before(b.next.Add(-week)) && c.Alerted.Before(b.next) {
				wrong++
			}
		}
		b.False += wrong
		b.Measured = float64(b.False) / (b.next.Sub(b.Set).Hours() / 168)
		b.Over = min(2*expected, max(0, b.Over+correction*(b.PerWeek-float64(wrong))))
	}
	b.next = b.next.Add(week)
	if b.next.Before(at) {
		b.next = at.Add(week)
	}
	since := at.Add(-d.cfg.Learning)
	d.past = slices.DeleteFunc(d.past, func(p past) bool { return p.At.Before(since) })
	var own []vedette.MilliBits
	for _, c := range d.cells {
		if c.Judged != Confirmed && !c.At.Before(since) {
			own = append(own, c.Score)
		}
	}
	for _, p := range d.past {
		own = append(own, p.Score)
	}
	slices.SortFunc(own, func(x, y vedette.MilliBits) int { return cmp.Compare(y, x) })
	b.Bound = 1000 * vedette.MilliBits(leastScore)
	if k := int(b.Over); k < len(own) {
		b.Bound = max(b.Bound, own[k])
	}
}

const (
	week       = 7 * 24 * time.Hour
	correction = 1 // cells more or fewer over the bound, for each false alert a week less or more than promised
)

// Allowed is how many of the platform's own may lie over the bound in the time that it is set on, so that the true rate is within the promise with a
// confidence of 90 %: the largest k with P(Poisson(expected) ≤ k) ≤ 10 %, which is chi-squared's bound χ²₀.₉(2k+2)/2 ≤ expected; -1 where there
// is none.
func Allowed(expected float64) int {
	below, p := 0.0, math.Exp(-expected)
	for k := 0; ; k++ {
		if below += p; below > .1 {
			return k - 1
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
