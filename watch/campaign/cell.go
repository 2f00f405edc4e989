package campaign

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"

	"vedette"
	"vedette/record/journal"
)

// sharedKind is what two accounts can have in common.
type sharedKind uint8

const (
	byDevice sharedKind = iota
	byNetwork
	byBlock
	byGroup
	sharedKinds
)

// thing is a device, a network, a number block or a group.
type thing struct {
	kind sharedKind
	id   [16]byte
}

// use is one account's part in a thing.
type use struct {
	first, last time.Time
	count       int64
	at          []journal.Position // the first few
	made        bool               // created the group
}

// shared is a thing with everybody on it.
type shared struct {
	thing
	class vedette.NetworkClass // of a network: the one that tells least, of those that the platform named
	size  uint16               // of a group, as the platform tells
	uses  map[vedette.AccountID]*use
	over  bool // more than CellSize accounts are on it
	bits  vedette.MilliBits
}

// tie is a thing that an account shares with a sender.
type tie struct {
	*shared
	with []vedette.AccountID
}

// membership is why an account is of a cell.
type membership struct {
	bits vedette.MilliBits
	ties []tie // strongest of each kind, by kind
}

type cell struct {
	read    bool
	members map[vedette.AccountID]membership
	things  []*shared // what ties two who are drawn, strongest first
	anchors []vedette.AccountID
}

// uses yields what an event says of things that accounts share.
func uses(e *vedette.Event, yield func(a vedette.AccountID, t thing, class vedette.NetworkClass, size uint16, made bool)) {
	device := func(d vedette.DeviceID, n vedette.Network) {
		if !d.IsZero() {
			yield(e.Actor, thing{byDevice, d}, 0, 0, false)
		}
		if !n.ID.IsZero() {
			yield(e.Actor, thing{byNetwork, n.ID}, n.Class, 0, false)
		}
	}
	switch b := e.Body.(type) {
	case *vedette.AccountRegistered:
		device(b.Device, b.Network)
		if !b.Number.Block.IsZero() {
			yield(e.Actor, thing{byBlock, b.Number.Block}, 0, 0, false)
		}
	case *vedette.AccountSeen:
		device(b.Device, b.Network)
	case *vedette.DeviceLinked:
		device(b.Device, b.Network)
	case *vedette.GroupCreated:
		yield(e.Actor, thing{byGroup, b.Group}, 0, b.Size, true)
	case *vedette.GroupJoined:
		m := b.Member
		if m.IsZero() {
			m = e.Actor
		}
		yield(m, thing{byGroup, b.Group}, 0, b.Size, b.By == vedette.JoinCreator)
	}
}

// recipient returns to whom a message went.
func recipient(e *vedette.Event) (vedette.Recipient, bool) {
	switch b := e.Body.(type) {
	case *vedette.LinkSent:
		return b.To, true
	case *vedette.MessageSent:
		return b.To, true
	}
	return vedette.Recipient{}, false
}

