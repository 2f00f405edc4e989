package targeting

import (
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/watch/population"
)

// Way is how a stranger reached somebody.
type Way uint8

// The ways.
const (
	Direct     Way = iota // a link
	AddedGroup            // a link in a group that the stranger added the recipient to
	DeviceLink            // a device that the recipient linked after the stranger's message
	ways       = 3
)

// Contact is a first contact that was measured.
type Contact struct {
	Sender, Recipient vedette.AccountID
	Token             vedette.Token // zero: no link
	Event             vedette.EventID
	Way               Way
	Bits              [Signals]int32 // thousandths
	Missing           uint32         // signals that could not be measured, as bits
	Discount          int32          // of a sender to many
	Score             vedette.MilliBits
	Dominance         vedette.MilliBits
	Cell              vedette.Digest // of the rehearsal; zero: none
	Unit              *Unit

	stratum uint8
	cell    uint16 // of the dominance
	fresh   bool   // the domain is new here
	sequel  bool   // the cell is known to be an operator's, and the recipient is not of it
	hour    uint32
	bins    [Signals]uint8
}

// sent takes a link before it is delivered.
func (d *Detector) sent(s *population.State, e *population.Event) {
	if e.Stranger == vedette.No || d.silent != "" || len(e.Links) == 0 {
		return
	}
	if e.Peer.IsZero() {
		a := d.groups.of[e.Group]
		if a == nil || slices.Contains(a.members, e.Actor) {
			return // whoever was put there like the others aims at none of them
		}
		for _, m := range a.members {
			d.contact(s, e, e.Actor, m, AddedGroup)
		}
		return
	}
	d.contact(s, e, e.Actor, e.Peer, Direct)
}

// shown takes a link that the recipient's client shows or opens. What it says of the link is authoritative: the operator writes his own client, which may tell
// of no link or of another one.
func (d *Detector) shown(s *population.State, e *population.Event) {
	if d.silent != "" || e.Peer.IsZero() || len(e.Links) == 0 {
		return
	}
	if e.Group.IsZero() {
		d.contact(s, e, e.Peer, e.Actor, Direct)
		return
	}
	a := d.groups.of[e.Group]
	if a == nil || slices.Contains(a.members, e.Peer) {
		return
	}
	for _, m := range a.members {
		if m == e.Actor {
			d.contact(s, e, e.Peer, e.Actor, AddedGroup)
			return
		}
	}
}

// joined remembers whom strangers put into groups.
func (d *Detector) joined(s *population.State, e *population.Event) {
	if e.Join != vedette.JoinAdded || e.Peer.IsZero() || e.Peer == e.Actor || e.Group.IsZero() || d.silent != "" {
		return
	}
	if yes, _ := stranger(s, e.Actor, e.Peer, earlier); yes {
		d.groups.add(e.Group, e.Actor, e.Peer, hourOf(e))
	}
}

// device takes a device that was linked from a network operator that the account was not in, within two days of a stranger's first message. It spares whoever
// links a device where they are; it costs people who change phones on a journey just after a stranger wrote.
func (d *Detector) device(s *population.State, e *population.Event) {
	if d.silent != "" {
		return
	}
	r, ok := s.Find(e.Actor)
	if !ok {
		return
	}
	a := s.Account(r)
	if e.Network.ASN != 0 && e.Network.ASN == a.ASN {
		return
	}
	today := uint32(e.At.Unix() / 86400)
	var best Contact
	found := false
	ts := s.Ties(a)
	for i := range ts {
		t := &ts[i]
		if t.In == 0 || t.Age(today) > lure {
			continue
		}
		back := s.Tie(t.Peer, r)
		if back == nil || !back.Asked() {
			continue
		}
		c := Contact{Sender: s.Account(t.Peer).ID, Recipient: e.Actor, Event: e.ID, Way: DeviceLink, hour: hourOf(e)}
		d.measure(s, &c, nil, math.NaN())
		if !found || c.Score > best.Score || c.Score == best.Score && less(c.Sender, best.Sender) {
			best, found = c, true
		}
	}
	if found {
		d.take(s, e, &best)
	}
}

