package world

import (
	"vedette"
)

// What ordinary people do seldom, in one session.
const (
	rareStranger = iota
	rareLookup
	rareByHand
	rareBlock
	rareReport
	rareDevice
	rareGroup
	rareProfile
	rares
)

// lookups is how many numbers one contact sync asks for that are told of.
const lookups = 4

func (w *World) prepare() {
	b := &w.s.Background
	per := max(b.Sessions, 1e-9)
	rate := [rares]float64{
		rareStranger: b.Strangers, rareLookup: b.Lookups / lookups, rareByHand: b.ByHand, rareBlock: b.Blocks, rareReport: b.Reports,
		rareDevice: b.DeviceLinks, rareGroup: b.NewGroups, rareProfile: b.Profiles,
	}
	w.rare = w.rare[:0]
	sum := 0.0
	for _, r := range rate {
		sum += r / per
		w.rare = append(w.rare, sum)
	}
}

// background plays everybody's ordinary life in one slot.
func (w *World) background() {
	slot := w.slot
	day, part := slot/slotsPerDay, slot%slotsPerDay
	hour0 := slot * slotHours
	var mass [16]float32
	var until [16]*[slotHours]float64
	for i := range w.countries {
		c := &w.countries[i]
		zone := (c.zone + 24) % 24
		local := hour0 + slotHours/2 + c.zone + 24
		kind := 0
		if c.weekend[(w.weekday+local/24+6)%7] {
			kind = 1
		}
		mass[i], until[i] = w.mass[kind][zone][part], &w.until[kind][zone][part]
	}
	for a := uint32(0); a < w.ordinary; a++ {
		p := &w.people[a]
		born, gone := int(p.born), int(p.gone)
		if hour0+slotHours <= born || gone < hour0 {
			continue
		}
		var country uint8
		if a < uint32(w.n) {
			country = w.hoodCountry[a/neighbourhood]
		} else {
			country = uint8(w.countryOf(a))
			if born >= hour0 {
				w.arrive(a, born)
			}
		}
		d := dice(w.sessionSeed + uint64(a)<<32 + uint64(slot)<<8)
		if part == 2 && w.s.Background.NewTies > 0 && a < uint32(w.n) {
			if b, first := w.newTie(a, day); first == day && a < b && p.awake(hour0) {
				w.approach(a, b, int64(slot)*slotMS+int64(d.below(slotMS)), &d, 0.04)
			}
		}
		if gone < hour0+slotHours {
			w.push(int64(gone)*hourMS, rec{actor: a, kind: vedette.KindAccountDeleted, n: uint16(vedette.DeletionSelf), flags: silent})
		}
		l := float64(p.rate * mass[country])
		again := l / (1 + l)
		for d.float() < again {
			u := d.float() * until[country][slotHours-1]
			h := 0
			for h < slotHours-1 && u >= until[country][h] {
				h++
			}
			if p.awake(hour0+h) && (born == 0 || hour0+h > born) {
				w.session(a, int64(hour0+h)*hourMS+int64(d.below(hourMS)), day, &d)
			}
		}
	}
	w.newSites()
}

// arrive registers a newcomer, who syncs contacts and writes to somebody.
func (w *World) arrive(a uint32, hour int) {
	d := dice(w.hash(a))
	ms := int64(hour)*hourMS + int64(d.below(hourMS/4))
	w.push(ms, rec{actor: a, kind: vedette.KindAccountRegistered})
	if d.chance(0.8) {
		for i := range 2 + d.more(3) {
			to := uint32(none)
			if d.chance(0.7) {
				to = w.friend(a, &d, hour/24)
			}
			w.push(ms+20_000+int64(i)*700, rec{actor: a, to: to, kind: vedette.KindNumberLookedUp, n: uint16(vedette.LookupContactSync)})
		}
	}
	at := ms + 60_000
	for range d.more(2) {
		at += int64(d.wait(400_000))
		w.say(a, at, hour/24, &d)
	}
}