// findCell reads the journal's window twice: what the senders are on, then who else is.
func (f *search) findCell(ctx context.Context) error {
	people := f.people()
	anchors := f.followable(people)
	f.cell.anchors = anchors
	if len(anchors) == 0 {
		return nil
	}
	if f.s.Read == nil {
		f.notes = append(f.notes, "The journal was not read: nothing is known of what the senders share.")
		return nil
	}
	isAnchor := map[vedette.AccountID]bool{}
	for _, a := range anchors {
		isAnchor[a] = true
	}
	things := map[thing]*shared{}
	var all sketch
	if err := f.readJournal(ctx, progressOf, (progressOf+progressCell)/2, func(e *journal.Entry) {
		all.add(e.Event.Actor)
		uses(&e.Event, func(a vedette.AccountID, t thing, _ vedette.NetworkClass, _ uint16, _ bool) {
			if isAnchor[a] && things[t] == nil {
				things[t] = &shared{thing: t, uses: map[vedette.AccountID]*use{}}
			}
		})
	}); err != nil {
		return err
	}
	// The groups that a link was sent to are looked at too: who of those drawn is in them.
	drawn := map[vedette.AccountID]bool{}
	for a := range people {
		drawn[a] = true
	}
	for _, r := range f.rows {
		if t := (thing{byGroup, r.Group}); !r.Group.IsZero() && things[t] == nil {
			things[t] = &shared{thing: t, uses: map[vedette.AccountID]*use{}}
		}
	}
	others := map[thing]map[vedette.AccountID]bool{} // on it, and not drawn: counted up to CellSize
	if err := f.readJournal(ctx, (progressOf+progressCell)/2, progressCell, func(e *journal.Entry) {
		if to, ok := recipient(&e.Event); ok {
			if s := things[thing{byGroup, to.Group}]; s != nil {
				s.size = max(s.size, to.Size)
			}
			return
		}
		uses(&e.Event, func(a vedette.AccountID, t thing, class vedette.NetworkClass, size uint16, made bool) {
			s := things[t]
			if s == nil || a.IsZero() {
				return
			}
			s.size = max(s.size, size)
			if t.kind == byNetwork && (s.class == vedette.NetworkUnknown || class != vedette.NetworkUnknown && networkRank(class) < networkRank(s.class)) {
				s.class = class
			}
			u := s.uses[a]
			if u == nil {
				if !drawn[a] && len(others[t]) >= CellSize {
					if !others[t][a] {
						s.over = true
					}
					return
				}
				if !drawn[a] {
					if others[t] == nil {
						others[t] = map[vedette.AccountID]bool{}
					}
					others[t][a] = true
				}
				u = &use{}
				s.uses[a] = u
			}
			u.count++
			u.made = u.made || made
			u.first, u.last = earlier(u.first, utc(e.Event.At)), later(u.last, utc(e.Event.At))
			if len(u.at) < 2 {
				u.at = append(u.at, e.Position)
			}
		})
	}); err != nil {
		return err
	}
	f.cell.read = true
	n := all.count()
	for _, s := range things {
		s.over = s.over || len(s.uses) > CellSize || s.kind == byGroup && s.size > CellSize
		s.bits = s.weigh(n)
	}
	return f.score(ctx, people, things)
}

func (f *search) readJournal(ctx context.Context, from, to int64, each func(*journal.Entry)) error {
	w := f.in.Window
	span := w.To.Sub(w.From)
	for e, err := range f.s.Read(ctx, w.From, w.To) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return f.hole(err)
		}
		if e.Event.Tenant == f.in.Tenant && w.Covers(e.Event.At) {
			each(&e)
		}
		if !w.From.IsZero() && !w.To.IsZero() && span > 0 {
			share := min(max(float64(e.Event.At.Sub(w.From))/float64(span), 0), 1)
			f.progress(from + int64(share*float64(to-from)))
		}
	}
	return ctx.Err()
}

// networkRank orders classes by how much a network of the class tells, least first. A mobile network's address tells nothing.
func networkRank(c vedette.NetworkClass) int {
	return slices.Index([]vedette.NetworkClass{
		vedette.NetworkMobile, vedette.NetworkUnknown, vedette.NetworkResidential, vedette.NetworkAnonymous, vedette.NetworkBusiness, vedette.NetworkHosting,
	}, c)
}

// weigh gives what a thing is worth: its surprise, log2 of all accounts over those on it, times how far its kind can be trusted, in
// thousandths of a bit. Soft kinds have a lid.
func (s *shared) weigh(accounts int64) vedette.MilliBits {
	n := int64(len(s.uses))
	if s.over || n < 2 {
		return 0
	}
	surprise := func(least int64) int64 { return log2(max(accounts, least)) - log2(n) }
	switch s.kind {
	case byDevice:
		// Nobody shares a device by chance, however small the platform is.
		return vedette.MilliBits(min(surprise(65536)*8/10, 12000))
	case byNetwork:
		switch s.class {
		case vedette.NetworkHosting:
			return vedette.MilliBits(min(surprise(1024), 12000))
		case vedette.NetworkBusiness, vedette.NetworkAnonymous:
			return vedette.MilliBits(min(surprise(1024)*6/10, 4000))
		case vedette.NetworkMobile:
			return 0 // one address stands for thousands of phones
		}
		return vedette.MilliBits(min(surprise(1024)*55/100, 3000))
	case byBlock:
		return 4000
	default:
		return vedette.MilliBits(min(surprise(1024)*4/10, 3000))
	}
}

// hard tells whether a thing alone can tie two accounts: households share everything else.
func (s *shared) hard() bool {
	return s.kind == byDevice || s.kind == byNetwork && s.class == vedette.NetworkHosting
}

