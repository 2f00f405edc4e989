package baseline

import (
	"cmp"
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/sim/score"
)

// group is a set of accounts that was joined at some strength: a node of single linkage, cut at 24 members.
type group struct {
	members     []uint32 // in order
	left, right int32    // the groups that it was joined from; -1: a single account
	dims        [dimensions]float64
	hits        float64 // mean count of hits, with a part for how rare they are
	fresh       []uint32
	confined    float64 // the count of confined domains
}

// The dimensions of directed anomaly scoring, each a channel of evidence. Higher is more suspicious.
const (
	social = iota
	infra
	tempo
	probes
	links
	geography
	life
	dimensions
)

const (
	maxGroup  = 24
	leastEdge = 6 // bits
)

type edge struct {
	a, b uint32
	w    float64
}

// linkage joins the ends of edges, the strongest first, and gives each join that is not too large as a group. It is single linkage (Sibson 1973) with a cap.
func linkage(edges []edge, largest int, gs []group) []group {
	slices.SortFunc(edges, func(x, y edge) int {
		return cmp.Or(cmp.Compare(y.w, x.w), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	parent, node := map[uint32]uint32{}, map[uint32]int32{}
	var find func(a uint32) uint32
	find = func(a uint32) uint32 {
		p, ok := parent[a]
		if !ok || p == a {
			return a
		}
		r := find(p)
		parent[a] = r
		return r
	}
	of := func(root uint32) (int32, []uint32) {
		if n, ok := node[root]; ok {
			return n, gs[n].members
		}
		return -1, []uint32{root}
	}
	for _, e := range edges {
		x, y := find(e.a), find(e.b)
		if x == y {
			continue
		}
		l, ml := of(x)
		r, mr := of(y)
		if len(ml)+len(mr) > largest {
			continue
		}
		parent[y] = x
		m := make([]uint32, 0, len(ml)+len(mr))
		m = append(append(m, ml...), mr...)
		slices.Sort(m)
		node[x] = int32(len(gs))
		gs = append(gs, group{members: m, left: l, right: r})
	}
	return gs
}

// edges says how strongly lonely accounts are tied: by talk, devices, networks and new domains, by the rarity of what they share.
func (b *Bench) edges() []edge {
	sum := map[uint64]float64{}
	join := func(x, y uint32, w float64) {
		if x > y {
			x, y = y, x
		}
		sum[uint64(x)<<32|uint64(y)] += w
	}
	for i := range b.people {
		p := &b.people[i]
		if !b.lonely(p) {
			continue
		}
		for k := range p.ties {
			t := &p.ties[k]
			if uint32(i) < t.peer && b.lonely(&b.people[t.peer]) {
				w := min(10, float64(t.out)+float64(t.in))
				if t.mutual() {
					w += 4
				}
				join(uint32(i), t.peer, w)
			}
		}
	}
	var among []uint32
	share := func(us []use, n int, part float64, within int32) {
		among = among[:0]
		for _, u := range us {
			if b.hour-u.hour <= within && b.lonely(&b.people[u.who]) {
				among = append(among, u.who)
			}
		}
		if len(among) < 2 || len(among) > 16 {
			return
		}
		w := part * b.rarity(n)
		for i, x := range among {
			for _, y := range among[:i] {
				join(x, y, w)
			}
		}
	}
	for i := range b.things {
		t := &b.things[i]
		if t.key == 0 || len(t.uses) < 2 {
			continue
		}
		part := .55
		switch {
		case t.device:
			part = .8
		case t.class == vedette.NetworkHosting:
			part = 1
		case t.class == vedette.NetworkMobile:
			part = .3
		}
		share(t.uses, len(t.uses), part, silence)
	}
	for i := range b.domains {
		if d := &b.domains[i]; b.isFresh(d) && len(d.users) > 1 {
			share(d.users, d.n, .6, freshFor)
		}
	}
	out := make([]edge, 0, len(sum)/2)
	for k, w := range sum {
		if w >= leastEdge {
			out = append(out, edge{uint32(k >> 32), uint32(k), w})
		}
	}
	return out
}

// gather forms the groups of the day and measures them.
func (b *Bench) gather(gs []group) []group {
	gs = linkage(b.edges(), maxGroup, gs)
	m := &b.meter
	m.begin(&b.ledger)
	for i := range gs {
		m.measure(&gs[i])
	}
	return gs
}

// meter measures groups. Its lists are used again.
type meter struct {
	*ledger
	of      [][]uint32    // by account, the things that it shares with others
	in      []uint32      // by account, the last group that it was measured in
	now     uint32        // the group
	hits    []float64     // by account, as of this look; below 0: not counted yet
	usual   [hits]float64 // probes of an account, mean
	births  []float64
	shared  []uint32
	domains []uint32
	builds  []uint32
	asns    []uint32
	blocks  []uint64
}

func (m *meter) begin(l *ledger) {
	m.ledger = l
	for i := range m.of {
		m.of[i] = m.of[i][:0]
	}
	for len(m.of) < len(l.people) {
		m.of, m.in, m.hits = append(m.of, nil), append(m.in, 0), append(m.hits, 0)
	}
	for i := range m.hits {
		m.hits[i] = -1
	}
	for i := range l.things {
		if t := &l.things[i]; t.key != 0 && len(t.uses) > 1 {
			for _, u := range t.uses {
				m.of[u.who] = append(m.of[u.who], uint32(i))
			}
		}
	}
	n := 1.0
	m.usual = [hits]float64{}
	for i := range l.people {
		if p := &l.people[i]; l.lonely(p) {
			n++
			for _, h := range probesOf {
				m.usual[h] += float64(p.counts[h])
			}
		}
	}
	for _, h := range probesOf {
		m.usual[h] = (m.usual[h] + .5) / n
	}
}

// runs sorts a list and tells of each value how often it is in it.
func runs[K cmp.Ordered](list []K, tell func(x K, n int)) {
	slices.Sort(list)
	for i := 0; i < len(list); {
		k := i
		for k < len(list) && list[k] == list[i] {
			k++
		}
		tell(list[i], k-i)
		i = k
	}
}

func (m *meter) measure(g *group) {
	k := float64(len(g.members))
	m.now++
	for _, a := range g.members {
		m.in[a] = m.now
	}
	var inside, outside, vain, orphans, foreign, hosted, voip, machines, wakened, gone, youths, unvouch float64
	var count [hits]float64
	m.births, m.shared, m.domains, m.builds, m.asns, m.blocks = m.births[:0], m.shared[:0], m.domains[:0], m.builds[:0], m.asns[:0], m.blocks[:0]
	for _, a := range g.members {
		p := &m.ledger.people[a]
		known := false
		for i := range p.ties {
			t := &p.ties[i]
			if m.in[t.peer] == m.now {
				inside += float64(t.out)
				continue
			}
			if t.mutual() {
				outside += min(6, float64(t.out)) + min(6, float64(t.in))
				known = known || m.people[t.peer].settled
			}
		}
		if !known {
			orphans++
		}
		vain += float64(p.unanswered)
		foreign += part(p.abroad, p.sessions)
		hosted += part(p.hosted, p.sessions)
		if p.hit[isVoIP] > unknown {
			voip++
		}
		if p.hit[unvouched] > unknown {
			unvouch++
		}
		if p.hit[isMachine] > unknown {
			machines++
		}
		if m.hour-p.woken <= window {
			wakened++
			m.births = append(m.births, float64(m.hour-p.woken))
		} else if m.young(p) {
			m.births = append(m.births, float64(m.hour)-float64(p.born/3_600_000-m.origin))
		}
		if m.young(p) {
			youths++
		}
		if p.gone {
			gone++
		}
		for _, h := range probesOf {
			count[h] += float64(p.counts[h])
		}
		m.shared = append(m.shared, m.of[a]...)
		for _, x := range p.fresh {
			if d := &m.ledger.domains[x]; m.isFresh(d) && d.confined() {
				m.domains = append(m.domains, x)
			}
		}
		if p.build != 0 {
			m.builds = append(m.builds, p.build)
		}
		if p.block != 0 {
			m.blocks = append(m.blocks, p.block)
		}
		if p.asn != 0 {
			m.asns = append(m.asns, p.asn)
		}
		if m.hits[a] < 0 {
			m.hits[a] = m.hitsOf(p)
		}
		g.hits += m.hits[a]
	}
	g.hits /= k
	n := float64(max(m.active, 2))
	g.dims[social] = inside/(inside+outside+vain+4) + orphans/k - .2*math.Log1p(vain/k)
	runs(m.shared, func(x uint32, c int) {
		t := &m.ledger.things[x]
		part := .5
		if t.device {
			part = .8
		}
		g.dims[infra] += part * float64(c-1) * m.rarity(len(t.uses)) / k
	})
	g.dims[infra] += 4*hosted/k + 2*(unvouch+machines)/k
	runs(m.builds, func(x uint32, c int) {
		g.dims[infra] += float64(c-1) / k * max(0, math.Log2(n/float64(max(m.ledger.builds[x], 1)))-4)
	})
	runs(m.asns, func(x uint32, c int) {
		g.dims[infra] += .3 * float64(c-1) / k * max(0, math.Log2(n/float64(max(m.ledger.asns[x], 1)))-4)
	})
	runs(m.blocks, func(_ uint64, c int) { g.dims[infra] += 3 * float64(c-1) / k })
	g.dims[tempo] = together(m.births)
	for _, h := range probesOf {
		g.dims[probes] += min(8, -math.Log2(poisson(int(count[h]), k*m.usual[h])))
	}
	runs(m.domains, func(x uint32, c int) {
		if c < 2 {
			return
		}
		d := &m.ledger.domains[x]
		g.fresh = append(g.fresh, x)
		f := float64(c) / float64(d.n)
		g.confined += f * f
		g.dims[links] += f * f * (1 + .25*math.Log2(float64(1+len(d.urls))) + .1*math.Log2(1+float64(d.opens)))
	})
	g.dims[geography] = foreign/k + .5*voip/k
	g.dims[life] = wakened/k + .7*gone/k + .5*youths/k
}

func part(n, of uint16) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// together is the surprise, in bits, at how close so many beginnings of the last 30 days lie, best of all runs of them: of n beginnings in a part s of the
// time, -log2(n s^(n-1) - (n-1) s^n).
func together(births []float64) float64 {
	slices.Sort(births)
	best := 0.0
	for i := range births {
		for k := i + 1; k < len(births); k++ {
			n := float64(k - i + 1)
			s := max(births[k]-births[i], 1) / (30 * 24)
			if s >= 1 {
				continue
			}
			bits := -math.Log2(n*math.Pow(s, n-1)-(n-1)*math.Pow(s, n)) - math.Log2(float64(len(births)-int(n)+1))
			best = max(best, min(20, bits))
		}
	}
	return best
}

// poisson is P(X ≥ k) where so many are expected.
func poisson(k int, expected float64) float64 {
	if k <= 0 {
		return 1
	}
	below, term := 0.0, math.Exp(-expected)
	for i := range min(k, 60) {
		below += term
		term *= expected / float64(i+1)
	}
	return max(1e-12, 1-below)
}

// hitsOf counts the suspicious things of an account within three weeks; the part behind the point says how rare they are, so that few are level.
func (l *ledger) hitsOf(p *person) float64 {
	n, rare := 0.0, 0.0
	for h := range p.hit {
		if l.hour-p.hit[h] <= window {
			n++
			rare += l.rare[h]
		}
	}
	if l.young(p) {
		n++
		rare += l.rare[isYoung]
	}
	return n + rare/1000
}

// following keeps the identities of groups over time: a group is one that it shares at least half of the smaller with.
type following struct {
	list []score.Identity
	last [][]uint32
	of   map[uint32]int32
}

func newFollowing() following { return following{of: map[uint32]int32{}} }

// choose keeps of all groups the best that do not overlap, and follows them.
func (f *following) choose(b *Bench, gs []group, at time.Time, scoreOf func(g *group) (float64, bool)) {
	n := len(gs)
	scores, best := make([]float64, n), make([]float64, n)
	inner := make([]bool, n)
	for i := range gs {
		s, ok := scoreOf(&gs[i])
		if !ok {
			s = math.Inf(-1)
		}
		scores[i], best[i] = s, s
		for _, c := range [2]int32{gs[i].left, gs[i].right} {
			if c >= 0 {
				inner[c] = true
				best[i] = max(best[i], best[c])
			}
		}
	}
	var take func(i int32)
	take = func(i int32) {
		switch {
		case i < 0 || math.IsInf(best[i], -1):
		case scores[i] >= best[i]:
			f.follow(b, &gs[i], at, scores[i])
		default:
			take(gs[i].left)
			take(gs[i].right)
		}
	}
	for i := range gs {
		if !inner[i] {
			take(int32(i))
		}
	}
}

func (f *following) follow(b *Bench, g *group, at time.Time, s float64) {
	votes := map[int32]int{}
	for _, a := range g.members {
		if id, ok := f.of[a]; ok {
			votes[id]++
		}
	}
	id, most := int32(-1), 0
	for k, n := range votes {
		if 2*n >= min(len(g.members), len(f.last[k])) && (n > most || n == most && k < id) {
			id, most = k, n
		}
	}
	if id < 0 {
		id = int32(len(f.list))
		f.list = append(f.list, score.Identity{})
		f.last = append(f.last, nil)
	}
	f.last[id] = g.members
	for _, a := range g.members {
		f.of[a] = id
	}
	if x := &f.list[id]; len(x.Rises) == 0 || s > x.Rises[len(x.Rises)-1].Score {
		alert := score.Alert{At: at, Score: s}
		for _, a := range g.members {
			alert.Subjects = append(alert.Subjects, b.people[a].id)
		}
		for _, d := range g.fresh {
			alert.Links = append(alert.Links, b.domains[d].token)
		}
		x.Rise(alert)
	}
}
