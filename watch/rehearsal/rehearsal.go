// Package rehearsal finds accounts and groups that try an attack on one another before they use it.
//
// In:     a population, at each of its ticks.
// Out:    one Finding for each cell, once, and one more when a cell has grown by half; with reasons by channel, the events behind them, and what could not be
//
//	measured. A score is a lead: it says how seldom the platform's own groups look like this, not that somebody is guilty.
//
// Keeps:  the cells of the last three weeks, with their members' surrogates; distributions of features, a few hundred kilobytes.
// Fails:  on a small or blind platform it says so instead of judging. A saved state that was changed is refused.
// Source: docs/decisions/0023-rehearsal.md
package rehearsal

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/watch/population"
)

// Name is the detector's, in findings.
const Name = "rehearsal"

// Config is what a team sets.
type Config struct {
	// PerWeek is how many false alerts a week the team can carry. Default 3; more than 0, at most 1000.
	PerWeek float64
	// Least is how many active accounts a platform must have for its groups to be compared. Default 2000.
	Least int
	// Settling is how long events are taken before any group is measured: acquaintances count from their third week on, and until then everybody looks like
	// a stranger here. Default 15 days; 1 to 90 days.
	Settling time.Duration
	// WarmUp is how long groups are measured before any counts for the threshold. Default 6 days; at most a year.
	WarmUp time.Duration
	// Learning is the time after it by which the threshold is first set. Default 21 days; 7 days to a year.
	Learning time.Duration
}

func (c Config) withDefaults() Config {
	c.PerWeek = cmp.Or(c.PerWeek, 3)
	c.Least = cmp.Or(c.Least, 2000)
	c.Settling = cmp.Or(c.Settling, 15*24*time.Hour)
	c.WarmUp = cmp.Or(c.WarmUp, 6*24*time.Hour)
	c.Learning = cmp.Or(c.Learning, 21*24*time.Hour)
	return c
}

// Validate names what is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case !(c.PerWeek > 0 && c.PerWeek <= 1000):
		return fmt.Errorf("rehearsal.per_week: %v is not over 0 and at most 1000: %w", c.PerWeek, vedette.ErrInvalid)
	case c.Least < 0:
		return fmt.Errorf("rehearsal.least: %d is under 0: %w", c.Least, vedette.ErrInvalid)
	case c.Settling < 24*time.Hour || c.Settling > 90*24*time.Hour:
		return fmt.Errorf("rehearsal.settling: %s is not 24h to 2160h: %w", c.Settling, vedette.ErrInvalid)
	case c.WarmUp < 0 || c.WarmUp > 365*24*time.Hour:
		return fmt.Errorf("rehearsal.warm_up: %s is not 0 to 8760h: %w", c.WarmUp, vedette.ErrInvalid)
	case c.Learning < 7*24*time.Hour || c.Learning > 365*24*time.Hour:
		return fmt.Errorf("rehearsal.learning: %s is not 168h to 8760h: %w", c.Learning, vedette.ErrInvalid)
	}
	return nil
}

// Cell is a group that was followed over time.
type Cell struct {
	ID      vedette.Digest
	Members []vedette.AccountID // as of Last, in order
	First   time.Time
	Last    time.Time
	Score   vedette.MilliBits // the highest so far
	At      time.Time         // of the highest score
	Grounds Grounds           // at the highest score
	Alerted time.Time         // zero: never
	Told    int               // members at the last finding
	Judged  Disposition
}

// Disposition is what a person made of a finding.
type Disposition uint8

// The dispositions.
const (
	Unjudged  Disposition = iota
	Confirmed             // an operator's: it counts no more as one of the platform's own
	Wrong
	Unclear // counted as wrong: the team had the work
)

// Voucher says since when a partner has vouched for an account, which then is a person at risk and not an operator who enrolled himself.
type Voucher interface {
	Vouched(vedette.AccountID) (since time.Time, ok bool)
}

