package attribution

import (
	"math/bits"

	"vedette"
)

// one is 1.0 as a fixed-point number with 63 bits behind the point.
const one = uint64(1) << 63

// halves holds 2^(-2^i/1000) for i = 0 to 9, with 63 bits behind the point, rounded down.
var halves = [10]uint64{
	9216981097718774933, 9210594586909298985, 9197834837998374037, 9172368345226777862, 9121646695410526133,
	9021043291263243386, 8823152935571746134, 8440300078260201827, 7723711580365999592, 6467886185042449950,
}

// logRatio returns log2(n/d) in thousandths of a bit, rounded down. It is computed in whole numbers, so that every machine gives the same;
// n and d are at least 1.
func logRatio(n, d uint64) vedette.MilliBits { return log2(max(n, 1)) - log2(max(d, 1)) }

// log2 returns the binary logarithm of n ≥ 1 in thousandths, rounded down.
func log2(n uint64) vedette.MilliBits {
	whole := bits.Len64(n) - 1
	x := n << (63 - whole) // 1.0 to 2.0, with 63 bits behind the point
	var frac uint64        // 16 bits behind the point
	for range 16 {
		hi, lo := bits.Mul64(x, x) // 126 bits behind the point
		if hi >= one {             // the square is 2.0 or more
			x, frac = hi, frac<<1|1
		} else {
			x, frac = hi<<1|lo>>63, frac<<1
		}
	}
	return vedette.MilliBits(whole*1000) + vedette.MilliBits(frac*1000>>16)
}

// power returns 2^(m/1000) for m ≤ 0, with 62 bits behind the point; 0 below 2^-62.
func power(m vedette.MilliBits) uint64 {
	n := int(-min(m, 0))
	if n >= 62000 {
		return 0
	}
	x := one
	for i, h := range halves {
		if (n%1000)>>i&1 == 1 {
			hi, lo := bits.Mul64(x, h)
			x = hi<<1 | lo>>63
		}
	}
	return x >> 1 >> (n / 1000)
}

// shares turns totals into parts per million that sum to about a million.
func shares(totals []vedette.MilliBits) []int {
	if len(totals) == 0 {
		return nil
	}
	top := totals[0]
	for _, t := range totals {
		top = max(top, t)
	}
	// 62 bits less 12: four thousand hypotheses cannot overflow the sum.
	w, sum := make([]uint64, len(totals)), uint64(0)
	for i, t := range totals {
		w[i] = power(t-top) >> 12
		sum += w[i]
	}
	out := make([]int, len(totals))
	for i := range w {
		hi, lo := bits.Mul64(w[i], 1_000_000)
		q, _ := bits.Div64(hi, lo, sum)
		out[i] = int(q)
	}
	return out
}

// either returns the logarithm of a sum: log2(2^a + 2^b), in thousandths.
func either(a, b vedette.MilliBits) vedette.MilliBits {
	if a < b {
		a, b = b, a
	}
	return a + log2(one>>1+power(b-a)) - 62000
}

// deviation returns about one standard deviation, in thousandths of a bit, of the logarithm of a ratio of two counted shares.
func deviation(a, b int) vedette.MilliBits {
	// 1/ln 2 · sqrt(1/(a+½) + 1/(b+½))
	v := uint64(2_000_000_000_000)/uint64(2*a+1) + uint64(2_000_000_000_000)/uint64(2*b+1)
	return vedette.MilliBits(root(v) * 1443 / 1_000_000)
}

// root returns the whole square root.
func root(v uint64) uint64 {
	if v == 0 {
		return 0
	}
	x := uint64(1) << ((bits.Len64(v) + 1) / 2)
	for {
		y := (x + v/x) / 2
		if y >= x {
			return x
		}
		x = y
	}
}

func clamp(m, lo, hi vedette.MilliBits) vedette.MilliBits { return max(lo, min(m, hi)) }
