package population

import (
	"encoding/binary"
	"slices"
	"time"

	"vedette"
)

// Ref is the place of an account, a thing or a domain in the state, good until the next tick or Forget.
type Ref = uint32

// Probe is something that people do seldom and testers often.
type Probe uint8

// The probes.
const (
	Block    Probe = iota // blocked somebody
	Unblock               // took a block back
	Report                // reported somebody
	Ended                 // deleted the account
	Group                 // made a group
	Dissolve              // deleted a group
	Device                // linked a device
	Restored              // came back from deletion
	Returned              // registered on a device that had an account before
	Lookup                // asked for a number by hand
	Probes
)

// Account is what is kept of an account. Hours and days are whole ones since 1970.
type Account struct {
	ID       vedette.AccountID
	Proof    vedette.EventID // of its registration, or the first event of it
	Born     uint32          // hour of registration; 0: before anything is known
	Last     uint32          // hour of its last event; before it acts, of the first event that tells of it
	Woke     uint32          // hour of the first event after Silence, or at first sight of an account that was not registered here; 0: neither
	Build    uint32          // of its first device; 0: unknown
	ASN      uint32          // the last one; 0: unknown
	Country  vedette.Country // of the number
	Carrier  vedette.CarrierClass
	Attest   vedette.Attestation
	Flags    Flag
	Mass     uint8  // established people that it has known for long and that answer, as of the last tick
	Sessions uint16 // of about two weeks; those below are among them
	Foreign  uint16 // from another country than the number's
	Hosted   uint16 // from a hoster's or an anonymous network
	Fresh    uint16 // strangers written to in about two weeks, answered or not
	Strange  uint16 // strangers written to who did not answer
	Mute     uint16 // messages with a link of which no token came, to strangers
	Probes   [Probes]uint8
	Hours    [12]uint8 // activity by hour of the day, UTC: 4 bits each, halved when one is full
	ties     list
	things   list
	domains  list
}

// Flag is a set of yes-or-no properties of an account.
type Flag uint8

// The properties.
const (
	Gone        Flag = 1 << iota // deleted, and not restored
	Registered                   // seen to register
	Established                  // has a life of its own here
	Acted                        // did something itself
	dead                         // will be dropped
)

// Tie is an acquaintance.
type Tie struct {
	Peer    Ref
	Out, In uint8 // messages, up to 255
	first   uint8 // the day since 1970 of the first message, modulo 128, and asked. It follows so that it is never older than oldest when a week begins
	last    uint8 // the day of the last message, modulo 256: what Quiet did not see is dropped each week
}

const (
	asked  = 1 << 7 // in Tie.first: the account wrote first, to a stranger
	oldest = 30     // days
)

// Age is how many days ago they met; those who met longer than a month ago met about a month ago.
func (t *Tie) Age(today uint32) uint32 { return (today - uint32(t.first)) % 128 }

// Quiet is how many days ago one last wrote to the other.
func (t *Tie) Quiet(today uint32) uint32 { return (today - uint32(t.last)) % 256 }

// Asked tells whether the account wrote first, to a stranger.
func (t *Tie) Asked() bool { return t.first&asked != 0 }

// Mutual tells whether both wrote.
func (t *Tie) Mutual() bool { return t.Out > 0 && t.In > 0 }

// Kind is what accounts can share.
type Kind uint8

// The kinds.
const (
	SharedDevice Kind = iota
	SharedNetwork
	SharedBlock
	SharedGroup
	Kinds
)

// Thing is a device, a network, a number block or a group.
type Thing struct {
	key   [8]byte // a narrow: eight bytes that need no place divisible by eight
	who   uint32  // the only account; where shared, the list of uses
	N     uint16  // accounts ever on it, about; saturates
	Last  uint16  // day
	Kind  Kind
	Class vedette.NetworkClass
	state uint8
}

// What is known of who is on a thing.
const (
	alone  = iota // one account
	shared        // those that are named
	over          // more than are named
)

// Over tells whether more accounts are on a thing than are named.
func (t *Thing) Over() bool { return t.state == over }

func (t *Thing) narrow() narrow { return narrow(binary.LittleEndian.Uint64(t.key[:])) }

// Use is an account's part in a thing or a domain.
type Use struct {
	Account Ref
	Hour    uint32          // the last one
	Event   vedette.EventID // the last one; zero: as Account.Proof
}

