package population

import (
	"runtime"
	"testing"
	"time"
)

// BenchmarkTake plays three weeks of a platform of 20,000 into an empty population, ticks included.
func BenchmarkTake(b *testing.B) {
	events := stream(1, 20_000, 400_000, 21*24*time.Hour)
	b.ReportAllocs()
	var bytes, accounts float64
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		p, err := New(Config{})
		if err != nil {
			b.Fatal(err)
		}
		for i := range events {
			p.Take(0, &events[i])
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		bytes += float64(after.HeapAlloc) - float64(before.HeapAlloc)
		accounts += float64(p.State().Len())
		runtime.KeepAlive(p)
	}
	b.ReportMetric(float64(b.N)*float64(len(events))/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(bytes/accounts, "B/account")
}
