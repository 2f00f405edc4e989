package rehearsal

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/internal/corpus"
)

// chance makes n beginnings that nothing ties, one each gap on average.
func chance(seed uint64, n int, gap time.Duration) []time.Time {
	rng := rand.New(rand.NewPCG(seed, 7))
	out := make([]time.Time, n)
	at := start
	for i := range out {
		at = at.Add(time.Duration(rng.ExpFloat64() * float64(gap)))
		out[i] = at.Truncate(time.Second)
	}
	return out
}

func runsOf(t testing.TB, p Pace, births []time.Time) []Run {
	t.Helper()
	rs, err := p.Runs(births)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// withBurst adds n beginnings each gap apart in the middle of the others, and returns their indices.
func withBurst(births []time.Time, n int, gap time.Duration) ([]time.Time, []int) {
	at := births[len(births)/2]
	out := slices.Clone(births)
	var in []int
	for i := range n {
		in = append(in, len(out))
		out = append(out, at.Add(time.Duration(i+1)*gap))
	}
	return out, in
}

func TestPoissonTail(t *testing.T) {
	for _, tt := range []struct {
		n    int
		mu   float64
		want float64 // P(X >= n): cumulated Poisson tables, and beyond them the series by hand
	}{
		{0, 3, 1},
		{1, 1, 1 - math.Exp(-1)},
		{2, 1, 0.2642411177},
		{5, 2, 0.0526530173},
		{8, 4, 0.0511336068},
		{15, 10, 0.0834584729},
		{5, 5, 0.5595067149},
		{3, 10, 0.9972306042},
		{10, 1, 1.1142547834e-7},
		{20, .5, 2.4354654283e-25},
	} {
		got := math.Exp2(-poisson(tt.n, tt.mu))
		if math.Abs(got/tt.want-1) > 1e-4 {
			t.Errorf("P(Poisson(%v) >= %d) = %.10g, want %.10g", tt.mu, tt.n, got, tt.want)
		}
	}
}

func TestMoreAccountsInTheSameTimeSurpriseNoLess(t *testing.T) {
	for _, mu := range []float64{1e-6, .01, .5, 1, 3, 20, 400} {
		last := 0.0
		for n := range 1000 {
			b := poisson(n, mu)
			if b < last-1e-9 || math.IsNaN(b) || math.IsInf(b, 0) {
				t.Fatalf("where %v are expected, %d surprise by %v bits and %d by %v", mu, n, b, n-1, last)
			}
			last = b
		}
	}
	// and held against the same surroundings: one every ten minutes, and between two of them the same two minutes, filled with more
	last := vedette.MilliBits(0)
	for n := 2; n <= 100; n++ {
		var at []float64
		for i := range 301 {
			at = append(at, float64(600*i))
		}
		for i := range n {
			at = append(at, 600*300+240+120*float64(i)/float64(n-1))
		}
		for i := range 300 {
			at = append(at, float64(600*(301+i)))
		}
		r, ok := measureRun(at, 301, 301+n)
		if !ok || r.Surprise < last {
			t.Errorf("%d in two minutes surprise by %d milli-bits, one less by %d", n, r.Surprise, last)
		}
		last = r.Surprise
	}
	if last < 500_000 {
		t.Errorf("a hundred where a fifth of one is expected surprise by %d milli-bits", last)
	}
}

func TestRunsDoNotDependOnTheUnitOfTime(t *testing.T) {
	births, _ := withBurst(chance(4, 3000, 7*time.Minute), 7, 20*time.Second)
	want := runsOf(t, Pace{Ratio: 2}, births)
	if len(want) == 0 {
		t.Fatal("no runs")
	}
	for _, f := range []int{2, 60, 1000} {
		scaled := make([]time.Time, len(births))
		for i, at := range births {
			scaled[i] = start.Add(time.Duration(f) * at.Sub(start))
		}
		got := runsOf(t, Pace{Ratio: 2, Grain: time.Duration(f) * time.Second}, scaled)
		if len(got) != len(want) {
			t.Fatalf("%d times as slow: %d runs, want %d", f, len(got), len(want))
		}
		for i := range got {
			if !slices.Equal(got[i].Members, want[i].Members) || got[i].Surprise != want[i].Surprise || got[i].Regular != want[i].Regular {
				t.Errorf("%d times as slow: %+v, want %+v", f, got[i], want[i])
			}
		}
	}
}

func TestRunsAreTheSameInAnyOrder(t *testing.T) {
	births, _ := withBurst(chance(5, 3000, 3*time.Second), 9, 0) // many at one time
	index := make([]int, len(births))
	for i := range index {
		index[i] = i
	}
	// set turns runs into what they say, with the first list's indices
	set := func(rs []Run, of []int) (out []string) {
		for _, r := range rs {
			var m []int
			for _, i := range r.Members {
				m = append(m, of[i])
			}
			slices.Sort(m)
			out = append(out, fmt.Sprint(m, r.Surprise, r.Regular, r.Ratio))
		}
		return out
	}
	p := Pace{Ratio: 1.5, Least: 4000}
	want := set(runsOf(t, p, births), index)
	if len(want) < 2 {
		t.Fatal(want)
	}
	if again := set(runsOf(t, p, births), index); !slices.Equal(again, want) {
		t.Error("asked again, it says something else")
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5 {
		rng.Shuffle(len(index), func(i, j int) { index[i], index[j] = index[j], index[i] })
		mixed := make([]time.Time, len(births))
		for i, j := range index {
			mixed[i] = births[j]
		}
		if got := set(runsOf(t, p, mixed), index); !slices.Equal(got, want) {
			t.Fatalf("shuffled: %v\nwant %v", got, want)
		}
	}
}

func TestRunsDoNotOverlapAndKeepTheirBounds(t *testing.T) {
	births := chance(6, 5000, 40*time.Second)
	for _, p := range []Pace{{}, {Ratio: 1.2, Least: 1, Few: 2}, {Ratio: 1.5, Most: 200, Least: 2000}} {
		seen := make([]bool, len(births))
		p := p.withDefaults()
		for _, r := range runsOf(t, p, births) {
			if n := len(r.Members); n < p.Few || n > p.Most || r.Ratio < p.Ratio || r.Surprise+r.Regular < p.Least {
				t.Errorf("%+v: run of %d, %+v", p, n, r)
			}
			for _, i := range r.Members {
				if seen[i] {
					t.Fatalf("%+v: an account is in two runs", p)
				}
				seen[i] = true
			}
		}
	}
}

// By chance alone a run seldom passes: of n accounts about n runs are looked at.
func TestChanceSurprisesSeldom(t *testing.T) {
	told := 0
	const worlds, n = 20, 4000
	for seed := range uint64(worlds) {
		told += len(runsOf(t, Pace{Least: 16_000}, chance(seed, n, 90*time.Second)))
	}
	// a run of 16 bits comes once in 65,536, and 20 times 4000 are looked at
	if told > 8 {
		t.Errorf("%d runs of 16 bits and more among %d accounts that nothing ties", told, worlds*n)
	}
	t.Logf("%d runs of 16 bits among %d accounts by chance", told, worlds*n)
}

// A wave that is longer than a run is fast for everybody: what it holds is told no more than what a quiet night holds.
func TestAWaveSurprisesNobody(t *testing.T) {
	quiet, wave := 0, 0
	for seed := range uint64(10) {
		births := chance(seed, 2000, 5*time.Minute)
		quiet += len(runsOf(t, Pace{}, births))
		rng := rand.New(rand.NewPCG(seed, 9))
		middle := births[1000]
		for range 1500 {
			births = append(births, middle.Add(time.Duration(rng.Int64N(int64(12*time.Hour)))).Truncate(time.Second))
		}
		wave += len(runsOf(t, Pace{}, births))
	}
	t.Logf("%d runs among 20,000 accounts without a wave, %d among 35,000 with one", quiet, wave)
	if float64(wave)/35_000 > 1.5*float64(quiet)/20_000 {
		t.Errorf("%d runs among 20,000 accounts without a wave, %d among 35,000 with one", quiet, wave)
	}
}

func TestAScriptIsMoreRegularThanChance(t *testing.T) {
	var script, even []float64
	rng := rand.New(rand.NewPCG(2, 2))
	at, sum := 0.0, 0.0
	for range 12 {
		script = append(script, at)
		at += 100 + 10*rng.NormFloat64()
	}
	for range 4000 {
		even = even[:0]
		at := 0.0
		for range 12 {
			even = append(even, at)
			at += 100 * rng.ExpFloat64()
		}
		sum += math.Exp2(regular(even))
	}
	if got := regular(script); got < 8 {
		t.Errorf("twelve beginnings a hundred apart are regular by %v bits", got)
	}
	if mean := sum / 4000; mean > 1.3 {
		t.Errorf("a likelihood ratio is 1 on average where chance rules, and this one is %v", mean)
	}
	if got := regular([]float64{3, 3, 3, 3, 3}); got != 0 {
		t.Errorf("five at one time are regular by %v bits", got)
	}
}

func TestWhereLittleIsAroundNothingIsTold(t *testing.T) {
	births := []time.Time{start, start, start.Add(time.Second), start.Add(time.Second), start.Add(time.Hour)}
	if rs := runsOf(t, Pace{}, births); len(rs) != 0 {
		t.Errorf("%+v", rs)
	}
	for _, n := range []int{0, 1} {
		if rs := runsOf(t, Pace{}, births[:n]); len(rs) != 0 {
			t.Errorf("of %d: %+v", n, rs)
		}
	}
	if _, err := (Pace{Ratio: .5}).Runs(births); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("ratio .5: %v", err)
	}
}

func BenchmarkRuns(b *testing.B) {
	births := chance(8, 100_000, 20*time.Second)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Pace{}).Runs(births); err != nil {
			b.Fatal(err)
		}
	}
}

