package feature

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// chances are how likely each slot of a sliding sketch is hit.
func chances(flat, tail, levels int) (p []float64) {
	base := 1 / float64(flat+tail)
	for range flat {
		p = append(p, base)
	}
	for l := range levels {
		for range tail {
			p = append(p, base*math.Exp2(-float64(min(l+1, levels-1))))
		}
	}
	return p
}

// expected is the count of distinct items for which so many slots are hit on average.
func expected(p []float64, slots float64) float64 {
	low, high := 0.0, 1e7
	for range 100 {
		mid, sum := (low+high)/2, 0.0
		for _, q := range p {
			sum -= math.Expm1(mid * math.Log1p(-q))
		}
		if sum < slots {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func TestTheTablesFollowTheirFormula(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table []uint32
		p     []float64
	}{
		{"wideCount", wideCount[:], chances(wideFlat, wideTail, wideLevels)},
		{"narrowCount", narrowCount[:], chances(narrowFlat, narrowTail, narrowLevels)},
	} {
		if len(tt.table) != len(tt.p)+1 {
			t.Fatalf("%s has %d entries, want %d", tt.name, len(tt.table), len(tt.p)+1)
		}
		for k, got := range tt.table {
			slots := float64(k)
			if k == len(tt.p) {
				slots -= 0.5 // all hit: any count from here on
			}
			if want := expected(tt.p, slots); math.Abs(float64(got)-want) > 0.51+1e-6*want {
				t.Errorf("%s[%d] = %d, want %.1f", tt.name, k, got, want)
			}
		}
	}
	for used, got := range linearCount {
		if want := 128 * math.Log(128/float64(128-used)); math.Abs(float64(got)-want) > 0.51 {
			t.Errorf("linearCount[%d] = %d, want %.1f", used, got, want)
		}
	}
	if want := 0.7213 / (1 + 1.079/128) * 128 * 128 * 32768 * 1000; math.Abs(alpha-want) > 1 {
		t.Errorf("alpha = %d, want %.0f", int64(alpha), want)
	}
}

// The errors that the comments state, as root mean squares over trials with fixed seeds.
func TestSketchesErrAsTheySay(t *testing.T) {
	type sketch struct {
		name  string
		make  func() (add func(uint64), distinct func() int64)
		error map[int]float64
	}
	for _, s := range []sketch{
		{"wide", func() (func(uint64), func() int64) {
			w := &wide{}
			return func(h uint64) { w.add(h, 0) }, func() int64 { return w.distinct(0, 15) }
		}, map[int]float64{1: 0, 3: .15, 10: .11, 30: .11, 100: .11, 300: .20, 1000: .33, 10_000: .33, 30_000: .33}},
		{"narrow", func() (func(uint64), func() int64) {
			n := &narrow{}
			return func(h uint64) { n.add(h, 0) }, func() int64 { return n.distinct(0, 15) }
		}, map[int]float64{1: 0, 3: .20, 10: .16, 30: .16, 100: .16, 300: .40, 1000: .50}},
		{"ever", func() (func(uint64), func() int64) {
			e := &ever{}
			return e.add, e.distinct
		}, map[int]float64{1: 0, 3: .10, 10: .08, 100: .08, 300: .12, 1000: .12, 30_000: .12, 300_000: .12}},
	} {
		for n, most := range s.error {
			trials := min(400, max(20, 2_000_000/n))
			rnd := rand.New(rand.NewPCG(1, uint64(n)))
			var squares, sum float64
			for range trials {
				add, distinct := s.make()
				for range n {
					add(item(key{rnd.Uint64(), rnd.Uint64()}))
				}
				e := float64(distinct()-int64(n)) / float64(n)
				squares, sum = squares+e*e, sum+e
			}
			rms, bias := math.Sqrt(squares/float64(trials)), sum/float64(trials)
			t.Logf("%-6s %7d items: error %5.1f %%, bias %+5.1f %%", s.name, n, 100*rms, 100*bias)
			if rms > most*1.15 { // the trials' own spread
				t.Errorf("%s of %d items errs by %.1f %%, want at most %.0f %%", s.name, n, 100*rms, 100*most)
			}
		}
	}
}

// A sliding sketch holds for each slot the newest hit, and nothing else: whatever order, whatever steps its head took.
func TestSlidingSketchesKeepTheNewestHit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type hit struct{ slot, unit uint32 }
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) hit {
			return hit{rapid.Uint32Range(0, 63).Draw(t, "slot"), rapid.Uint32Range(100, 130).Draw(t, "unit")}
		}), 1, 80).Draw(t, "hits")
		var n narrow
		head, newestHit := uint32(0), map[uint32]uint32{}
		for _, h := range all {
			if head == 0 {
				head = h.unit
			}
			if h.unit > head {
				older(n[:], h.unit-head)
				head = h.unit
			}
			stamp(n[:], h.slot, head-h.unit)
			newestHit[h.slot] = max(newestHit[h.slot], h.unit)
		}
		at := rapid.Uint32Range(90, 150).Draw(t, "at")
		units := rapid.Uint32Range(1, 15).Draw(t, "units")
		want := 0
		for _, u := range newestHit {
			if u <= at && at-u < units && head-u < newest {
				want++
			}
		}
		if got := hits(n[:], int64(at)-int64(head), units); got != want {
			t.Fatalf("hits at %d of %d units, head %d = %d, want %d", at, units, head, got, want)
		}
	})
}

func TestRingsCountInTheirBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ring [5]uint16
		head, sums := uint32(0), map[uint32]uint64{}
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			unit, by := rapid.Uint32Range(100, 120).Draw(t, "unit"), rapid.Uint32Range(0, 30_000).Draw(t, "by")
			if head == 0 {
				head = unit
			}
			if unit > head {
				turn(ring[:], head, unit)
				head = unit
			}
			count(ring[:], head, unit, by)
			sums[unit] += uint64(by)
		}
		at := rapid.Uint32Range(90, 140).Draw(t, "at")
		want := int64(0)
		for u, s := range sums {
			if u <= at && at-u < 5 && head-u < 5 {
				want += int64(min(s, math.MaxUint16))
			}
		}
		if got := total(ring[:], head, at); got != want {
			t.Fatalf("total at %d, head %d = %d, want %d", at, head, got, want)
		}
	})
}

func TestEverSketchesKeepTheirSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e ever
		for _, h := range rapid.SliceOf(rapid.Uint64()).Draw(t, "hashes") {
			e.add(mix(h, salt1))
		}
		f := ever{regs: e.regs}
		f.recount()
		if e != f {
			t.Fatalf("the sums are %d and %d, want %d and %d", e.gone, e.used, f.gone, f.used)
		}
	})
}
