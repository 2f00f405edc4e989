package baseline

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"vedette"
	"vedette/sim/score"
	"vedette/sim/world"
)

// Against counting.
func TestDominanceIsCountedRight(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	for _, size := range []int{1, 63, 64, 500, references, references + 700} {
		r := reference{n: 3}
		draw := func() (v [dimensions]float64) {
			for d := range 3 {
				v[d] = float64(rng.IntN(8)) // many are level
			}
			return v
		}
		for range size {
			v := draw()
			r.add(&v)
		}
		r.index()
		for range 200 {
			v := draw()
			n := 0
			for i := range r.list {
				if r.list[i][0] <= v[0] && r.list[i][1] <= v[1] && r.list[i][2] <= v[2] {
					n++
				}
			}
			if got := r.count(&v); got != n {
				t.Fatalf("of %d: %v dominates %d, want %d", size, v, got, n)
			}
		}
	}
	// With values that are all different, a count may be too low by what lies between two steps in each dimension, and is right at the top.
	r := reference{n: 2}
	for range references {
		v := [dimensions]float64{rng.Float64(), rng.Float64()}
		r.add(&v)
	}
	r.index()
	for range 200 {
		v := [dimensions]float64{rng.Float64(), rng.Float64()}
		n := 0
		for i := range r.list {
			if r.list[i][0] <= v[0] && r.list[i][1] <= v[1] {
				n++
			}
		}
		if got := r.count(&v); got > n || got < n-4*coarse {
			t.Fatalf("%v dominates %d, want %d", v, got, n)
		}
	}
	if v := [dimensions]float64{2, 2}; r.count(&v) != references {
		t.Error("what is over all does not dominate all")
	}
}

func TestLinkageJoinsTheStrongestFirstUpToItsCap(t *testing.T) {
	gs := linkage([]edge{{1, 2, 9}, {2, 3, 7}, {4, 5, 8}, {3, 4, 6}, {5, 6, 5}}, 4, nil)
	var got [][]uint32
	for _, g := range gs {
		got = append(got, g.members)
	}
	want := [][]uint32{{1, 2}, {4, 5}, {1, 2, 3}, {4, 5, 6}} // 1 to 5 would be five
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if gs[2].left != 0 || gs[2].right != -1 {
		t.Errorf("the third was joined from %d and %d", gs[2].left, gs[2].right)
	}
}

func TestBeginningsThatComeTogetherSurpriseMore(t *testing.T) {
	close, wide := together([]float64{10, 10, 11, 12}), together([]float64{10, 200, 400, 600})
	if close < 15 || wide > 4 || together([]float64{5}) != 0 || together(nil) != 0 {
		t.Errorf("close %v, wide %v", close, wide)
	}
	if one := together([]float64{10, 11, 12, 13, 700}); one < 10 { // one who is apart does not hide the others
		t.Errorf("with one apart %v", one)
	}
}

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// stage plays events by hand: ordinary people who know one another, and whoever is put among them.
type stage struct {
	t      *testing.T
	events []vedette.Event
}

func who(n int) (a vedette.AccountID) { a[0], a[1], a[2], a[15] = byte(n), byte(n>>8), 7, 1; return a }

func site(n int) vedette.Link {
	return vedette.Link{
		Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{byte(n), byte(n >> 8), 3, 15: 2}},
		URL:    vedette.Token{Kind: vedette.TokenURL, Epoch: 1, Bytes: [16]byte{byte(n), byte(n >> 8), 4, 15: 3}},
		Shape:  vedette.Shape{Entropy: 40, Length: 30, PathSegments: 1, HostLabels: 2},
	}
}

func (s *stage) at(day float64, actor int, body vedette.Body) {
	s.events = append(s.events, vedette.Event{Actor: who(actor), At: start.Add(time.Duration(day * 24 * float64(time.Hour))).Truncate(time.Millisecond), Body: body})
}

