// Package targeting ranks first contacts and finds the few that are aimed.
//
// In:     a population: every event in its one order, with the state before it; and, where there are any, what the rehearsal watch follows, which names are
//
//	known to be bad, and who asked for protection.
//
// Out:    one Finding for each domain or sender's cell and week, with reasons by signal and what could not be measured, and one when a cell that people know to be
//
//	an operator's first reaches somebody established; a ranked queue for each day.
//
//	A score is a lead: it says how seldom the platform's own first contacts look like this, not that somebody is guilty.
//
// Keeps:  the first contacts of a week, by domain and sender; look-ups by hand of 30 days and links that were judged, at most Config.Memory of each;
//
//	distributions of the signals. Who asked for protection is in memory, and in what Save writes only sealed.
//
// Fails:  on a small or blind platform it says so instead of judging. A saved state that was changed is refused.
// Source: docs/decisions/0023-rehearsal.md
package targeting

import (
	"cmp"
	"fmt"
	"time"

	"vedette"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

// Name is the detector's, in findings.
const Name = "targeting"

// The bounds of a first contact.
const (
	earlier  = 2                   // messages that a stranger may have sent before and still be one
	lure     = 2                   // days after a stranger's first message in which a linked device is taken for a lure
	added    = 7 * 24              // hours after a stranger added somebody to a group in which its links are theirs
	lookup   = 30 * 24             // hours for which a look-up by hand is remembered
	regrets  = 48                  // hours in which a report or a block speaks about a first contact
	newest   = 30 * 24             // hours for which a domain is rare
	week     = 7 * 24              // hours of a unit
	perEvent = 4                   // links of one event that are measured
	kept     = 35 * 24 * time.Hour // for which an alert can be judged
)

// Config is what a team sets.
type Config struct {
	// PerWeek is how many false alerts a week the team can carry, in both queues together. Default 3; more than 0, at most 1000.
	PerWeek float64
	// Least is how many active accounts a platform must have for its first contacts to be compared. Default 2000.
	Least int
	// Settling is how long events are taken before anything is measured: until then everybody looks like a stranger and every link new. Default 15 days;
	// 8 to 90 days.
	Settling time.Duration
	// WarmUp is how long first contacts are measured before any counts for the thresholds. Default 6 days; at most a year.
	WarmUp time.Duration
	// Learning is the time after it by which the thresholds are first set. Default 21 days; 7 days to a year.
	Learning time.Duration
	// Rehearsing is how long the rehearsal watch is not heard after this one begins to measure: what it follows in its first weeks it holds against too few
	// groups. Default 27 days; at most a year.
	Rehearsing time.Duration
	// Memory is how many look-ups, links, groups and units are remembered, of each. Default 65536; 1024 to 4194304.
	Memory int
}

func (c Config) withDefaults() Config {
	c.PerWeek = cmp.Or(c.PerWeek, 3)
	c.Least = cmp.Or(c.Least, 2000)
	c.Settling = cmp.Or(c.Settling, 15*24*time.Hour)
	c.WarmUp = cmp.Or(c.WarmUp, 6*24*time.Hour)
	c.Learning = cmp.Or(c.Learning, 21*24*time.Hour)
	c.Rehearsing = cmp.Or(c.Rehearsing, 27*24*time.Hour)
	c.Memory = cmp.Or(c.Memory, 1<<16)
	return c
}

// Validate names what is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	const day = 24 * time.Hour
	switch {
	case !(c.PerWeek > 0 && c.PerWeek <= 1000):
		return fmt.Errorf("targeting.per_week: %v is not over 0 and at most 1000: %w", c.PerWeek, vedette.ErrInvalid)
	case c.Least < 0:
		return fmt.Errorf("targeting.least: %d is under 0: %w", c.Least, vedette.ErrInvalid)
	case c.Settling < 8*day || c.Settling > 90*day:
		return fmt.Errorf("targeting.settling: %s is not 192h to 2160h: %w", c.Settling, vedette.ErrInvalid)
	case c.WarmUp < 0 || c.WarmUp > 365*day:
		return fmt.Errorf("targeting.warm_up: %s is not 0 to 8760h: %w", c.WarmUp, vedette.ErrInvalid)
	case c.Learning < 7*day || c.Learning > 365*day:
		return fmt.Errorf("targeting.learning: %s is not 168h to 8760h: %w", c.Learning, vedette.ErrInvalid)
	case c.Rehearsing < 0 || c.Rehearsing > 365*day:
		return fmt.Errorf("targeting.rehearsing: %s is not 0 to 8760h: %w", c.Rehearsing, vedette.ErrInvalid)
	case c.Memory < 1024 || c.Memory > 1<<22:
		return fmt.Errorf("targeting.memory: %d is not 1024 to 4194304: %w", c.Memory, vedette.ErrInvalid)
	}
	return nil
}

// AtRisk is a membership test of those who asked for protection. It lists nobody. That somebody asked never lowers anything.
type AtRisk interface {
	Enrolled(vedette.AccountID) bool
}

// Kinship says what the rehearsal watch follows, as of its last tick.
type Kinship interface {
	// Account tells which cell an account is of, with the cell's score.
	Account(vedette.AccountID) (cell vedette.Digest, score vedette.MilliBits, ok bool)
	// Link tells which cell the first people to meet a new link are of.
	Link(vedette.Token) (cell vedette.Digest, score vedette.MilliBits, ok bool)
	// Confirmed tells whether people found a cell to be an operator's.
	Confirmed(cell vedette.Digest) bool
}

