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
	to                                 key
	link                               [vedette.MaxLinks]linkPlan
	asked                              uint64
}

type linkPlan struct {
	domain, host, url, sent spot
	by                      key // the actor that sent was laid out for
}

// spot is a place, and the number of the slot that was found there; less than 0: none.
type spot struct {
	place
	slot int
}

// lay finds out where an event's keys stand. Keys that it does not name are zero. What is asked of the same key as before is not computed again:
// an event is applied right after it was measured.
func (m *Memory) lay(ev *vedette.Event) *plan {
	p := &m.plan
	p.links = ev.Links()
	if len(p.links) > vedette.MaxLinks { // the door refuses them
		p.links = p.links[:vedette.MaxLinks]
	}
	p.n = names(ev)
	p.t, p.sec = m.in(ev.Tenant), seconds(ev.At)
	p.hour = p.sec / 3600

	var actor, to, device, network key
	if !ev.Actor.IsZero() {
		actor = of(p.t, [16]byte(ev.Actor))
	}
	if p.n.to != nil {
		to = recipient(p.t, p.n.to)
	}
	if !p.n.device.IsZero() {
		device = of(p.t, [16]byte(p.n.device))
	}
	if !p.n.network.IsZero() {
		network = of(p.t, [16]byte(p.n.network))
	}
	another := p.actor.key != actor
	if another {
		p.actor.place = m.account(actor)
	}
	if another || p.to != to {
		p.to, p.pair.key, p.back.key = to, key{}, key{}
		if !to.isZero() && !actor.isZero() {
			p.pair.place = ownedBy(&p.actor.place, join(actor, to), m.pairs.buckets)
			if !p.n.to.Account.IsZero() {
				r := m.account(to)
				p.back.place = ownedBy(&r, join(to, actor), m.pairs.buckets)
			}
		}
	}
	if p.device.key != device {
		p.device.place = own(device, m.segments, m.devices.buckets)
	}
	if p.network.key != network {
		p.network.place = own(network, m.segments, m.networks.buckets)
	}
	for i := range p.links {
		l, q := &p.links[i], &p.link[i]
		var domain, host, url key
		if !l.Domain.IsZero() {
			domain = of(p.t, l.Domain.Bytes)
		}
		if !l.Host.IsZero() {
			host = of(p.t, l.Host.Bytes)
		}
		if !l.URL.IsZero() {
			url = of(p.t, l.URL.Bytes)
		}
		if q.by != actor || q.domain.key != domain {
			q.by, q.sent.key = actor, key{}
			q.domain.place = own(domain, m.segments, m.domains.buckets)
			if !actor.isZero() && !domain.isZero() {
				q.sent.place = ownedBy(&p.actor.place, join(actor, domain), m.senderDomains.buckets)
			}
		}
		if q.host.key != host {
			q.host.place = own(host, m.segments, m.hosts.buckets)
		}
		if q.url.key != url {
			q.url.place = own(url, m.segments, m.urls.buckets)
		}
	}
	return p
}

// fetch brings near what the plan needs: first the buckets' lines, then the slots that their tags point to, and only then are keys compared.
// The first two rounds have no branch that hangs on what they load, so the machine need not wait in the middle of them. A key that is not named
// has the place of an earlier event, or bucket 0: asking for it costs less than finding out.
func (m *Memory) fetch(p *plan) {
	sum := m.accounts.lines[p.actor.bucket].tag[0] + m.pairs.lines[p.pair.bucket].tag[0] + m.pairs.lines[p.back.bucket].tag[0]
	for i := range p.links {
		q := &p.link[i]
		sum += m.domains.lines[q.domain.bucket].tag[0] + m.hosts.lines[q.host.bucket].tag[0] + m.urls.lines[q.url.bucket].tag[0] +
			m.senderDomains.lines[q.sent.bucket].tag[0]
	}
	all := uint64(sum)

	a := m.accounts.hint(&p.actor.place) // larger than a line: each of its lines is asked for
	v := &a.val
	all += v.contacts[0] + v.strangers[0] + v.newcomers[0] + v.devices[0] + v.reporters[0] + uint64(v.links[0]) + uint64(v.lookups[0]) + v.device.lo + a.key.hi
	all += m.pairs.hint(&p.pair.place).key.lo + m.pairs.hint(&p.back.place).key.lo
	for i := range p.links {
		q := &p.link[i]
		d, h := m.domains.hint(&q.domain.place), m.hosts.hint(&q.host.place)
		all += d.val.people.regs[0] + d.val.recipients.regs[0] + d.val.reporters[0] + uint64(d.val.sends[7]) + d.key.hi
		all += h.val.people.regs[0] + h.key.hi
		all += m.urls.hint(&q.url.place).key.lo + m.senderDomains.hint(&q.sent.place).key.lo
	}
	p.asked = all

	p.actor.slot, p.pair.slot, p.back.slot = m.accounts.look(&p.actor.place), m.pairs.look(&p.pair.place), m.pairs.look(&p.back.place)
	p.device.slot, p.network.slot = m.devices.look(&p.device.place), m.networks.look(&p.network.place)
	for i := range p.links {
		q := &p.link[i]
		q.domain.slot, q.host.slot = m.domains.look(&q.domain.place), m.hosts.look(&q.host.place)
		q.url.slot, q.sent.slot = m.urls.look(&q.url.place), m.senderDomains.look(&q.sent.place)
	}
}

// hint returns the slot in which a key most likely is, if it is anywhere.
func (t *table[V]) hint(p *place) *slot[V] {
	w := 0
	for i, tag := range &t.lines[p.bucket].tag {
		if tag == p.tag {
			w = i
		}
	}
	return &t.slots[int(p.bucket)*ways+w]
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
