package feature

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
)

// past is memory as one would write it without any thought of size: everything that ever happened, in maps and lists.
type past struct {
	sketched map[string]map[string][]int64 // counter, item: seconds
	counted  map[string][]tally
	first    map[string]int64
	active   map[string]int64
	flags    map[string]bool
	head     map[string]int64 // newest second that touched what a counter belongs to
}

type tally struct{ sec, by int64 }

func newPast() *past {
	return &past{map[string]map[string][]int64{}, map[string][]tally{}, map[string]int64{}, map[string]int64{}, map[string]bool{}, map[string]int64{}}
}

func (p *past) add(counter, item string, sec int64) {
	if p.sketched[counter] == nil {
		p.sketched[counter] = map[string][]int64{}
	}
	p.sketched[counter][item] = append(p.sketched[counter][item], sec)
}

func (p *past) touch(of string, sec int64) {
	if f, ok := p.first[of]; !ok || sec < f {
		p.first[of] = sec
	}
	p.head[of] = max(p.head[of], sec)
}

func name(ev *vedette.Event, kind string, b []byte) string {
	return string(ev.Tenant) + "/" + kind + "/" + string(b)
}

func receiver(ev *vedette.Event, to *vedette.Recipient) string {
	switch {
	case !to.Account.IsZero():
		return name(ev, "a", to.Account[:])
	case !to.Group.IsZero():
		return name(ev, "g", to.Group[:])
	}
	return ""
}

func (p *past) apply(ev *vedette.Event, d *vedette.Decision) {
	sec := ev.At.Unix()
	delivered := d == nil || d.Verdict == vedette.Allow || d.Verdict == vedette.Warn
	actor := name(ev, "a", ev.Actor[:])
	p.touch(actor, sec)
	if b, ok := ev.Body.(*vedette.AccountDeleted); !ok || b.Reason == vedette.DeletionSelf {
		p.active[actor] = max(p.active[actor], sec)
	}
	write := func(to *vedette.Recipient, count int64) {
		p.counted["messages"+actor] = append(p.counted["messages"+actor], tally{sec, count})
		if r := receiver(ev, to); r != "" {
			p.add("contacts"+actor, r, sec)
			if !p.flags["pair"+actor+r] {
				p.add("strangers"+actor, r, sec)
			}
			if delivered {
				p.flags["pair"+actor+r] = true
			}
		}
	}
	use := func(d vedette.DeviceID, n vedette.NetworkID, used bool) {
		if !d.IsZero() {
			k := name(ev, "d", d[:])
			p.touch(k, sec)
			if used {
				p.add("devices"+actor, k, sec)
				p.add("accounts"+k, actor, sec)
			}
		}
		if !n.IsZero() {
			k := name(ev, "n", n[:])
			p.touch(k, sec)
			p.add("networks"+actor, k, sec)
			p.add("accounts"+k, actor, sec)
		}
	}
	switch b := ev.Body.(type) {
	case *vedette.AccountRegistered:
		p.flags["registered"+actor] = true
		use(b.Device, b.Network.ID, true)
	case *vedette.AccountSeen:
		use(b.Device, b.Network.ID, true)
	case *vedette.DeviceLinked:
		use(b.Device, b.Network.ID, true)
	case *vedette.DeviceUnlinked:
		use(b.Device, vedette.NetworkID{}, false)
	case *vedette.MessageSent:
		write(&b.To, int64(max(b.Count, 1)))
	case *vedette.LinkSent:
		write(&b.To, 1)
		p.counted["links"+actor] = append(p.counted["links"+actor], tally{sec, int64(len(b.Links))})
	case *vedette.NumberLookedUp:
		if b.Via == vedette.LookupManual {
			p.counted["lookups"+actor] = append(p.counted["lookups"+actor], tally{sec, 1})
		}
	case *vedette.UserBlocked:
		if !b.Subject.IsZero() {
			s := name(ev, "a", b.Subject[:])
			p.touch(s, sec)
			p.add("blockers"+s, actor, sec)
		}
	case *vedette.UserReported:
		if !b.Subject.IsZero() {
			s := name(ev, "a", b.Subject[:])
			p.touch(s, sec)
			p.add("reporters"+s, actor, sec)
		}
	}
	for _, l := range ev.Links() {
		b, isSent := ev.Body.(*vedette.LinkSent)
		if !l.Domain.IsZero() {
			k := name(ev, "D", l.Domain.Bytes[:])
			p.touch(k, sec)
			if isSent {
				p.counted["sends"+k] = append(p.counted["sends"+k], tally{sec, 1})
				p.counted["by"+actor+k] = append(p.counted["by"+actor+k], tally{sec, 1})
				if delivered {
					p.add("people"+k, actor, sec)
					if r := receiver(ev, &b.To); r != "" {
						p.add("recipients"+k, r, sec)
					}
				}
			}
			if ev.Kind() == vedette.KindUserReported {
				p.add("reporters"+k, actor, sec)
			}
		}
		if isSent && delivered && !l.Host.IsZero() {
			p.add("people"+name(ev, "H", l.Host.Bytes[:]), actor, sec)
		}
		if isSent && !l.URL.IsZero() {
			k := "sends" + name(ev, "U", l.URL.Bytes[:])
			p.counted[k] = append(p.counted[k], tally{sec, 1})
		}
	}
}

