package world

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"vedette"
)

// castMember is an account that a team made.
type castMember struct {
	reg, gone int64 // milliseconds after the world began
	device    uint64
	block     uint64
	nets      [2]netKey
	seen      uint32
	team      uint32
	build     uint32
	roam      uint8 // share of hours at the second network, in 255ths
	country   uint8 // where the account is
	from      uint8 // its number's
	carrier   vedette.CarrierClass
	attest    vedette.Attestation
	ties      uint8
	back      bool
	idle      bool
}

func (c *castMember) there(ms int64) bool { return ms >= c.reg && ms <= c.gone }

func (c *castMember) net(w *World, a uint32, hour int) netKey {
	if c.roam != 0 && uint8(mix(w.hash(a)+uint64(hour/3)*0x9e3779b97f4a7c15)) < c.roam {
		return c.nets[1]
	}
	return c.nets[0]
}

type member struct {
	account uint32
	from    int64 // it acts for the team from here on
	until   int64
	stage   uint32 // of a taken account: which of World.taken the others use, from 1; 0: none
	via     uint32 // the same while it is played, in World.stages
}

type target struct {
	account uint32
	when    int64 // planned
	by      int   // place among the members
	url     url
	method  int
	told    bool
	at      int64 // Unix milliseconds
	event   vedette.EventID
}

// team is a few accounts that act together. Everything of it is drawn at New and played later, day by day.
type team struct {
	plan                                                      *Plan
	id                                                        uint32
	ordinal                                                   int
	dice                                                      dice // for playing
	country                                                   int
	hood                                                      uint32
	wake                                                      int64 // the first thing that is not ordinary
	begin, end                                                int64
	over                                                      int64
	made                                                      int // members with an account of their own making, the first ones
	members                                                   []member
	targets                                                   []target
	domains                                                   []uint32
	pattern                                                   int
	perDay, groupShare, replies, workHours, popular, sessions float64
	contacts                                                  float64
	tieRate                                                   float64
	outreach                                                  outreach
	groups                                                    []group

	first, last int64
	used        int // domains that were sent
}

type outreach struct{ perDay, senders, links, own, distinct, lookups, replies, opens, blocks, reports, near float64 }

type group struct {
	number  uint32
	members []int
	made    int64
	ends    int64 // math.MaxInt64: never
}

func (t *team) reset() {
	t.first, t.last, t.used = math.MaxInt64, math.MinInt64, 0
	for i := range t.targets {
		t.targets[i].told = false
	}
	for i := range t.members {
		t.members[i].via = 0
	}
}

// tight is a copy without room to grow.
func tight[T any](s []T) []T { return append(make([]T, 0, len(s)), s...) }

func days(x float64) int64 { return int64(x * dayMS) }

// drawTeams draws every team of the scenario.
func (w *World) drawTeams() {
	total := int64(w.s.Days()) * dayMS
	learning := int64(w.s.Warmup) * dayMS
	test := learning + int64(w.s.Learning)*dayMS
	scale := float64(w.s.Accounts) / 100_000
	defer func() { w.cast, w.teams = tight(w.cast), tight(w.teams) }()
	for i, p := range w.s.Teams {
		d := dice(w.salted(saltTeam, uint64(i)<<32))
		k := 0
		for _, c := range []struct {
			n        float64
			from, to int64
			any      bool
		}{
			{p.Count.Any, 0, total, true}, {p.Count.Warmup, 0, learning, false}, {p.Count.Learning, learning, test, false}, {p.Count.Test, test, total, false},
		} {
			for range d.whole(c.n * scale) {
				w.drawTeam(p, i, k, c.from, c.to, c.any)
				k++
			}
		}
	}
}

func (w *World) drawTeam(p *Plan, kind, k int, from, to int64, anyTime bool) {
	d := dice(w.salted(saltTeam, uint64(kind)<<32|uint64(k+1)))
	t := &team{plan: p, id: uint32(len(w.teams)), ordinal: k + 1}
	t.country = w.drawCountry(d.float())
	for range 64 {
		t.hood = uint32(d.below(int(w.hoods)))
		if int(w.hoodCountry[t.hood]) == t.country {
			break
		}
	}
	last := days(p.Days.draw(&d))
	var delay, attack int64
	var gaps []int64
	if a := p.Attack; a != nil {
		delay = days(a.Delay.draw(&d))
		sum := int64(0)
		for range a.Targets.count(&d) {
			gaps = append(gaps, sum)
			sum += int64(a.Gap.draw(&d) * hourMS)
		}
		attack = from + int64(d.float()*float64(max(to-from-sum-hourMS, 1)))
		t.begin = attack - delay - last
	} else if anyTime {
		t.begin = from - last + int64(d.float()*float64(to-from+last))
	} else {
		t.begin = from + int64(d.float()*float64(to-from))
	}
	t.end = t.begin + last
	t.over = t.end + dayMS
	t.drawMembers(w, &d)
	t.drawManners(w, &d)
	if p.Attack != nil {
		t.drawAttack(w, &d, attack, gaps)
	}
	t.drawEnds(w, &d)
	t.wake = t.begin
	e := dice(w.salted(saltEnrol, 1<<40|uint64(t.id)))
	for i := range t.members {
		t.wake = min(t.wake, t.members[i].from)
		if m := &t.members[i]; m.account >= w.ordinary {
			c := &w.cast[m.account-w.ordinary]
			t.wake = min(t.wake, c.reg)
			if e.chance(p.Accounts.Enrolled) {
				w.enrolled[m.account] = false
			}
		}
		if p.AtRisk && !p.Hostile && e.chance(w.s.Enrolled.AtRisk) {
			w.enrolled[t.members[i].account] = e.chance(w.s.Enrolled.Vouched)
		}
	}
	t.dice = d
	t.members = tight(t.members)
	w.teams = append(w.teams, t)
}

