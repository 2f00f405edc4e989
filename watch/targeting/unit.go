package targeting

import (
	"cmp"
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/watch/population"
)

// The most that is kept of a unit.
const (
	maxKeys     = 64
	maxSenders  = 16
	maxReached  = 32
	maxTokens   = 8
	maxBasis    = 16
	maxShielded = 16
	maxNoted    = 8 // contacts of one unit that the distributions take: one ring of spam must not make the usual
)

// name32 is what a unit is found by: a sender, a sender's cell, or a new domain.
type name32 [32]byte

func ofAccount(a vedette.AccountID) (n name32) {
	n[0] = 1
	copy(n[1:], a[:])
	return n
}

func ofToken(t vedette.Token) (n name32) {
	n[0] = 2
	copy(n[1:], t.Bytes[:])
	return n
}

// Unit is what is told at once: the first contacts of one week that share a new domain, a sender or a sender's cell. A ring of senders is one.
type Unit struct {
	Hour    uint32 // of the first
	Best    Contact
	Score   vedette.MilliBits // of the best, and what came of it after
	Top     vedette.MilliBits // highest dominance
	Linked  bool              // to a rehearsal cell or to a known name
	Senders []vedette.AccountID
	After   []bool // by sender: was reached here before they sent anything
	Reached []vedette.AccountID
	Tokens  []vedette.Token
	Basis   []vedette.EventID

	first     vedette.EventID
	keys      []name32
	people    int                 // distinct recipients, about
	before    int                 // half of those of the weeks before
	protected int                 // of those, who asked for protection and know none of the others who did
	shielded  []vedette.AccountID // these, at most maxShielded
	notes     []noted             // what the distributions took, at most maxNoted
	regret    int32
	hours     []uint32 // of Reached
	alert     *Alert
	told      vedette.MilliBits
	gone      bool
	counted   bool // it was over a bound when the bounds were set
	incident  bool // an operator's, as people found
	sequel    bool // a cell that people know to be an operator's reached somebody outside of it
	followed  bool // that was told
}

type units struct {
	list []*Unit // in order of their first contact
	of   map[name32]*Unit
	size int
	past [queues][]vedette.MilliBits // the best of units that ended in the learning time, the highest alone
}

func (u *units) init(size int) { u.size, u.of = size, map[name32]*Unit{} }

// names are those that a contact is found by: the new domain, then the cell or the sender.
func (c *Contact) names(to *[3]name32) []name32 {
	n := 0
	if c.fresh && !c.Token.IsZero() {
		to[n] = ofToken(c.Token)
		n++
	}
	if !c.Cell.IsZero() {
		to[n] = name32(c.Cell)
		n++
	}
	to[n] = ofAccount(c.Sender)
	return to[:n+1]
}

func (u *units) find(c *Contact) *Unit {
	var room [3]name32
	var best *Unit
	for _, n := range c.names(&room) {
		if x := u.of[n]; x != nil && (best == nil || x.Hour < best.Hour) && c.hour-min(c.hour, x.Hour) < week {
			best = x
		}
	}
	return best
}

// join returns the unit of a contact, and makes it or makes one of several where it must.
func (u *units) join(d *Detector, c *Contact) *Unit {
	var room [3]name32
	names := c.names(&room)
	x := u.find(c)
	if x == nil {
		if len(u.list) >= u.size {
			u.end(d, u.list[0])
			u.list = u.list[1:]
		}
		x = &Unit{Hour: c.hour, first: c.Event}
		u.list = append(u.list, x)
	}
	for _, n := range names {
		y := u.of[n]
		if y == x {
			continue
		}
		if y != nil && c.hour-min(c.hour, y.Hour) < week {
			u.merge(x, y)
			continue
		}
		if y != nil { // its week is over
			x.before = max(x.before, (y.people+y.before)/2)
			y.keys = slices.DeleteFunc(y.keys, func(k name32) bool { return k == n })
			delete(u.of, n)
		}
		if len(x.keys) < maxKeys {
			x.keys = append(x.keys, n)
			u.of[n] = x
		}
	}
	return x
}

