package score

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vedette"
	"vedette/sim/world"
)

// The values are of published tables of cumulative binomial and Poisson probabilities, to their four digits.
func TestTailsAgreeWithTheTables(t *testing.T) {
	for _, x := range []struct {
		got  float64
		want string
	}{
		{AtLeast(8, 10, .5), "0.0547"},
		{AtLeast(3, 20, .05), "0.0755"},
		{AtLeast(1, 20, .05), "0.6415"},
		{AtLeast(6, 15, .25), "0.1484"},
		{AtLeast(0, 7, .1), "1.0000"},
		{AtLeast(8, 7, .1), "0.0000"},
		{AtLeast(1, 5, 0), "0.0000"},
		{AtLeast(5, 5, 1), "1.0000"},
		{PoissonAtLeast(4, 3), "0.3528"},
		{PoissonAtLeast(16, 10), "0.0487"},
		{PoissonAtLeast(5, 1), "0.0037"},
		{PoissonAtLeast(3, 10), "0.9972"},
		{PoissonAtLeast(0, 3), "1.0000"},
		{PoissonAtLeast(1, 0), "0.0000"},
	} {
		if got := fmt.Sprintf("%.4f", x.got); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
}

func TestAllowedIsChiSquaredsBound(t *testing.T) {
	for expected, want := range map[float64]int{2: -1, 3: 0, 4: 1, 9: 4, 20: 13, .25: -1} {
		if got := Allowed(expected); got != want {
			t.Errorf("Allowed(%v) = %d, want %d", expected, got, want)
		}
	}
}

func TestAGoalHoldsIfItsMissesMayBeChance(t *testing.T) {
	for _, x := range []struct {
		goal  float64
		k, n  int
		holds bool
	}{
		{.95, 18, 20, true},  // two misses or more: 26 %
		{.95, 16, 20, false}, // four or more: 1.6 %
		{1, 20, 20, true},
		{1, 19, 20, false},
		{.6, 0, 0, true}, // nothing was tried
		{.4, 40, 42, true},
	} {
		if got := Reaches(x.goal, x.k, x.n); got.Holds != x.holds {
			t.Errorf("Reaches(%v, %d, %d) = %+v", x.goal, x.k, x.n, got)
		}
	}
	if p := Keeps(9, 17); !p.Kept || p.P > .012 {
		t.Errorf("17 where 9 were promised: %+v", p)
	}
	if p := Keeps(9, 18); p.Kept {
		t.Errorf("18 where 9 were promised: %+v", p)
	}
}

var (
	start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	day   = 24 * time.Hour
)

func acct(n int) vedette.AccountID { return vedette.AccountID{byte(n), byte(n >> 8), 1} }

func accts(from, to int) (list []vedette.AccountID) {
	for n := from; n < to; n++ {
		list = append(list, acct(n))
	}
	return list
}

func name(n byte) vedette.Token {
	return vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{n}}
}

// tiny is a world of two operators, one of whom attacks in the learning weeks, a family, and a source group.
func tiny() *world.Truth {
	at := func(d float64) time.Time { return start.Add(time.Duration(d * float64(day))) }
	return &world.Truth{
		Seed: 1, Accounts: 100_000, Start: start, Learning: at(21), Test: at(42), End: at(63),
		Teams: []world.Team{
			{Name: "L0-0", Kind: "L0", Hostile: true, Members: accts(0, 5), Domains: []vedette.Token{name(1)}, Begins: at(44), Ends: at(52), Targets: []world.Target{
				{Account: acct(50), At: at(50), By: acct(0), Domain: name(2)},
				{Account: acct(51), At: at(50.1), By: acct(0), Domain: name(2)},
				{Account: acct(52), At: at(51), By: acct(6), Domain: name(1)},
			}},
			{Name: "L3-0", Kind: "L3", Hostile: true, Members: accts(10, 14), Begins: at(22), Ends: at(30), Targets: []world.Target{{Account: acct(60), At: at(30), By: acct(10)}}},
			{Name: "family-0", Kind: "family", Members: accts(20, 24), Begins: at(30), Ends: at(50)},
			{Name: "source-group-0", Kind: "source-group", AtRisk: true, Members: accts(30, 33), Begins: at(40), Ends: at(60)},
			{Name: "family-1", Kind: "family", Members: accts(40, 44), Begins: at(1), Ends: at(20)},
		},
	}
}

