package rehearsal

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/watch/population"
)

var errNoCell = fmt.Errorf("rehearsal: no such cell is followed: %w", vedette.ErrUnknown)

// leastScore is what a group must reach to be followed at all: one of 64 of the platform's own.
const leastScore = 6

// keys is what two channels must each bring before a group may be told: no single kind of evidence raises an alert, so that nobody can be framed by one.
const keys = 4

// TwoKeys tells whether two channels speak, and whether one of them is what rehearsing leaves and a private life does not: two new domains that nobody else
// met, or probing.
func (g *Grounds) TwoKeys() bool {
	n := 0
	for _, b := range g.Channels {
		if b >= keys {
			n++
		}
	}
	return n >= 2
}

// alert tells of a cell once, and again when it has grown by half.
func (d *Detector) alert(s *population.State, c *Cell, members []population.Ref, at time.Time) {
	b := &d.budget
	if b.Set.IsZero() || c.Score <= b.Bound || !c.Grounds.TwoKeys() || c.Judged != Unjudged {
		return
	}
	if !c.Alerted.IsZero() && 2*len(members) < 3*c.Told {
		return
	}
	grown := !c.Alerted.IsZero()
	if !grown {
		if c.At.Before(b.Set) { // it was one of those that the bound was set on
			return
		}
		c.Alerted = at
		b.Alerts++
	}
	c.Told = len(members)
	d.findings = append(d.findings, d.finding(s, c, members, at, grown))
}

// Findings returns what was found since it was last asked.
func (d *Detector) Findings() []vedette.Finding {
	f := d.findings
	d.findings = nil
	return f
}

// finding says what a cell is, with the reasons by channel, strongest first, and the events behind them.
func (d *Detector) finding(s *population.State, c *Cell, members []population.Ref, at time.Time, grown bool) vedette.Finding {
	f := vedette.Finding{Detector: Name, Subjects: slices.Clone(c.Members), Score: c.Score, From: c.First, To: at}
	h := sha256.New()
	h.Write(c.ID[:])
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(members)))
	h.Write(n[:])
	f.ID = vedette.Digest(h.Sum(nil))
	f.Reasons, f.Links, f.Basis = reasons(s, &c.Grounds, members, grown)
	return f
}

func reasons(s *population.State, g *Grounds, members []population.Ref, grown bool) (rs []vedette.Reason, links []vedette.Token, basis []vedette.EventID) {
	say := func(rule string, bits float64, text string) {
		rs = append(rs, vedette.Reason{Rule: vedette.RuleID("rehearsal/" + rule), Weight: milli(bits), Link: -1, Text: text})
	}
	order := make([]Channel, Channels)
	for i := range order {
		order[i] = Channel(i)
	}
	slices.SortStableFunc(order, func(x, y Channel) int { return int(milli(g.Channels[y]) - milli(g.Channels[x])) })
	for _, c := range order {
		if g.Channels[c] >= 1 {
			say(c.String(), g.Channels[c], g.text(c))
		}
	}
	if grown {
		say("grown", 0, "told before; it has grown by half since")
	}
	say("what-this-is", 0, fmt.Sprintf("a lead: few of the %d groups that were looked at here before looked like this, or none. It is nobody's guilt, and no ground to act on anybody", g.among))
	for _, c := range []struct {
		f    Feature
		text string
	}{
		{Confined, "not measured: links, since no link tokens came"},
		{Hidden, "not measured: networks"},
		{Unvouched, "not measured: whether devices vouch for themselves"},
		{VoIP, "not measured: kinds of numbers"},
		{Office, "not measured: hours of the day, for want of activity"},
	} {
		if math.IsNaN(g.Measured[c.f]) {
			say("not-measured", 0, c.text)
		}
	}
	ids := map[vedette.EventID]bool{}
	note := func(u *population.Use) {
		id := u.Event
		if id.IsZero() {
			id = s.Account(u.Account).Proof
		}
		if !ids[id] && len(basis) < 64 {
			ids[id] = true
			basis = append(basis, id)
		}
	}
	inside := func(us []population.Use) (n int) {
		for i := range us {
			if _, ok := slices.BinarySearch(members, us[i].Account); ok {
				n++
			}
		}
		return n
	}
	done := map[population.Ref]bool{}
	for _, r := range members {
		for _, x := range s.DomainsOf(s.Account(r)) {
			d := s.Domain(x)
			if done[x] || !s.IsFresh(d) || inside(d.Users) < 2 {
				continue
			}
			done[x] = true
			links = append(links, d.Token)
			for i := range d.Users {
				if _, ok := slices.BinarySearch(members, d.Users[i].Account); ok {
					note(&d.Users[i])
				}
			}
		}
	}
	clear(done)
	for _, r := range members {
		for _, x := range s.ThingsOf(s.Account(r)) {
			us := s.Uses(s.Thing(x))
			if done[x] || inside(us) < 2 {
				continue
			}
			done[x] = true
			for i := range us {
				if _, ok := slices.BinarySearch(members, us[i].Account); ok {
					note(&us[i])
				}
			}
		}
		note(&population.Use{Account: r})
	}
	return rs, links, basis
}

