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
	t, sec := m.in(ev.Tenant), seconds(ev.At)
	if ev.Kind() == vedette.KindTick {
		m.sweep(sec, at)
		return
	}
	n, links := names(ev), ev.Links()
	var actor place
	who := uint64(0)
	if !ev.Actor.IsZero() {
		actor = m.account(of(t, [16]byte(ev.Actor)))
		who = item(actor.key)
		if m.behind(actor.segment, at) {
			m.act(ev, &n, links, delivered, t, sec, &actor)
		}
	}
	if !n.subject.IsZero() {
		if p := m.account(of(t, [16]byte(n.subject))); m.behind(p.segment, at) {
			m.suffer(ev.Kind(), who, sec, &p)
		}
	}
	if !n.device.IsZero() {
		if p := own(of(t, [16]byte(n.device)), m.segments, m.devices.buckets); m.behind(p.segment, at) {
			m.onDevice(who, n.used, sec, &p)
		}
	}
	if !n.network.IsZero() {
		if p := own(of(t, [16]byte(n.network)), m.segments, m.networks.buckets); m.behind(p.segment, at) {
			m.onNetwork(who, sec, &p)
		}
	}
	if len(links) == 0 {
		return
	}
	s := sight{who: who, sec: sec, sent: ev.Kind() == vedette.KindLinkSent, reported: ev.Kind() == vedette.KindUserReported, delivered: delivered}
	if n.to != nil {
		s.to = item(recipient(t, n.to))
	}
	for i := range links {
		l := &links[i]
		if !l.Domain.IsZero() {
			if p := own(of(t, l.Domain.Bytes), m.segments, m.domains.buckets); m.behind(p.segment, at) {
				m.seeDomain(&s, &p)
			}
		}
		if !s.sent {
			continue
		}
		if !l.Host.IsZero() && delivered {
			if p := own(of(t, l.Host.Bytes), m.segments, m.hosts.buckets); m.behind(p.segment, at) {
				if h, _ := m.hosts.put(&p, sec); h != nil && who != 0 {
					h.people.add(who)
				}
			}
		}
		if !l.URL.IsZero() {
			if p := own(of(t, l.URL.Bytes), m.segments, m.urls.buckets); m.behind(p.segment, at) {
				if u, _ := m.urls.put(&p, sec); u != nil {
					more(&u.n, 1)
				}
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
func (m *Memory) act(ev *vedette.Event, n *named, links []vedette.Link, delivered bool, t key, sec uint32, p *place) {
	hour := sec / 3600
	a := m.heard(p, sec)
	if a != nil {
		switch b := ev.Body.(type) {
		case *vedette.AccountRegistered:
			a.flags |= accountRegistered
		case *vedette.NumberLookedUp:
			if b.Via == vedette.LookupManual {
				count(a.lookups[:], a.hour, hour, 1)
			}
		}
		if b, ok := ev.Body.(*vedette.AccountDeleted); !ok || b.Reason == vedette.DeletionSelf {
			a.active = max(a.active, sec) // a ban is not the account's own act
		}
		if n.used {
			a.use(n, t, sec)
		}
		if n.count > 0 {
			count(a.messages[:], a.hour/24, hour/24, n.count)
		}
	}
	if n.to != nil {
		to := recipient(t, n.to)
		// The pair is asked for whether or not the account could be taken in: it may be newer than this event.
		q := ownedBy(p, join(p.key, to), m.pairs.buckets)
		known := m.pairs.find(&q) >= 0
		if a != nil {
			h := item(to)
			week := spanWeek.since(hour, a.hour)
			a.contacts.add(h, week)
			if !known {
				a.strangers.add(h, spanDay.since(hour, a.hour))
				a.newcomers.add(h, week)
			}
		}
		if delivered {
			m.pairs.put(&q, sec)
		}
	}
	if ev.Kind() != vedette.KindLinkSent {
		return
	}
	if a != nil {
		count(a.links[:], a.hour, hour, uint32(len(links)))
	}
	for i := range links {
		if l := &links[i]; !l.Domain.IsZero() {
			q := ownedBy(p, join(p.key, of(t, l.Domain.Bytes)), m.senderDomains.buckets)
			if s, _ := m.senderDomains.put(&q, sec); s != nil {
				more(&s.n, 1)
			}
		}
	}
}

// use remembers where an account acted.
func (a *account) use(n *named, t key, sec uint32) {
	hour := sec / 3600
	if !n.device.IsZero() {
		k := of(t, [16]byte(n.device))
		a.devices.add(item(k), spanMonth.since(hour, a.hour))
		if later(sec, k, a.deviceSec, a.device) {
			a.device, a.deviceSec = k, sec
		}
	}
	if !n.network.IsZero() {
		k := of(t, [16]byte(n.network))
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
func (m *Memory) suffer(kind vedette.Kind, who uint64, sec uint32, p *place) {
	a := m.heard(p, sec)
	if a == nil || who == 0 {
		return
	}
	age := spanMonth.since(sec/3600, a.hour)
	if kind == vedette.KindUserReported {
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