// What follows holds the runs against groups that others published: accounts of an airdrop of a bridge between chains, with the groups that a public
// investigation took for one hand each, from transfers. Only the times of first use are given to the detector. The labels were not made from them.

// hop is one half of the accounts: times in order, and the group of each, 0 where it has none.
type hop struct {
	at     []time.Time
	group  []int
	groups int // with two members or more
	tied   int // accounts of these
	sizes  map[int]int
	pairs  int // in one group
}

// hopHalves reads the accounts without the groups of over 300, which are blobs of connectivity, and cuts them in the middle: the earlier half to choose
// settings on, the later one to report. Pairs between the halves are in neither.
func hopHalves(t testing.TB) (earlier, later *hop) {
	t.Helper()
	f, err := os.Open(corpus.Path(t, "graphs", "hop-sybil", "users.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	type account struct {
		at    int64
		group int
	}
	var all []account
	names := map[string]int{}
	for n := 0; ; n++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(row) < 5 {
			t.Fatal(n, err)
		}
		if n == 0 {
			continue
		}
		if size, _ := strconv.Atoi(row[4]); size > 300 {
			continue
		}
		a := account{}
		if a.at, err = strconv.ParseInt(row[1], 10, 64); err != nil {
			t.Fatal(n, err)
		}
		if row[3] != "" {
			if names[row[3]] == 0 {
				names[row[3]] = len(names) + 1
			}
			a.group = names[row[3]]
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b account) int { return int(a.at - b.at) }) // in 2021 and 2022: no overflow
	half := func(as []account) *hop {
		h := &hop{sizes: map[int]int{}}
		for _, a := range as {
			h.at = append(h.at, time.Unix(a.at, 0).UTC())
			h.group = append(h.group, a.group)
			if a.group != 0 {
				h.sizes[a.group]++
			}
		}
		for _, n := range h.sizes {
			if n > 1 {
				h.groups++
				h.tied += n
				h.pairs += n * (n - 1) / 2
			}
		}
		return h
	}
	return half(all[:len(all)/2]), half(all[len(all)/2:])
}

