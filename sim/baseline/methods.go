package baseline

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"vedette"
	"vedette/sim/score"
)

// accounts keeps identities of single accounts, or of anything with a number.
type accounts struct {
	list []score.Identity
	of   map[uint64]int32
}

func newAccounts() accounts { return accounts{of: map[uint64]int32{}} }

// higher tells whether a score would be a rise of an identity.
func (x *accounts) higher(who uint64, s float64) bool {
	n, ok := x.of[who]
	return !ok || s > x.list[n].Rises[len(x.list[n].Rises)-1].Score
}

func (x *accounts) rise(who uint64, a score.Alert) {
	n, ok := x.of[who]
	if !ok {
		n = int32(len(x.list))
		x.of[who] = n
		x.list = append(x.list, score.Identity{})
	}
	x.list[n].Rise(a)
}

func (x *accounts) scored() []score.Identity { return x.list }

// known tells of names that were known before.
type known struct {
	accounts
	b     *Bench
	names map[vedette.Token]bool
}

func newKnown(b *Bench) engine {
	x := &known{accounts: newAccounts(), b: b, names: map[vedette.Token]bool{}}
	for _, t := range b.cfg.Known {
		x.names[t] = true
	}
	return x
}

func (x *known) take(e *happening) {
	if len(x.names) == 0 || e.kind != vedette.KindLinkSent {
		return
	}
	list := e.Links()
	for i := range list {
		for _, t := range [...]vedette.Token{list[i].Domain, list[i].Host, list[i].Tenant, list[i].URL} {
			if x.names[t] && x.higher(uint64(e.actor), 1) {
				x.rise(uint64(e.actor), score.Alert{At: e.At, Score: 1, Subjects: []vedette.AccountID{e.Actor}, Links: []vedette.Token{t}})
			}
		}
	}
}

func (x *known) tick(time.Time) {}

// accountRules ranks accounts by their hits, as soon as one is added.
type accountRules struct {
	accounts
	b *Bench
}

func newAccountRules(b *Bench) engine {
	b.rules = &accountRules{newAccounts(), b}
	return b.rules
}

func (x *accountRules) take(*happening) {}

func (x *accountRules) look(who uint32, at time.Time) {
	p := &x.b.people[who]
	if p.first < 0 {
		return
	}
	if s := x.b.hitsOf(p); s >= 2 && x.higher(uint64(who), s) {
		a := score.Alert{At: at, Score: s, Subjects: []vedette.AccountID{p.id}}
		for _, d := range p.fresh {
			if y := &x.b.domains[d]; x.b.isFresh(y) && y.confined() {
				a.Links = append(a.Links, y.token)
			}
		}
		x.rise(uint64(who), a)
	}
}

func (x *accountRules) tick(at time.Time) {
	for i := range x.b.people {
		if p := &x.b.people[i]; x.b.hour-p.last <= 48 {
			x.look(uint32(i), at)
		}
	}
}

// groupEngine ranks groups by a number.
type groupEngine struct {
	following
	b  *Bench
	of func(g *group) (float64, bool)
}

func (x *groupEngine) take(*happening)          {}
func (x *groupEngine) tick(at time.Time)        { x.choose(x.b, x.b.groups, at, x.of) }
func (x *groupEngine) scored() []score.Identity { return x.list }

func newGroupRules(b *Bench) engine {
	b.wants = true
	return &groupEngine{newFollowing(), b, func(g *group) (float64, bool) { return g.hits, true }}
}

func newConfined(b *Bench) engine {
	b.wants = true
	return &groupEngine{newFollowing(), b, func(g *group) (float64, bool) {
		// Few are level: the more links and openings, the higher, by less than a domain.
		return g.confined + .01*(g.dims[links]-g.confined), g.confined > 0
	}}
}

// reference are vectors of the past that others are compared with, in a form in which counting is quick: for each dimension the sets of those that are no
// higher than some of its values, as bits. Between two of these values the lower set is taken; near the top, where it matters, every value has its set.
type reference struct {
	list  [][dimensions]float64
	at    int
	n     int // dimensions
	steps [dimensions][]float64
	sets  [dimensions][][references / 64]uint64
	size  int // when the sets were made
}

