package population

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"vedette"
)

// ErrDamaged says that a saved population is not what was saved.
var ErrDamaged = fmt.Errorf("population: the saved state is damaged: %w", vedette.ErrInvalid)

const saved = "vedette population 2\n"

// Save appends everything to b: what is known, and what still waits to be put in order (docs/formats/watch.md). The same events give the same bytes.
func (p *Population) Save(b []byte) []byte {
	from := len(b)
	w := writer{append(b, saved...)}
	w.uints(uint64(p.cfg.Tick), uint64(p.cfg.Settling), uint64(len(p.heads)))
	for _, h := range p.heads {
		w.int(h)
	}
	w.int(p.next)
	w.int(p.tick)
	w.uints(p.counts.Taken, p.counts.Late, p.counts.Twice, p.counts.Silent)
	minutes := slices.Sorted(maps.Keys(p.buckets))
	w.uint(uint64(len(minutes)))
	for _, m := range minutes {
		es := slices.Clone(p.buckets[m])
		slices.SortFunc(es, func(x, y Event) int { return x.order(&y) })
		w.int(m)
		w.uint(uint64(len(es)))
		for i := range es {
			w.event(&es[i])
		}
	}
	w.state(p.state)
	sum := sha256.Sum256(w.b[from:])
	return append(w.b, sum[:]...)
}

// Digest is of the state alone: the same events give the same, whatever their partitions.
func (s *State) Digest() vedette.Digest {
	var w writer
	w.state(s)
	return vedette.Digest(sha256.Sum256(w.b))
}

// Restore makes the population that Save saved. The configuration must have as many partitions as it had; its other times are the saved ones. Its error
// wraps vedette.ErrInvalid.
func Restore(cfg Config, b []byte, watchers ...Watcher) (*Population, error) {
	if len(b) < len(saved)+32 || string(b[:len(saved)]) != saved {
		return nil, fmt.Errorf("population: not a saved state of version 2: %w", ErrDamaged)
	}
	body, sum := b[:len(b)-32], b[len(b)-32:]
	if got := sha256.Sum256(body); string(got[:]) != string(sum) {
		return nil, fmt.Errorf("population: checksum: %w", ErrDamaged)
	}
	r := reader{b: body[len(saved):]}
	cfg.Tick, cfg.Settling = time.Duration(r.uint()), time.Duration(r.uint())
	n := r.uint()
	if parts := uint64(cfg.withDefaults().Partitions); n != parts {
		return nil, fmt.Errorf("population: saved with %d partitions, asked for %d: %w", n, parts, vedette.ErrInvalid)
	}
	p, err := New(cfg, watchers...)
	if err != nil {
		return nil, err
	}
	p.cfg.Settling = cfg.Settling // 0 stays 0
	for i := range p.heads {
		p.heads[i] = r.int()
	}
	p.next, p.tick = r.int(), r.int()
	for _, c := range []*uint64{&p.counts.Taken, &p.counts.Late, &p.counts.Twice, &p.counts.Silent} {
		*c = r.uint()
	}
	for range r.len(1) {
		m := r.int()
		es := make([]Event, r.len(1))
		for i := range es {
			r.event(&es[i])
		}
		p.buckets[m] = es
	}
	r.state(p.state)
	p.state.settling = uint32(p.cfg.Settling / time.Hour)
	if r.bad || len(r.b) != 0 {
		return nil, fmt.Errorf("population: its parts do not fit: %w", ErrDamaged)
	}
	p.state.reindex()
	return p, nil
}

type writer struct{ b []byte }

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) raw(b []byte)  { w.b = append(w.b, b...) }
func (w *writer) uints(vs ...uint64) {
	for _, v := range vs {
		w.uint(v)
	}
}

func (w *writer) token(t vedette.Token) {
	w.raw([]byte{byte(t.Kind)})
	w.uint(uint64(t.Epoch))
	w.raw(t.Bytes[:])
}