// score decides who is of the senders' cell. Of each kind the strongest thing counts: two networks of one household are one fact.
func (f *search) score(ctx context.Context, people map[vedette.AccountID]*person, things map[thing]*shared) error {
	isAnchor := map[vedette.AccountID]bool{}
	for _, a := range f.cell.anchors {
		isAnchor[a] = true
	}
	list := make([]*shared, 0, len(things))
	for _, s := range things {
		list = append(list, s)
	}
	slices.SortFunc(list, strongerThing)
	best := map[vedette.AccountID]*[sharedKinds]*tie{}
	for _, s := range list {
		if s.bits == 0 {
			continue
		}
		for a := range s.uses {
			var with []vedette.AccountID
			for b := range s.uses {
				if b != a && isAnchor[b] {
					with = append(with, b)
				}
			}
			if len(with) == 0 {
				continue
			}
			if best[a] == nil {
				best[a] = new([sharedKinds]*tie)
			}
			if best[a][s.kind] == nil { // the list is in order of strength
				slices.SortFunc(with, func(x, y vedette.AccountID) int { return bytes.Compare(x[:], y[:]) })
				best[a][s.kind] = &tie{s, with}
			}
		}
	}
	type candidate struct {
		id vedette.AccountID
		m  membership
	}
	var in []candidate
	for a, ties := range best {
		m := membership{}
		hard, kinds := false, 0
		for _, t := range ties {
			if t == nil {
				continue
			}
			m.bits += t.bits
			m.ties = append(m.ties, *t)
			hard = hard || t.hard()
			kinds++
		}
		// Whoever was sent the link needs a second kind: the one device in the household may be the sender's and the target's.
		got := people[a] != nil && len(people[a].got) > 0
		if !hard || m.bits < CellThreshold || got && kinds < 2 {
			continue
		}
		gone, err := f.gone(ctx, a)
		if err != nil {
			return err
		}
		if !gone {
			in = append(in, candidate{a, m})
		}
	}
	slices.SortFunc(in, func(a, b candidate) int {
		return cmp.Or(-compareBool(isAnchor[a.id], isAnchor[b.id]), cmp.Compare(b.m.bits, a.m.bits), bytes.Compare(a.id[:], b.id[:]))
	})
	f.cell.members = map[vedette.AccountID]membership{}
	room := f.b.Accounts - len(f.cell.anchors)
	for _, c := range in {
		if !isAnchor[c.id] {
			if room <= 0 {
				f.leave("account", "of a sender's cell, over the budget of accounts", 1)
				continue
			}
			room--
		}
		f.cell.members[c.id] = c.m
	}
	f.cell.things = list
	return nil
}

func strongerThing(a, b *shared) int {
	return cmp.Or(cmp.Compare(b.bits, a.bits), cmp.Compare(a.kind, b.kind), bytes.Compare(a.id[:], b.id[:]))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// log2 returns thousandths of the logarithm, rounded down, by whole numbers alone: floating point may differ from machine to machine.
func log2(n int64) int64 {
	if n < 1 {
		return 0
	}
	whole := bits.Len64(uint64(n)) - 1
	m := uint64(n) << (63 - whole) >> 32 // 1 to 2, with 31 digits behind the point
	var frac uint64                      // with 20 digits behind the point
	for i := range 20 {
		m = m * m >> 31
		if m >= 1<<32 {
			m >>= 1
			frac |= 1 << (19 - i)
		}
	}
	return int64(whole)*1000 + int64(frac*1000>>20)
}

// sketch estimates how many accounts there are, from the 1024 smallest of their hashes; fewer are counted. It knows nobody.
type sketch struct {
	least []uint64 // sorted
}

const sketchSize = 1024

func (s *sketch) add(a vedette.AccountID) {
	if a.IsZero() {
		return
	}
	h := mix(binary.LittleEndian.Uint64(a[:8]) ^ mix(binary.LittleEndian.Uint64(a[8:])))
	if len(s.least) == sketchSize && h >= s.least[sketchSize-1] {
		return
	}
	i, there := slices.BinarySearch(s.least, h)
	if there {
		return
	}
	if len(s.least) == sketchSize {
		s.least = s.least[:sketchSize-1]
	}
	s.least = slices.Insert(s.least, i, h)
}

// mix is the finish of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (s *sketch) count() int64 {
	if len(s.least) < sketchSize {
		return int64(len(s.least))
	}
	// (k-1) / (the k-th smallest, as a share of all hashes)
	return int64(min(^uint64(0)/max(s.least[sketchSize-1]/(sketchSize-1), 1), 1<<40))
}
