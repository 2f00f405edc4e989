package baseline

import (
	"math/rand/v2"
	"testing"
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
