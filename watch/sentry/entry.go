package sentry

import (
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

// entries asks the gate for a warning about each new link of a cell that was told of: one that its members were among the first to meet, and that no more others
// than members have met. An entry that has ended comes again when the cell went on with the link after it began, as long as the link is new to the platform.
func (s *Sentry) entries(st *population.State, at time.Time) {
	for _, c := range s.cells.Cells() {
		if c.Alerted.IsZero() || c.Judged == rehearsal.Wrong || c.Judged == rehearsal.Unclear {
			continue
		}
		has := 0
		for i := range s.kept.Asked {
			if s.kept.Asked[i].Cell == c.ID {
				has++
			}
		}
		for _, m := range c.Members {
			r, ok := st.Find(m)
			if !ok {
				continue
			}
			for _, x := range st.DomainsOf(st.Account(r)) {
				d := st.Domain(x)
				if !st.IsFresh(d) || d.Shape&unfit != 0 {
					continue
				}
				members, last := within(st, d, c)
				if members < 2 || 2*members < len(d.Users) {
					continue
				}
				i := slices.IndexFunc(s.kept.Asked, func(a Asked) bool { return a.Token == d.Token })
				switch {
				case i >= 0:
					a := &s.kept.Asked[i]
					if a.Ended == "" && at.After(a.Until) && last > uint32(a.From.Unix()/3600) {
						a.From, a.Until, a.Renewed = at, at.Add(stay), a.Renewed+1
						s.dirty = true
					}
				case has < maxOf && len(s.inForce()) < maxAsked:
					s.kept.Asked = append(s.kept.Asked, Asked{First: at, Watched: vedette.Watched{Token: d.Token, From: at, Until: at.Add(stay), Cell: c.ID}})
					s.dirty = true
					has++
				}
			}
		}
	}
	s.kept.Asked = slices.DeleteFunc(s.kept.Asked, func(a Asked) bool { return at.Sub(a.Until) > population.Fresh })
	today := at.Unix() / 86400
	was := s.spent()
	for d := range s.kept.Days {
		if d <= today-week {
			delete(s.kept.Days, d)
		}
	}
	s.dirty = s.dirty || was != s.spent()
}

// unfit are links that an entry could not be about alone.
const unfit = vedette.ShapeShortener | vedette.ShapeNoReferrable | vedette.ShapeForeign

// within counts the members among those who met a link, and tells the hour in which the last of them did.
func within(st *population.State, d *population.Domain, c *rehearsal.Cell) (n int, last uint32) {
	for i := range d.Users {
		u := &d.Users[i]
		if slices.Contains(c.Members, st.Account(u.Account).ID) {
			n++
			last = max(last, u.Hour)
		}
	}
	return n, last
}

// friction counts whom entries warned, and ends those that have warned as many as they may. It sees warnings after the fact: what the gate says before the
// next generation comes on top.
func (s *Sentry) friction(e *journal.Entry) {
	d := &e.Decision
	if d.Verdict != vedette.Warn { // nothing was said, or something stronger
		return
	}
	b, ok := e.Event.Body.(*vedette.LinkSent)
	if !ok {
		return
	}
	links := b.Links
	for _, r := range d.Reasons {
		if r.Rule != vedette.RuleWatch || r.Armed < vedette.Warn || r.Link < 0 || int(r.Link) >= len(links) {
			continue
		}
		l := &links[r.Link]
		i := slices.IndexFunc(s.kept.Asked, func(a Asked) bool {
			return a.Token == l.Tenant || a.Token == l.URL || a.Token == l.Domain || a.Token == l.Host
		})
		if i < 0 {
			continue
		}
		a := &s.kept.Asked[i]
		if cell, _, ok := s.cells.Account(b.To.Account); ok && cell == a.Cell {
			return // the cell warned itself: nobody was bothered, and its fresh accounts must not use up what others need
		}
		was := s.spent()
		a.Warned++
		s.kept.Days[e.Event.At.Unix()/86400]++
		s.m.warned.Inc()
		if a.Ended == "" && a.Warned >= s.cfg.PerEntry {
			a.Ended, s.dirty = "it has warned as many people as one entry may", true
		}
		s.dirty = s.dirty || was != s.spent()
		return // one event warns one person, whatever links it holds
	}
}

// allowed is how many warnings all entries together may cause in seven days.
func (s *Sentry) allowed() int {
	return max(leastFriction, int(math.Ceil(s.cfg.Friction*float64(s.pop.State().Active())/1e6)))
}

// spent tells whether the week's warnings are used up: then no entry is in force until days have passed.
func (s *Sentry) spent() bool { return s.week() >= s.allowed() }

func (s *Sentry) week() (n int) {
	for _, w := range s.kept.Days {
		n += w
	}
	return n
}

// inForce are the entries that the gate should have.
func (s *Sentry) inForce() (out []vedette.Watched) {
	if s.spent() {
		return nil
	}
	for i := range s.kept.Asked {
		if a := &s.kept.Asked[i]; a.Ended == "" && !s.kept.Ticked.After(a.Until) {
			out = append(out, a.Watched)
		}
	}
	return out
}
