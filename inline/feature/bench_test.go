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

// source draws events one at a time into the same place: at a gate they are warm, having just been read, and only memory is far away.
type source struct {
	c    crowd
	rnd  *rand.Rand
	ev   vedette.Event
	body vedette.LinkSent
	link [1]vedette.Link
}

func (c crowd) source(at time.Time) *source {
	s := &source{c: c, rnd: rand.New(rand.NewPCG(7, 7))}
	s.body.Links = s.link[:]
	s.ev = vedette.Event{Tenant: "t", At: at, Body: &s.body}
	return s
}

func (s *source) next() *vedette.Event {
	s.ev.At = s.ev.At.Add(time.Millisecond)
	s.c.link(s.rnd.Uint64N(s.c.pairs*11/10), &s.ev, &s.body) // a tenth of the pairs is new
	return &s.ev
}

// BenchmarkDraw is what the other benchmarks spend on making up their events.
func BenchmarkDraw(b *testing.B) {
	c, _, at := filledFor(b)
	s := c.source(at)
	b.ReportAllocs()
	for b.Loop() {
		s.next()
	}
}

func BenchmarkMeasureAndApply(b *testing.B) {
	c, m, at := filledFor(b)
	s, d := c.source(at), &vedette.Decision{}
	dst := make([]vedette.Measures, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		ev := s.next()
		dst = m.Measure(ev, dst[:0])
		m.Apply(ev, d, journal.Position{})
	}
}

func BenchmarkMeasure(b *testing.B) {
	c, m, at := filledFor(b)
	s := c.source(at)
	dst := make([]vedette.Measures, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		dst = m.Measure(s.next(), dst[:0])
	}
}

// BenchmarkCollect is what the collector's round costs with a full memory.
func BenchmarkCollect(b *testing.B) {
	_, m, _ := filledFor(b)
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(m)
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

// plain is the least that the same work takes as it is usually written: maps of pointers, a counter where memory has sketches and rings.
// It knows no windows and no distinct counts, and forgets nothing.
type plain struct {
	accounts, domains, hosts, urls map[[16]byte]*plainKnown
	pairs, sent                    map[[32]byte]*plainKnown
}

type plainKnown struct {
	first, last int64
	n           uint32
	hours       [25]uint16
}

func (p *plain) at(m map[[16]byte]*plainKnown, k [16]byte, sec int64) *plainKnown {
	v := m[k]
	if v == nil {
		v = &plainKnown{first: sec}
		m[k] = v
	}
	return v
}

func (p *plain) event(ev *vedette.Event, body *vedette.LinkSent, touch bool) (sum int64) {
	sec := ev.At.Unix()
	hour := sec / 3600 % 25
	l := &body.Links[0]
	there, back, sent := [32]byte{}, [32]byte{}, [32]byte{}
	copy(there[:], ev.Actor[:])
	copy(there[16:], body.To.Account[:])
	copy(back[:], body.To.Account[:])
	copy(back[16:], ev.Actor[:])
	copy(sent[:], ev.Actor[:])
	copy(sent[16:], l.Domain.Bytes[:])
	if touch {
		for _, v := range [...]*plainKnown{p.at(p.accounts, ev.Actor, sec), p.at(p.domains, l.Domain.Bytes, sec), p.at(p.hosts, l.Host.Bytes, sec), p.at(p.urls, l.URL.Bytes, sec)} {
			v.n++
			v.last = sec
			v.hours[hour]++
		}
		for _, k := range [...][32]byte{there, sent} {
			m := p.pairs
			if k == sent {
				m = p.sent
			}
			v := m[k]
			if v == nil {
				v = &plainKnown{first: sec}
				m[k] = v
			}
			v.n++
			v.last = sec
		}
		return 0
	}
	for _, v := range [...]*plainKnown{p.accounts[ev.Actor], p.domains[l.Domain.Bytes], p.hosts[l.Host.Bytes], p.urls[l.URL.Bytes], p.pairs[there], p.pairs[back], p.sent[sent]} {
		if v != nil {
			sum += sec - v.first + int64(v.n)
			for _, n := range v.hours {
				sum += int64(n)
			}
		}
	}
	return sum
}

func (c crowd) plain() (*plain, time.Time) {
	p := &plain{
		map[[16]byte]*plainKnown{},
		map[[16]byte]*plainKnown{},
		map[[16]byte]*plainKnown{},
		map[[16]byte]*plainKnown{},
		map[[32]byte]*plainKnown{},
		map[[32]byte]*plainKnown{},
	}
	body := &vedette.LinkSent{Links: make([]vedette.Link, 1)}
	ev := &vedette.Event{Tenant: "t", Body: body, At: start}
	for n := range c.pairs {
		ev.At = ev.At.Add(7 * 24 * time.Hour / time.Duration(c.pairs))
		c.link(n, ev, body)
		p.event(ev, body, true)
	}
	return p, ev.At
}

// BenchmarkPlain is the baseline of the two above, in the same run, and of the collector's work.
func BenchmarkPlain(b *testing.B) {
	full.m, full.keys = nil, 0
	c := crowdOf(benchKeys(b))
	p, at := c.plain()
	keys := len(p.accounts) + len(p.domains) + len(p.hosts) + len(p.urls) + len(p.pairs) + len(p.sent)
	b.Run("MeasureAndApply", func(b *testing.B) {
		s := c.source(at)
		b.ReportMetric(float64(keys), "keys")
		sum := int64(0)
		b.ReportAllocs()
		for b.Loop() {
			ev := s.next()
			sum += p.event(ev, &s.body, false)
			p.event(ev, &s.body, true)
		}
		runtime.KeepAlive(sum)
	})
	b.Run("Collect", func(b *testing.B) {
		b.ReportMetric(float64(keys), "keys")
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(p)
	})
}
