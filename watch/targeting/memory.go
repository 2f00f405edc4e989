package targeting

import (
	"encoding/binary"

	"vedette"
	"vedette/watch/population"
)

// key8 is a narrow key of random surrogates: nothing is hashed, since they are random already.
func key8(b [16]byte, turn int) uint64 {
	x := binary.LittleEndian.Uint64(b[:8])
	return x<<turn | x>>(64-turn)
}

// look is a number that somebody asked for by hand.
type look struct {
	asker, target vedette.AccountID
	hour          uint32
	prev          uint64 // the look-up of the same target before, by number from 1 on
}

// lookups remembers the last look-ups by hand. Those who ask for more numbers than fit push out others' look-ups: what is lost can only make a contact look
// less aimed.
type lookups struct {
	ring   []look
	next   uint64 // number of the next one, from 1 on
	size   int
	latest map[vedette.AccountID]uint64
}

func (l *lookups) init(size int) {
	l.size, l.next, l.latest = size, 1, map[vedette.AccountID]uint64{}
}

func (l *lookups) add(asker, target vedette.AccountID, hour uint32) {
	x := look{asker, target, hour, l.latest[target]}
	if len(l.ring) < l.size {
		l.ring = append(l.ring, x)
	} else {
		old := &l.ring[(l.next-1)%uint64(l.size)]
		if l.latest[old.target] == l.next-uint64(l.size) {
			delete(l.latest, old.target)
		}
		*old = x
	}
	l.latest[target] = l.next
	l.next++
}

// each tells the look-ups of a target in the last 30 days, the latest first, at most eight.
func (l *lookups) each(target vedette.AccountID, hour uint32, tell func(*look) bool) {
	n := l.latest[target]
	for range 8 {
		if n == 0 || n+uint64(l.size) < l.next {
			return
		}
		x := &l.ring[(n-1)%uint64(l.size)]
		if x.target != target || hour-x.hour > lookup || !tell(x) {
			return
		}
		n = x.prev
	}
}

// seen reports whether any look-up by hand was ever told: without one, none is a measure of nothing.
func (l *lookups) seen() bool { return l.next > 1 }

// pair is a link from one person to another that was judged.
type pair struct {
	link   uint64 // of sender, recipient and token
	people uint64 // of sender and recipient
	hour   uint32
}

// pairs remembers which links were judged, so that a link that is sent, shown and opened is judged once.
type pairs struct {
	ring   []pair
	next   uint64
	size   int
	links  map[uint64]uint64
	people map[uint64]uint64
}

func (p *pairs) init(size int) {
	p.size, p.next, p.links, p.people = size, 1, map[uint64]uint64{}, map[uint64]uint64{}
}

func pairOf(from, to vedette.AccountID, t vedette.Token, hour uint32) pair {
	x := key8(from, 0) ^ key8(to, 21)
	return pair{x ^ key8(t.Bytes, 42), x, hour}
}

func (p *pairs) add(x pair) {
	if len(p.ring) < p.size {
		p.ring = append(p.ring, x)
	} else {
		old := &p.ring[(p.next-1)%uint64(p.size)]
		gone := p.next - uint64(p.size)
		if p.links[old.link] == gone {
			delete(p.links, old.link)
		}
		if p.people[old.people] == gone {
			delete(p.people, old.people)
		}
		*old = x
	}
	p.links[x.link], p.people[x.people] = p.next, p.next
	p.next++
}

// judged tells whether the link was, and whether any link between the two was within two days.
func (p *pairs) judged(x pair) (link, people bool) {
	n, ok := p.people[x.people]
	if !ok {
		return false, false
	}
	_, link = p.links[x.link]
	return link, x.hour-p.ring[(n-1)%uint64(p.size)].hour <= 48
}

// since is the hour from which on everything that was judged is remembered; 0: from the beginning.
func (p *pairs) since() uint32 {
	if len(p.ring) < p.size {
		return 0
	}
	return p.ring[(p.next-1)%uint64(p.size)].hour
}

// adding is a group that a stranger put people into.
type adding struct {
	group   vedette.GroupID
	by      vedette.AccountID
	members []vedette.AccountID // at most 8
	hour    uint32
}

// groups remembers in which groups people are that strangers put there.
type groups struct {
	list []*adding // in order of time
	of   map[vedette.GroupID]*adding
	size int
}

func (g *groups) init(size int) { g.size, g.of = size, map[vedette.GroupID]*adding{} }

func (g *groups) add(group vedette.GroupID, by, member vedette.AccountID, hour uint32) {
	a := g.of[group]
	if a == nil || a.by != by {
		if a != nil {
			return // of the first stranger; a group of many adders is not aimed
		}
		if len(g.list) == g.size {
			delete(g.of, g.list[0].group)
			g.list = g.list[1:]
		}
		a = &adding{group: group, by: by, hour: hour}
		g.list = append(g.list, a)
		g.of[group] = a
	}
	if len(a.members) < 8 {
		a.members = append(a.members, member)
	}
}

func (g *groups) expire(hour uint32) {
	n := 0
	for n < len(g.list) && hour-min(hour, g.list[n].hour) > added {
		delete(g.of, g.list[n].group)
		n++
	}
	g.list = append(g.list[:0], g.list[n:]...)
}

// tokenOf is the token by which a link's host is known: of a host that many parties use, the party's. It is what population knows domains by.
func tokenOf(l *vedette.Link) vedette.Token {
	switch {
	case !l.Tenant.IsZero():
		return l.Tenant
	case l.Shape.Flags.Has(vedette.ShapeSharedHost):
		return l.URL
	case !l.Domain.IsZero():
		return l.Domain
	}
	return l.Host
}

// stranger tells whether somebody is unknown to a recipient: the recipient has never written to them, did not have them among their contacts when they
// first wrote, and has had at most n messages of them. It spares whoever was ever answered, a wrong number included; it costs nothing to an operator who
// talks first and sends the link to somebody who answers: that one is left to the rehearsal watch and to reports.
func stranger(s *population.State, from, to vedette.AccountID, n uint8) (yes, wrote bool) {
	f, ok := s.Find(from)
	if !ok {
		return true, false
	}
	t, ok := s.Find(to)
	if !ok {
		return true, false
	}
	out := s.Tie(f, t)
	if out == nil {
		if in := s.Tie(t, f); in != nil {
			return in.Out == 0 && in.In <= n, in.In > 0
		}
		return true, false
	}
	return out.In == 0 && out.Out <= n && (out.Asked() || out.Out == 0), out.Out > 0
}