func TestWhatAnAlertIsAbout(t *testing.T) {
	j := NewJudge(tiny())
	for _, x := range []struct {
		name     string
		subjects []vedette.AccountID
		links    []vedette.Token
		want     int
		honest   int
		kind     string
	}{
		{name: "two members", subjects: accts(0, 2), want: 0},
		{name: "one member of two", subjects: []vedette.AccountID{acct(0), acct(99)}, want: 0},
		{name: "one member of three", subjects: []vedette.AccountID{acct(0), acct(98), acct(99)}, want: -1, honest: -1, kind: Ordinary},
		{name: "one member of three, most of them targets, and the domain", subjects: []vedette.AccountID{acct(0), acct(50), acct(99)}, links: []vedette.Token{name(2)}, want: 0},
		{name: "two members among five", subjects: []vedette.AccountID{acct(0), acct(1), acct(97), acct(98), acct(99)}, want: -1, honest: -1, kind: Ordinary},
		{name: "a domain alone", links: []vedette.Token{name(1)}, want: 0},
		{name: "somebody else's domain alone", links: []vedette.Token{name(9)}, want: -1, honest: -1, kind: Ordinary},
		{name: "a domain, and people of no team", subjects: accts(97, 99), links: []vedette.Token{name(1)}, want: -1, honest: -1, kind: Ordinary},
		{name: "a target alone", subjects: accts(50, 51), want: -1, honest: -1, kind: Ordinary},
		{name: "whoever attacks is a member", subjects: accts(6, 7), want: 0},
		{name: "a family", subjects: accts(20, 23), want: -1, honest: 2, kind: "family"},
		{name: "half a source group", subjects: []vedette.AccountID{acct(30), acct(31), acct(98), acct(99)}, want: -1, honest: 3, kind: "source-group"},
		{name: "two families", subjects: []vedette.AccountID{acct(20), acct(40), acct(41)}, want: -1, honest: 4, kind: "family"},
	} {
		a := &Alert{Subjects: x.subjects, Links: x.links}
		got := j.Operator(a)
		if got != x.want {
			t.Errorf("%s: operator %d, want %d", x.name, got, x.want)
		}
		if got < 0 {
			if team, kind := j.Honest(a); team != x.honest || kind != x.kind {
				t.Errorf("%s: %d, %s, want %d, %s", x.name, team, kind, x.honest, x.kind)
			}
		}
	}
}

func TestACampaignIsJudgedByItsFirstAlertAndItsTargetsByTheStop(t *testing.T) {
	tr := tiny()
	j := NewJudge(tr)
	first := tr.Teams[0].Targets[0].At
	at := func(when time.Time) []Alert { return []Alert{{At: when, Subjects: accts(0, 3), Queue: "q"}} }
	for _, x := range []struct {
		name   string
		alerts []Alert
		want   Campaign
	}{
		{"never", nil, Campaign{Reached: 3, Quick: 3, Slow: 3}},
		{"two days before", at(first.Add(-2 * day)), Campaign{Caught: true, Before: true, Lead: 2 * day, Queue: "q"}},
		{"an hour before", at(first.Add(-time.Hour)), Campaign{Caught: true, Before: true, Lead: time.Hour, Slow: 2, Queue: "q"}},
		{"at the first", at(first), Campaign{Caught: true, Contact: true, Reached: 1, Quick: 1, Slow: 2, Queue: "q"}},
		{"after the last", at(first.Add(3 * day)), Campaign{Caught: true, Contact: true, Lead: -3 * day, Reached: 3, Quick: 3, Slow: 3, Queue: "q"}},
		{"before, and again at a target", append(at(first.Add(-2*day)), at(first.Add(time.Minute))...), Campaign{Caught: true, Before: true, Contact: true, Lead: 2 * day, Queue: "q"}},
		{"in the learning weeks", at(tr.Test.Add(-time.Second)), Campaign{Reached: 3, Quick: 3, Slow: 3}},
	} {
		x.want.Team, x.want.Playbook, x.want.Targets = "L0-0", "L0", 3
		got := j.Alerts(x.alerts, Budget{PerWeek: 3, Per: 100_000})
		if len(got.Campaigns) != 1 || got.Campaigns[0] != x.want {
			t.Errorf("%s: %+v, want %+v", x.name, got.Campaigns, x.want)
		}
		if got.False != 0 || got.Expected != 9 {
			t.Errorf("%s: %+v", x.name, got)
		}
	}
}