// Domain is a registrable domain, or a hoster's tenant, that somebody linked to.
type Domain struct {
	key   narrow
	Token vedette.Token
	First uint32 // hour; 0: known before
	Last  uint32 // hour
	N     uint16 // accounts that met it, about; saturates
	Sends uint16
	Shape vedette.ShapeFlag
	Users []Use // of a new one, at most 40
	URLs  []URL
}

// URL is one link of a new domain.
type URL struct {
	Hash    uint32
	Fetched uint8 // previews and openings
}

// State is what is known at one moment of event time.
type State struct {
	accounts table[Account]
	ties     lists[Tie] // of accounts
	on       lists[Ref] // things that accounts are on
	met      lists[Ref] // new domains that accounts met
	things   table[Thing]
	uses     lists[Use] // of things
	domains  []Domain
	byID     index[wide]
	byThing  index[narrow]
	byDomain index[narrow]
	builds   map[uint32]uint32
	asns     map[uint32]uint32
	now      uint32 // hour
	start    uint32 // hour of the first event
	settled  uint32 // hour from which on a first sight is news
	settling uint32 // hours
	day      uint32 // of the last daily work
	lonely   uint8  // the mass up to which an account is lonely, as of the last tick
	active   int    // accounts that were active in the last ten days, as of the last tick
	links    uint64 // events with link tokens
}

func newState(c Config) *State {
	s := &State{settling: uint32(c.Settling / time.Hour), builds: map[uint32]uint32{}, asns: map[uint32]uint32{}}
	s.ties.mine = func(r Ref) *list { return &s.accounts.at(r).ties }
	s.on.mine = func(r Ref) *list { return &s.accounts.at(r).things }
	s.met.mine = func(r Ref) *list { return &s.accounts.at(r).domains }
	s.uses.mine = func(t Ref) *list { return (*list)(&s.things.at(t).who) }
	return s
}

func (s *State) accountKey(r uint32) wide  { return wide(s.accounts.at(r).ID) }
func (s *State) thingKey(r uint32) narrow  { return s.things.at(r).narrow() }
func (s *State) domainKey(r uint32) narrow { return s.domains[r].key }

// Len is how many accounts are kept, gone ones included.
func (s *State) Len() int { return s.accounts.len() }

// Active is how many accounts were active in the ten days before the last tick.
func (s *State) Active() int { return s.active }

// Account returns an account by its place. It is the state's own.
func (s *State) Account(r Ref) *Account { return s.accounts.at(r) }

// Ties, ThingsOf and DomainsOf return an account's acquaintances, what it is on, and the new domains that it met. They are the state's own, good until the next
// event.
func (s *State) Ties(a *Account) []Tie      { return s.ties.items(a.ties) }
func (s *State) ThingsOf(a *Account) []Ref  { return s.on.items(a.things) }
func (s *State) DomainsOf(a *Account) []Ref { return s.met.items(a.domains) }

// Find returns the place of an account.
func (s *State) Find(a vedette.AccountID) (Ref, bool) { return s.byID.find(wide(a), s.accountKey) }

// Things is how many things are kept; Thing returns one.
func (s *State) Things() int        { return s.things.len() }
func (s *State) Thing(r Ref) *Thing { return s.things.at(r) }

// Uses returns who is on a thing, as far as they are named: nil where only one is, or too many.
func (s *State) Uses(t *Thing) []Use {
	if t.state != shared {
		return nil
	}
	return s.uses.items(list(t.who))
}

// Domains is how many domains are kept; Domain returns one.
func (s *State) Domains() int         { return len(s.domains) }
func (s *State) Domain(r Ref) *Domain { return &s.domains[r] }

// FindDomain returns the domain, or the hoster's tenant, that a link leads to.
func (s *State) FindDomain(l *vedette.Link) (Ref, bool) {
	t := unit(l)
	if t.IsZero() {
		return 0, false
	}
	return s.byDomain.find(cut(t.Bytes), s.domainKey)
}

// FindToken returns the domain, or the hoster's tenant, of a token.
func (s *State) FindToken(t vedette.Token) (Ref, bool) {
	if t.IsZero() {
		return 0, false
	}
	return s.byDomain.find(cut(t.Bytes), s.domainKey)
}

// Now is the hour of the last event.
func (s *State) Now() uint32 { return s.now }

// Started is when the first event happened.
func (s *State) Started() time.Time { return time.Unix(int64(s.start)*3600, 0).UTC() }

// Linked tells whether any link token was ever seen: without one nothing can be said of links.
func (s *State) Linked() bool { return s.links > 0 }