const (
	references = 4096
	finest     = 64 // values at the top that have a set each
	coarse     = 24
)

func (r *reference) add(v *[dimensions]float64) {
	if len(r.list) < references {
		r.list = append(r.list, *v)
		return
	}
	r.list[r.at] = *v
	r.at = (r.at + 1) % references
}

// index makes the sets.
func (r *reference) index() {
	r.size = len(r.list)
	order := make([]int, r.size)
	for d := range r.n {
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(r.list[a][d], r.list[b][d]), cmp.Compare(a, b)) })
		r.steps[d], r.sets[d] = r.steps[d][:0], r.sets[d][:0]
		var set [references / 64]uint64
		for i, x := range order {
			set[x/64] |= 1 << (x % 64)
			last := i+1 == len(order)
			if !last && r.list[order[i+1]][d] == r.list[x][d] {
				continue // all of one value, or none
			}
			if n := len(r.steps[d]); last || i >= len(order)-finest || i%coarse == 0 || n == 0 || i >= coarse && r.list[order[i-coarse]][d] >= r.steps[d][n-1] {
				r.steps[d] = append(r.steps[d], r.list[x][d])
				r.sets[d] = append(r.sets[d], set)
			}
		}
	}
}

// dominated is how many of the past are in no dimension more suspicious, as bits of surprise; where all are, what is left of the score is how far in all. Ho et
// al. rank events by the number that they dominate; the bits are the same order.
func (r *reference) dominated(v *[dimensions]float64) float64 {
	above := 0.0
	for d := range r.n {
		above += math.Tanh(v[d] / 16)
	}
	return math.Log2(float64(r.size+1)/float64(r.size-r.count(v)+1)) + above/float64(r.n)
}

// count is how many are in no dimension higher.
func (r *reference) count(v *[dimensions]float64) (dominated int) {
	var sets [dimensions]*[references / 64]uint64
	for d := range r.n {
		i, ok := slices.BinarySearch(r.steps[d], v[d])
		if ok {
			i++
		}
		if i == 0 {
			return 0
		}
		sets[d] = &r.sets[d][i-1]
	}
	for w := range (r.size + 63) / 64 {
		x := sets[0][w]
		for d := 1; d < r.n; d++ {
			x &= sets[d][w]
		}
		dominated += bits.OnesCount64(x)
	}
	return dominated
}

// das scores groups by how many of the past they dominate.
type das struct {
	following
	b    *Bench
	dims []int
	past reference
}

func newDAS(b *Bench, dims []int) engine {
	b.wants = true
	return &das{following: newFollowing(), b: b, dims: dims, past: reference{n: len(dims)}}
}

func (x *das) take(*happening)          {}
func (x *das) scored() []score.Identity { return x.list }

func (x *das) tick(at time.Time) {
	vector := func(g *group) (v [dimensions]float64) {
		for i, d := range x.dims {
			v[i] = g.dims[d]
		}
		return v
	}
	// A part of each look's groups is kept to compare with, as many in a day of few as of many: the last week is all there, and no week is compared with another
	// kind of past than the next. The first two are not: nobody has old friends in them, and nobody can be seen to have been silent.
	if x.b.hour < settling {
		return
	}
	share := max(1, int(references/7*x.b.cfg.Tick.Hours()/24))
	for i := range min(share, len(x.b.groups)) {
		v := vector(&x.b.groups[i*len(x.b.groups)/min(share, len(x.b.groups))])
		x.past.add(&v)
	}
	x.past.index()
	if x.b.hour < settling+3*24 {
		return
	}
	x.choose(x.b, x.b.groups, at, func(g *group) (float64, bool) {
		v := vector(g)
		return x.past.dominated(&v), true
	})
}

// age ranks accounts by how young they were at their first link.
type age struct {
	accounts
	b *Bench
}

