package sim

import (
	"math"
	"slices"
)

// Wilson returns the 95 % interval of a share of k in n, as parts of 1. It stays within 0 and 1 and says something of 0 of n too; of 0 of 0 nothing is
// known, which is 0 to 1.
//
// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
func Wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // the normal distribution's 97.5 %
	m, p := float64(n), float64(k)/float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, mid-half), min(1, mid+half)
}

// Quantile returns the value below which a part q of a list lies, one of the list's own; 0 of an empty list. The list is left as it is.
func Quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}
