package feature

import (
	"time"

	"vedette"
	"vedette/record/journal"
)

// Apply remembers an event and its decision. Every entry of the journal must come through here, ticks too, in order: memory forgets by them.
// A segment that already includes the position is left as it is. The zero position stands for an event outside of any journal: it is always
// applied, and moves no segment's position.
//
// The verdict changes only whom a message reached. What was blocked or held was tried: it counts in what the sender did (messages, links,
// contacts, strangers, sends of a URL and of a domain). It reached nobody: the pair stays unknown, so that the next try is a first contact
// again; and it makes no domain or host look used, so that nobody can spray a name into looking popular with messages that were refused.
// A held message that is released later is not told to us; the recipient's next message from the sender is then a first contact once more.
// A nil decision is an allowed one.
func (m *Memory) Apply(ev *vedette.Event, d *vedette.Decision, at journal.Position) {
	zero := at == journal.Position{}
	if !zero && !m.applied.Less(at) {
		return
	}
	m.remember(ev, d == nil || d.Verdict < vedette.Hold, at)
	if !zero {
		m.applied = at
	}
}

// Position returns the last position whose effect a segment includes.
func (m *Memory) Position(segment int) journal.Position {
	if p := m.at[segment]; m.applied.Less(p) {
		return p
	}
	return m.applied
}

// Oldest returns the oldest position of any segment: what comes after it must be applied again.
func (m *Memory) Oldest() journal.Position {
	oldest := m.Position(0)
	for i := range m.at {
		if p := m.Position(i); p.Less(oldest) {
			oldest = p
		}
	}
	return oldest
}

// behind tells whether a segment lacks an event.
func (m *Memory) behind(segment uint32, at journal.Position) bool {
	return at == journal.Position{} || m.at[segment].Less(at)
}

func (m *Memory) remember(ev *vedette.Event, delivered bool, at journal.Position) {
	if _, ok := ev.Body.(*vedette.Tick); ok {
		m.sweep(seconds(ev.At), at)
		return
	}
	p := m.lay(ev)
	who := uint64(0)
	if !p.actor.key.isZero() {
		who = item(p.actor.key)
		if m.behind(p.actor.segment, at) {
			m.act(ev, p, delivered)
		}
	}
	if !p.n.subject.IsZero() {
		if s := m.account(of(p.t, [16]byte(p.n.subject))); m.behind(s.segment, at) {
			_, reported := ev.Body.(*vedette.UserReported)
			m.suffer(reported, who, p.sec, &s)
		}
	}
	if !p.device.key.isZero() && m.behind(p.device.segment, at) {
		m.onDevice(who, p.n.used, p.sec, &p.device.place)
	}
	if !p.network.key.isZero() && m.behind(p.network.segment, at) {
		m.onNetwork(who, p.sec, &p.network.place)
	}
	if len(p.links) == 0 {
		return
	}
	s := sight{who: who, sec: p.sec, delivered: delivered}
	_, s.sent = ev.Body.(*vedette.LinkSent)
	_, s.reported = ev.Body.(*vedette.UserReported)
	if !p.to.isZero() {
		s.to = item(p.to)
	}
	for i := range p.links {
		q := &p.link[i]
		if !q.domain.key.isZero() && m.behind(q.domain.segment, at) {
			m.seeDomain(&s, &q.domain.place)
		}
		if !s.sent {
			continue
		}
		if !q.host.key.isZero() && delivered && m.behind(q.host.segment, at) {
			if h, _ := m.hosts.put(&q.host.place, p.sec); h != nil && who != 0 {
				h.people.add(who)
			}
		}
		if !q.url.key.isZero() && m.behind(q.url.segment, at) {
			if u, _ := m.urls.put(&q.url.place, p.sec); u != nil {
				more(&u.n, 1)
			}
		}
	}
}

// heard returns what is known of an account, after it was heard of once more; nil when it is too old to be taken in.
func (m *Memory) heard(p *place, sec uint32) *account {
	a, _ := m.accounts.put(p, sec)
	if a == nil {
		return nil
	}
	if a.first == 0 || sec < a.first {
		a.first = sec
	}
	a.advance(sec / 3600)
	return a
}

