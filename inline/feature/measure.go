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
	links := ev.Links()
	t, sec, n := m.in(ev.Tenant), seconds(ev.At), names(ev)

	first := len(dst)
	dst = append(dst, vedette.Measures{})
	if n.size > 0 {
		dst[first].Set(vedette.MeasureGroupSize, int64(n.size))
	}
	if n.forwarded > 0 { // bodies say 0 for what a platform cannot tell
		dst[first].Set(vedette.MeasureForwarded, int64(n.forwarded))
	}
	var actor place
	if !ev.Actor.IsZero() {
		actor = m.account(of(t, [16]byte(ev.Actor)))
	}
	m.event(ev, &n, t, sec, &actor, &dst[first])
	for range len(links) - 1 {
		dst = append(dst, dst[first])
	}
	for i := range links {
		m.link(&links[i], t, &actor, sec, &dst[first+i])
	}
	return dst
}

func (m *Memory) account(k key) place { return own(k, m.segments, m.accounts.buckets) }

// event measures what is not about one link.
func (m *Memory) event(ev *vedette.Event, n *named, t key, sec uint32, actor *place, out *vedette.Measures) {
	hour := sec / 3600
	dev, net := key{}, key{}
	if !n.device.IsZero() {
		dev = of(t, [16]byte(n.device))
	}
	if !n.network.IsZero() {
		net = of(t, [16]byte(n.network))
	}
	if !actor.key.isZero() {
		var none account
		a := m.accounts.get(actor)
		if a == nil {
			a = &none
			none.hour = hour
		} else {
			if dev.isZero() {
				dev = m.carried(a.device, a.deviceSec, sec)
			}
			if net.isZero() {
				net = m.carried(a.network, a.networkSec, sec)
			}
		}
		a.measure(sec, hour, out)
		if ev.Kind() == vedette.KindAccountRegistered {
			out.Set(vedette.MeasureAccountKnown, 1)
		}
		if n.to != nil {
			to := recipient(t, n.to)
			p := ownedBy(actor, join(actor.key, to), m.pairs.buckets)
			out.Set(vedette.MeasureFirstContact, truth(m.pairs.find(&p) < 0))
			if !n.to.Account.IsZero() {
				r := m.account(to)
				p := ownedBy(&r, join(to, actor.key), m.pairs.buckets)
				out.Set(vedette.MeasureReciprocated, truth(m.pairs.find(&p) >= 0))
			}
		}
	}
	if !dev.isZero() {
		age, accounts := int64(0), int64(0)
		p := own(dev, m.segments, m.devices.buckets)
		if d := m.devices.get(&p); d != nil {
			age = since(d.first, sec)
			accounts = d.accounts.distinct(spanMonth.ahead(d.hour, hour), spanMonth.units)
		}
		out.Set(vedette.MeasureDeviceAge, age)
		out.Set(vedette.MeasureDeviceAccounts, accounts)
	}
	if !net.isZero() {
		accounts := int64(0)
		p := own(net, m.segments, m.networks.buckets)
		if d := m.networks.get(&p); d != nil {
			accounts = d.accounts.distinct(spanWeek.ahead(d.hour, hour), spanWeek.units)
		}
		out.Set(vedette.MeasureNetworkAccounts, accounts)
	}
}

// carried returns the device or network of an earlier event as long as it may stand for a later one.
func (m *Memory) carried(k key, then, now uint32) key {
	if then == 0 || now < then || m.config.Carry == 0 || int64(now-then) > int64(m.config.Carry/time.Second) {
		return key{}
	}
	return k
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
func (m *Memory) link(l *vedette.Link, t key, actor *place, sec uint32, out *vedette.Measures) {
	if !l.Domain.IsZero() {
		k := of(t, l.Domain.Bytes)
		p := own(k, m.segments, m.domains.buckets)
		var people, age, sent, recipients, reports int64
		if d := m.domains.get(&p); d != nil {
			hour := sec / 3600
			people, recipients = d.people.distinct(), d.recipients.distinct()
			age, sent = since(d.first, sec), total(d.sends[:], d.hour/24, hour/24)
			reports = d.reporters.distinct(spanMonth.ahead(d.hour, hour), spanMonth.units)
		}
		out.Set(vedette.MeasureDomainPeople, people)
		out.Set(vedette.MeasureDomainAge, age)
		out.Set(vedette.MeasureDomainSends, sent)
		out.Set(vedette.MeasureDomainRecipients, recipients)
		out.Set(vedette.MeasureDomainReports, reports)
		if !actor.key.isZero() {
			p := ownedBy(actor, join(actor.key, k), m.senderDomains.buckets)
			out.Set(vedette.MeasureSenderDomainSends, m.senderDomains.get(&p).count())
		}
	}
	if !l.Host.IsZero() {
		p := own(of(t, l.Host.Bytes), m.segments, m.hosts.buckets)
		people := int64(0)
		if h := m.hosts.get(&p); h != nil {
			people = h.people.distinct()
		}
		out.Set(vedette.MeasureHostPeople, people)
	}
	if !l.URL.IsZero() {
		p := own(of(t, l.URL.Bytes), m.segments, m.urls.buckets)
		out.Set(vedette.MeasureURLSends, m.urls.get(&p).count())
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
