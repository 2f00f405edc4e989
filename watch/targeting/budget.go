package targeting

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/watch/rehearsal"
)

// Queue is one of the ways into the analysts' day. The budget is split between them, so that loud rehearsals do not starve the careful operator who had none.
type Queue uint8

// The queues.
const (
	Rehearsed Queue = iota // sender or link are of a rehearsal cell, or the name is known
	Unlinked               // by their score
	Odd                    // by dominance, whatever their score
	Followed               // the sender or the link is of a cell that people know to be an operator's: the path from the rehearsal to the first target
	queues
)

func (q Queue) String() string { return [...]string{"rehearsed", "unlinked", "odd", "followed"}[q] }

// share of the budget.
var share = [queues]float64{Rehearsed: .375, Unlinked: .375, Odd: .25}

// Budget holds what was promised against what came. The promise is about false alerts a week (PFER, Gordon et al. 2007), of all queues together.
type Budget struct {
	Promised float64 // false alerts a week
	Measured float64 // since Set
	Bounds   [queues]vedette.MilliBits
	Set      time.Time // when the bounds were set; zero: not yet
	Weeks    float64   // of the platform's own history that they were set on
	Cold     string    // why none is set
	Alerts   [queues]int
	False    [queues]int // of those, judged wrong or unclear, or not judged within a week: the team had the work
	next     time.Time   // of the controller
}

// Alert is a unit that was told of.
type Alert struct {
	ID      vedette.Digest
	At      time.Time
	Queue   Queue
	Score   vedette.MilliBits
	Judged  rehearsal.Disposition
	Finding vedette.Finding
	Reached []vedette.AccountID // who was reached; no suspects
}

// stride is how far a week's mistake moves a bound, in thousandths of a bit an alert: tau_{w+1} = tau_w + eta (FA_w - b). The long-run mean error is at most
// the range of the bound over stride times weeks, whatever the platform does (Gibbs & Candès 2021).
const stride = 400

// least is what a contact must reach to be told at all; of dominance there is no such bound but that.
const least = 6000

var floor = [queues]vedette.MilliBits{least, least, 0}

// learning tells whether a unit's best counts for the bounds.
func (d *Detector) learning(u *Unit) bool {
	return d.budget.Set.IsZero() && !d.begun.IsZero() && u.Hour >= hourAt(d.begun.Add(d.cfg.WarmUp)) && !u.incident
}

// weigh sets the bounds when the learning time is over, and moves them each week by what the alerts of the week before were.
func (d *Detector) weigh(at time.Time) {
	b := &d.budget
	if d.begun.IsZero() {
		return
	}
	from := d.begun.Add(d.cfg.WarmUp)
	if b.Set.IsZero() {
		b.Weeks = max(0, at.Sub(from).Hours()/week)
		k := rehearsal.Allowed(b.Promised * b.Weeks)
		switch {
		case at.Before(from.Add(d.cfg.Learning)):
			b.Cold = fmt.Sprintf("what is usual is learned for %d days", int((d.cfg.WarmUp+d.cfg.Learning).Hours()/24))
			return
		case k < 0:
			b.Cold = "the history is too short to promise so few false alerts"
			return
		}
		own := d.units.past
		for _, u := range d.units.list {
			if !u.gone && d.learning(u) {
				own[u.queue()] = highest(slices.Clone(own[u.queue()]), u.Score)
				own[Odd] = highest(slices.Clone(own[Odd]), u.Top)
			}
		}
		odd := k / 4
		over := [queues]int{Rehearsed: (k - odd) / 2, Unlinked: k - odd - (k-odd)/2, Odd: odd}
		for q := range queues {
			b.Bounds[q] = floor[q]
			if over[q] < len(own[q]) {
				b.Bounds[q] = max(floor[q], own[q][over[q]])
			}
		}
		b.Set, b.Cold, b.next = at, "", at.Add(week*time.Hour)
		if d.begun.Add(d.cfg.Rehearsing).After(from) { // too few of those were seen: they are held against the others
			b.Bounds[Rehearsed] = min(b.Bounds[Unlinked], akinBound(own[Unlinked], over[Rehearsed]))
		}
		for _, u := range d.units.list {
			u.counted = u.Score > b.Bounds[u.queue()] || u.Top > b.Bounds[Odd] && u.Score >= least
		}
		d.units.past = [queues][]vedette.MilliBits{}
		return
	}
	for !at.Before(b.next) {
		var wrong [queues]int
		for _, a := range d.alerts {
			if a.Judged != rehearsal.Confirmed && !a.At.Before(b.next.Add(-week*time.Hour)) && a.At.Before(b.next) {
				wrong[a.Queue]++
			}
		}
		sum := 0
		for q := range queues {
			b.False[q] += wrong[q]
			sum += b.False[q]
			if q == Followed { // people's word is its bound
				continue
			}
			move := stride * (float64(wrong[q]) - share[q]*b.Promised)
			b.Bounds[q] = max(floor[q], b.Bounds[q]+vedette.MilliBits(math.Round(move)))
		}
		b.Measured = float64(sum) / (b.next.Sub(b.Set).Hours() / week)
		b.next = b.next.Add(week * time.Hour)
	}
	d.alerts = slices.DeleteFunc(d.alerts, func(a *Alert) bool { return at.Sub(a.At) > kept })
}