func less(a, b vedette.AccountID) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// contact judges the links of an event, once for each recipient and domain.
func (d *Detector) contact(s *population.State, e *population.Event, from, to vedette.AccountID, way Way) {
	n := uint8(earlier)
	if e.Kind != vedette.KindLinkSent {
		n++ // the one that carried the link
	}
	yes, wrote := stranger(s, from, to, n)
	if !yes {
		return
	}
	hour := hourOf(e)
	for i := range min(len(e.Links), perEvent) {
		l := &e.Links[i]
		t := tokenOf(l)
		if t.IsZero() {
			continue
		}
		p := pairOf(from, to, t, hour)
		link, people := d.pairs.judged(p)
		if link {
			continue
		}
		unclaimed := 0.0
		if way != Direct {
			unclaimed = math.NaN() // of groups clients tell less
		} else if e.Kind != vedette.KindLinkSent {
			switch {
			case people:
				unclaimed = 2
			case wrote && hour-min(hour, d.pairs.since()) > 48:
				unclaimed = 1
			default:
				unclaimed = math.NaN()
			}
		}
		c := Contact{Sender: from, Recipient: to, Token: t, Event: e.ID, Way: way, hour: hour}
		d.measure(s, &c, l, unclaimed)
		d.pairs.add(p)
		d.take(s, e, &c)
	}
}

// measure fills in what a first contact says against the platform's own.
func (d *Detector) measure(s *population.State, c *Contact, l *vedette.Link, unclaimed float64) {
	var v [Signals]float64
	f, fok := s.Find(c.Sender)
	r, rok := s.Find(c.Recipient)
	strangers := uint16(0)
	vpn := false
	v[Thin], v[Elsewhere] = 4, math.NaN()
	if fok {
		a := s.Account(f)
		strangers = a.Fresh
		v[Thin] = max(0, 4-float64(a.Mass))
		if b := max(a.Born, a.Woke); b != 0 {
			v[Young] = 21 - float64(c.hour-min(b, c.hour))/24
		}
		if a.Sessions > 0 {
			v[Elsewhere] = (float64(a.Foreign) + float64(a.Hosted)) / (float64(a.Sessions) + 2)
			vpn = 2*a.Hosted > a.Sessions
		}
		if rok {
			v[Apart] = apart(s, f, r, c.Way)
		}
	}
	settled := rok && s.Account(r).Flags&population.Established != 0
	if !fok || !rok {
		v[Apart] = 1
	}
	d.link(s, c, l, &v)
	d.kinship(c, &v)
	c.sequel = c.sequel && settled && (c.fresh || c.Way != Direct)
	v[Recon] = d.recon(c)
	v[Protected], v[Together] = math.NaN(), math.NaN()
	c.Unit = d.units.find(c)
	if d.known.AtRisk != nil {
		v[Protected], v[Together] = 0, 0
		if d.known.AtRisk.Enrolled(c.Recipient) {
			v[Protected] = 1
		}
		if u := c.Unit; u != nil && u.protected > 0 {
			v[Together] = binomial(u.people, u.protected, d.table.rate[c.Way])
		}
	}
	v[Unclaimed] = unclaimed
	v[Lure] = float64(c.Way)
	// A ring of senders who each write to few is one sender to many.
	if u := c.Unit; u != nil {
		strangers = max(strangers, uint16(min(u.people+u.before, 1<<15)))
	}
	c.stratum = uint8(classOf(strangers))
	if vpn {
		c.stratum += classes
	}
	c.stratum += uint8(c.Way) * senders
	sum := int32(0)
	at := &d.table.bits[c.stratum]
	for i := range v {
		b := binOf(Signal(i), v[i])
		c.bins[i] = b
		if b == absent {
			c.Missing |= 1 << i
			continue
		}
		c.Bits[i] = at[i][b]
	}
	if v[Linked] > 0 { // it is bits already
		c.Bits[Linked] = int32(1000 * min(v[Linked], most/1000))
	}
	// What stands for the same thing is damped: a sender who is new is also one who knows nobody.
	sum = damped(c.Bits[Thin], c.Bits[Young], c.Bits[Elsewhere]) + damped(c.Bits[Rare], c.Bits[OneTime], c.Bits[LookAlike])
	for i := Recon; i < Signals; i++ {
		if i != LookAlike && i != Apart {
			sum += c.Bits[i]
		}
	}
	sum += c.Bits[Apart]
	// Whoever writes to many is not aiming at one: a bit for each doubling beyond eight strangers. It spares newsletters; it costs the people whom an operator
	// reaches from an account that also sends bulk.
	if strangers > 8 {
		c.Discount = int32(1000 * math.Log2(float64(strangers)/8))
	}
	if v[Apart] == 0 {
		c.Discount += introduced
	}
	if k := d.known.Vouchers; k != nil {
		if since, ok := k.Vouched(c.Sender); ok && c.hour-min(c.hour, hourAt(since)) >= uint32(population.Fresh/time.Hour) {
			c.Discount += vouched
		}
	}
	c.Score = vedette.MilliBits(max(0, sum-c.Discount))
	c.cell = c.grade()
	c.Dominance = vedette.MilliBits(d.das.bits(c.cell))
}

