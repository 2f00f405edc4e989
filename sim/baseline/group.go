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
	m := newMeter(&b.ledger)
	for i := range b.things {
		t := &b.things[i]
		if t.key != 0 && len(t.uses) > 1 {
			for _, u := range t.uses {
				m.things[u.who] = append(m.things[u.who], uint32(i))
			}
		}
	}
	for i := range gs {
		m.measure(&gs[i])
	}
	return gs
}

// meter measures groups.
type meter struct {
	*ledger
	things map[uint32][]uint32 // of accounts that share any
	usual  [hits]float64       // probes of an account, mean
}

func newMeter(l *ledger) *meter {
	m := &meter{ledger: l, things: map[uint32][]uint32{}}
	n := 1.0
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
	return m
}

func (m *meter) measure(g *group) {
	k := float64(len(g.members))
	in := func(a uint32) bool { _, ok := slices.BinarySearch(g.members, a); return ok }
	var inside, outside, vain, orphans, foreign, hosted, voip, mad, wakened, gone, youths, unvouch float64
	var births []float64
	var count [hits]float64
	shared, domains := map[uint32]int{}, map[uint32]int{}
	builds, blocks, asns := map[uint32]int{}, map[uint64]int{}, map[uint32]int{}
	for _, a := range g.members {
		p := &m.people[a]
		known := false
		for i := range p.ties {
			t := &p.ties[i]
			if in(t.peer) {
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
			mad++
		}
		if m.hour-p.woken <= window {
			wakened++
			births = append(births, float64(m.hour-p.woken))
		} else if m.young(p) {
			births = append(births, float64(m.hour)-float64(p.born/3_600_000-m.origin))
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
		for _, x := range m.things[a] {
			shared[x]++
		}
		for _, x := range p.fresh {
			if d := &m.domains[x]; m.isFresh(d) && d.confined() {
				domains[x]++
			}
		}
		if p.build != 0 {
			builds[p.build]++
		}
		if p.block != 0 {
			blocks[p.block]++
		}
		if p.asn != 0 {
			asns[p.asn]++
		}
		g.hits += m.hitsOf(p)
	}
	g.hits /= k
	n := float64(max(m.active, 2))
	g.dims[social] = inside/(inside+outside+vain+4) + orphans/k - .2*math.Log1p(vain/k)
	for _, x := range sorted(shared) {
		t, c := &m.ledger.things[x], float64(shared[x]-1)
		switch {
		case c < 1:
		case t.device:
			g.dims[infra] += .8 * c * m.rarity(len(t.uses)) / k
		default:
			g.dims[infra] += .5 * c * m.rarity(len(t.uses)) / k
		}
	}
	g.dims[infra] += 4*hosted/k + 2*(unvouch+mad)/k
	for _, x := range sorted(builds) {
		g.dims[infra] += float64(builds[x]-1) / k * max(0, math.Log2(n/float64(max(m.builds[x], 1)))-4)
	}
	for _, x := range sorted(asns) {
		g.dims[infra] += .3 * float64(asns[x]-1) / k * max(0, math.Log2(n/float64(max(m.asns[x], 1)))-4)
	}
	for _, x := range sorted(blocks) {
		g.dims[infra] += 3 * float64(blocks[x]-1) / k
	}
	g.dims[tempo] = together(births)
	for _, h := range probesOf {
		g.dims[probes] += min(8, -math.Log2(poisson(int(count[h]), k*m.usual[h])))
	}
	for _, x := range sorted(domains) {
		d := &m.domains[x]
		if domains[x] < 2 {
			continue
		}
		g.fresh = append(g.fresh, x)
		c := float64(domains[x]) / float64(d.n)
		g.confined += c * c
		g.dims[links] += c * c * (1 + .25*math.Log2(float64(1+len(d.urls))) + .1*math.Log2(1+float64(d.opens)))
	}
	g.dims[geography] = foreign/k + .5*voip/k
	g.dims[life] = wakened/k + .7*gone/k + .5*youths/k
}

func part(n, of uint16) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func sorted[K cmp.Ordered](m map[K]int) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
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