// pile is one found group: how many of each published group are in it, and how many of none.
type pile struct {
	group, n []int
	free     int
}

// clustering is what one method finds at one setting.
type clustering struct {
	piles []pile
	tag   string
}

func (h *hop) clustering(tag string, runs [][]int) *clustering {
	c := &clustering{tag: tag}
	for _, r := range runs {
		n := map[int]int{}
		p := pile{}
		for _, i := range r {
			if h.group[i] == 0 {
				p.free++
			} else {
				n[h.group[i]]++
			}
		}
		for g, k := range n {
			p.group, p.n = append(p.group, g), append(p.n, k)
		}
		c.piles = append(c.piles, p)
	}
	return c
}

// judged is how pairs that a method puts together fare: of all, and among accounts that are of a group only.
type judged struct{ precision, recall, among float64 }

func (j judged) f1() float64 {
	if j.precision+j.recall == 0 {
		return 0
	}
	return 2 * j.precision * j.recall / (j.precision + j.recall)
}

// judge counts pairs. weight is how often a group is in a bootstrap's sample; nil: once. A pair of two groups counts as often as both do together; accounts of
// no group are always there once.
func (h *hop) judge(c *clustering, weight map[int]float64) judged {
	w := func(g int) float64 {
		if weight == nil {
			return 1
		}
		return weight[g]
	}
	var right, found, labelled, all float64
	for g, n := range h.sizes {
		all += w(g) * float64(n*(n-1)) / 2
	}
	for _, p := range c.piles {
		var sum, same, own float64
		for i, g := range p.group {
			k, x := float64(p.n[i]), w(g)
			sum += x * k
			same += x * k * x * k
			own += x * k * (k - 1) / 2
		}
		lab := own + (sum*sum-same)/2
		free := float64(p.free)
		right += own
		labelled += lab
		found += lab + free*sum + free*(free-1)/2
	}
	j := judged{}
	if found > 0 {
		j.precision = right / found
	}
	if labelled > 0 {
		j.among = right / labelled
	}
	if all > 0 {
		j.recall = right / all
	}
	return j
}