// drawMembers makes accounts and finds people.
func (t *team) drawMembers(w *World, d *dice) {
	p := t.plan
	n := max(1, p.Members.count(d))
	taken := min(n, p.Accounts.Taken.count(d))
	own := d.whole(float64(n-taken) * p.Accounts.Established.draw(d))
	t.made = n - taken - own
	span := p.Accounts.Span.draw(d)
	idle := p.Accounts.Idle.draw(d)
	c := t.caster(w, d)
	for i := range t.made {
		act := t.begin + min(days(d.float()*span), t.end-t.begin)
		age := p.Accounts.Age.draw(d)
		t.members = append(t.members, member{account: c.make(i, act-days(age), d.chance(idle)), from: act + int64(d.below(20*60_000)), until: math.MaxInt64})
	}
	for range own {
		a := w.settled(d, t.country)
		if d.chance(0.6) {
			a = t.neighbour(w, d)
		}
		if !t.has(a) {
			t.members = append(t.members, member{account: a, from: t.begin, until: math.MaxInt64})
		}
	}
	for range taken {
		t.take(w, d, t.begin+min(days(d.float()*span), t.end-t.begin))
	}
}

// take lets the team use the account of somebody who goes on using it.
func (t *team) take(w *World, d *dice, from int64) int {
	a := w.settled(d, -1)
	for range 20 {
		if !t.has(a) {
			break
		}
		a = w.settled(d, -1)
	}
	c := t.caster(w, d)
	w.taken = append(w.taken, stage{device: 1<<42 | uint64(t.id)<<10 | uint64(len(t.members)), net: c.net(d)})
	t.members = append(t.members, member{account: a, from: from, until: math.MaxInt64, stage: uint32(len(w.taken))})
	return len(t.members) - 1
}

func (t *team) has(a uint32) bool {
	return slices.ContainsFunc(t.members, func(m member) bool { return m.account == a })
}

// neighbour draws somebody from the team's own part of the population.
func (t *team) neighbour(w *World, d *dice) uint32 {
	for range 50 {
		a := t.hood*neighbourhood + uint32(d.below(w.hoodSize(t.hood)))
		if p := &w.people[a]; p.gone == never && p.quietFrom == never {
			return a
		}
	}
	return w.settled(d, t.country)
}

// caster makes accounts as the plan says; what the team's accounts share was drawn once.
type caster struct {
	t                                                         *team
	w                                                         *World
	d                                                         dice
	model, version, provider                                  int
	block                                                     uint64
	perDevice                                                 int
	sameBuild, shared, oneASN, abroad, roam, inBlock, foreign float64
	returned                                                  float64
	other                                                     int // country
}

func (t *team) caster(w *World, d *dice) *caster {
	p := t.plan
	// Drawn from the team's number, so that accounts which are made later share the same things.
	e := dice(w.salted(saltNew, uint64(t.id)))
	c := &caster{t: t, w: w, d: e}
	f := &c.d
	c.model, c.version, c.provider = f.tail(600), f.below(3), f.below(4)
	c.other = w.drawCountry(f.float())
	c.block = 1<<50 | uint64(t.id)
	c.perDevice = max(1, p.Devices.Accounts.count(f))
	c.sameBuild = p.Devices.SameBuild.draw(f)
	c.shared, c.oneASN, c.abroad, c.roam = p.Networks.Shared.draw(f), p.Networks.OneASN.draw(f), p.Networks.Abroad.draw(f), p.Networks.Roam.draw(f)
	c.inBlock, c.foreign = p.Numbers.Block.draw(f), p.Numbers.Foreign.draw(f)
	c.returned = p.Accounts.Returned.draw(f)
	if c.oneASN = float64(f.whole(c.oneASN)); c.oneASN == 0 {
		c.provider = -1
	}
	return c
}

func (c *caster) make(i int, reg int64, idle bool) uint32 {
	w, p, t := c.w, c.t.plan, c.t
	d := dice(w.salted(saltNew, uint64(t.id)<<20|uint64(len(w.cast)+1)<<40))
	m := castMember{reg: reg, gone: math.MaxInt64, team: t.id, country: uint8(t.country), from: uint8(t.country), idle: idle}
	m.device = 1<<41 | uint64(t.id)<<10 | uint64(i/c.perDevice)
	m.back = i%c.perDevice > 0 || d.chance(c.returned)
	e := dice(w.salted(saltDevice, m.device))
	if e.chance(c.sameBuild) {
		m.build = buildOf(c.model, c.version)
	} else {
		m.build = buildOf(e.tail(600), e.below(3))
	}
	m.nets = [2]netKey{c.net(&d), c.net(&d)}
	m.roam = uint8(c.roam * 255)
	if d.chance(c.foreign) {
		if m.from = uint8(c.other); c.other == t.country {
			m.from = uint8((t.country + 1) % len(w.countries))
		}
	}
	m.carrier = [...]vedette.CarrierClass{vedette.CarrierMobile, vedette.CarrierFixed, vedette.CarrierVoIP, vedette.CarrierMachine}[p.Numbers.Carriers.pick(&d, carriers)]
	m.block = uint64(m.from)<<40 | d.next()%uint64(w.n/3+1)
	if d.chance(c.inBlock) {
		m.block = c.block
	}
	m.attest = [...]vedette.Attestation{vedette.AttestFail, vedette.AttestNone, vedette.AttestBasic, vedette.AttestStrong}[p.Accounts.Attestation.pick(&d, attestations)]
	m.ties = uint8(p.Ties.Outside.count(&d))
	w.cast = append(w.cast, m)
	return w.ordinary + uint32(len(w.cast)-1)
}

