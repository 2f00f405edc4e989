package population

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestListsHoldWhatSlicesWould does the same to lists and to slices.
func TestListsHoldWhatSlicesWould(t *testing.T) {
	const owners = 5000
	rng := rand.New(rand.NewPCG(1, 2))
	at := make([]list, owners)
	want := make([][]int, owners)
	x := lists[int]{mine: func(o uint32) *list { return &at[o] }}
	for step := range 200_000 {
		o := rng.IntN(owners)
		switch n := len(want[o]); {
		case rng.IntN(50) == 0:
			want[o] = want[o][:rng.IntN(n+1)]
			x.resize(uint32(o), len(want[o]))
		case rng.IntN(20) == 0:
			even := func(v int) bool { return v%2 == 0 }
			want[o] = slices.DeleteFunc(want[o], func(v int) bool { return !even(v) })
			if left := x.keep(uint32(o), func(v *int) bool { return even(*v) }); left != len(want[o]) {
				t.Fatalf("keep leaves %d, want %d", left, len(want[o]))
			}
		case rng.IntN(100) == 0: // two owners change places
			p := rng.IntN(owners)
			at[o], at[p], want[o], want[p] = at[p], at[o], want[p], want[o]
			x.rename(at[o], uint32(o))
			x.rename(at[p], uint32(p))
		case n < maxList:
			want[o] = append(want[o], step)
			x.add(uint32(o), step)
		}
	}
	rows := 0
	for o := range want {
		if got := x.items(at[o]); !slices.Equal(got, want[o]) {
			t.Fatalf("list %d is %v, want %v", o, got, want[o])
		}
		if len(want[o]) > 0 {
			rows++
		}
	}
	for i := range x.of {
		rows -= x.of[i].items.len()
	}
	if rows != 0 {
		t.Errorf("%d more lists than rows", rows)
	}
}