// sum counts in the window of n buckets of some hours that ends with a second; distinct counts items in it.
func (p *past) sum(counter string, sec, hours, n int64) (s int64) {
	for _, t := range p.counted[counter] {
		if u := sec/3600/hours - t.sec/3600/hours; u >= 0 && u < n {
			s += t.by
		}
	}
	return s
}

func (p *past) distinct(counter string, sec int64, w span) (n int64) {
	for _, times := range p.sketched[counter] {
		for _, t := range times {
			if u := sec/3600/int64(w.hours) - t/3600/int64(w.hours); u >= 0 && u < int64(w.units) {
				n++
				break
			}
		}
	}
	return n
}

// want is a measure as the past would have it: at most off by slack when sketched.
type want struct {
	measure  vedette.Measure
	value    int64
	sketched bool
	of       string // whose head decides whether the event is late
}

func (p *past) measure(ev *vedette.Event, link int) (ws []want) {
	sec := ev.At.Unix()
	actor := name(ev, "a", ev.Actor[:])
	exact := func(m vedette.Measure, v int64, of string) { ws = append(ws, want{m, v, false, of}) }
	about := func(m vedette.Measure, v int64, of string) { ws = append(ws, want{m, v, true, of}) }
	age := func(of string) int64 {
		if f, ok := p.first[of]; ok {
			return max(sec-f, 0)
		}
		return 0
	}
	exact(vedette.MeasureAccountAge, age(actor), "")
	exact(vedette.MeasureAccountKnown, truth(p.flags["registered"+actor] || ev.Kind() == vedette.KindAccountRegistered), "")
	exact(vedette.MeasureAccountMessages, p.sum("messages"+actor, sec, 24, 8), actor)
	exact(vedette.MeasureLinksDay, p.sum("links"+actor, sec, 1, 25), actor)
	exact(vedette.MeasureLookups, p.sum("lookups"+actor, sec, 1, 25), actor)
	about(vedette.MeasureContacts, p.distinct("contacts"+actor, sec, spanWeek), actor)
	about(vedette.MeasureStrangers, p.distinct("strangers"+actor, sec, spanDay), actor)
	about(vedette.MeasureStrangersWeek, p.distinct("strangers"+actor, sec, spanWeek), actor)
	about(vedette.MeasureReportsAgainst, p.distinct("reporters"+actor, sec, spanMonth), actor)
	about(vedette.MeasureBlocksAgainst, p.distinct("blockers"+actor, sec, spanMonth), actor)
	if n := p.distinct("devices"+actor, sec, spanMonth); n > 0 {
		about(vedette.MeasureDevices, n, actor)
	}
	if n := p.distinct("networks"+actor, sec, spanWeek); n > 0 {
		about(vedette.MeasureNetworks, n, actor)
	}
	if a := p.active[actor]; a != 0 && a <= sec {
		exact(vedette.MeasureSilence, sec-a, "")
	}
	onto := func(to *vedette.Recipient, forwarded uint8) {
		if r := receiver(ev, to); r != "" {
			exact(vedette.MeasureFirstContact, truth(!p.flags["pair"+actor+r]), "")
			if !to.Account.IsZero() {
				exact(vedette.MeasureReciprocated, truth(p.flags["pair"+r+actor]), "")
			} else if to.Size > 0 {
				exact(vedette.MeasureGroupSize, int64(to.Size), "")
			}
		}
		if forwarded > 0 {
			exact(vedette.MeasureForwarded, int64(forwarded), "")
		}
	}
	on := func(d vedette.DeviceID, n vedette.NetworkID) {
		if !d.IsZero() {
			k := name(ev, "d", d[:])
			exact(vedette.MeasureDeviceAge, age(k), "")
			about(vedette.MeasureDeviceAccounts, p.distinct("accounts"+k, sec, spanMonth), k)
		}
		if !n.IsZero() {
			k := name(ev, "n", n[:])
			about(vedette.MeasureNetworkAccounts, p.distinct("accounts"+k, sec, spanWeek), k)
		}
	}
	switch b := ev.Body.(type) {
	case *vedette.AccountRegistered:
		on(b.Device, b.Network.ID)
	case *vedette.AccountSeen:
		on(b.Device, b.Network.ID)
	case *vedette.DeviceLinked:
		on(b.Device, b.Network.ID)
	case *vedette.DeviceUnlinked:
		on(b.Device, vedette.NetworkID{})
	case *vedette.MessageSent:
		onto(&b.To, b.Forwarded)
	case *vedette.LinkSent:
		onto(&b.To, b.Forwarded)
	case *vedette.GroupCreated:
		if b.Size > 0 {
			exact(vedette.MeasureGroupSize, int64(b.Size), "")
		}
	case *vedette.GroupJoined:
		if b.Size > 0 {
			exact(vedette.MeasureGroupSize, int64(b.Size), "")
		}
	}
	links := ev.Links()
	if link >= len(links) {
		return ws
	}
	l := &links[link]
	if !l.Domain.IsZero() {
		k := name(ev, "D", l.Domain.Bytes[:])
		about(vedette.MeasureDomainPeople, int64(len(p.sketched["people"+k])), "")
		exact(vedette.MeasureDomainAge, age(k), "")
		exact(vedette.MeasureDomainSends, p.sum("sends"+k, sec, 24, 8), k)
		about(vedette.MeasureDomainRecipients, int64(len(p.sketched["recipients"+k])), "")
		about(vedette.MeasureDomainReports, p.distinct("reporters"+k, sec, spanMonth), k)
		exact(vedette.MeasureSenderDomainSends, int64(len(p.counted["by"+actor+k])), "")
	}
	if !l.Host.IsZero() {
		about(vedette.MeasureHostPeople, int64(len(p.sketched["people"+name(ev, "H", l.Host.Bytes[:])])), "")
	}
	if !l.URL.IsZero() {
		exact(vedette.MeasureURLSends, int64(len(p.counted["sends"+name(ev, "U", l.URL.Bytes[:])])), "")
	}
	return ws
}