// net draws an address of one of the team's kinds.
func (c *caster) net(d *dice) netKey {
	w, t := c.w, c.t
	kind := t.plan.Networks.Kinds.pick(d, netKinds)
	country := t.country
	if d.chance(c.abroad) {
		country = c.other
	}
	number := d.next() & (1<<40 - 1)
	if d.chance(c.shared) {
		number = uint64(t.id)<<4 | uint64(kind)
	}
	provider := int(mix(number) % 4)
	if c.provider >= 0 {
		provider = c.provider
	}
	switch kind {
	case netMobile: // the carriers' own addresses, which hundreds share
		pools := max(1, uint64(float64(w.n)*w.share(country)/w.s.Background.Networks.Mobile))
		return network(netMobile, country, provider%3, number%pools)
	case netVPN:
		exit := number % w.exits
		return network(netVPN, int(mix(exit+77)%uint64(len(w.countries))), int(exit%5), exit)
	case netHosting:
		return network(netHosting, country, provider, 1<<40|number)
	case netOffice:
		return network(netOffice, country, provider, 1<<43|number)
	case netProxy: // through somebody's home
		day := max(0, min(w.hours-1, int((t.begin+t.end)/2/hourMS)))
		best := netKey(0)
		for range 40 {
			a := uint32(d.below(w.n))
			if w.countryOf(a) != country {
				continue
			}
			if best = w.homeNet(w.home(a), country, day); c.provider < 0 || int(best>>44&0xff) == c.provider {
				return best
			}
		}
		return network(netHome, country, provider, 1<<43|number)
	}
	return network(netHome, country, provider, 1<<43|number)
}

// drawManners draws how the team talks and what it has.
func (t *team) drawManners(w *World, d *dice) {
	p := t.plan
	t.contacts = p.Ties.Contacts.draw(d)
	t.tieRate = p.Ties.PerDay.draw(d)
	t.pattern = p.Talk.Pattern.pick(d, patterns)
	t.perDay, t.groupShare, t.replies = p.Talk.PerDay.draw(d), p.Talk.Groups.draw(d), p.Talk.Replies.draw(d)
	t.workHours, t.popular, t.sessions = p.Talk.WorkHours.draw(d), p.Talk.Links.draw(d), p.Talk.Sessions.draw(d)
	o := &p.Outreach
	t.outreach = outreach{
		o.PerDay.draw(d), o.Senders.draw(d), o.Links.draw(d), o.Own.draw(d), o.Distinct.draw(d), o.Lookups.draw(d),
		o.Replies.draw(d), o.Opens.draw(d), o.Blocks.draw(d), o.Reports.draw(d), o.Near.draw(d),
	}
	share := p.Links.Hosted.draw(d)
	for i := range p.Links.Domains.count(d) {
		x := firstOwn + t.id*domainsEach + uint32(i)
		if d.chance(share) {
			x |= hosted
		}
		t.domains = append(t.domains, x)
	}
	part := p.Groups.Members.draw(d)
	deleted := p.Groups.Deleted.draw(d)
	for i := range p.Groups.Made.count(d) {
		g := group{number: 1<<28 + t.id*64 + uint32(i), made: t.begin + int64(d.float()*0.5*float64(t.end-t.begin)), ends: math.MaxInt64}
		for k := range t.members {
			if d.chance(part) {
				g.members = append(g.members, k)
			}
		}
		if d.chance(deleted) {
			g.ends = t.end + int64(d.float()*12*hourMS)
		}
		if len(g.members) > 1 {
			t.groups = append(t.groups, g)
		}
	}
	for range p.Probes.Reregisters.count(d) {
		if t.made == 0 {
			break
		}
		i := d.below(t.made)
		m := &t.members[i]
		if m.until != math.MaxInt64 {
			continue
		}
		at := m.from + int64(d.float()*float64(max(t.end-m.from, hourMS)))
		old := w.cast[m.account-w.ordinary]
		m.until = at
		w.cast[m.account-w.ordinary].gone = at
		again := old
		again.reg, again.back, again.seen = at+int64(2*60_000+d.wait(30*60_000)), true, 0
		w.cast = append(w.cast, again)
		t.members = append(t.members, member{account: w.ordinary + uint32(len(w.cast)-1), from: again.reg + 60_000, until: math.MaxInt64})
	}
}

