package rehearsal

import (
	"cmp"
	"math"
	"slices"

	"vedette"
	"vedette/watch/population"
)

// A cell has three accounts at least, and 16 at most: two people who share a site are a couple, and test cells have four to nine.
const (
	leastCell = 3
	maxCell   = 16
)

// The weights of what two accounts share, per bit of its rarity (DETECTION 2.2), and the least weight of a bond.
const (
	leastBond   = 6
	perDevice   = .8
	perHosting  = 1
	perBusiness = .6
	perHome     = .55
	perMobile   = .3
	perDomain   = .6
	perGroup    = .3
	perBuild    = .4
	sameBlock   = 4
)

// bond is what ties two accounts.
type bond struct {
	a, b   population.Ref // a < b
	weight float64
}

// candidate tells whether an account can be of a cell: it was active lately, and nobody established has known it for long, or hardly anybody; or it has met
// a new link that few others have. Age is no reason to be left out, nor is a life of one's own: operators buy old accounts, and take over those of others.
func candidate(s *population.State, a *population.Account) bool {
	if s.Now()-a.Last > 10*24 {
		return false
	}
	if s.Lonely(a) {
		return true
	}
	for _, r := range s.DomainsOf(a) {
		if d := s.Domain(r); d.N >= 2 && d.N <= fewUsers && s.IsFresh(d) {
			return true
		}
	}
	return false
}

// fewUsers is how many accounts have met a link that makes somebody with a life of their own a candidate.
const fewUsers = 6

// grouping makes hypotheses of a state, once.
type grouping struct {
	bonds []bond
	in    []bool // by account: candidate
	nodes []node
	of    []int32 // by account: its node, -1 none
}

// node is a merge of two nodes: a group of accounts that some weight holds together.
type node struct {
	members     []population.Ref // in order
	left, right int32            // -1: an account
}

// group merges accounts by descending weight of their bonds; every merge of three and more is a hypothesis.
func (g *grouping) group(s *population.State) []node {
	n := s.Len()
	g.in = make([]bool, n)
	for i := range n {
		g.in[i] = candidate(s, s.Account(population.Ref(i)))
	}
	total := float64(max(s.Active(), 2))
	g.acquaintances(s)
	g.things(s, total)
	g.domains(s, total)
	g.sum(s, total)
	slices.SortFunc(g.bonds, func(x, y bond) int {
		if c := cmp.Compare(y.weight, x.weight); c != 0 {
			return c
		}
		if x.a != y.a {
			return compareIDs(s, x.a, y.a)
		}
		return compareIDs(s, x.b, y.b)
	})
	g.of = make([]int32, n)
	for i := range g.of {
		g.of[i] = -1
	}
	root := func(r population.Ref) int32 {
		x := g.of[r]
		return x
	}
	for _, b := range g.bonds {
		x, y := root(b.a), root(b.b)
		if x >= 0 && x == y {
			continue
		}
		size := func(x int32) int {
			if x < 0 {
				return 1
			}
			return len(g.nodes[x].members)
		}
		if size(x)+size(y) > maxCell {
			continue
		}
		m := make([]population.Ref, 0, size(x)+size(y))
		for _, p := range []struct {
			x int32
			r population.Ref
		}{{x, b.a}, {y, b.b}} {
			if p.x < 0 {
				m = append(m, p.r)
			} else {
				m = append(m, g.nodes[p.x].members...)
			}
		}
		slices.Sort(m)
		g.nodes = append(g.nodes, node{m, x, y})
		for _, r := range m {
			g.of[r] = int32(len(g.nodes) - 1)
		}
	}
	return g.nodes
}

func compareIDs(s *population.State, a, b population.Ref) int {
	x, y := &s.Account(a).ID, &s.Account(b).ID
	return slices.Compare(x[:], y[:])
}