// OfBuild and OfASN are how many accounts there are of a build, and how many were last in a network of an operator.
func (s *State) OfBuild(b uint32) uint32 { return s.builds[b] }
func (s *State) OfASN(a uint32) uint32   { return s.asns[a] }

// IsFresh tells whether a domain is new to everybody here.
func (s *State) IsFresh(d *Domain) bool {
	return d.First != 0 && s.now-d.First <= uint32(Fresh/time.Hour) && d.N <= maxUsers
}

// Age is how long ago an account was registered, in hours; ok is false where nobody saw that.
func (s *State) Age(a *Account) (hours uint32, ok bool) {
	if a.Born == 0 {
		return 0, false
	}
	return s.now - min(a.Born, s.now), true
}

// unit is the token by which a link's host is known: of a host that many parties use, the party's.
func unit(l *vedette.Link) vedette.Token {
	if !l.Tenant.IsZero() {
		return l.Tenant
	}
	if l.Shape.Flags.Has(vedette.ShapeSharedHost) {
		return l.URL // a tenant that nobody can tell
	}
	if !l.Domain.IsZero() {
		return l.Domain
	}
	return l.Host
}

// account returns the place of an account, which is made at first sight.
func (s *State) account(id vedette.AccountID, e *Event) Ref {
	if r, ok := s.Find(id); ok {
		return r
	}
	r := s.accounts.add(1)
	a := s.accounts.at(r)
	*a = Account{ID: id, Last: s.now, Proof: e.ID}
	if s.now >= s.settled && (e.Kind != vedette.KindAccountRegistered || e.Actor != id) {
		a.Woke = s.now // it was here before, and silent since before the first event
	}
	s.byID.add(wide(id), r, s.accountKey)
	return r
}

// saw stamps an account's own activity.
func (s *State) saw(r Ref) {
	a := s.accounts.at(r)
	if a.Flags&Acted != 0 && s.now-a.Last >= uint32(Silence/time.Hour) {
		a.Woke = s.now
	}
	a.Last = s.now
	a.Flags |= Acted
	h := s.now % 24
	shift := 4 * (h & 1)
	n := a.Hours[h/2] >> shift & 15
	if n == 15 {
		for i := range a.Hours {
			a.Hours[i] = a.Hours[i] >> 1 & 0x77
		}
		n = 7
	}
	a.Hours[h/2] = a.Hours[h/2]&^(15<<shift) | (n+1)<<shift
}

// Hour is the activity in an hour of the day, UTC, 0 to 15.
func (a *Account) Hour(h int) int { return int(a.Hours[h/2] >> (4 * (h & 1)) & 15) }

func bump[T uint8 | uint16](n *T) {
	if *n+1 != 0 {
		*n++
	}
}

func (s *State) apply(e *Event) {
	s.now = max(s.now, uint32(e.ms/3_600_000))
	if s.start == 0 {
		s.start = s.now
		s.settled = s.now + s.settling
	}
	if e.Actor.IsZero() {
		return
	}
	r := s.account(e.Actor, e)
	s.saw(r)
	a := s.accounts.at(r)
	probe := func(p Probe) { bump(&a.Probes[p]) }
	switch e.Kind {
	case vedette.KindAccountRegistered:
		a.Born, a.Proof = s.now, e.ID
		a.Flags = a.Flags&^Gone | Registered
		a.Country, a.Carrier, a.Attest = e.Number.Country, e.Number.Carrier, e.Attest
		if e.Returned == vedette.Yes {
			probe(Returned)
		}
		if e.Build != 0 && a.Build == 0 {
			a.Build = e.Build
			s.builds[e.Build]++
		}
		s.session(r, e)
		if !e.Number.Block.IsZero() {
			s.use(r, SharedBlock, e.Number.Block, 0, e)
		}
	case vedette.KindAccountSeen:
		s.session(r, e)
	case vedette.KindDeviceLinked:
		probe(Device)
		s.session(r, e)
	case vedette.KindAccountDeleted:
		probe(Ended)
		a.Flags |= Gone
	case vedette.KindAccountRestored:
		probe(Restored)
		a.Flags &^= Gone
	case vedette.KindGroupCreated:
		probe(Group)
		s.use(r, SharedGroup, e.Group, 0, e)
	case vedette.KindGroupDeleted:
		probe(Dissolve)
	case vedette.KindGroupJoined:
		m := r
		if !e.Peer.IsZero() && e.Peer != e.Actor {
			m = s.account(e.Peer, e)
		}
		if e.Size == 0 || e.Size <= maxShared {
			s.use(m, SharedGroup, e.Group, 0, e)
		}
	case vedette.KindMessageSent, vedette.KindLinkSent:
		s.message(r, e)
	case vedette.KindLinkPreviewed, vedette.KindLinkOpened:
		for i := range e.Links {
			s.meet(r, &e.Links[i], e, true)
			if !e.Peer.IsZero() {
				s.meet(s.account(e.Peer, e), &e.Links[i], e, true)
			}
		}
	case vedette.KindNumberLookedUp:
		if e.Lookup != vedette.LookupContactSync {
			probe(Lookup)
		}
	case vedette.KindUserBlocked:
		probe(Block)
	case vedette.KindUserUnblocked:
		probe(Unblock)
	case vedette.KindUserReported:
		probe(Report)
	}
}