// drawAttack chooses who is attacked, by whom and with what.
func (t *team) drawAttack(w *World, d *dice, at int64, gaps []int64) {
	a := t.plan.Attack
	var by []int
	kind := a.Sender.pick(d, senders)
	for range max(1, a.Senders.count(d)) {
		switch kind {
		case 1: // fresh
			c := t.caster(w, d)
			reg := at - int64(d.between(0.3, 30)*hourMS)
			t.members = append(t.members, member{account: c.make(len(t.members)+900, reg, false), from: reg + 10*60_000, until: math.MaxInt64})
			by = append(by, len(t.members)-1)
		case 2: // taken
			var have []int
			for i := range t.members {
				if t.members[i].stage != 0 && !slices.Contains(by, i) {
					have = append(have, i)
				}
			}
			if len(have) > 0 {
				by = append(by, have[d.below(len(have))])
			} else {
				by = append(by, t.take(w, d, at-int64(d.between(2, 48)*hourMS)))
			}
		default:
			for range 20 {
				if i := d.below(len(t.members)); t.members[i].until == math.MaxInt64 && t.members[i].from < at && !slices.Contains(by, i) {
					by = append(by, i)
					break
				}
			}
		}
	}
	if len(by) == 0 {
		by = append(by, t.take(w, d, at-hourMS))
	}
	isNew := d.chance(a.NewDomain.draw(d)) || len(t.domains) == 0
	each := d.chance(a.PerTarget.draw(d))
	next := uint32(len(t.domains))
	fresh := func() uint32 { x := firstOwn + t.id*domainsEach + next; next++; return x }
	x := fresh()
	near := a.Near.draw(d)
	first := w.settled(d, -1)
	chosen := map[uint32]bool{}
	for i, gap := range gaps {
		victim := first
		for k := 0; k < 200 && (chosen[victim] || t.has(victim)); k++ {
			victim = w.settled(d, -1)
			if d.chance(near) {
				c := first / neighbourhood
				b := c*neighbourhood + uint32(d.below(w.hoodSize(c)))
				if p := &w.people[b]; p.gone == never && p.quietFrom == never {
					victim = b
				}
			}
		}
		chosen[victim] = true
		g := target{account: victim, when: at + gap, by: by[i%len(by)], method: a.Method.pick(d, methods)}
		if i > 0 && d.chance(0.5) {
			g.by = by[d.below(len(by))]
		}
		switch {
		case !isNew:
			x = t.domains[d.below(len(t.domains))]
		case each && i > 0 && next < domainsEach-1:
			x = fresh()
		}
		g.url = url{x, uint32(d.next()) | oneTime}
		t.targets = append(t.targets, g)
		t.over = max(t.over, g.when+2*dayMS)
		if d.chance(w.s.Enrolled.Targets) {
			w.enrolled[victim] = d.chance(w.s.Enrolled.Vouched)
		}
	}
}

// drawEnds deletes accounts when all is done.
func (t *team) drawEnds(w *World, d *dice) {
	share := t.plan.Accounts.Deleted.draw(d)
	done := t.end
	for i := range t.targets {
		done = max(done, t.targets[i].when+6*hourMS)
	}
	for i := range t.members {
		if m := &t.members[i]; m.account >= w.ordinary && m.until == math.MaxInt64 && d.chance(share) {
			m.until = max(done, m.from) + int64(d.wait(18*hourMS)) + hourMS
			w.cast[m.account-w.ordinary].gone = m.until
			t.over = max(t.over, m.until)
		}
	}
}

// play lets teams begin and plays their day.
func (w *World) play() {
	now := int64(w.slot+1) * slotMS
	day := w.slot / slotsPerDay
	if w.slot%slotsPerDay == 0 {
		w.live = slices.DeleteFunc(w.live, func(i int32) bool { return w.teams[i].over < int64(day)*dayMS })
		for _, i := range w.live {
			w.teams[i].day(w, day)
		}
	}
	for len(w.waiting) > 0 && w.teams[w.waiting[0]].wake < now {
		i := w.waiting[0]
		w.waiting = w.waiting[1:]
		if t := w.teams[i]; t.over >= int64(day)*dayMS {
			t.open(w)
			t.day(w, day)
			w.live = append(w.live, i)
		}
	}
}

// act pushes what a member does for the team.
func (t *team) act(w *World, i int, ms int64, r rec) {
	m := &t.members[i]
	if ms < m.from || ms > m.until {
		return
	}
	r.actor = m.account
	if r.via == 0 {
		r.via = m.via
	}
	if w.push(ms, r) {
		t.first, t.last = min(t.first, ms), max(t.last, ms)
	}
}

// reach pushes the act that reaches a target: w.stages says so.
func (t *team) reach(w *World, g *target, ms int64, r rec) {
	s := stage{target: g}
	if v := t.members[g.by].via; v != 0 {
		s.device, s.net = w.stages[v].device, w.stages[v].net
	}
	w.stages = append(w.stages, s)
	r.via = uint32(len(w.stages) - 1)
	t.act(w, g.by, ms, r)
}

// when draws a moment between two, in office hours as often as the team keeps them.
func (t *team) when(w *World, d *dice, from, to int64) int64 {
	raw := from + int64(d.float()*float64(to-from))
	if raw < 0 {
		return raw
	}
	at := raw - raw%dayMS + t.clock(w, d, int(raw/dayMS))
	if at < from || at >= to {
		return raw
	}
	return at
}

// clock draws a moment of a day, after midnight UTC.
func (t *team) clock(w *World, d *dice, day int) int64 {
	c := &w.countries[t.country]
	var local int64
	if d.chance(t.workHours) {
		local = 9*hourMS + int64(d.float()*9*hourMS)
	} else {
		u := d.float() * 160
		h := 0
		for ; h < 23 && u >= course[0][h]; h++ {
			u -= course[0][h]
		}
		local = int64(h)*hourMS + int64(d.below(hourMS))
	}
	return (local - int64(c.zone)*hourMS + dayMS) % dayMS
}

func (t *team) free(w *World, day int) bool {
	return day >= 0 && w.countries[t.country].weekend[(w.weekday+day)%7]
}

// other draws a member who is there then, and not i; -1 when there is none.
func (t *team) other(d *dice, i int, ms int64) int {
	for range 12 {
		k := d.below(len(t.members))
		if m := &t.members[k]; k != i && ms >= m.from && ms < m.until {
			return k
		}
	}
	return -1
}

func (t *team) partner(d *dice, i int, ms int64) int {
	k := -1
	switch t.pattern {
	case 1:
		k = i ^ 1
	case 2:
		if k = 0; i == 0 {
			return t.other(d, i, ms)
		}
	}
	if k >= 0 && k < len(t.members) && k != i && ms >= t.members[k].from && ms < t.members[k].until {
		return k
	}
	return t.other(d, i, ms)
}

