package baseline

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"vedette"
)

// What all methods must know.
const (
	maxTies  = 16
	maxUses  = 24       // names with a device, network or domain; one more, and it is everybody's
	freshFor = 21 * 24  // hours that a domain is new
	silence  = 14 * 24  // hours after which an account that comes back wakes
	window   = 21 * 24  // hours that a hit counts
	youngFor = 30 * 24  // hours that an account is young to the rules
	settling = 14 * 24  // hours after the beginning in which whatever is met counts as known before: seldom met old domains are many
	unknown  = -1 << 20 // an hour before all others
)

// hit is one suspicious thing of an account.
type hit uint8

const (
	isVoIP hit = iota
	isMachine
	unvouched
	returned
	fromHoster
	fromAbroad
	sharedDevice
	lookedUp
	lookedUpOften
	sentFresh
	sentConfined
	blocked
	unblocked
	reported
	madeGroup
	endedGroup
	linkedDevice
	restored
	deleted
	woke
	hits
	isYoung = hits // by age, not by date
)

// The probes that people do seldom.
var probesOf = []hit{lookedUp, blocked, unblocked, reported, madeGroup, endedGroup, linkedDevice, restored, deleted}

type tie struct {
	peer    uint32
	out, in uint16
	last    uint16 // day
}

func (t *tie) mutual() bool { return t.out > 0 && t.in > 0 }

type person struct {
	id                       vedette.AccountID
	born                     int64 // ms; 0: before the world began
	first, last, woken       int32 // hours; woken: unknown if never
	hit                      [hits]int32
	counts                   [hits]uint16 // fading by half each week
	ties                     []tie
	fresh                    []uint32 // domains, the latest eight
	build                    uint32
	asn                      uint32
	block                    uint64
	home                     vedette.Country
	sessions, hosted, abroad uint16 // fading
	strangers                uint16 // written to, fading
	unanswered               uint16
	mass                     uint8
	settled, gone            bool
	net                      uint64 // last
	netDay                   int32
	device                   uint64
}

type use struct {
	who  uint32
	hour int32
}

type thing struct {
	key    uint64
	uses   []use
	last   int32
	device bool
	over   bool
	class  vedette.NetworkClass
}

type domain struct {
	token vedette.Token
	first int32
	known bool // met while settling
	users []use
	n     int // users, no more than one over the cap
	sends int
	opens int
	urls  []uint64 // different ones, at most eight
}

func (d *domain) confined() bool { return d.n <= maxUses }

// happening is an event with its people and links looked up.
type happening struct {
	*vedette.Event
	kind  vedette.Kind
	actor uint32
	peer  uint32 // no one: none
	links []uint32
	ms    int64
}

const nobody = ^uint32(0)

type ledger struct {
	origin  int64 // hours since 1970 of the world's first day
	hour    int32
	day     int32
	people  []person
	byID    map[uint64]uint32
	things  []thing
	free    []uint32
	byThing map[uint64]uint32
	domains []domain
	byToken map[uint64]uint32
	builds  map[uint32]int
	asns    map[uint32]int
	rare    [hits + 1]float64 // of a hit: how few of the active accounts have it, in bits
	active  int
	struck  bool // the last event was a hit of an account that had none of its kind for a day
}

func newLedger() ledger {
	return ledger{day: -1, byID: map[uint64]uint32{}, byThing: map[uint64]uint32{}, byToken: map[uint64]uint32{}, builds: map[uint32]int{}, asns: map[uint32]int{}}
}

// short makes a key of a surrogate; surrogates are as good as random, so that two of a million with one key are one in thirty million worlds.
func short(b *[16]byte) uint64 {
	return binary.LittleEndian.Uint64(b[:8]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(b[8:]), 29)
}

func (l *ledger) who(id *vedette.AccountID) uint32 {
	k := short((*[16]byte)(id))
	n, ok := l.byID[k]
	if !ok {
		n = uint32(len(l.people))
		l.byID[k] = n
		l.people = append(l.people, person{id: *id, first: -1, last: unknown, woken: unknown})
		p := &l.people[n]
		for i := range p.hit {
			p.hit[i] = unknown
		}
	}
	return n
}

// met is what a link is counted by: the hoster's tenant on a shared host, or else the registrable domain.
func met(x *vedette.Link) *vedette.Token {
	if !x.Tenant.IsZero() {
		return &x.Tenant
	}
	return &x.Domain
}

