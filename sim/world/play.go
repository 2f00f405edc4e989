package world

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"vedette"
)

const (
	slotHours   = 3
	slotsPerDay = 24 / slotHours
	hourMS      = 3_600_000
	slotMS      = slotHours * hourMS
	dayMS       = 24 * hourMS
)

// World is a platform that can be played, again and again.
type World struct {
	s     *Scenario
	seed  uint64
	start int64 // Unix milliseconds
	slots int
	hours int

	// fixed at New
	n           int    // ordinary accounts from the start
	ordinary    uint32 // and the newcomers; team accounts have the numbers from here on
	hoods       uint32
	hoodCountry []uint8
	homes       [8][neighbourhood]uint8
	countries   []country
	weekday     int // of the first day
	mass        [2][24][slotsPerDay]float32
	until       [2][24][slotsPerDay][slotHours]float64
	births      []birth
	people      []person
	cast        []castMember
	teams       []*team
	taken       []stage
	enrolled    map[uint32]bool // true: vouched for
	exits       uint64
	personSeed  uint64
	pairSeed    uint64
	sessionSeed uint64
	file        *graph

	// of one playing
	slot    int
	now     []rec    // of this slot
	buckets [][]rec  // of later ones
	keys    []uint32 // places in now, in order of time
	keys2   []uint32
	table   []uint32
	stages  []stage
	staged  map[uint64]uint16
	met     map[uint64]uint8
	waiting []int32 // teams, by the slot in which they begin; the next one first
	live    []int32
	sites   uint32
	groups  uint32
	rare    []float64
	count   int
	ev      vedette.Event
	body    bodies
	links   [1]vedette.Link
	lastMS  int64
	lastHi  uint64
	stopped bool
	truth   Truth
}

// rec is an event before it is told: 32 bytes.
type rec struct {
	ms    uint32 // in the slot
	actor uint32
	to    uint32 // account; a group with toGroup
	x, y  uint32 // domain and URL; elsewhere: see emit
	z     uint32 // group of a link that was shown; device
	via   uint32 // stage that the actor uses instead of its own device and network; 0: none
	n     uint16 // count; size of a group
	kind  vedette.Kind
	flags uint8
}

const (
	strangerShift = 0
	replyShift    = 2
	linkShift     = 4
	toGroup       = 1 << 6
	silent        = 1 << 7 // happens to the account: nobody comes on
	asMet         = 3      // stranger: yes until the recipient has written
)

func flagsOf(stranger, reply, link vedette.Tri) uint8 {
	return uint8(stranger)<<strangerShift | uint8(reply)<<replyShift | uint8(link)<<linkShift
}

// stage is a device and a network in place of the account's own, and the target that an event reaches.
type stage struct {
	device uint64
	net    netKey
	target *target
}

// New draws a world.
func New(s *Scenario, seed uint64) (*World, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	w := &World{s: s, seed: seed, start: s.Start.UnixMilli(), slots: s.Days() * slotsPerDay, hours: s.Days() * 24, enrolled: map[uint32]bool{}}
	w.weekday = int(s.Start.Weekday())
	w.personSeed, w.pairSeed, w.sessionSeed = w.salted(saltPerson, 0), w.salted(saltPair, 1<<40), w.salted(saltSession, 0)
	w.exits = max(4, uint64(float64(s.Accounts)*(s.Background.Networks.VPN+0.01)/s.Background.Networks.Exits))
	w.hoods = uint32((s.Accounts + neighbourhood - 1) / neighbourhood)
	w.found()
	w.hoodCountry = make([]uint8, w.hoods)
	for i := range w.hoodCountry {
		w.hoodCountry[i] = uint8(w.drawCountry(unit(w.salted(saltCommunity, uint64(i)))))
	}
	w.populate()
	if err := w.openFile(); err != nil {
		return nil, err
	}
	w.drawTeams()
	return w, nil
}

// account is the surrogate of an account.
func (w *World) account(a uint32) vedette.AccountID { return w.wide(saltAccount, uint64(a)) }

func (w *World) number(id vedette.AccountID) (uint32, bool) {
	a, ok := w.narrow(saltAccount, id)
	return uint32(a), ok && a < uint64(w.ordinary)+uint64(len(w.cast))
}

// Enrolled tells whether the account's person told the platform to be at risk.
func (w *World) Enrolled(id vedette.AccountID) bool {
	a, ok := w.number(id)
	if !ok {
		return false
	}
	if _, yes := w.enrolled[a]; yes {
		return true
	}
	return a < w.ordinary && unit(w.salted(saltEnrol, uint64(a))) < w.s.Enrolled.Others
}