// act remembers what the actor did: all of it stands in the actor's segment.
func (m *Memory) act(ev *vedette.Event, p *plan, delivered bool) {
	sec, hour := p.sec, p.hour
	a := m.heard(&p.actor.place, sec)
	linkSent := false
	switch b := ev.Body.(type) {
	case *vedette.LinkSent:
		linkSent = true
	case *vedette.AccountRegistered:
		if a != nil {
			a.flags |= accountRegistered
		}
	case *vedette.NumberLookedUp:
		if a != nil && b.Via == vedette.LookupManual {
			count(a.lookups[:], a.hour, hour, 1)
		}
	}
	if a != nil {
		if b, ok := ev.Body.(*vedette.AccountDeleted); !ok || b.Reason == vedette.DeletionSelf {
			a.active = max(a.active, sec) // a ban is not the account's own act
		}
		if p.n.used {
			a.use(p)
		}
		if p.n.count > 0 {
			count(a.messages[:], a.hour/24, hour/24, p.n.count)
		}
		if linkSent {
			count(a.links[:], a.hour, hour, uint32(len(p.links)))
		}
	}
	// The account may be too old to be taken in while its pairs are not: each table has its own buckets.
	if !p.pair.key.isZero() {
		if a != nil {
			h := item(p.to)
			week := spanWeek.since(hour, a.hour)
			a.contacts.add(h, week)
			if m.pairs.find(&p.pair.place) < 0 {
				a.strangers.add(h, spanDay.since(hour, a.hour))
				a.newcomers.add(h, week)
			}
		}
		if delivered {
			m.pairs.put(&p.pair.place, sec)
		}
	}
	if !linkSent {
		return
	}
	for i := range p.links {
		if q := &p.link[i]; !q.sent.key.isZero() {
			if s, _ := m.senderDomains.put(&q.sent.place, sec); s != nil {
				more(&s.n, 1)
			}
		}
	}
}

// use remembers where an account acted.
func (a *account) use(p *plan) {
	sec, hour := p.sec, p.hour
	if k := p.device.key; !k.isZero() {
		a.devices.add(item(k), spanMonth.since(hour, a.hour))
		if later(sec, k, a.deviceSec, a.device) {
			a.device, a.deviceSec = k, sec
		}
	}
	if k := p.network.key; !k.isZero() {
		a.networks.add(item(k), spanWeek.since(hour, a.hour))
		if later(sec, k, a.networkSec, a.network) {
			a.network, a.networkSec = k, sec
		}
	}
}

// later tells which of two came last; in the same second the larger key did, in whatever order they are told.
func later(sec uint32, k key, than uint32, other key) bool {
	if sec != than {
		return sec > than
	}
	return k.hi > other.hi || k.hi == other.hi && k.lo > other.lo
}

// suffer remembers what was done to an account.
func (m *Memory) suffer(reported bool, who uint64, sec uint32, p *place) {
	a := m.heard(p, sec)
	if a == nil || who == 0 {
		return
	}
	age := spanMonth.since(sec/3600, a.hour)
	if reported {
		a.reporters.add(who, age)
	} else {
		a.blockers.add(who, age)
	}
}

func (m *Memory) onDevice(who uint64, used bool, sec uint32, p *place) {
	d, _ := m.devices.put(p, sec)
	if d == nil {
		return
	}
	if d.first == 0 || sec < d.first {
		d.first = sec
	}
	d.advance(sec / 3600)
	if used && who != 0 {
		d.accounts.add(who, spanMonth.since(sec/3600, d.hour))
	}
}

func (m *Memory) onNetwork(who uint64, sec uint32, p *place) {
	n, _ := m.networks.put(p, sec)
	if n == nil {
		return
	}
	n.advance(sec / 3600)
	if who != 0 {
		n.accounts.add(who, spanWeek.since(sec/3600, n.hour))
	}
}

// sight is an event as a link sees it.
type sight struct {
	who, to                   uint64 // hashes; 0: nobody
	sec                       uint32
	sent, reported, delivered bool
}

func (m *Memory) seeDomain(s *sight, p *place) {
	d, _ := m.domains.put(p, s.sec)
	if d == nil {
		return
	}
	if d.first == 0 || s.sec < d.first {
		d.first = s.sec
	}
	hour := s.sec / 3600
	d.advance(hour)
	switch {
	case s.sent:
		count(d.sends[:], d.hour/24, hour/24, 1)
		if s.delivered {
			if s.who != 0 {
				d.people.add(s.who)
			}
			if s.to != 0 {
				d.recipients.add(s.to)
			}
		}
	case s.reported && s.who != 0:
		d.reporters.add(s.who, spanMonth.since(hour, d.hour))
	}
}

// sweep forgets what nothing touched for Config.Reach. Each segment is swept once a day, at a moment of its own: that depends on the tick and
// on the segment alone, and no tick has to sweep them all.
func (m *Memory) sweep(sec uint32, at journal.Position) {
	before := sec - min(sec, uint32(m.config.Reach/time.Second))
	for s := range m.segments {
		day := uint32((uint64(sec) + uint64(s)*86400/uint64(m.segments)) / 86400)
		if day <= m.swept[s] || !m.behind(s, at) {
			continue
		}
		m.swept[s] = day
		i := int(s)
		m.accounts.sweep(i, before)
		m.pairs.sweep(i, before)
		m.senderDomains.sweep(i, before)
		m.domains.sweep(i, before)
		m.hosts.sweep(i, before)
		m.urls.sweep(i, before)
		m.devices.sweep(i, before)
		m.networks.sweep(i, before)
	}
}