// akinBound is the bound of what a rehearsal leads to where none of it was seen in the learning time. One of sixteen first contacts at most has four bits of
// kinship, one of 32 five, and so on: so many fewer may lie over the same rest. The half is for the sum of them.
func akinBound(own []vedette.MilliBits, k int) vedette.MilliBits {
	if at := 8 * max(k, 1); at < len(own) {
		return max(least, own[at]+aKin)
	}
	return least + aKin
}

// Budget is what was promised and what came.
func (d *Detector) Budget() Budget { return d.budget }

// Judge takes what a person made of a finding. Its error wraps vedette.ErrUnknown where it is not known, or older than 35 days.
func (d *Detector) Judge(finding vedette.Digest, what rehearsal.Disposition) error {
	a, err := d.told(finding)
	if err != nil {
		return err
	}
	a.Judged = what
	if what == rehearsal.Confirmed {
		for _, u := range d.units.list {
			if u.alert == a {
				d.confirm(u)
			}
		}
	}
	return nil
}

// Incident takes accounts that people found to be an operator's, from whatever source: what they sent in the last week is none of the platform's own, and
// counts for no bound.
func (d *Detector) Incident(senders ...vedette.AccountID) {
	for _, a := range senders {
		if u := d.units.of[ofAccount(a)]; u != nil {
			d.confirm(u)
		}
	}
}

func (d *Detector) told(finding vedette.Digest) (*Alert, error) {
	for _, a := range d.alerts {
		if a.ID == finding {
			return a, nil
		}
	}
	return nil, fmt.Errorf("targeting: no such finding: %w", vedette.ErrUnknown)
}

// Reached are the people whom a finding's subjects reached, as far as they are kept. They are nobody's suspects, and are told for their protection alone. Its
// error wraps vedette.ErrUnknown.
func (d *Detector) Reached(finding vedette.Digest) ([]vedette.AccountID, error) {
	a, err := d.told(finding)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.Reached), nil
}

// Queue returns the alerts of a day, UTC, the strongest first, at most as many as a week's budget; left is how many more there were.
func (d *Detector) Queue(day time.Time) (ranked []*Alert, left int) {
	from := day.UTC().Truncate(24 * time.Hour)
	for _, a := range d.alerts {
		if !a.At.Before(from) && a.At.Before(from.Add(24*time.Hour)) {
			ranked = append(ranked, a)
		}
	}
	slices.SortStableFunc(ranked, func(a, b *Alert) int { return int(b.Score) - int(a.Score) })
	n := min(len(ranked), int(math.Ceil(d.budget.Promised)))
	return ranked[:n], len(ranked) - n
}

// maxAlerts is how many are kept, the latest: bait must not fill the memory.
const maxAlerts = 4096

// again is how much higher a unit that was told of must come to be told once more.
const again = 8000

// alert tells of a unit that is over a bound, once a week; and of the first contact of a cell that people know to be an operator's, whatever its score: that a
// known cell has begun to reach people is no guess.
func (d *Detector) alert(u *Unit, at time.Time) {
	b := &d.budget
	if b.Set.IsZero() {
		return
	}
	if u.sequel && !u.followed {
		u.followed = true
		d.tell(u, Followed, at)
		return
	}
	if u.counted {
		return
	}
	q := u.queue()
	switch {
	case u.Score > b.Bounds[q]:
	case u.Top > b.Bounds[Odd] && u.Score >= least:
		q = Odd
	default:
		return
	}
	if u.alert != nil && u.Score < u.told+again {
		return
	}
	d.tell(u, q, at)
}