// areContacts tells whether two members have one another among their contacts.
func (t *team) areContacts(w *World, a, b uint32) bool { return unit(mix(w.pair(a, b)+1)) < t.contacts }

// open plays what was planned for one time only.
func (t *team) open(w *World) {
	d := t.dice
	p := t.plan
	sync := p.Accounts.Sync.draw(&d)
	for i := range t.members {
		m := &t.members[i]
		if m.stage != 0 {
			w.stages = append(w.stages, w.taken[m.stage-1])
			m.via = uint32(len(w.stages) - 1)
			t.act(w, i, m.from, rec{kind: vedette.KindDeviceLinked})
		}
		if m.account < w.ordinary {
			continue
		}
		c := &w.cast[m.account-w.ordinary]
		w.push(c.reg, rec{actor: m.account, kind: vedette.KindAccountRegistered})
		if c.gone != math.MaxInt64 {
			w.push(c.gone, rec{actor: m.account, kind: vedette.KindAccountDeleted, n: uint16(vedette.DeletionSelf)})
		}
		if d.chance(sync) {
			for k := range 2 + int(c.ties) + d.more(3) {
				b := uint32(none)
				switch {
				case k < int(c.ties):
					b = t.tie(w, m.account, k)
				case d.chance(0.3):
					b = t.neighbour(w, &d)
				}
				w.push(c.reg+20_000+int64(k)*700, rec{actor: m.account, to: b, n: uint16(vedette.LookupContactSync), kind: vedette.KindNumberLookedUp})
			}
		}
		for k := range int(c.ties) {
			b := t.tie(w, m.account, k)
			from := c.reg
			if c.idle {
				from = m.from
			}
			at := from + int64(d.wait(1.5*dayMS))
			t.chat(w, m.account, b, at, &d, true)
		}
	}
	linked := p.Devices.Linked.draw(&d)
	for i := range t.members {
		if d.chance(linked) {
			t.act(w, i, t.members[i].from+int64(d.wait(6*hourMS)), rec{kind: vedette.KindDeviceLinked, z: uint32(1 + d.below(1<<20))})
		}
	}
	for i := range t.groups {
		t.openGroup(w, &t.groups[i], &d)
	}
	t.openLinks(w, &d)
	t.openProbes(w, &d)
	for i := range t.targets {
		t.strike(w, &t.targets[i], &d)
	}
}

func (t *team) openGroup(w *World, g *group, d *dice) {
	maker, n := g.members[0], uint16(len(g.members))
	at := max(g.made, t.members[maker].from)
	g.made = at
	t.act(w, maker, at, rec{kind: vedette.KindGroupCreated, z: g.number, n: n})
	for _, k := range g.members[1:] {
		ms := max(at+2_000+int64(d.wait(20_000)), t.members[k].from)
		if d.chance(0.8) {
			t.act(w, maker, ms, rec{kind: vedette.KindGroupJoined, z: g.number, n: n, to: t.members[k].account, x: uint32(vedette.JoinAdded)})
		} else {
			t.act(w, k, ms, rec{kind: vedette.KindGroupJoined, z: g.number, n: n, to: t.members[k].account, x: uint32(vedette.JoinInviteLink)})
		}
	}
	if g.ends != math.MaxInt64 {
		t.act(w, maker, g.ends, rec{kind: vedette.KindGroupDeleted, z: g.number})
	}
}

func (t *team) openLinks(w *World, d *dice) {
	p := &t.plan.Links
	distinct, preview, opens := p.Distinct.draw(d), p.Preview.draw(d), p.Opens.draw(d)
	for _, x := range t.domains {
		life := days(p.Life.draw(d))
		late := p.Late.draw(d)
		from := t.begin + int64(late*float64(max(0, t.end-t.begin-life)))
		to := min(from+life, t.end)
		if to <= from {
			to = from + hourMS
		}
		audience := p.Audience.pick(d, audiences)
		sends := p.Sends.count(d)
		one, two := -1, -1
		used := false
		for range sends {
			ms := t.when(w, d, from, to)
			i := one
			if audience != 0 || i < 0 {
				i = t.other(d, -1, ms)
			}
			if i < 0 {
				continue
			}
			k := two
			if audience != 0 || k < 0 {
				k = t.partner(d, i, ms)
			}
			if k < 0 {
				continue
			}
			if audience == 0 {
				if one, two = i, k; d.chance(0.4) {
					i, k = k, i
				}
			}
			y := uint32(0)
			if d.chance(distinct) {
				y = uint32(d.next()) | oneTime
			}
			var g *group
			if audience == 2 {
				g = t.groupOf(d, i, ms)
			}
			t.share(w, i, k, g, ms, d, url{x, y}, preview, opens)
			used = true
		}
		if used {
			t.used++
		}
	}
}

// groupOf returns a group that a member is in then, or nil.
func (t *team) groupOf(d *dice, i int, ms int64) *group {
	if len(t.groups) == 0 {
		return nil
	}
	g := &t.groups[d.below(len(t.groups))]
	if ms > g.made+60_000 && ms < g.ends && slices.Contains(g.members, i) {
		return g
	}
	return nil
}

