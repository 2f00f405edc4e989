package hunt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"vedette"
	"vedette/record/journal"
)

// The sieve decides what goes before its term: the sightings of a unit that very many people of their own have passed on. A name that
// everybody knows needs no history; but an operator must not be able to spray his own evidence away.
//
// For each unit that more than Rules.Rare people have met, it draws who passed it on to whom, as a graph whose parts are joined by every
// delivered send. A part counts once, and only when somebody established passed the unit on from inside it. When Rules.Apart parts count,
// and Rules.Linger has passed since the unit became popular, history forgets the unit.
//
// It costs an operator Rules.Apart accounts, each older than Rules.Established, each sending the link to somebody whom none of the others
// wrote to with it, more than Linger before anybody looks. It does not cost him: young accounts, however many; one old account that sends to
// a thousand established people; established people who only received it, or looked at it; accounts that send in a chain or into one group.
// It spares everybody whose contact shared a page that many found by themselves. It costs the few dozen people who met a chain letter that
// spread from one mouth: their sightings stay the whole term.
//
// Everything is bounded; where a bound is reached, sightings stay.
type sieve struct {
	rules     Rules
	at        journal.Position // the last entry that was fed
	now       int64            // how far event time has come; Unix milliseconds
	swept     int64            // the hour of the last sweep
	units     map[Key]*spread
	forgotten map[Key]struct{} // units whose sightings went and are not recorded again
	order     []Key            // of forgotten, oldest first
	due       []Key            // to be forgotten by the next flush; not saved: a replay finds them again
}

// Bounds of the sieve.
const (
	maxUnits     = 2048
	maxNodes     = 512 // in one unit's graph
	maxForgotten = 1 << 14
)

// spread is how one unit spread since it was popular.
type spread struct {
	first  int64 // when it became popular; Unix milliseconds of event time
	state  spreadState
	place  map[uint64]uint16
	ids    []uint64 // people and groups, by the first eight bytes of their surrogates; 0: erased
	parent []uint16
	counts []bool // for roots: somebody established sent from inside the part
	parts  int    // how many roots count
}

type spreadState uint8

const (
	growing spreadState = iota
	ripe                // enough parts count: waits for Linger
	full                // too many people in too few parts: stays its term
)

func newSieve(rules Rules) *sieve {
	return &sieve{rules: rules, units: map[Key]*spread{}, forgotten: map[Key]struct{}{}}
}

// knows tells whether a unit was forgotten: what many people know is not recorded again.
func (v *sieve) knows(unit Key) bool {
	_, ok := v.forgotten[unit]
	return ok
}

func node(id [16]byte) uint64 { return binary.BigEndian.Uint64(id[:8]) }

// feed takes one entry, in order; what it knows already it leaves.
func (v *sieve) feed(e *journal.Entry) {
	if !v.at.Less(e.Position) {
		return
	}
	v.at = e.Position
	if seen := e.Event.Seen.UnixMilli(); seen > v.now {
		v.now = seen
	}
	b, ok := e.Event.Body.(*vedette.LinkSent)
	if ok && e.Decision.Verdict < vedette.Hold && !e.Event.Actor.IsZero() && b.To != (vedette.Recipient{}) {
		from, to := node(e.Event.Actor), node([16]byte(b.To.Account))
		if !b.To.Group.IsZero() {
			to = node([16]byte(b.To.Group))
		}
		for i := range b.Links[:min(len(b.Links), len(e.Measures))] {
			l, ms := &b.Links[i], &e.Measures[i]
			s := Sighting{Domain: KeyOf(l.Domain), Host: KeyOf(l.Host), Tenant: KeyOf(l.Tenant), URL: KeyOf(l.URL), Shape: l.Shape}
			unit := s.Unit()
			if people, ok := met(&s, ms); !ok || unit == 0 || people < int64(v.rules.Rare) || v.knows(unit) {
				continue
			}
			age, ok := ms.Get(vedette.MeasureAccountAge)
			v.passed(unit, from, to, ok && age >= int64(v.rules.Established/time.Second))
		}
	}
	if hour := v.now / time.Hour.Milliseconds(); hour > v.swept {
		v.swept = hour
		v.sweep()
	}
}

// passed joins two ends of a send.
func (v *sieve) passed(unit Key, from, to uint64, established bool) {
	u := v.units[unit]
	if u == nil {
		if len(v.units) >= maxUnits {
			v.evict()
		}
		u = &spread{first: v.now, place: map[uint64]uint16{}}
		v.units[unit] = u
	}
	if u.state != growing {
		return
	}
	a, ok1 := u.put(from)
	b, ok2 := u.put(to)
	if !ok1 || !ok2 {
		u.end(full)
		return
	}
	a, b = u.root(a), u.root(b)
	if a != b {
		if b < a { // the earlier one stays root: the same order gives the same graph
			a, b = b, a
		}
		if u.counts[a] && u.counts[b] {
			u.parts--
		}
		u.parent[b], u.counts[a], u.counts[b] = a, u.counts[a] || u.counts[b], false
	}
	if established && !u.counts[a] {
		u.counts[a] = true
		u.parts++
	}
	if u.parts >= v.rules.Apart {
		u.end(ripe)
	}
}