func network(n int, class vedette.NetworkClass) vedette.Network {
	return vedette.Network{ID: vedette.NetworkID{byte(n), byte(n >> 8), 9, 15: 4}, ASN: uint32(1 + n%7), Class: class, Country: vedette.Country{'A', 'A'}}
}

func device(n int) vedette.DeviceID { return vedette.DeviceID{byte(n), byte(n >> 8), 5, 15: 5} }

const townsfolk = 300

// ordinary days: people in circles of ten who write to one another, each from a home and a device of its own.
func ordinary(t *testing.T, days int) *stage {
	s := &stage{t: t}
	rng := rand.New(rand.NewPCG(2, 3))
	for day := range days {
		for n := range townsfolk {
			at := float64(day) + .3 + .5*rng.Float64()
			s.at(at, n, &vedette.AccountSeen{Device: device(n), Network: network(n, vedette.NetworkResidential)})
			for range 3 {
				s.at(at+.01, n, &vedette.MessageSent{To: vedette.Recipient{Account: who(n/10*10 + rng.IntN(10))}, Count: 1, Stranger: vedette.No})
			}
			switch rng.IntN(30) {
			case 0:
				s.at(at+.02, n, &vedette.LinkSent{To: vedette.Recipient{Account: who(n/10*10 + rng.IntN(10))}, Links: []vedette.Link{site(rng.IntN(40))}, Stranger: vedette.No})
			case 1:
				s.at(at+.02, n, &vedette.LinkSent{To: vedette.Recipient{Account: who(rng.IntN(townsfolk))}, Links: []vedette.Link{site(rng.IntN(40))}, Stranger: vedette.Yes})
			case 2:
				s.at(at+.02, n, &vedette.UserBlocked{Subject: who(rng.IntN(townsfolk))})
			}
		}
		if day%3 == 0 { // a new site of a circle, and somebody who is new in it
			c := rng.IntN(townsfolk/10) * 10
			for k := range 6 {
				s.at(float64(day)+.9+.001*float64(k), c+k, &vedette.LinkSent{To: vedette.Recipient{Account: who(c + 9)}, Links: []vedette.Link{site(500 + day)}, Stranger: vedette.No})
			}
			s.at(float64(day)+.2, 2000+day, &vedette.AccountRegistered{Device: device(2000 + day), Network: network(c, vedette.NetworkResidential), Number: vedette.Number{Carrier: vedette.CarrierMobile, Country: vedette.Country{'A', 'A'}}, Attestation: vedette.AttestStrong})
			s.at(float64(day)+.25, 2000+day, &vedette.MessageSent{To: vedette.Recipient{Account: who(c)}, Count: 2, Stranger: vedette.No})
			s.at(float64(day)+.3, c, &vedette.MessageSent{To: vedette.Recipient{Account: who(2000 + day)}, Count: 2, Stranger: vedette.No})
		}
	}
	return s
}

// rehearse puts five accounts on two devices of a hoster among them on day 40, who try things out with three domains and then write to a stranger.
func (s *stage) rehearse() []vedette.AccountID {
	var cell []vedette.AccountID
	net := network(900, vedette.NetworkHosting)
	net.Country = vedette.Country{'B', 'B'}
	for k := range 5 {
		n := 1000 + k
		cell = append(cell, who(n))
		s.at(40+.005*float64(k), n, &vedette.AccountRegistered{Device: device(900 + k%2), Network: net, Number: vedette.Number{Carrier: vedette.CarrierVoIP, Country: vedette.Country{'A', 'A'}}, Attestation: vedette.AttestNone})
	}
	for d := range 3 {
		for hour := range 4 {
			for k := range 5 {
				at := 40.4 + float64(d) + .04*float64(hour) + .001*float64(k)
				n, to := 1000+k, 1000+(k+1+hour%3)%5
				s.at(at, n, &vedette.AccountSeen{Device: device(900 + k%2), Network: net})
				s.at(at+.002, n, &vedette.LinkSent{To: vedette.Recipient{Account: who(to)}, Links: []vedette.Link{site(700 + d)}, Stranger: vedette.No})
				s.at(at+.003, to, &vedette.LinkOpened{From: who(n), Links: []vedette.Link{site(700 + d)}})
			}
		}
		s.at(41.9+float64(d), 1000, &vedette.UserBlocked{Subject: who(1001)})
		s.at(41.91+float64(d), 1000, &vedette.UserUnblocked{Subject: who(1001)})
		s.at(41.92+float64(d), 1001, &vedette.UserReported{Subject: who(1002)})
		s.at(41.93+float64(d), 1002, &vedette.GroupCreated{Group: vedette.GroupID{1, 15: 1}})
	}
	s.at(45.4, 1003, &vedette.NumberLookedUp{Target: who(77), Via: vedette.LookupManual})
	s.at(45.5, 1003, &vedette.LinkSent{To: vedette.Recipient{Account: who(77)}, Links: []vedette.Link{site(702)}, Stranger: vedette.Yes})
	return cell
}