func (l *ledger) domainOf(t *vedette.Token) uint32 {
	k := short(&t.Bytes)
	n, ok := l.byToken[k]
	if !ok {
		n = uint32(len(l.domains))
		l.byToken[k] = n
		l.domains = append(l.domains, domain{token: *t, first: l.hour, known: l.hour < settling})
	}
	return n
}

func (l *ledger) isFresh(d *domain) bool { return !d.known && l.hour-d.first <= freshFor }

func (l *ledger) thingOf(key uint64, device bool, class vedette.NetworkClass) *thing {
	n, ok := l.byThing[key]
	if !ok {
		if k := len(l.free); k > 0 {
			n, l.free = l.free[k-1], l.free[:k-1]
		} else {
			n = uint32(len(l.things))
			l.things = append(l.things, thing{})
		}
		l.byThing[key] = n
		t := &l.things[n]
		*t = thing{key: key, device: device, class: class, uses: t.uses[:0]}
	}
	return &l.things[n]
}

// read looks up whom and what an event is about. It tells whether there is anything to do with it.
func (l *ledger) read(e *vedette.Event, h *happening) bool {
	if e.Body == nil || e.Actor.IsZero() {
		return false
	}
	ms := e.At.UnixMilli()
	l.hour = int32(ms/3_600_000 - l.origin)
	l.day = l.hour / 24
	*h = happening{Event: e, kind: e.Kind(), actor: l.who(&e.Actor), peer: nobody, links: h.links[:0], ms: ms}
	var peer *vedette.AccountID
	switch b := e.Body.(type) {
	case *vedette.MessageSent:
		peer = &b.To.Account
	case *vedette.LinkSent:
		peer = &b.To.Account
	case *vedette.LinkPreviewed:
		peer = &b.From
	case *vedette.LinkOpened:
		peer = &b.From
	case *vedette.NumberLookedUp:
		peer = &b.Target
	case *vedette.UserBlocked:
		peer = &b.Subject
	case *vedette.UserUnblocked:
		peer = &b.Subject
	case *vedette.UserReported:
		peer = &b.Subject
	case *vedette.GroupJoined:
		peer = &b.Member
	}
	if peer != nil && !peer.IsZero() {
		h.peer = l.who(peer)
	}
	list := e.Links()
	for i := range list {
		if t := met(&list[i]); !t.IsZero() {
			h.links = append(h.links, l.domainOf(t))
		}
	}
	return true
}

// tied is what a has of b, or nil.
func (l *ledger) tied(a, b uint32) *tie {
	ts := l.people[a].ties
	for i := range ts {
		if ts[i].peer == b {
			return &ts[i]
		}
	}
	return nil
}

// bind returns what a has of b, in the place of the oldest acquaintance if all are taken.
func (l *ledger) bind(a, b uint32) *tie {
	if t := l.tied(a, b); t != nil {
		return t
	}
	p := &l.people[a]
	if len(p.ties) < maxTies {
		p.ties = append(p.ties, tie{peer: b})
		return &p.ties[len(p.ties)-1]
	}
	old := &p.ties[0]
	for i := range p.ties {
		t := &p.ties[i]
		if t.mutual() != old.mutual() {
			if !t.mutual() {
				old = t
			}
		} else if t.last < old.last {
			old = t
		}
	}
	*old = tie{peer: b}
	return old
}

func add(to *uint16, n uint16) { *to = uint16(min(math.MaxUint16, uint32(*to)+uint32(n))) }

func (l *ledger) strike(p *person, what hit) {
	l.struck = l.struck || l.hour-p.hit[what] >= 24
	p.hit[what] = l.hour
	add(&p.counts[what], 1)
}