// Vouched tells whether a partner vouched for the account's person before the world began.
func (w *World) Vouched(id vedette.AccountID) bool {
	a, ok := w.number(id)
	return ok && w.enrolled[a]
}

// Play tells every event in order of time, and of ids within a millisecond. The event is the world's own and valid until yield returns.
// It ends early when yield returns false. Two worlds must not be played into one another, and a world not twice at once.
func (w *World) Play(yield func(*vedette.Event) bool) {
	w.reset()
	for w.slot = range w.slots {
		w.now = append(w.now[:0], w.buckets[w.slot]...)
		w.buckets[w.slot] = nil
		w.background()
		if w.file != nil {
			w.file.play(w)
		}
		w.play()
		w.tell(yield)
		if w.stopped {
			break
		}
	}
	w.finish()
}

func (w *World) reset() {
	for i := range w.people {
		w.people[i].seen = 0
	}
	for i := range w.cast {
		w.cast[i].seen = 0
	}
	w.buckets = make([][]rec, w.slots)
	w.stages = append(w.stages[:0], stage{})
	w.staged, w.met = map[uint64]uint16{}, map[uint64]uint8{}
	w.sites, w.groups, w.count, w.lastMS, w.lastHi, w.stopped = 0, 1<<27, 0, -1, 0, false
	w.waiting, w.live = w.waiting[:0], w.live[:0]
	for i, t := range w.teams {
		t.reset()
		w.waiting = append(w.waiting, int32(i))
	}
	slices.SortStableFunc(w.waiting, func(a, b int32) int { return cmp.Compare(w.teams[a].wake, w.teams[b].wake) })
	w.ev = vedette.Event{Tenant: "range", Platform: "range", Source: vedette.SourceReplay, Tier: vedette.Tier(w.s.Tier)}
	if w.file != nil {
		w.file.reset(w)
	}
	w.prepare()
}

// push keeps what happens ms after the world began, or drops it when that is not in the world.
func (w *World) push(ms int64, r rec) bool {
	slot := int(ms / slotMS)
	if ms < 0 || slot < w.slot || slot >= w.slots {
		return false
	}
	r.ms = uint32(ms % slotMS)
	if slot == w.slot {
		w.now = append(w.now, r)
	} else {
		w.buckets[slot] = append(w.buckets[slot], r)
	}
	return true
}

// tell sorts the slot's events and yields them.
func (w *World) tell(yield func(*vedette.Event) bool) {
	w.order(w.now)
	w.coalesce(w.now)
	base := w.start + int64(w.slot)*slotMS
	for _, k := range w.keys {
		r := &w.now[k]
		if r.kind == 0 {
			continue
		}
		if w.emit(r, base, yield); w.stopped {
			return
		}
	}
}

// order fills keys with the places of recs in order of time: two passes over the 24 bits of a slot's milliseconds. What was pushed first comes first.
func (w *World) order(recs []rec) {
	n := len(recs)
	w.keys, w.keys2 = slices.Grow(w.keys[:0], n)[:n], slices.Grow(w.keys2[:0], n)[:n]
	var low, high [1 << 12]uint32
	for i := range recs {
		ms := recs[i].ms
		low[ms&(1<<12-1)]++
		high[ms>>12]++
	}
	var a, b uint32
	for i := range low {
		low[i], a = a, a+low[i]
		high[i], b = b, b+high[i]
	}
	for i := range recs {
		p := &low[recs[i].ms&(1<<12-1)]
		w.keys2[*p] = uint32(i)
		*p++
	}
	for _, k := range w.keys2 {
		p := &high[recs[k].ms>>12]
		w.keys[*p] = k
		*p++
	}
}

// coalesce makes one event of all messages that one account sends another, or a group, in one hour: the first one counts the others.
func (w *World) coalesce(recs []rec) {
	size := 64
	for size < 2*len(recs) {
		size *= 2
	}
	w.table = slices.Grow(w.table[:0], size)[:size]
	clear(w.table)
	for _, k := range w.keys {
		r := &recs[k]
		if r.kind != vedette.KindMessageSent || r.via != 0 {
			continue
		}
		hour := r.ms / hourMS
		at := int(mix(uint64(r.actor)<<32^uint64(r.to)^uint64(hour)<<60^uint64(r.flags)<<52)) & (size - 1)
		for ; ; at = (at + 1) & (size - 1) {
			if w.table[at] == 0 {
				w.table[at] = k + 1
				break
			}
			f := &recs[w.table[at]-1]
			if f.actor != r.actor || f.to != r.to || f.ms/hourMS != hour || f.flags != r.flags {
				continue
			}
			if r.kind = 0; r.flags&toGroup != 0 {
				f.x += max(r.x, 1)
			} else {
				f.n = uint16(min(int(f.n)+max(int(r.n), 1), math.MaxUint16))
			}
			break
		}
	}
}