// share is one link from a member to another, or to a group of the team.
func (t *team) share(w *World, i, k int, g *group, ms int64, d *dice, u url, preview, opens float64) {
	a, b := t.members[i].account, t.members[k].account
	tier := w.s.Tier
	told := w.told(t.areContacts(w, a, b))
	r := rec{to: b, n: 1, flags: flagsOf(asMet, vedette.Unknown, 0)}
	number := uint32(0)
	if g != nil {
		number = g.number
		told = tier == 2 || tier == 1 && len(g.members) <= smallGroup && t.contacts < 0.98
		r = rec{to: number, n: uint16(len(g.members)), flags: flagsOf(vedette.Unknown, vedette.Unknown, 0) | toGroup}
	}
	r.kind, r.x, r.y = vedette.KindLinkSent, u.x, u.y
	mute := t.plan.Links.Mute
	if mute && d.chance(t.plan.Links.False.draw(d)) && told {
		u = w.popular(d)
		r.x, r.y = u.x, u.y
		mute = false
	}
	if !told || mute {
		r.kind, r.x, r.y = vedette.KindMessageSent, 1, 0
		t.act(w, i, ms, r)
		return
	}
	t.act(w, i, ms, r)
	see := func(k int) {
		at := ms + 1_500 + int64(d.wait(10*60_000))
		if d.chance(preview) {
			t.act(w, k, at, rec{to: a, x: u.x, y: u.y, z: number, kind: vedette.KindLinkPreviewed})
		}
		for range d.times(opens) {
			at += 2_000 + int64(d.wait(5*60_000))
			t.act(w, k, at, rec{to: a, x: u.x, y: u.y, z: number, kind: vedette.KindLinkOpened})
		}
	}
	if g == nil {
		see(k)
		return
	}
	for _, k := range g.members {
		if k != i && d.chance(0.7) {
			see(k)
		}
	}
}

func (t *team) openProbes(w *World, d *dice) {
	p := &t.plan.Probes
	each := func(n int, do func(i, k int, ms int64)) {
		for range n {
			ms := t.when(w, d, t.begin, t.end)
			if i := t.other(d, -1, ms); i >= 0 {
				if k := t.partner(d, i, ms); k >= 0 {
					do(i, k, ms)
				}
			}
		}
	}
	each(p.Lookups.count(d), func(i, k int, ms int64) {
		t.act(w, i, ms, rec{to: t.members[k].account, n: uint16(vedette.LookupManual), kind: vedette.KindNumberLookedUp})
	})
	back := p.Unblocks.draw(d)
	each(p.Blocks.count(d), func(i, k int, ms int64) {
		t.act(w, i, ms, rec{to: t.members[k].account, kind: vedette.KindUserBlocked})
		if d.chance(back) {
			t.act(w, i, ms+60_000+int64(d.wait(4*hourMS)), rec{to: t.members[k].account, kind: vedette.KindUserUnblocked})
		}
	})
	each(p.Reports.count(d), func(i, k int, ms int64) {
		t.act(w, i, ms, rec{to: t.members[k].account, n: uint16(1 + d.below(6)), kind: vedette.KindUserReported})
	})
	each(p.DeviceLinks.count(d), func(i, _ int, ms int64) {
		z := uint32(1 + d.below(1<<20))
		t.act(w, i, ms, rec{z: z, kind: vedette.KindDeviceLinked})
		if d.chance(0.5) {
			t.act(w, i, ms+60_000+int64(d.wait(8*hourMS)), rec{z: z, kind: vedette.KindDeviceUnlinked})
		}
	})
	each(p.Restores.count(d), func(i, _ int, ms int64) {
		if t.members[i].account >= w.ordinary {
			t.act(w, i, ms, rec{n: uint16(vedette.DeletionSelf), kind: vedette.KindAccountDeleted})
			t.act(w, i, ms+60_000+int64(d.wait(hourMS)), rec{kind: vedette.KindAccountRestored})
		}
	})
}

// tie is somebody outside whom a made account knows.
func (t *team) tie(w *World, a uint32, k int) uint32 {
	d := dice(w.hash(a) + uint64(k)*0x51ed)
	if d.chance(0.6) {
		return t.neighbour(w, &d)
	}
	return w.settled(&d, t.country)
}

// chat is a message between a made account and somebody whom it knows outside, in either direction, and mostly the answer.
func (t *team) chat(w *World, a, b uint32, ms int64, d *dice, mine bool) {
	if !mine {
		a, b = b, a
	}
	flags := flagsOf(asMet, vedette.Unknown, vedette.Unknown)
	if w.contacts(a, b) {
		flags = flagsOf(vedette.No, vedette.Unknown, vedette.Unknown)
	}
	w.push(ms, rec{actor: a, to: b, n: uint16(1 + d.more(1)), kind: vedette.KindMessageSent, flags: flags})
	if d.chance(0.75) {
		flags = flags&^(3<<replyShift) | uint8(vedette.Yes)<<replyShift
		w.push(ms+20_000+int64(d.wait(40*60_000)), rec{actor: b, to: a, n: uint16(1 + d.more(1)), kind: vedette.KindMessageSent, flags: flags})
	}
}