// damped is what signals say together that stand for nearly the same thing: seven tenths of the loudest and half of the next.
func damped(bits ...int32) int32 {
	first, second := int32(0), int32(0)
	for _, b := range bits {
		if b > first {
			first, second = b, first
		} else if b > second {
			second = b
		}
	}
	return (7*first + 5*second) / 10
}

// introduced is taken off where somebody knows both, or a group holds both: strangers of strangers seldom have that. It spares classes, teams and circles of
// activists whose members meet through one another; it costs the colleagues of somebody whose account was taken.
const introduced = 3000

// vouched is taken off where a partner vouched for the sender before any of what is judged now. It is never an exemption: an account can be taken.
const vouched = 6000

// link measures the link itself.
func (d *Detector) link(s *population.State, c *Contact, l *vedette.Link, v *[Signals]float64) {
	v[Rare], v[OneTime], v[LookAlike], v[Linked] = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if d.known.Infrastructure != nil {
		v[Linked] = 0
	}
	if l == nil {
		return
	}
	everybody := math.Log2(float64(max(s.Active(), 2)))
	v[Rare], v[OneTime] = 0, 0
	x, ok := s.FindDomain(l)
	if !ok {
		v[Rare], v[OneTime] = everybody, 1
		c.fresh = true
	} else if dom := s.Domain(x); dom.First != 0 && c.hour-min(c.hour, dom.First) <= newest {
		v[Rare] = max(0, everybody-math.Log2(1+float64(dom.N)))
		v[OneTime] = oneTime(dom, l)
		c.fresh = dom.N <= 256
	}
	v[LookAlike] = looks(l.Shape.Flags)
	if k := d.known.Infrastructure; k != nil {
		for _, t := range [...]vedette.Token{c.Token, l.Host, l.URL} {
			if b, ok := k.Known(t); ok && !t.IsZero() {
				v[Linked] = max(v[Linked], float64(b)/1000)
			}
		}
	}
}

// oneTime tells whether a URL is one that nobody had, on a domain where at least four of five are.
func oneTime(d *population.Domain, l *vedette.Link) float64 {
	if l.URL.IsZero() {
		return math.NaN()
	}
	h := uint32(l.URL.Bytes[0]) | uint32(l.URL.Bytes[1])<<8 | uint32(l.URL.Bytes[2])<<16 | uint32(l.URL.Bytes[3])<<24
	for i := range d.URLs {
		if d.URLs[i].Hash == h {
			return 0
		}
	}
	if 5*len(d.URLs) >= 4*min(int(d.Sends), 8) {
		return 1
	}
	return 0
}

// looks is how a link deceives the eye.
func looks(f vedette.ShapeFlag) (n float64) {
	for _, x := range [...]vedette.ShapeFlag{
		vedette.ShapeConfusable, vedette.ShapeMixedScript, vedette.ShapeUserinfo, vedette.ShapeDeceptive, vedette.ShapeAddress, vedette.ShapeShortener,
		vedette.ShapePunyInvalid, vedette.ShapeLongHost,
	} {
		if f.Has(x) {
			n++
		}
	}
	return n
}