// touched is of how many groups at least a pair is put together.
func (h *hop) touched(c *clustering) int {
	of := map[int]bool{}
	for _, p := range c.piles {
		for i, n := range p.n {
			if n > 1 {
				of[p.group[i]] = true
			}
		}
	}
	return len(of)
}

// naive are the time runs that everybody would try: cut where a gap is over g seconds, keep what is large enough.
func (h *hop) naive() (out []*clustering) {
	for _, least := range []int{2, 3, 4, 5, 8} {
		for _, g := range []int{0, 2, 5, 10, 15, 20, 30, 40, 50, 60, 75, 90, 120, 150, 180, 240, 300, 360, 450, 600, 750, 900, 1200, 1500, 1800, 2700, 3600} {
			var runs [][]int
			from := 0
			for i := range h.at {
				if i+1 < len(h.at) && h.at[i+1].Sub(h.at[i]) <= time.Duration(g)*time.Second {
					continue
				}
				if i+1-from >= least {
					var r []int
					for k := from; k <= i; k++ {
						r = append(r, k)
					}
					runs = append(runs, r)
				}
				from = i + 1
			}
			out = append(out, h.clustering(fmt.Sprintf("gap %d s, %d or more", g, least), runs))
		}
	}
	return out
}

var ratios = []float64{300, 200, 150, 100, 70, 50, 35, 25, 18, 12, 9, 7, 5.5, 4.5, 4, 3.5, 3, 2.75, 2.5, 2.25, 2, 1.8, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1}

func (h *hop) paced(t testing.TB, p Pace) (out []*clustering) {
	t.Helper()
	for _, p.Ratio = range ratios {
		var runs [][]int
		for _, r := range runsOf(t, p, h.at) {
			runs = append(runs, r.Members)
		}
		out = append(out, h.clustering(fmt.Sprintf("ratio %g, %d bits, at most %d", p.Ratio, p.Least/1000, p.Most), runs))
	}
	return out
}

// precisionAt is the best precision among settings that reach a recall; NaN where none does.
func precisionAt(js []judged, recall float64) float64 {
	best := math.NaN()
	for _, j := range js {
		if j.recall >= recall && !(j.precision <= best) {
			best = j.precision
		}
	}
	return best
}

// recallAt is the best recall among settings that reach a precision; 0 where none does.
func recallAt(js []judged, precision float64) float64 {
	best := 0.0
	for _, j := range js {
		if j.precision >= precision {
			best = max(best, j.recall)
		}
	}
	return best
}

func (h *hop) judgeAll(cs []*clustering, weight map[int]float64) []judged {
	out := make([]judged, len(cs))
	for i, c := range cs {
		out[i] = h.judge(c, weight)
	}
	return out
}

// sample draws groups with replacement.
func (h *hop) sample(rng *rand.Rand) map[int]float64 {
	var ids []int
	for g := range h.sizes {
		ids = append(ids, g)
	}
	slices.Sort(ids)
	w := make(map[int]float64, len(ids))
	for range ids {
		w[ids[rng.IntN(len(ids))]]++
	}
	return w
}