func (g *grouping) bond(a, b population.Ref, w float64) {
	if a == b || w <= 0 {
		return
	}
	if a > b {
		a, b = b, a
	}
	g.bonds = append(g.bonds, bond{a, b, w})
}

func (g *grouping) acquaintances(s *population.State) {
	today := s.Now() / 24
	for i := range s.Len() {
		if !g.in[i] {
			continue
		}
		ts := s.Ties(s.Account(population.Ref(i)))
		for j := range ts {
			t := &ts[j]
			if int(t.Peer) < i || !g.in[t.Peer] || t.Quiet(today) > 21 {
				continue
			}
			w := float64(min(10, int(t.Out)+int(t.In)))
			if t.Mutual() {
				w += 4
			}
			g.bond(population.Ref(i), t.Peer, w)
		}
	}
}

func (g *grouping) things(s *population.State, total float64) {
	var on []population.Ref
	for i := range s.Things() {
		t := s.Thing(population.Ref(i))
		us := s.Uses(t)
		if len(us) < 2 {
			continue
		}
		on = on[:0]
		for j := range us {
			u := &us[j]
			if g.in[u.Account] && (t.Kind == population.SharedBlock || t.Kind == population.SharedGroup || s.Now()-u.Hour <= 14*24) {
				on = append(on, u.Account)
			}
		}
		if len(on) < 2 || len(on) > 16 {
			continue
		}
		w := thingWeight(t) * math.Log2(total/float64(max(int(t.N), len(on))))
		if t.Kind == population.SharedBlock {
			w = sameBlock
		}
		for j, a := range on {
			for _, b := range on[j+1:] {
				g.bond(a, b, w)
			}
		}
	}
}

func thingWeight(t *population.Thing) float64 {
	switch t.Kind {
	case population.SharedDevice:
		return perDevice
	case population.SharedGroup:
		return perGroup
	case population.SharedNetwork:
		switch t.Class {
		case vedette.NetworkHosting, vedette.NetworkAnonymous:
			return perHosting
		case vedette.NetworkBusiness:
			return perBusiness
		case vedette.NetworkMobile:
			return perMobile
		}
		return perHome
	}
	return 0
}

func (g *grouping) domains(s *population.State, total float64) {
	var on []population.Ref
	for i := range s.Domains() {
		d := s.Domain(population.Ref(i))
		if !s.IsFresh(d) || len(d.Users) < 2 {
			continue
		}
		on = on[:0]
		for j := range d.Users {
			if u := d.Users[j].Account; g.in[u] {
				on = append(on, u)
			}
		}
		if len(on) < 2 || len(on) > 16 {
			continue
		}
		w := perDomain * math.Log2(total/float64(max(int(d.N), len(on))))
		for j, a := range on {
			for _, b := range on[j+1:] {
				g.bond(a, b, w)
			}
		}
	}
}

// sum adds up the bonds of each pair, adds what alone would tie too many, and keeps those that weigh enough.
func (g *grouping) sum(s *population.State, total float64) {
	slices.SortFunc(g.bonds, func(x, y bond) int {
		if c := cmp.Compare(x.a, y.a); c != 0 {
			return c
		}
		if c := cmp.Compare(x.b, y.b); c != 0 {
			return c
		}
		return cmp.Compare(x.weight, y.weight) // sums of floats depend on their order
	})
	kept := 0
	for i := 0; i < len(g.bonds); {
		b := g.bonds[i]
		for i++; i < len(g.bonds) && g.bonds[i].a == b.a && g.bonds[i].b == b.b; i++ {
			b.weight += g.bonds[i].weight
		}
		x, y := s.Account(b.a), s.Account(b.b)
		if x.Build != 0 && x.Build == y.Build {
			b.weight += perBuild * max(0, math.Log2(total/float64(max(s.OfBuild(x.Build), 2)))-4)
		}
		if b.weight >= leastBond {
			g.bonds[kept] = b
			kept++
		}
	}
	g.bonds = g.bonds[:kept]
}