func (s *stage) play(b *Bench) *Bench {
	slices.SortStableFunc(s.events, func(a, b vedette.Event) int { return a.At.Compare(b.At) })
	for i := range s.events {
		b.Take(&s.events[i])
	}
	b.End(start.AddDate(0, 0, 50))
	return b
}

// Each method finds, above all others, a careless operator in what it looks at.
func TestEachMethodFindsTheCareless(t *testing.T) {
	s := ordinary(t, 50)
	cell := s.rehearse()
	c := Config{Enrolled: func(a vedette.AccountID) bool { return a == who(77) }}
	for _, m := range All() {
		switch m.Name {
		case "age", "rate-limits", "lexical":
			continue // he is no younger, louder or odder than others; the next tests
		}
		list := s.play(Together(c, m)).Scored()
		if m.Name == "known-indicators" {
			if len(list) != 0 {
				t.Errorf("%s knows something", m.Name)
			}
			continue
		}
		var best score.Alert
		best.Score = math.Inf(-1)
		for i := range list {
			if r := list[i].Rises; r[len(r)-1].Score > best.Score {
				best = r[len(r)-1]
			}
		}
		for _, a := range best.Subjects {
			if !slices.Contains(cell, a) {
				t.Errorf("%s: the first of %d is %v, with strangers", m.Name, len(list), best)
				break
			}
		}
		if len(best.Subjects) == 0 {
			t.Errorf("%s: nothing was scored", m.Name)
		}
	}
}

func only(name string) Method {
	for _, m := range All() {
		if m.Name == name {
			return m
		}
	}
	panic("no method " + name)
}

func TestKnownIndicatorsFindKnownNamesOnly(t *testing.T) {
	s := ordinary(t, 50)
	s.rehearse()
	l := site(701)
	got := s.play(Together(Config{Known: []vedette.Token{l.Domain}}, only("known-indicators"))).Scored()
	if len(got) != 5 {
		t.Errorf("%d identities, want the five who sent it", len(got))
	}
}

func TestRateLimitsAgeAndShape(t *testing.T) {
	s := ordinary(t, 50)
	for k := range 200 { // one who writes to two hundred, an hour after its registration, with an odd link
		at := 40.1 + .0004*float64(k)
		if k == 0 {
			s.at(40.09, 3000, &vedette.AccountRegistered{Device: device(3000), Network: network(3000, vedette.NetworkMobile), Number: vedette.Number{Carrier: vedette.CarrierMobile}})
		}
		l := site(800)
		l.Shape = vedette.Shape{Flags: vedette.ShapeConfusable | vedette.ShapePort, TokenLike: 2, Entropy: 66, Length: 90, HostLabels: 5, PathSegments: 3}
		s.at(at, 3000, &vedette.LinkSent{To: vedette.Recipient{Account: who(k)}, Links: []vedette.Link{l}, Stranger: vedette.Yes})
	}
	for _, name := range []string{"rate-limits", "age", "lexical"} {
		list := s.play(Together(Config{}, only(name))).Scored()
		best, at := math.Inf(-1), vedette.AccountID{}
		for i := range list {
			if r := list[i].Rises; r[len(r)-1].Score > best {
				best, at = r[len(r)-1].Score, r[len(r)-1].Subjects[0]
			}
		}
		if at != who(3000) {
			t.Errorf("%s: the first of %d is %v with %v", name, len(list), at, best)
		}
	}
}

