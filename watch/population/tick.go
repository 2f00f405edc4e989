package population

import (
	"slices"
	"time"

	"vedette"
)

// tick does what is due each day and each week.
func (s *State) tick(at time.Time) {
	s.now = max(s.now, uint32(at.Unix()/3600))
	day, before := s.now/24, s.day
	if day == before {
		return
	}
	s.day = day
	s.daily()
	if weekOf(day) != weekOf(before) {
		s.compact()
	}
}

// weekOf is the week since 1970 of a day; weeks begin on Sundays.
func weekOf(day uint32) uint32 { return (day + 4) / 7 }

// oldTie is how many days an acquaintance must last before it counts as one of a life of one's own.
const oldTie = 14

// The most that is asked of somebody with a life of their own. Where people have few acquaintances, or the platform was seen for a short time only, less is.
const (
	mostKnown  = 5 // of an established account: acquaintances older than a month
	mostLonely = 3 // of a lonely one: established acquaintances
)

// daily counts who knows how many established people, and lets what was counted fade: each account on its own day of the week, so that no day is special.
// An account is established that is older than a month and has known, for two weeks, as many such accounts as half of them have, or five. It is lonely when
// it has known no more established ones than the loneliest fifth, or three. It spares whoever has friends of long standing; it costs people who are new, or
// keep to very few: they can be looked at as a group. Buying one's way out takes weeks of talk with real people for each account.
//
// Source: organic mass of DETECTION 2.2, two steps of SybilRank (Cao et al., NSDI 2012) with bounded state.
func (s *State) daily() {
	today := s.now / 24
	old := func(a *Account) bool { return a.Born == 0 || s.now-a.Born > 30*24 }
	long := func(t *Tie) bool { return t.Mutual() && t.Age(today) >= oldTie }
	var known, masses [MaxTies + 1]int
	all := 0
	for _, a := range s.accounts.all() {
		var n uint8
		ts := s.Ties(a)
		for j := range ts {
			if t := &ts[j]; long(t) && old(s.accounts.at(t.Peer)) {
				n++
			}
		}
		a.Mass = n // for this pass and the next
		if old(a) {
			known[n]++
			all++
		}
	}
	enough := uint8(min(mostKnown, max(2, quantile(&known, all, 2))))
	for _, a := range s.accounts.all() {
		if old(a) && a.Mass >= enough {
			a.Flags |= Established
		} else {
			a.Flags &^= Established
		}
	}
	s.active = 0
	for i, a := range s.accounts.all() {
		var mass uint8
		ts := s.Ties(a)
		for j := range ts {
			if t := &ts[j]; long(t) && s.accounts.at(t.Peer).Flags&Established != 0 {
				mass++
			}
		}
		a.Mass = mass
		if a.Flags&Acted != 0 && s.now-a.Last <= 240 {
			s.active++
			masses[mass]++
		}
		if i%7 == today%7 {
			s.fade(a)
		}
	}
	s.lonely = uint8(min(mostLonely, quantile(&masses, s.active, 5)))
}

// quantile is the least value that one part in parts of all does not exceed.
func quantile(counts *[MaxTies + 1]int, all, parts int) int {
	sum := 0
	for v, n := range counts {
		if sum += n; sum*parts > all {
			return v
		}
	}
	return MaxTies
}

// Lonely tells whether an account has hardly known anybody established: those that the rehearsal watch compares.
func (s *State) Lonely(a *Account) bool { return a.Mass <= s.lonely }

// fade halves what is counted of an account.
func (s *State) fade(a *Account) {
	a.Sessions, a.Foreign, a.Hosted = a.Sessions/2, a.Foreign/2, a.Hosted/2
	a.Fresh, a.Strange, a.Mute = a.Fresh/2, a.Strange/2, a.Mute/2
	for i := range a.Probes {
		a.Probes[i] /= 2
	}
	ts := s.Ties(a)
	for i := range ts {
		if t := &ts[i]; t.Out > 8 || t.In > 8 {
			t.Out, t.In = (t.Out+1)/2, (t.In+1)/2
		}
	}
}

// Forget drops an account at once, with all that is kept of it. Places of accounts, things and domains are new after it.
func (s *State) Forget(id vedette.AccountID) {
	if r, ok := s.Find(id); ok {
		s.accounts.at(r).Flags |= dead
		s.compact()
	}
}

const none = ^Ref(0)