func (w *writer) event(e *Event) {
	w.int(e.ms)
	w.raw(e.ID[:])
	w.raw(e.Actor[:])
	w.raw(e.Peer[:])
	w.raw(e.Group[:])
	w.raw(e.Device[:])
	w.raw(e.Network.ID[:])
	w.raw(e.Number.Block[:])
	w.raw(e.Network.Country[:])
	w.raw(e.Number.Country[:])
	w.uints(uint64(e.Kind), uint64(e.Size), uint64(e.Build), uint64(e.Network.ASN), uint64(e.Network.Class), uint64(e.Number.Carrier), uint64(e.Attest),
		uint64(e.Returned), uint64(e.Stranger), uint64(e.HasLink), uint64(e.Count), uint64(e.Forwarded), uint64(e.Lookup), uint64(e.Join), uint64(e.Category),
		uint64(len(e.Links)))
	for i := range e.Links {
		l := &e.Links[i]
		for _, t := range []vedette.Token{l.Domain, l.Host, l.Tenant, l.URL} {
			w.token(t)
		}
		s := &l.Shape
		w.uints(uint64(l.Where), uint64(s.Flags), uint64(s.TokenLike), uint64(s.Entropy), uint64(s.PathSegments), uint64(s.QueryKeys), uint64(s.HostLabels), uint64(s.Length))
	}
}

func (w *writer) uses(us []Use) {
	w.uint(uint64(len(us)))
	for i := range us {
		u := &us[i]
		w.uints(uint64(u.Account), uint64(u.Hour))
		w.raw(u.Event[:])
	}
}

func (w *writer) refs(rs []Ref) {
	w.uint(uint64(len(rs)))
	for _, r := range rs {
		w.uint(uint64(r))
	}
}