func (d *Detector) tell(u *Unit, q Queue, at time.Time) {
	d.budget.Alerts[q]++
	u.told = u.Score
	a := &Alert{At: at, Queue: q, Score: u.Score, Reached: slices.Clone(u.Reached), Finding: d.finding(u, q, at)}
	a.ID = a.Finding.ID
	u.alert = a
	d.alerts = append(d.alerts, a)
	d.found = append(d.found, a.Finding)
	d.alerts = d.alerts[max(0, len(d.alerts)-maxAlerts):]
	d.found = d.found[max(0, len(d.found)-maxAlerts):]
}

// Findings returns what was found since it was last asked.
func (d *Detector) Findings() []vedette.Finding {
	f := d.found
	d.found = nil
	return f
}

// texts are what each signal says, in words for people. None names anybody.
var texts = [Signals]string{
	Rare:      "hardly anybody here has met the domain, and it is new",
	OneTime:   "a link that nobody had before, on a domain whose links are used once",
	Thin:      "the sender knows hardly anybody established",
	Young:     "the sender's account began lately, or came back lately",
	Elsewhere: "the sender comes from hosters, anonymous networks or another country",
	Apart:     "sender and recipient have no group and no acquaintance in common",
	Recon:     "the recipient's number was asked for by hand before, by the sender or the sender's cell",
	Protected: "somebody was reached who asked for protection",
	LookAlike: "the link is made to look like another one",
	Linked:    "the name is known to be bad, or a sibling of one that is",
	Kin:       "the sender or the link is of a group that looks like a rehearsal",
	Together:  "more of those who were reached asked for protection than chance would have",
	Unclaimed: "the recipient's client saw a link of which the sender's told nothing, or another one",
	Lure:      "a stranger added the recipient to a group, or a device was linked after a stranger's message",
	Regret:    "somebody who was reached blocked or reported the sender soon after",
}

// missing says what was not measured.
var missing = [Signals]string{
	Rare:      "not measured: links, since none was told",
	Elsewhere: "not measured: networks",
	Recon:     "not measured: look-ups by hand, since none is ever told here",
	Protected: "not measured: no enrolment, so that nobody is known to have asked for protection",
	Linked:    "not measured: known names",
	Kin:       "not measured: rehearsals",
}

// finding says what a unit is: the senders, the links, and why, strongest first. The people reached are not in it.
func (d *Detector) finding(u *Unit, q Queue, at time.Time) vedette.Finding {
	f := vedette.Finding{
		Detector: Name, Subjects: u.subjects(), Links: slices.Clone(u.Tokens), Score: u.Score,
		From: time.Unix(int64(u.Hour)*3600, 0).UTC(), To: at, Basis: slices.Clone(u.Basis),
	}
	h := sha256.New()
	h.Write([]byte(Name))
	for _, a := range u.Senders {
		h.Write(a[:])
	}
	h.Write(u.first[:])
	fmt.Fprint(h, at.Unix(), u.Score)
	f.ID = vedette.Digest(h.Sum(nil))
	say := func(rule string, w int32, text string) {
		f.Reasons = append(f.Reasons, vedette.Reason{Rule: vedette.RuleID("targeting/" + rule), Weight: vedette.MilliBits(w), Link: -1, Text: text})
	}
	c := &u.Best
	bits := c.Bits
	bits[Regret] = u.regret
	order := make([]Signal, Signals)
	for i := range order {
		order[i] = Signal(i)
	}
	slices.SortStableFunc(order, func(x, y Signal) int { return int(bits[y]) - int(bits[x]) })
	for _, s := range order {
		if bits[s] >= 500 {
			say(s.String(), bits[s], texts[s])
		}
	}
	if c.Discount > 0 {
		say("against", -c.Discount, "against an aim: the sender writes to many strangers, or somebody knows both")
	}
	if !c.Cell.IsZero() {
		say("path", 0, "rehearsal cell "+c.Cell.String())
	}
	if q == Followed {
		say("followed", 0, "people found this cell to be an operator's, and now it has reached somebody established outside of it")
	}
	if q == Odd {
		say("odd", int32(u.Top), "few first contacts here are at least as odd in every way at once")
	}
	say("what-this-is", 0, fmt.Sprintf("a lead: few of the %d first contacts that were looked at here before were like this, or none. It is nobody's guilt, and no ground to act on anybody", d.table.count))
	for s, text := range missing {
		if text != "" && c.Missing&(1<<s) != 0 {
			say("not-measured", 0, text)
		}
	}
	return f
}
