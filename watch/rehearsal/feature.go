package rehearsal

import (
	"math"
	"slices"

	"vedette/watch/population"
)

// Feature is one thing that is measured of a group of accounts. What cannot be measured is NaN, not zero.
type Feature uint8

// The features, by channel (DETECTION 2.3).
const (
	Inward    Feature = iota // social: share of its talk that stays inside
	Orphan                   // social: members whom nobody established answers
	Outreach                 // social: strangers written to in vain, each
	NewTies                  // social: share of the ties between members that are no newcomers, but began lately
	Reuse                    // infra: accounts to a device
	Nearby                   // infra: shared networks, by their rarity
	Hidden                   // infra: sessions from hosters and anonymous networks
	Unvouched                // infra: devices that do not vouch for themselves
	Builds                   // infra: same model and system build, by rarity
	Blocks                   // infra: numbers of one block
	Providers                // infra: same network operator, by rarity
	Lockstep                 // tempo: began, or woke, together
	Office                   // tempo: keeps office hours
	Probing                  // probe: blocks, reports, deletions, new groups, beyond what people do
	Looking                  // probe: numbers asked for by hand
	Confined                 // link: new domains that only the group has met
	Intense                  // link: many links of one, fetched again and again
	Linking                  // link: how much of what is written inside is such links
	Turnover                 // link: new domains used for days and then not again
	Muted                    // link: messages with links of which no token came
	Foreign                  // geo: sessions from another country than the number's
	VoIP                     // geo: numbers of voice-over-IP carriers
	Woken                    // life: members that came back after silence
	Ended                    // life: members that are gone
	Young                    // life: members younger than a month
	Features
)

// Channel is a kind of evidence. Features of one channel depend on each other; two channels are two keys.
type Channel uint8

// The channels.
const (
	Social Channel = iota
	Infra
	Tempo
	Probe
	Link
	Geo
	Life
	Channels
)

var channelNames = [Channels]string{"social", "infrastructure", "tempo", "probes", "links", "geography", "life"}

func (c Channel) String() string { return channelNames[c] }

var channelOf = [Features]Channel{
	Inward: Social, Orphan: Social, Outreach: Social, NewTies: Social,
	Reuse: Infra, Nearby: Infra, Hidden: Infra, Unvouched: Infra, Builds: Infra, Blocks: Infra, Providers: Infra,
	Lockstep: Tempo, Office: Tempo,
	Probing: Probe, Looking: Probe,
	Confined: Link, Intense: Link, Linking: Link, Turnover: Link, Muted: Link,
	Foreign: Geo, VoIP: Geo,
	Woken: Life, Ended: Life, Young: Life,
}

var featureNames = [Features]string{
	"inward", "orphan", "outreach", "new-ties", "device-reuse", "shared-networks", "hidden", "unvouched", "builds", "number-blocks", "providers", "lockstep", "office-hours", "probing", "looking-up",
	"confined-links", "intense-links", "linking", "turnover", "mute", "foreign", "voip", "woken", "ended", "young",
}

func (f Feature) String() string { return featureNames[f] }

// Measured are a group's features.
type Measured [Features]float64

// rates are what is usual among candidates, an account.
type rates struct {
	probes [population.Probes]float64
	total  float64 // active accounts
}

func ratesOf(s *population.State) rates {
	var r rates
	n := 0.0
	for i := range s.Len() {
		a := s.Account(population.Ref(i))
		if !candidate(s, a) {
			continue
		}
		n++
		for p := range a.Probes {
			r.probes[p] += float64(a.Probes[p])
		}
	}
	for p := range r.probes {
		r.probes[p] = (r.probes[p] + .5) / (n + 10)
	}
	r.total = float64(max(s.Active(), 2))
	return r
}

// meter measures the groups of a tick. Measuring allocates hardly anything.
type meter struct {
	s      *population.State
	r      rates
	births []float64
	things []population.Ref
	doms   []population.Ref
	codes  []uint32
	in     []uint32 // by account: the last group that it was measured in
	group  uint32
}

func newMeter(s *population.State) *meter {
	return &meter{s: s, r: ratesOf(s), in: make([]uint32, s.Len())}
}

// shared yields what stands in a list twice and more, and how often.
func shared(list []population.Ref, yield func(what population.Ref, n int)) {
	slices.Sort(list)
	for i := 0; i < len(list); {
		j := i + 1
		for j < len(list) && list[j] == list[i] {
			j++
		}
		if j-i > 1 {
			yield(list[i], j-i)
		}
		i = j
	}
}