func interval(xs []float64) (low, high float64, n int) {
	xs = slices.DeleteFunc(slices.Clone(xs), math.IsNaN)
	if len(xs) == 0 {
		return math.NaN(), math.NaN(), 0
	}
	slices.Sort(xs)
	return xs[int(.025*float64(len(xs)))], xs[min(int(.975*float64(len(xs))), len(xs)-1)], len(xs)
}

func percent(x float64) string {
	if math.IsNaN(x) {
		return "not reached"
	}
	return fmt.Sprintf("%.1f %%", 100*x)
}

func within(xs []float64) string {
	low, high, _ := interval(xs)
	if math.IsNaN(low) {
		return ""
	}
	return fmt.Sprintf(" (%.1f to %.1f)", 100*low, 100*high)
}

// WriteTable adds a page's table to the file that VEDETTE_TABLE names, or to the test's log.
func WriteTable(t testing.TB, text string) {
	t.Helper()
	t.Log("\n" + text)
	path := os.Getenv("VEDETTE_TABLE")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHopTable holds the timing part alone against published groups. Settings are chosen on the earlier half, what is told is of the later one. It fails only
// where the naive runs are better by more than chance at a recall that both reach.
func TestHopTable(t *testing.T) {
	earlier, later := hopHalves(t)
	var b strings.Builder
	fmt.Fprintf(&b, "Beginnings of accounts against published groups (Hop airdrop; groups of over 300 left out). Settings were chosen on the earlier %d accounts "+
		"(%d of %d groups, %d pairs); what follows is of the later %d (%d accounts of %d groups of two or more here, %d pairs). Two accounts drawn blindly are "+
		"of one group in %.3f %% of cases. In brackets 95 %% of 1000 bootstrap samples of groups; accounts without a group are wrong wherever they are put "+
		"together.\n\n", len(earlier.at), earlier.tied, earlier.groups, earlier.pairs, len(later.at), later.tied, later.groups, later.pairs,
		200*float64(later.pairs)/float64(len(later.at))/float64(len(later.at)-1))

	// the settings: for each recall, those that were most precise on the earlier half
	var kinds []Pace
	for _, most := range []int{24, 100} {
		for _, least := range []vedette.MilliBits{4000, 8000, 12000} {
			kinds = append(kinds, Pace{Most: most, Least: least})
		}
	}
	all := func(h *hop) (naive, paced []*clustering) {
		for _, p := range kinds {
			paced = append(paced, h.paced(t, p)...)
		}
		return h.naive(), paced
	}
	en, ep := all(earlier)
	ln, lp := all(later)
	enj, epj := earlier.judgeAll(en, nil), earlier.judgeAll(ep, nil)
	lnj, lpj := later.judgeAll(ln, nil), later.judgeAll(lp, nil)
	pick := func(js []judged, recall float64) int {
		best := -1
		for i, j := range js {
			if j.recall >= recall && (best < 0 || j.precision > js[best].precision) {
				best = i
			}
		}
		return best
	}
	bestF1 := func(js []judged) int {
		best := 0
		for i := range js {
			if js[i].f1() > js[best].f1() {
				best = i
			}
		}
		return best
	}
	rng := rand.New(rand.NewPCG(2026, 3))
	const samples = 1000
	weights := make([]map[int]float64, samples)
	for i := range weights {
		weights[i] = later.sample(rng)
	}
	boot := func(c *clustering) (p, r, a, f []float64) {
		for _, w := range weights {
			j := later.judge(c, w)
			p, r, a, f = append(p, j.precision), append(r, j.recall), append(a, j.among), append(f, j.f1())
		}
		return p, r, a, f
	}
	b.WriteString("| chosen on the earlier half for | method | setting | runs | groups of which a pair is found | precision | precision among accounts of groups | recall | F1 |\n|---|---|---|---|---|---|---|---|---|\n")
	row := func(what, method string, c *clustering) {
		j := later.judge(c, nil)
		p, r, a, f := boot(c)
		low, high, _ := interval(f)
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s%s | %s%s | %s%s | %.3f (%.3f to %.3f) |\n", what, method, c.tag, len(c.piles), later.touched(c),
			percent(j.precision), within(p), percent(j.among), within(a), percent(j.recall), within(r), j.f1(), low, high)
	}
	if p, k := (Pace{}).withDefaults(), lp[bestF1(epj)].tag; k != fmt.Sprintf("ratio %g, %d bits, at most %d", p.Ratio, p.Least/1000, p.Most) {
		t.Errorf("the defaults are not what the earlier half chooses: %s", k)
	}
	for _, recall := range []float64{.005, .01, .02, .05, .1} {
		what := fmt.Sprintf("a recall of %g %%", 100*recall)
		if i := pick(enj, recall); i >= 0 {
			row(what, "naive runs", ln[i])
		}
		if i := pick(epj, recall); i >= 0 {
			row(what, "runs by pace", lp[i])
		}
	}
	row("the best F1", "naive runs", ln[bestF1(enj)])
	row("the best F1", "runs by pace", lp[bestF1(epj)])
	{
		x, y := ln[bestF1(enj)], lp[bestF1(epj)]
		_, _, _, nf := boot(x)
		_, _, _, pf := boot(y)
		for i := range pf {
			pf[i] -= nf[i]
		}
		low, high, _ := interval(pf)
		fmt.Fprintf(&b, "\nF1 with the settings of the best F1: runs by pace less naive runs %+.3f (%+.3f to %+.3f, both on the same samples).\n",
			later.judge(y, nil).f1()-later.judge(x, nil).f1(), low, high)
	}
	i, k := bestF1(lnj), bestF1(lpj)
	fmt.Fprintf(&b, "\nThe best F1 that any setting has on the later half: naive runs %.3f (%s), runs by pace %.3f (%s).\n", lnj[i].f1(), ln[i].tag, lpj[k].f1(), lp[k].tag)

	// the curves: one kind of setting with its ratio swept, chosen on the earlier half, against all of the naive ones, chosen where they are judged
	compare := func(title string, mine []*clustering) (worse []string) {
		fmt.Fprintf(&b, "\n%s, its ratio swept; against naive runs with the gap and the least size that are best on the later half itself, which favours them:\n\n", title)
		b.WriteString("| at | naive runs | runs by pace | difference |\n|---|---|---|---|\n")
		mj := later.judgeAll(mine, nil)
		type line struct {
			name string
			of   func([]judged) float64
		}
		var lines []line
		for _, q := range []float64{.003, .005, .01, .02, .03, .05, .1} {
			lines = append(lines, line{fmt.Sprintf("recall of %g %%: precision", 100*q), func(js []judged) float64 { return precisionAt(js, q) }})
		}
		for _, q := range []float64{.7, .5, .3, .2, .1} {
			lines = append(lines, line{fmt.Sprintf("precision of %g %%: recall", 100*q), func(js []judged) float64 { return recallAt(js, q) }})
		}
		ns, ms, ds := make([][]float64, len(lines)), make([][]float64, len(lines)), make([][]float64, len(lines))
		for _, w := range weights {
			nw, mw := later.judgeAll(ln, w), later.judgeAll(mine, w)
			for l := range lines {
				x, y := lines[l].of(nw), lines[l].of(mw)
				ns[l], ms[l], ds[l] = append(ns[l], x), append(ms[l], y), append(ds[l], y-x)
			}
		}
		for l := range lines {
			x, y := lines[l].of(lnj), lines[l].of(mj)
			diff := "–"
			if !math.IsNaN(y - x) {
				diff = fmt.Sprintf("%+.1f%s", 100*(y-x), within(ds[l]))
				if _, high, n := interval(ds[l]); high < 0 && n >= samples/2 && strings.HasPrefix(lines[l].name, "recall") {
					worse = append(worse, lines[l].name)
				}
			}
			fmt.Fprintf(&b, "| %s | %s%s | %s%s | %s |\n", lines[l].name, percent(x), within(ns[l]), percent(y), within(ms[l]), diff)
		}
		return worse
	}
	worse := compare("Runs of at most 100 and at least 8 bits, which had the best F1 on the earlier half", later.paced(t, Pace{Most: 100, Least: 8000}))
	for _, at := range compare("Runs of at most 24, as large as cells", later.paced(t, Pace{Most: 24, Least: 8000})) {
		worse = append(worse, at+", of at most 24")
	}
	WriteTable(t, b.String())
	if len(worse) > 0 {
		t.Errorf("naive runs are better by more than chance at: %s", strings.Join(worse, "; "))
	}
}