// bodies are one of each kind, used again and again.
type bodies struct {
	registered vedette.AccountRegistered
	seen       vedette.AccountSeen
	deleted    vedette.AccountDeleted
	restored   vedette.AccountRestored
	linked     vedette.DeviceLinked
	unlinked   vedette.DeviceUnlinked
	created    vedette.GroupCreated
	joined     vedette.GroupJoined
	left       vedette.GroupLeft
	ended      vedette.GroupDeleted
	message    vedette.MessageSent
	link       vedette.LinkSent
	previewed  vedette.LinkPreviewed
	opened     vedette.LinkOpened
	lookedUp   vedette.NumberLookedUp
	blocked    vedette.UserBlocked
	unblocked  vedette.UserUnblocked
	reported   vedette.UserReported
	profile    vedette.ProfileChanged
}

func (w *World) send(actor uint32, ms int64, body vedette.Body, yield func(*vedette.Event) bool) {
	w.count++
	hi := w.salted(saltEvent, uint64(w.count))
	// Ids rise within a millisecond, so that the order is one of time and id.
	if ms == w.lastMS && hi <= w.lastHi {
		hi = w.lastHi + 1 + hi>>40
	}
	w.lastMS, w.lastHi = ms, hi
	e := &w.ev
	binary.BigEndian.PutUint64(e.ID[:], hi)
	binary.BigEndian.PutUint64(e.ID[8:], mix(hi^saltEvent))
	e.Actor = w.account(actor)
	e.At = time.UnixMilli(ms).UTC()
	e.Seen = e.At
	e.Body = body
	if !yield(e) {
		w.stopped = true
	}
}