// Detector is a population.Watcher. It is for one goroutine.
type Detector struct {
	cfg      Config
	model    *Model
	tails    tails
	table    *table
	curve    []Curve
	fits     []*fitted
	state    *population.State
	day      int64
	begun    time.Time // the first tick that judged
	warm     bool      // the warm-up is over
	cells    []*Cell
	of       map[vedette.AccountID]*Cell
	budget   Budget
	past     []past // cells that are not followed any more
	findings []vedette.Finding
	outs     []float64 // of the group that is judged
	bits     []float64
	silent   string // why nothing is judged; empty: it is
	// Vouchers says who is vouched for. nil: nobody.
	Vouchers Voucher
	// Observe, where set, is told every cell at each tick, with its evidence and score: for those who measure the detector.
	Observe func(at time.Time, c *Cell, e *Evidence, score float64)
	// Sample, where set, is told every group that was measured, once a day: for those who teach a model.
	Sample func(at time.Time, members []vedette.AccountID, e *Evidence)
}

// New makes a detector. model nil is Standard.
func New(cfg Config, model *Model) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if model == nil {
		model = Standard()
	}
	d := &Detector{
		cfg: cfg.withDefaults(), model: model, of: map[vedette.AccountID]*Cell{}, table: new(table), curve: make([]Curve, len(model.Filters)+1),
		silent: "no events yet",
	}
	d.budget = Budget{PerWeek: d.cfg.PerWeek}
	d.ready()
	return d, nil
}

// ready makes what was learned askable. After each tick the tables are what the tails say, so that a restored detector has the same.
func (d *Detector) ready() {
	d.tails.ready(d.table)
	d.fits = d.fits[:0]
	for i := range d.curve {
		d.fits = append(d.fits, d.curve[i].fit())
	}
}

// Before implements population.Watcher.
func (d *Detector) Before(*population.State, *population.Event) {}

type scored struct {
	node  int
	score float64
	e     Evidence
}

// Tick implements population.Watcher.
func (d *Detector) Tick(s *population.State, at time.Time) {
	d.state = s
	if d.silent = d.blind(s, at); d.silent != "" {
		return
	}
	if d.begun.IsZero() {
		d.begun = at
	}
	if !d.warm && !at.Before(d.begun.Add(d.cfg.WarmUp)) { // what was scored against hardly anything counts for nothing
		d.warm = true
		for _, c := range d.cells {
			c.Score, c.At = 0, time.Time{}
		}
	}
	var g grouping // some 80 bytes an account, which are not kept until the next tick
	nodes := g.group(s)
	meter := newMeter(s)
	today := at.Unix() / 86400
	learn := today != d.day
	d.day = today
	best := make([]scored, 0, len(nodes)/2)
	for i := range nodes {
		m := nodes[i].members
		if len(m) < leastCell {
			continue
		}
		f := meter.measure(m)
		e := d.table.evidence(len(m), &f)
		sc, outs := d.judge(&e)
		e.among = d.curve[0].n
		best = append(best, scored{i, sc, e})
		if learn && d.Sample != nil {
			ids := make([]vedette.AccountID, len(m))
			for j, r := range m {
				ids[j] = s.Account(r).ID
			}
			d.Sample(at, ids, &e)
		}
		if learn && !d.confirmed(s, m) { // every group that could be told is one of those that it is compared with, but for known operators
			d.tails.add(len(m), &f)
			for j := range outs {
				d.curve[j].add(outs[j])
			}
		}
	}
	d.follow(s, at, nodes, best)
	d.weigh(at)
	if learn {
		d.ready()
	}
}

// confirmed tells whether most of a group are of cells that people found to be an operator's.
func (d *Detector) confirmed(s *population.State, members []population.Ref) bool {
	n := 0
	for _, r := range members {
		if c := d.of[s.Account(r).ID]; c != nil && c.Judged == Confirmed {
			n++
		}
	}
	return 2*n >= len(members)
}

// blind says why nothing can be judged, or nothing.
func (d *Detector) blind(s *population.State, at time.Time) string {
	switch {
	case s.Active() < d.cfg.Least:
		return fmt.Sprintf("not enough people: %d active accounts, and groups are compared from %d on", s.Active(), d.cfg.Least)
	case at.Sub(s.Started()) < d.cfg.Settling:
		return fmt.Sprintf("cold: what is usual here is known after %d days", int(d.cfg.Settling.Hours()/24))
	}
	return ""
}

// Silent says why nothing is judged; empty where it is.
func (d *Detector) Silent() string { return d.silent }