// Infrastructure says how strongly a name is tied to names that are known to be bad: itself, or a sibling of one.
type Infrastructure interface {
	Known(vedette.Token) (bits vedette.MilliBits, ok bool)
}

// Known is what others know. Every part may be absent; findings then say what was not measured.
type Known struct {
	AtRisk         AtRisk
	Kinship        Kinship
	Infrastructure Infrastructure
	Vouchers       rehearsal.Voucher
	// Key seals what Save writes: 32 bytes, needed where AtRisk is given, since what is saved tells of people who asked for protection.
	Key []byte
}

// Detector is a population.Watcher. It stands behind the rehearsal watch among the watchers. It is for one goroutine.
type Detector struct {
	cfg     Config
	known   Known
	tails   tails
	table   *table
	das     *dominance
	pending []noted // since the last tick
	looks   lookups
	pairs   pairs
	groups  groups
	units   units
	budget  Budget
	alerts  []*Alert  // of kept, in order of time
	begun   time.Time // the first tick that measured
	akin    bool      // the rehearsal watch is heard
	halved  uint32    // hour
	silent  string    // why nothing is measured; empty: it is
	found   []vedette.Finding
	// Observe, where set, is told every first contact that was measured: for those who measure the detector. It must not keep c.
	Observe func(at time.Time, c *Contact)
}

// New makes a detector. Its error wraps vedette.ErrInvalid.
func New(cfg Config, known Known) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if n := len(known.Key); n != 0 && n != 32 || n == 0 && known.AtRisk != nil {
		return nil, fmt.Errorf("targeting: a key of 32 bytes is needed to seal who asked for protection, not one of %d: %w", n, vedette.ErrInvalid)
	}
	cfg = cfg.withDefaults()
	d := &Detector{cfg: cfg, known: known, table: new(table), das: new(dominance), silent: "no events yet"}
	d.looks.init(cfg.Memory)
	d.pairs.init(cfg.Memory)
	d.groups.init(cfg.Memory / 8)
	d.units.init(cfg.Memory)
	d.budget.Promised = cfg.PerWeek
	d.ready()
	return d, nil
}

// Before implements population.Watcher.
func (d *Detector) Before(s *population.State, e *population.Event) {
	switch e.Kind {
	case vedette.KindLinkSent:
		d.sent(s, e)
	case vedette.KindLinkPreviewed, vedette.KindLinkOpened:
		d.shown(s, e)
	case vedette.KindGroupJoined:
		d.joined(s, e)
	case vedette.KindDeviceLinked:
		d.device(s, e)
	case vedette.KindNumberLookedUp:
		if e.Lookup == vedette.LookupManual && !e.Peer.IsZero() {
			d.looks.add(e.Actor, e.Peer, hourOf(e))
		}
	case vedette.KindUserBlocked, vedette.KindUserReported:
		d.regret(s, e)
	}
}

func hourOf(e *population.Event) uint32 { return uint32(e.At.Unix() / 3600) }

// Tick implements population.Watcher.
func (d *Detector) Tick(s *population.State, at time.Time) {
	d.learn(uint32(at.Unix() / 3600))
	d.units.expire(d, uint32(at.Unix()/3600))
	d.groups.expire(uint32(at.Unix() / 3600))
	d.silent = d.blind(s, at)
	if d.silent == "" && d.begun.IsZero() {
		d.begun = at
	}
	d.akin = !d.begun.IsZero() && !at.Before(d.begun.Add(d.cfg.Rehearsing))
	d.weigh(at)
}

// blind says why nothing can be measured, or nothing.
func (d *Detector) blind(s *population.State, at time.Time) string {
	switch {
	case s.Active() < d.cfg.Least:
		return fmt.Sprintf("not enough people: %d active accounts, and first contacts are compared from %d on", s.Active(), d.cfg.Least)
	case !s.Linked():
		return "no link tokens: what strangers send cannot be told apart"
	case at.Sub(s.Started()) < d.cfg.Settling:
		return fmt.Sprintf("cold: what is usual here is known after %d days", int(d.cfg.Settling.Hours()/24))
	}
	return ""
}

// Silent says why nothing is judged; empty where it is.
func (d *Detector) Silent() string {
	if d.silent == "" && d.budget.Set.IsZero() {
		return "cold: the thresholds are not set yet; " + d.budget.Cold
	}
	return d.silent
}

// learn takes what was measured since the last tick into the distributions. Between ticks nothing moves, so that a restored detector has the same tables.
func (d *Detector) learn(hour uint32) {
	if d.halved == 0 {
		d.halved = hour
	}
	halve := hour-d.halved >= 8*week // two months make the past
	if halve {
		d.halved = hour
		d.tails.halve()
		d.das.halve()
	}
	if len(d.pending) == 0 && !halve {
		return
	}
	for i := range d.pending {
		n := &d.pending[i]
		d.tails.add(n)
		switch {
		case n.back:
			d.das.sub(n.cell)
		case !n.regret:
			d.das.add(n.cell)
		}
	}
	d.pending = d.pending[:0]
	d.ready()
}

func (d *Detector) ready() {
	d.tails.ready(d.table)
	d.das.ready()
}