// emit tells one event, before it that the account was seen, where that is news.
func (w *World) emit(r *rec, base int64, yield func(*vedette.Event) bool) {
	ms := base + int64(r.ms)
	since := ms - w.start
	hour := int(since / hourMS)
	var last *uint32
	if r.actor < w.ordinary {
		p := &w.people[r.actor]
		if r.via == 0 && r.kind != vedette.KindAccountRegistered && r.flags&silent == 0 && !p.awake(hour) {
			return
		}
		last = &p.seen
	} else {
		c := &w.cast[r.actor-w.ordinary]
		if !c.there(since) && r.kind != vedette.KindAccountRegistered && r.flags&silent == 0 {
			return
		}
		last = &c.seen
	}
	if *last == 0 {
		*last = 1 // it did something, if only to end
	}
	device, net := uint64(0), netKey(0)
	var hit *target
	if r.via != 0 {
		s := &w.stages[r.via]
		device, net, hit = s.device, s.net, s.target
	}
	if net == 0 && r.flags&silent == 0 {
		device, net = w.device(r.actor), w.natural(r.actor, hour)
		key := uint32(hour+1)<<20 | uint32(mix(uint64(net))>>44)
		if *last != key {
			*last = key
			if r.kind != vedette.KindAccountRegistered && r.kind != vedette.KindAccountSeen {
				w.body.seen.Device = w.wide(saltDevice, device)
				w.network(net, &w.body.seen.Network)
				if w.send(r.actor, ms, &w.body.seen, yield); w.stopped {
					return
				}
			}
		} else if r.kind == vedette.KindAccountSeen {
			return
		}
	} else if r.flags&silent == 0 {
		key := mix(uint64(r.actor)<<32 ^ uint64(net))
		if w.staged[key] != uint16(hour+1) {
			w.staged[key] = uint16(hour + 1)
			if r.kind != vedette.KindAccountRegistered && r.kind != vedette.KindAccountSeen {
				w.body.seen.Device = w.wide(saltDevice, device)
				w.network(net, &w.body.seen.Network)
				if w.send(r.actor, ms, &w.body.seen, yield); w.stopped {
					return
				}
			}
		} else if r.kind == vedette.KindAccountSeen {
			return
		}
	}
	b := &w.body
	var body vedette.Body
	switch r.kind {
	case vedette.KindMessageSent:
		m := &b.message
		m.To = w.recipient(r)
		m.Count = max(r.n, 1)
		if r.flags&toGroup != 0 {
			m.To.Size, m.Count = r.n, uint16(min(max(r.x, 1), math.MaxUint16))
		}
		h := mix(uint64(r.ms)<<32 ^ uint64(r.actor))
		m.Size = uint8(4 + h%6)
		m.Forwarded = 0
		if h>>20%40 == 0 {
			m.Forwarded = uint8(1 + h>>30%3)
		}
		m.HasLink = vedette.Tri(r.flags >> linkShift & 3)
		m.Reply = vedette.Tri(r.flags >> replyShift & 3)
		m.Stranger = w.stranger(r)
		body = m
	case vedette.KindAccountSeen:
		b.seen.Device = w.wide(saltDevice, device)
		w.network(net, &b.seen.Network)
		body = &b.seen
	case vedette.KindLinkSent:
		m := &b.link
		m.To = w.recipient(r)
		if r.flags&toGroup != 0 {
			m.To.Size = r.n
		}
		m.Links = w.link(r)
		m.Reply = vedette.Tri(r.flags >> replyShift & 3)
		m.Stranger = w.stranger(r)
		m.Forwarded = 0
		if h := mix(uint64(r.ms)<<32 ^ uint64(r.actor)); r.y>>31 == 0 && h%20 == 0 {
			m.Forwarded = uint8(1 + h>>30%3)
		}
		body = m
	case vedette.KindLinkPreviewed:
		b.previewed = vedette.LinkPreviewed{From: w.account(r.to), Links: w.link(r)}
		if r.z != 0 {
			b.previewed.Group = w.wide(saltGroup, uint64(r.z))
		}
		body = &b.previewed
	case vedette.KindLinkOpened:
		b.opened = vedette.LinkOpened{From: w.account(r.to), Links: w.link(r)}
		if r.z != 0 {
			b.opened.Group = w.wide(saltGroup, uint64(r.z))
		}
		body = &b.opened
	case vedette.KindAccountRegistered:
		t := w.trait(r.actor)
		b.registered = vedette.AccountRegistered{
			Device: w.wide(saltDevice, device), Build: t.build, Number: t.number, Attestation: t.attest, Returned: vedette.TriOf(t.back),
		}
		w.network(net, &b.registered.Network)
		body = &b.registered
	case vedette.KindAccountDeleted:
		b.deleted.Reason = vedette.DeletionReason(r.n)
		body = &b.deleted
	case vedette.KindAccountRestored:
		body = &b.restored
	case vedette.KindDeviceLinked:
		if r.via == 0 {
			device = uint64(r.z)<<32 | uint64(r.actor)
		}
		b.linked.Device = w.wide(saltDevice, device)
		w.network(net, &b.linked.Network)
		body = &b.linked
	case vedette.KindDeviceUnlinked:
		b.unlinked.Device = w.wide(saltDevice, uint64(r.z)<<32|uint64(r.actor))
		body = &b.unlinked
	case vedette.KindGroupCreated:
		b.created = vedette.GroupCreated{Group: w.wide(saltGroup, uint64(r.z)), Size: r.n}
		body = &b.created
	case vedette.KindGroupJoined:
		b.joined = vedette.GroupJoined{Group: w.wide(saltGroup, uint64(r.z)), Member: w.account(r.to), By: vedette.JoinWay(r.x), Size: r.n}
		body = &b.joined
	case vedette.KindGroupLeft:
		b.left = vedette.GroupLeft{Group: w.wide(saltGroup, uint64(r.z)), Member: w.account(r.to)}
		body = &b.left
	case vedette.KindGroupDeleted:
		b.ended.Group = w.wide(saltGroup, uint64(r.z))
		body = &b.ended
	case vedette.KindNumberLookedUp:
		b.lookedUp = vedette.NumberLookedUp{Via: vedette.LookupWay(r.n)}
		if r.to != none {
			b.lookedUp.Target = w.account(r.to)
		}
		body = &b.lookedUp
	case vedette.KindUserBlocked:
		b.blocked.Subject = w.account(r.to)
		body = &b.blocked
	case vedette.KindUserUnblocked:
		b.unblocked.Subject = w.account(r.to)
		body = &b.unblocked
	case vedette.KindUserReported:
		b.reported = vedette.UserReported{Subject: w.account(r.to), Category: vedette.ReportCategory(r.n)}
		if hit != nil && hit.told {
			b.reported.Message = hit.event
		}
		if r.x != 0 {
			b.reported.Links = w.link(r)
		}
		body = &b.reported
	case vedette.KindProfileChanged:
		body = &b.profile
	default:
		panic("world: nobody does " + r.kind.String()) // a kind that is pushed has its case here
	}
	w.send(r.actor, ms, body, yield)
	if hit != nil && !hit.told && r.kind != vedette.KindUserReported {
		hit.told = true
		hit.at, hit.event = ms, w.ev.ID
	}
}

