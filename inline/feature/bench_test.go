package feature

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
)

// VEDETTE_BENCH_KEYS is how many keys the benchmarks' memory holds; 500,000 by default. docs/decisions/0007-measures.md has 5,000,000.
func benchKeys(b *testing.B) int {
	if s := os.Getenv("VEDETTE_BENCH_KEYS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 500_000
}

func random16(seed, n uint64) (b [16]byte) {
	lo, hi := mix(n^salt2, seed^salt3), mix(n^salt4, seed^salt5)
	le.PutUint64(b[:], lo)
	le.PutUint64(b[8:], hi)
	return b
}

// crowd is a platform whose keys, of all tables together, are about as many as asked for.
type crowd struct {
	keys                                     int
	accounts, pairs, domains, urls, networks uint64
	config                                   Config
}

func crowdOf(keys int) crowd {
	c := crowd{keys: keys, accounts: uint64(keys) / 8, pairs: uint64(keys) / 2, domains: uint64(keys) / 25, urls: uint64(keys) / 8, networks: uint64(keys) / 50}
	room := func(n uint64) int { return int(n) * 3 / 2 }
	c.config = Config{
		Accounts: room(c.accounts), Pairs: room(c.pairs), Domains: room(c.domains), Hosts: room(c.domains), URLs: room(c.urls),
		Devices: room(c.networks), Networks: room(c.networks), SenderDomains: room(c.urls),
	}
	return c
}

// link draws pair number n: who writes to whom, about what.
func (c crowd) link(n uint64, ev *vedette.Event, body *vedette.LinkSent) {
	h := mix(n^salt6, salt7)
	ev.Actor = random16(1, n%c.accounts)
	body.To.Account = random16(1, h%c.accounts)
	d, u := h>>20%c.domains, n%c.urls
	body.Links[0].Domain = vedette.Token{Kind: vedette.TokenDomain, Bytes: random16(2, d)}
	body.Links[0].Host = vedette.Token{Kind: vedette.TokenHost, Bytes: random16(3, d)}
	body.Links[0].URL = vedette.Token{Kind: vedette.TokenURL, Bytes: random16(4, u)}
}

func (c crowd) fill() (*Memory, time.Time) {
	m := New(c.config)
	body := &vedette.LinkSent{Links: make([]vedette.Link, 1)}
	ev := &vedette.Event{Tenant: "t", Body: body}
	seen := &vedette.AccountSeen{}
	d := &vedette.Decision{}
	at := start
	step := 7 * 24 * time.Hour / time.Duration(c.pairs)
	for n := range c.pairs {
		at = at.Add(step)
		c.link(n, ev, body)
		ev.At, ev.Body = at, body
		m.Apply(ev, d, journal.Position{})
		if n < c.accounts {
			seen.Device, seen.Network.ID = random16(5, n%c.networks), random16(6, n%c.networks)
			ev.Body = seen
			m.Apply(ev, d, journal.Position{})
		}
	}
	return m, at
}

var full struct {
	keys int
	m    *Memory
	at   time.Time
}

func filledFor(b *testing.B) (crowd, *Memory, time.Time) {
	c := crowdOf(benchKeys(b))
	if full.keys != c.keys {
		full.m, full.at = c.fill()
		full.keys = c.keys
	}
	var keys int64
	for _, s := range full.m.Stats() {
		keys += s.Keys
	}
	b.ReportMetric(float64(keys), "keys")
	return c, full.m, full.at
}

// stream prepares events ahead of the clock, so that what is timed is memory alone.
func (c crowd) stream(at time.Time, n int) []*vedette.Event {
	rnd := rand.New(rand.NewPCG(7, 7))
	out := make([]*vedette.Event, n)
	for i := range out {
		body := &vedette.LinkSent{Links: make([]vedette.Link, 1)}
		out[i] = &vedette.Event{Tenant: "t", At: at.Add(time.Duration(i) * time.Millisecond), Body: body}
		c.link(rnd.Uint64N(c.pairs*11/10), out[i], body) // a tenth of the pairs is new
	}
	return out
}

func BenchmarkMeasureAndApply(b *testing.B) {
	c, m, at := filledFor(b)
	evs, d := c.stream(at, 1<<16), &vedette.Decision{}
	dst := make([]vedette.Measures, 0, 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ev := evs[i&(1<<16-1)]
		i++
		dst = m.Measure(ev, dst[:0])
		m.Apply(ev, d, journal.Position{})
	}
}

func BenchmarkMeasure(b *testing.B) {
	c, m, at := filledFor(b)
	evs := c.stream(at, 1<<16)
	dst := make([]vedette.Measures, 0, 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		dst = m.Measure(evs[i&(1<<16-1)], dst[:0])
		i++
	}
}

func BenchmarkLookUp(b *testing.B) {
	c, m, at := filledFor(b)
	rnd := rand.New(rand.NewPCG(7, 7))
	keys := make([]key, 1<<16)
	sec := seconds(at)
	for _, t := range []struct {
		name string
		seed uint64
		n    uint64
		ask  func(k key) int64
	}{
		{"account window", 1, c.accounts, func(k key) int64 {
			p := own(k, m.segments, m.accounts.buckets)
			a := m.accounts.get(&p)
			if a == nil {
				return 0
			}
			return a.contacts.distinct(spanWeek.ahead(a.hour, sec/3600), spanWeek.units)
		}},
		{"domain window", 2, c.domains, func(k key) int64 {
			p := own(k, m.segments, m.domains.buckets)
			if d := m.domains.get(&p); d != nil {
				return total(d.sends[:], d.hour/24, sec/3600/24)
			}
			return 0
		}},
		{"url", 4, c.urls, func(k key) int64 {
			p := own(k, m.segments, m.urls.buckets)
			return m.urls.get(&p).count()
		}},
	} {
		b.Run(t.name, func(b *testing.B) {
			tenant := tenantKey("t")
			for i := range keys {
				keys[i] = of(tenant, random16(t.seed, rnd.Uint64N(t.n)))
			}
			b.ReportAllocs()
			i, sum := 0, int64(0)
			for b.Loop() {
				sum += t.ask(keys[i&(1<<16-1)])
				i++
			}
			runtime.KeepAlive(sum)
		})
	}
}

// BenchmarkCollect compares what the collector costs with a full memory, and with as many keys in a map of pointers as it is usually written.
func BenchmarkCollect(b *testing.B) {
	b.Run("flat", func(b *testing.B) {
		_, m, _ := filledFor(b)
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(m)
	})
	b.Run("map of pointers", func(b *testing.B) {
		full.m, full.keys = nil, 0
		type known struct {
			first, last, n uint32
			window         [8]uint16
		}
		n := benchKeys(b)
		plain := make(map[[16]byte]*known, n)
		for i := range n {
			plain[random16(1, uint64(i))] = &known{n: 1}
		}
		b.ReportMetric(float64(len(plain)), "keys")
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(plain)
	})
}

func BenchmarkSaveSegment(b *testing.B) {
	_, m, _ := filledFor(b)
	var dst []byte
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		dst = m.SaveSegment(i%m.Segments(), dst[:0])
		i++
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkLoadSegment(b *testing.B) {
	_, m, _ := filledFor(b)
	data := m.SaveSegment(0, nil)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.LoadSegment(journal.Position{}, data); err != nil {
			b.Fatal(err)
		}
	}
}