func newAge(b *Bench) engine { return &age{newAccounts(), b} }

func (x *age) take(e *happening) {
	if e.kind != vedette.KindLinkSent {
		return
	}
	p := &x.b.people[e.actor]
	if p.born == 0 || !x.b.young(p) {
		return
	}
	if s := -x.b.age(p, e.ms) / 24; x.higher(uint64(e.actor), s) {
		a := score.Alert{At: e.At, Score: s, Subjects: []vedette.AccountID{p.id}}
		for _, d := range e.links {
			a.Links = append(a.Links, x.b.domains[d].token)
		}
		x.rise(uint64(e.actor), a)
	}
}

func (x *age) tick(time.Time) {}

// rates holds what people do against limits.
type rates struct {
	accounts
	b    *Bench
	now  []pace
	day  int32
	from map[uint64]*crowd // registrations of the day, by device and network

	crowds uint64 // that there were
}

// The limits, of an hour (messages) or a day.
const (
	hourMessages = 60
	dayStrangers = 20
	dayLookups   = 30
	dayLinks     = 20
	dayOthers    = 8
	fromNetwork  = 6
	fromDevice   = 2
)

type pace struct {
	hour, day                            int32
	messages                             uint16
	strangers, lookups, links, otherwise uint16
}

type crowd struct {
	who []uint32
	id  uint64
}

func newRates(b *Bench) engine {
	return &rates{accounts: newAccounts(), b: b, from: map[uint64]*crowd{}}
}

func (x *rates) take(e *happening) {
	if e.kind == vedette.KindAccountSeen || e.kind == vedette.KindLinkPreviewed || e.kind == vedette.KindLinkOpened {
		return
	}
	for int(e.actor) >= len(x.now) {
		x.now = append(x.now, pace{hour: -1, day: -1})
	}
	r := &x.now[e.actor]
	if r.day != x.b.day {
		r.day, r.strangers, r.lookups, r.links, r.otherwise = x.b.day, 0, 0, 0, 0
	}
	if r.hour != x.b.hour {
		r.hour, r.messages = x.b.hour, 0
	}
	stranger := false
	switch b := e.Body.(type) {
	case *vedette.MessageSent:
		add(&r.messages, max(1, b.Count))
		stranger = b.Stranger == vedette.Yes
	case *vedette.LinkSent:
		add(&r.messages, 1)
		add(&r.links, 1)
		stranger = b.Stranger == vedette.Yes
	case *vedette.NumberLookedUp:
		if b.Via == vedette.LookupManual {
			add(&r.lookups, 1)
		}
	case *vedette.AccountRegistered:
		x.crowd(e, short((*[16]byte)(&b.Device)), fromDevice)
		x.crowd(e, short((*[16]byte)(&b.Network.ID))+1, fromNetwork)
	default:
		add(&r.otherwise, 1)
	}
	if stranger {
		add(&r.strangers, 1)
	}
	parts := [...]float64{
		float64(r.messages) / hourMessages, float64(r.strangers) / dayStrangers, float64(r.lookups) / dayLookups,
		float64(r.links) / dayLinks, float64(r.otherwise) / dayOthers,
	}
	top, rest := 0.0, 0.0
	for _, v := range parts {
		top = max(top, v)
		rest += v
	}
	if s := top + rest/1000; top >= .25 && x.higher(uint64(e.actor), s) {
		x.rise(uint64(e.actor), score.Alert{At: e.At, Score: s, Subjects: []vedette.AccountID{e.Actor}})
	}
}

func (x *rates) crowd(e *happening, key uint64, limit float64) {
	if x.day != x.b.day {
		x.day = x.b.day
		clear(x.from)
	}
	c := x.from[key]
	if c == nil {
		x.crowds++
		c = &crowd{id: 1<<32 | x.crowds} // an identity of its own, that no account has
		x.from[key] = c
	}
	if slices.Contains(c.who, e.actor) || len(c.who) >= 64 {
		return
	}
	c.who = append(c.who, e.actor)
	if s := float64(len(c.who)) / limit; len(c.who) > 1 && x.higher(c.id, s) {
		a := score.Alert{At: e.At, Score: s}
		for _, w := range c.who {
			a.Subjects = append(a.Subjects, x.b.people[w].id)
		}
		x.rise(c.id, a)
	}
}

