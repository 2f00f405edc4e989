package feature

import (
	"time"

	"vedette"
)

// named is what an event names, wherever its body keeps it.
type named struct {
	to        *vedette.Recipient // whom a message is for
	device    vedette.DeviceID
	network   vedette.NetworkID
	subject   vedette.AccountID // who was blocked or reported
	size      uint16            // of the group
	forwarded uint8
	count     uint32 // messages
	used      bool   // the actor used the device, rather than ended its use
}

func names(ev *vedette.Event) (n named) {
	switch b := ev.Body.(type) {
	case *vedette.AccountRegistered:
		n.device, n.network, n.used = b.Device, b.Network.ID, true
	case *vedette.AccountSeen:
		n.device, n.network, n.used = b.Device, b.Network.ID, true
	case *vedette.DeviceLinked:
		n.device, n.network, n.used = b.Device, b.Network.ID, true
	case *vedette.DeviceUnlinked:
		n.device = b.Device
	case *vedette.GroupCreated:
		n.size = b.Size
	case *vedette.GroupJoined:
		n.size = b.Size
	case *vedette.MessageSent:
		n.to, n.forwarded, n.count = &b.To, b.Forwarded, uint32(max(b.Count, 1))
	case *vedette.LinkSent:
		n.to, n.forwarded, n.count = &b.To, b.Forwarded, 1
	case *vedette.UserBlocked:
		n.subject = b.Subject
	case *vedette.UserReported:
		n.subject = b.Subject
	}
	if n.to != nil {
		if *n.to == (vedette.Recipient{}) {
			n.to = nil
		} else if !n.to.Group.IsZero() {
			n.size = n.to.Size
		}
	}
	return n
}

// Measure appends what can be measured of an event: one Measures for each of its links, at least one. It reads memory as it was before the
// event, and changes none of it. A window ends with the event's own time: what happened later, though it came earlier, is not in it.
func (m *Memory) Measure(ev *vedette.Event, dst []vedette.Measures) []vedette.Measures {
	p := m.lay(ev)
	m.fetch(p)
	first := len(dst)
	dst = append(dst, vedette.Measures{})
	m.event(ev, p, &dst[first])
	for range len(p.links) - 1 {
		dst = append(dst, dst[first])
	}
	for i := range p.links {
		m.link(p, &p.link[i], &dst[first+i])
	}
	return dst
}

func (m *Memory) account(k key) place { return own(k, m.segments, m.accounts.buckets) }

// event measures what is not about one link.
func (m *Memory) event(ev *vedette.Event, p *plan, out *vedette.Measures) {
	if p.n.size > 0 {
		out.Set(vedette.MeasureGroupSize, int64(p.n.size))
	}
	if p.n.forwarded > 0 { // bodies say 0 for what a platform cannot tell
		out.Set(vedette.MeasureForwarded, int64(p.n.forwarded))
	}
	if !p.actor.key.isZero() {
		a := m.accounts.at(p.actor.slot)
		if a == nil {
			nobody.measure(p.sec, p.hour, out)
		} else {
			a.measure(p.sec, p.hour, out)
			if m.config.Carry > 0 {
				m.carry(a, p)
			}
		}
		if _, ok := ev.Body.(*vedette.AccountRegistered); ok {
			out.Set(vedette.MeasureAccountKnown, 1)
		}
		if !p.pair.key.isZero() {
			out.Set(vedette.MeasureFirstContact, truth(p.pair.slot < 0))
		}
		if !p.back.key.isZero() {
			out.Set(vedette.MeasureReciprocated, truth(p.back.slot >= 0))
		}
	}
	if !p.device.key.isZero() {
		age, accounts := int64(0), int64(0)
		if d := m.devices.at(p.device.slot); d != nil {
			age = since(d.first, p.sec)
			accounts = d.accounts.distinct(spanMonth.ahead(d.hour, p.hour), spanMonth.units)
		}
		out.Set(vedette.MeasureDeviceAge, age)
		out.Set(vedette.MeasureDeviceAccounts, accounts)
	}
	if !p.network.key.isZero() {
		accounts := int64(0)
		if n := m.networks.at(p.network.slot); n != nil {
			accounts = n.accounts.distinct(spanWeek.ahead(n.hour, p.hour), spanWeek.units)
		}
		out.Set(vedette.MeasureNetworkAccounts, accounts)
	}
}