func (w *World) recipient(r *rec) vedette.Recipient {
	if r.flags&toGroup != 0 {
		return vedette.Recipient{Group: w.wide(saltGroup, uint64(r.to))}
	}
	return vedette.Recipient{Account: w.account(r.to)}
}

// stranger answers for the recipient's client: whoever is no contact is a stranger until the recipient has written.
func (w *World) stranger(r *rec) vedette.Tri {
	t := r.flags >> strangerShift & 3
	if t != asMet {
		return vedette.Tri(t)
	}
	a, b, mine, theirs := r.actor, r.to, uint8(1), uint8(2)
	if a > b {
		a, b, mine, theirs = b, a, 2, 1
	}
	key := uint64(a)<<32 | uint64(b)
	was := w.met[key]
	w.met[key] = was | mine
	return vedette.TriOf(was&theirs == 0)
}

// Numbers of domains: the popular ones come first.
const (
	firstSite = 1 << 24
	firstOwn  = 1 << 28 // of teams, domainsEach for each
	hosted    = 1 << 31 // a place on a popular host
	oneTime   = 1 << 31 // in a URL's number: made for one recipient

	domainsEach = 128
)

// domain is the token that a domain is counted by.
func (w *World) domain(x uint32) vedette.Token {
	if x&hosted != 0 {
		return vedette.Token{Kind: vedette.TokenTenant, Epoch: 1, Bytes: w.wide(saltHoster, uint64(x))}
	}
	return vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: w.wide(saltDomain, uint64(x))}
}

func (w *World) link(r *rec) []vedette.Link {
	l := &w.links[0]
	x, url := r.x, uint64(r.x)<<32|uint64(r.y)
	h := mix(uint64(x)*0x9e3779b97f4a7c15 + 1)
	p := mix(url + 1)
	*l = vedette.Link{URL: vedette.Token{Kind: vedette.TokenURL, Epoch: 1, Bytes: w.wide(saltURL, url)}}
	s := &l.Shape
	s.HostLabels = 2
	s.PathSegments = uint8(1 + p%3)
	s.QueryKeys = uint8(p >> 8 % 8 / 6)
	s.Entropy = uint8(28 + p>>16%20)
	s.Length = uint16(22 + p>>24%50)
	if p>>32%10 == 0 || r.y&oneTime != 0 {
		s.TokenLike = uint8(1 + p>>40%7/6)
		s.Entropy = uint8(52 + p>>16%16)
		s.Length += 12
	}
	host := uint64(x) << 1
	if x&hosted != 0 {
		l.Tenant = w.domain(x)
		x = uint32(2 + h%12)
		host = uint64(x) << 1
		s.Flags |= vedette.ShapeSharedHost
	} else if x < firstSite && r.y%3 == 0 || x >= firstSite && h%4 == 0 {
		host |= 1
		s.HostLabels = 3
	}
	switch f := h >> 20 % 200; {
	case f < 2:
		s.Flags |= vedette.ShapeShortener
	case f < 6:
		s.Flags |= vedette.ShapeInsecure
	case f < 7:
		s.Flags |= vedette.ShapeIDN
	case f < 9:
		s.Flags |= vedette.ShapeConfusable
	}
	l.Domain = w.domain(x)
	l.Host = vedette.Token{Kind: vedette.TokenHost, Epoch: 1, Bytes: w.wide(saltHost, host)}
	return w.links[:1]
}

// finish gathers the truth.
func (w *World) finish() {
	t := &w.truth
	day := func(n int) time.Time { return w.s.Start.AddDate(0, 0, n).UTC() }
	*t = Truth{
		Scenario: w.s.Name, Seed: w.seed, Tier: w.s.Tier, Events: w.count,
		Start: day(0), Learning: day(w.s.Warmup), Test: day(w.s.Warmup + w.s.Learning), End: day(w.s.Days()), Teams: []Team{},
	}
	for i := range w.people {
		if w.people[i].seen != 0 {
			t.Accounts++
		}
	}
	for i := range w.cast {
		if w.cast[i].seen != 0 {
			t.Accounts++
		}
	}
	for _, x := range w.teams {
		if x.first < x.last || x.first != math.MaxInt64 {
			t.Teams = append(t.Teams, x.truth(w))
		}
	}
}

// Truth is complete after Play has run through; before it is empty.
func (w *World) Truth() *Truth { return &w.truth }

func sortBirths(b []birth) {
	slices.SortStableFunc(b, func(x, y birth) int { return cmp.Compare(x.hour, y.hour) })
}
