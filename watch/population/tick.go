package population

import (
	"slices"
	"time"

	"vedette"
)

// tick does what is due each day and each week.
func (s *State) tick(at time.Time) {
	s.now = max(s.now, uint32(at.Unix()/3600))
	day := s.now / 24
	if day == s.day {
		return
	}
	s.day = day
	s.daily()
	if day%7 == 3 {
		s.compact()
	}
}

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
	today := uint16(s.now / 24)
	old := func(a *Account) bool { return a.Born == 0 || s.now-a.Born > 30*24 }
	long := func(t *Tie) bool { return t.Mutual() && today-t.First >= oldTie }
	var known, masses [MaxTies + 1]int
	all := 0
	for i := range s.accounts {
		a := &s.accounts[i]
		var n uint8
		for j := range a.Ties {
			if t := &a.Ties[j]; long(t) && old(&s.accounts[t.Peer]) {
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
	for i := range s.accounts {
		a := &s.accounts[i]
		if old(a) && a.Mass >= enough {
			a.Flags |= Established
		} else {
			a.Flags &^= Established
		}
	}
	s.active = 0
	for i := range s.accounts {
		a := &s.accounts[i]
		var mass uint8
		for j := range a.Ties {
			if t := &a.Ties[j]; long(t) && s.accounts[t.Peer].Flags&Established != 0 {
				mass++
			}
		}
		a.Mass = mass
		if a.Last != 0 && s.now-a.Last <= 240 {
			s.active++
			masses[mass]++
		}
		if uint32(i)%7 == uint32(today)%7 {
			fade(a)
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
func fade(a *Account) {
	a.Sessions, a.Foreign, a.Hosted = a.Sessions/2, a.Foreign/2, a.Hosted/2
	a.Fresh, a.Strange, a.Mute = a.Fresh/2, a.Strange/2, a.Mute/2
	for i := range a.Probes {
		a.Probes[i] /= 2
	}
	for i := range a.Ties {
		if t := &a.Ties[i]; t.Out > 8 || t.In > 8 {
			t.Out, t.In = (t.Out+1)/2, (t.In+1)/2
		}
	}
}

// Forget drops an account at once, with all that is kept of it. Places of accounts, things and domains are new after it.
func (s *State) Forget(id vedette.AccountID) {
	if r, ok := s.Find(id); ok {
		s.accounts[r].Flags |= dead
		s.compact()
	}
}

const none = ^Ref(0)

// compact drops what was quiet for long, and gives what stays new places.
func (s *State) compact() {
	quiet := uint32(Quiet / time.Hour)
	moved := make([]Ref, len(s.accounts))
	n := Ref(0)
	for i := range s.accounts {
		a := &s.accounts[i]
		if a.Flags&dead != 0 || s.now-max(a.Last, a.First) > quiet {
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
	uses := func(us []Use, after uint32) []Use {
		return slices.DeleteFunc(us, func(u Use) bool {
			return moved[u.Account] == none || s.now-u.Hour > after
		})
	}
	rename := func(us []Use) {
		for i := range us {
			us[i].Account = moved[us[i].Account]
		}
	}
	// things: a device or network that 14 days did not see names nobody any more; blocks and groups stay as long as their accounts
	things := make([]Ref, len(s.things))
	kept := Ref(0)
	for i := range s.things {
		t := &s.things[i]
		after := uint32(Silence / time.Hour)
		if t.Kind == SharedBlock || t.Kind == SharedGroup {
			after = quiet
		}
		things[i] = none
		if t.uses != 0 {
			us := uses(s.shared[t.uses-1], after)
			rename(us)
			s.shared[t.uses-1] = us
			if len(us) == 0 {
				s.drop(t)
				continue
			}
		} else if t.Over {
			if uint32(s.now/24)-uint32(t.Last) > 30 {
				continue
			}
		} else {
			if moved[t.one] == none || uint32(s.now/24)-uint32(t.Last) > after/24 {
				continue
			}
			t.one = moved[t.one]
		}
		things[i] = kept
		s.things[kept] = *t
		kept++
	}
	s.things = s.things[:kept]
	// domains: a year and a bit, so that what was met once is not taken for news again
	domains := make([]Ref, len(s.domains))
	kept = 0
	for i := range s.domains {
		d := &s.domains[i]
		domains[i] = none
		if s.now-d.Last > 400*24 {
			continue
		}
		if d.First != 0 && s.now-d.First > 2*uint32(Fresh/time.Hour) {
			d.Users, d.URLs = nil, nil
		}
		d.Users = uses(d.Users, quiet)
		rename(d.Users)
		domains[i] = kept
		s.domains[kept] = *d
		kept++
	}
	clear(s.domains[kept:])
	s.domains = s.domains[:kept]
	place := func(rs []Ref, to []Ref) []Ref {
		out := rs[:0]
		for _, r := range rs {
			if to[r] != none {
				out = append(out, to[r])
			}
		}
		return out
	}
	for i := range s.accounts {
		if moved[i] == none {
			continue
		}
		a := s.accounts[i]
		a.Things, a.Domains = place(a.Things, things), place(a.Domains, domains)
		ties := a.Ties[:0]
		for _, t := range a.Ties {
			if moved[t.Peer] != none && uint32(s.now/24)-uint32(t.Last) <= quiet/24 {
				t.Peer = moved[t.Peer]
				ties = append(ties, t)
			}
		}
		a.Ties = ties
		s.accounts[moved[i]] = a
	}
	clear(s.accounts[n:])
	s.accounts = s.accounts[:n]
	s.reindex()
}

// reindex makes the indexes from the lists.
func (s *State) reindex() {
	s.byID, s.byThing, s.byDomain = index[wide]{}, index[narrow]{}, index[narrow]{}
	for i := range s.accounts {
		s.byID.add(wide(s.accounts[i].ID), Ref(i), s.accountKey)
	}
	for i := range s.things {
		s.byThing.add(s.things[i].key, Ref(i), s.thingKey)
	}
	for i := range s.domains {
		s.byDomain.add(s.domains[i].key, Ref(i), s.domainKey)
	}
}