// session is one coming on of an ordinary account.
func (w *World) session(a uint32, ms int64, day int, d *dice) {
	b := &w.s.Background
	if d.float() >= b.Talk {
		w.push(ms, rec{actor: a, kind: vedette.KindAccountSeen})
	} else if w.file == nil {
		at := ms
		for more := true; more; more = d.chance(0.25) {
			w.say(a, at, day, d)
			at += 30_000 + int64(d.below(400_000))
		}
	}
	if u := d.float(); u < w.rare[rares-1] {
		for k, until := range w.rare {
			if u < until {
				w.seldom(k, a, ms+5_000+int64(d.below(60_000)), day, d)
				return
			}
		}
	}
}

func (w *World) seldom(what int, a uint32, ms int64, day int, d *dice) {
	switch what {
	case rareStranger:
		w.approach(a, w.anybody(a, d), ms, d, 0.14)
	case rareLookup:
		for i := range 1 + d.more(lookups-1) {
			to := uint32(none)
			if d.chance(0.6) {
				to = w.friend(a, d, day)
			}
			w.push(ms+int64(i)*800, rec{actor: a, to: to, kind: vedette.KindNumberLookedUp, n: uint16(vedette.LookupContactSync)})
		}
	case rareByHand:
		to := uint32(none)
		if d.chance(0.75) {
			to = w.anybody(a, d)
		}
		w.push(ms, rec{actor: a, to: to, kind: vedette.KindNumberLookedUp, n: uint16(vedette.LookupManual)})
	case rareBlock:
		to := w.anybody(a, d)
		if d.chance(0.5) {
			to = w.friend(a, d, day)
		}
		w.push(ms, rec{actor: a, to: to, kind: vedette.KindUserBlocked})
		if d.chance(w.s.Background.Unblocks) {
			w.push(ms+int64(d.wait(2*dayMS)), rec{actor: a, to: to, kind: vedette.KindUserUnblocked})
		}
	case rareReport:
		to := w.anybody(a, d)
		if d.chance(0.2) {
			to = w.friend(a, d, day)
		}
		w.push(ms, rec{actor: a, to: to, kind: vedette.KindUserReported, n: uint16(1 + d.below(6))})
	case rareDevice:
		w.push(ms, rec{actor: a, z: uint32(1 + d.below(1<<20)), kind: vedette.KindDeviceLinked})
	case rareGroup:
		w.groups++
		g, n := w.groups, 2+d.more(5)
		w.push(ms, rec{actor: a, z: g, n: uint16(n), kind: vedette.KindGroupCreated})
		for i := range n - 1 {
			w.push(ms+2_000+int64(i)*300, rec{actor: a, to: w.friend(a, d, day), z: g, n: uint16(n), x: uint32(vedette.JoinAdded), kind: vedette.KindGroupJoined})
		}
		if d.chance(0.08) {
			w.push(ms+int64(d.wait(10*dayMS)), rec{actor: a, z: g, kind: vedette.KindGroupDeleted})
		} else if d.chance(0.2) {
			b := w.friend(a, d, day)
			w.push(ms+dayMS+int64(d.wait(10*dayMS)), rec{actor: b, to: b, z: g, kind: vedette.KindGroupLeft})
		}
	case rareProfile:
		w.push(ms, rec{actor: a, kind: vedette.KindProfileChanged})
	}
}

// anybody draws an account that a does not know, mostly of its country.
func (w *World) anybody(a uint32, d *dice) uint32 {
	country := w.countryOf(a)
	b := a
	for range 8 {
		b = uint32(d.below(w.n))
		if b != a && int(w.hoodCountry[b/neighbourhood]) == country {
			break
		}
	}
	if b == a {
		b = (a + 1) % uint32(w.n)
	}
	return b
}