// day plays what the members do every day.
func (t *team) day(w *World, day int) {
	d := dice(w.salted(saltTalk, uint64(t.id)<<16|uint64(day)))
	midnight := int64(day) * dayMS
	skip := t.plan.Talk.Days > 0
	free := t.free(w, day)
	// The last hours that a team is there count from its first and to its last moment; before and after, its people only live.
	for i := range t.members {
		m := &t.members[i]
		if m.account >= w.ordinary {
			c := &w.cast[m.account-w.ordinary]
			if from := c.reg; midnight+dayMS > from && midnight < c.gone && !(c.idle && midnight+dayMS <= m.from) {
				for k := range int(c.ties) {
					for range d.times(t.tieRate) {
						t.chat(w, m.account, t.tie(w, m.account, k), midnight+t.clock(w, &d, day), &d, d.chance(0.5))
					}
				}
			}
		}
		if midnight+dayMS <= m.from || midnight > min(m.until, t.end) || skip && !d.chance(t.plan.Talk.Days) {
			continue
		}
		lazy := free && d.chance(t.workHours)
		for range d.times(t.sessions) {
			if ms := midnight + t.clock(w, &d, day); ms <= t.end && !lazy {
				t.act(w, i, ms, rec{kind: vedette.KindAccountSeen})
			}
		}
		for range d.times(t.perDay) {
			if ms := midnight + t.clock(w, &d, day); ms <= t.end && ms >= m.from && !lazy {
				t.say(w, i, ms, &d)
			}
		}
		if t.outreach.perDay > 0 && t.lot(w, i) < t.outreach.senders && !lazy {
			for range d.times(t.outreach.perDay) {
				if ms := midnight + t.clock(w, &d, day); ms <= t.end && ms >= m.from {
					t.hail(w, i, ms, &d)
				}
			}
		}
	}
}

// lot is a member's own number, even in [0, 1): it says who does what only some do.
func (t *team) lot(w *World, i int) float64 { return unit(mix(w.hash(t.members[i].account) + 0xca11)) }

// say is one message of a member to another or to a group.
func (t *team) say(w *World, i int, ms int64, d *dice) {
	if d.chance(t.groupShare) {
		if g := t.groupOf(d, i, ms); g != nil {
			if d.chance(t.popular) {
				t.share(w, i, g.members[d.below(len(g.members))], g, ms, d, w.popular(d), 0.5, 0.3)
				return
			}
			t.act(w, i, ms, rec{to: g.number, n: uint16(len(g.members)), x: uint32(1 + d.more(1)), kind: vedette.KindMessageSent, flags: toGroup})
			return
		}
	}
	k := t.partner(d, i, ms)
	if k < 0 {
		return
	}
	a, b := t.members[i].account, t.members[k].account
	if d.chance(t.popular) {
		t.share(w, i, k, nil, ms, d, w.popular(d), 0.7, 0.3)
		return
	}
	none, stranger := w.tellsNone(), vedette.Tri(asMet)
	if t.areContacts(w, a, b) {
		if stranger = vedette.No; w.s.Tier < 2 {
			none = vedette.Unknown
		}
	}
	t.act(w, i, ms, rec{to: b, n: uint16(1 + d.more(1.2)), kind: vedette.KindMessageSent, flags: flagsOf(stranger, vedette.Unknown, none)})
	if d.chance(t.replies) {
		t.act(w, k, ms+10_000+int64(d.wait(12*60_000)), rec{to: a, n: uint16(1 + d.more(1)), kind: vedette.KindMessageSent, flags: flagsOf(stranger, vedette.Yes, none)})
	}
}

// hail writes to a stranger.
func (t *team) hail(w *World, i int, ms int64, d *dice) {
	o := &t.outreach
	b := uint32(d.below(w.n))
	if d.chance(o.near) {
		b = t.neighbour(w, d)
	} else if d.chance(0.8) {
		b = w.anybody(t.hood*neighbourhood, d)
	}
	hour := uint16(ms / hourMS)
	if p := &w.people[b]; t.has(b) || p.gone <= hour {
		return
	}
	a := t.members[i].account
	if d.chance(o.lookups) {
		t.act(w, i, ms-int64(d.wait(20*60_000))-5_000, rec{to: b, n: uint16(vedette.LookupManual), kind: vedette.KindNumberLookedUp})
	}
	r := rec{to: b, n: 1, kind: vedette.KindMessageSent, flags: flagsOf(vedette.Yes, vedette.No, w.tellsNone())}
	if d.chance(o.links) {
		u := w.popular(d)
		if len(t.domains) > 0 && d.chance(o.own) {
			// Old names are given up for new ones.
			k := int(float64(len(t.domains)) * float64(ms-t.begin) / float64(max(t.end-t.begin, 1)))
			u = url{x: t.domains[min(max(k, 0), len(t.domains)-1)]}
			if d.chance(o.distinct) {
				u.y = uint32(d.next()) | oneTime
			}
		}
		switch {
		case w.s.Tier == 0:
			r.flags = flagsOf(vedette.Yes, vedette.No, vedette.Unknown)
		case t.plan.Links.Mute:
			r.flags = flagsOf(vedette.Yes, vedette.No, vedette.Unknown)
			t.seen(w, a, b, ms, d, u, o.opens)
		default:
			r.kind, r.x, r.y = vedette.KindLinkSent, u.x, u.y
			t.seen(w, a, b, ms, d, u, o.opens)
		}
	}
	t.act(w, i, ms, r)
	after := ms + 90_000 + int64(d.wait(4*hourMS))
	if d.chance(o.replies) {
		w.push(after, rec{actor: b, to: a, n: 1, kind: vedette.KindMessageSent, flags: flagsOf(vedette.No, vedette.Yes, w.tellsNone())})
		if d.chance(0.6) {
			t.act(w, i, after+int64(d.wait(hourMS)), rec{to: b, n: 1, kind: vedette.KindMessageSent, flags: flagsOf(vedette.No, vedette.Yes, w.tellsNone())})
		}
	}
	if d.chance(o.blocks) {
		w.push(after+30_000, rec{actor: b, to: a, kind: vedette.KindUserBlocked})
	}
	if d.chance(o.reports) {
		w.push(after+40_000, rec{actor: b, to: a, n: uint16(vedette.ReportSpam), kind: vedette.KindUserReported})
	}
}

