package indicator

import (
	"runtime"
	"strconv"
	"testing"

	"vedette"
)

// BenchmarkResident tells how many bytes stay in memory for each indicator, in a set and in the map that one would take without it. Its time is
// that of building. VEDETTE_BIG is not asked: -bench 'Resident/.*/10000000' chooses.
func BenchmarkResident(b *testing.B) {
	type fact struct {
		verdict vedette.Verdict
		source  string
	}
	for _, n := range []int{1_000_000, 10_000_000} {
		size := strconv.Itoa(n)
		b.Run("set/"+size, func(b *testing.B) {
			for b.Loop() {
				s, bytes := resident(func() *Set {
					s, err := Build(many(n), nil)
					if err != nil {
						b.Fatal(err)
					}
					return s
				})
				b.ReportMetric(float64(bytes)/float64(n), "B/indicator")
				runtime.KeepAlive(s)
			}
		})
		b.Run("map/"+size, func(b *testing.B) {
			for b.Loop() {
				var m map[string]fact
				_, bytes := resident(func() *Set {
					m = make(map[string]fact, n)
					for in := range many(n) {
						m[in.Value] = fact{in.Verdict, in.Source}
					}
					return nil
				})
				b.ReportMetric(float64(bytes)/float64(n), "B/indicator")
				runtime.KeepAlive(m)
			}
		})
	}
}
