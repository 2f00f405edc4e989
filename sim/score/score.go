// Package score judges what detectors say of a made-up platform against its truth, and says how sure one can be of it.
//
// In:     truths of sim/world, and beside each the alerts of a detector, or all that it scored.
// Out:    for each playbook what was caught, when, and whom it reached before; false alerts by who they fell on; tables and drawings of many worlds together.
// Keeps:  nothing; bootstraps have fixed seeds, so that the same worlds give the same bytes.
// Fails:  it does not; of what no world tells, the interval is as wide as ignorance.
// Source: docs/decisions/0022-range.md
package score

import (
	"math"
	"time"

	"vedette"
	"vedette/sim/world"
)

// Alert is one thing told to analysts at one moment.
type Alert struct {
	At       time.Time
	Score    float64 // higher is more suspicious; the unit is the detector's own
	Subjects []vedette.AccountID
	Links    []vedette.Token
	Queue    string
}

// FromFinding makes an alert of what a detector found.
func FromFinding(f *vedette.Finding, queue string) Alert {
	return Alert{At: f.To, Score: float64(f.Score) / 1000, Subjects: f.Subjects, Links: f.Links, Queue: queue}
}

// Identity is one thing that a detector follows over time, as a list of rises: each moment when its score was higher than ever before, in order.
// At a bound it is told of once, at the first rise over it.
type Identity struct{ Rises []Alert }

// Rise adds an alert if its score is higher than all before. It tells whether it was.
func (x *Identity) Rise(a Alert) bool {
	if n := len(x.Rises); n > 0 && a.Score <= x.Rises[n-1].Score {
		return false
	}
	x.Rises = append(x.Rises, a)
	return true
}

// last is the last rise in [from, to), which is the highest.
func (x *Identity) last(from, to time.Time) *Alert {
	for i := len(x.Rises) - 1; i >= 0; i-- {
		if r := &x.Rises[i]; !r.At.Before(from) && r.At.Before(to) {
			return r
		}
	}
	return nil
}

// over is the first rise over a bound in [from, to).
func (x *Identity) over(bound float64, from, to time.Time) *Alert {
	for i := range x.Rises {
		if r := &x.Rises[i]; r.Score > bound && !r.At.Before(from) && r.At.Before(to) {
			return r
		}
	}
	return nil
}

// Budget is a promise: false alerts a week for each so many accounts.
type Budget struct {
	PerWeek float64 `json:"per_week"`
	Per     int     `json:"per"` // accounts; 0: a world, however large
}

// In is the promise for a world, a week.
func (b Budget) In(t *world.Truth) float64 {
	if b.Per == 0 {
		return b.PerWeek
	}
	return b.PerWeek * float64(t.Accounts) / float64(b.Per)
}

// Trial is what one detector made of one world.
type Trial struct {
	Truth      *world.Truth
	Identities []Identity
}

// At gives the alerts of the test weeks at a bound, in the identities' order.
func (t *Trial) At(bound float64) []Alert {
	var out []Alert
	for i := range t.Identities {
		if a := t.Identities[i].over(bound, t.Truth.Test, t.Truth.End); a != nil {
			out = append(out, *a)
		}
	}
	return out
}

// Never is a bound that nothing is over.
var Never = math.Inf(1)

func weeks(from, to time.Time) float64 { return to.Sub(from).Hours() / 168 }