// session notes where an account came from, and on what.
func (s *State) session(r Ref, e *Event) {
	a := s.accounts.at(r)
	bump(&a.Sessions)
	if a.Country != (vedette.Country{}) && e.Network.Country != (vedette.Country{}) && a.Country != e.Network.Country {
		bump(&a.Foreign)
	}
	if e.Network.Class == vedette.NetworkHosting || e.Network.Class == vedette.NetworkAnonymous {
		bump(&a.Hosted)
	}
	if e.Network.ASN != 0 && e.Network.ASN != a.ASN {
		if a.ASN != 0 {
			s.asns[a.ASN]--
		}
		a.ASN = e.Network.ASN
		s.asns[a.ASN]++
	}
	if !e.Device.IsZero() {
		s.use(r, SharedDevice, e.Device, 0, e)
	}
	if !e.Network.ID.IsZero() {
		s.use(r, SharedNetwork, e.Network.ID, e.Network.Class, e)
	}
}

// use notes that an account is on a thing.
func (s *State) use(r Ref, kind Kind, id [16]byte, class vedette.NetworkClass, e *Event) {
	k := cut(id) ^ narrow(kind)<<61
	t, ok := s.byThing.find(k, s.thingKey)
	day := uint16(s.now / 24)
	if !ok {
		t = s.things.add(1)
		*s.things.at(t) = Thing{key: k.bytes(), Kind: kind, Class: class, N: 1, Last: day, who: r}
		s.byThing.add(k, t, s.thingKey)
		s.owns(r, t)
		return
	}
	x := s.things.at(t)
	x.Last = day
	switch x.state {
	case alone:
		if x.who == r {
			return
		}
		first := x.who
		x.state, x.who = shared, 0
		s.uses.add(t, Use{Account: first, Hour: s.accounts.at(first).Last})
	case over:
		if s.owns(r, t) {
			bump(&x.N)
		}
		return
	}
	us := s.Uses(x)
	for i := range us {
		if u := &us[i]; u.Account == r {
			u.Hour, u.Event = s.now, e.ID
			return
		}
	}
	if s.owns(r, t) {
		bump(&x.N)
	}
	if !s.Lonely(s.accounts.at(r)) && kind != SharedGroup {
		return // somebody with a life of their own: counted, not named
	}
	if len(us) == maxShared {
		if i := s.weakest(us); i >= 0 {
			us[i] = Use{r, s.now, e.ID}
			return
		}
		s.uses.resize(t, 0)
		x.state = over
		return
	}
	s.uses.add(t, Use{r, s.now, e.ID})
}

// weakest is the place of a use that may be forgotten for another one: of somebody with a life of their own, or two weeks old.
func (s *State) weakest(us []Use) int {
	for i := range us {
		if !s.Lonely(s.accounts.at(us[i].Account)) || s.now-us[i].Hour > uint32(Silence/time.Hour) {
			return i
		}
	}
	return -1
}

// owns notes a thing with an account, and tells whether it was not among the account's things. The oldest is forgotten.
func (s *State) owns(r, t Ref) bool {
	on := s.ThingsOf(s.accounts.at(r))
	if slices.Contains(on, t) {
		return false
	}
	if len(on) == maxThings {
		copy(on, on[1:])
		on[maxThings-1] = t
		return true
	}
	s.on.add(r, t)
	return true
}