func TestFalseAlertsAreCountedByWhoTheyFellOn(t *testing.T) {
	tr := tiny()
	a := func(n int, s []vedette.AccountID) Alert {
		return Alert{At: tr.Test.Add(time.Duration(n) * time.Hour), Subjects: s}
	}
	got := NewJudge(tr).Alerts([]Alert{a(1, accts(20, 24)), a(2, accts(20, 22)), a(3, accts(30, 33)), a(4, accts(90, 93)), a(5, accts(10, 13)), a(6, accts(0, 2)), a(7, accts(1, 3))}, Budget{PerWeek: 3})
	if got.Alerts != 7 || got.False != 4 || got.Again != 2 {
		t.Errorf("%+v", got)
	}
	if got.FalseBy["family"] != 2 || got.FalseBy["source-group"] != 1 || got.FalseBy[Ordinary] != 1 {
		t.Errorf("%v", got.FalseBy)
	}
	if want := (Harm{AtRisk: 1, AtRiskTold: 1, Teams: 2, TeamsTold: 2, Others: 1, OthersTold: 1}); got.Harm != want {
		t.Errorf("%+v, want %+v", got.Harm, want)
	}
	r := Pool("m", Budget{PerWeek: 3}, []Judged{got})
	if r.Disparity.Teams.Value != 1 || r.Disparity.Teams.N != 1 {
		t.Errorf("%+v", r.Disparity)
	}
}

// rising makes an identity whose score rises at these days.
func rising(tr *world.Truth, subjects []vedette.AccountID, dayScore ...float64) (x Identity) {
	for i := 0; i < len(dayScore); i += 2 {
		x.Rise(Alert{At: tr.Start.Add(time.Duration(dayScore[i] * float64(day))), Score: dayScore[i+1], Subjects: subjects})
	}
	return x
}

func TestBoundsAreLearnedWithoutIncidentsAndFoundInHindsight(t *testing.T) {
	tr := tiny()
	x := &Trial{Truth: tr}
	for n := range 20 { // in the learning weeks 1 to 20
		x.Identities = append(x.Identities, rising(tr, accts(100+n, 102+n), 25, float64(n+1)))
	}
	x.Identities = append(x.Identities, rising(tr, accts(10, 14), 26, 90)) // an operator in the learning weeks
	for n := range 12 {                                                    // in the test weeks 11 to 22
		x.Identities = append(x.Identities, rising(tr, accts(200+n, 202+n), 45, float64(n+11)))
	}
	x.Identities = append(x.Identities, rising(tr, accts(0, 5), 46, 5, 49, 17.5))
	b := Budget{PerWeek: 3, Per: 100_000}
	j := NewJudge(tr)
	if got := j.Learned(x, b); got != 12 { // eight may lie over it where nine are promised
		t.Errorf("learned %v, want 12", got)
	}
	if got := Hindsight(b, x); got != 13 { // the tenth false alert of 22, 21, …, 13
		t.Errorf("in hindsight %v, want 13", got)
	}
	got := j.Trial(x, 13, b)
	if got.False != 9 || !got.Campaigns[0].Before || got.Campaigns[0].Lead != day || got.Harm.Others != 12 {
		t.Errorf("%+v", got)
	}
	if got := j.Trial(x, Never, b); got.Alerts != 0 || got.Harm.Others != 12 {
		t.Errorf("%+v", got)
	}
}

// Where more false alerts come than were promised the bound goes up the next week, and where fewer come it goes down to those that rose lately.
func TestTheBoundFollowsWhatCame(t *testing.T) {
	tr := tiny()
	x := &Trial{Truth: tr}
	n := 0
	add := func(day float64, scores ...float64) {
		for _, s := range scores {
			n++
			x.Identities = append(x.Identities, rising(tr, accts(100+2*n, 102+2*n), day, s))
		}
	}
	add(30, 1, 2, 3, 4, 4.2, 4.4, 4.6, 4.8, 5, 6, 7, 8) // the bound is 4: eight may lie over it where nine are promised
	add(43, 10, 11, 12, 13, 14)                         // five false alerts where three were promised: of the last three weeks' six may lie over it, which is 7 in the second week
	add(50, 6.9, 12.5)                                  // one false alert: of now seven, eight may lie over it, and 6.9 is told of in the third week
	add(57, 11.8, 11.2)                                 // two more
	got := NewJudge(tr).Told(x, NewJudge(tr).Weekly(x, Budget{PerWeek: 3}), Budget{PerWeek: 3})
	var scores []float64
	for _, a := range NewJudge(tr).Weekly(x, Budget{PerWeek: 3}) {
		scores = append(scores, a.Score)
	}
	slices.Sort(scores)
	if want := []float64{6.9, 10, 11, 11.2, 11.8, 12, 12.5, 13, 14}; !slices.Equal(scores, want) || got.False != 9 {
		t.Errorf("%v, want %v", scores, want)
	}
}

