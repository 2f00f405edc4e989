package history

import (
	"testing"

	"vedette/record/journal"
	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

// benchmarked is how many sightings the benchmarks' history holds, over benchDays days.
const (
	benchmarked = 1_000_000
	benchDays   = 30
)

type benchDay struct {
	rows []hunt.Sighting
	at   journal.Position
}

func benchTraffic() (days []benchDay, units []hunt.Key) {
	traffic := hunttest.NewTraffic(1, benchmarked/benchDays)
	for range benchDays {
		rows, at := traffic.Day()
		days = append(days, benchDay{rows, at})
	}
	known := map[hunt.Key]bool{}
	var all []hunt.Key // each once: who draws by sightings asks for the links that most have met
	for _, d := range days {
		for i := range d.rows {
			if u := d.rows[i].Unit(); !known[u] {
				known[u] = true
				all = append(all, u)
			}
		}
	}
	for i := range 1000 {
		units = append(units, all[i*len(all)/1000])
	}
	return days, units
}

func benchAdd(b testing.TB, h *History, days []benchDay) {
	b.Helper()
	for _, d := range days {
		if err := h.Add(b.Context(), d.rows, d.at); err != nil {
			b.Fatal(err)
		}
	}
	if err := h.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAdd(b *testing.B) {
	days, _ := benchTraffic()
	b.ReportAllocs()
	for b.Loop() {
		h := openAt(b, b.TempDir(), Options{})
		benchAdd(b, h, days)
	}
	b.ReportMetric(float64(benchmarked)*float64(b.N)/b.Elapsed().Seconds(), "sightings/s")
}

func BenchmarkFind(b *testing.B) {
	days, units := benchTraffic()
	h := openAt(b, b.TempDir(), Options{})
	benchAdd(b, h, days)
	misses := make([]hunt.Key, len(units))
	for i := range misses {
		misses[i] = units[i] ^ 0xfeedfacecafe
	}
	for _, bb := range []struct {
		name  string
		units []hunt.Key
	}{{"1 hit", units[:1]}, {"1 miss", misses[:1]}, {"1000 hits", units}, {"1000 misses", misses}} {
		b.Run(bb.name, func(b *testing.B) {
			found := 0
			b.ReportAllocs()
			for b.Loop() {
				found = 0
				if _, err := h.Find(b.Context(), bb.units, hunt.Window{}, func(int, *hunt.Sighting) bool { found++; return true }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(found), "found")
		})
	}
}