// approach writes to somebody for the first time.
func (w *World) approach(a, b uint32, ms int64, d *dice, links float64) {
	if w.s.Tier > 0 && d.chance(links) {
		w.sendLink(a, b, 0, 0, ms, d, w.popular(d), vedette.Yes, 0.75, 0.3)
	} else {
		w.push(ms, rec{actor: a, to: b, n: uint16(1 + d.more(0.6)), kind: vedette.KindMessageSent, flags: flagsOf(vedette.Yes, vedette.No, w.tellsNone())})
	}
	if d.chance(0.4) {
		at := ms + 60_000 + int64(d.wait(3*hourMS))
		w.push(at, rec{actor: b, to: a, n: uint16(1 + d.more(0.5)), kind: vedette.KindMessageSent, flags: flagsOf(vedette.No, vedette.Yes, w.tellsNone())})
		if d.chance(0.5) {
			w.push(at+int64(d.wait(hourMS)), rec{actor: a, to: b, n: uint16(1 + d.more(0.5)), kind: vedette.KindMessageSent, flags: flagsOf(vedette.No, vedette.Yes, w.tellsNone())})
		}
	}
}

// tellsNone is what clients that tell of links say of a message without one.
func (w *World) tellsNone() vedette.Tri {
	if w.s.Tier == 0 {
		return vedette.Unknown
	}
	return vedette.No
}

// url is a domain and one URL of it.
type url struct{ x, y uint32 }

// popular draws a link that many know. Few domains are most links.
func (w *World) popular(d *dice) url {
	x := uint32(d.tail(w.s.Background.Popular))
	if d.chance(0.15) {
		return url{x, uint32(d.next()) | oneTime}
	}
	return url{x, uint32(d.tail(20_000))}
}

// told says whether clients tell of a link between two people.
func (w *World) told(contacts bool) bool { return w.s.Tier == 2 || w.s.Tier == 1 && !contacts }

// smallGroup is the size up to which links in groups are told of at tier 1.
const smallGroup = 32

// sendLink sends a link that is told of, and has it shown and opened. A group has a number and a size; b is the member who sees it.
func (w *World) sendLink(a, b, group uint32, size int, ms int64, d *dice, u url, stranger vedette.Tri, preview, open float64) {
	r := rec{actor: a, to: b, x: u.x, y: u.y, kind: vedette.KindLinkSent, flags: flagsOf(stranger, vedette.Unknown, 0)}
	if group != 0 {
		r.to, r.n, r.flags = group, uint16(size), flagsOf(vedette.Unknown, vedette.Unknown, 0)|toGroup
	}
	w.push(ms, r)
	w.show(a, b, group, ms, d, u, preview, open)
}

func (w *World) show(a, b, group uint32, ms int64, d *dice, u url, preview, open float64) {
	if a == b {
		return
	}
	at := ms + 1_500 + int64(d.wait(15*60_000))
	if d.chance(preview) {
		w.push(at, rec{actor: b, to: a, x: u.x, y: u.y, z: group, kind: vedette.KindLinkPreviewed})
	}
	for range d.whole(open) {
		at += 3_000 + int64(d.wait(4*60_000))
		w.push(at, rec{actor: b, to: a, x: u.x, y: u.y, z: group, kind: vedette.KindLinkOpened})
		at += int64(d.wait(hourMS))
	}
}

// say is one message of an ordinary account to somebody whom it knows, or to a group, and perhaps the answer.
func (w *World) say(a uint32, ms int64, day int, d *dice) {
	b := &w.s.Background
	link := d.chance(b.Links)
	if d.chance(b.Groups) {
		c, _ := w.place(a)
		k := uint32(w.hash(a)>>(8*d.below(3))) % 16
		group := 1<<20 + c*16 + k
		size := w.groupSize(group)
		if link && (w.s.Tier == 2 || w.s.Tier == 1 && size <= smallGroup && mix(uint64(group))%10 < 7) {
			w.sendLink(a, w.friend(a, d, day), group, size, ms, d, w.popular(d), 0, 0.8, 0.4)
			return
		}
		w.push(ms, rec{actor: a, to: group, n: uint16(size), x: uint32(1 + d.more(1)), kind: vedette.KindMessageSent, flags: toGroup})
		return
	}
	to := w.friend(a, d, day)
	w.write(a, to, ms, d, link, b.Replies)
}

