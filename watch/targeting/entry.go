package targeting

import (
	"slices"
	"time"

	"vedette"
	"vedette/watch/population"
)

// The bounds of watch entries.
const (
	WatchFor   = 72 * time.Hour
	maxEntries = 64
	maxMet     = 24 // people who met a domain: more are nobody's in particular
	remember   = 30 * 24 * time.Hour
)

// Entry is a link of which the gate may warn by itself, at most, until then: it was first seen inside a rehearsal cell that was told of.
type Entry struct {
	Token vedette.Token
	From  time.Time
	Until time.Time
	Cell  vedette.Digest
}

// entries are what the gate may warn of, and what it cost.
type entries struct {
	list   []Entry // of the last 30 days, so that none comes twice
	warned float64 // first contacts that an entry spoke about in this week
	week   int64
}

// Entries returns what the gate may warn of now, in the order in which it was decided.
func (d *Detector) Entries(now time.Time) (out []Entry) {
	for _, e := range d.entries.list {
		if !now.Before(e.From) && now.Before(e.Until) {
			out = append(out, e)
		}
	}
	return out
}

// watch decides which links first seen inside a cell that was told of the gate may warn of. It spares shared hosts, shorteners and whatever more than a cell's
// own people have met, so that nobody can have a popular name warned of by playing a rehearsal with it; it costs an honest group of testers that was taken for
// a cell a warning on its own new domain, for three days, once. When the week's warnings are spent, entries end.
func (d *Detector) watch(s *population.State, at time.Time) {
	k := d.known.Kinship
	x := &d.entries
	if w := at.Unix() / (week * 3600); w != x.week {
		x.week, x.warned = w, 0
	}
	x.list = slices.DeleteFunc(x.list, func(e Entry) bool { return at.Sub(e.From) > remember })
	if k == nil || d.silent != "" {
		return
	}
	most := d.cfg.WatchPerMillion * float64(s.Active()) / 1e6
	if x.warned >= max(1, most) {
		for i := range x.list {
			if x.list[i].Until.After(at) {
				x.list[i].Until = at
			}
		}
		return
	}
	if d.cfg.WatchPerMillion < 0 {
		return
	}
	live := len(d.Entries(at))
	for i := range s.Domains() {
		dom := s.Domain(population.Ref(i))
		if live >= maxEntries || len(x.list) >= 4*maxEntries {
			return
		}
		if !watchable(s, dom) {
			continue
		}
		cell, _, ok := k.Link(dom.Token)
		if !ok || !k.Alerted(cell) || !confined(s, k, dom, cell) {
			continue
		}
		if slices.ContainsFunc(x.list, func(e Entry) bool { return e.Token == dom.Token }) {
			continue
		}
		x.list = append(x.list, Entry{dom.Token, at, at.Add(WatchFor), cell})
		live++
	}
}

func watchable(s *population.State, d *population.Domain) bool {
	return s.IsFresh(d) && len(d.Users) >= 2 && d.N <= maxMet && d.Token.Kind == vedette.TokenDomain &&
		d.Shape&(vedette.ShapeSharedHost|vedette.ShapeShortener|vedette.ShapeNoReferrable|vedette.ShapeForeign) == 0
}

// confined tells whether three of four who met a domain, and at least two, are of the cell.
func confined(s *population.State, k Kinship, d *population.Domain, cell vedette.Digest) bool {
	in := 0
	for i := range d.Users {
		if c, _, ok := k.Account(s.Account(d.Users[i].Account).ID); ok && c == cell {
			in++
		}
	}
	return in >= 2 && 4*in >= 3*max(len(d.Users), int(d.N))
}

// spend counts a first contact that an entry speaks about.
func (d *Detector) spend(t vedette.Token, at time.Time) {
	for i := range d.entries.list {
		if e := &d.entries.list[i]; e.Token == t && at.Before(e.Until) {
			d.entries.warned++
			return
		}
	}
}