// judge scores a group: the mixture of all filters and of the untaught surprise, each on the scale of the platform's own groups. outs are what each of them
// said, good until the next group.
func (d *Detector) judge(e *Evidence) (score float64, outs []float64) {
	outs, bits := append(d.outs[:0], e.surprise()), d.bits[:0]
	var at [Features]uint8
	for i, b := range e.Bits {
		at[i] = uint8(Level(b))
	}
	for i := range d.model.Filters {
		outs = append(outs, d.model.Filters[i].apply(&at))
	}
	for i := range outs {
		bits = append(bits, d.fits[i].at(outs[i]))
	}
	d.outs, d.bits = outs, bits
	return mixture(bits), outs
}

// follow keeps the best groups that do not overlap, and says which cell each is.
func (d *Detector) follow(s *population.State, at time.Time, nodes []node, best []scored) {
	slices.SortFunc(best, func(x, y scored) int {
		if c := cmp.Compare(milli(y.score), milli(x.score)); c != 0 {
			return c
		}
		return compareIDs(s, nodes[x.node].members[0], nodes[y.node].members[0])
	})
	taken := make([]bool, s.Len())
	for i := range best {
		b := &best[i]
		m := nodes[b.node].members
		if slices.ContainsFunc(m, func(r population.Ref) bool { return taken[r] }) {
			continue
		}
		for _, r := range m {
			taken[r] = true
		}
		if b.score < leastScore {
			continue
		}
		ids := make([]vedette.AccountID, len(m))
		for j, r := range m {
			ids[j] = s.Account(r).ID
		}
		slices.SortFunc(ids, func(x, y vedette.AccountID) int { return slices.Compare(x[:], y[:]) })
		c := d.cell(ids, at)
		if v := milli(b.score) - d.known(c); v > c.Score || c.At.IsZero() {
			c.Score, c.Grounds, c.At = v, b.e.Grounds, at
		}
		if d.Observe != nil {
			d.Observe(at, c, &b.e, b.score)
		}
		d.alert(s, c, m, at)
	}
	d.cells = slices.DeleteFunc(d.cells, func(c *Cell) bool {
		if at.Sub(c.Last) <= 21*24*time.Hour {
			return false
		}
		if c.Judged != Confirmed && !c.At.IsZero() {
			d.past = append(d.past, past{c.Score, c.At})
		}
		for _, a := range c.Members {
			if d.of[a] == c {
				delete(d.of, a)
			}
		}
		return true
	})
}

func milli(bits float64) vedette.MilliBits { return vedette.MilliBits(math.Round(1000 * bits)) }

// cell is the one that a group is: it shares at least half of the smaller of both; the one with most in common, then the oldest.
func (d *Detector) cell(ids []vedette.AccountID, at time.Time) *Cell {
	var best *Cell
	most := 0
	var seen []*Cell
	for _, a := range ids {
		c := d.of[a]
		if c == nil || slices.Contains(seen, c) {
			continue
		}
		seen = append(seen, c)
		n := 0
		for _, b := range ids {
			if _, ok := slices.BinarySearchFunc(c.Members, b, func(x, y vedette.AccountID) int { return slices.Compare(x[:], y[:]) }); ok {
				n++
			}
		}
		if 2*n >= min(len(ids), len(c.Members)) && (n > most || n == most && c.First.Before(best.First)) {
			best, most = c, n
		}
	}
	if best == nil {
		h := sha256.New()
		h.Write([]byte(Name))
		for _, a := range ids {
			h.Write(a[:])
		}
		fmt.Fprint(h, at.Unix())
		best = &Cell{ID: vedette.Digest(h.Sum(nil)), First: at}
		d.cells = append(d.cells, best)
	}
	for _, a := range best.Members {
		if d.of[a] == best {
			delete(d.of, a)
		}
	}
	best.Members, best.Last = ids, at
	for _, a := range ids {
		d.of[a] = best
	}
	return best
}

// known is what is taken off a cell's score where partners vouched for members before the window in which it is judged: a share of six bits. Whoever asked for
// protection alone changes nothing: an operator would enrol his own test accounts.
func (d *Detector) known(c *Cell) vedette.MilliBits {
	if d.Vouchers == nil {
		return 0
	}
	n := 0
	for _, a := range c.Members {
		if since, ok := d.Vouchers.Vouched(a); ok && c.First.Sub(since) >= population.Fresh {
			n++
		}
	}
	return vedette.MilliBits(6000 * n / len(c.Members))
}

// Cells are the cells that are followed.
func (d *Detector) Cells() []*Cell { return d.cells }