// merge makes one unit of two. The older one stays.
func (u *units) merge(x, y *Unit) {
	for _, k := range y.keys {
		if len(x.keys) < maxKeys {
			x.keys = append(x.keys, k)
			u.of[k] = x
		} else {
			delete(u.of, k)
		}
	}
	if y.Score > x.Score {
		x.Score, x.Best, x.regret = y.Score, y.Best, y.regret
	}
	x.Top = max(x.Top, y.Top)
	x.Linked = x.Linked || y.Linked
	for _, a := range y.Senders {
		x.sender(a)
	}
	for i, a := range y.Reached {
		if note(&x.Reached, a, maxReached) {
			x.hours = append(x.hours, y.hours[i])
		}
	}
	x.people += y.people
	x.before = max(x.before, y.before)
	x.protected += y.protected
	x.shielded = append(x.shielded, y.shielded...)
	x.shielded = x.shielded[:min(len(x.shielded), maxShielded)]
	for _, t := range y.Tokens {
		note(&x.Tokens, t, maxTokens)
	}
	for _, e := range y.Basis {
		note(&x.Basis, e, maxBasis)
	}
	x.notes = append(x.notes, y.notes...)
	if x.alert == nil {
		x.alert, x.told = y.alert, y.told
	} else if y.alert != nil {
		x.told = max(x.told, y.told)
	}
	x.incident = x.incident || y.incident
	x.counted = x.counted || y.counted
	x.sequel = x.sequel || y.sequel
	x.followed = x.followed || y.followed
	y.gone, y.keys, y.alert = true, nil, nil
}

// note adds what is not there, as long as there is room, and tells whether it was added.
func note[T comparable](to *[]T, x T, most int) bool {
	if len(*to) >= most || slices.Contains(*to, x) {
		return false
	}
	*to = append(*to, x)
	return true
}

// sender notes who sent. Whoever was reached first and then sent it on may be a victim.
func (u *Unit) sender(a vedette.AccountID) {
	if after := slices.Contains(u.Reached, a); note(&u.Senders, a, maxSenders) {
		u.After = append(u.After, after)
	}
}

// subjects are the senders, without those who were reached before they sent; the one of the strongest contact is always among them.
func (u *Unit) subjects() (out []vedette.AccountID) {
	for i, a := range u.Senders {
		if !u.After[i] || a == u.Best.Sender {
			out = append(out, a)
		}
	}
	return out
}

// confirm takes a unit for an operator's: what it did is none of what is usual here.
func (d *Detector) confirm(u *Unit) {
	u.incident = true
	for _, n := range u.notes {
		n.back = true
		d.pending = append(d.pending, n)
	}
	u.notes = nil
}

// end takes a unit out of the index. What it scored is one of the platform's own where it belongs to the learning time.
func (u *units) end(d *Detector, x *Unit) {
	for _, k := range x.keys {
		if u.of[k] == x {
			delete(u.of, k)
		}
	}
	if !x.gone && d.learning(x) {
		u.past[x.queue()] = highest(u.past[x.queue()], x.Score)
		u.past[Odd] = highest(u.past[Odd], x.Top)
	}
	x.gone = true
}

// maxPast is how many of the highest are kept: more than any budget allows over the bound.
const maxPast = 4096

func highest(list []vedette.MilliBits, v vedette.MilliBits) []vedette.MilliBits {
	i, _ := slices.BinarySearchFunc(list, v, func(a, b vedette.MilliBits) int { return cmp.Compare(b, a) })
	list = slices.Insert(list, i, v)
	return list[:min(len(list), maxPast)]
}

func (u *units) expire(d *Detector, hour uint32) {
	out := u.list[:0]
	for _, x := range u.list {
		if !x.gone && hour-min(hour, x.Hour) >= week+regrets {
			u.end(d, x)
		}
		if !x.gone {
			out = append(out, x)
		}
	}
	clear(u.list[len(out):])
	u.list = out
}