// apart tells whether two accounts share no group and no acquaintance. A group that the stranger put the recipient into does not count.
func apart(s *population.State, f, r population.Ref, way Way) float64 {
	a, b := s.Account(f), s.Account(r)
	ours, theirs := s.Ties(a), s.Ties(b)
	for i := range ours {
		for j := range theirs {
			if x, y := &ours[i], &theirs[j]; x.Peer == y.Peer && (x.Mutual() || y.Mutual()) {
				return 0
			}
		}
	}
	if together(s, f, r) >= needed(way) {
		return 0
	}
	return 1
}

// needed is how many groups in common say that two accounts know one another.
func needed(way Way) int {
	if way == AddedGroup {
		return 2 // one of them is the stranger's
	}
	return 1
}

// together is how many groups two accounts have in common.
func together(s *population.State, x, y population.Ref) (n int) {
	a, b := s.Account(x), s.Account(y)
	for _, t := range s.ThingsOf(a) {
		if s.Thing(t).Kind == population.SharedGroup && slices.Contains(s.ThingsOf(b), t) {
			n++
		}
	}
	return n
}

// aKin is from how many bits of kinship on a contact stands in the queue of those that a rehearsal leads to.
const aKin = 4000

// kinship asks whether sender or link are of a rehearsal.
func (d *Detector) kinship(c *Contact, v *[Signals]float64) {
	k := d.known.Kinship
	if k == nil || !d.akin {
		v[Kin] = math.NaN()
		return
	}
	if cell, score, ok := k.Account(c.Sender); ok && score > 0 {
		c.Cell, v[Kin] = cell, float64(score)/1000
		own, _, of := k.Account(c.Recipient)
		c.sequel = !(of && own == cell) && k.Confirmed(cell)
	}
	if c.fresh && !c.Token.IsZero() {
		if cell, score, ok := k.Link(c.Token); ok && float64(score)/1000 > v[Kin] {
			c.Cell, v[Kin] = cell, float64(score)/1000
		}
	}
}

// recon tells whether the recipient's number was asked for by hand: 2 by the sender, 1 by another one of the sender's cell.
func (d *Detector) recon(c *Contact) (n float64) {
	if !d.looks.seen() {
		return math.NaN()
	}
	d.looks.each(c.Recipient, c.hour, func(x *look) bool {
		if x.asker == c.Sender {
			n = 2
			return false
		}
		if !c.Cell.IsZero() {
			if cell, _, ok := d.known.Kinship.Account(x.asker); ok && cell == c.Cell {
				n = 1
			}
		}
		return true
	})
	return n
}

// binomial is the surprise, in bits, at k or more of n where each has the chance p.
func binomial(n, k int, p float64) float64 {
	if k == 0 || n == 0 || p <= 0 {
		return 0
	}
	lambda := float64(n) * p // few of many: Poisson
	below, term := 0.0, math.Exp(-lambda)
	for i := range k {
		below += term
		term *= lambda / float64(i+1)
	}
	if rest := 1 - below; rest > 1e-9 {
		return -math.Log2(rest)
	}
	return -math.Log2(max(term, 1e-12)) // the sum has no digits left: its first term is nearly all of it
}

// grade is the place among the dominated: the link, the sender, the rehearsal, the recipient; a grade is a bit and a half.
func (c *Contact) grade() uint16 {
	b := &c.Bits
	dims := [4]int32{
		b[Rare] + b[OneTime] + b[LookAlike] + b[Linked] + b[Unclaimed],
		b[Thin] + b[Young] + b[Elsewhere] - c.Discount,
		b[Kin] + b[Recon] + b[Lure],
		b[Protected] + b[Together] + b[Apart],
	}
	n := 0
	for _, x := range dims {
		n = n*grades + int(max(0, min(x/1500, grades-1)))
	}
	return uint16(n)
}