// groupSize is how many are in an ordinary group.
func (w *World) groupSize(group uint32) int {
	h := mix(uint64(group) + 3)
	switch k := group % 16; {
	case k < 7:
		return int(3 + h%9)
	case k < 12:
		return int(10 + h%24)
	}
	return int(40 + h%216)
}

// write is a message between two people who know each other, and perhaps the answer.
func (w *World) write(a, b uint32, ms int64, d *dice, link bool, replies float64) {
	if w.people[b].born > uint16(ms/hourMS) {
		return
	}
	contacts := w.contacts(a, b)
	none := w.tellsNone()
	if contacts && w.s.Tier < 2 {
		none = vedette.Unknown
	}
	if link && w.told(contacts) {
		w.sendLink(a, b, 0, 0, ms, d, w.popular(d), vedette.No, 0.8, 0.35)
	} else {
		w.push(ms, rec{actor: a, to: b, n: uint16(1 + d.more(1.4)), kind: vedette.KindMessageSent, flags: flagsOf(vedette.No, vedette.Unknown, none)})
	}
	if d.chance(replies) {
		u := d.float()
		w.push(ms+15_000+int64(90_000*u/(1.003-u)), rec{actor: b, to: a, n: uint16(1 + d.more(1.2)), kind: vedette.KindMessageSent, flags: flagsOf(vedette.No, vedette.Yes, none)})
	}
}

// site is a kind of new ordinary domain: who meets it, how often, and for how long.
type site struct {
	weight       float64
	low, high    int     // audience
	sends        float64 // for each of the audience
	days         float64
	personal     float64 // share of links made for one recipient
	groups       float64 // share sent to a small group
	strangers    float64 // share of the audience whom the owner does not know
	preview      float64
	open         float64 // by each who got it
	ownerAlone   bool    // the owner alone sends
	neighbours   bool    // sent among the audience, not from the owner
	householders bool    // the audience is the household and its kin
}

// siteKinds: most new domains are met by few. Private pages are as confined as a rehearsal, and must be.
var siteKinds = []site{
	{weight: 0.16, low: 1, high: 1, sends: 4, days: 9, personal: 0.1, preview: 0.8, open: 1.2, neighbours: true},                                  // a couple's page
	{weight: 0.12, low: 2, high: 7, sends: 1.5, days: 10, personal: 0.1, groups: 0.4, preview: 0.8, open: 0.7, neighbours: true},                  // friends' page
	{weight: 0.10, low: 2, high: 6, sends: 1.6, days: 12, groups: 0.4, preview: 0.8, open: 0.9, neighbours: true, householders: true},             // a family's pictures
	{weight: 0.12, low: 1, high: 3, sends: 2.5, days: 14, personal: 0.3, preview: 0.7, open: 1.5, ownerAlone: true},                               // a project shown to few
	{weight: 0.10, low: 8, high: 35, sends: 0.6, days: 14, groups: 0.6, preview: 0.8, open: 0.5, neighbours: true},                                // a club
	{weight: 0.12, low: 6, high: 60, sends: 1.1, days: 20, personal: 0.2, strangers: 0.5, preview: 0.7, open: 0.5, ownerAlone: true},              // a small shop
	{weight: 0.06, low: 25, high: 110, sends: 1, days: 10, personal: 0.7, strangers: 0.1, preview: 0.85, open: 0.8, ownerAlone: true},             // a wedding
	{weight: 0.09, low: 10, high: 50, sends: 0.9, days: 7, personal: 0.1, groups: 0.5, strangers: 0.1, preview: 0.8, open: 0.6, neighbours: true}, // an event
	{weight: 0.06, low: 1, high: 4, sends: 3, days: 6, personal: 0.6, strangers: 0.3, preview: 0.7, open: 1, ownerAlone: true},                    // a document behind a link of its own
	{weight: 0.05, low: 3, high: 12, sends: 1.2, days: 5, personal: 0.8, strangers: 0.6, preview: 0.7, open: 0.7, ownerAlone: true},               // appointments, invoices
	{weight: 0.02, low: 120, high: 900, sends: 0.8, days: 4, groups: 0.5, strangers: 0.1, preview: 0.8, open: 0.4, neighbours: true},              // what goes round
}