func (m *meter) measure(members []population.Ref) (f Measured) {
	s, k := m.s, float64(len(members))
	var in, ext, str, ties, fresh, orphans, sessions, hosted, foreign, voip, woken, ended, young, unvouched, attested, mute, fixed float64
	var hours [24]float64
	var probes [population.Probes]float64
	m.births, m.things, m.doms, m.codes = m.births[:0], m.things[:0], m.doms[:0], m.codes[:0]
	const month = 30 * 24
	m.group++
	for _, r := range members {
		m.in[r] = m.group
	}
	for _, r := range members {
		a := s.Account(r)
		alone := true
		ts := s.Ties(a)
		for i := range ts {
			t := &ts[i]
			switch {
			case m.in[t.Peer] == m.group:
				in += float64(min(t.Out, 6))
				if a.Born == 0 || s.Now()-a.Born >= month {
					ties++
					if t.Age(s.Now()/24) <= 14 {
						fresh++
					}
				}
			case t.Mutual():
				ext += float64(min(t.Out, 6))
				if s.Account(t.Peer).Flags&population.Established != 0 {
					alone = false
				}
			}
		}
		if alone {
			orphans++
		}
		str += float64(a.Strange)
		sessions += float64(a.Sessions)
		hosted += float64(a.Hosted)
		foreign += float64(a.Foreign)
		mute += float64(a.Mute)
		switch a.Carrier {
		case 3: // voice over IP
			voip++
			fixed++
		case 0:
		default:
			fixed++
		}
		switch a.Attest {
		case 1, 2: // fails, or none
			unvouched++
			attested++
		case 0:
		default:
			attested++
		}
		switch {
		case a.Born != 0 && s.Now()-a.Born < month:
			young++
			m.births = append(m.births, float64(s.Now()-a.Born))
		case a.Woke != 0 && s.Now()-a.Woke < month:
			woken++
			m.births = append(m.births, float64(s.Now()-a.Woke))
		}
		if a.Flags&population.Gone != 0 {
			ended++
		}
		for h := range 24 {
			hours[h] += float64(a.Hour(h))
		}
		for p := range probes {
			probes[p] += float64(a.Probes[p])
		}
		m.things, m.doms = append(m.things, s.ThingsOf(a)...), append(m.doms, s.DomainsOf(a)...)
	}
	f[Inward] = in / (in + ext + str + 4)
	f[Orphan] = orphans / k
	f[Outreach] = math.Log1p(str / k)
	f[NewTies] = fresh / (ties + 2)
	m.infra(members, &f)
	f[Hidden] = share(hosted, sessions)
	f[Unvouched] = share(unvouched, attested)
	f[Foreign] = share(foreign, sessions)
	f[VoIP] = share(voip, fixed)
	f[Woken], f[Ended], f[Young] = woken/k, ended/k, young/k
	f[Lockstep] = lockstep(m.births)
	f[Office] = office(&hours)
	f[Probing], f[Looking] = m.probing(&probes, k)
	m.links(k, in, &f)
	f[Muted] = math.Log2(1 + mute/k)
	if !s.Linked() {
		f[Confined], f[Intense], f[Linking], f[Turnover] = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	}
	return f
}

// share is a part of a whole, damped where there is little of it; NaN where there is nothing.
func share(part, whole float64) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return part / (whole + 1)
}

func (m *meter) infra(members []population.Ref, f *Measured) {
	s, k := m.s, float64(len(members))
	var reuse, near, blocks float64
	shared(m.things, func(what population.Ref, on int) {
		t := s.Thing(what)
		n := float64(on - 1)
		rare := math.Log2(m.r.total / float64(max(int(t.N), on)))
		switch t.Kind {
		case population.SharedDevice:
			reuse += n
		case population.SharedNetwork:
			if !t.Over() {
				near += n * thingWeight(t) * rare
			}
		case population.SharedBlock:
			blocks += n
		}
	})
	f[Reuse], f[Nearby], f[Blocks] = reuse/(k-1), near/(k-1), blocks/(k-1)
	f[Builds] = m.same(members, func(a *population.Account) uint32 { return a.Build }, s.OfBuild) / (k - 1)
	f[Providers] = m.same(members, func(a *population.Account) uint32 { return a.ASN }, s.OfASN) / (k - 1)
}