// settle takes what happened into the ledger.
func (l *ledger) settle(h *happening) {
	p := &l.people[h.actor]
	if p.first < 0 {
		p.first = l.hour
		if h.kind != vedette.KindAccountRegistered && l.hour >= silence {
			p.woken = l.hour
			p.hit[woke] = l.hour
		}
	} else if p.last > unknown && l.hour-p.last >= silence {
		p.woken = l.hour
		p.hit[woke] = l.hour
		l.struck = true
	}
	p.last = l.hour
	switch b := h.Body.(type) {
	case *vedette.AccountRegistered:
		p.born, p.build, p.gone, p.first = h.ms, b.Build, false, l.hour
		p.block = short((*[16]byte)(&b.Number.Block))
		if b.Build != 0 {
			l.builds[b.Build]++
		}
		p.home = b.Number.Country
		switch b.Number.Carrier {
		case vedette.CarrierVoIP:
			l.strike(p, isVoIP)
		case vedette.CarrierMachine:
			l.strike(p, isMachine)
		}
		if b.Attestation == vedette.AttestFail || b.Attestation == vedette.AttestNone {
			l.strike(p, unvouched)
		}
		if b.Returned == vedette.Yes {
			l.strike(p, returned)
		}
		l.came(h.actor, &b.Device, &b.Network)
	case *vedette.AccountSeen:
		l.came(h.actor, &b.Device, &b.Network)
	case *vedette.AccountDeleted:
		p.gone = true
		l.strike(p, deleted)
	case *vedette.AccountRestored:
		p.gone = false
		l.strike(p, restored)
	case *vedette.DeviceLinked:
		l.strike(p, linkedDevice)
		l.came(h.actor, &b.Device, &b.Network)
	case *vedette.GroupCreated:
		l.strike(p, madeGroup)
	case *vedette.GroupDeleted:
		l.strike(p, endedGroup)
	case *vedette.MessageSent:
		l.wrote(h, max(b.Count, 1), b.Stranger)
	case *vedette.LinkSent:
		l.wrote(h, 1, b.Stranger)
		l.meets(h, b.Links, true)
	case *vedette.LinkPreviewed:
		l.meets(h, b.Links, false)
	case *vedette.LinkOpened:
		l.meets(h, b.Links, false)
		for _, x := range h.links {
			l.domains[x].opens++
		}
	case *vedette.NumberLookedUp:
		if b.Via == vedette.LookupManual {
			l.strike(p, lookedUp)
			if p.counts[lookedUp] >= 3 {
				p.hit[lookedUpOften] = l.hour
			}
		}
	case *vedette.UserBlocked:
		l.strike(p, blocked)
	case *vedette.UserUnblocked:
		l.strike(p, unblocked)
	case *vedette.UserReported:
		l.strike(p, reported)
	}
}

// came notes device and network of an account.
func (l *ledger) came(who uint32, device *vedette.DeviceID, n *vedette.Network) {
	p := &l.people[who]
	add(&p.sessions, 1)
	switch n.Class {
	case vedette.NetworkHosting, vedette.NetworkAnonymous:
		add(&p.hosted, 1)
		if n.Class == vedette.NetworkHosting {
			l.strike(p, fromHoster)
		}
	}
	if n.Country != (vedette.Country{}) {
		if p.home == (vedette.Country{}) {
			p.home = n.Country
		}
		if n.Country != p.home {
			add(&p.abroad, 1)
			l.strike(p, fromAbroad)
		}
	}
	if n.ASN != 0 && p.asn != n.ASN {
		if p.asn != 0 {
			l.asns[p.asn]--
		}
		p.asn = n.ASN
		l.asns[n.ASN]++
	}
	d, k := short((*[16]byte)(device)), short((*[16]byte)(&n.ID))
	again := p.netDay == l.day+1
	p.netDay = l.day + 1
	if d != 0 && (!again || p.device != d) {
		p.device = d
		t := l.thingOf(d, true, 0)
		l.uses(t, who)
		if len(t.uses) > 1 || t.over {
			p.hit[sharedDevice] = l.hour
			for _, u := range t.uses {
				l.people[u.who].hit[sharedDevice] = l.hour
			}
		}
	}
	if k != 0 && (!again || p.net != k) {
		p.net = k
		l.uses(l.thingOf(k, false, n.Class), who)
	}
}

func (l *ledger) uses(t *thing, who uint32) {
	t.last = l.hour
	if t.over {
		return
	}
	for i := range t.uses {
		if t.uses[i].who == who {
			t.uses[i].hour = l.hour
			return
		}
	}
	if len(t.uses) == maxUses {
		t.over, t.uses = true, t.uses[:0]
		return
	}
	t.uses = append(t.uses, use{who, l.hour})
}

// wrote notes that one wrote to another.
func (l *ledger) wrote(h *happening, n uint16, stranger vedette.Tri) {
	p := &l.people[h.actor]
	if h.peer == nobody || h.peer == h.actor {
		return
	}
	t := l.bind(h.actor, h.peer)
	if t.out == 0 && t.in == 0 && stranger != vedette.No {
		add(&p.strangers, 1)
		add(&p.unanswered, 1)
	}
	add(&t.out, n)
	t.last = uint16(l.day)
	r := l.bind(h.peer, h.actor)
	if r.in == 0 && r.out > 0 && l.people[h.peer].unanswered > 0 {
		l.people[h.peer].unanswered--
	}
	add(&r.in, n)
	r.last = uint16(l.day)
}