// seen has an outsider's client show a link, and the outsider open it with that chance.
func (t *team) seen(w *World, a, b uint32, ms int64, d *dice, u url, opens float64) {
	w.show(a, b, 0, ms, d, u, 0.75, min(opens, 1))
}

// strike is the attack on one target.
func (t *team) strike(w *World, g *target, d *dice) {
	a := t.plan.Attack
	i, ms := g.by, g.when
	m := &t.members[i]
	if d.chance(a.Lookup.draw(d)) {
		t.act(w, i, ms-int64(d.between(0.1, 60)*hourMS), rec{to: g.account, n: uint16(vedette.LookupManual), kind: vedette.KindNumberLookedUp})
	}
	if g.method != 2 && d.chance(a.Hello.draw(d)) {
		t.act(w, i, ms-int64(d.between(0.02, 3)*hourMS), rec{to: g.account, n: 1, kind: vedette.KindMessageSent, flags: flagsOf(asMet, vedette.No, w.tellsNone())})
	}
	preview, opens := a.Preview.draw(d), a.Opens.draw(d)
	link := func(ms int64, group uint32, size int, mark bool) {
		r := rec{to: g.account, n: 1, x: g.url.x, y: g.url.y, kind: vedette.KindLinkSent, flags: flagsOf(asMet, vedette.No, 0)}
		if group != 0 {
			r.to, r.n, r.flags = group, uint16(size), flagsOf(vedette.Yes, vedette.No, 0)|toGroup
		}
		if w.s.Tier == 0 || t.plan.Links.Mute {
			r.kind = vedette.KindMessageSent
			if r.x, r.y = 1, 0; t.plan.Links.Mute && w.s.Tier > 0 && d.chance(t.plan.Links.False.draw(d)) {
				u := w.popular(d)
				r.kind, r.x, r.y = vedette.KindLinkSent, u.x, u.y
			}
		}
		if mark {
			t.reach(w, g, ms, r)
		} else {
			t.act(w, i, ms, r)
		}
		if w.s.Tier > 0 {
			w.show(m.account, g.account, group, ms, d, g.url, preview, opens)
		}
	}
	switch g.method {
	case 1: // the target is led to link the attacker's device
		t.reach(w, g, ms, rec{to: g.account, n: 1, kind: vedette.KindMessageSent, flags: flagsOf(asMet, vedette.No, w.tellsNone())})
		c := t.caster(w, d)
		w.stages = append(w.stages, stage{device: 1<<43 | uint64(t.id)<<10 | uint64(len(w.stages)), net: c.net(d)})
		w.push(ms+4*60_000+int64(d.wait(hourMS)), rec{actor: g.account, via: uint32(len(w.stages) - 1), kind: vedette.KindDeviceLinked})
	case 2: // a stranger adds the target to a group
		number := 1<<28 + t.id*64 + 63
		size := 2 + d.below(4)
		if g == &t.targets[0] || !slices.ContainsFunc(t.targets, func(x target) bool { return x.method == 2 && x.when < g.when }) {
			t.act(w, i, ms-int64(d.between(0.05, 20)*hourMS), rec{z: number, n: uint16(size), kind: vedette.KindGroupCreated})
		}
		t.reach(w, g, ms, rec{to: g.account, z: number, n: uint16(size), x: uint32(vedette.JoinAdded), kind: vedette.KindGroupJoined})
		link(ms+60_000+int64(d.wait(40*60_000)), number, size, false)
	default:
		link(ms, 0, 0, true)
	}
	after := ms + 10*60_000 + int64(d.wait(5*hourMS))
	if d.chance(a.Blocks.draw(d)) {
		w.push(after, rec{actor: g.account, to: m.account, kind: vedette.KindUserBlocked})
	}
	if d.chance(a.Reports.draw(d)) {
		r := rec{actor: g.account, to: m.account, n: uint16(vedette.ReportSuspiciousLink), kind: vedette.KindUserReported}
		if g.method != 1 && w.s.Tier > 0 {
			r.x, r.y = g.url.x, g.url.y
		}
		w.stages = append(w.stages, stage{target: g})
		r.via = uint32(len(w.stages) - 1)
		w.push(after+20_000, r)
	}
}

// truth tells of the team what was played.
func (t *team) truth(w *World) Team {
	at := func(ms int64) time.Time { return time.UnixMilli(w.start + ms).UTC() }
	out := Team{
		Name: t.plan.Name + "-" + strconv.Itoa(t.ordinal), Kind: t.plan.Name, Hostile: t.plan.Hostile, AtRisk: t.plan.AtRisk,
		Members: []vedette.AccountID{}, Begins: at(t.first), Ends: at(t.last),
	}
	for i := range t.members {
		m := &t.members[i]
		if m.account >= w.ordinary && w.cast[m.account-w.ordinary].seen == 0 {
			continue // it never came
		}
		out.Members = append(out.Members, w.account(m.account))
		if m.stage != 0 {
			out.Taken = append(out.Taken, w.account(m.account))
		}
	}
	for _, x := range t.domains {
		out.Domains = append(out.Domains, w.domain(x))
	}
	if !t.plan.Hostile {
		return out
	}
	for i := range t.targets {
		g := &t.targets[i]
		if !g.told {
			continue
		}
		x := Target{Account: w.account(g.account), At: time.UnixMilli(g.at).UTC(), By: w.account(t.members[g.by].account), Event: g.event}
		if g.method != 1 {
			x.Domain = w.domain(g.url.x)
		}
		x.Enrolled = w.Enrolled(x.Account)
		out.Targets = append(out.Targets, x)
	}
	slices.SortStableFunc(out.Targets, func(a, b Target) int { return cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()) })
	return out
}
