package sim

import (
	"fmt"
	"testing"
)

// The intervals are those of Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I, method 3.
func TestWilson(t *testing.T) {
	for _, x := range []struct {
		k, n int
		want string
	}{
		{81, 263, "0.2553 0.3662"},
		{15, 148, "0.0624 0.1605"},
		{0, 20, "0.0000 0.1611"},
		{1, 29, "0.0061 0.1718"},
		{29, 29, "0.8830 1.0000"},
		{0, 0, "0.0000 1.0000"},
	} {
		low, high := Wilson(x.k, x.n)
		if got := fmt.Sprintf("%.4f %.4f", low, high); got != x.want {
			t.Errorf("%d of %d: %s, want %s", x.k, x.n, got, x.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	list := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.9: 5, 1: 5} {
		if got := Quantile(list, q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if list[0] != 5 || Quantile(nil, 0.5) != 0 {
		t.Error("the list was changed, or an empty one has a value")
	}
}