// nobody is an account that was never heard of.
var nobody account

// carry lets the device and network of an earlier event stand for those that this one does not name.
func (m *Memory) carry(a *account, p *plan) {
	reach := uint32(m.config.Carry / time.Second)
	if p.device.key.isZero() && a.deviceSec != 0 && a.deviceSec <= p.sec && p.sec-a.deviceSec <= reach {
		p.device.place = own(a.device, m.segments, m.devices.buckets)
		p.device.slot = m.devices.find(&p.device.place)
	}
	if p.network.key.isZero() && a.networkSec != 0 && a.networkSec <= p.sec && p.sec-a.networkSec <= reach {
		p.network.place = own(a.network, m.segments, m.networks.buckets)
		p.network.slot = m.networks.find(&p.network.place)
	}
}

func (a *account) measure(sec, hour uint32, out *vedette.Measures) {
	age := int64(0)
	if a.first != 0 {
		age = since(a.first, sec)
	}
	out.Set(vedette.MeasureAccountAge, age)
	out.Set(vedette.MeasureAccountKnown, int64(a.flags&accountRegistered))
	out.Set(vedette.MeasureAccountMessages, total(a.messages[:], a.hour/24, hour/24))
	out.Set(vedette.MeasureLinksDay, total(a.links[:], a.hour, hour))
	out.Set(vedette.MeasureLookups, total(a.lookups[:], a.hour, hour))

	day, week, month := spanDay.ahead(a.hour, hour), spanWeek.ahead(a.hour, hour), spanMonth.ahead(a.hour, hour)
	out.Set(vedette.MeasureContacts, a.contacts.distinct(week, spanWeek.units))
	out.Set(vedette.MeasureStrangers, a.strangers.distinct(day, spanDay.units))
	out.Set(vedette.MeasureStrangersWeek, a.newcomers.distinct(week, spanWeek.units))
	out.Set(vedette.MeasureReportsAgainst, a.reporters.distinct(month, spanMonth.units))
	out.Set(vedette.MeasureBlocksAgainst, a.blockers.distinct(month, spanMonth.units))
	// Everybody has a device and a network: where none was heard of, the platform does not tell, and the measure is absent.
	if n := a.devices.distinct(month, spanMonth.units); n > 0 {
		out.Set(vedette.MeasureDevices, n)
	}
	if n := a.networks.distinct(week, spanWeek.units); n > 0 {
		out.Set(vedette.MeasureNetworks, n)
	}
	if a.active != 0 && a.active <= sec {
		out.Set(vedette.MeasureSilence, int64(sec-a.active))
	}
}

// link measures what is about one link. Only tokens are compared: a link without one has no measure of that name.
func (m *Memory) link(p *plan, q *linkPlan, out *vedette.Measures) {
	if !q.domain.key.isZero() {
		var people, age, sent, recipients, reports int64
		if d := m.domains.at(q.domain.slot); d != nil {
			people, recipients = d.people.distinct(), d.recipients.distinct()
			age, sent = since(d.first, p.sec), total(d.sends[:], d.hour/24, p.hour/24)
			reports = d.reporters.distinct(spanMonth.ahead(d.hour, p.hour), spanMonth.units)
		}
		out.Set(vedette.MeasureDomainPeople, people)
		out.Set(vedette.MeasureDomainAge, age)
		out.Set(vedette.MeasureDomainSends, sent)
		out.Set(vedette.MeasureDomainRecipients, recipients)
		out.Set(vedette.MeasureDomainReports, reports)
	}
	if !q.sent.key.isZero() {
		out.Set(vedette.MeasureSenderDomainSends, m.senderDomains.at(q.sent.slot).count())
	}
	if !q.host.key.isZero() {
		people := int64(0)
		if h := m.hosts.at(q.host.slot); h != nil {
			people = h.people.distinct()
		}
		out.Set(vedette.MeasureHostPeople, people)
	}
	if !q.url.key.isZero() {
		out.Set(vedette.MeasureURLSends, m.urls.at(q.url.slot).count())
	}
}

func (s *sends) count() int64 {
	if s == nil {
		return 0
	}
	return int64(s.n)
}

// since is how many seconds passed; 0 when then is not before now.
func since(then, now uint32) int64 { return max(int64(now)-int64(then), 0) }

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