func checkAgainstPast(t *rapid.T, w world, most int) {
	m, p := New(small()), newPast()
	var dst []vedette.Measures
	for i, e := range w.draw(t, most) {
		dst = m.Measure(e.ev, dst[:0])
		if len(dst) != max(len(e.ev.Links()), 1) {
			t.Fatalf("event %d, %s with %d links: %d measures", i, e.ev.Kind(), len(e.ev.Links()), len(dst))
		}
		for link := range dst {
			var present uint64
			for _, w := range p.measure(e.ev, link) {
				present |= 1 << w.measure
				got, ok := dst[link].Get(w.measure)
				late := w.of != "" && p.head[w.of]/3600 > e.ev.At.Unix()/3600
				if late && !ok && (w.measure == vedette.MeasureDevices || w.measure == vedette.MeasureNetworks) {
					present &^= 1 << w.measure
					continue
				}
				slack := int64(0)
				if w.sketched { // six standard errors
					slack = int64(math.Ceil(0.6 * float64(w.value)))
				}
				low := w.value - slack
				if late { // what the windows have passed is gone
					low = 0
				}
				if !ok || got < low || got > w.value+slack {
					t.Fatalf("event %d, %s by %v at %v, link %d: %s = %d (%t), want %d ± %d (late: %t)\nall:%s", i, e.ev.Kind(), e.ev.Actor, e.ev.At, link,
						w.measure, got, ok, w.value, slack, late, show(&dst[link]))
				}
			}
			if got := dst[link].Present(); got != present {
				t.Fatalf("event %d, %s, link %d: present %028b, want %028b\nall:%s", i, e.ev.Kind(), link, got, present, show(&dst[link]))
			}
		}
		m.Apply(e.ev, e.d, e.at)
		p.apply(e.ev, e.d)
	}
	for _, s := range m.Stats() {
		if s.Evictions != 0 {
			t.Fatalf("%s: %d evictions in a memory that has room", s.Name, s.Evictions)
		}
	}
}

func TestMeasuresAreThoseOfAPlainPast(t *testing.T) {
	t.Run("in order", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { checkAgainstPast(t, world{people: 6, names: 5, days: 40}, 400) })
	})
	t.Run("with late events", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			checkAgainstPast(t, world{people: 6, names: 5, days: 3, late: 9 * 24 * time.Hour}, 400)
		})
	})
	t.Run("among many", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { checkAgainstPast(t, world{people: 60, names: 20, days: 1}, 600) })
	})
}