// same is how much it says that members agree in a number: for each that has another's, the bits of its rarity beyond four.
func (m *meter) same(members []population.Ref, of func(*population.Account) uint32, everywhere func(uint32) uint32) (bits float64) {
	m.codes = m.codes[:0]
	for _, r := range members {
		if c := of(m.s.Account(r)); c != 0 {
			m.codes = append(m.codes, c)
		}
	}
	slices.Sort(m.codes)
	for i := 0; i < len(m.codes); {
		j := i
		for j < len(m.codes) && m.codes[j] == m.codes[i] {
			j++
		}
		if n := j - i; n > 1 {
			bits += float64(n-1) * max(0, math.Log2(m.r.total/float64(max(int(everywhere(m.codes[i])), n)))-4)
		}
		i = j
	}
	return bits
}

// lockstep is the surprise, in bits, that n of the group's beginnings (hours ago, within 30 days) fall so close together, for the best n of at least three
// fifths of them; choosing is paid for.
func lockstep(births []float64) float64 {
	slices.Sort(births)
	all := len(births)
	best := 0.0
	for n := max(2, (3*all+4)/5); n <= all; n++ {
		for i := 0; i+n <= all; i++ {
			s := max((births[i+n-1]-births[i])/(30*24), 1.0/(30*24))
			if s >= 1 {
				continue
			}
			p := float64(n)*math.Pow(s, float64(n-1)) - float64(n-1)*math.Pow(s, float64(n))
			best = max(best, -math.Log2(p)-logChoose(all, n)/math.Ln2)
		}
	}
	return min(best, 20)
}

func logChoose(n, k int) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	return lg(n) - lg(k) - lg(n-k)
}

// office is the share of activity in the busiest nine hours of the day, beyond what an even day would have.
func office(hours *[24]float64) float64 {
	var all, window float64
	for h := range 24 {
		all += hours[h]
		if h < 9 {
			window += hours[h]
		}
	}
	if all < 12 {
		return math.NaN()
	}
	best := window
	for h := range 23 {
		window += hours[(h+9)%24] - hours[h]
		best = max(best, window)
	}
	return best/all - .4
}

// spreadOf is how unevenly probes are spread over honest people: the size of the negative binomial.
const (
	spreadOf       = .7
	spreadOfLookup = .5
)

// probing is the surprise at what the group does that people seldom do, in bits, each kind at most 8; look-ups apart.
func (m *meter) probing(n *[population.Probes]float64, k float64) (probes, lookups float64) {
	for p := range n {
		size := spreadOf
		if population.Probe(p) == population.Lookup {
			size = spreadOfLookup
		}
		b := min(8, negativeBinomial(int(n[p]), m.r.probes[p]*k, size*math.Sqrt(k)))
		if population.Probe(p) == population.Lookup {
			lookups = b
		} else {
			probes += b
		}
	}
	return probes, lookups
}

// negativeBinomial is -log2 P(X ≥ n) of a negative binomial with mean mu and size r.
func negativeBinomial(n int, mu, r float64) float64 {
	if n == 0 || mu <= 0 {
		return 0
	}
	n = min(n, 200)
	q := mu / (mu + r)
	p := math.Pow(1-q, r) // P(X = 0)
	below := 0.0
	for i := range n {
		below += p
		p *= (r + float64(i)) / float64(i+1) * q
	}
	tail := 1 - below
	if tail < 1e-9 { // the sum has lost it: the last term and what follows it, a geometric series at least
		tail = max(p, 1e-300) / (1 - q)
	}
	return max(0, -math.Log2(tail))
}

func (m *meter) links(k, in float64, f *Measured) {
	sends := 0.0
	shared(m.doms, func(what population.Ref, on int) {
		d := m.s.Domain(what)
		if !m.s.IsFresh(d) {
			return
		}
		c := float64(on) / float64(max(int(d.N), on))
		c *= c
		f[Confined] += c
		sends += c * float64(d.Sends)
		fetched := 0
		for i := range d.URLs {
			if d.URLs[i].Fetched >= 3 {
				fetched++
			}
		}
		f[Intense] = max(f[Intense], c*(.5*math.Log2(1+float64(len(d.URLs)))+float64(min(3, fetched))))
		if d.Last-d.First < 5*24 && m.s.Now()-d.Last > 2*24 {
			f[Turnover] += c
		}
	})
	f[Linking] = sends / (in + sends + 4)
}
