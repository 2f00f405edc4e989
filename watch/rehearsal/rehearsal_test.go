package rehearsal

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vedette"
	"vedette/watch/population"
	"vedette/watch/population/populationtest"
)

var start = populationtest.Start

// platform is eight weeks of n people, with a cell that begins on day 40.
func platform(seed uint64, n int) []vedette.Event {
	return populationtest.Plan{Seed: seed, People: n, Days: 56, Fresh: 4, Cell: 40}.Platform()
}

func watch(t testing.TB, cfg Config, partitions int, es []vedette.Event, cut int) (*Detector, []vedette.Finding) {
	t.Helper()
	d, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := population.New(population.Config{Partitions: partitions}, d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range es {
		if i == cut && cut > 0 {
			pb, db := p.Save(nil), d.Save(nil)
			var d2 *Detector
			hand := &hand{}
			if p, err = population.Restore(population.Config{Partitions: partitions}, pb, hand); err != nil {
				t.Fatal(err)
			}
			if d2, err = Restore(cfg, nil, db, p.State()); err != nil {
				t.Fatal(err)
			}
			if again := d2.Save(nil); string(again) != string(db) {
				t.Fatal("saved again it differs")
			}
			hand.Watcher, d = d2, d2
		}
		p.Take(int(es[i].Actor[0])%partitions, &es[i])
	}
	p.End(start.Add(56 * 24 * time.Hour))
	return d, d.Findings()
}

// hand passes on to a watcher that is made after the population.
type hand struct{ population.Watcher }

var small = Config{Least: 100, Settling: 15 * 24 * time.Hour, WarmUp: 4 * 24 * time.Hour, Learning: 14 * 24 * time.Hour}

func TestACellIsFoundWhileItRehearses(t *testing.T) {
	es := platform(1, 800)
	d, fs := watch(t, small, 1, es, 0)
	if len(fs) == 0 {
		for _, c := range d.Cells() {
			t.Logf("cell of %d, %d milli-bits, %v", len(c.Members), c.Score, c.Grounds.Channels)
		}
		t.Fatalf("nothing found; bound %d", d.Budget().Bound)
	}
	at := slices.IndexFunc(fs, func(f vedette.Finding) bool { return len(f.Subjects) == 6 && len(f.Links) == 3 })
	if at < 0 {
		t.Fatalf("%d findings, none of the cell of six with its three domains", len(fs))
	}
	f := fs[at]
	if len(f.Basis) < 8 {
		t.Errorf("%d events behind it, want at least 8", len(f.Basis))
	}
	if lead := start.Add(43 * 24 * time.Hour).Sub(f.To); lead < 0 {
		t.Errorf("found at %s", f.To)
	}
	for _, r := range f.Reasons {
		t.Logf("%8d %-24s %s", r.Weight, r.Rule, r.Text)
	}
	if n := len(fs); n > 1+10 { // three a week are promised, and the bound was set three weeks and a half before
		t.Errorf("%d findings", n)
	}
}

func TestFindingsAreTheSame(t *testing.T) {
	es := platform(2, 800)
	_, fs := watch(t, small, 1, es, 0)
	want, err := json.Marshal(fs)
	if err != nil || len(fs) == 0 {
		t.Fatal(len(fs), err)
	}
	for _, tt := range []struct {
		name       string
		partitions int
		cut        int
	}{{"in 4 partitions", 4, 0}, {"in 7", 7, 0}, {"restored on day 20", 1, len(es) * 20 / 56}, {"restored in the cell's first hours", 4, len(es)*40/56 + 60}} {
		_, fs := watch(t, small, tt.partitions, es, tt.cut)
		if got, _ := json.Marshal(fs); string(got) != string(want) {
			t.Errorf("%s: other findings:\n%s\n%s", tt.name, got, want)
		}
	}
	late := append([]vedette.Event(nil), es...)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range late {
		if j := i + rng.IntN(30); j < len(late) && late[j].At.Sub(late[i].At) < population.Lateness/3 {
			late[i], late[j] = late[j], late[i]
		}
	}
	_, fs = watch(t, small, 1, late, 0)
	if got, _ := json.Marshal(fs); string(got) != string(want) {
		t.Error("reordered within Lateness: other findings")
	}
}

func TestASmallPlatformIsNotJudged(t *testing.T) {
	d, fs := watch(t, Config{}, 1, platform(3, 400), 0)
	if len(fs) != 0 || d.Silent() == "" {
		t.Errorf("%d findings, silent because %q", len(fs), d.Silent())
	}
}

func TestNegativeBinomial(t *testing.T) {
	for _, tt := range []struct {
		n     int
		mu, r float64
		want  float64 // P(X >= n)
	}{
		{1, 1, 1, .5}, // geometric: P(0) = 1/2
		{3, 1, 1, .125},
		{1, .7, .7, 1 - math.Pow(.5, .7)},
		{0, 5, 2, 1},
	} {
		if got := math.Exp2(-negativeBinomial(tt.n, tt.mu, tt.r)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("P(NB(%v, %v) >= %d) = %v, want %v", tt.mu, tt.r, tt.n, got, tt.want)
		}
	}
	last := 0.0
	for n := range 300 {
		b := negativeBinomial(n, .01, .7)
		if b < last-1e-9 {
			t.Fatalf("%d events surprise less than %d", n, n-1)
		}
		last = b
	}
}

func TestLockstepGrowsWithClosenessAndPaysForChoosing(t *testing.T) {
	close := lockstep([]float64{10, 11, 12, 13, 14})
	wide := lockstep([]float64{10, 60, 120, 180, 240})
	one := lockstep([]float64{10, 11, 12, 13, 600})
	if !(close > one && one > wide && wide >= 0) {
		t.Errorf("close %v, one left out %v, wide %v", close, one, wide)
	}
	// of five beginnings spread evenly, the surprise is 0 bits on average or little more
	rng := rand.New(rand.NewPCG(1, 1))
	sum := 0.0
	for range 2000 {
		b := make([]float64, 5)
		for i := range b {
			b[i] = rng.Float64() * 30 * 24
		}
		sum += math.Exp2(lockstep(b) / 2)
	}
	if mean := sum / 2000; mean > 3 {
		t.Errorf("2^(bits/2) of even beginnings is %v on average", mean)
	}
}

func TestAllowed(t *testing.T) {
	// χ²₀.₉(2k+2)/2 from tables: k=0 2.303, 1 3.890, 2 5.322, 3 6.681, 4 7.994, 5 9.275
	for _, tt := range []struct {
		expected float64
		want     int
	}{{1, -1}, {2.3, -1}, {2.31, 0}, {3.88, 0}, {3.9, 1}, {5.33, 2}, {6.7, 3}, {9, 4}, {9.28, 5}} {
		if got := Allowed(tt.expected); got != tt.want {
			t.Errorf("Allowed(%v) = %d, want %d", tt.expected, got, tt.want)
		}
	}
}

// asked vouches for everybody since a time.
type asked struct{ since time.Time }

func (a asked) Vouched(vedette.AccountID) (time.Time, bool) { return a.since, true }

func TestWhoEnrolsHimselfIsToldOfAllTheSame(t *testing.T) {
	es := platform(1, 800)
	run := func(v Voucher) []vedette.Finding {
		d, err := New(small, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Vouchers = v
		p, err := population.New(population.Config{}, d)
		if err != nil {
			t.Fatal(err)
		}
		for i := range es {
			p.Take(0, &es[i])
		}
		p.End(start.Add(56 * 24 * time.Hour))
		return d.Findings()
	}
	want, err := json.Marshal(run(nil))
	if err != nil {
		t.Fatal(err)
	}
	// Asked for within the window in which the cell is judged: an operator could do that.
	if got, _ := json.Marshal(run(asked{start.Add(30 * 24 * time.Hour)})); string(got) != string(want) {
		t.Error("enrolment within the window changed the findings")
	}
	// A partner's word from long before takes off what it may.
	top := func(fs []vedette.Finding) (best vedette.MilliBits) {
		for _, f := range fs {
			best = max(best, f.Score)
		}
		return best
	}
	if a, b := top(run(nil)), top(run(asked{start.Add(-400 * 24 * time.Hour)})); b >= a {
		t.Errorf("with a partner's word %d, without %d", b, a)
	}
}
