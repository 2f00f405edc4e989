package targeting

import (
	"slices"

	"vedette"
	"vedette/watch/population"
)

// Forget drops an account at once, with everything that is kept of it: what it asked for and who asked for it, links that it sent or got, groups that it put people
// into or was put into, its part in first contacts and in alerts. What was measured of others stays, and so do scores and counts, which name nobody. s knows the
// people whom the account may have met; a link between the account and somebody whom s has dropped since is found only while a first contact or an alert names
// that person.
func (d *Detector) Forget(s *population.State, a vedette.AccountID) {
	if a.IsZero() {
		return
	}
	is := func(x vedette.AccountID) bool { return x == a }
	d.pairs.forget(a, d.met(s))
	d.looks.forget(a)
	d.groups.forget(a)
	for _, u := range d.units.list {
		if !u.gone {
			d.units.forget(d, u, a)
		}
	}
	for _, x := range d.alerts {
		x.Reached = without(x.Reached, is)
		x.Finding.Subjects = without(x.Finding.Subjects, is)
	}
	for i := range d.found {
		d.found[i].Subjects = without(d.found[i].Subjects, is)
	}
}

// without leaves the slice as it is: findings share theirs.
func without[T any](list []T, is func(T) bool) []T {
	if !slices.ContainsFunc(list, is) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), is)
}

// met are all whom somebody can have sent a link to, or got one from, as both sides of a pair write them.
type met struct{ senders, recipients map[uint64]bool }

func (d *Detector) met(s *population.State) met {
	m := met{make(map[uint64]bool, s.Len()), make(map[uint64]bool, s.Len())}
	add := func(as ...vedette.AccountID) {
		for _, a := range as {
			m.senders[key8(a, 0)], m.recipients[key8(a, 21)] = true, true
		}
	}
	for r := range s.Len() {
		add(s.Account(population.Ref(r)).ID)
	}
	for _, u := range d.units.list {
		add(u.Senders...)
		add(u.Reached...)
	}
	for _, x := range d.alerts {
		add(x.Finding.Subjects...)
		add(x.Reached...)
	}
	return m
}

// forget empties the pairs that an account is one side of. Their places stay: since must not say that more is remembered than is.
func (p *pairs) forget(a vedette.AccountID, m met) {
	all := ordered(p.ring, p.next, p.size)
	from, to := key8(a, 0), key8(a, 21)
	for i := range all {
		if x := &all[i]; m.recipients[x.people^from] || m.senders[x.people^to] {
			x.link, x.people = 0, 0
		}
	}
	p.ring = nil
	p.init(p.size)
	for i := range all {
		p.add(all[i])
	}
}

func (l *lookups) forget(a vedette.AccountID) {
	all := ordered(l.ring, l.next, l.size)
	l.ring = nil
	l.init(l.size)
	for i := range all {
		if all[i].asker != a && all[i].target != a {
			l.add(all[i].asker, all[i].target, all[i].hour)
		}
	}
}

func (g *groups) forget(a vedette.AccountID) {
	g.list = slices.DeleteFunc(g.list, func(x *adding) bool {
		if x.by == a {
			delete(g.of, x.group)
		}
		return x.by == a
	})
	for _, x := range g.list {
		x.members = without(x.members, func(m vedette.AccountID) bool { return m == a })
	}
}

// forget takes an account out of a unit. A unit that other senders, a domain or a cell still name goes on: an operator who has his account erased does not
// take his link out of sight.
func (u *units) forget(d *Detector, x *Unit, a vedette.AccountID) {
	if i := slices.Index(x.Senders, a); i >= 0 {
		x.Senders, x.After = slices.Delete(x.Senders, i, i+1), slices.Delete(x.After, i, i+1)
	}
	if i := slices.Index(x.Reached, a); i >= 0 {
		x.Reached, x.hours = slices.Delete(x.Reached, i, i+1), slices.Delete(x.hours, i, i+1)
	}
	x.shielded = without(x.shielded, func(y vedette.AccountID) bool { return y == a })
	if x.Best.Sender == a {
		x.Best.Sender = vedette.AccountID{}
	}
	if x.Best.Recipient == a {
		x.Best.Recipient = vedette.AccountID{}
	}
	name := ofAccount(a)
	if u.of[name] != x {
		return
	}
	delete(u.of, name)
	x.keys = slices.DeleteFunc(x.keys, func(k name32) bool { return k == name })
	if len(x.keys) == 0 {
		u.end(d, x)
		*x = Unit{gone: true}
	}
}