// meets notes who met a link.
func (l *ledger) meets(h *happening, list []vedette.Link, sent bool) {
	p := &l.people[h.actor]
	for i, x := range h.links {
		d := &l.domains[x]
		if sent {
			d.sends++
		}
		if d.known || !l.isFresh(d) {
			continue
		}
		if i < len(list) {
			if u := short(&list[i].URL.Bytes); len(d.urls) < 8 && !slices.Contains(d.urls, u) {
				d.urls = append(d.urls, u)
			}
		}
		l.joins(d, x, h.actor)
		if h.peer != nobody {
			l.joins(d, x, h.peer)
		}
		if sent {
			l.strike(p, sentFresh)
			if d.confined() {
				l.strike(p, sentConfined)
			}
		}
	}
}

func (l *ledger) joins(d *domain, x, who uint32) {
	if d.n > maxUses {
		return
	}
	for i := range d.users {
		if d.users[i].who == who {
			d.users[i].hour = l.hour
			return
		}
	}
	if d.n++; d.n > maxUses {
		d.users = nil
		return
	}
	d.users = append(d.users, use{who, l.hour})
	p := &l.people[who]
	if len(p.fresh) == 8 {
		copy(p.fresh, p.fresh[1:])
		p.fresh = p.fresh[:7]
	}
	p.fresh = append(p.fresh, x)
}

// old tells whether an account is older than a month.
func (l *ledger) old(p *person) bool {
	return p.born == 0 || int64(l.hour)-(p.born/3_600_000-l.origin) > 30*24
}

// age in hours; of accounts from before the world began a year and what has passed since.
func (l *ledger) age(p *person, ms int64) float64 {
	if p.born == 0 {
		return 365*24 + float64(l.hour)
	}
	return float64(ms-p.born) / 3_600_000
}

func (l *ledger) young(p *person) bool {
	return p.born != 0 && int64(l.hour)-(p.born/3_600_000-l.origin) <= youngFor
}

// lonely tells whether an account is one of those that groups are made of: at most three established acquaintances, and active in the last ten days.
func (l *ledger) lonely(p *person) bool {
	return p.mass <= 3 && l.hour-p.last <= 240 && p.first >= 0
}

// daily counts who knows whom, forgets what is old, and lets counts fade once a week, each account on its own day.
func (l *ledger) daily() {
	l.day = l.hour / 24
	for i := range l.people {
		p := &l.people[i]
		n := 0
		if l.old(p) {
			for k := range p.ties {
				if t := &p.ties[k]; t.mutual() && l.old(&l.people[t.peer]) {
					n++
				}
			}
		}
		p.settled = n >= 5
	}
	l.active = 0
	var with [hits + 1]int
	for i := range l.people {
		p := &l.people[i]
		mass := uint8(0)
		for k := range p.ties {
			if t := &p.ties[k]; t.mutual() && l.people[t.peer].settled {
				mass++
			}
		}
		p.mass = mass
		if l.hour-p.last <= 240 {
			l.active++
			for k := range p.hit {
				if l.hour-p.hit[k] <= window {
					with[k]++
				}
			}
			if l.young(p) {
				with[isYoung]++
			}
		}
		if int32(i%7) == l.day%7 {
			p.sessions, p.hosted, p.abroad = p.sessions/2, p.hosted/2, p.abroad/2
			p.strangers, p.unanswered = p.strangers/2, p.unanswered/2
			for k := range p.counts {
				p.counts[k] /= 2
			}
			for k := range p.ties {
				if t := &p.ties[k]; t.out > 8 || t.in > 8 {
					t.out, t.in = (t.out+1)/2, (t.in+1)/2
				}
			}
		}
	}
	for k := range with {
		l.rare[k] = -math.Log2((float64(with[k]) + .5) / (float64(l.active) + 1))
	}
	for i := range l.things {
		t := &l.things[i]
		if t.key == 0 {
			continue
		}
		if l.hour-t.last > silence {
			delete(l.byThing, t.key)
			*t = thing{uses: t.uses[:0]}
			l.free = append(l.free, uint32(i))
		} else if len(t.uses) > 0 {
			t.uses = slices.DeleteFunc(t.uses, func(u use) bool { return l.hour-u.hour > silence })
		}
	}
}

// rarity is how surprising it is that somebody shares a thing of n accounts, in bits.
func (l *ledger) rarity(n int) float64 {
	return math.Log2(float64(max(l.active, 2)) / float64(max(n, 1)))
}