// text says in words what a channel measured.
func (g *Grounds) text(c Channel) string {
	m := &g.Measured
	switch c {
	case Social:
		return fmt.Sprintf("keeps to itself: %.0f %% of what its members write stays inside, and nobody established answers %.0f %% of them", 100*m[Inward], 100*m[Orphan])
	case Infra:
		return fmt.Sprintf("shares devices (%.1f to a further member), rare networks (%.1f bits), builds (%.1f bits), number blocks (%.1f), network operators (%.1f bits)", m[Reuse], m[Nearby], m[Builds], m[Blocks], m[Providers])
	case Tempo:
		return fmt.Sprintf("began or woke together: %.1f bits of surprise at how closely", m[Lockstep])
	case Probe:
		return fmt.Sprintf("does what people seldom do (blocks, reports, deletions, new groups): %.1f bits; asks for numbers by hand: %.1f bits", m[Probing], m[Looking])
	case Link:
		return fmt.Sprintf("links that nobody else has met: %.1f new domains; fetched again and again: %.1f; gone quiet after days: %.1f", m[Confined], m[Intense], m[Turnover])
	case Geo:
		return fmt.Sprintf("comes from other countries than its numbers in %.0f %% of sessions, or on voice-over-IP numbers (%.0f %%)", 100*m[Foreign], 100*m[VoIP])
	}
	return fmt.Sprintf("%.0f %% came back after silence, %.0f %% are gone, %.0f %% are younger than a month", 100*m[Woken], 100*m[Ended], 100*m[Young])
}

// Account tells which cell an account is of, with the cell's score now.
func (d *Detector) Account(a vedette.AccountID) (cell vedette.Digest, score vedette.MilliBits, ok bool) {
	c := d.of[a]
	if c == nil {
		return vedette.Digest{}, 0, false
	}
	return c.ID, c.Score, true
}

// Link tells which cell two or more of the first accounts to meet a new link are of.
func (d *Detector) Link(t vedette.Token) (cell vedette.Digest, score vedette.MilliBits, ok bool) {
	if d.state == nil {
		return vedette.Digest{}, 0, false
	}
	r, found := d.state.FindToken(t)
	if !found {
		return vedette.Digest{}, 0, false
	}
	x := d.state.Domain(r)
	if !d.state.IsFresh(x) {
		return vedette.Digest{}, 0, false
	}
	var best *Cell
	n := map[*Cell]int{}
	for i := range x.Users {
		c := d.of[d.state.Account(x.Users[i].Account).ID]
		if c == nil {
			continue
		}
		if n[c]++; n[c] >= 2 && (best == nil || c.Score > best.Score) {
			best = c
		}
	}
	if best == nil {
		return vedette.Digest{}, 0, false
	}
	return best.ID, best.Score, true
}

// Confirmed tells whether people found a cell to be an operator's.
func (d *Detector) Confirmed(cell vedette.Digest) bool {
	return slices.ContainsFunc(d.cells, func(c *Cell) bool { return c.ID == cell && c.Judged == Confirmed })
}
