package world

import (
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"testing"
	"time"

	"vedette"
)

// small is the standard range with n accounts.
func small(n int) *Scenario {
	s := Default()
	s.Accounts = n
	return s
}

func TestTheStandardRange(t *testing.T) {
	if testing.Short() {
		t.Skip("plays nine million events")
	}
	began := time.Now()
	w, err := New(Default(), 1)
	if err != nil {
		t.Fatal(err)
	}
	drawn := time.Since(began)
	kinds := map[vedette.Kind]int{}
	strangers := 0
	began = time.Now()
	w.Play(func(e *vedette.Event) bool {
		kinds[e.Kind()]++
		if l, ok := e.Body.(*vedette.LinkSent); ok && l.Stranger == vedette.Yes {
			strangers++
		}
		return true
	})
	took := time.Since(began)
	tr := w.Truth()
	t.Logf("%d events, %d accounts, %d teams; drawn in %v, played in %v: %.0f events/s", tr.Events, tr.Accounts, len(tr.Teams), drawn, took, float64(tr.Events)/took.Seconds())
	for _, k := range vedette.Kinds() {
		t.Logf("%-20s %d", k, kinds[k])
	}
	t.Logf("first-contact links a week: %d", strangers/9)
}

// digest is of everything that a world tells.
func digest(w *World) string {
	h := sha256.New()
	l := wireLine{}
	w.Play(func(e *vedette.Event) bool {
		l.write(e)
		h.Write(l.b)
		return true
	})
	return hex.EncodeToString(h.Sum(nil))
}

func TestTheSameSeedGivesTheSameWorld(t *testing.T) {
	var got [4]string
	for i, seed := range []uint64{7, 7, 8} {
		w, err := New(small(3000), seed)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = digest(w)
		if i == 0 {
			got[3] = digest(w)
		}
	}
	if got[0] != got[1] {
		t.Errorf("two worlds of one seed: %s and %s", got[0], got[1])
	}
	if got[0] != got[3] {
		t.Errorf("one world, played twice: %s and %s", got[0], got[3])
	}
	if got[0] == got[2] {
		t.Error("two seeds give the same world")
	}
}

func TestEventsComeInOrderOfTimeAndID(t *testing.T) {
	w, err := New(small(5000), 3)
	if err != nil {
		t.Fatal(err)
	}
	var at time.Time
	var id vedette.EventID
	n, wrong := 0, 0
	w.Play(func(e *vedette.Event) bool {
		if e.At.Before(at) || e.At.Equal(at) && string(e.ID[:]) <= string(id[:]) {
			wrong++
		}
		at, id = e.At, e.ID
		n++
		return true
	})
	if wrong > 0 || n == 0 {
		t.Errorf("%d of %d events are out of order", wrong, n)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkPlay tells how fast a world is played; the events of one world are an op.
func BenchmarkPlay(b *testing.B) {
	s := small(20_000)
	w, err := New(s, 1)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		w.Play(func(*vedette.Event) bool { events++; return true })
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