// message notes who wrote to whom, and the links in it.
func (s *State) message(r Ref, e *Event) {
	to := r
	if !e.Peer.IsZero() && e.Peer != e.Actor {
		to = s.account(e.Peer, e)
		s.write(r, to, e)
	}
	if e.HasLink == vedette.Yes && len(e.Links) == 0 && e.Stranger == vedette.Yes {
		bump(&s.accounts.at(r).Mute)
	}
	for i := range e.Links {
		s.meet(r, &e.Links[i], e, false)
		if to != r {
			s.meet(to, &e.Links[i], e, false)
		}
	}
}

func (s *State) write(from, to Ref, e *Event) {
	day := uint8(s.now / 24)
	n := uint8(min(e.Count, 255))
	a := s.accounts.at(from)
	t := s.tie(from, to)
	if t == nil {
		t = s.befriend(from, Tie{Peer: to, first: day % 128})
		if e.Stranger != vedette.No {
			t.first |= asked
			bump(&a.Fresh)
			bump(&a.Strange)
		}
	}
	t.Out, t.last = add(t.Out, n), day
	back := s.tie(to, from)
	if back == nil {
		back = s.befriend(to, Tie{Peer: from, first: day % 128})
	}
	if back.Asked() && back.In == 0 {
		if b := s.accounts.at(to); b.Strange > 0 {
			b.Strange-- // answered
		}
	}
	back.In, back.last = add(back.In, n), day
}

func add(a, b uint8) uint8 {
	return uint8(min(int(a)+int(b), 255))
}

func (s *State) tie(r, to Ref) *Tie {
	ts := s.Ties(s.accounts.at(r))
	for i := range ts {
		if ts[i].Peer == to {
			return &ts[i]
		}
	}
	return nil
}

// Tie returns how an account is acquainted with another, or nil.
func (s *State) Tie(r, to Ref) *Tie { return s.tie(r, to) }

// befriend adds an acquaintance. Where there are too many, one without answers goes first, then the one that was quiet longest.
func (s *State) befriend(r Ref, t Tie) *Tie {
	ts := s.Ties(s.accounts.at(r))
	if len(ts) < MaxTies {
		return s.ties.add(r, t)
	}
	least, today := 0, s.now/24
	for i := range ts {
		x, y := &ts[i], &ts[least]
		if x.Mutual() != y.Mutual() && !x.Mutual() || x.Mutual() == y.Mutual() && x.Quiet(today) > y.Quiet(today) {
			least = i
		}
	}
	ts[least] = t
	return &ts[least]
}

// meet notes that an account sent, got or opened a link.
func (s *State) meet(r Ref, l *vedette.Link, e *Event, fetched bool) {
	t := unit(l)
	if t.IsZero() {
		return
	}
	s.links++
	k := cut(t.Bytes)
	d, ok := s.byDomain.find(k, s.domainKey)
	if !ok {
		d = Ref(len(s.domains))
		x := Domain{key: k, Token: t, Shape: l.Shape.Flags}
		if s.now >= s.settled {
			x.First = s.now
		}
		s.domains = append(s.domains, x)
		s.byDomain.add(k, d, s.domainKey)
	}
	x := &s.domains[d]
	x.Last = s.now
	actor := s.accounts.at(r).ID == e.Actor // counted once for an event, not once for each account in it
	if actor && !fetched {
		bump(&x.Sends)
	}
	if x.First == 0 || x.N > maxUsers {
		bump(&x.N)
		return
	}
	if actor {
		s.url(x, l, fetched)
	}
	for i := range x.Users {
		if u := &x.Users[i]; u.Account == r {
			u.Hour, u.Event = s.now, e.ID
			return
		}
	}
	bump(&x.N)
	if len(x.Users) == maxUsers {
		x.Users, x.URLs = nil, nil // many people's: nobody's in particular
		return
	}
	x.Users = append(x.Users, Use{r, s.now, e.ID})
	if met := s.DomainsOf(s.accounts.at(r)); len(met) == maxDomains {
		copy(met, met[1:])
		met[maxDomains-1] = d
		return
	}
	s.met.add(r, d)
}

func (s *State) url(d *Domain, l *vedette.Link, fetched bool) {
	if l.URL.IsZero() {
		return
	}
	h := binary.LittleEndian.Uint32(l.URL.Bytes[:4])
	for i := range d.URLs {
		if u := &d.URLs[i]; u.Hash == h {
			if fetched {
				bump(&u.Fetched)
			}
			return
		}
	}
	if len(d.URLs) < maxURLs {
		u := URL{Hash: h}
		if fetched {
			u.Fetched = 1
		}
		d.URLs = append(d.URLs, u)
	}
}