func (w *World) newSites() {
	d := dice(w.salted(saltSite, uint64(w.slot)))
	for range d.times(w.s.Background.Sites * float64(w.s.Accounts) / 100_000 / slotsPerDay) {
		w.newSite(&d)
	}
}

func (w *World) newSite(d *dice) {
	u, k := d.float(), 0
	for k < len(siteKinds)-1 && u >= siteKinds[k].weight {
		u -= siteKinds[k].weight
		k++
	}
	s := &siteKinds[k]
	w.sites++
	x := firstSite + w.sites
	day := w.slot / slotsPerDay
	begin := int64(w.slot)*slotMS + int64(d.below(slotMS))
	owner := w.settled(d, -1)
	n := s.low + d.below(s.high-s.low+1)
	people := make([]uint32, 0, n+1)
	people = append(people, owner)
	for range n {
		b := owner
		switch {
		case d.chance(s.strangers):
			b = w.anybody(owner, d)
		case n > 40 && len(people) > 8:
			b = w.friend(people[d.below(len(people))], d, day)
		case s.householders && d.chance(0.5):
			if b = uint32(w.home(owner)) + uint32(d.below(4)); b >= uint32(w.n) || w.home(b) != w.home(owner) {
				b = w.friend(owner, d, day)
			}
		default:
			b = w.friend(owner, d, day)
		}
		if b != owner {
			people = append(people, b)
		}
	}
	if len(people) < 2 {
		return
	}
	urls := 1 + d.more(1.5)
	groupTells := d.chance(0.7)
	group := uint32(0)
	if s.groups > 0 {
		w.groups++
		group = w.groups
	}
	for i := 1; i < len(people); i++ {
		for range d.whole(s.sends) {
			from, to := owner, people[i]
			if s.neighbours && d.chance(0.5) {
				from = people[d.below(len(people))]
			}
			if from == to {
				from, to = to, owner
			}
			if from == to {
				continue
			}
			v := d.float()
			at := begin + int64(v*v*s.days*dayMS)
			y := uint32(d.below(urls))
			if d.chance(s.personal) {
				y = uint32(d.next()) | oneTime
			}
			if group != 0 && d.chance(s.groups) {
				if size := len(people); w.s.Tier == 2 || size <= smallGroup && w.s.Tier == 1 && groupTells {
					w.sendLink(from, to, group, size, at, d, url{x, y}, 0, s.preview, s.open)
					for range min(3, d.more(1)) {
						w.show(from, people[d.below(len(people))], group, at, d, url{x, y}, s.preview, s.open)
					}
				}
				continue
			}
			contacts := w.contacts(from, to)
			stranger := vedette.No
			if !contacts && d.chance(s.strangers) {
				stranger = vedette.Yes
			}
			if w.told(contacts) || stranger == vedette.Yes && w.s.Tier > 0 {
				w.sendLink(from, to, 0, 0, at, d, url{x, y}, stranger, s.preview, s.open)
			} else {
				w.push(at, rec{actor: from, to: to, n: 1, kind: vedette.KindMessageSent, flags: flagsOf(vedette.No, vedette.Unknown, vedette.Unknown)})
			}
		}
	}
}

// settled draws an ordinary account that is there and awake all the time, of a country or any (-1).
func (w *World) settled(d *dice, country int) uint32 {
	for i := 0; ; i++ {
		a := uint32(d.below(w.n))
		p := &w.people[a]
		if p.gone == never && p.quietFrom == never && (country < 0 || int(w.hoodCountry[a/neighbourhood]) == country) || i > 2000 {
			return a
		}
	}
}
