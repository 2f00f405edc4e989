package rehearsal

import (
	"encoding/binary"
	"math"
)

// bins of a tail: a sixteenth of a doubling each, from an eighth on.
const bins = 160

func binOf(x float64) int {
	if x <= 0 {
		return 0
	}
	return min(int(16*math.Log2(1+8*x)), bins-1)
}

// Tail is how large a number usually is here: a histogram of what was seen before. The zero value has seen nothing.
type Tail struct {
	n    uint64
	bins [bins]uint32
}

// Add notes a value. NaN, which is not measured, is not noted.
func (t *Tail) Add(x float64) {
	if !math.IsNaN(x) {
		t.n++
		t.bins[binOf(x)]++
	}
}

// bands are the sizes of groups that are compared with one another.
const bands = 3

func band(k int) int {
	switch {
	case k <= 3:
		return 0
	case k <= 8:
		return 1
	}
	return 2
}

// tails are the platform's own distributions of every feature.
type tails [bands][Features]Tail

// table is a tail made ready for asking: the bits of each bin.
type table [bands][Features][bins]float32

func (t *tails) ready(to *table) {
	for b := range t {
		for f := range t[b] {
			x := &t[b][f]
			above := uint64(0)
			for i := bins - 1; i >= 0; i-- {
				above += uint64(x.bins[i])
				to[b][f][i] = float32(max(0, -math.Log2(float64(above+1)/float64(x.n+1))))
			}
		}
	}
}

func (t *tails) add(k int, f *Measured) {
	b := band(k)
	for i := range f {
		t[b][i].Add(f[i])
	}
}

func (t *Tail) append(b []byte) []byte {
	b = binary.AppendUvarint(b, t.n)
	for _, n := range t.bins {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func (t *Tail) read(b []byte) ([]byte, error) {
	r, err := numbers(b, bins)
	if err != nil {
		return nil, err
	}
	t.n = r.first
	copy(t.bins[:], r.rest)
	return r.b, nil
}