func (x *rates) tick(time.Time) {}

// lexical ranks new domains by the surprise of their links' shape among domains seen before, in the suspicious direction.
type lexical struct {
	accounts
	b       *Bench
	n       float64
	flags   [32]float64
	entropy [256]float64
	length  [256]float64
	tokens  [8]float64
	labels  [8]float64
	depth   [8]float64
	met     map[uint32]bool
}

// The properties that speak for deception; others are left out.
var deceptive = []vedette.ShapeFlag{
	vedette.ShapeShortener, vedette.ShapeEmbedded, vedette.ShapeAddress, vedette.ShapeIDN, vedette.ShapeMixedScript, vedette.ShapeConfusable, vedette.ShapeUserinfo,
	vedette.ShapePort, vedette.ShapeInsecure, vedette.ShapeForeign, vedette.ShapePunyInvalid, vedette.ShapeDeceptive, vedette.ShapeUnread, vedette.ShapeLongHost,
}

func newLexical(b *Bench) engine {
	return &lexical{accounts: newAccounts(), b: b, met: map[uint32]bool{}}
}

func (x *lexical) take(e *happening) {
	if e.kind != vedette.KindLinkSent {
		return
	}
	b := e.Body.(*vedette.LinkSent)
	for i, d := range e.links {
		if i >= len(b.Links) {
			break
		}
		s := &b.Links[i].Shape
		y := &x.b.domains[d]
		if x.b.isFresh(y) {
			if v := x.surprise(s); x.higher(uint64(d), v) {
				a := score.Alert{At: e.At, Score: v, Subjects: []vedette.AccountID{e.Actor}, Links: []vedette.Token{y.token}}
				for _, u := range y.users {
					if u.who != e.actor {
						a.Subjects = append(a.Subjects, x.b.people[u.who].id)
					}
				}
				x.rise(uint64(d), a)
			}
		}
		if !x.met[d] {
			x.met[d] = true
			x.learn(s)
		}
	}
}

func (x *lexical) learn(s *vedette.Shape) {
	x.n++
	for i, f := range deceptive {
		if s.Flags.Has(f) {
			x.flags[i]++
		}
	}
	x.entropy[s.Entropy]++
	x.length[min(255, s.Length)]++
	x.tokens[min(7, s.TokenLike)]++
	x.labels[min(7, s.HostLabels)]++
	x.depth[min(7, s.PathSegments)]++
}

func (x *lexical) surprise(s *vedette.Shape) float64 {
	bits := 0.0
	for i, f := range deceptive {
		p := (x.flags[i] + .5) / (x.n + 1)
		if s.Flags.Has(f) {
			bits -= math.Log2(p)
		} else {
			bits -= math.Log2(1 - p)
		}
	}
	tail := func(counts []float64, from int) float64 {
		n := .5
		for _, c := range counts[from:] {
			n += c
		}
		return -math.Log2(n / (x.n + 1))
	}
	return bits + tail(x.entropy[:], int(s.Entropy)) + tail(x.length[:], int(min(255, s.Length))) + tail(x.tokens[:], int(min(7, s.TokenLike))) +
		tail(x.labels[:], int(min(7, s.HostLabels))) + tail(x.depth[:], int(min(7, s.PathSegments)))
}

func (x *lexical) tick(time.Time) {}

// lockstep is SynchroTrap: what was done on which object in which hour.
type lockstep struct {
	following
	b     *Bench
	today []deed
	days  [7]lockday
	at    int
}

type deed struct {
	what uint64
	who  uint32
}

type lockday struct {
	pairs  map[uint64]uint16 // deeds in common
	counts map[uint32]uint16 // deeds
}

func newLockstep(b *Bench) engine { return &lockstep{following: newFollowing(), b: b} }

