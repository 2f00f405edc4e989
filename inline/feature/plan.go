package feature

import "vedette"

// plan is where an event's keys stand. All lines that a measuring will need are asked for together, before any of them is used: they come from
// far away, and the machine fetches a dozen of them in the time of one. What is asked for is summed up, so that no compiler takes it for idle.
type plan struct {
	n     named
	t     key
	sec   uint32
	hour  uint32
	links []vedette.Link

	actor, pair, back, device, network spot
	link                               [vedette.MaxLinks]linkPlan
	asked                              uint64
}

type linkPlan struct{ domain, host, url, sent spot }

// spot is a place, and the number of the slot that was found there; less than 0: none.
type spot struct {
	place
	slot int
}

// lay finds out where an event's keys stand. Keys that it does not name stay zero.
func (m *Memory) lay(ev *vedette.Event) *plan {
	p := &m.plan
	p.links = ev.Links()
	if len(p.links) > vedette.MaxLinks { // the door refuses them
		p.links = p.links[:vedette.MaxLinks]
	}
	p.n = names(ev)
	p.t, p.sec = m.in(ev.Tenant), seconds(ev.At)
	p.hour = p.sec / 3600
	p.actor.key, p.pair.key, p.back.key, p.device.key, p.network.key = key{}, key{}, key{}, key{}, key{}
	if !ev.Actor.IsZero() {
		p.actor.place = m.account(of(p.t, [16]byte(ev.Actor)))
		if p.n.to != nil {
			to := recipient(p.t, p.n.to)
			p.pair.place = ownedBy(&p.actor.place, join(p.actor.key, to), m.pairs.buckets)
			if !p.n.to.Account.IsZero() {
				r := m.account(to)
				p.back.place = ownedBy(&r, join(to, p.actor.key), m.pairs.buckets)
			}
		}
	}
	if !p.n.device.IsZero() {
		p.device.place = own(of(p.t, [16]byte(p.n.device)), m.segments, m.devices.buckets)
	}
	if !p.n.network.IsZero() {
		p.network.place = own(of(p.t, [16]byte(p.n.network)), m.segments, m.networks.buckets)
	}
	for i := range p.links {
		l, q := &p.links[i], &p.link[i]
		q.domain.key, q.host.key, q.url.key, q.sent.key = key{}, key{}, key{}, key{}
		if !l.Domain.IsZero() {
			q.domain.place = own(of(p.t, l.Domain.Bytes), m.segments, m.domains.buckets)
			if !p.actor.key.isZero() {
				q.sent.place = ownedBy(&p.actor.place, join(p.actor.key, q.domain.key), m.senderDomains.buckets)
			}
		}
		if !l.Host.IsZero() {
			q.host.place = own(of(p.t, l.Host.Bytes), m.segments, m.hosts.buckets)
		}
		if !l.URL.IsZero() {
			q.url.place = own(of(p.t, l.URL.Bytes), m.segments, m.urls.buckets)
		}
	}
	return p
}

// fetch brings near what the plan needs, in two rounds: the buckets' lines, then the slots that they point to.
func (m *Memory) fetch(p *plan) {
	// A key that is not named has the place of an earlier event, or none: bucket 0. Asking for it costs less than finding out.
	sum := m.accounts.lines[p.actor.bucket].tag[0] + m.pairs.lines[p.pair.bucket].tag[0] + m.pairs.lines[p.back.bucket].tag[0]
	for i := range p.links {
		q := &p.link[i]
		sum += m.domains.lines[q.domain.bucket].tag[0] + m.hosts.lines[q.host.bucket].tag[0] + m.urls.lines[q.url.bucket].tag[0] +
			m.senderDomains.lines[q.sent.bucket].tag[0]
	}
	all := uint64(sum)
	if p.actor.slot = m.accounts.look(&p.actor.place); p.actor.slot >= 0 {
		// The record is larger than a line; each of its lines is asked for.
		a := &m.accounts.slots[p.actor.slot].val
		all += a.contacts[0] + a.strangers[0] + a.newcomers[0] + a.devices[0] + a.reporters[0] + uint64(a.links[0]) + uint64(a.messages[0]) + uint64(a.hour)
	}
	p.pair.slot, p.back.slot = m.pairs.look(&p.pair.place), m.pairs.look(&p.back.place)
	p.device.slot = m.devices.look(&p.device.place)
	p.network.slot = m.networks.look(&p.network.place)
	for i := range p.links {
		q := &p.link[i]
		if q.domain.slot = m.domains.look(&q.domain.place); q.domain.slot >= 0 {
			d := &m.domains.slots[q.domain.slot].val
			all += d.people.regs[0] + d.recipients.regs[0] + d.reporters[0] + uint64(d.hour)
		}
		if q.host.slot = m.hosts.look(&q.host.place); q.host.slot >= 0 {
			h := &m.hosts.slots[q.host.slot].val
			all += h.people.regs[0] + uint64(h.people.gone)
		}
		q.url.slot = m.urls.look(&q.url.place)
		q.sent.slot = m.senderDomains.look(&q.sent.place)
	}
	p.asked = all
}

// look returns the number of a key's slot, or -1, also when no key is named.
func (t *table[V]) look(p *place) int {
	if p.key.isZero() {
		return -1
	}
	return t.find(p)
}

// at returns the value in a slot, or nil.
func (t *table[V]) at(slot int) *V {
	if slot < 0 {
		return nil
	}
	return &t.slots[slot].val
}