// Against the search by trying every bound.
func TestHindsightIsTheLowestBoundWithinTheBudget(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tr := tiny()
	j := NewJudge(tr)
	for round := range 50 {
		x := &Trial{Truth: tr}
		for range 40 {
			who := accts(100, 103)
			if rng.IntN(4) == 0 {
				who = accts(0, 3)
			}
			var id Identity
			for d := range 6 { // the same identity may be an operator's at one moment and not at the next
				if rng.IntN(5) == 0 {
					who = accts(200, 203)
				}
				id.Rise(Alert{At: tr.Test.Add(time.Duration(d) * day), Score: float64(rng.IntN(30)), Subjects: who})
			}
			x.Identities = append(x.Identities, id)
		}
		b := Budget{PerWeek: float64(rng.IntN(8))}
		want := math.Inf(-1)
		for s := 29; s >= 0; s-- {
			if j.Trial(x, float64(s)-.5, b).False > int(3*b.PerWeek) {
				want = float64(s)
				break
			}
		}
		if got := Hindsight(b, x); got != want {
			t.Fatalf("round %d: %v, want %v", round, got, want)
		}
	}
}

// made worlds of ten campaigns each, of which so many are caught.
func made(seed uint64, n int, caught float64) []Judged {
	rng := rand.New(rand.NewPCG(seed, 7))
	out := make([]Judged, n)
	for i := range out {
		out[i] = Judged{Seed: uint64(i), Accounts: 100_000, Weeks: 3, Expected: 9, False: 9, Alerts: 9, FalseBy: map[string]int{"qa-team": 5, Ordinary: 4}}
		for k := range 10 {
			c := Campaign{Team: fmt.Sprint("L2-", k), Playbook: "L2", Targets: 6, Reached: 6, Quick: 6, Slow: 6}
			if rng.Float64() < caught {
				c.Caught, c.Before, c.Lead, c.Reached, c.Quick, c.Slow = true, true, time.Duration(1+rng.IntN(100))*time.Hour, 0, 0, 1
			}
			out[i].Campaigns = append(out[i].Campaigns, c)
		}
	}
	return out
}

func TestAPairedBootstrapFindsTheBetterOneAndNoOther(t *testing.T) {
	weak, strong := made(1, 20, .5), made(2, 20, .8)
	d := Compare(weak, strong, Caught)
	if len(d) != 1 || !d[0].Better || d[0].Worse || d[0].By.Value < .15 || d[0].By.N != 200 {
		t.Errorf("%+v", d)
	}
	if d := Compare(strong, weak, Spared); !d[0].Worse || d[0].Better {
		t.Errorf("%+v", d)
	}
	better := 0
	for i := range 60 { // equals: the interval misses 0 in about one of twenty
		if d := Compare(made(uint64(100+i), 20, .6), made(uint64(900+i), 20, .6), Before); d[0].Better || d[0].Worse {
			better++
		}
	}
	if better > 8 {
		t.Errorf("%d of 60 comparisons of equals found one better", better)
	}
}

func TestIntervalsCoverAndAreTheSameAgain(t *testing.T) {
	in := 0
	for i := range 60 {
		r := Pool("m", Budget{PerWeek: 3, Per: 100_000}, made(uint64(1000+i), 12, .7))
		row := r.Rows[0]
		if truth := .3 * 6; row.Reached.Low <= truth && truth <= row.Reached.High {
			in++
		}
		if row.Caught.N != 120 || row.Targets != (Interval{6, 6, 6, 120}) || !r.Promise.Kept || r.FalseWeekly != 3 || r.False[0].Kind != "qa-team" {
			t.Fatalf("%+v", r)
		}
	}
	if in < 50 {
		t.Errorf("%d of 60 intervals of 95 %% hold the truth", in)
	}
	one, err := json.Marshal(Pool("m", Budget{PerWeek: 3}, made(1, 10, .7)))
	if err != nil {
		t.Fatal(err)
	}
	two, _ := json.Marshal(Pool("m", Budget{PerWeek: 3}, made(1, 10, .7)))
	if !slices.Equal(one, two) {
		t.Error("the same worlds gave other bytes")
	}
	if _, err := json.Marshal(Pool("m", Budget{}, nil)); err != nil {
		t.Error(err)
	}
}