func (u *spread) put(id uint64) (uint16, bool) {
	if i, ok := u.place[id]; ok {
		return i, true
	}
	if len(u.ids) >= maxNodes {
		return 0, false
	}
	i := uint16(len(u.ids))
	u.place[id] = i
	u.ids, u.parent, u.counts = append(u.ids, id), append(u.parent, i), append(u.counts, false)
	return i, true
}

func (u *spread) root(i uint16) uint16 {
	for u.parent[i] != i {
		i = u.parent[i]
	}
	return i
}

// end forgets who passed the unit on: it is decided.
func (u *spread) end(s spreadState) {
	*u = spread{first: u.first, state: s}
}

// evict lets the unit go that was popular first: its sightings stay their term.
func (v *sieve) evict() {
	var oldest Key
	var at *spread
	for k, u := range v.units {
		if at == nil || cmp.Or(cmp.Compare(u.first, at.first), cmp.Compare(k, oldest)) < 0 {
			oldest, at = k, u
		}
	}
	delete(v.units, oldest)
}

// sweep finds, once an hour of event time, what is due and what is over.
func (v *sieve) sweep() {
	var done []Key
	for k, u := range v.units {
		age := v.now - u.first
		if age >= v.rules.Term.Milliseconds() || u.state == ripe && age >= v.rules.Linger.Milliseconds() {
			done = append(done, k)
		}
	}
	slices.Sort(done)
	for _, k := range done {
		if v.units[k].state == ripe {
			v.due = append(v.due, k)
			v.forgotten[k] = struct{}{}
			v.order = append(v.order, k)
		}
		delete(v.units, k)
	}
	if n := len(v.order) - maxForgotten; n > 0 {
		for _, k := range v.order[:n] {
			delete(v.forgotten, k)
		}
		v.order = slices.Clone(v.order[n:])
	}
}

// erase takes somebody's name out of the graphs; the parts stay as they are.
func (v *sieve) erase(account vedette.AccountID, group vedette.GroupID) {
	for _, id := range [...][16]byte{account, group} {
		if id == ([16]byte{}) {
			continue
		}
		for _, u := range v.units {
			if i, ok := u.place[node(id)]; ok {
				delete(u.place, node(id))
				u.ids[i] = 0
			}
		}
	}
}

// sieveVersion is the first byte of a saved sieve.
const sieveVersion = 1

// encode writes the sieve, big-endian: version; now, swept (8 bytes each); number of units (4); each, by key: key, first (8 each), state
// (1), number of nodes (2), each: id (8), parent (2), counts (1); number of forgotten (4), each: key (8), oldest first.
func (v *sieve) encode() []byte {
	be := binary.BigEndian
	b := []byte{sieveVersion}
	b = be.AppendUint64(b, uint64(v.now))
	b = be.AppendUint64(b, uint64(v.swept))
	keys := make([]Key, 0, len(v.units))
	for k := range v.units {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = be.AppendUint32(b, uint32(len(keys)))
	for _, k := range keys {
		u := v.units[k]
		b = be.AppendUint64(b, uint64(k))
		b = be.AppendUint64(b, uint64(u.first))
		b = append(b, byte(u.state))
		b = be.AppendUint16(b, uint16(len(u.ids)))
		for i := range u.ids {
			b = be.AppendUint64(b, u.ids[i])
			b = be.AppendUint16(b, u.parent[i])
			b = append(b, flag(u.counts[i]))
		}
	}
	b = be.AppendUint32(b, uint32(len(v.order)))
	for _, k := range v.order {
		b = be.AppendUint64(b, uint64(k))
	}
	return b
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// decodeSieve reads what encode wrote. Its error wraps vedette.ErrInvalid.
func decodeSieve(rules Rules, b []byte) (*sieve, error) {
	r := reader{b: b}
	v := newSieve(rules)
	if r.u8() != sieveVersion {
		return nil, fmt.Errorf("hunt: sieve: not of this version: %w", vedette.ErrInvalid)
	}
	v.now, v.swept = int64(r.u64()), int64(r.u64())
	units := r.u32()
	if units > maxUnits {
		r.bad = true
	}
	last := Key(0)
	for i := uint32(0); i < units && !r.bad; i++ {
		k := Key(r.u64())
		u := &spread{first: int64(r.u64()), state: spreadState(r.u8())}
		n := r.u16()
		if u.state > full || n > maxNodes || u.state != growing && n > 0 || k <= last {
			r.bad = true
			break
		}
		if u.state == growing {
			u.place = map[uint64]uint16{}
		}
		for j := range n {
			id, parent, counts := r.u64(), r.u16(), r.u8()
			if parent > j || counts > 1 || counts == 1 && parent != j {
				r.bad = true
				break
			}
			if id != 0 {
				u.place[id] = j
			}
			u.ids, u.parent, u.counts = append(u.ids, id), append(u.parent, parent), append(u.counts, counts == 1)
			u.parts += int(counts)
		}
		v.units[k], last = u, k
	}
	n := r.u32()
	if n > maxForgotten {
		r.bad = true
	}
	for i := uint32(0); i < n && !r.bad; i++ {
		k := Key(r.u64())
		if v.knows(k) {
			r.bad = true
		}
		v.forgotten[k] = struct{}{}
		v.order = append(v.order, k)
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("hunt: sieve: damaged: %w", vedette.ErrInvalid)
	}
	return v, nil
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad, r.b = true, nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