func (x *lockstep) scored() []score.Identity { return x.list }

func (x *lockstep) take(e *happening) {
	done := func(who uint32, action uint64, object uint64) {
		h := (object ^ action<<56 ^ uint64(uint32(x.b.hour))*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
		x.today = append(x.today, deed{h ^ h>>29, who})
	}
	switch b := e.Body.(type) {
	case *vedette.AccountSeen:
		done(e.actor, 1, short((*[16]byte)(&b.Network.ID)))
	case *vedette.AccountRegistered:
		done(e.actor, 2, short((*[16]byte)(&b.Network.ID)))
		done(e.actor, 3, short((*[16]byte)(&b.Device)))
	case *vedette.LinkSent:
		for i := range b.Links {
			done(e.actor, 4, short(&met(&b.Links[i]).Bytes))
		}
	case *vedette.LinkOpened:
		for i := range b.Links {
			done(e.actor, 5, short(&met(&b.Links[i]).Bytes))
		}
	case *vedette.GroupJoined:
		if e.peer != nobody {
			done(e.peer, 6, short((*[16]byte)(&b.Group)))
		}
	case *vedette.NumberLookedUp:
		if b.Via == vedette.LookupManual && e.peer != nobody {
			done(e.actor, 7, short((*[16]byte)(&b.Target)))
		}
	case *vedette.UserBlocked:
		if e.peer != nobody {
			done(e.actor, 8, short((*[16]byte)(&b.Subject)))
		}
	case *vedette.UserReported:
		if e.peer != nobody {
			done(e.actor, 9, short((*[16]byte)(&b.Subject)))
		}
	}
}

func (x *lockstep) tick(at time.Time) {
	slices.SortFunc(x.today, func(a, b deed) int { return cmp.Or(cmp.Compare(a.what, b.what), cmp.Compare(a.who, b.who)) })
	x.today = slices.Compact(x.today)
	d := lockday{map[uint64]uint16{}, map[uint32]uint16{}}
	for i := 0; i < len(x.today); {
		k := i
		for k < len(x.today) && x.today[k].what == x.today[i].what {
			k++
		}
		if k-i >= 2 && k-i <= maxUses { // what more do in one hour is no sign of anything (SynchroTrap's limit on hot objects)
			for m := i; m < k; m++ {
				for n := i; n < m; n++ {
					d.pairs[uint64(x.today[n].who)<<32|uint64(x.today[m].who)]++
				}
			}
		}
		i = k
	}
	for i := range x.today {
		d.counts[x.today[i].who]++
	}
	x.today = x.today[:0]
	x.days[x.at%len(x.days)] = d
	x.at++
	common := map[uint64]float64{}
	for i := range x.days {
		for p, n := range x.days[i].pairs {
			common[p] += float64(n)
		}
	}
	count := func(who uint32) (n float64) {
		for i := range x.days {
			n += float64(x.days[i].counts[who])
		}
		return n
	}
	var edges []edge
	for p, n := range common {
		if n < 2 {
			continue
		}
		a, b := uint32(p>>32), uint32(p)
		edges = append(edges, edge{a, b, n / (count(a) + count(b) - n)})
	}
	sims := make(map[uint64]float64, len(edges))
	for _, e := range edges {
		sims[uint64(e.a)<<32|uint64(e.b)] = e.w
	}
	gs := linkage(edges, 4*maxGroup, nil)
	x.choose(x.b, gs, at, func(g *group) (float64, bool) {
		if len(g.members) < 3 {
			return 0, false
		}
		// The mean similarity of all pairs, times how much there is of it: two accounts that meet by chance are alike in two deeds.
		s, c := 0.0, 0.0
		for i, m := range g.members {
			for _, n := range g.members[:i] {
				k := uint64(n)<<32 | uint64(m)
				s += sims[k]
				c += common[k]
			}
		}
		pairs := float64(len(g.members)*(len(g.members)-1)) / 2
		return s / pairs * math.Log2(1+c/pairs) * math.Log2(float64(len(g.members))), true
	})
}