func (w *writer) state(s *State) {
	w.uints(uint64(s.now), uint64(s.start), uint64(s.settled), uint64(s.day), uint64(s.lonely), uint64(s.active), s.links, uint64(s.accounts.len()))
	for _, a := range s.accounts.all() {
		w.raw(a.ID[:])
		w.raw(a.Proof[:])
		w.raw(a.Country[:])
		w.raw([]byte{byte(a.Carrier), byte(a.Attest), byte(a.Flags), a.Mass})
		w.raw(a.Probes[:])
		w.raw(a.Hours[:])
		w.uints(uint64(a.Born), uint64(a.Last), uint64(a.Woke), uint64(a.Build), uint64(a.ASN), uint64(a.Sessions), uint64(a.Foreign),
			uint64(a.Hosted), uint64(a.Fresh), uint64(a.Strange), uint64(a.Mute), uint64(a.ties.len()))
		ts := s.Ties(a)
		for j := range ts {
			t := &ts[j]
			w.uint(uint64(t.Peer))
			w.raw([]byte{t.Out, t.In, t.first, t.last})
		}
		w.refs(s.ThingsOf(a))
		w.refs(s.DomainsOf(a))
	}
	w.uint(uint64(s.things.len()))
	for _, t := range s.things.all() {
		w.raw(t.key[:])
		w.uints(uint64(t.Kind), uint64(t.Class), uint64(t.N), uint64(t.Last), uint64(t.state))
		switch t.state {
		case alone:
			w.uint(uint64(t.who))
		case shared:
			w.uses(s.Uses(t))
		}
	}
	w.uint(uint64(len(s.domains)))
	for i := range s.domains {
		d := &s.domains[i]
		w.token(d.Token)
		w.uints(uint64(d.key), uint64(d.First), uint64(d.Last), uint64(d.N), uint64(d.Sends), uint64(d.Shape))
		w.uses(d.Users)
		w.uint(uint64(len(d.URLs)))
		for _, u := range d.URLs {
			w.uints(uint64(u.Hash), uint64(u.Fetched))
		}
	}
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// len reads a count of things that take at least size bytes each: a damaged one makes no list that the bytes cannot fill.
func (r *reader) len(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) raw(to []byte) {
	if len(r.b) < len(to) {
		r.fail()
		return
	}
	r.b = r.b[copy(to, r.b):]
}

func read[T ~uint8 | ~uint16 | ~uint32](r *reader, to ...*T) {
	for _, p := range to {
		v := r.uint()
		if *p = T(v); uint64(*p) != v {
			r.fail()
		}
	}
}

func (r *reader) token() (t vedette.Token) {
	var k [1]byte
	r.raw(k[:])
	t.Kind = vedette.TokenKind(k[0])
	read(r, &t.Epoch)
	r.raw(t.Bytes[:])
	return t
}

func (r *reader) event(e *Event) {
	e.ms = r.int()
	e.At = time.UnixMilli(e.ms).UTC()
	for _, b := range [][]byte{
		e.ID[:], e.Actor[:], e.Peer[:], e.Group[:], e.Device[:], e.Network.ID[:], e.Number.Block[:], e.Network.Country[:], e.Number.Country[:],
	} {
		r.raw(b)
	}
	read(r, &e.Kind)
	read(r, &e.Size)
	read(r, &e.Build, &e.Network.ASN)
	read(r, &e.Network.Class)
	read(r, &e.Number.Carrier)
	read(r, &e.Attest)
	read(r, &e.Returned, &e.Stranger, &e.HasLink)
	read(r, &e.Count)
	read(r, &e.Forwarded)
	read(r, &e.Lookup)
	read(r, &e.Join)
	read(r, &e.Category)
	e.Links = make([]vedette.Link, r.len(70))
	for i := range e.Links {
		l := &e.Links[i]
		l.Domain, l.Host, l.Tenant, l.URL = r.token(), r.token(), r.token(), r.token()
		s := &l.Shape
		read(r, &l.Where)
		read(r, &s.Flags)
		read(r, &s.TokenLike, &s.Entropy, &s.PathSegments, &s.QueryKeys, &s.HostLabels)
		read(r, &s.Length)
	}
}

// few reads a count of at most so many things, which take at least size bytes each.
func (r *reader) few(most, size int) int {
	n := r.len(size)
	if n > most {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) uses(us []Use, accounts int) {
	for i := range us {
		u := &us[i]
		read(r, &u.Account, &u.Hour)
		r.raw(u.Event[:])
		r.inside(u.Account, accounts)
	}
}

func (r *reader) refs(rs []Ref) {
	for i := range rs {
		read(r, &rs[i])
	}
}

// inside checks a place among n.
func (r *reader) inside(x Ref, n int) {
	if int(x) >= n {
		r.fail()
	}
}

func (r *reader) state(s *State) {
	read(r, &s.now, &s.start, &s.settled, &s.day)
	read(r, &s.lonely)
	s.active, s.links = int(r.uint()), r.uint()
	n := r.len(70)
	for range n {
		at := s.accounts.add(1)
		a := s.accounts.at(at)
		*a = Account{}
		var four [4]byte
		for _, b := range [][]byte{a.ID[:], a.Proof[:], a.Country[:], four[:], a.Probes[:], a.Hours[:]} {
			r.raw(b)
		}
		a.Carrier, a.Attest, a.Flags, a.Mass = vedette.CarrierClass(four[0]), vedette.Attestation(four[1]), Flag(four[2]), four[3]
		read(r, &a.Born, &a.Last, &a.Woke, &a.Build, &a.ASN)
		read(r, &a.Sessions, &a.Foreign, &a.Hosted, &a.Fresh, &a.Strange, &a.Mute)
		ts := s.ties.resize(at, r.few(MaxTies, 5))
		for j := range ts {
			t := &ts[j]
			read(r, &t.Peer)
			r.inside(t.Peer, n)
			var four [4]byte
			r.raw(four[:])
			t.Out, t.In, t.first, t.last = four[0], four[1], four[2], four[3]
		}
		r.refs(s.on.resize(at, r.few(maxThings, 1)))
		r.refs(s.met.resize(at, r.few(maxDomains, 1)))
		if a.Build != 0 {
			s.builds[a.Build]++
		}
		if a.ASN != 0 {
			s.asns[a.ASN]++
		}
		if r.bad {
			return
		}
	}
	for range r.len(13) {
		at := s.things.add(1)
		t := s.things.at(at)
		*t = Thing{}
		r.raw(t.key[:])
		read(r, &t.Kind)
		read(r, &t.Class)
		read(r, &t.N, &t.Last)
		read(r, &t.state)
		switch t.state {
		case alone:
			read(r, &t.who)
			r.inside(t.who, n)
		case shared:
			us := s.uses.resize(at, r.few(maxShared, 18))
			if r.uses(us, n); len(us) == 0 {
				r.fail()
			}
		case over:
		default:
			r.fail()
		}
	}
	s.domains = make([]Domain, r.len(26))
	for i := range s.domains {
		d := &s.domains[i]
		d.Token = r.token()
		d.key = narrow(r.uint())
		read(r, &d.First, &d.Last)
		read(r, &d.N, &d.Sends)
		read(r, &d.Shape)
		if m := r.few(maxUsers, 18); m > 0 {
			d.Users = make([]Use, m)
		}
		r.uses(d.Users, n)
		if m := r.few(maxURLs, 2); m > 0 {
			d.URLs = make([]URL, m)
		}
		for j := range d.URLs {
			u := &d.URLs[j]
			read(r, &u.Hash)
			read(r, &u.Fetched)
		}
	}
	for _, a := range s.accounts.all() {
		for _, x := range s.ThingsOf(a) {
			r.inside(x, s.things.len())
		}
		for _, x := range s.DomainsOf(a) {
			r.inside(x, len(s.domains))
		}
	}
}
