package feature

import (
	"math/bits"
	"sync/atomic"

	"vedette"
)

// ways is how many keys share a bucket. Their tags and times fill one cache line.
const ways = 8

// key is what a table knows a thing by: its surrogate or token, mixed with its tenant.
type key struct{ lo, hi uint64 }

func (k key) isZero() bool { return k == key{} }

// Odd numbers without a pattern, from the fraction of the square roots of primes.
const (
	salt0 = 0x6a09e667f3bcc909
	salt1 = 0xbb67ae8584caa73b
	salt2 = 0x3c6ef372fe94f82b
	salt3 = 0xa54ff53a5f1d36f1
	salt4 = 0x510e527fade682d1
	salt5 = 0x9b05688c2b3e6c1f
	salt6 = 0x1f83d9abfb41bd6b
	salt7 = 0x5be0cd19137e2179
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// place is where a key of a table may stand: one bucket of one segment.
type place struct {
	key     key
	bucket  uint32 // among all the table's buckets
	tag     uint32
	segment uint32
}

// line is what a bucket knows of its ways: a piece of each key's hash (0: the way is free), and the newest event time that touched it.
type line struct {
	tag  [ways]uint32
	last [ways]uint32 // seconds since 1970
}

// slot holds one key. The value stands first, since pairs have an empty one.
type slot[V any] struct {
	val V
	key key
}

// A table maps keys to values in flat arrays: no pointer for any key, nothing allocated after it was made. Each segment has its own
// buckets. When a bucket is full, the key whose last touch is the oldest in event time gives way, the first of equals; a key that is
// itself older than all in the bucket is not taken in. Either is counted as an eviction.
type table[V any] struct {
	name    string
	lines   []line
	slots   []slot[V]
	buckets uint32   // of one segment
	evicted []uint64 // by segment; part of what is saved

	held, lost atomic.Int64 // keys now, evictions so far; read by metrics from elsewhere
}

func (t *table[V]) make(name string, segments int, buckets uint32) {
	t.name, t.buckets = name, buckets
	n := segments * int(buckets)
	t.lines, t.slots, t.evicted = make([]line, n), make([]slot[V], n*ways), make([]uint64, segments)
	huge(t.lines)
	huge(t.slots)
}

// find returns the number of a key's slot, or -1.
func (t *table[V]) find(p *place) int {
	l := &t.lines[p.bucket]
	for w, tag := range &l.tag {
		if tag == p.tag {
			if i := int(p.bucket)*ways + w; t.slots[i].key == p.key {
				return i
			}
		}
	}
	return -1
}

// get returns a key's value, or nil.
func (t *table[V]) get(p *place) *V {
	if i := t.find(p); i >= 0 {
		return &t.slots[i].val
	}
	return nil
}

// put returns a key's value, zero when it is new, and touches it. It returns nil when the key is older than all in a full bucket.
func (t *table[V]) put(p *place, sec uint32) (v *V, found bool) {
	l := &t.lines[p.bucket]
	if i := t.find(p); i >= 0 {
		l.last[i%ways] = max(l.last[i%ways], sec)
		return &t.slots[i].val, true
	}
	way := -1
	for w, tag := range &l.tag {
		if tag == 0 {
			way = w
			break
		}
	}
	if way < 0 {
		way = 0
		for w := range ways {
			if l.last[w] < l.last[way] {
				way = w
			}
		}
		t.evicted[p.segment]++
		t.lost.Add(1)
		if sec < l.last[way] {
			return nil, false
		}
	} else {
		t.held.Add(1)
	}
	l.tag[way], l.last[way] = p.tag, sec
	s := &t.slots[int(p.bucket)*ways+way]
	*s = slot[V]{key: p.key}
	return &s.val, false
}

// sweep forgets the keys of a segment that nothing touched since before.
func (t *table[V]) sweep(segment int, before uint32) {
	first := segment * int(t.buckets)
	for b := first; b < first+int(t.buckets); b++ {
		l := &t.lines[b]
		for w := range ways {
			if l.tag[w] != 0 && l.last[w] < before {
				l.tag[w], l.last[w] = 0, 0
				t.slots[b*ways+w] = slot[V]{}
				t.held.Add(-1)
			}
		}
	}
}

// wipe empties a segment. What holds no key is clear already and is not touched: at the start that is all of it.
func (t *table[V]) wipe(segment int) {
	b := segment * int(t.buckets)
	for i := b; i < b+int(t.buckets); i++ {
		for w := range ways {
			if t.lines[i].tag[w] != 0 {
				t.lines[i].tag[w], t.lines[i].last[w] = 0, 0
				t.slots[i*ways+w] = slot[V]{}
				t.held.Add(-1)
			}
		}
	}
	t.lost.Add(-int64(t.evicted[segment]))
	t.evicted[segment] = 0
}

// own places a key that decides its segment itself: an account, a device, a network, a domain, a host, a URL.
func own(k key, segments, buckets uint32) place {
	h := mix(k.lo^salt0, k.hi^salt1)
	seg, rest := bits.Mul64(h, uint64(segments))
	in, _ := bits.Mul64(rest, uint64(buckets))
	return place{key: k, bucket: uint32(seg)*buckets + uint32(in), tag: tagOf(h), segment: uint32(seg)}
}

func tagOf(h uint64) uint32 { return max(uint32(h), 1) }

// ownedBy places a key that belongs to somebody: a pair or a sender's domain stands in the owner's segment, in one of at most share buckets
// that are the owner's to use. So one owner who floods memory pushes out little of the others'.
func ownedBy(owner *place, k key, buckets uint32) place {
	h := mix(owner.key.lo^salt2, owner.key.hi^salt3)
	start, _ := bits.Mul64(h, uint64(buckets))
	hk := mix(k.lo^salt0, k.hi^salt1)
	off, _ := bits.Mul64(hk, uint64(min(buckets, share)))
	b := uint32(start) + uint32(off)
	if b >= buckets {
		b -= buckets
	}
	return place{key: k, bucket: owner.segment*buckets + b, tag: tagOf(hk), segment: owner.segment}
}

// share is how many buckets of a segment one account's pairs may use: with 8 ways, it is remembered for at most 1024 recipients.
const share = 128

// join makes the key of two things: 128 bits of hash over both, in their order. Surrogates and tokens are random to whoever sends, so two
// pairs meet with the chance of two surrogates meeting: 2^-128.
func join(a, b key) key {
	lo, hi := mix(a.lo^salt0, a.hi^salt1), mix(a.hi^salt2, a.lo^salt3)
	return key{mix(lo^b.lo^salt4, b.hi^salt5), mix(hi^b.hi^salt6, b.lo^salt7)}
}

// item is a key's hash in a sketch.
func item(k key) uint64 { return mix(k.lo^salt5, k.hi^salt6) }

// Recipients are persons or groups; a group's surrogate is turned so that it cannot be taken for a person's.
func recipient(t key, to *vedette.Recipient) key {
	switch {
	case !to.Account.IsZero():
		return of(t, [16]byte(to.Account))
	case !to.Group.IsZero():
		k := of(t, [16]byte(to.Group))
		return key{k.hi ^ salt3, k.lo ^ salt2}
	}
	return key{}
}

// of mixes a tenant into what was issued within it. Within one tenant that confuses nothing; between tenants, whose surrogates and tokens
// are issued apart, equal bytes become different keys.
func of(t key, id [16]byte) key {
	return key{load(id[:8]) ^ t.lo, load(id[8:]) ^ t.hi}
}

func load(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// tenantKey spreads a tenant's name over 128 bits.
func tenantKey(t vedette.Tenant) key {
	k := key{salt6, salt7}
	for i := range len(t) {
		k.lo = mix(k.lo^uint64(t[i]), salt1)
		k.hi = mix(k.hi^uint64(t[i]), salt4)
	}
	return k
}
