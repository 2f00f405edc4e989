package history

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

func made(rng *rand.Rand, n int, start time.Time, span time.Duration, from uint64) []hunt.Sighting {
	out := make([]hunt.Sighting, n)
	var dom uint64
	for i := range out {
		s := &out[i]
		if i%3 == 0 || dom == 0 {
			dom = rng.Uint64() | 1
		}
		s.At = start.Add(time.Duration(float64(span) * float64(i) / float64(n))).Truncate(time.Millisecond)
		s.Act, s.Domain, s.Host, s.URL = hunt.Sent, hunt.Key(dom), hunt.Key(dom*0x9e3779b97f4a7c15), hunt.Key(rng.Uint64())
		binary.LittleEndian.PutUint64(s.From[:], rng.Uint64())
		binary.LittleEndian.PutUint64(s.From[8:], rng.Uint64())
		binary.LittleEndian.PutUint64(s.To[:], rng.Uint64())
		binary.LittleEndian.PutUint64(s.To[8:], rng.Uint64())
		s.Shape = vedette.Shape{TokenLike: uint8(rng.IntN(2)), Entropy: uint8(40 + rng.IntN(20)), PathSegments: uint8(1 + rng.IntN(3)), HostLabels: 2, Length: uint16(30 + rng.IntN(40))}
		if rng.IntN(10) == 0 {
			s.Verdict, s.Would = vedette.Warn, vedette.Warn
		}
		s.Position = journal.Position{Frame: from + uint64(i)/4, Index: uint16(i % 4 * 60)}
	}
	return out
}

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	const n = 1_000_000
	rows := made(rng, n, start, 10*24*time.Hour, 1)
	begin := time.Now()
	for i := 0; i < n; i += 10000 {
		if err := h.Add(t.Context(), rows[i:i+10000], rows[i+9999].Position); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	st, _ := h.Stats(t.Context())
	fmt.Printf("%d rows in %s, %.0f/s, %.1f B/row, mem %.2f B/row, %d parts\n", n, took, n/took.Seconds(), float64(st.Bytes)/n, float64(st.Memory)/n, len(h.parts))
	for _, k := range []int{1, 1000} {
		var keys []hunt.Key
		for range k {
			keys = append(keys, rows[rng.IntN(n)].Unit())
		}
		for range 3 {
			begin = time.Now()
			found := 0
			dm, err := h.Find(t.Context(), keys, hunt.Window{}, func(int, *hunt.Sighting) bool { found++; return true })
			fmt.Println(k, found, time.Since(begin), dm, err)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	h, err = Open(t.Context(), dir, Options{})
	fmt.Println("open", time.Since(begin), err)
	begin = time.Now()
	dm, err := h.Verify(t.Context())
	fmt.Println("verify", time.Since(begin), dm, err)
	begin = time.Now()
	found := 0
	_, err = h.Of(t.Context(), []vedette.AccountID{rows[5].From, rows[999].To}, hunt.Window{}, func(s *hunt.Sighting) bool { found++; return true })
	fmt.Println("of", found, time.Since(begin), err)
	begin = time.Now()
	gone, err := h.Erase(t.Context(), rows[5].From, vedette.GroupID{})
	fmt.Println("erase", gone, time.Since(begin), err)
	var got hunt.Sighting
	_, _ = h.Find(t.Context(), []hunt.Key{rows[6].Unit()}, hunt.Window{}, func(_ int, s *hunt.Sighting) bool { got = *s; return s.Position != rows[6].Position })
	if got != rows[6] {
		t.Errorf("got %+v\nwant %+v", got, rows[6])
	}
	_ = h.Close(t.Context())
}