// compact drops what was quiet for long, and gives what stays new places.
func (s *State) compact() {
	quiet := uint32(Quiet / time.Hour)
	today := s.now / 24
	moved := make([]Ref, s.accounts.len())
	n := Ref(0)
	for i, a := range s.accounts.all() {
		if a.Flags&dead != 0 || s.now-a.Last > quiet {
			moved[i] = none
			if a.Build != 0 {
				s.builds[a.Build]--
			}
			if a.ASN != 0 {
				s.asns[a.ASN]--
			}
			continue
		}
		moved[i] = n
		n++
	}
	things, domains := s.compactThings(moved), s.compactDomains(moved)
	// First every list, then every place: while lists change their length, all owners are still where they were.
	place := func(to []Ref) func(*Ref) bool {
		return func(r *Ref) bool {
			*r = to[*r]
			return *r != none
		}
	}
	for i := range s.accounts.all() {
		if moved[i] == none {
			s.ties.resize(i, 0)
			s.on.resize(i, 0)
			s.met.resize(i, 0)
			continue
		}
		s.on.keep(i, place(things))
		s.met.keep(i, place(domains))
		s.ties.keep(i, func(t *Tie) bool {
			if moved[t.Peer] == none || t.Quiet(today) > quiet/24 {
				return false
			}
			t.Peer = moved[t.Peer]
			if t.Age(today) > oldest {
				t.first = t.first&asked | uint8(today-oldest)%128
			}
			return true
		})
	}
	for i, a := range s.accounts.all() {
		if to := moved[i]; to != none && to != i {
			s.ties.rename(a.ties, to)
			s.on.rename(a.things, to)
			s.met.rename(a.domains, to)
			*s.accounts.at(to) = *a
		}
	}
	s.accounts.cut(int(n))
	s.reindex()
}

// compactThings drops things that nobody is on any more: a device or network that 14 days did not see names nobody, blocks and groups stay as long as their
// accounts. It tells the new places of those that stay.
func (s *State) compactThings(accounts []Ref) (moved []Ref) {
	moved = make([]Ref, s.things.len())
	kept := Ref(0)
	for i, t := range s.things.all() {
		after := uint32(Silence / time.Hour)
		if t.Kind == SharedBlock || t.Kind == SharedGroup {
			after = uint32(Quiet / time.Hour)
		}
		idle := s.now/24 - uint32(t.Last)
		moved[i] = none
		switch t.state {
		case shared:
			if s.uses.keep(i, s.stays(accounts, after)) == 0 {
				continue
			}
		case over:
			if idle > 30 {
				continue
			}
		default:
			if accounts[t.who] == none || idle > after/24 {
				continue
			}
			t.who = accounts[t.who]
		}
		moved[i] = kept
		kept++
	}
	for i, t := range s.things.all() {
		if to := moved[i]; to != none && to != i {
			if t.state == shared {
				s.uses.rename(list(t.who), to)
			}
			*s.things.at(to) = *t
		}
	}
	s.things.cut(int(kept))
	return moved
}

// stays tells whether a use is of an account that stays and not older than so many hours, and names the account's new place.
func (s *State) stays(accounts []Ref, hours uint32) func(*Use) bool {
	return func(u *Use) bool {
		u.Account = accounts[u.Account]
		return u.Account != none && s.now-u.Hour <= hours
	}
}

// compactDomains drops domains after a year and a bit, so that what was met once is not taken for news again, and of those that are not new any more who met
// them. It tells the new places of those that stay.
func (s *State) compactDomains(accounts []Ref) (moved []Ref) {
	moved = make([]Ref, len(s.domains))
	kept := 0
	stays := s.stays(accounts, uint32(Quiet/time.Hour))
	for i := range s.domains {
		d := &s.domains[i]
		moved[i] = none
		if s.now-d.Last > 400*24 {
			continue
		}
		if d.First != 0 && s.now-d.First > 2*uint32(Fresh/time.Hour) {
			d.Users, d.URLs = nil, nil
		}
		d.Users = slices.DeleteFunc(d.Users, func(u Use) bool { return accounts[u.Account] == none || s.now-u.Hour > uint32(Quiet/time.Hour) })
		for j := range d.Users {
			stays(&d.Users[j])
		}
		moved[i] = Ref(kept)
		s.domains[kept] = *d
		kept++
	}
	clear(s.domains[kept:])
	s.domains = s.domains[:kept]
	return moved
}

// reindex makes the indexes from the lists.
func (s *State) reindex() {
	s.byID, s.byThing, s.byDomain = index[wide]{}, index[narrow]{}, index[narrow]{}
	for i, a := range s.accounts.all() {
		s.byID.add(wide(a.ID), i, s.accountKey)
	}
	for i, t := range s.things.all() {
		s.byThing.add(t.narrow(), i, s.thingKey)
	}
	for i := range s.domains {
		s.byDomain.add(s.domains[i].key, Ref(i), s.domainKey)
	}
}
