package blockstest

import (
	"context"
	"slices"
	"testing"
	"time"

	"vedette/watch/hunt"
)

// Measured is what a history of some size takes.
type Measured struct {
	Sightings int64
	Written   float64 // sightings a second, made durable in parts of 65,536
	Disk      float64 // bytes of a sighting, index included
	Memory    float64 // bytes of a sighting
	Asked     []Asked
}

// Asked is what a question takes.
type Asked struct {
	Units, Found int
	Median       time.Duration
}

// Measure fills a history with traffic of 90 days and asks it for some of its units. It returns the units too, so that others can be asked the same.
func Measure(t testing.TB, h hunt.History, sightings int) (Measured, []hunt.Key) {
	t.Helper()
	ctx := context.Background()
	traffic := NewTraffic(1, sightings/90)
	var m Measured
	var took time.Duration
	for range 90 {
		rows, upto := traffic.Day()
		start := time.Now()
		for len(rows) > 0 {
			n := min(len(rows), 65_536)
			for n < len(rows) && rows[n].Position == rows[n-1].Position {
				n++
			}
			to := rows[n-1].Position
			if n == len(rows) {
				to = upto
			}
			if err := h.Add(ctx, rows[:n], to); err != nil {
				t.Fatal(err)
			}
			if err := h.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			m.Sightings += int64(n)
			rows = rows[n:]
		}
		took += time.Since(start)
	}
	st, err := h.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m.Written = float64(m.Sightings) / took.Seconds()
	m.Disk, m.Memory = float64(st.Bytes)/float64(m.Sightings), float64(st.Memory)/float64(m.Sightings)
	units := traffic.Started
	for len(units) > 1000 && len(units) >= 2000 { // spread over all days, not the first alone
		half := make([]hunt.Key, 0, len(units)/2)
		for i := 0; i < len(units); i += 2 {
			half = append(half, units[i])
		}
		units = half
	}
	units = units[:min(1000, len(units))]
	for _, n := range []int{1, 10, 100, 1000} {
		a := Ask(t, h, units[:min(n, len(units))])
		m.Asked = append(m.Asked, a)
		if n >= len(units) {
			break
		}
	}
	return m, units
}

// Ask puts one question fifteen times.
func Ask(t testing.TB, h hunt.History, units []hunt.Key) Asked {
	t.Helper()
	a := Asked{Units: len(units)}
	var times []time.Duration
	for range 15 {
		a.Found = 0
		start := time.Now()
		if _, err := h.Find(context.Background(), units, hunt.Window{}, func(int, *hunt.Sighting) bool { a.Found++; return true }); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	a.Median = times[len(times)/2]
	return a
}