// A mute operator's link is told of by the target's client alone.
func TestFirstContactsAreSeenFromTheRecipientsSideToo(t *testing.T) {
	s := ordinary(t, 50)
	s.at(44.9, 4000, &vedette.AccountRegistered{Device: device(4000), Network: network(4000, vedette.NetworkAnonymous), Number: vedette.Number{Carrier: vedette.CarrierVoIP}})
	s.at(45, 4000, &vedette.MessageSent{To: vedette.Recipient{Account: who(5)}, Count: 1, Stranger: vedette.Yes, HasLink: vedette.Unknown})
	s.at(45.001, 5, &vedette.LinkPreviewed{From: who(4000), Links: []vedette.Link{site(900)}})
	s.at(45.002, 15, &vedette.LinkPreviewed{From: who(14), Links: []vedette.Link{site(901)}}) // of a friend
	for _, name := range []string{"new-sender", "das-4"} {
		var senders []vedette.AccountID
		list := s.play(Together(Config{}, only(name))).Scored()
		for i := range list {
			for _, r := range list[i].Rises {
				if x := site(900); slices.Contains(r.Links, x.Domain) {
					senders = append(senders, r.Subjects...)
				}
				if x := site(901); slices.Contains(r.Links, x.Domain) {
					t.Errorf("%s: a friend's link is taken for a first contact", name)
				}
			}
		}
		if len(senders) != 1 || senders[0] != who(4000) {
			t.Errorf("%s: the mute sender is not told of: %v", name, senders)
		}
	}
}

// Side by side, alone, and once more: a method's scores are its own, and always the same.
func TestMethodsDoNotDisturbOneAnother(t *testing.T) {
	sc := world.Default()
	sc.Accounts = 2000
	play := func(ms ...Method) *Bench {
		w, err := world.New(sc, 5)
		if err != nil {
			t.Fatal(err)
		}
		b := Together(Config{Enrolled: w.Enrolled}, ms...)
		w.Play(func(e *vedette.Event) bool { b.Take(e); return true })
		b.End(w.Truth().End)
		for i := range b.things {
			if len(b.things[i].uses) > maxUses {
				t.Fatal("a thing names more than it may")
			}
		}
		for i := range b.people {
			if len(b.people[i].ties) > maxTies || len(b.people[i].fresh) > 8 {
				t.Fatal("an account keeps more than it may")
			}
		}
		if len(b.things) > 40*len(b.people) {
			t.Fatalf("%d things of %d people", len(b.things), len(b.people))
		}
		return b
	}
	all := play(All()...)
	for i, m := range All() {
		alone := play(m)
		if !reflect.DeepEqual(alone.Scored(), all.Of(i)) {
			t.Errorf("%s: other scores alone than side by side", m.Name)
		}
		for k := range alone.Scored() {
			last := math.Inf(-1)
			for _, r := range alone.Scored()[k].Rises {
				if r.Score <= last || len(r.Subjects) == 0 {
					t.Fatalf("%s: %v is no rise over %v, or of nobody", m.Name, r, last)
				}
				last = r.Score
			}
		}
	}
	if !reflect.DeepEqual(play(All()...).Of(6), all.Of(6)) {
		t.Error("other scores the second time")
	}
}

func TestEachMethodSaysWhatItIs(t *testing.T) {
	names := map[string]bool{}
	for _, m := range All() {
		if m.Name == "" || m.About == "" || m.Source == "" || names[m.Name] {
			t.Errorf("%+v", m)
		}
		names[m.Name] = true
	}
}
