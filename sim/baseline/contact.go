package baseline

import (
	"math"
	"time"

	"vedette"
	"vedette/sim/score"
)

// contacts keeps identities of who sends what to strangers in a week: a domain that few have met, or else the sender. What goes on is told of again each week,
// as the watch does: whoever was told of at a rehearsal can be told of at the attack.
type contacts struct {
	accounts
	b       *Bench
	senders map[uint64][]uint32 // by identity, in order of time, at most maxUses
}

func newContacts(b *Bench) contacts {
	return contacts{newAccounts(), b, map[uint64][]uint32{}}
}

// first tells whether an event is a first contact with a link, who sent it to whom, and the link: told by the sender's client, or by the recipient's if the
// sender's tells nothing.
func (x *contacts) first(e *happening) (from, to uint32, link int, ok bool) {
	if e.peer == nobody || len(e.links) == 0 {
		return 0, 0, 0, false
	}
	switch b := e.Body.(type) {
	case *vedette.LinkSent:
		if b.Stranger != vedette.Yes {
			return 0, 0, 0, false
		}
		from, to = e.actor, e.peer
	case *vedette.LinkPreviewed:
		if !b.Group.IsZero() {
			return 0, 0, 0, false
		}
		from, to = e.peer, e.actor
	case *vedette.LinkOpened:
		if !b.Group.IsZero() {
			return 0, 0, 0, false
		}
		from, to = e.peer, e.actor
	default:
		return 0, 0, 0, false
	}
	if e.kind != vedette.KindLinkSent {
		t := x.b.tied(from, to)
		if t != nil && (t.in > 0 || t.out > 4) { // they talk, or have for some time
			return 0, 0, 0, false
		}
	}
	for i, d := range e.links { // the rarest
		if x.b.domains[d].n < x.b.domains[e.links[link]].n && !x.b.domains[d].known {
			link = i
		}
	}
	return from, to, link, true
}

// tell raises what the contact belongs to.
func (x *contacts) tell(e *happening, from uint32, link int, s float64) {
	d := e.links[link]
	y := &x.b.domains[d]
	key := uint64(from)
	if x.b.isFresh(y) && y.confined() {
		key = 1<<32 | uint64(d)
	}
	key |= uint64(x.b.day/7) << 33
	who := x.senders[key]
	if n := len(who); n < maxUses && !has(who, from) {
		who = append(who, from)
		x.senders[key] = who
	}
	if !x.higher(key, s) {
		return
	}
	a := score.Alert{At: e.At, Score: s, Links: []vedette.Token{y.token}}
	for _, w := range who {
		a.Subjects = append(a.Subjects, x.b.people[w].id)
	}
	x.rise(key, a)
}

func has(list []uint32, x uint32) bool {
	for _, y := range list {
		if y == x {
			return true
		}
	}
	return false
}

// few is how many users of a domain are as few as none: one or two more tell nothing.
const few = 8

// rare is how rare a domain is, in bits, if it is new; 0 if it is not.
func (x *contacts) rare(d *domain) float64 {
	if d.known || !x.b.isFresh(d) || !d.confined() {
		return 0
	}
	return x.b.rarity(max(few, 1+d.n))
}

// newSender is the rule of mail gateways.
type newSender struct{ contacts }

func newNewSender(b *Bench) engine { return &newSender{newContacts(b)} }

func (x *newSender) take(e *happening) {
	from, _, link, ok := x.first(e)
	if !ok {
		return
	}
	d, p := &x.b.domains[e.links[link]], &x.b.people[from]
	rare := x.rare(d)
	age := min(x.b.age(p, e.ms), float64(x.b.hour-p.woken)) // since it began, or came back
	if rare == 0 || age > window {
		return
	}
	x.tell(e, from, link, rare+math.Log2(window/max(age, 1)))
}

func (x *newSender) tick(time.Time) {}

// contactDAS is directed anomaly scoring of first contacts.
type contactDAS struct {
	contacts
	past   reference
	looked map[uint64]int32 // by who and whom, the hour
}

func newContactDAS(b *Bench) engine {
	return &contactDAS{newContacts(b), reference{n: 4}, map[uint64]int32{}}
}

func (x *contactDAS) take(e *happening) {
	if b, ok := e.Body.(*vedette.NumberLookedUp); ok && b.Via == vedette.LookupManual && e.peer != nobody {
		x.looked[uint64(e.actor)<<32|uint64(e.peer)] = x.b.hour
		return
	}
	from, to, link, ok := x.first(e)
	if !ok {
		return
	}
	l, p := &x.b.ledger, &x.b.people[from]
	var v [dimensions]float64
	v[0] = x.rare(&l.domains[e.links[link]])
	v[1] = max(0, 4-float64(p.mass)) + 4*part(p.abroad, p.sessions) + 2*part(p.hosted, p.sessions)
	if age := min(l.age(p, e.ms), float64(l.hour-p.woken)); age <= window {
		v[1] += 1 + .5*math.Log2(window/max(age, 1))
	}
	v[1] -= max(0, math.Log2(max(1, float64(p.strangers))/8)) // who writes to many has no one in mind
	if h, ok := x.looked[uint64(from)<<32|uint64(to)]; ok && l.hour-h <= window {
		v[2] = 1
	}
	if x.b.cfg.Enrolled != nil && x.b.cfg.Enrolled(l.people[to].id) {
		v[3] = 1
	}
	s := x.past.dominated(&v)
	if x.past.size >= 256 { // before, nothing can be said
		x.tell(e, from, link, s)
	}
	if e.kind == vedette.KindLinkSent {
		x.past.add(&v)
	}
}

func (x *contactDAS) tick(time.Time) {
	x.past.index()
	for k, h := range x.looked {
		if x.b.hour-h > window {
			delete(x.looked, k)
		}
	}
}