// queue is the one in which a unit stands by its score.
func (u *Unit) queue() Queue {
	if u.Linked {
		return Rehearsed
	}
	return Unlinked
}

// take puts a contact into its unit, and tells of the unit where it is over a bound.
func (d *Detector) take(s *population.State, e *population.Event, c *Contact) {
	u := d.units.join(d, c)
	c.Unit = u
	u.sender(c.Sender)
	if !slices.Contains(u.Reached, c.Recipient) {
		u.people++
		if c.Missing&(1<<Protected) == 0 && c.bins[Protected] > 0 {
			u.protect(s, c)
		}
		if note(&u.Reached, c.Recipient, maxReached) {
			u.hours = append(u.hours, c.hour)
		}
		if u.alert != nil {
			note(&u.alert.Reached, c.Recipient, 64)
		}
	}
	if !c.Token.IsZero() {
		note(&u.Tokens, c.Token, maxTokens)
	}
	note(&u.Basis, c.Event, maxBasis)
	u.Linked = u.Linked || c.Bits[Kin] >= aKin || c.Bits[Linked] > 0
	u.sequel = u.sequel || c.sequel
	u.Top = max(u.Top, c.Dominance)
	if v := c.Score; v > u.Best.Score || u.Best.Event.IsZero() {
		u.Best = *c
		u.Best.Unit = nil
	}
	u.Score = u.Best.Score + vedette.MilliBits(u.regret)
	if len(u.notes) < maxNoted && !u.incident {
		n := noted{stratum: c.stratum, cell: c.cell, bins: c.bins}
		u.notes = append(u.notes, n)
		d.pending = append(d.pending, n)
	}
	if d.Observe != nil {
		d.Observe(e.At, c)
	}
	d.alert(u, e.At)
}

// protect counts a recipient who asked for protection. People of one circle often all did, and reach one another: they are one piece of evidence, not several.
// It spares newsrooms and circles of activists; it costs those who are reached together with their colleagues, for whom the first one counts.
func (u *Unit) protect(s *population.State, c *Contact) {
	r, ok := s.Find(c.Recipient)
	for _, a := range u.shielded {
		if x, had := s.Find(a); ok && had && (x == r || acquainted(s, x, r) || together(s, x, r) >= needed(c.Way)) {
			return
		}
	}
	u.protected++
	if len(u.shielded) < maxShielded {
		u.shielded = append(u.shielded, c.Recipient)
	}
}

func acquainted(s *population.State, x, y population.Ref) bool {
	t := s.Tie(x, y)
	return t != nil && t.Mutual()
}

// regret takes a report or a block of somebody who was reached: what the recipient thinks of it. Any number of them weighs as one, so that a crowd cannot
// report somebody into an alert.
func (d *Detector) regret(s *population.State, e *population.Event) {
	if d.silent != "" || e.Peer.IsZero() {
		return
	}
	u := d.units.of[ofAccount(e.Peer)]
	if u == nil {
		return
	}
	i := slices.Index(u.Reached, e.Actor)
	if i < 0 || hourOf(e)-min(hourOf(e), u.hours[i]) > regrets {
		return
	}
	v := 1.0
	if e.Kind == vedette.KindUserReported {
		v = 2
		if e.Category == vedette.ReportSuspiciousLink {
			v = 3
		}
	}
	b := binOf(Regret, v)
	n := noted{stratum: u.Best.stratum, regret: true}
	n.bins[Regret] = b
	d.pending = append(d.pending, n)
	// Among many somebody always does.
	if x := d.table.bits[u.Best.stratum][Regret][b] - int32(1000*math.Log2(float64(max(u.people, 1)))); x > u.regret {
		u.regret = x
		u.Score = u.Best.Score + vedette.MilliBits(u.regret)
		note(&u.Basis, e.ID, maxBasis+1)
		d.alert(u, e.At)
	}
}

// hours since a moment, for units.
func hourAt(t time.Time) uint32 { return uint32(t.Unix() / 3600) }
